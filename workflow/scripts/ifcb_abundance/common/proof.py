"""Results that prove what they are, by a checksum of the settings and inputs that they were made from.

The engine keeps a record of each file that it made, outside of the results. A folder of results that was copied,
restored from a backup, or outlived the engine's folder comes without records. So files that are expensive to make say
themselves what they were made from: in the metadata of a Parquet file, in the comment of a zip, in a JSON file. CSV
files cannot; a proof beside them names their checksums.
"""

import json
import zipfile
from collections.abc import Iterable, Mapping
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

KEY = "made_of"


def digest(*parts: Any) -> str:
    """A checksum (sha256, hex) of plain values and tables: the same for the same values, in any process.

    Raises TypeError for values of other kinds.
    """
    return sha256(json.dumps(parts, sort_keys=True, default=_plain).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, pd.DataFrame):
        return value.to_csv(index=False)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"no checksum of {type(value).__name__}")


def checksums(files: Mapping[str, str | Path | bytes]) -> dict[str, str]:
    """The sha256 of each of the files, or contents, by the names given; empty for a file that is not there."""
    found = {}
    for name, file in files.items():
        if isinstance(file, bytes):
            found[name] = sha256(file).hexdigest()
            continue
        try:
            with Path(file).open("rb") as body:
                found[name] = file_digest(body, "sha256").hexdigest()
        except OSError:
            found[name] = ""
    return found


def statement(made_of: str, files: Mapping[str, str | Path | bytes] | None = None) -> str:
    """The proof of one or several files: the checksum of what they were made from, and of the other files' contents."""
    return json.dumps({KEY: made_of, "sha256": checksums(files or {})}, sort_keys=True)


def holds(stated: str | bytes | None, made_of: str, files: Mapping[str, str | Path] | None = None) -> bool:
    """Whether a statement matches `made_of`, and the files are still those that it was made for."""
    return bool(stated) and (stated.decode() if isinstance(stated, bytes) else stated) == statement(made_of, files)


def of_parquet(path: str | Path) -> dict[str, bytes]:
    """The metadata of a Parquet file, by name, without reading its rows. Empty if it is not a Parquet file."""
    try:
        found = pq.read_metadata(path).metadata or {}
    except (pa.ArrowException, OSError):
        return {}
    return {key.decode(): value for key, value in found.items()}


def of_zip(path: str | Path) -> bytes:
    """The comment of a zip; empty if it is not a zip."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.comment
    except (zipfile.BadZipFile, OSError):
        return b""


def of_json(path: str | Path) -> str:
    """A statement in a file of its own; empty if there is no such file."""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def of_days(parts: Iterable[str | Path]) -> str:
    """A checksum of the statements of the days' parts, in their order; empty if one of them has none."""
    stated = [of_parquet(part).get(KEY, b"") for part in parts]
    return digest([each.decode() for each in stated]) if all(stated) else ""
