"""Libraries that only some stages need, named with the command that installs them where they are missing."""

import importlib.util
from importlib import import_module
from pathlib import Path
from typing import Any

from ifcb_abundance.common.errors import StateError

READERS = ("SimpleITK", "imagecodecs")  # of files of users; a table says of a file that it needs one


def needed(module: str, package: str, why: str) -> Any:
    """Import a module of an optional package. Raises StateError, saying what needs it, if it is not installed."""
    try:
        return import_module(module)
    except ImportError:
        raise StateError(f"{why} needs {package}, which is not installed: `make stages` installs it") from None


def is_there(package: str) -> bool:
    """Tell whether a package is installed, without importing it."""
    return importlib.util.find_spec(package) is not None


def to_install(package: str) -> str:
    """The command that installs a package, as the problem of a file says it."""
    return f"pip install {package}"


def reader_came(table: str | Path) -> bool:
    """Tell whether a table says of a file that it needs a package, and the package is there now."""
    text = Path(table).read_text("utf-8", "replace")
    return any(to_install(package) in text and is_there(package) for package in READERS)
