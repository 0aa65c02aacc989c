"""People's labels of ROIs, from the files of whatever tool they were made with.

The form of a file is told by its content, not by its name: CSV `roi,label[,person]`; the manual `.mat` of
ifcb-analysis, which iRfcb and ClassiPyR write too; the `annotations.sqlite` of ClassiPyR; the TSV that EcoTaxa exports
or imports; the CSV that Label Studio exports. Only what a person decided is a label: predictions, ROIs marked as
dubious, and ROIs for which more than one class was chosen are left out.
"""

import io
import json
import logging
import os
import re
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
import pandas as pd

from ifcb_abundance.bins.ids import add_target, parse_bin_id, parse_roi_id
from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.common.errors import ConfigError, TableError, quoted
from ifcb_abundance.common.strict_csv import read_columns
from ifcb_abundance.common.words import counted
from ifcb_abundance.validation.label_times import as_utc

log = logging.getLogger("ifcb.validation")

OTHER = "other"  # what people named that is no class of the classifier
COLUMNS = ("file", "roi", "label", "person", "created")

_UPLOAD = re.compile("[0-9a-f]{8}-")  # what Label Studio puts before the name of an uploaded file
_TYPES = re.compile(r"\[[tf]\]")  # EcoTaxa's second line: which columns are text and which are numbers
_MATLAB, _SQLITE = b"MATLAB 5.0 MAT-file", b"SQLite format 3\0"

Rows = list[tuple[str, str, str, str]]  # roi, label, person, created


@dataclass
class Unusable:
    """What the rows of label files were that are no labels of ROIs: how many, and the first one."""

    n: int = 0
    first: str = ""
    files: set[str] = field(default_factory=set)

    def add(self, where: str, what: str) -> None:
        """Count one of them."""
        self.n += 1
        self.first = self.first or f"{where}: {what[:80]!r}"


def label_files(patterns: Sequence[str], must_exist: bool = True) -> list[str]:
    """The files that paths and globs name, sorted within each of them, each once, as it is spelt first.

    Raises ConfigError for one that names no file. must_exist: otherwise a path counts even if there is no file, and a
    glob may name none.
    """
    files: dict[str, str] = {}
    for pattern in patterns:
        found = _globbed(Path(pattern)) if glob_like(pattern) else [pattern]
        if must_exist:
            found = [path for path in found if Path(path).is_file()]
            if not found:
                raise ConfigError(f"validation.labels: there is no file {pattern}")
        for path in found:
            files.setdefault(os.path.realpath(path), path)
    return list(files.values())


def check_given(patterns: Sequence[str], exports: Sequence[str | None]) -> None:
    """Check that there are labels, in files that look like it; quick, for it is called before a run does anything.

    exports: those of Zooniverse, if any: workflows and classifications. Raises ConfigError if nothing is given or a
    file is not there, and TableError for a file of no known form.
    """
    if not patterns and not any(exports):
        raise ConfigError(
            "validation.labels: [] and no validation.zooniverse: there are no labels to compare with. Accepted: files "
            "with people's labels. `snakemake subject_set` draws what they could look at"
        )
    for path in label_files(patterns):
        check_form(path)
    for path in filter(None, exports):
        if not Path(path).is_file():
            raise ConfigError(f"validation.zooniverse: there is no file {path}")


def check_label_map(label_map: str | None) -> None:
    """Raise ConfigError if there is to be a label map and the file is none."""
    if label_map:
        try:
            read_label_map(label_map)
        except ConfigError as error:
            raise ConfigError(f"validation.label_map: {error}") from None


def _globbed(pattern: Path) -> list[str]:
    return sorted(str(path) for path in Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor))))


