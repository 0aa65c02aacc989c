"""Labels of ROIs out of Zooniverse exports: the Zooniverse room run, its answers as texts, its subjects as ROIs."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from ifcb_abundance.common.errors import ConfigError, TableError
from ifcb_abundance.validation.labels import COLUMNS, named
from ifcb_abundance.validation.zooniverse.cells import read
from ifcb_abundance.validation.zooniverse.config import Versions, write_configs
from ifcb_abundance.validation.zooniverse.exports import open_table
from ifcb_abundance.validation.zooniverse.extract import COLUMNS as OF_ANSWERS
from ifcb_abundance.validation.zooniverse.extract import Extraction, NothingUsedError, extract
from ifcb_abundance.validation.zooniverse.slugs import labels as names_of
from ifcb_abundance.validation.zooniverse.slugs import slug

ROI = "#roi_id"  # the manifest's column


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

    A classification with no answer, with more than one, or with `unclassified` is no label. Raises ConfigError if the
    workflow has no such task, and TableError if an export cannot be read or no subject says which ROI it is.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        configs = write_configs(exports.workflows, exports.workflow_id, Versions(exports.version), {}, folder)
        of_kind = {kind: next((n for n in configs.files if n.startswith(kind)), "") for kind in ("Extractor", "Task")}
        made = _extracted(exports, folder / of_kind["Extractor"], folder)
        texts = _texts(configs.files[of_kind["Task"]], exports.task)
        tables = [pd.read_csv(path, dtype="str", keep_default_na=False) for path in made.tables]
    answers = [table[table["task"] == exports.task] for table in tables]
    found = next((table for table in answers if len(table)), None)
    if found is None:
        raise ConfigError(
            f"validation.zooniverse.task: workflow {exports.workflow_id} has no answers to {exports.task!r}"
        )
    roi_of = dict(_subjects(exports.classifications))
    if not roi_of:
        raise TableError(f"{exports.classifications}: no subject has {ROI}: was the manifest of subject_set uploaded?")
    rows = []
    found = found[~found.duplicated("classification_id", keep=False)]  # a row for each choice of a survey
    for row in found.to_dict("records"):
        chosen = _chosen({str(name): str(cell) for name, cell in row.items()})
        label = named(texts.get(chosen[0], chosen[0])) if len(chosen) == 1 else ""
        if label and (roi := roi_of.get(row["subject_id"])):
            rows.append((exports.classifications, roi, label, row["user_name"].strip(), row["created_at"]))
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype="str")


def _extracted(exports: Exports, config: Path, folder: Path) -> Extraction:
    """The answers, as tables in a folder that will not stay: so no error names a file in it."""
    try:
        return extract(exports.classifications, config, folder=folder, hidden=True)
    except NothingUsedError as error:
        wanted = f"version {exports.version}" if exports.version else "its newest version"
        none = f"{exports.classifications} has no classification of workflow {exports.workflow_id}, {wanted}"
        raise TableError(error.rejected or none) from None


def _texts(task_labels: Mapping[str, Any], task: str) -> dict[str, str]:
    """Name of an answer (slug, number, or code of a choice or option) to its text."""
    by_key: dict[str, str] = {}
    by_code: dict[str, str] = {}  # of the choices of a survey
    for key, entry in task_labels.items():
        place = key.split(".")
        if place[0] != task or place[-1] != "label" or place[1] not in ("answers", "choices", "selects"):
            continue
        of_kind = by_code if place[1] == "choices" else by_key
        of_kind |= (
            {str(name): str(text) for name, text in entry.items()} if isinstance(entry, dict) else {place[2]: entry}
        )
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


def _subjects(export: str) -> Iterator[tuple[str, str]]:
    """Subject to ROI, of all subjects of which the export says it."""
    table = open_table(export)
    at = table.columns(("subject_data",))[0]
    for record in table.records():
        if record.problem:
            continue
        try:
            said = json.loads(record.cells[at])
            yield from ((str(name), str(of[ROI])) for name, of in said.items() if isinstance(of, dict) and ROI in of)
        except (ValueError, AttributeError, RecursionError):
            continue
