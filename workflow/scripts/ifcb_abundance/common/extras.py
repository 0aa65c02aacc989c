"""Libraries that only some stages need, named with the command that installs them where they are missing."""

from importlib import import_module
from typing import Any

from ifcb_abundance.common.errors import StateError


def needed(module: str, package: str, why: str) -> Any:
    """Import a module of an optional package. Raises StateError, saying what needs it, if it is not installed."""
    try:
        return import_module(module)
    except ImportError:
        raise StateError(f"{why} needs {package}, which is not installed: `make stages` installs it") from None
