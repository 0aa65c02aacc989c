"""Turn Zooniverse exports into votes: python workflow/scripts/zooniverse.py config|extract|reduce, each with --help."""

import sys

from ifcb_abundance.validation.zooniverse.cells import unjson_dataframe
from ifcb_abundance.validation.zooniverse.command import main

__all__ = ["unjson_dataframe"]

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
