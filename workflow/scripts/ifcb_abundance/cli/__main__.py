"""`python -m ifcb_abundance.cli`."""

import sys

from ifcb_abundance.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
