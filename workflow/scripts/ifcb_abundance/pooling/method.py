"""The method by which scores become abundance, and the columns that group bins."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

from ifcb_abundance.classes.class_table import ClassTable, LabelTable, as_table
from ifcb_abundance.common.precision import Precision
from ifcb_abundance.config import AUTO, Config
from ifcb_abundance.config.model import FROM_SCORES, Abundance, Classify, GroupColumn, Rule
from ifcb_abundance.scores.decide import Decision, Kept
from ifcb_abundance.sources.score_files import WINNERS_ONLY, WITH_CELLS

CLASSIFY, ABUNDANCE = Classify(), Abundance()  # what a config has that says nothing
GROUPS: tuple[GroupColumn, ...] = get_args(GroupColumn)
# Columns of abundance_long that are there where the config asks for them.
LIMITS = tuple(f"objects_per_ml{limit}" for limit in ("_low", "_high", "_low_dispersed", "_high_dispersed"))
# Quantities of a bin and class beside its count: the sum of cells that are known, ROIs whose cells are not; the bin's
# ROIs; the classifier's threshold. In the table of bins they are columns.
CELL_SUM, UNCOUNTED, N_ROIS, THRESHOLD = "cells", "rois_without_cells", "n_rois", "threshold"
SEVERAL = math.inf  # in place of the threshold of a class whose labels have different ones; files leave it empty
CELLS = ("cells_per_ml", *(name.replace("objects", "cells") for name in LIMITS))


@dataclass(frozen=True)
class Method:
    """How scores become abundance: the config's `classify` and `abundance`.

    Neither section is enough for it: it also has what their files say, and what the source turned out to have. It has
    nothing of them that changes no number: what tables are recorded with is all of it.

    threshold: for classes that class_thresholds does not name. precision: in which scores and
    thresholds are compared. group_by: any of GROUPS. confidence: of the intervals. class_table: label to
    traits, as `class_table.read_class_table` gives them. position_tolerance_km: beyond it a group is moving. rule,
    from_scores: as of `decide.Decision`. match_labels: how labels are found in class_table. cells: abundance is given
    in cells too. counted_cells: the cells that class scores count are needed, for abundance or for carbon, and they may
    say them. winners_only: the class scores have no scores but the winners', and no label sets.
    """

    threshold: float = CLASSIFY.threshold
    class_thresholds: Mapping[str, float] = field(default_factory=dict)
    precision: Precision = "float16"
    group_by: Sequence[str] = tuple(ABUNDANCE.group_by)
    confidence: float = ABUNDANCE.confidence
    class_table: ClassTable = field(default_factory=dict)
    position_tolerance_km: float = ABUNDANCE.position_tolerance_km
    rule: Rule = CLASSIFY.rule
    from_scores: bool = False
    match_labels: str = "exact"
    cells: bool = False
    counted_cells: bool = False
    winners_only: bool = False

    @classmethod
    def of(cls, config: Config, cells_are_counted: bool | None = False) -> "Method":
        """The method of a config; ValueError if its precision is still that of a source (`Config.with_precision`).

        cells_are_counted: the class scores say how many cells an image shows; None if that is not known yet.
        """
        classify, abundance, form = config.classify, config.abundance, config.source.scores_format
        if classify.score_precision == AUTO:
            raise ValueError("classify.score_precision is auto: the config has not been given its source's")
        cells = abundance.cells
        if cells is None:
            cells = bool(cells_are_counted) or _has_cells(config.class_table)
        # A bin is read again for what its summary lacks, so not for cells that its class scores cannot say. Where the
        # first file of a folder says none, later ones of its form may.
        later = config.source.kind == "directory" and form in WITH_CELLS
        may_be_counted = cells_are_counted is not False or later
        for_carbon = config.features.carbon == "per_cell" and cells_are_counted is not False
        return cls(
            threshold=classify.threshold,
            class_thresholds=config.class_thresholds,
            precision=classify.score_precision,
            group_by=abundance.group_by,
            confidence=abundance.confidence,
            class_table=config.class_table,
            position_tolerance_km=abundance.position_tolerance_km,
            rule=classify.rule,
            from_scores=classify.class_thresholds == FROM_SCORES,
            match_labels=classify.match_labels,
            cells=cells,
            counted_cells=for_carbon or (cells and may_be_counted),
            winners_only=form == WINNERS_ONLY,
        )

    @property
    def decision(self) -> Decision:
        """By what a ROI counts for a class."""
        # The other rules give a ROI no more than one label, whatever is merged.
        table = self.table if self.rule == "each" else LabelTable()
        return Decision(self.threshold, self.class_thresholds, self.precision, self.rule, self.from_scores, table)

    @property
    def by_winner(self) -> bool:
        """Whether a ROI counts for the class of its highest score or none, by the config's thresholds."""
        return self.rule == "winner" and not self.from_scores

    @property
    def kept(self) -> Kept:
        """What summaries have to hold beside the winners."""
        return Kept(self.from_scores, self.counted_cells, self.rule != "winner")

    @property
    def table(self) -> LabelTable:
        """The class table, which finds labels as `match_labels` says."""
        return as_table(self.class_table)

    def merged(self, label: str) -> str:
        """The class that a label is merged into, before or after pooling."""
        return self.table.merged(label)

    @property
    def optional_columns(self) -> list[str]:
        """The columns of abundance_long that not every config has, beside those that bins are grouped by."""
        return [
            *(CELLS if self.cells else ()),
            *(["rule"] if self.rule != "winner" else []),
            *(["thresholds_mixed"] if self.from_scores else []),
        ]

    @property
    def quantities(self) -> list[str]:
        """What a bin has of a class beside its count."""
        return [
            *((CELL_SUM, UNCOUNTED) if self.cells else ()),
            *([N_ROIS] if self.rule == "each" else []),
            *([THRESHOLD] if self.from_scores or self._thresholds_of_labels else []),
        ]

    @property
    def _thresholds_of_labels(self) -> bool:
        """Whether the threshold of a class hangs on which of its labels a bin's label set has."""
        return self.table.merges and bool(self.class_thresholds)

    @property
    def bin_columns(self) -> list[str]:
        """The columns that the table of bins has because of the config."""
        return [*self.group_columns, *self.quantities]

    @property
    def table_columns(self) -> list[str]:
        """All columns that tables have because of the config."""
        return [*self.group_columns, *self.optional_columns]

    @property
    def group_columns(self) -> list[str]:
        """Return the columns that bins are grouped by within the day, in the order of tables."""
        return group_columns(self.group_by)


def _has_cells(table: ClassTable) -> bool:
    return any(row.get("cells_per_image") for row in table.values())


def group_columns(group_by: Sequence[str]) -> list[str]:
    """Sort the columns of the config's `abundance.group_by` into the order of tables."""
    return [column for column in GROUPS if column in group_by]
