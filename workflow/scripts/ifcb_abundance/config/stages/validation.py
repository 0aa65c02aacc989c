"""The section `validation`: what people are asked, where their labels are, and what is made of them."""

import os
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ifcb_abundance.config.section import EachOnce, Section, key, section

FilePath = Annotated[str, Field(min_length=1), AfterValidator(os.path.expanduser)]
Score = Annotated[float, Field(gt=0, lt=1)]


class Zooniverse(Section):
    """Exports of a Zooniverse project."""

    workflows: FilePath | None = key(None, "null or a path: the export of the project's workflows")
    classifications: FilePath | None = key(
        None, "null or a path: the export of the classifications of one workflow or of all"
    )
    workflow_id: int | None = key(None, "null or a whole number from 1: the workflow on Zooniverse", ge=1)
    version: str | None = key(
        None,
        "null, or a version of the workflow in quotes, such as '52.76', or '52' for all of 52; null for the newest",
        "52.8 is not 52.80, so the quotes matter",
        pattern=r"^[0-9]{1,9}(\.[0-9]{1,9})?$(?!\n)",
    )
    task: str | None = key(
        None,
        "null or the name of a task such as T0: the one that asks for the class",
        pattern=r"^[A-Za-z0-9_.-]{1,100}$(?!\n)",
    )


class Validation(Section):
    """How good the classifier is, by what people see."""

    make: bool = key(
        False,
        "true or false: whether each run makes the tables and figures of validation. You can ask for them by name at "
        "any time",
        "By name: `snakemake --cores 8 validation`; see [People check the classifier](../docs/how-to/validation.md)",
    )
    n_rois: int = key(
        2000,
        "a whole number from 1 to 1000000: how many ROIs people are asked about",
        "Each stratum, a winner and a band of its scores, has at least 5 of them, or all that it has",
        ge=1,
        le=1_000_000,
    )
    max_bins: int | None = key(
        None,
        "null or a whole number from 1: draw the sample from at most so many bins; null for any number",
        "A bin on a dashboard is megabytes. Fewer bins say less about the others, and limits are then too narrow. A "
        "second round takes the bins that have labels, or, if they are more, draws so many of all bins anew",
        ge=1,
    )
    seed: int = key(1, "a whole number from 0: another one draws another sample", ge=0)
    spread: Literal["month", "none"] = key(
        "month",
        "'month' or 'none': spread the sample evenly over the months, or draw ROIs of any time",
        "`rate_drift.csv` compares error rates month by month",
    )
    round: Literal[1, 2] = key(
        1,
        "1 or 2: 2 draws another n_rois where the labels of the first round leave most open",
        "Labels of both rounds count: keep those of the first in `labels`",
    )
    labels: EachOnce[FilePath] = key(
        [],
        "a list of paths or globs, each once: files with people's labels; [] for none",
        "CSV `roi,label[,person]`, the manual `.mat` of ifcb-analysis, iRfcb and ClassiPyR, `annotations.sqlite` of "
        "ClassiPyR, TSV of EcoTaxa, CSV of Label Studio. The contents say which it is. The embedded demo brings its "
        "own people",
    )
    zooniverse: Zooniverse = section(
        "a mapping of workflows, classifications, workflow_id, version and task: labels from exports of Zooniverse, "
        "beside those of labels"
    )
    label_map: FilePath | None = key(
        None,
        "null or the path of a CSV file label,class: classes for labels that are spelt otherwise",
        "A label that is no class counts as `other`",
    )
    repeat: Literal["first", "last", "all"] = key(
        "first", "'first', 'last' or 'all': which label counts of a person who labelled a ROI more than once"
    )
    none_labels: EachOnce[Annotated[str, Field(min_length=1)]] = key(
        [], "a list of labels, each once, that say that a ROI cannot be named"
    )
    min_votes: int = key(1, "a whole number from 1: a ROI with fewer votes is left out", ge=1)
    min_agreement: float = key(0.5, "a number from 0 to 1: the share of a ROI's votes that its class needs", ge=0, le=1)
    people: Literal["vote", "skill"] = key(
        "vote",
        "'vote' or 'skill': each vote counts the same, or by the person's skill as the votes themselves show it",
        "Skills are those of Dawid and Skene (1979), with one number a person",
    )
    score_bands: EachOnce[Score] = key(
        [0.5, 0.7, 0.9],
        "a list of scores between 0 and 1 in ascending order: where bands of scores begin, beside 0",
        "A band holds its lower end. They should include the thresholds that are in use",
    )
    min_labels: int = key(
        10,
        "a whole number from 1: a class with fewer labels has a note, and neither a threshold nor a corrected count",
        "Its precision and recall stand beside the note, with limits",
        ge=1,
    )
    criterion: Literal["precision", "f1", "balance"] = key(
        "precision",
        "'precision', 'f1' or 'balance': the threshold of a class is the lowest that reaches target_precision, that of "
        "the highest F1, or the one where as many are wrongly in as wrongly out",
    )
    target_precision: float = key(
        0.9, "a number above 0, at most 1: the precision that a threshold has to reach", gt=0, le=1
    )
    bootstrap: int = key(
        1000, "a whole number from 100 to 100000: how many replicates the limits of counts are from", ge=100, le=100_000
    )
    rate_dispersion: Literal["estimate"] | Annotated[float, Field(ge=0, lt=1)] = key(
        "estimate",
        "'estimate', or a number from 0, below 1: how much error rates differ from day to day, from the labels or as "
        "given",
        "It is an intraclass correlation: 0 means that they are the same each day. An estimate needs labels of ten "
        "days; without them the daily limits are empty",
    )
