"""The forms in which class scores are stored, told by the names of their files; and which of a bin's files counts.

The names are those that the tools write: WHOI's dashboard and classifier (`csv`, `h5`), ifcb-analysis' TreeBagger
(`mat`, and `summary`: a year's counts in one file), iRfcb and ClassiPyR (`class_csv`: a winner and its score), syke-pic
(`prob_csv`).
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from ifcb_abundance.bins.ids import PATTERN
from ifcb_abundance.common.errors import ConfigError, RawFileError, RequestError, may_pass
from ifcb_abundance.common.words import counted

if TYPE_CHECKING:
    from ifcb_abundance.common.precision import Precision

AUTO = "auto"
SUMMARY = "summary"  # the only form without a file per bin
WINNERS_ONLY = "class_csv"  # the form that has no scores but those of winners
# What follows the bin's id in the names of class-scores files, by the format's name in the config.
FORMATS = {
    "csv": r"_class_scores(?:_v\d+)?\.csv",
    "h5": r"_class(?:_v[23])?\.h5",
    "mat": r"_class_v\d+\.mat",
    "class_csv": r"\.csv",
    "prob_csv": r"\.prob\.csv",
}
# For a message: the name of a bin's file, without the bin's id.
NAMES = {
    "csv": "_class_scores.csv",
    "h5": "_class.h5",
    "mat": "_class_v1.mat",
    "class_csv": ".csv",
    "prob_csv": ".prob.csv",
}
# The precision in which classifiers write their scores, by the same names: random forests write their votes to .mat
# files as doubles; WHOI's network writes half precision to .h5 files, and its CSV files are made from these. The others
# print decimals, which are compared as they stand.
STORED_AS: "dict[str, Precision]" = {
    "csv": "float16",
    "h5": "float16",
    "mat": "float64",
    "class_csv": "float64",
    "prob_csv": "float64",
    SUMMARY: "float64",
}
WITHOUT_THRESHOLDS = ("csv", "prob_csv")  # forms that never say what a classifier's own thresholds are
WITH_CELLS = ("h5", "mat", WINNERS_ONLY)  # forms that may say how many cells an image shows
_ANY_SCORES = re.compile(f"({PATTERN})(?:{'|'.join(f'(?P<{name}>{rest})' for name, rest in FORMATS.items())})")
# The same in any case; and what people and their tools add to a name: blanks, the number of a copy, a compression.
_ANY_CASE = re.compile(f"({PATTERN})(?:{'|'.join(FORMATS[name] for name in ('csv', 'h5', 'mat'))})", re.IGNORECASE)
_ADDED = re.compile(r"\s+|\(\d+\)|\.(?:gz|bz2|xz|zip|zst)\s*$", re.IGNORECASE)
_SUMMARY = re.compile(r"summary_(?:biovol_)?allTB[^/]*\.mat")
_VERSION_OF_FILE = re.compile(r"_v(\d+)\.[a-z0-9]+$")
_VERSION_OF_FOLDER = re.compile(r"(?:^|[^a-z0-9])v(\d+)$", re.IGNORECASE)
_FIRST_COLUMN = b"file_name"  # of a `{bin}.csv` with class scores

ScoreFiles = Mapping[str, Mapping[str, Sequence[str]]]  # bin id to format, a key of FORMATS, to paths


def index_scores(paths: Iterable[str]) -> dict[str, dict[str, list[str]]]:
    """Find the class-scores files of every format among the paths, which have `/` between their parts."""
    index: dict[str, dict[str, list[str]]] = {}
    for path in paths:
        if found := _ANY_SCORES.fullmatch(path.rpartition("/")[2]):
            index.setdefault(found[1], {}).setdefault(str(found.lastgroup), []).append(path)
    return index


def without_other_csv(
    index: dict[str, dict[str, list[str]]], read_start: Callable[[str, int], bytes]
) -> dict[str, dict[str, list[str]]]:
    """Leave out the `{bin}.csv` of an index if they are no class scores, for they may be anything.

    The first one, the last one and one between tell: they are class scores if one of these is, as any may be empty,
    damaged or unreadable. read_start: reads the first bytes of a file.
    """
    paths = sorted(by_form[WINNERS_ONLY][0] for by_form in index.values() if WINNERS_ONLY in by_form)
    few = dict.fromkeys([paths[0], paths[-1], paths[len(paths) // 2]] if paths else [])
    if any(_is_class_csv(path, read_start) for path in few):
        return index
    kept = {
        bin_id: {form: by_form[form] for form in by_form if form != WINNERS_ONLY} for bin_id, by_form in index.items()
    }
    return {bin_id: by_form for bin_id, by_form in kept.items() if by_form}


def _is_class_csv(path: str, read_start: Callable[[str, int], bytes]) -> bool:
    try:
        return _FIRST_COLUMN in read_start(path, 100).split(b"\n")[0]
    except RawFileError:  # told of the bin that needs it
        return False
    except RequestError as error:
        if may_pass(error):
            raise
        return False


def like_scores(path: str) -> bool:
    """Whether a file may be class scores by its ending, or would be under another name."""
    return path.endswith((".csv", ".h5", ".mat")) or "class" in path.rpartition("/")[2].lower()


def nearly_named(paths: Iterable[str]) -> dict[str, str]:
    """Find the files that are named nearly like class scores, and are therefore not read: bin id to one of them."""
    names = {path: path.rpartition("/")[2] for path in paths}
    found = {
        path: _ANY_CASE.fullmatch(_ADDED.sub("", name))
        for path, name in names.items()
        if not _ANY_SCORES.fullmatch(name)
    }
    return {match[1].upper(): path for path, match in found.items() if match}


def is_summary(path: str) -> bool:
    """Whether a file is named like a summary of ifcb-analysis, which has the counts of many bins."""
    return _SUMMARY.fullmatch(path.rpartition("/")[2]) is not None


def has_biovolumes(path: str) -> bool:
    """Whether a summary is named like one that has biovolumes beside the counts."""
    return "_biovol_" in path.rpartition("/")[2]


def form_of(bin_id: str, address: str) -> str:
    """Tell the form of class scores from their address. What has another name is `csv`, as dashboards send it."""
    name = address.rpartition("/")[2]
    if is_summary(address):
        return SUMMARY
    found = _ANY_SCORES.fullmatch(name)
    if found and found[1] == bin_id:
        return str(found.lastgroup)
    return next((form for form, ending in (("h5", ".h5"), ("mat", ".mat")) if name.endswith(ending)), "csv")


def version_of(path: str, form: str) -> int | None:
    """The version of class scores: the number in the file's name, or in the nearest folder that is called like one.

    `_class.h5` without any is version 3, as in the dashboard's library. None if nothing says it.
    """
    *folders, name = path.split("/")
    if named := _VERSION_OF_FILE.search(name):
        return int(named[1])
    for folder in reversed(folders):
        if of_folder := _VERSION_OF_FOLDER.search(folder):
            return int(of_folder[1])
    return 3 if form == "h5" else None


def chosen(paths: Sequence[str], form: str, version: int | None) -> list[str]:
    """The files of a bin that count: those of the version asked for, or of the newest one.

    Files that say no version count if a version is asked for that no other file of the bin has. More than one may be
    left: then it is unknown which of them is meant. Among CSV files the newest is told by their names alone, and not by
    folders: these often hold copies.
    """
    if len(paths) < 2 and version is None:
        return list(paths)
    versions = {path: version_of(path if form != "csv" or version else path.rpartition("/")[2], form) for path in paths}
    if version is not None:
        of_version = [path for path in paths if versions[path] == version]
        return of_version or [path for path in paths if versions[path] is None]
    newest = max((number for number in versions.values() if number is not None), default=None)
    return [path for path in paths if versions[path] == newest]


def detect(index: ScoreFiles, summaries: Sequence[str], version: int | None, where: str) -> str:
    """Return the only form of the class scores of an archive.

    index: the files of all bins. version: as of `chosen`. where: the archive, for a message. `.mat` and `.h5` files are
    versions of one product: where each bin that has a `.mat` has a `.h5` too, that is the newer one. Summaries count if
    there is nothing else, for ifcb-analysis makes them beside what they sum up. `csv` for an archive without any.
    Raises ConfigError for a mixture.
    """
    bins: dict[str, set[str]] = {}
    n_files: Counter[str] = Counter()
    for bin_id, by_form in index.items():
        for form, paths in by_form.items():
            if count := len(chosen(paths, form, version)):
                bins.setdefault(form, set()).add(bin_id)
                n_files[form] += count
    if set(bins) == {"h5", "mat"} and bins["mat"] <= bins["h5"]:
        del bins["mat"]
    if len(bins) > 1:
        found = ", ".join(f"{counted(n_files[form], 'file')} *{NAMES[form]} ({form})" for form in sorted(bins))
        raise ConfigError(
            f"source.scores_format: auto: {where} has class scores in {len(bins)} forms: {found}. They may be of "
            f"different classifiers, so say which of them to read: {' or '.join(sorted(bins))}"
        )
    return next(iter(bins), SUMMARY if summaries else "csv")
