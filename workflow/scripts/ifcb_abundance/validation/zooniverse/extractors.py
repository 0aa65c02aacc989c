"""Turn the annotations of one classification into columns, by functions without state.

Annotations come from classifier 1 (marks have `tool`) or 2.0 (marks have `toolIndex`, and answers about marks are
separate annotations). An unreadable answer raises ValueError with the reason; a task without an answer gives an empty
extract.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ifcb_abundance.common.errors import ConfigError
from ifcb_abundance.validation.zooniverse import cells
from ifcb_abundance.validation.zooniverse.shapes import SHAPES, parameters
from ifcb_abundance.validation.zooniverse.slugs import answer_name, slug

Annotation = dict[str, Any]
Tasks = dict[str, list[Annotation]]
Extract = dict[str, Any]

KEYWORDS = ("task", "tools", "details", "shape", "labels", "dot_freq")  # dot_freq is for transcriptions: without effect


@dataclass(frozen=True)
class Entry:
    """A config's entry for one task. details: by tool, the extractors of its sub-tasks."""

    extractor: str
    task: str
    tools: tuple[int, ...] | None = None
    details: Mapping[int, tuple[str | None, ...]] = field(default_factory=dict)
    shape: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    def extract(self, tasks: Tasks) -> list[Extract]:
        """The extracts of this task."""
        if self.extractor == "survey_extractor":
            return _survey(tasks.get(self.task, []), self.labels)
        if self.extractor in SIMPLE:
            answered = tasks.get(self.task)
            return [SIMPLE[self.extractor](answered[0], self.labels) if answered else {}]
        return [_marks(tasks, self)]


def by_task(annotations: Any) -> Tasks:
    """The annotations of a classification by their task; those inside a combo task count for their own task."""
    if not isinstance(annotations, list):
        raise ValueError("annotations are not a list")
    tasks: Tasks = {}
    for annotation in annotations:
        if not isinstance(annotation, dict) or not isinstance(annotation.get("task"), str):
            raise ValueError("an annotation has no task")
        value = annotation.get("value")
        if isinstance(value, list) and value and all(isinstance(one, dict) and "task" in one for one in value):
            for task, inner in by_task(value).items():
                tasks.setdefault(task, []).extend(inner)
        tasks.setdefault(annotation["task"], []).append(annotation)
    return tasks


def _value(annotation: Annotation) -> Any:
    if "value" not in annotation:
        raise ValueError("the answer has no value")
    return annotation["value"]


def _question(annotation: Annotation, labels: Mapping[str, str]) -> Extract:
    value = _value(annotation)
    answers = value if isinstance(value, list) else [value]
    return dict.fromkeys((answer_name(answer, labels) for answer in answers), 1)


def _survey(answered: list[Annotation], labels: Mapping[str, str]) -> list[Extract]:
    extracts = []
    for annotation in answered[:1]:
        value = _value(annotation)
        if not isinstance(value, list | None):
            raise ValueError("the answer of a survey is not a list of choices")
        for chosen in value or []:
            if not isinstance(chosen, dict) or not isinstance(chosen.get("choice"), str):
                raise ValueError("a choice of a survey has no name")
            extract: Extract = {"choice": answer_name(chosen["choice"], labels)}
            questions = chosen.get("answers") or {}
            if not isinstance(questions, dict):
                raise ValueError("the answers about a choice are not a mapping of questions")
            for question, answers in questions.items():
                for answer in answers if isinstance(answers, list) else [answers]:
                    extract[f"answers_{slug(question)}.{answer_name(answer, {})}"] = 1
            extracts.append(extract)
    return extracts


def _dropdown(annotation: Annotation, labels: Mapping[str, str]) -> Extract:
    value = _value(annotation)
    if value is None:
        return {}
    selects = value if isinstance(value, list) else [value]
    chosen = []
    for select in selects:
        if not isinstance(select, dict) or not ("value" in select or "selection" in select):
            raise ValueError("a selection of a dropdown has no value")
        chosen.append({answer_name(select["selection"] if "selection" in select else select["value"], labels): 1})
    return {"value": chosen}


def _slider(annotation: Annotation, _: Mapping[str, str]) -> Extract:
    value = _value(annotation)
    if value is None:
        return {}
    cells.number(value, "the slider's value")
    return {"slider_value": value}


def _text(annotation: Annotation, _: Mapping[str, str]) -> Extract:
    value = _value(annotation)
    if not isinstance(value, str | None):
        raise ValueError(f"the text is {str(value)[:60]!r}")
    return {"text": value, "gold_standard": False}


SIMPLE: dict[str, Callable[[Annotation, Mapping[str, str]], Extract]] = {
    "question_extractor": _question,
    "shortcut_extractor": _question,
    "dropdown_extractor": _dropdown,
    "slider_extractor": _slider,
    "text_extractor": _text,
}
NAMES = (*SIMPLE, "survey_extractor", "point_extractor_by_frame", *(f"shape_extractor_{shape}" for shape in SHAPES))
# Columns that the extracts of a task always have, even if nobody answered.
ALWAYS: dict[str, tuple[str, ...]] = {
    "survey_extractor": ("choice",),
    "dropdown_extractor": ("value",),
    "slider_extractor": ("slider_value",),
    "text_extractor": ("text", "gold_standard"),
}


