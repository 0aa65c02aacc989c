"""Labels of ROIs out of Zooniverse exports: the Zooniverse room run, its answers as texts, its subjects as ROIs."""

import json
import logging
import re
from collections import Counter
from collections.abc import Iterable, Mapping
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
from ifcb_abundance.validation.zooniverse.config import Pair, Versions, write_configs
from ifcb_abundance.validation.zooniverse.config import texts as texts_of_versions
from ifcb_abundance.validation.zooniverse.exports import moment, open_table, version
from ifcb_abundance.validation.zooniverse.extract import COLUMNS as OF_ANSWERS
from ifcb_abundance.validation.zooniverse.extract import Extraction, NothingUsedError, Plan, extract, plan
from ifcb_abundance.validation.zooniverse.extractors import by_task
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
_IS_TYPED = re.compile(r'"option"\s*:\s*false')
Texts = dict[Pair, dict[str, str]]  # of each version, the newest first: name of an answer to its text
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
    Raises ConfigError if the workflow has no such task or its answers have no texts, and TableError if an export cannot
    be read or no subject says which ROI it is.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        configs = write_configs(exports.workflows, exports.workflow_id, Versions(exports.version), {}, folder)
        config = next(folder / name for name in configs.files if name.startswith("Extractor"))
        wanted = plan(config, ())
        subjects = _read_subjects(exports.classifications, wanted, exports.task)
        if subjects.other_versions and exports.version is None:
            _warn_of_versions(exports, wanted, subjects.other_versions)
        made = _extracted(exports, config, folder)
        _warn_of_rejected(exports, made)
        texts = _texts(exports, wanted)
        tables = [pd.read_csv(path, dtype="str", keep_default_na=False) for path in made.tables]
    answers = [table[table["task"] == exports.task] for table in tables]
    found = next((table for table in answers if len(table)), None)
    if found is None:
        raise ConfigError(
            f"validation.zooniverse.task: workflow {exports.workflow_id} has no answers to {exports.task!r}"
        )
    if not subjects.roi_of:
        raise TableError(f"{exports.classifications}: no subject has {ROI}: was the manifest of subject_set uploaded?")
    rows, without = [], []
    found = _labelled(found, subjects, texts)
    _check_known(exports, texts, found)
    for row in found.to_dict("records"):
        label = named(row["label"])
        if label and (roi := subjects.roi_of.get(row["subject_id"])):
            person = unguarded(row["user_name"]).strip()
            rows.append((exports.classifications, roi, label, person, moment(row["created_at"]).isoformat()))
        elif label:
            without.append(row["subject_id"])
    if without:
        log.warning(
            f"labels: {counted(len(without), 'classification')} in {exports.classifications} left out, of "
            f"{counted(len(set(without)), 'subject')} without {ROI}, such as {without[0]}"
        )
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype="str")


def _labelled(answers: pd.DataFrame, subjects: "Subjects", texts: Texts) -> pd.DataFrame:
    """The rows with one answer, with its `label`, and `known`: whether there is a text for it."""
    answers = answers[~answers.duplicated("classification_id", keep=False)]  # a row for each choice of a survey
    rows = []
    for row in answers.to_dict("records"):
        chosen = _chosen({str(name): str(cell) for name, cell in row.items()})
        if len(chosen) == 1:
            number = row["classification_id"]
            typed = subjects.typed.get(number) if row["extractor"] == "dropdown_extractor" else None
            text = typed or _text_of(chosen[0], texts, subjects.version_of.get(number))
            rows.append({**row, "label": chosen[0] if text is None else text, "known": text is not None})
    return pd.DataFrame(rows, columns=[*answers.columns, "label", "known"])


def _check_known(exports: Exports, texts: Texts, labelled: pd.DataFrame) -> None:
    """Raise ConfigError if there is no text for any answer. labelled: as of `_labelled`."""
    if any(texts.values()) and (labelled.empty or labelled["known"].any()):
        return
    such = "" if labelled.empty else f", such as {labelled['label'].iloc[0]!r}"
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


def _texts(exports: Exports, wanted: Plan) -> Texts:
    version = exports.version or ".".join(map(str, wanted.highest))
    of_versions = texts_of_versions(exports.workflows, exports.workflow_id, Versions(version))
    return {pair: _texts_of_task(texts, exports.task) for pair, texts in of_versions.items()}


def _text_of(name: str, texts: Texts, version: Pair | None) -> str | None:
    """The text of an answer: a number is of its own version, any other name is looked up in the newest one first."""
    if name.isdecimal() and version in texts:
        return texts[version].get(name)
    return next((of_version[name] for of_version in texts.values() if name in of_version), None)


def _texts_of_task(task_labels: Mapping[str, Any], task: str) -> dict[str, str]:
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
    """Subject to ROI, of all subjects of which an export says it, and what else only the export says.

    other_versions: how many classifications are of versions that are not wanted. version_of: the version of each that
    is wanted, where several are. typed: what was typed into a drop-down, by classification.
    """

    roi_of: dict[str, str] = field(default_factory=dict)
    other_versions: Counter[Pair] = field(default_factory=Counter)
    version_of: dict[str, Pair] = field(default_factory=dict)
    typed: dict[str, str] = field(default_factory=dict)

    def add_classification(self, wanted: Plan, task: str, identity: str, written: str, annotations: str) -> None:
        """Count one of the workflow. written: its version. Raises ValueError if that is none."""
        found = version(written)
        if not wanted.lowest <= found <= wanted.highest:
            self.other_versions[found] += 1
            return
        if wanted.lowest != wanted.highest:
            self.version_of.setdefault(identity, found)
        if _IS_TYPED.search(annotations) and (text := _typed(annotations, task)):
            self.typed.setdefault(identity, text)


def _typed(annotations: str, task: str) -> str:
    """The text that was typed into a drop-down with one menu; empty if there is none."""
    with suppress(ValueError, LookupError, RecursionError):
        value = by_task(json.loads(annotations))[task][0]["value"]
        selects = value if isinstance(value, list) else [value]
        if len(selects) == 1 and isinstance(selects[0], dict) and selects[0].get("option") is False:
            text = selects[0].get("selection", selects[0].get("value"))
            return text.encode("utf-8", "replace").decode() if isinstance(text, str) else ""
    return ""


def _read_subjects(export: str, wanted: Plan, task: str) -> Subjects:
    table, subjects = open_table(export), Subjects()
    names = ("subject_data", "workflow_id", "classification_id", "workflow_version", "annotations")
    at, workflow_at, *places = table.columns(names)
    for record in table.records():
        if record.problem:
            continue
        with suppress(ValueError):
            if record.cells[workflow_at].strip() == wanted.workflow:
                subjects.add_classification(wanted, task, *(record.cells[place] for place in places))
        with suppress(ValueError, AttributeError, RecursionError):
            said = json.loads(record.cells[at]).items()
            subjects.roi_of |= {str(name): str(of[ROI]) for name, of in said if isinstance(of, dict) and ROI in of}
    return subjects
