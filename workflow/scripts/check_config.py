"""Check a config file before a run, as `make run CONFIG=my.yaml` does: python workflow/scripts/check_config.py FILE."""

import sys

from snakemake.common.configfile import load_configfile
from snakemake.utils import update_config

from ifcb_abundance.common.errors import ConfigError
from ifcb_abundance.config import WORKFLOW, resolve
from ifcb_abundance.config.files import read_strictly

if __name__ == "__main__":
    own = WORKFLOW / "config" / "config.yaml"
    try:
        places = read_strictly([own, sys.argv[1]])
        config = load_configfile(own)
        update_config(config, load_configfile(sys.argv[1]))
        resolve(config, places)
    except ConfigError as error:
        sys.exit(str(error))