def _marks(tasks: Tasks, entry: Entry) -> Extract:
    """Marks by frame and tool: a list for each parameter, and one for their sub-tasks, all in the same order."""
    extract: Extract = {}
    for annotation in tasks.get(entry.task, []):
        value = _value(annotation)
        if not isinstance(value, list | None):
            raise ValueError("the marks are not a list")
        for position, mark in enumerate(value or []):
            if not isinstance(mark, dict):
                raise ValueError("a mark is not a JSON object")
            word = "toolIndex" if "toolIndex" in mark else "tool"
            tool, frame = mark.get(word), mark.get("frame")
            if type(tool) is not int:
                raise ValueError(f"a mark is of tool {str(tool)[:60]!r}")
            if type(frame) is not int and frame is not None:
                raise ValueError(f"a mark is on frame {str(frame)[:60]!r}")
            if entry.tools is not None and tool not in entry.tools:
                continue
            names = parameters(entry.shape, mark)
            values = [mark.get(name) for name in names]
            if None in values:
                continue  # it was begun, and never placed
            prefix = f"frame{frame or 0}.{entry.task}_{word}{tool}"
            for name, given in zip(names, values, strict=True):
                extract.setdefault(f"{prefix}_{name}", []).append(cells.number(given, f"{name} of a mark"))
            if entry.details.get(tool):
                for name, answer in _details(tasks, entry, mark, tool, position):
                    extract.setdefault(f"{prefix}_{name}", []).append(answer)
    return extract


def _details(tasks: Tasks, entry: Entry, mark: Annotation, tool: int, position: int) -> Iterator[tuple[str, Any]]:
    """The answers about a mark: all in one item from classifier 1, an item for each sub-task from 2.0.

    position: the mark's place among all marks of its task.
    """
    answers = mark.get("details") or []
    if not isinstance(answers, list) or not all(isinstance(answer, dict) for answer in answers):
        raise ValueError("the answers about a mark are not a list")
    if "toolIndex" not in mark and not any("task" in answer for answer in answers):
        subtasks = entry.details[tool]
        yield "details", [_sub(name, answer, entry) for name, answer in zip(subtasks, answers, strict=False)]
        return
    for place, name in enumerate(entry.details[tool]):
        of_mark = [
            annotation
            for annotation in tasks.get(f"{entry.task}.{tool}.{place}", [])
            if annotation.get("markIndex") == position
        ]
        yield f"subtask{place}", _sub(name, of_mark[0], entry) if of_mark else {}


def _sub(extractor: str | None, answer: Annotation, entry: Entry) -> Extract | None:
    if extractor is None:
        return None
    return SIMPLE[extractor](answer, entry.labels) if "value" in answer else {}


def entries(config: Mapping[str, Any], path: str) -> list[Entry]:
    """The entries of `extractor_config`. Raises ConfigError, naming the file, for anything unknown."""
    made = []
    for extractor, listed in config.items():
        if extractor not in NAMES:
            raise ConfigError(f"{path}: extractor {extractor!r} is unknown; choose from {', '.join(NAMES)}")
        for entry in listed if isinstance(listed, list) else [listed]:
            if not isinstance(entry, dict) or not isinstance(entry.get("task"), str):
                raise ConfigError(f"{path}: an entry of {extractor} has no task")
            unknown = [key for key in entry if key not in KEYWORDS]
            if unknown:
                raise ConfigError(
                    f"{path}: keyword {unknown[0]!r} of {extractor} is unknown; choose from {', '.join(KEYWORDS)}"
                )
            made.append(_entry(extractor, entry, path))
    return made


def _entry(extractor: str, entry: Mapping[str, Any], path: str) -> Entry:
    where = f"{path}: {extractor}, task {entry['task']}:"
    shape = extractor.removeprefix("shape_extractor_") if extractor.startswith("shape_extractor_") else None
    if entry.get("shape", shape) != shape:
        raise ConfigError(f"{where} shape {entry['shape']!r} does not belong to the extractor")
    tools = entry.get("tools")
    if tools is not None and not (isinstance(tools, list) and all(type(tool) is int for tool in tools)):
        raise ConfigError(f"{where} tools is not a list of numbers")
    labels = entry.get("labels") or {}
    if not isinstance(labels, dict) or not all(isinstance(text, str) for pair in labels.items() for text in pair):
        raise ConfigError(f"{where} labels is not a mapping of texts to columns")
    details = {}
    for key, subtasks in by_tool(entry.get("details") or {}, entry["task"], where).items():
        wrong = [name for name in subtasks if name is not None and name not in SIMPLE]
        if wrong:
            raise ConfigError(f"{where} sub-tasks have extractor {wrong[0]!r}; choose from {', '.join(SIMPLE)}")
        details[key[1]] = tuple(subtasks)
    return Entry(extractor, entry["task"], None if tools is None else tuple(tools), details, shape, labels)


def by_tool(details: Any, task: str | None, where: str) -> dict[tuple[str, int], list[str | None]]:
    """The sub-tasks by task and tool, from `T0_tool3: [a, b]` or, one by one, `T0_toolIndex3_subtask1: b`.

    task: the only task allowed. Raises ConfigError.
    """
    found: dict[tuple[str, int], dict[int, Any]] = {}
    if not isinstance(details, dict):
        raise ConfigError(f"{where} details is not a mapping")
    for key, given in details.items():
        name, _, rest = str(key).partition("_tool")
        tool, _, place = rest.removeprefix("Index").partition("_subtask")
        if not tool.isdecimal() or (task is not None and name != task) or (place and not place.isdecimal()):
            raise ConfigError(f"{where} details of {key!r}: it must be a tool such as {task or 'T0'}_tool3")
        if isinstance(given, list) and not place:
            found.setdefault((name, int(tool)), {}).update(enumerate(given))
        elif place and (given is None or isinstance(given, str)):
            found.setdefault((name, int(tool)), {})[int(place)] = given
        else:
            raise ConfigError(f"{where} details of {key!r} are not a list")
    return {key: [places.get(place) for place in range(max(places, default=-1) + 1)] for key, places in found.items()}
