"""What `auto` means for the class scores of a source: their form, their precision, the class table that knows them."""

from collections.abc import Iterator

from ifcb_abundance.classes.shipped import best_table, known_labels
from ifcb_abundance.common.errors import ConfigError, ScoresError
from ifcb_abundance.common.matlab import MATLAB, NUMERIC, read_arrays
from ifcb_abundance.common.strict_csv import read_columns
from ifcb_abundance.common.words import counted
from ifcb_abundance.config import AUTO, Config
from ifcb_abundance.config.model import FROM_SCORES
from ifcb_abundance.scores.decide import Decision, Kept
from ifcb_abundance.scores.packed import MOST_BYTES
from ifcb_abundance.scores.summary import array_of_summary, labels_of_file, read_of_summary, read_rois
from ifcb_abundance.sources.protocols import Source
from ifcb_abundance.sources.score_files import SUMMARY, WINNERS_ONLY, WITH_CELLS, WITHOUT_THRESHOLDS

LOOKED_AT = 3  # files whose labels choose a class table: the first, the last and the one between them
PACKED = ("h5", "mat")  # forms that may bring thresholds, or the class of each ROI by them


def settle(config: Config, source: Source) -> Config:
    """Return the config with what `auto` means in its place.

    A folder is looked at for it; nothing is asked of a server. Raises ConfigError for class scores of several forms,
    and for thresholds, rules and features that their form does not allow.
    """
    form = source.scores_format
    if config.source.kind != "dashboard":
        config = config.with_format(form)
    _refuse_what_is_not_there(config, source, form)
    config = config.with_precision(source.score_precision)
    if config.classify.class_table == AUTO:
        config = config.with_class_table(best_table(_labels(source), config.classify.match_labels == "loose"))
    return config


def _refuse_what_is_not_there(config: Config, source: Source, form: str) -> None:
    """Raise ConfigError, before any work, for what cannot be had of class scores of this form."""
    classify = config.classify
    if classify.class_thresholds == FROM_SCORES and (form in WITHOUT_THRESHOLDS or _lacks_own_classes(source, form)):
        raise ConfigError(
            f"classify.class_thresholds: from_scores: the class scores are {form} files, which bring no thresholds. "
            "Accepted for them: null, or the path of a CSV file class,threshold"
        )
    if form == WINNERS_ONLY and classify.rule != "winner":
        raise ConfigError(
            f"classify.rule: {classify.rule!r}: the class scores are {form} files, which have the score of the winner "
            "alone. Accepted for them: winner"
        )
    if classify.class_thresholds == FROM_SCORES and classify.rule == "each" and _lacks_values(source, form):
        raise ConfigError(
            "classify.rule: 'each': the class scores bring the class of each ROI and no thresholds, which this rule "
            "needs. Accepted for them, with classify.class_thresholds: from_scores: winner or above_own"
        )
    if form == SUMMARY:
        if config.features.compute is not None:
            raise ConfigError(
                f"features.compute: {config.features.compute!r}: the class scores are summaries, which have no ROIs "
                "that features could be of. Accepted for them: null"
            )
        from_scores = classify.class_thresholds == FROM_SCORES
        wanted = Decision(classify.threshold, config.class_thresholds, rule=classify.rule, from_scores=from_scores)
        for bin_id, file in source.some_scores(LOOKED_AT) or ():
            try:
                array_of_summary(read_of_summary(bin_id, file), wanted)
            except ScoresError as error:
                key = "rule" if classify.rule == "each" else "class_thresholds" if from_scores else "threshold"
                raise ConfigError(f"classify.{key}: {error}") from None


def _lacks_own_classes(source: Source, form: str) -> bool:
    """Whether files of winners lack the class by the classifier's thresholds: the first one tells."""
    files = source.some_scores(1) if form == WINNERS_ONLY else None
    try:
        return any("class_name" not in read_columns(file.body.split(b"\n")[0]) for _, file in files or ())
    except ValueError:  # a damaged file is told of when its bin is read
        return False


def _lacks_values(source: Source, form: str) -> bool:
    """Whether files with all scores say the class by the classifier's thresholds and not these: the first one tells."""
    files = source.some_scores(1) if form in PACKED else None
    try:
        return any(read_rois(bin_id, file, Kept(own=True)).more.thresholds is None for bin_id, file in files or ())
    except ScoresError:  # as above
        return False


def why_no_validation(config: Config, source: Source) -> str:
    """Why people cannot check the classifier, as a message; empty if they can."""
    if source.scores_format == SUMMARY:
        return "validation: the class scores are summaries, which have no ROIs that people could look at"
    if config.classify.rule != "winner" or config.classify.class_thresholds == FROM_SCORES:
        return (
            "validation needs classify.rule: winner, and no classify.class_thresholds: from_scores: it is about the "
            "winner of each ROI"
        )
    if config.class_table.merges:
        return (
            "validation needs a class table that merges no labels (classify.class_table, column synonym_of): it is "
            "about the label that each ROI wins. Make it with such a table, in a run of its own (run: a name)"
        )
    return ""


def told(asked: Config, settled: Config, source: Source) -> Iterator[str]:
    """Say what `auto` became, a line each, where it is known."""
    if asked.source.scores_format == AUTO != settled.source.scores_format and settled.source.kind != "dashboard":
        yield f"class scores: {settled.source.scores_format} (source.scores_format: auto)"
    if asked.classify.class_table == AUTO:
        labels, named = _labels(source), str(settled.classify.class_table)
        known = known_labels(labels, settled.classify.match_labels == "loose")[named]
        of = counted(len(labels), "label")
        yield f"class table: {named}, which knows {known} of {of} (classify.class_table: auto)"


def _labels(source: Source) -> set[str]:
    """The labels of a few score files."""
    files = source.some_scores(LOOKED_AT)
    if files is None:
        raise ConfigError(
            "classify.class_table: auto needs class scores in a folder, so that their labels are known before anything "
            "is asked for. With whoi in its place, `snakemake check_labels` says which table knows most labels"
        )
    try:
        return {label for bin_id, file in files for label in labels_of_file(bin_id, file)}
    except ScoresError as error:
        raise ConfigError(f"classify.class_table: auto: {error}. Name a table") from None


def cells_are_counted(source: Source) -> bool | None:
    """Whether the first class scores of a folder say how many cells an image shows.

    Nothing is asked of a server: None, if its files may say it.
    """
    if source.scores_format not in (*WITH_CELLS, AUTO):
        return False
    files = source.some_scores(1)
    if files is None:
        return None
    for _, file in files:
        if not file.body.startswith(MATLAB):
            return b"cell_count" in file.body
        try:
            return "cell_count" in read_arrays(file.body, {"cell_count": NUMERIC}, MOST_BYTES)
        except Exception:  # a damaged file is told of when its bin is read
            return False
    return False
