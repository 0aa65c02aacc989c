"""Memory of a long run that is given back before the jobs that need much of it."""

import ctypes
import gc
from contextlib import suppress

from ifcb_abundance.common.workers import end_if_idle


def make_room() -> None:
    """End the processes that pooled days, and give back to the system what this one no longer uses."""
    end_if_idle()
    gc.collect()
    gc.freeze()  # what is left lives as long as the run, so the next call need not look through it
    with suppress(AttributeError, OSError, TypeError):  # another C library than glibc has no such function
        ctypes.CDLL(None).malloc_trim(0)
