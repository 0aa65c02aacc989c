"""Make the config files of a workflow: what to extract from each task, how to reduce it, and its texts."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ifcb_abundance.common.errors import ConfigError, TableError
from ifcb_abundance.validation.zooniverse import slugs, yaml_files
from ifcb_abundance.validation.zooniverse.exports import bound, from_json, open_table, whole
from ifcb_abundance.validation.zooniverse.shapes import SHAPES

EXTRACTORS = {
    "single": "question_extractor",
    "multiple": "question_extractor",
    "shortcut": "shortcut_extractor",
    "survey": "survey_extractor",
    "dropdown": "dropdown_extractor",
    "dropdown-simple": "dropdown_extractor",
    "slider": "slider_extractor",
    "text": "text_extractor",
}
REDUCED_TOO = ("dot_freq", "shape")  # keywords of a task that its reducer gets as well

Task = dict[str, Any]
Pair = tuple[int, int]  # a version: major, minor
Cells = tuple[str, str]  # of tasks and strings


@dataclass(frozen=True)
class Versions:
    """The versions that the user asks for, as they were given; None: not given."""

    exact: str | None = None
    lowest: str | None = None
    highest: str | None = None

    def __post_init__(self) -> None:
        if self.exact is not None and (self.lowest is not None or self.highest is not None):
            raise ConfigError("give either --version or a range (--min_version, --max_version), not both")
        for text in (self.exact, self.lowest, self.highest):
            try:
                bound(text or "0", upper=True)
            except ValueError:
                raise ConfigError(f"{text!r} is not a version such as 52 or 52.76") from None

    def limits(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """The lowest and the highest version; a major version as the highest includes all its minor ones."""
        low = self.exact or self.lowest
        high = self.exact or self.highest
        return bound(low, upper=False) if low else (0, 0), bound(high, upper=True) if high else (float("inf"),) * 2

    def configured(self, newest: str) -> Any:
        """What the extractor's config says."""
        if self.exact is not None:
            return self.exact
        given = {"min": self.lowest, "max": self.highest}
        return {name: text for name, text in given.items() if text is not None} or newest


@dataclass
class Configs:
    """The contents of the files, by their names, and notes in words on what was excluded."""

    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def write_configs(
    export: str | Path,
    workflow: int,
    versions: Versions,
    keywords: Mapping[str, Mapping[str, Any]],
    folder: Path,
) -> Configs:
    """Write the config files of a workflow into `folder`. export: the export of workflows.

    keywords: by task, further keywords for its extractor's entry. Raises ConfigError or TableError.
    """
    newest, tasks, strings = _workflow(export, workflow, versions)
    made = configs(workflow, newest, versions, tasks, strings, keywords)
    for name, content in made.files.items():
        yaml_files.write(folder / name, content)
    return made


def configs(
    workflow: int,
    newest: str,
    versions: Versions,
    tasks: Mapping[str, Task],
    strings: Mapping[str, Any],
    keywords: Mapping[str, Mapping[str, Any]],
) -> Configs:
    """The config files of the tasks of a workflow, whose newest version is `newest`."""
    unknown = [name for name in keywords if name not in tasks]
    if unknown:
        raise ConfigError(f"--keywords names task {unknown[0]!r}; the tasks are {', '.join(tasks)}")
    made = Configs()
    extractors: dict[str, list[dict[str, Any]]] = {}
    for name, task in tasks.items():
        for extractor, entry in _entries(name, task, made.notes):
            _keep_apart(entry, list(_answers(task, entry, strings)), made.notes)
            extractors.setdefault(extractor, []).append(entry | dict(keywords.get(name, {})))
    if not extractors:
        raise ConfigError(
            f"workflow {workflow} {newest} has no task that can be extracted: {'; '.join(made.notes) or 'it has none'}"
        )
    ending = f"workflow_{workflow}_V{newest}"
    made.files[f"Extractor_config_{ending}.yaml"] = {
        "extractor_config": extractors,
        "workflow_id": workflow,
        "workflow_version": versions.configured(newest),
    }
    for extractor, entries in extractors.items():
        made.files[f"Reducer_config_{ending}_{extractor}.yaml"] = {"reducer_config": _reducer(extractor, entries)}
    used = {entry["task"] for entries in extractors.values() for entry in entries}
    made.files[f"Task_labels_{ending}.yaml"] = _task_labels({name: tasks[name] for name in used}, strings)
    return made


