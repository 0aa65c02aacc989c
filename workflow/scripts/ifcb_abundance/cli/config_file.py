"""A config file as a run would read it, without Snakemake."""

from pathlib import Path

from ifcb_abundance.common.errors import ConfigError
from ifcb_abundance.config import WORKFLOW, Config, resolve
from ifcb_abundance.config.files import load, read_strictly
from ifcb_abundance.sources.network_source import NetworkSource
from ifcb_abundance.sources.open_source import open_source
from ifcb_abundance.sources.protocols import Source

RETRIES = 2  # of a request while somebody waits for the answer; a run is more patient
OWN = WORKFLOW / "config" / "config.yaml"


def read(path: str | Path) -> Config:
    """Read a config file strictly. Raises ConfigError, with a line for each fault."""
    places = check_written(path)
    return resolve(load(path), places)


def check_written(path: str | Path, *others: str | Path) -> dict[str, str]:
    """Check how a config and the files laid over it are written, as `read_strictly` does."""
    if Path(path).is_dir():
        raise ConfigError(f"{path}: a folder, not a config. `ifcb-abundance init {path}` writes a config for its bins")
    if not Path(path).is_file():
        raise ConfigError(f"{path}: there is no such file. `ifcb-abundance init` writes one")
    return read_strictly([OWN, path, *others])


def open_to_look(config: Config) -> Source:
    """Open the config's source for a look at it: a server that takes no connections is told soon."""
    told = config.source.model_copy(update={"retries": min(config.source.retries, RETRIES)})
    source = open_source(config.dataset, told)
    if isinstance(source, NetworkSource):
        source.retrier.hasty = True
    return source
