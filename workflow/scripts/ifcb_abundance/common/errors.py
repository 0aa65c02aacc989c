"""The errors that a user can do something about. Each message says what is wrong, where, and what to do."""

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
    """A request without a usable answer, which would get none if it was sent again.

    kind: what went wrong, in a few words that hold for other requests too, so that failures can be counted by it.
    """

    def __init__(self, message: str, kind: str = "") -> None:
        super().__init__(message)
        self.kind = kind


class TransientError(RequestError):
    """A request that may succeed if sent again, after `retry_after` seconds if the server said so.

    refused: the server did not take it, as overloaded servers do.
    """

    def __init__(self, message: str, retry_after: float | None = None, refused: bool = False, kind: str = "") -> None:
        super().__init__(message, kind)
        self.retry_after = retry_after
        self.refused = refused


class NoConnectionError(TransientError):
    """A request that got no connection to the server.

    server: what the server does, for any request. advice: what to do about it. enough: a server that has not answered
    yet is given up after so many requests in a row, each with all its tries; 0: at once, without another try.
    for_good: a server that has answered is given up at once too. silent: nothing answered, for as long as one waits.
    """

    def __init__(
        self, message: str, server: str, advice: str, enough: int, for_good: bool = False, silent: bool = False
    ) -> None:
        super().__init__(message, kind="no connection to the server")
        self.server = server
        self.advice = advice
        self.enough = enough
        self.for_good = for_good
        self.silent = silent


class UnreachableError(WorkflowInputError):
    """There is no connection to the server for any request.

    It says nothing about a bin, so it is no RequestError: no bin may be recorded as failed because of it.
    """


class ScoresError(WorkflowInputError):
    """A bin's class scores are unavailable or are not class scores; names the bin and the address."""


class NoScoresError(ScoresError):
    """The source has no class scores of a bin that they were asked of."""


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


def may_pass(error: BaseException | None) -> bool:
    """Whether it is a fault that may be gone another time, or was raised from one."""
    return error is not None and (isinstance(error, TransientError) or may_pass(error.__cause__))


def kind_of(error: BaseException | None) -> str:
    """What went wrong, in a few words by which failures can be counted."""
    while error is not None:
        if isinstance(error, RequestError) and error.kind:
            return error.kind
        error = error.__cause__
    return "files or answers that cannot be used"
