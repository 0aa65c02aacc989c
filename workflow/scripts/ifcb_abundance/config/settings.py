"""From what was written to a config that is right: defaults filled in, values in their types, all faults told."""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from pydantic import ValidationError

from ifcb_abundance.common.errors import ConfigError
from ifcb_abundance.config import checks
from ifcb_abundance.config.faults import accepted, all_told, files_of, refusal, short, told, with_place
from ifcb_abundance.config.model import Config
from ifcb_abundance.config.section import find

DEEPEST = 8  # levels of a config; YAML's anchors make lists that hold themselves
LARGEST = 2**63  # whole numbers beyond it are refused: Python does not even print the largest


def resolve(config: Mapping[str, Any], places: Mapping[str, str] | None = None) -> Config:
    """The config with defaults for all keys that it does not have.

    places: full key to where it is written, such as `my.yaml, line 3`, as `files.read_strictly` gives it.
    Raises ConfigError, with a line for each fault found.
    """
    plain = _plain(config)
    try:
        resolved = Config.model_validate(plain)
    except ValidationError as error:
        faults = [*all_told(error, plain), *_missing(plain)]
    else:
        faults = list(_missing(plain)) or list(checks.faults(resolved))
        if not faults:
            return resolved
    raise refused(faults, places or {})


def refused(faults: Sequence[str], places: Mapping[str, str]) -> ConfigError:
    """The error for these faults, which begin with their keys, with the files and lines that they are written in.

    places: as in `resolve`.
    """
    at_fault = {key: place for key, place in places.items() if any(fault.startswith(f"{key}: ") for fault in faults)}
    return refusal(*(with_place(fault, places) for fault in faults), files=files_of(at_fault or places))


def _missing(config: Mapping[str, Any]) -> Iterator[str]:
    """The faults of keys that the kind of source needs, told beside those of other keys."""

    def given(key: str) -> Any:
        section, name = key.split(".")
        keys = config.get(section, {})
        value = keys.get(name, find((section, name), Config).default) if isinstance(keys, Mapping) else ""
        return None if value == "null" else value

    kind = given("source.kind")
    needed = Config.NEEDS.get(kind, ()) if isinstance(kind, str) else ()
    yield from (told(key, None, accepted(key)) for key in needed if given(key) is None)


def _plain(value: Any, *keys: str) -> Any:
    """A copy in plain JSON types: YAML reads an unquoted 2024-02-15 as a date, JSON has no NaN.

    keys: those that lead to the value. Raises ConfigError for values too deep or too large to be looked at further.
    """
    if len(keys) > DEEPEST:
        raise refusal(f"{'.'.join(keys)}: nested too deep. Accepted: the keys that config/config.yaml has")
    if isinstance(value, int) and abs(value) >= LARGEST:
        raise refusal(f"{'.'.join(keys)}: a number of {value.bit_length()} bits. Accepted: numbers of up to 63 bits")
    if isinstance(value, set):
        value = dict.fromkeys(value)  # as YAML writes it
    if isinstance(value, Mapping):
        # The model takes no key with half of a surrogate pair.
        plain_keys = (short(str(_plain(key, *keys))).encode("utf-8", "replace").decode() for key in value)
        return {key: _plain(entry, *keys, key) for key, entry in zip(plain_keys, value.values(), strict=True)}
    if isinstance(value, list | tuple):
        return [_plain(entry, *keys, str(i)) for i, entry in enumerate(value)]
    if isinstance(value, date) or (isinstance(value, float) and not math.isfinite(value)):
        return str(value)
    return value
