"""What figures need to know of the config."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from ifcb_abundance.classes.class_table import WARNING, plain
from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.config import Config
from ifcb_abundance.config.model import Rule
from ifcb_abundance.pooling.method import group_columns

Tables = Mapping[str, str | Path]
"""The names of tables (abundance, coverage, sweep, bins, catalog, ledger, ...) and their paths."""

Side = Literal["top", "bottom"]
PIXELS_PER_MM = 96 / 25.4  # CSS's pixels, in which charts are described: a point of type is 4/3 of them


@dataclass(frozen=True)
class FigureOptions:
    """The keys of the config that figures depend on.

    group_by: columns by which bins were pooled separately, in the order of tables. top_classes: the number of classes
    shown. one_class: the class of `bin_series`, None for the most abundant. confidence: of the intervals, from 0 to 1.
    accept_zero_position: whether 0,0 is a position. width_mm: of the printed figure, in mm. font: a family, or "" for
    any without serifs. names: the scientific name of each label that has one. groups: all groups of the class table.
    warning_levels: the cells/mL of each label from which on there is a warning. merged, merged_spellings: the class of
    each label and plain spelling, if the class table merges any, as `LabelTable` gives them. rule: by which ROIs count
    for classes.
    """

    dataset: str
    group_by: Sequence[str]
    top_classes: int
    one_class: str | None
    confidence: float
    accept_zero_position: bool = False
    width_mm: int = 180
    font: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    groups: Sequence[str] = ()
    warning_levels: Mapping[str, float] = field(default_factory=dict)
    merged: Mapping[str, str] = field(default_factory=dict)
    merged_spellings: Mapping[str, str] = field(default_factory=dict)
    rule: Rule = "winner"

    @classmethod
    def of(cls, config: Config) -> "FigureOptions":
        """The options of a config."""
        # Where labels are matched loosely, what they mean is found by their plain spelling too.
        table: dict[str, Mapping[str, str]] = dict(config.class_table)
        if config.classify.match_labels == "loose":
            table = {plain(label): traits for label, traits in table.items()} | table
        return cls(
            dataset=config.dataset,
            # Names and colours of series follow this order, here as in the report.
            group_by=group_columns(config.abundance.group_by),
            top_classes=config.report.top_classes,
            one_class=config.report.one_class,
            confidence=config.abundance.confidence,
            accept_zero_position=config.select.accept_zero_position,
            width_mm=config.report.width_mm,
            font=config.report.font or "",
            names={label: traits["scientific_name"] for label, traits in table.items() if traits["scientific_name"]},
            groups=sorted({traits["group"] for traits in table.values()} - {""}),
            warning_levels={label: float(traits[WARNING]) for label, traits in table.items() if WARNING in traits},
            merged=config.class_table.merged_labels(),
            merged_spellings=config.class_table.merged_spellings(),
            rule=config.classify.rule,
        )

    def of_dataset(self) -> "FigureOptions":
        """Those without the keys by which one run of a dataset differs from another."""
        return replace(self, group_by=(), one_class=None, confidence=0.95, accept_zero_position=False)

    def name_of(self, label: str) -> str:
        """The scientific name of a label, or nothing."""
        return self.names.get(label) or self.names.get(plain(label), "")

    def class_of(self, label: str) -> str:
        """The class that a label is merged into, else the label."""
        if label == UNCLASSIFIED:
            return label
        return self.merged.get(label) or self.merged_spellings.get(plain(label), label)

    def warning_level(self, label: str) -> float | None:
        """The cells/mL of a label from which on there is a warning, if there are any."""
        return self.warning_levels.get(label) or self.warning_levels.get(plain(label))

    @property
    def counted(self) -> str:
        """What a count is of: by the rule `each` a ROI may count for several classes."""
        return "count" if self.rule == "each" else "ROI"

    @property
    def width(self) -> float:
        """The width of the whole figure in pixels."""
        return self.width_mm * PIXELS_PER_MM

    @property
    def narrow(self) -> bool:
        """Whether the figure is as wide as one column of a page."""
        return self.width_mm < 120

    @property
    def below(self) -> Side:
        """Where the second legend of a figure stands: a narrow one has no room for two side by side."""
        return "bottom" if self.narrow else "top"
