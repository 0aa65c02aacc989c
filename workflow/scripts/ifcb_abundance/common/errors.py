"""The errors a user can do something about. Each message says what is wrong, where, and what to do."""

from collections.abc import Iterable


def quoted(labels: Iterable[str]) -> str:
    """Labels as a message lists them: `'Akashiwo', 'Chaetoceros, single'`."""
    return ", ".join(map(repr, labels))


class WorkflowInputError(Exception):
    """Something given to the workflow cannot be used: the root of all errors raised on purpose.

    in_log: the log of the job that it ended has it.
    """

    in_log = False


class ConfigError(WorkflowInputError):
    """The config is invalid; names the key, its value and what is accepted."""


class CatalogError(WorkflowInputError):
    """The list of bins cannot be read or is not one."""


class NoBinsError(CatalogError):
    """The list of bins was read, and there is none in the window."""


class RequestError(WorkflowInputError):
    """A request that got no usable answer and would get none if sent again.

    kind: what went wrong, in a few words that hold for other requests too, so that failures can be counted by it.
    """

    def __init__(self, message: str, kind: str = "") -> None:
        super().__init__(message)
        self.kind = kind


class TransientError(RequestError):
    """A request that may succeed if sent again, after `retry_after` seconds if the server said so.

    refused: the server did not take it, which it does when it has too much to do.
    """

    def __init__(self, message: str, retry_after: float | None = None, refused: bool = False, kind: str = "") -> None:
        super().__init__(message, kind)
        self.retry_after = retry_after
        self.refused = refused


class NoConnectionError(TransientError):
    """A request that never reached the server, since there was no connection to it.

    server: what the server does, whichever request it was, and advice: what to do about it. enough: after so many
    requests in a row, each with all its tries, a server that has not answered yet is given up; 0: after this one,
    without another try. for_good: that holds for a server that has answered, too.
    """

    def __init__(self, message: str, server: str, advice: str, enough: int, for_good: bool = False) -> None:
        super().__init__(message, kind="no connection to the server")
        self.server = server
        self.advice = advice
        self.enough = enough
        self.for_good = for_good


class UnreachableError(WorkflowInputError):
    """There is no connection to the server, whatever is asked of it.

    It says nothing of a bin, and so it is no RequestError: no bin may be recorded as failed for it.
    """


class ScoresError(WorkflowInputError):
    """A bin's class scores are unavailable or are not class scores; names the bin and the address."""


class FeaturesError(WorkflowInputError):
    """A bin's features are unavailable or are not features; names the bin and the address."""


class RawFileError(WorkflowInputError):
    """A raw file (.hdr, .adc, .roi) cannot be read or is truncated; names the file, and the bin or ROI."""


class NoRawFilesError(RawFileError):
    """A source has no raw files of a bin, or not all that its images need."""


class StateError(WorkflowInputError):
    """The machine does not let the run go on: a lock, a folder or disk that cannot be written to."""


class TableError(WorkflowInputError):
    """A table does not agree with its schema."""


def kind_of(error: BaseException | None) -> str:
    """What went wrong, in a few words by which failures can be counted."""
    while error is not None:
        if isinstance(error, RequestError) and error.kind:
            return error.kind
        error = error.__cause__
    return "files or answers that cannot be used"
