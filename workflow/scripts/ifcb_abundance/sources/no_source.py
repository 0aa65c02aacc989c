"""What stands in place of a source in a run whose config names none: stages that read no bin do without."""

from typing import Any, NoReturn

from ifcb_abundance.common.errors import ConfigError
from ifcb_abundance.common.precision import Precision


class NoSource:
    """Refuses whatever it is asked. why: the error's message.

    The Snakefile is read with it, so it has the few answers that are needed before anything is asked for.
    """

    score_precision: Precision = "float16"
    scores_format = "csv"
    scores_instead = None
    same_for_all_bins = False

    def __init__(self, why: str) -> None:
        self.why = why

    def given_up(self) -> str:
        """Empty: there is no server."""
        return ""

    def some_scores(self, most: int) -> list[Any]:  # noqa: ARG002
        """None: no bin is read."""
        return []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._refuse()

    def _refuse(self) -> NoReturn:
        raise ConfigError(self.why)
