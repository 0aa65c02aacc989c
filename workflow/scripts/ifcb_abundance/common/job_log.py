"""A log file per job, for jobs that share one process. It exists only if there is something to say."""

import logging
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import ParamSpec, TypeVar

from ifcb_abundance.common.errors import WorkflowInputError

P = ParamSpec("P")
T = TypeVar("T")

TOLD = 65  # exit status of a script whose error is one of ours; sysexits.h calls it "the input was incorrect"
STARTED = time.time()
# An error of ours and whatever follows it: a message may have several lines.
_ERROR = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ERROR (.+)\Z", re.DOTALL | re.MULTILINE)


class _JobLog(logging.FileHandler):
    """A job's log that, if it cannot be written on a full disk, does not hide the message."""

    lost = False

    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
        except OSError:  # it could not be opened
            self.lost = True

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802
        self.lost = True


def logged(path: str, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call `work`; what this thread logs below `ifcb` meanwhile, and the error that ends it, also go to `path`.

    One of our errors is logged as ERROR, any other as CRITICAL. The log of an earlier try is removed.
    """
    with suppress(OSError):
        Path(path).unlink(missing_ok=True)
    handler = _JobLog(path, mode="w", encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    thread = threading.get_ident()
    handler.addFilter(lambda record: record.thread == thread)
    logger = logging.getLogger("ifcb")
    logger.addHandler(handler)
    try:
        return work(*args, **kwargs)
    except Exception as error:
        level = logging.ERROR if isinstance(error, WorkflowInputError) else logging.CRITICAL
        handler.handle(logger.makeRecord("ifcb", level, "", 0, str(error), (), None))
        if isinstance(error, WorkflowInputError):
            error.in_log = not handler.lost
        raise
    finally:
        logger.removeHandler(handler)
        with suppress(OSError):
            handler.close()


def scripted(path: str, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> None:
    """`logged` for a script outside the engine's process: an error that a user can fix ends it with status TOLD.

    The engine's process prints the error, from the log. Warnings go to the terminal from here, since there is no engine
    in this process that would show them.
    """
    logger, terminal = logging.getLogger("ifcb"), logging.StreamHandler()
    logger.addHandler(terminal)
    try:
        logged(path, work, *args, **kwargs)
    except WorkflowInputError as error:
        if not error.in_log:
            print(error, file=sys.stderr)
        sys.exit(TOLD)
    finally:
        logger.removeHandler(terminal)  # the next script may run in the same process


def last_error(paths: Iterable[str | Path]) -> str | None:
    """The error of ours that ended a job, from the first of its logs that was written since this process began."""
    for path in paths:
        with suppress(OSError, ValueError):
            if Path(path).stat().st_mtime >= STARTED:
                found = _ERROR.search(Path(path).read_text(encoding="utf-8"))
                return found[1].rstrip("\n") if found else None
    return None
