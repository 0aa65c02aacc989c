"""The method by which scores become abundance, and the columns that group bins."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

from ifcb_abundance.classes.class_table import ClassTable
from ifcb_abundance.common.precision import Precision
from ifcb_abundance.config import AUTO, Config
from ifcb_abundance.config.model import GroupColumn

GROUPS: tuple[GroupColumn, ...] = get_args(GroupColumn)


@dataclass(frozen=True)
class Method:
    """How scores become abundance: the config's `classify` and `abundance`.

    threshold: for classes that class_thresholds does not name. precision: in which scores and
    thresholds are compared. group_by: any of GROUPS. confidence: of the intervals. class_table: label to
    traits, as `class_table.read_class_table` gives them. position_tolerance_km: beyond it a group is moving.
    """

    threshold: float = 0.7
    class_thresholds: Mapping[str, float] = field(default_factory=dict)
    precision: Precision = "float16"
    group_by: Sequence[str] = ("instrument",)
    confidence: float = 0.95
    class_table: ClassTable = field(default_factory=dict)
    position_tolerance_km: float = 1.0

    @classmethod
    def of(cls, config: Config) -> "Method":
        """The method of a config; ValueError if its precision is still that of a source (`Config.with_precision`)."""
        classify, abundance = config.classify, config.abundance
        if classify.score_precision == AUTO:
            raise ValueError("classify.score_precision is auto: the config has not been given its source's")
        return cls(
            threshold=classify.threshold,
            class_thresholds=config.class_thresholds,
            precision=classify.score_precision,
            group_by=abundance.group_by,
            confidence=abundance.confidence,
            class_table=config.class_table,
            position_tolerance_km=abundance.position_tolerance_km,
        )

    @property
    def group_columns(self) -> list[str]:
        """Return the columns that bins are grouped by within the day, in the order of tables."""
        return group_columns(self.group_by)


def group_columns(group_by: Sequence[str]) -> list[str]:
    """Sort the columns of the config's `abundance.group_by` into the order of tables."""
    return [column for column in GROUPS if column in group_by]
