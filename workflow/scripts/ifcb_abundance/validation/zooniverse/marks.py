"""Find clusters among the marks of many people on one frame, and the votes of their sub-tasks."""

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ifcb_abundance.common.errors import ConfigError, StateError
from ifcb_abundance.validation.zooniverse import cells, reducers
from ifcb_abundance.validation.zooniverse.extractors import by_tool
from ifcb_abundance.validation.zooniverse.shapes import ANGULAR, SHAPES, parameters
from ifcb_abundance.validation.zooniverse.slugs import INSTALL

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

_COLUMN = re.compile(r"(frame\d+)\.(.+_tool(?:Index)?(\d+))_([A-Za-z0-9_]+)")
_DEFAULTS: dict[str, dict[str, Any]] = {
    "dbscan": {"eps": 5.0, "min_samples": 3},
    "hdbscan": {"min_cluster_size": 5, "min_samples": 3},
    "optics": {"min_samples": 3, "min_cluster_size": 2, "xi": 0.15},
}
_SKLEARN: dict[str, dict[str, type]] = {  # further keywords that are passed on
    "dbscan": {"algorithm": str, "leaf_size": int},
    "hdbscan": {"algorithm": str, "leaf_size": int, "cluster_selection_method": str, "allow_single_cluster": bool},
    "optics": {"algorithm": str, "leaf_size": int},
}
NAMES = tuple(f"{kind}_reducer_{method}" for kind in ("point", "shape") for method in _DEFAULTS)

Key = tuple[str, str, int]  # frame, tool as columns name it, its number
Marked = dict[Key, "Marks"]


