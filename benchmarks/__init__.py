"""How fast the workflow is, beside what it replaces and beside the limit. `make bench` runs it all."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))