def texts(export: str | Path, workflow: int, versions: Versions) -> dict[Pair, dict[str, Any]]:
    """The texts of all tasks of each version that the user asks for, as in `Task_labels`, the newest version first.

    Raises ConfigError or TableError.
    """
    chosen = _chosen(export, workflow, versions)
    return {pair: _task_labels(*_read(export, workflow, pair, chosen[pair])) for pair in sorted(chosen, reverse=True)}


def _task_labels(tasks: Mapping[str, Task], strings: Mapping[str, Any]) -> dict[str, Any]:
    """The texts of tasks by their keys; of an option, by the value that annotations have in its place."""
    options = {label: value for task in tasks.values() for label, value in _options(task)}
    return {
        key: {options[key]: text} if key in options else text
        for key, text in strings.items()
        if key.split(".")[0] in tasks and "help" not in key.split(".")
    }


def _workflow(export: str | Path, workflow: int, versions: Versions) -> tuple[str, dict[str, Task], dict[str, Any]]:
    """The newest of the versions that the user asks for, its tasks, and their texts."""
    chosen = _chosen(export, workflow, versions)
    pair = max(chosen)
    return f"{pair[0]}.{pair[1]}", *_read(export, workflow, pair, chosen[pair])


def _chosen(export: str | Path, workflow: int, versions: Versions) -> dict[Pair, Cells]:
    """The versions that the user asks for, one at least, with their cells of tasks and texts."""
    table = open_table(export)
    places = table.columns(("workflow_id", "version", "minor_version", "tasks", "strings"))
    found: dict[Pair, Cells] = {}
    others: set[str] = set()
    low, high = versions.limits()
    for record in table.records():
        if record.problem:
            if record.cells[:1] == [str(workflow)] or not record.cells:
                raise TableError(f"{export}, line {record.line}: {record.problem}")
            continue
        identity, major, minor, tasks, strings = (record.cells[place] for place in places)
        if identity != str(workflow):
            others.add(identity)
            continue
        try:
            pair = whole(major, "version"), whole(minor, "minor_version")
        except ValueError as error:
            raise TableError(f"{export}, line {record.line}: {error}") from None
        if found.setdefault(pair, (tasks, strings)) != (tasks, strings):
            raise TableError(f"{export} has two different versions {major}.{minor} of workflow {workflow}")
    if not found:
        raise ConfigError(f"{export} has no workflow {workflow}, only {', '.join(sorted(others))[:300] or 'nothing'}")
    chosen = {pair: cells for pair, cells in found.items() if low <= pair <= high}
    if not chosen:
        there = ", ".join("{}.{}".format(*pair) for pair in sorted(found))
        raise ConfigError(f"workflow {workflow} has none of the versions that you ask for; {export} has {there[-300:]}")
    return chosen


def _read(export: str | Path, workflow: int, pair: Pair, cells: Cells) -> tuple[dict[str, Task], dict[str, Any]]:
    """The tasks of a version, and their texts."""
    try:
        tasks, strings = (from_json(cell, what) for cell, what in zip(cells, ("tasks", "strings"), strict=True))
        if not isinstance(tasks, dict) or not isinstance(strings, dict):
            raise ValueError("tasks and strings are not both JSON objects")
        wrong = [name for name, task in tasks.items() if not isinstance(task, dict)]
        if wrong:
            raise ValueError(f"task {wrong[0]} is not a JSON object")
    except ValueError as error:
        raise TableError(f"{export}, workflow {workflow} {pair[0]}.{pair[1]}: {error}") from None
    return tasks, strings


