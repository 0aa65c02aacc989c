"""The errors a user can do something about. Each message says what is wrong, where, and what to do."""


class WorkflowInputError(Exception):
    """Something given to the workflow cannot be used: the root of all errors raised on purpose.

    in_log: the log of the job that it ended has it.
    """

    in_log = False


class ConfigError(WorkflowInputError):
    """The config cannot be right; names the key, its value and what would be accepted."""


class CatalogError(WorkflowInputError):
    """The list of bins cannot be read or is not one."""


class NoBinsError(CatalogError):
    """The list of bins was read, and there is none in the window."""


class RequestError(WorkflowInputError):
    """A request that got no usable answer and would get none if sent again."""


class TransientError(RequestError):
    """A request that may succeed if sent again, after `retry_after` seconds if the server said so.

    refused: the server did not take it, which it does when it has too much to do.
    """

    def __init__(self, message: str, retry_after: float | None = None, refused: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.refused = refused


class ScoresError(WorkflowInputError):
    """A bin's class scores cannot be had or are not class scores; names the bin and the address."""


class FeaturesError(WorkflowInputError):
    """A bin's features cannot be had or are no features; names the bin and the address."""


class RawFileError(WorkflowInputError):
    """A raw file (.hdr, .adc, .roi) cannot be read or breaks off; names the file, and the bin or ROI."""


class StateError(WorkflowInputError):
    """The machine does not let the run go on: a lock, a folder or disk that cannot be written to."""


class TableError(WorkflowInputError):
    """A table does not agree with its schema."""
