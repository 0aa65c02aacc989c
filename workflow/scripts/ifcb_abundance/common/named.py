"""What users ask for by name, and how a message lists the names that there are."""

from collections.abc import Mapping, Sequence
from typing import NoReturn, TypeVar

from ifcb_abundance.common.errors import ConfigError, quoted

V = TypeVar("V")
LISTED = 20  # names in a message


class Named(dict[str, V]):
    """Values by name. A name that is not there is a ConfigError that says which are, and no KeyError.

    lacking: how the message begins, up to the name: `samples.list: no dataset is called`.
    """

    def __init__(self, lacking: str, values: Mapping[str, V]) -> None:
        super().__init__(values)
        self._lacking = lacking

    def __missing__(self, name: str) -> NoReturn:
        raise ConfigError(f"{self._lacking} {name!r}; there are {listed(list(self))}")


def listed(names: Sequence[str], most: int = LISTED) -> str:
    """Names as a message lists them: the first ones, and how many more."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return f"{quoted(names[:most]) or 'none'}{more}"