def check_form(path: str | Path) -> None:
    """Raise TableError, naming the file, unless its first bytes are those of a form that is known.

    Quick, whatever the size of the file: it is called before a run does anything.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            head = file.read(2**20)
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror or error}") from None
    if head.startswith((_MATLAB, _SQLITE)):
        return
    line = head.split(b"\n", 1)[0] + b"\n"
    try:
        columns = _tabbed(line) if b"\t" in line else read_columns(line)
    except ValueError as error:
        raise TableError(f"{path} cannot be read as a table of labels: {error}") from None
    _form(columns, path)


def glob_like(pattern: str) -> bool:
    """Whether it is a glob. A file whose name has brackets is a file all the same."""
    return any(c in pattern for c in "*?[") and not Path(pattern).is_file()


def read_labels(files: Iterable[str | Path]) -> pd.DataFrame:
    """All labels of the files: a row per file, ROI and person, with the columns COLUMNS, all of them text.

    person: empty where the file does not say. created: when the label was given, as of `label_times.as_utc` where that
    can read it, else as it is in the file, empty if unknown. Rows that name no ROI are left out with a warning. Raises
    TableError, naming the file, for a file of another form or without any row that names a ROI.
    """
    tables = []
    unusable = Unusable()
    for path in files:
        before = unusable.n
        rows = _read(Path(path), unusable)
        if not rows and unusable.n > before:
            raise TableError(f"{path}: none of its rows names a ROI such as D20240215T150055_IFCB010_00002")
        tables.append(pd.DataFrame([(str(path), *row) for row in rows], columns=list(COLUMNS), dtype="str"))
    if unusable.n:
        log.warning(f"labels: {counted(unusable.n, 'row')} left out that name no ROI; the first: {unusable.first}")
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(COLUMNS), dtype="str")


def _read(path: Path, unusable: Unusable) -> Rows:
    try:
        with path.open("rb") as file:
            head = file.read(64)
            if head.startswith(_MATLAB):
                return _manual_mat(path)
            if head.startswith(_SQLITE):
                return _sqlite(path, unusable)
            body = head + file.read()
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror or error}") from None
    try:
        columns = _tabbed(body) if b"\t" in body.split(b"\n", 1)[0] else read_columns(body)
    except ValueError as error:
        raise TableError(f"{path} cannot be read as a table of labels: {error}") from None
    return _usable(_form(columns, path)(columns), path, unusable)


def _form(columns: Mapping[str, list[str]], path: Path) -> "Callable[[Mapping[str, list[str]]], Rows]":
    """What reads rows of a table with these columns."""
    for needed, rows_of in _FORMS.items():
        if set(needed) <= set(columns):
            return rows_of
    raise TableError(
        f"{path} is no table of labels that is known: its columns are {', '.join(columns)[:200]}. Known are CSV "
        "roi,label[,person]; the manual .mat of ifcb-analysis, iRfcb and ClassiPyR; annotations.sqlite of ClassiPyR; "
        "TSV of EcoTaxa; CSV of Label Studio"
    )


def _usable(rows: Rows, path: Path, unusable: Unusable) -> Rows:
    """The rows whose first cell names a ROI, with its id in place of what was there."""
    found = []
    for name, label, person, created in rows:
        try:
            bin_id, number = parse_roi_id(roi_name(name))
        except ValueError:
            unusable.add(str(path), name)
            continue
        if label := named(label):
            found.append((add_target(bin_id, number), label, person.strip(), as_utc(created) or created.strip()))
    return found


def named(text: str) -> str:
    """The label that a text is, without blanks around it; empty for `unclassified`, which names nothing."""
    label = text.strip()
    return "" if label == UNCLASSIFIED else label


def roi_name(text: str) -> str:
    """The id of a ROI out of the name of its image: without folders, ending, and what Label Studio puts before it."""
    name = PureWindowsPath(text.strip().rsplit("=", 1)[-1]).name  # both kinds of slashes
    return _UPLOAD.sub("", re.sub(r"(?i)\.(png|jpe?g|tiff?)$", "", name), count=1)


# --- the forms ---


def _generic(columns: Mapping[str, list[str]]) -> Rows:
    n = len(columns["roi"])
    empty = [""] * n
    people, created = columns.get("person", empty), columns.get("created", empty)
    return list(zip(columns["roi"], columns["label"], people, created, strict=True))


def _label_studio(columns: Mapping[str, list[str]]) -> Rows:
    cells = zip(columns["image"], columns["choice"], columns["annotator"], columns["created_at"], strict=True)
    return [(image, _one_choice(choice), person, created) for image, choice, person, created in cells]


def _one_choice(cell: str) -> str:
    """The class that was chosen; empty without any, or with more than one."""
    if not cell.startswith("{"):
        return cell
    try:
        choices = json.loads(cell)["choices"]
    except (ValueError, LookupError, TypeError):
        return ""
    return str(choices[0]) if isinstance(choices, list) and len(choices) == 1 else ""


def _ecotaxa(columns: Mapping[str, list[str]]) -> Rows:
    names = ["object_id", "object_annotation_status", "object_annotation_category"]
    empty = [""] * len(columns["object_id"])
    optional = ["object_annotation_person_name", "object_annotation_date", "object_annotation_time"]
    cells = zip(*(columns[name] for name in names), *(columns.get(name, empty) for name in optional), strict=True)
    return [
        (roi, category if status == "validated" else "", person, f"{date}T{time.zfill(6)}" if date and time else date)
        for roi, status, category, person, date, time in cells
        if not _TYPES.fullmatch(roi)
    ]


_FORMS: dict[tuple[str, ...], Callable[[Mapping[str, list[str]]], Rows]] = {
    ("roi", "label"): _generic,
    ("object_id", "object_annotation_status", "object_annotation_category"): _ecotaxa,
    ("annotator", "choice", "image", "created_at"): _label_studio,
}


def _tabbed(body: bytes) -> dict[str, list[str]]:
    """The columns of a table with tabs between its cells, as text."""
    try:
        frame = pd.read_csv(io.BytesIO(body), sep="\t", dtype="str", keep_default_na=False, encoding="utf-8-sig")
    except (UnicodeDecodeError, pd.errors.ParserError) as error:
        raise ValueError(str(error)) from None
    return {str(name): frame[name].tolist() for name in frame.columns}


def _manual_mat(path: Path) -> Rows:
    """Rows of a manual file: `classlist` has a row per ROI: its number, the class that a person gave it, and another.

    Classes are numbers, from 1, into `class2use_manual`; NaN where nobody looked.
    """
    from scipy.io import loadmat  # takes a while to import

    try:
        bin_id = parse_bin_id(path.stem).bin
        file = loadmat(path, variable_names=["classlist", "class2use_manual"])
        classes = [str(np.squeeze(cell)) if np.size(cell) else "" for cell in np.ravel(file["class2use_manual"])]
        classlist = np.atleast_2d(np.asarray(file["classlist"], float))
        told = classlist[~np.isnan(classlist[:, 1])]
        rows = []
        for number, label in told[:, :2].astype(int):
            if not 1 <= label <= len(classes):
                raise ValueError(f"ROI {number} is of class {label}, and there are {counted(len(classes), 'class')}")
            if name := named(classes[label - 1]):
                rows.append((add_target(bin_id, int(number)), name, "", ""))
    except (LookupError, TypeError, ValueError, NotImplementedError, zlib.error) as error:
        raise TableError(f"{path} is no manual file of a bin: {error}") from None
    return rows


def _sqlite(path: Path, unusable: Unusable) -> Rows:
    query = (
        "SELECT sample_name, roi_number, coalesce(class_name, ''), coalesce(annotator, ''), coalesce(timestamp, '') "
        "FROM annotations WHERE is_manual = 1 ORDER BY sample_name, roi_number"
    )
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            told = database.execute(query).fetchall()
    except sqlite3.Error as error:
        raise TableError(f"{path} is no annotations.sqlite of ClassiPyR: {error}") from None
    rows = [(_named(sample, roi), str(label), str(who), str(when)) for sample, roi, label, who, when in told]
    return _usable(rows, path, unusable)


def _named(sample: object, roi: Any) -> str:
    """The id of a ROI; a number that is none, such as an empty cell, makes no id."""
    try:
        return f"{sample}_{int(roi):05d}"
    except (TypeError, ValueError, OverflowError):
        return f"{sample}_{roi}"


# --- labels and classes ---


def read_label_map(path: str | Path) -> dict[str, str]:
    """Label to class, from a CSV `label,class`. Raises ConfigError, naming the file, if it is none."""
    try:
        columns = read_columns(Path(path).read_bytes())
        cells = zip(columns["label"], columns["class"], strict=True)
        pairs = [(label.strip(), name.strip()) for label, name in cells]
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"{path} cannot be read as a CSV with the columns label,class ({error})") from None
    twice = [label for label in dict(pairs) if len({name for given, name in pairs if given == label}) > 1]
    if twice:
        raise ConfigError(f"{path}: label {twice[0]!r} stands for more than one class")
    return dict(pairs)


def that_name(labels: pd.DataFrame, label_map: Mapping[str, str]) -> pd.DataFrame:
    """The labels that name something once they are renamed.

    Warns of those that label_map makes `unclassified` or empty. Raises ConfigError if there is no other.
    """
    names = labels["label"].map(lambda label: named(label_map.get(label, label))) != ""
    if not names.any():
        raise ConfigError(f"validation.label_map: it makes every label {UNCLASSIFIED} or empty, which is no label")
    if n := int((~names).sum()):
        log.warning(
            f"labels: {counted(n, 'label')} left out that validation.label_map makes {UNCLASSIFIED} or empty: that is "
            "no label"
        )
    return labels[names].reset_index(drop=True)


def as_classes(labels: pd.DataFrame, label_map: Mapping[str, str], unknown: pd.DataFrame) -> pd.DataFrame:
    """The labels with classes in place of what people wrote; warns of what is no class and so becomes OTHER.

    label_map renames labels. unknown: as of `unknown_labels`.
    """
    for label, n, near in unknown.itertuples(index=False):
        hint = f". The nearest class is {near!r}: if they are the same, say so in validation.label_map" if near else ""
        log.warning(f"labels: {label!r} is no class ({counted(int(n), 'label')}), so it counts as {OTHER}{hint}")
    renamed = labels["label"].map(lambda label: label_map.get(label, label))
    return labels.assign(label=renamed.where(~renamed.isin(set(unknown["name"])), OTHER))


def unknown_labels(
    labels: pd.DataFrame, classes: Iterable[str], label_map: Mapping[str, str], none_labels: Sequence[str]
) -> pd.DataFrame:
    """Labels that are no class, the most frequent first: columns name, n_labels, nearest_class (empty if none is near).

    classes: those of the classifier. label_map renames labels. none_labels stay as they are: they say that a ROI is
    nothing that can be named.
    """
    classes = set(classes)
    renamed = labels["label"].map(lambda label: label_map.get(label, label))
    counts = renamed[~renamed.isin(classes | {OTHER} | set(none_labels))].value_counts().sort_index()
    counts = counts.sort_values(ascending=False, kind="stable")
    near = [nearest_class(str(label), classes) for label in counts.index]
    table = {"name": counts.index.astype("str"), "n_labels": counts.to_numpy("int64"), "nearest_class": near}
    return pd.DataFrame(table).astype({"nearest_class": "str"})


def alike_labels(labels: pd.DataFrame, classes: Iterable[str], label_map: Mapping[str, str]) -> pd.DataFrame:
    """Labels that are a class beside which another one is spelt alike, signs and capitals aside; warns of them.

    Where bins have several label sets, people may mean the other one. The columns are those of `unknown_labels`.
    """
    alike: dict[str, list[str]] = {}
    for name in sorted(classes):
        alike.setdefault(_plain(name), []).append(name)
    twins = {name: each for names in alike.values() for name in names for each in names if each != name}
    renamed = labels["label"].map(lambda label: label_map.get(label, label))
    counts = renamed[renamed.isin(set(twins))].value_counts().sort_index()
    for label, n in counts.items():
        log.warning(
            f"labels: {label!r} ({counted(int(n), 'label')}) and {twins[str(label)]!r} are both classes: if they are "
            "the same, in different label sets, say so in validation.label_map"
        )
    near = [twins[str(label)] for label in counts.index]
    table = {"name": counts.index.astype("str"), "n_labels": counts.to_numpy("int64"), "nearest_class": near}
    return pd.DataFrame(table).astype({"nearest_class": "str"})


def nearest_class(label: str, classes: Iterable[str]) -> str:
    """The class that is spelt most like the label, other signs and capitals aside; empty if none is."""
    plain = {_plain(name): name for name in sorted(classes, reverse=True)}
    near = get_close_matches(_plain(label), plain, n=1, cutoff=0.75)
    return plain[near[0]] if near else ""


def _plain(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())


def of_used_bins(labels: pd.DataFrame, used: Iterable[str]) -> pd.DataFrame:
    """The labels of ROIs in bins that are used, with their `bin`; warns of the others."""
    labels = labels.assign(bin=labels["roi"].str.rsplit("_", n=1).str[0])
    there = labels["bin"].isin(set(used))
    if not there.all():
        strange = sorted(set(labels.loc[~there, "bin"]))
        log.warning(
            f"labels: {counted(int((~there).sum()), 'label')} of {counted(len(strange), 'bin')} that the run does not "
            f"use, such as {quoted(strange[:3])}: left out"
        )
    return labels[there].reset_index(drop=True)
