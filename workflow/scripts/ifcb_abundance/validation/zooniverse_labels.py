"""Labels of ROIs out of Zooniverse exports: the Zooniverse room run, its answers as texts, its subjects as ROIs."""

import json
import logging
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from ifcb_abundance.common.errors import ConfigError, TableError
from ifcb_abundance.common.strict_csv import unguarded
from ifcb_abundance.common.words import counted
from ifcb_abundance.validation.labels import COLUMNS, named
from ifcb_abundance.validation.zooniverse.cells import read
from ifcb_abundance.validation.zooniverse.config import Versions, write_configs
from ifcb_abundance.validation.zooniverse.exports import moment, open_table, version
from ifcb_abundance.validation.zooniverse.extract import COLUMNS as OF_ANSWERS
from ifcb_abundance.validation.zooniverse.extract import Extraction, NothingUsedError, Plan, extract, plan
from ifcb_abundance.validation.zooniverse.slugs import labels as names_of
from ifcb_abundance.validation.zooniverse.slugs import slug
from ifcb_abundance.validation.zooniverse.tables import most_frequent

log = logging.getLogger("ifcb.validation")

ROI = "#roi_id"  # the manifest's column
# The keys of texts of answers in a task.
_TEXT = re.compile(
    r"answers\.(?P<answer>[^.]+)\.label|choices\.(?P<choice>[^.]+)\.label"
    r"|selects\.(?P<menu>\d+)\.options\.[^.]+\.(?P<option>\d+)\.label|options\.(?P<simple>\d+)(\.label)?"
)
MOST_VERSIONS = 5  # in a message


@dataclass(frozen=True)
class Exports:
    """Which exports, and what of them. version: None for the newest. task: such as T0."""

    workflows: str
    classifications: str
    workflow_id: int
    task: str
    version: str | None = None


