"""Whether the run was asked to stop. Long jobs look here: the engine waits for jobs that run in its own process."""

import threading

from ifcb_abundance.common.errors import StateError

ASKED = threading.Event()
LOOK = 0.5  # seconds: how often what waits looks here


def refuse_if_asked() -> None:
    """Raise StateError if the run was asked to stop."""
    if ASKED.is_set():
        raise StateError("Stopped as you asked. What is whole stays; the same command goes on where it stood")
