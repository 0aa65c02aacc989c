"""The command line of a clone: python workflow/scripts/command_line.py init|plan|run|targets. The Makefile uses it."""

import sys

from ifcb_abundance.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