def read_zooniverse(exports: Exports) -> pd.DataFrame:
    """The labels that volunteers gave, with the columns of `labels.read_labels`.

    A classification with no answer, with more than one, or with `unclassified` is no label. Warns of rows that cannot
    be used, of subjects that do not say which ROI they are, and of other versions if the newest one is asked for.
    Raises ConfigError if the workflow has no such task, and TableError if an export cannot be read or no subject says
    which ROI it is.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        configs = write_configs(exports.workflows, exports.workflow_id, Versions(exports.version), {}, folder)
        of_kind = {kind: next((n for n in configs.files if n.startswith(kind)), "") for kind in ("Extractor", "Task")}
        wanted = plan(folder / of_kind["Extractor"], ())
        subjects = _read_subjects(exports.classifications, wanted)
        if subjects.other_versions and exports.version is None:
            _warn_of_versions(exports, wanted, subjects.other_versions)
        made = _extracted(exports, folder / of_kind["Extractor"], folder)
        _warn_of_rejected(exports, made)
        texts = _texts(configs.files[of_kind["Task"]], exports.task)
        tables = [pd.read_csv(path, dtype="str", keep_default_na=False) for path in made.tables]
    answers = [table[table["task"] == exports.task] for table in tables]
    found = next((table for table in answers if len(table)), None)
    if found is None:
        raise ConfigError(
            f"validation.zooniverse.task: workflow {exports.workflow_id} has no answers to {exports.task!r}"
        )
    if not subjects.roi_of:
        raise TableError(f"{exports.classifications}: no subject has {ROI}: was the manifest of subject_set uploaded?")
    rows, without, given = [], [], []
    found = found[~found.duplicated("classification_id", keep=False)]  # a row for each choice of a survey
    for row in found.to_dict("records"):
        chosen = _chosen({str(name): str(cell) for name, cell in row.items()})
        if len(chosen) != 1:
            continue
        given += chosen
        label = named(texts.get(chosen[0], chosen[0]))
        if label and (roi := subjects.roi_of.get(row["subject_id"])):
            person = unguarded(row["user_name"]).strip()
            rows.append((exports.classifications, roi, label, person, moment(row["created_at"]).isoformat()))
        elif label:
            without.append(row["subject_id"])
    _check_known(exports, texts, given)
    if without:
        log.warning(
            f"labels: {counted(len(without), 'classification')} in {exports.classifications} left out, of "
            f"{counted(len(set(without)), 'subject')} without {ROI}, such as {without[0]}"
        )
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype="str")


def _check_known(exports: Exports, texts: Mapping[str, str], answers: Sequence[str]) -> None:
    """Raise ConfigError if none of the answers has a text."""
    if texts and (not answers or any(name in texts for name in answers)):
        return
    such = f", such as {answers[0]!r}" if answers else ""
    raise ConfigError(
        f"validation.zooniverse.task: {exports.workflows} has no text of the answers to {exports.task!r} of workflow "
        f"{exports.workflow_id}{such}. Accepted: a question, a drop-down with one menu, or a survey"
    )


def _extracted(exports: Exports, config: Path, folder: Path) -> Extraction:
    """The answers, as tables in a folder that will not stay: so no error names a file in it."""
    try:
        return extract(exports.classifications, config, folder=folder, hidden=True)
    except NothingUsedError as error:
        wanted = f"version {exports.version}" if exports.version else "its newest version"
        none = f"{exports.classifications} has no classification of workflow {exports.workflow_id}, {wanted}"
        raise TableError(error.rejected or none) from None


def _warn_of_versions(exports: Exports, wanted: Plan, others: Counter[tuple[int, int]]) -> None:
    told = ", ".join(f"{n:,} of {major}.{minor}" for (major, minor), n in sorted(others.items())[:MOST_VERSIONS])
    more = f" and {len(others) - MOST_VERSIONS:,} more" if len(others) > MOST_VERSIONS else ""
    newest = ".".join(map(str, wanted.highest))
    log.warning(
        f"labels: {counted(others.total(), 'classification')} in {exports.classifications} left out, of other versions "
        f"than {newest}, the newest: {told}{more}. Set validation.zooniverse.version to count them"
    )


def _warn_of_rejected(exports: Exports, made: Extraction) -> None:
    rows = [row for row in made.rejected.rows if row[2] in ("", exports.task)]  # not of other tasks alone
    if rows:
        n = len({row[0] for row in rows})
        log.warning(
            f"labels: {counted(n, 'row')} of {exports.classifications} left out that cannot be used. "
            f"{most_frequent(rows)}"
        )


def _texts(task_labels: Mapping[str, Any], task: str) -> dict[str, str]:
    """Name of an answer (slug, number, or code of a choice or option) to its text."""
    by_key: dict[str, str] = {}
    by_code: dict[str, str] = {}  # of the choices of a survey
    by_place: dict[str, str] = {}  # of the options of a dropdown: classifier 2.0 gives their number
    menus: set[str] = set()
    for key, entry in task_labels.items():
        parts = _TEXT.fullmatch(key.removeprefix(f"{task}."))
        if not parts:
            continue
        of_value = entry if isinstance(entry, dict) else {}
        text = str(next(iter(of_value.values()), entry))
        if parts["choice"]:
            by_code[parts["choice"]] = text
        elif parts["answer"]:
            by_key[parts["answer"]] = text
        else:
            menus.add(parts["menu"])
            by_place[parts["option"] or parts["simple"]] = text
            by_key |= {str(value): text for value in of_value}
    if len(menus) == 1:
        by_key = by_place | by_key
    names = {**{text: slug(text) for text in by_code}, **names_of(by_code)}
    return {
        **by_key,
        **{name: text for text, name in names_of(by_key.values()).items()},
        **_slugs(by_key.values()),
        **{names[code]: text for code, text in by_code.items()},
    }


def _slugs(texts: Iterable[str]) -> dict[str, str]:
    """Slug to the first text that has it."""
    return {slug(text): text for text in reversed(list(texts))}


def _chosen(row: Mapping[str, str]) -> list[str]:
    """The names of the answers in a row of a table of answers. An answer may be called as a column of another task."""
    if row["extractor"] == "survey_extractor":
        choice = row["data.choice"]
        return [slug(choice)] if choice not in ("", "None") else []
    if row["extractor"] == "dropdown_extractor":
        value = row["data.value"]
        return [str(name) for options in read(value) for name in options if name != "None"] if value else []
    others = {"data.aggregation_version", *OF_ANSWERS}
    answers = {name.removeprefix("data."): cell for name, cell in row.items() if name not in others}
    return [name for name, cell in answers.items() if cell not in ("", "0", "0.0") and name != "None"]


@dataclass
class Subjects:
    """Subject to ROI, of all subjects of which an export says it, and its classifications of other versions."""

    roi_of: dict[str, str] = field(default_factory=dict)
    other_versions: Counter[tuple[int, int]] = field(default_factory=Counter)


def _read_subjects(export: str, wanted: Plan) -> Subjects:
    table, subjects = open_table(export), Subjects()
    at, workflow_at, version_at = table.columns(("subject_data", "workflow_id", "workflow_version"))
    for record in table.records():
        if record.problem:
            continue
        with suppress(ValueError):
            if record.cells[workflow_at].strip() == wanted.workflow:
                found = version(record.cells[version_at])
                subjects.other_versions[found] += not wanted.lowest <= found <= wanted.highest
        with suppress(ValueError, AttributeError, RecursionError):
            said = json.loads(record.cells[at]).items()
            subjects.roi_of |= {str(name): str(of[ROI]) for name, of in said if isinstance(of, dict) and ROI in of}
    subjects.other_versions = +subjects.other_versions  # without those that are wanted
    return subjects
