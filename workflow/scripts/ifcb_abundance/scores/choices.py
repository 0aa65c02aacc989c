"""What `auto` means for the class scores of a source: their form, their precision, the class table that knows them."""

from collections.abc import Iterator

from ifcb_abundance.classes.shipped import best_table, known_labels
from ifcb_abundance.common.errors import ConfigError, ScoresError
from ifcb_abundance.common.matlab import MATLAB, NUMERIC, read_arrays
from ifcb_abundance.common.words import counted
from ifcb_abundance.config import AUTO, Config
from ifcb_abundance.config.model import FROM_SCORES
from ifcb_abundance.scores.packed import MOST_BYTES
from ifcb_abundance.scores.summary import labels_of_file
from ifcb_abundance.sources.protocols import Source
from ifcb_abundance.sources.score_files import WITHOUT_THRESHOLDS

LOOKED_AT = 3  # files whose labels choose a class table: the first, the last and the one between them
WITH_CELLS = ("h5", "mat", "class_csv")  # forms that may say how many cells an image shows


def settle(config: Config, source: Source) -> Config:
    """Return the config with what `auto` means in its place.

    A folder is looked at for it; nothing is asked of a server. Raises ConfigError for class scores of several forms,
    and for thresholds that their form does not bring.
    """
    form = source.scores_format
    if config.source.kind != "dashboard":
        config = config.with_format(form)
    if config.classify.class_thresholds == FROM_SCORES and form in WITHOUT_THRESHOLDS:
        raise ConfigError(
            f"classify.class_thresholds: from_scores: the class scores are {form} files, which bring no thresholds. "
            "Accepted for them: null, or the path of a CSV file class,threshold"
        )
    config = config.with_precision(source.score_precision)
    if config.classify.class_table == AUTO:
        config = config.with_class_table(best_table(_labels(source), config.classify.match_labels == "loose"))
    return config


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


def cells_are_counted(source: Source) -> bool:
    """Whether the first class scores of a folder say how many cells an image shows. Nothing is asked of a server."""
    if source.scores_format not in WITH_CELLS:
        return False
    for _, file in source.some_scores(1) or ():
        if not file.body.startswith(MATLAB):
            return b"cell_count" in file.body
        try:
            return "cell_count" in read_arrays(file.body, {"cell_count": NUMERIC}, MOST_BYTES)
        except Exception:  # a damaged file is told of when its bin is read
            return False
    return False
