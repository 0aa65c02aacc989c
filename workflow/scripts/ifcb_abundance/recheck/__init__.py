"""recheck."""
