"""Read config files with the safe loader, and write them as the reference does."""

from pathlib import Path
from typing import Any

import yaml

from ifcb_abundance.common.atomic_write import atomic_write
from ifcb_abundance.common.errors import ConfigError


def read_mapping(path: str | Path, key: str) -> dict[str, Any]:
    """The mapping in a config file. Raises ConfigError if it is not a mapping or lacks `key`."""
    try:
        found = yaml.safe_load(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(found, dict) or not isinstance(found.get(key), dict) or not found[key]:
        raise ConfigError(f"{path} has no {key}: it is not a config file of this command")
    return found


def write(path: Path, content: dict[str, Any]) -> None:
    """Write a complete config file."""
    with atomic_write(path) as unfinished:
        unfinished.write_text(
            yaml.safe_dump(content, default_flow_style=False, indent=4, allow_unicode=True), encoding="utf-8"
        )
