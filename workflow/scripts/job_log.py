"""A log file per job, for jobs that share one process. It is written only if there is something to say."""

import logging
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import ParamSpec, TypeVar

from errors import WorkflowInputError

P = ParamSpec("P")
T = TypeVar("T")


def logged(path: str, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call `work`; what this thread logs below `ifcb` meanwhile, and the error that ends it, also go to `path`."""
    handler = logging.FileHandler(path, mode="w", encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    thread = threading.get_ident()
    # A log that cannot be written, on a full disk, must not hide the error.
    handler.handleError = lambda record: None  # type: ignore[method-assign]  # noqa: ARG005
    handler.addFilter(lambda record: record.thread == thread)
    logger = logging.getLogger("ifcb")
    logger.addHandler(handler)
    try:
        return work(*args, **kwargs)
    except Exception as error:
        handler.handle(logger.makeRecord("ifcb", logging.ERROR, "", 0, str(error), (), None))
        raise
    finally:
        logger.removeHandler(handler)
        with suppress(OSError):
            handler.close()


def scripted(path: str, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> None:
    """`logged`, for a script that is a process of its own: an error that a user can mend ends it with its message.

    Warnings go to the terminal too: there is no engine in this process that would show them.
    """
    logging.getLogger("ifcb").addHandler(logging.StreamHandler())
    try:
        logged(path, work, *args, **kwargs)
    except WorkflowInputError as error:
        sys.exit(str(error))
