"""Reduce the extracts of one subject and task to its row, by functions without state; `marks` does marks.

Extracts come in the order of created_at and classification_id.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from ifcb_abundance.common.strict_csv import unguarded
from ifcb_abundance.validation.zooniverse import cells
from ifcb_abundance.validation.zooniverse.cells import number

Extract = Mapping[str, Any]
Reduction = dict[str, Any]
Reducer = Callable[[Sequence[Extract], bool], list[Reduction]]


def votes(extracts: Sequence[Extract], pairs: bool = False) -> Counter[str]:
    """The votes of each answer. pairs: all answers of a person count as one, as in a+b."""
    counted: Counter[str] = Counter()
    for extract in extracts:
        given = {answer: times for answer, times in extract.items() if times}
        counted.update({"+".join(sorted(given)): 1} if pairs else given)
    return counted


def question(extracts: Sequence[Extract], pairs: bool) -> list[Reduction]:
    """Votes by answer."""
    return [dict(votes(extracts, pairs))]


def consensus(counted: Counter[str]) -> Reduction:
    """The answer with most votes; in a tie none, and all tied answers."""
    if not counted:
        return {"num_votes": 0}
    most = max(counted.values())
    tied = sorted(answer for answer, times in counted.items() if times == most)
    found: Reduction = {"most_likely": tied[0]} if len(tied) == 1 else {"tied": tied}
    return found | {"num_votes": most, "agreement": most / counted.total()}


def question_consensus(extracts: Sequence[Extract], pairs: bool) -> list[Reduction]:
    """The consensus of a question."""
    return [consensus(votes(extracts, pairs))]


def survey(extracts: Sequence[Extract], _: bool) -> list[Reduction]:
    """A row for each choice: how often it was chosen, the number of all choices, and the votes of its questions."""
    choices: dict[str, list[Extract]] = {}
    for extract in extracts:
        choices.setdefault(extract["choice"], []).append(extract)
    rows = []
    for choice, of_it in choices.items():
        counts: Reduction = {"choice": choice, "total_vote_count": len(extracts), "choice_count": len(of_it)}
        answers = [{name: times for name, times in extract.items() if name != "choice"} for extract in of_it]
        rows.append(counts | votes(answers))
    return rows


def survey_consensus(extracts: Sequence[Extract], _: bool) -> list[Reduction]:
    """The consensus of a survey's choices."""
    return [consensus(Counter(extract["choice"] for extract in extracts))]


def dropdown(extracts: Sequence[Extract], _: bool) -> list[Reduction]:
    """The votes by option, for each list of the dropdown."""
    lists = zip_longest(*(extract["value"] for extract in extracts if "value" in extract), fillvalue={})
    counted = [votes(selected) for selected in lists]
    return [{"value": [dict(sorted(one.items(), key=lambda item: (-item[1], item[0]))) for one in counted]}]


def slider(extracts: Sequence[Extract], _: bool) -> list[Reduction]:
    """Mean, median and variance (of the population) of a slider."""
    import numpy as np

    values = [float(number(extract["slider_value"], "")) for extract in extracts if "slider_value" in extract]
    if not values:
        return [{}]
    found = {"slider_mean": np.mean(values), "slider_median": np.median(values), "slider_var": np.var(values)}
    return [{name: float(value) for name, value in found.items()}]


def text(extracts: Sequence[Extract], _: bool) -> list[Reduction]:
    """How many people wrote each text, the most frequent first; people who wrote nothing do not count."""
    counted = Counter(extract["text"] for extract in extracts if extract.get("text"))
    most = dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))
    return [{"text_counts": most, "number_views": counted.total()}]


VOTES: dict[str, Reducer] = {
    "question_reducer": question,
    "question_consensus_reducer": question_consensus,
    "shortcut_reducer": question,
    "survey_reducer": survey,
    "survey_consensus_reducer": survey_consensus,
    "dropdown_reducer": dropdown,
    "slider_reducer": slider,
    "text_reducer": text,
}
PAIRS = ("question_reducer", "question_consensus_reducer", "shortcut_reducer")
SUBTASKS = ("question_reducer", "question_consensus_reducer", "shortcut_reducer", *list(VOTES)[5:])
NEEDED = {
    "survey_reducer": ("data.choice",),
    "survey_consensus_reducer": ("data.choice",),
    "dropdown_reducer": ("data.value",),
    "slider_reducer": ("data.slider_value",),
    "text_reducer": ("data.text",),
}


PASSED_OVER = ("aggregation_version", "classifier_version", "choice", "gold_standard")
_QUESTIONS = ("question_reducer", "question_consensus_reducer", "shortcut_reducer")


def readable(reducer: str, given: Mapping[str, str]) -> Extract:
    """The extract in the data cells of a row, without empty cells. Raises ValueError."""
    if reducer in _QUESTIONS:
        return {name: _votes_of(cell, name) for name, cell in given.items() if name not in PASSED_OVER}
    if reducer.startswith("survey"):
        if not given.get("choice"):
            raise ValueError("choice is missing")
        answers = {name: _votes_of(cell, name) for name, cell in given.items() if name.startswith("answers_")}
        return {"choice": given["choice"]} | answers
    if reducer == "dropdown_reducer":
        return checked(reducer, {"value": cells.read(given["value"])}, "data") if "value" in given else {}
    if reducer == "text_reducer":
        return {"text": unguarded(given["text"])} if "text" in given else {}
    return checked(reducer, given, "data")


def checked(reducer: str, extract: Any, where: str) -> Extract:
    """Return an extract that the reducer can read. Raises ValueError, naming its place, for any other."""
    if not isinstance(extract, dict):
        raise ValueError(f"{where} has {str(extract)[:60]!r}, not an answer")
    if reducer in _QUESTIONS:
        return {str(name): _votes_of(times, where) for name, times in extract.items()}
    if reducer == "slider_reducer" and "slider_value" in extract:
        number(extract["slider_value"], f"{where}.slider_value")
    if reducer == "text_reducer" and not isinstance(extract.get("text"), str | None):
        raise ValueError(f"{where} has {str(extract)[:60]!r}, not a text")
    if reducer == "dropdown_reducer" and "value" in extract:
        value = extract["value"]
        if not isinstance(value, list) or not all(isinstance(selected, dict) for selected in value):
            raise ValueError(f"{where}.value is {str(value)[:60]!r}, not a list of answers")
        for selected in value:
            for times in selected.values():
                _votes_of(times, f"{where}.value")
    return extract


def _votes_of(cell: Any, column: str) -> int | float:
    count = number(cell, column)
    if count < 0:
        raise ValueError(f"{column} is {cell!r}, which is negative")
    return int(count) if count == int(count) else count