def _entries(name: str, task: Task, notes: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The extractors of a task, each with its entry in the config."""
    kind = task.get("type")
    if kind != "drawing":
        if kind in EXTRACTORS:
            yield EXTRACTORS[kind], {"task": name}
        else:
            notes.append(f"task {name} ({kind}) is excluded: nothing extracts it")
        return
    by_extractor: dict[str, dict[str, Any]] = {}
    for number, tool in enumerate(_list(task.get("tools"))):
        shape = tool.get("type")
        if shape != "point" and shape not in SHAPES:
            notes.append(f"tool {number} ({shape}) of task {name} is excluded: nothing extracts it")
            continue
        extractor = "point_extractor_by_frame" if shape == "point" else f"shape_extractor_{shape}"
        entry = by_extractor.setdefault(extractor, {"task": name, "tools": [], "details": {}})
        if shape != "point":
            entry["shape"] = shape
        entry["tools"].append(number)
        subtasks = [EXTRACTORS.get(str(detail.get("type"))) for detail in _list(tool.get("details"))]
        subtasks = [None if extractor == "survey_extractor" else extractor for extractor in subtasks]
        for place, (extractor_of, detail) in enumerate(zip(subtasks, _list(tool.get("details")), strict=True)):
            if extractor_of is None:
                notes.append(
                    f"sub-task {place} ({detail.get('type')}) of tool {number} of task {name} is excluded: "
                    "nothing extracts it"
                )
        if any(subtasks):
            entry["details"][f"{name}_tool{number}"] = subtasks
    yield from by_extractor.items()


def _list(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _options(task: Task) -> Iterator[tuple[str, str]]:
    """The keys of a dropdown's texts, with the values that annotations have in their place."""
    for select in _list(task.get("selects")):
        options = select.get("options")
        for listed in options.values() if isinstance(options, dict) else ():
            for option in _list(listed):
                if isinstance(option.get("label"), str) and isinstance(option.get("value"), str):
                    yield option["label"], option["value"]


def _answers(task: Task, entry: dict[str, Any], strings: Mapping[str, Any]) -> Iterator[str]:
    """The texts that are names of columns in the extracts of an entry."""
    askers = [task]
    if task.get("type") == "drawing":
        tools = _list(task.get("tools"))
        askers = [detail for number in entry["tools"] for detail in _list(tools[number].get("details"))]
    if task.get("type") == "survey" and isinstance(task.get("choices"), dict):
        yield from task["choices"]
    for asker in askers:
        for answer in _list(asker.get("answers")):
            label = answer.get("label")
            text = strings.get(label, label) if isinstance(label, str) else None
            if isinstance(text, str):
                yield text


def _keep_apart(entry: dict[str, Any], texts: list[str], notes: list[str]) -> None:
    """Give answers with the same slug a column each."""
    labels = slugs.labels(texts)
    if not labels:
        return
    entry["labels"] = labels
    for name, same in slugs.collisions(texts).items():
        written = ", ".join(f"{json.dumps(text, ensure_ascii=False)} in column data.{labels[text]}" for text in same)
        notes.append(f"answers of task {entry['task']} have the same slug, {name!r}: {written}")


def _reducer(extractor: str, entries: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The reducer of an extractor, with the sub-tasks of all its tasks."""
    if extractor.startswith("shape_extractor"):
        name = "shape_reducer_dbscan"
    elif extractor == "point_extractor_by_frame":
        name = "point_reducer_dbscan"
    else:
        name = reducer_of(extractor)
    keywords: dict[str, Any] = {}
    details: dict[str, list[str | None]] = {}
    for entry in entries:
        keywords |= {key: entry[key] for key in REDUCED_TOO if key in entry}
        for tool, subtasks in entry.get("details", {}).items():
            details[tool] = [subtask and reducer_of(subtask) for subtask in subtasks]
    return {name: keywords | ({"details": details} if details else {})}


def reducer_of(extractor: str) -> str:
    """The reducer of a task that is not a drawing."""
    return extractor.replace("_extractor", "_reducer")