@dataclass
class Marks:
    """The marks of one tool on one frame: numbers by parameter, and the answers to sub-tasks, mark by mark."""

    numbers: dict[str, list[float]] = field(default_factory=dict)
    details: dict[str, list[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Clustering:
    """A reducer of marks, as a config gives it."""

    method: str
    shape: str | None
    keywords: Mapping[str, Any]
    details: Mapping[tuple[str, int], Sequence[str | None]]

    def readable(self, given: Mapping[str, str]) -> Marked:
        """The marks that are in the data cells of a row. Raises ValueError."""
        found: Marked = {}
        for column, cell in given.items():
            place = _COLUMN.fullmatch(column)
            if not place:
                continue
            frame, tool, number, what = place.groups()
            listed = cells.read(cell)
            if not isinstance(listed, list):
                raise ValueError(f"{column} is {cell[:60]!r}, not a list")
            marks = found.setdefault((frame, tool, int(number)), Marks())
            if what == "details" or what.startswith("subtask"):
                marks.details[what] = listed
            else:
                marks.numbers[what] = listed
        for (frame, tool, number), marks in found.items():
            subtasks = self.details.get((tool.rsplit("_", 1)[0], number), ())
            for what, answers in marks.details.items():
                marks.details[what] = [
                    _readable_answers(answer, what, subtasks, f"{frame}.{tool}") for answer in answers
                ]
        return {key: _placed(key, marks, self.shape) for key, marks in found.items()}

    def __call__(self, extracts: Sequence[Marked]) -> list[dict[str, Any]]:
        """The row of a subject and task: all marks, frame by frame and tool by tool, and the clusters among them."""
        joined: Marked = {}
        for extract in extracts:
            for key, marks in extract.items():
                if any(marks.numbers.values()):
                    _join(joined.setdefault(key, Marks()), marks)
        row: dict[str, Any] = {}
        if not any("_toolIndex" in key[1] for key in joined):
            for frame in {key[0]: None for key in joined}:
                for task, number in self.details:  # the reference has it, even for tools that nobody used
                    row[f"{frame}.{task}_tool{number}_details"] = []
        for (frame, tool, number), marks in sorted(joined.items()):
            row |= self._clusters(f"{frame}.{tool}", tool, number, marks)
        return [row]

    def _clusters(self, prefix: str, tool: str, number: int, marks: Marks) -> dict[str, Any]:
        import numpy as np

        names = parameters(self.shape, marks.numbers)
        points = np.array([marks.numbers[name] for name in names], dtype=float).T
        row: dict[str, Any] = {
            f"{prefix}_{self.shape or 'points'}_{name}": points[:, place].tolist() for place, name in enumerate(names)
        }
        labels, probabilities = self._labels(points)
        row[f"{prefix}_cluster_labels"] = labels.tolist()
        if probabilities is not None:
            row[f"{prefix}_cluster_probabilities"] = probabilities.tolist()
        clusters = [labels == label for label in range(labels.max(initial=-1) + 1)]
        if clusters:
            row[f"{prefix}_clusters_count"] = [int(members.sum()) for members in clusters]
            middles = [_middle(points[members], self.shape) for members in clusters]
            row |= {f"{prefix}_clusters_{name}": [m[place] for m in middles] for place, name in enumerate(names)}
        if clusters and self.shape is None:
            weights = np.ones(len(points)) if probabilities is None else probabilities
            spreads = [_spread(points[members], weights[members]) for members in clusters]
            for place, name in enumerate(("var_x", "var_y", "var_x_y")):
                row[f"{prefix}_clusters_{name}"] = [spread[place] for spread in spreads]
        of_tool = self.details.get((tool.rsplit("_", 1)[0], number))
        if of_tool is not None:
            members_of = [members.nonzero()[0].tolist() for members in clusters]
            row |= _reduced_details(prefix, marks, len(points), members_of, of_tool)
        return row

    def _labels(self, points: "Numbers") -> "tuple[NDArray[np.int64], Numbers | None]":
        """The cluster of each mark (-1: none), and with HDBSCAN the probability that it belongs there."""
        import numpy as np

        count = len(points)
        nothing = np.full(count, -1)
        none = np.zeros(count) if self.method == "hdbscan" else None
        if count < max(self.keywords["min_samples"], self.keywords.get("min_cluster_size", 1)):
            return nothing, none
        given = dict(self.keywords)
        if self.shape in ANGULAR:
            given["metric"], points = "precomputed", _distances(points)
            given.pop("algorithm", None)
        if self.method == "hdbscan":
            given["copy"] = True
        import sklearn

        fitted = _estimator(self.method)(**given)
        # Keywords and numbers have been checked; to check them again takes longer than to cluster a few marks.
        with warnings.catch_warnings(), sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
            warnings.simplefilter("ignore", RuntimeWarning)  # OPTICS divides by the distance of equal marks
            fitted.fit(points)
        if self.method != "hdbscan":
            return fitted.labels_, None
        return fitted.labels_, np.nan_to_num(fitted.probabilities_)


def clustering(name: str, keywords: Mapping[str, Any], path: str) -> Clustering:
    """The reducer that a config names. Raises ConfigError, naming the file; StateError without scikit-learn."""
    kind, _, method = name.split("_")
    left = dict(keywords)
    left.pop("dot_freq", None)
    shape = left.pop("shape", None)
    if kind == "point":
        if shape is not None:
            raise ConfigError(f"{path}: {name} has no shape")
    elif shape not in SHAPES:
        raise ConfigError(f"{path}: shape of {name} is {shape!r}; choose from {', '.join(SHAPES)}")
    details = by_tool(left.pop("details", None) or {}, None, f"{path}: {name}:")
    for subtasks in details.values():
        wrong = [subtask for subtask in subtasks if subtask is not None and subtask not in reducers.SUBTASKS]
        if wrong:
            raise ConfigError(f"{path}: sub-task reducer {wrong[0]!r} is unknown; choose from {reducers.SUBTASKS}")
    known = {key: type(value) for key, value in _DEFAULTS[method].items()} | _SKLEARN[method]
    given = dict(_DEFAULTS[method])
    for key, value in left.items():
        if key not in known:
            names = ", ".join([*known, "details", *(["shape"] if kind == "shape" else [])])
            raise ConfigError(f"{path}: keyword {key!r} of {name} is unknown; choose from {names}")
        least = 2 if key == "min_cluster_size" or name.endswith("optics") else 1
        given[key] = _keyword(key, value, known[key], least, f"{path}: {name}:")
    _estimator(method)
    return Clustering(method, shape, given, details)


def _keyword(key: str, value: Any, kind: type, least: int, where: str) -> Any:
    if kind is float and type(value) is int:
        value = float(value)
    most = 1.0 if key == "xi" else 1e12
    outside = (type(value) is int and value < least) or (type(value) is float and not 0 < value < most)
    if type(value) is not kind or outside:
        bounds = {int: f" of at least {least}", float: f" above 0 and below {most:g}"}.get(kind, "")
        kinds = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
        raise ConfigError(f"{where} {key} is {value!r}, not {kinds[kind]}{bounds}")
    choices = {"algorithm": ("auto", "brute", "kd_tree", "ball_tree"), "cluster_selection_method": ("eom", "leaf")}
    if key in choices and value not in choices[key]:
        raise ConfigError(f"{where} {key} is {value!r}; choose from {', '.join(choices[key])}")
    return value


def _estimator(method: str) -> Callable[..., Any]:
    try:
        from sklearn import cluster
    except ImportError:
        raise StateError(f"scikit-learn is not installed: {INSTALL}") from None
    estimators: dict[str, Callable[..., Any]] = {
        "dbscan": cluster.DBSCAN,
        "hdbscan": cluster.HDBSCAN,
        "optics": cluster.OPTICS,
    }
    return estimators[method]


def _placed(key: Key, marks: Marks, shape: str | None) -> Marks:
    """The marks that have all their numbers; anything but a number raises ValueError."""
    names = parameters(shape, marks.numbers)
    column = f"{key[0]}.{key[1]}"
    if not all(name in marks.numbers for name in names):
        return Marks()
    lists = [marks.numbers[name] for name in names]
    count = len(lists[0])
    if any(len(values) != count for values in [*lists, *marks.details.values()]):
        raise ValueError(f"{column} has lists of different lengths")
    kept = [place for place in range(count) if all(values[place] is not None for values in lists)]
    numbers = {
        name: [cells.number(values[place], f"{column}_{name}") for place in kept]
        for name, values in zip(names, lists, strict=True)
    }
    return Marks(numbers, {name: [values[place] for place in kept] for name, values in marks.details.items()})


def _readable_answers(given: Any, what: str, subtasks: Sequence[str | None], column: str) -> Any:
    """The answers about one mark, unchanged; raises ValueError if no reducer can read one."""
    several = what == "details"
    answers = given if several else [given]
    names = subtasks if several else subtasks[int(what.removeprefix("subtask") or 0) :][:1]
    if not isinstance(answers, list):
        raise ValueError(f"{column}_{what} has {str(given)[:60]!r}, not a list of answers")
    for name, answer in zip(names, answers, strict=False):
        if name is not None and answer:
            reducers.checked(name, answer, f"{column}_{what}")
    return given


def _join(joined: Marks, marks: Marks) -> None:
    """Add marks; marks without details get empty ones if others have details."""
    before = len(next(iter(joined.numbers.values()), []))
    count = len(next(iter(marks.numbers.values())))
    for name in {**joined.details, **marks.details}:
        nothing: Any = [] if name == "details" else {}
        already = joined.details.setdefault(name, [nothing] * before)
        already += marks.details.get(name, [nothing] * count)
    for name, values in marks.numbers.items():
        joined.numbers.setdefault(name, []).extend(values)


def _distances(points: "Numbers") -> "Numbers":
    """Distances between shapes whose last parameter is an angle: the shorter way round the circle, in degrees."""
    import numpy as np

    differences = points[:, None, :] - points[None, :, :]
    turned = np.abs(differences[..., -1]) % 360
    differences[..., -1] = np.minimum(turned, 360 - turned)
    distances: Numbers = np.sqrt((differences**2).sum(axis=-1))
    return distances


def _middle(points: "Numbers", shape: str | None) -> list[float]:
    middle = [float(value) for value in points.mean(axis=0)]
    if shape in ANGULAR:
        middle[-1] = mean_angle(points[:, -1])
    return middle


def mean_angle(angles: "Numbers") -> float:
    """The angle, in degrees, to which the squared distances round the circle are least; 3 decimals, as the reference.

    On a circle the mean is one of n, according to where the circle is cut open (Hotz and Huckemann 2015,
    Ann. Inst. Stat. Math. 67:177).
    """
    import numpy as np

    candidates = (np.mean(angles % 360) + 360 * np.arange(len(angles)) / len(angles)) % 360
    turned = np.abs(candidates[:, None] - angles[None, :] % 360)
    costs = (np.minimum(turned, 360 - turned) ** 2).sum(axis=1)
    return float(np.round(candidates[costs.argmin()], 3) % 360)


def _spread(points: "Numbers", weights: "Numbers") -> list[float | None]:
    """Sample variances of x and y, and their covariance; None for a single mark, which has none."""
    import numpy as np

    if len(points) < 2 or np.count_nonzero(weights) < 2:
        return [None] * 3
    covariance = np.cov(points.T, aweights=weights)
    return [float(covariance[0, 0]), float(covariance[1, 1]), float(covariance[0, 1])]


def _reduced_details(
    prefix: str, marks: Marks, count: int, clusters: Sequence[Sequence[int]], subtasks: Sequence[str | None]
) -> dict[str, Any]:
    """The answers about the marks, and for each cluster the votes of those who answered."""
    row: dict[str, Any] = {}
    if "_toolIndex" in prefix:
        for place, reducer in enumerate(subtasks):
            answers = marks.details.get(f"subtask{place}", [{}] * count)
            row[f"{prefix}_subtask{place}"] = answers
            if clusters:
                row[f"{prefix}_subtask{place}_clusters"] = [
                    _reduce_answers(reducer, [answers[member] for member in members]) for members in clusters
                ]
        return row
    details = marks.details.get("details", [[]] * count)
    row[f"{prefix}_details"] = details
    if clusters:
        row[f"{prefix}_clusters_details"] = [
            [
                _reduce_answers(reducer, [_at(details[member], place) for member in members])
                for place, reducer in enumerate(subtasks)
            ]
            for members in clusters
        ]
    return row


def _at(answers: Any, place: int) -> Any:
    return answers[place] if isinstance(answers, list) and place < len(answers) else {}


def _reduce_answers(reducer: str | None, answers: Sequence[Any]) -> dict[str, Any] | None:
    if reducer is None:
        return None
    given = [answer for answer in answers if isinstance(answer, dict) and answer]
    return reducers.VOTES[reducer](given, False)[0]
