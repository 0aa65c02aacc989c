"""Tell informative patches from uninformative ones: by their statistics, or with a ResNet34.

Both end in a logistic regression whose parameters stand in filter.json: on the statistics of `patches.csv`, or on the
512 features of the network. It is judged on groups that it was not trained on, because patches of one group resemble
each other.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from hashlib import file_digest
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ifcb_abundance.common.atomic_write import atomic_write
from ifcb_abundance.common.errors import WorkflowInputError, quoted
from ifcb_abundance.common.extras import needed
from ifcb_abundance.common.progress import Progress
from ifcb_abundance.common.strict_csv import read_given
from ifcb_abundance.common.words import counted
from ifcb_abundance.curation import resnet
from ifcb_abundance.curation.listing import printable
from ifcb_abundance.curation.patch_images import PatchImages, zip_paths
from ifcb_abundance.curation.weights import read_weights
from ifcb_abundance.tables import table_files

log = logging.getLogger("ifcb.curation")

VERSION = 1  # of what the filter is and says: raise it so that it is trained anew
LABELS = {"informative": 1, "good": 1, "uninformative": 0, "bad": 0}  # the second ones are the reference's
SKIPPED = "none"
FEWEST = 64  # labelled patches; the reference asks for as many
FOLDS = 5
DECIMALS = 6  # of scores
STRENGTH = 1.0  # of the regression's penalty, on standardized features

Floats = npt.NDArray[np.float64]
Truth = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class FilterOptions:
    """How patches are filtered: what the config says under `key`, without the threshold."""

    labels: str | None = None
    model: str = "statistics"
    weights: str | None = None
    device: str = "auto"
    key: str = "curation.filter"

    @property
    def filters(self) -> bool:
        """Whether anything is filtered at all."""
        return bool(self.labels or (self.model == "resnet34" and self.weights))


@dataclass(frozen=True)
class Regression:
    """A logistic regression: score = sigmoid(intercept + sum of coefficient * (feature - centre) / scale)."""

    features: list[str]
    centre: list[float]
    scale: list[float]
    coefficients: list[float]
    intercept: float

    def logits(self, values: Floats) -> Floats:
        """Return the logits (n) of rows of features (n, features)."""
        standard = (values - np.array(self.centre)) / np.array(self.scale)
        logits: Floats = (standard * np.array(self.coefficients)).sum(axis=1) + self.intercept
        return logits


@dataclass(frozen=True)
class Judgement:
    """How well the filter tells patches that it was not trained on.

    judged_by: what was held out, `group` or `patch`; `nothing` if there was too little to hold out. auc: the area under
    the curve of roc.csv; None if nothing was judged.
    """

    judged_by: str = "nothing"
    folds: int = 0
    auc: float | None = None


@dataclass(frozen=True)
class Filter:
    """What filter.json holds. model: None if nothing is filtered. regression: None if the weights score as they are."""

    version: int
    model: str | None = None
    weights_sha256: str | None = None
    labels_sha256: str | None = None
    informative: int = 0
    uninformative: int = 0
    unknown: int = 0
    judgement: Judgement = Judgement()
    regression: Regression | None = None


# --- labels ---


def parse_labels(path: str | Path, key: str) -> pd.Series:
    """Read a CSV file image,label: a Series of labels in lower case by image, named as in `cleaning.csv`.

    key: of the config that names the file, for messages. Raises WorkflowInputError, naming key and file, for a file
    that cannot be read, for any other label, and for an image with two.
    """
    where = f"{key}: {path}"
    columns = read_given(path, where, ["image", "label"])
    given = pd.Series(columns["label"], index=[*map(printable, columns["image"])], dtype="str").str.strip().str.lower()
    if other := sorted(set(given) - set(LABELS) - {SKIPPED}):
        accepted = quoted([*LABELS, SKIPPED])
        raise WorkflowInputError(f"{where}: {quoted(other[:5])}: labels are {accepted}")
    if given.index.has_duplicates:
        twice = given.index[given.index.duplicated()].unique()
        raise WorkflowInputError(f"{where}: two labels of {quoted(twice[:5])}: keep one of each")
    return given


def read_labels(path: str | Path, patches: pd.DataFrame, key: str) -> tuple[pd.Series, int]:
    """Read which patches are informative: a Series of 0 and 1 by patch, sorted, and the number of unknown images.

    key: of the config that names the file, for messages. A label of an image is one of all its patches. A label of a
    patch counts before that of its image. Raises WorkflowInputError as `parse_labels` does, and if there are too few of
    them.
    """
    where = f"{key}: {path}"
    given = parse_labels(path, key)
    unknown = given.index.difference(pd.Index(patches["patch"]).union(pd.Index(patches["image"])))
    if len(unknown):
        log.warning(
            f"{where}: {counted(len(unknown), 'label')} of unknown images, the first {quoted(unknown[:3])}: not used"
        )
    of_images = patches.set_index("patch")["image"].map(given)
    labels = of_images.index.to_series().map(given).fillna(of_images).map(LABELS).dropna().astype(int)
    n_good, n_bad = int(labels.sum()), int((1 - labels).sum())
    if len(labels) < FEWEST or not n_good or not n_bad:
        raise WorkflowInputError(
            f"{where} labels {n_good} informative and {n_bad} uninformative patches; at least "
            f"{FEWEST} of both kinds together are needed, and some of each kind"
        )
    return labels.sort_index(), len(unknown)


# --- the regression ---


def fit(values: Floats, labels: Truth, names: list[str]) -> Regression:
    """Train a logistic regression on rows of features."""
    linear_model = needed("sklearn.linear_model", "scikit-learn", "Training a filter of patches")
    centre, scale = values.mean(axis=0), values.std(axis=0)
    scale[scale < 1e-9] = 1.0  # a feature that never changes
    model = linear_model.LogisticRegression(C=STRENGTH, max_iter=10_000, tol=1e-8, class_weight="balanced")
    model.fit((values - centre) / scale, labels)
    return Regression(
        features=names,
        centre=_rounded(centre),
        scale=_rounded(scale),
        coefficients=_rounded(model.coef_[0]),
        intercept=_rounded(model.intercept_)[0],
    )


def _rounded(values: Floats) -> list[float]:
    """Return numbers with as many digits as are the same on any machine."""
    return [float(f"{value:.7g}") for value in values]


def judge(values: Floats, labels: Truth, groups: npt.NDArray[Any], names: list[str]) -> tuple[Judgement, pd.DataFrame]:
    """Judge the regression on groups that it was not trained on; return that, and the curve (table `roc`).

    The groups are dealt to folds; each fold is scored by a regression trained on the others. Where the labels are of
    fewer than two groups, or one group holds all patches of a kind, patches are dealt in place of groups, which
    flatters the filter: `judged_by` says so.
    """
    judged_by, folds = _folds(values, labels, groups)
    if not folds:
        return Judgement(), table_files.empty("roc")
    scores = np.empty(len(labels))
    for trained, held_out in folds:
        scores[held_out] = resnet.sigmoid(fit(values[trained], labels[trained], names).logits(values[held_out]))
    auc, curve = curve_of(scores.round(DECIMALS), labels)
    return Judgement(judged_by, len(folds), auc), curve


def curve_of(scores: Floats, labels: Truth) -> tuple[float, pd.DataFrame]:
    """Return the area under the curve of scores, and the curve itself (table `roc`)."""
    metrics = needed("sklearn.metrics", "scikit-learn", "Training a filter of patches")
    false_rate, true_rate, cuts = metrics.roc_curve(labels, scores)
    cuts[0] = np.nan  # infinite: nothing is informative
    n_true, n_false = labels.sum(), (~labels).sum()
    curve = pd.DataFrame(
        {
            "threshold": cuts,
            "false_positive_rate": false_rate,
            "true_positive_rate": true_rate,
            "true_positives": (true_rate * n_true).round().astype(int),
            "false_positives": (false_rate * n_false).round().astype(int),
            "true_negatives": ((1 - false_rate) * n_false).round().astype(int),
            "false_negatives": ((1 - true_rate) * n_true).round().astype(int),
        }
    )
    return round(float(metrics.roc_auc_score(labels, scores)), DECIMALS), curve


def _folds(values: Floats, labels: Truth, groups: npt.NDArray[Any]) -> tuple[str, list[tuple[Any, Any]]]:
    """Return what is dealt to folds, and for each fold the rows to train on and those to hold out."""
    selection = needed("sklearn.model_selection", "scikit-learn", "Training a filter of patches")
    n_folds = min(FOLDS, len(set(groups[labels])), len(set(groups[~labels])))
    if n_folds > 1:
        folds = list(selection.StratifiedGroupKFold(n_folds).split(values, labels, groups))
        if all(len(set(labels[trained])) == 2 for trained, _ in folds):
            return "group", folds
    n_folds = min(FOLDS, int(labels.sum()), int((~labels).sum()))
    return "patch", list(selection.StratifiedKFold(n_folds).split(values, labels)) if n_folds > 1 else []


# --- the stage ---


def statistics(patches: pd.DataFrame) -> tuple[list[str], Floats]:
    """Return the names and the values (n, names) of the statistics in `patches.csv`: all numbers behind the hash."""
    columns = table_files.columns("patches")
    behind = columns[columns.index("hash") + 1 :]
    names = [name for name in behind if table_files.schema("patches")[name]["type"] in ("number", "integer")]
    return names, patches[names].to_numpy("float64")


def train_filter(
    patches_csv: str | Path | None,
    clean: str | Path,
    options: FilterOptions,
    threads: int,
    paths: tuple[str | Path, str | Path],
) -> None:
    """Train the filter, if there are labels, and judge it.

    patches_csv: None without labels. clean: the folder with the zips of cleaned images. paths: of filter.json and
    roc.csv.
    """
    trained, curve = Filter(VERSION), table_files.empty("roc")
    if options.filters:
        weights_sum = checksum(options.weights, f"{options.key}.weights") if options.model == "resnet34" else None
        trained = Filter(VERSION, options.model, weights_sum)
        if weights_sum:
            _open_network(options.weights or "", weights_sum, options.device)  # what is wrong with it is said first
    if options.labels:
        assert patches_csv is not None
        patches = table_files.read("patches", patches_csv, table_files.columns("patches"))
        labels, unknown = read_labels(options.labels, patches, f"{options.key}.labels")
        labelled = patches.set_index("patch", drop=False).loc[labels.index]
        if options.model == "resnet34":
            names = [f"feature {number}" for number in range(resnet.FEATURES)]
            values = _run(labelled, clean, options, threads, "labelled patches")[0].astype(np.float64)
        else:
            names, values = statistics(labelled)
        truth = labels.to_numpy() == 1
        judgement, curve = judge(values, truth, labelled["group"].to_numpy(object), names)
        trained = replace(
            trained,
            labels_sha256=checksum(options.labels, f"{options.key}.labels"),
            informative=int(truth.sum()),
            uninformative=int((~truth).sum()),
            unknown=unknown,
            judgement=judgement,
            regression=fit(values, truth, names),
        )
        _say(judgement, options.key)
    table_files.write(curve, "roc", paths[1])
    with atomic_write(paths[0]) as unfinished:
        unfinished.write_text(json.dumps(asdict(trained), indent=1) + "\n", encoding="utf-8")


def _say(judgement: Judgement, key: str) -> None:
    if judgement.judged_by == "group":
        log.info(f"{key}: AUC {judgement.auc:.3f} on groups that it was not trained on")
    else:
        log.warning(
            f"{key}: too few groups have labels to judge the filter on groups that it was not trained on; "
            + ("it was not judged" if judgement.auc is None else f"on other patches its AUC is {judgement.auc:.3f}")
        )


def read_filter(path: str | Path) -> Filter:
    """Read filter.json."""
    content = json.loads(Path(path).read_text(encoding="utf-8"))
    regression = content.pop("regression")
    judgement = Judgement(**content.pop("judgement"))
    return Filter(**content, judgement=judgement, regression=Regression(**regression) if regression else None)


def score_patches(
    patches_csv: str | Path,
    clean: str | Path,
    filter_json: str | Path,
    options: FilterOptions,
    threads: int,
    path: str | Path,
) -> None:
    """Score the patches of a group with the ResNet34: its part of `filter_scores`."""
    patches = table_files.read("patches", patches_csv, table_files.columns("patches"))
    trained = read_filter(filter_json)
    what = f"scores of group {patches['group'].iloc[0]}" if len(patches) else "scores"
    features, last = _run(patches, clean, options, threads, what)
    logits = trained.regression.logits(features.astype(np.float64)) if trained.regression else last.astype(np.float64)
    scores = resnet.sigmoid(logits).round(DECIMALS)
    table_files.write(pd.DataFrame({"patch": patches["patch"], "score": scores}), "filter_scores", path)


def filter_patches(
    patches_csv: str | Path,
    filter_json: str | Path,
    parts: Sequence[str | Path],
    threshold: float,
    path: str | Path,
    key: str = FilterOptions.key,
) -> None:
    """Decide which patches are informative: the table `filter`.

    parts: of `filter_scores`, all of them; none if the statistics score. key: of the config, for messages. Where
    nothing is filtered all are informative, and none has a score.
    """
    patches = table_files.read("patches", patches_csv, table_files.columns("patches"))
    trained = read_filter(filter_json)
    scores = np.full(len(patches), np.nan)
    if trained.model == "resnet34":
        scored = pd.concat([table_files.read("filter_scores", part) for part in parts]).set_index("patch")["score"]
        scores = scored.loc[patches["patch"]].to_numpy()
    elif trained.regression:
        scores = resnet.sigmoid(trained.regression.logits(statistics(patches)[1])).round(DECIMALS)
    informative = (scores >= threshold) | np.isnan(scores)
    if trained.model:
        log.info(f"{key}: {int(informative.sum()):,} of {counted(len(patches), 'patch')} are informative")
    table = pd.DataFrame({"patch": patches["patch"], "score": scores, "informative": informative.astype(int)})
    table_files.write(table, "filter", path)


def _run(
    patches: pd.DataFrame, clean: str | Path, options: FilterOptions, threads: int, what: str
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    network = _open_network(options.weights or "", checksum(options.weights, f"{options.key}.weights"), options.device)
    progress = Progress(what, lambda: (len(patches), len(patches)))
    if len(patches):
        progress.begin()

    with PatchImages(patches, zip_paths(clean, patches["group"])) as images:
        return resnet.run_network(network, images.packed, len(patches), threads, progress.step)


@lru_cache(maxsize=1)
def _open_network(path: str, identity: str, device: str) -> resnet.Network:  # noqa: ARG001  a changed file is read anew
    """Open the network once for all groups of a run."""
    weights = read_weights(path)
    resnet.check_weights(weights, path)
    return resnet.open_network(weights, device)


def checksum(path: str | None, key: str) -> str:
    """Return the sha256 of a file that a key of the config names. Raises WorkflowInputError if it cannot be read."""
    try:
        with Path(path or "").open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WorkflowInputError(f"{key}: {path} cannot be read ({error.strerror})") from None
