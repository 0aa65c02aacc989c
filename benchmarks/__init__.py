"""How fast the workflow is, beside what it replaces and beside the limit. `make bench` runs it all."""
