"""Make a training set of the kept images: labelled, split without a leak, for torch, Hugging Face and webdataset.

Units that must not be torn apart (days, groups, images) are joined where near-duplicates join them, and dealt to the
splits as a whole. The same images, labels and settings give the same bytes.
"""

import io
import json
import logging
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import file_digest
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.common.atomic_write import atomic_write
from ifcb_abundance.common.errors import WorkflowInputError, quoted
from ifcb_abundance.common.progress import Progress
from ifcb_abundance.common.strict_csv import read_given
from ifcb_abundance.common.words import counted
from ifcb_abundance.curation import leaks, splits
from ifcb_abundance.curation.dataset_card import IMAGES, SHARDS, CardFacts, Joined, unseen_classes, write_card
from ifcb_abundance.curation.duplicates import DuplicateRule
from ifcb_abundance.curation.file_names import file_of_image, folder_of_label, key_of_image, unique
from ifcb_abundance.curation.hashes import as_numbers
from ifcb_abundance.curation.listing import printable
from ifcb_abundance.curation.patch_images import PLACE, PatchImages, zip_paths
from ifcb_abundance.curation.splits import SPLITS
from ifcb_abundance.curation.zips import Stored, file_name, find_png, read_png
from ifcb_abundance.tables import table_files

log = logging.getLogger("ifcb.curation")

VERSION = 3  # of the set's contents: raise it so that it is made anew
SHARD_IMAGES, SHARD_BYTES = 10_000, 512 << 20  # at most in a shard
SUMS = "SHA256SUMS"
NAMED = 5  # classes or images in a warning

Found = TypeVar("Found")


@dataclass(frozen=True)
class SplitOptions:
    """How the set is split: the config's `training_set`. fractions: of train, val and test."""

    split_by: str
    fractions: tuple[float, float, float]
    seed: int


# --- labels ---


def read_labels(path: str | Path, images: Iterable[str] | None = None) -> dict[str, str]:
    """Read a CSV file image,label: image to label. An empty label is none. Images are named as in `cleaning.csv`.

    Warns of images that are not among `images`, if these are known. Raises WorkflowInputError, naming the file, if it
    is no such file or gives an image two labels.
    """
    where = f"training_set.labels: {path}"
    columns = read_given(path, where, ["image", "label"])
    labels: dict[str, str] = {}
    for image, label in zip(map(printable, columns["image"]), columns["label"], strict=True):
        label = label.strip()
        if labels.setdefault(image, label) != label:
            raise WorkflowInputError(f"{where}: two labels of {image!r}: keep one of them")
    if unknown := sorted(set(labels).difference(labels if images is None else images)):
        n = counted(len(unknown), "label")
        log.warning(f"{where}: {n} of unknown images, the first {quoted(unknown[:3])}: not used")
    return {image: label for image, label in labels.items() if label}


@dataclass(frozen=True)
class LabelSources:
    """Where labels and days are from.

    given: the path of the user's labels; None if there are none. won: the paths of the bins' tables `image_classes`.
    ledger: the path of that table. Both are None for images of a folder: a label, and a day, is the group's name then.
    """

    given: str | None = None
    won: Sequence[str | Path] | None = None
    ledger: str | Path | None = None

    @property
    def are_groups(self) -> bool:
        """Whether labels are the names of the groups."""
        return self.given is None and self.won is None

    def labels(self, curated: pd.DataFrame) -> dict[str, str]:
        """Return the labels of images. ROIs below the threshold of their class have none."""
        if self.given is not None:
            return read_labels(self.given, {*curated["patch"], *curated["image"]})
        if self.won is None:
            return dict(zip(curated["image"], curated["group"], strict=True))
        tables = [table_files.read("image_classes", path) for path in self.won]
        won = pd.concat([table[table["class"] != UNCLASSIFIED] for table in tables])
        return dict(zip(won["image"], won["class"], strict=True))

    def days(self, curated: pd.DataFrame) -> dict[str, str]:
        """Return the days of groups."""
        if self.ledger is None:
            return {group: group for group in curated["group"].unique()}
        ledger = table_files.read("ledger", self.ledger, ["bin", "date"])
        return dict(zip(ledger["bin"], ledger["date"], strict=True))


# --- the split ---


@dataclass(frozen=True)
class Joins:
    """What joins images: pairs of their names, with one of the margins of `leaks`."""

    margin: leaks.Margin
    pairs: Sequence[tuple[str, str]]


def assemble(curated: pd.DataFrame, labels: Mapping[str, str], days: Mapping[str, str]) -> pd.DataFrame:
    """Return a row for each patch that was met, sorted by name: patch, image, group, label, day, in_set, reason.

    curated: that table. labels: of patches or images; a patch's own counts before its image's. days: of groups. What is
    not kept, or has no label, is not used, for a reason.
    """
    table = curated.sort_values("patch", kind="stable", ignore_index=True)
    both = zip(table["patch"], table["image"], strict=True)
    table["label"] = pd.Series([labels.get(patch) or labels.get(image, "") for patch, image in both], dtype="str")
    table["day"] = table["group"].map(days).fillna("").astype("str")
    kept = table["status"] == "kept"
    table["in_set"] = kept & (table["label"] != "")
    status = table["status"].where(table["reason"] == "", table["status"] + ": " + table["reason"])
    table["reason"] = status.where(~kept, "no label").mask(table["in_set"], "")
    return table.drop(columns="status")


def copies_of_kept(curated: pd.DataFrame, dropped: pd.DataFrame) -> list[tuple[str, str]]:
    """Return pairs of a duplicate and the patch that is kept in its place; none where nothing is.

    curated: that table. dropped: the rows of `duplicates` that are not kept.
    """
    kept = set(curated.loc[curated["status"] == "kept", "patch"])
    # If an exemplar is stuck or uninformative, one of its copies is kept for it.
    kept_for = {exemplar: copy for copy, exemplar in dropped[["patch", "exemplar"]].to_numpy(object) if copy in kept}
    pairs = dropped[["patch", "exemplar"]].to_numpy(object)
    found = [(copy, kept_for.get(exemplar, exemplar)) for copy, exemplar in pairs if copy not in kept]
    return [(copy, exemplar) for copy, exemplar in found if exemplar in kept]


def take_labels_of_copies(table: pd.DataFrame, copies: Sequence[tuple[str, str]]) -> tuple[pd.DataFrame, int]:
    """Give each kept image without a label that of its copies, if these agree: a label must not go with its image.

    table: from `assemble`. copies: from `copies_of_kept`. Returns the table and how many took a label, and warns.
    """
    places = {name: place for place, name in enumerate(table["patch"])}
    label, in_set, reason = (list(table[name]) for name in ("label", "in_set", "reason"))
    others: dict[str, set[str]] = {}
    for copy, kept in copies:
        if label[places[copy]] and not label[places[kept]]:
            others.setdefault(kept, set()).add(label[places[copy]])
    differ = sorted(kept for kept, labels in others.items() if len(labels) > 1)
    for kept, labels in others.items():
        place = places[kept]
        if len(labels) > 1:
            reason[place] = f"no label; its copies have the labels {', '.join(sorted(labels))}"
        else:
            label[place], in_set[place], reason[place] = labels.pop(), True, ""
    n = len(others) - len(differ)
    if n:
        log.warning(
            f"training_set: {counted(n, 'image')} without a label of {'its' if n == 1 else 'their'} own: the label of "
            "copies that were left out is taken"
        )
    if differ:
        log.warning(
            f"training_set: {counted(len(differ), 'image')} without a label left out, since the copies have different "
            f"labels: {', '.join(differ[:NAMED])}. See which label is right; the reasons in split.csv name all"
        )
    columns = {
        "label": pd.Series(label, table.index, dtype="str"),
        "reason": pd.Series(reason, table.index, dtype="str"),
    }
    return table.assign(in_set=pd.Series(in_set, table.index, dtype=bool), **columns), n


def mark_contradictions(table: pd.DataFrame, links: Sequence[tuple[str, str]]) -> tuple[pd.DataFrame, int]:
    """Say in the reasons which duplicates have another label than the image of the set that they are a copy of.

    table: from `assemble`. links: from `copies_of_kept`. Returns the table and how many there are, and warns.
    """
    places = {name: place for place, name in enumerate(table["patch"])}
    label, in_set, reason = (list(table[name]) for name in ("label", "in_set", "reason"))
    found = []
    for copy, exemplar in links:
        one, other = places[copy], places[exemplar]
        if in_set[other] and label[one] not in ("", label[other]):
            reason[one] += f"; {exemplar} has the label {label[other]}"
            found.append(f"{copy} ({label[one]}) and {exemplar} ({label[other]})")
    if found:
        log.warning(
            f"training_set: {counted(len(found), 'image')} left out as near-duplicates of images of the set, but under "
            f"another label: {', '.join(found[:NAMED])}. See which label is right; the reasons in split.csv name all"
        )
    return table.assign(reason=pd.Series(reason, table.index, dtype="str")), len(found)


def split_images(table: pd.DataFrame, joins: Sequence[Joins], options: SplitOptions) -> tuple[pd.DataFrame, Joins]:
    """Return the table `training_split`, and what joined images in it.

    table: from `assemble`. joins: the first that lets the splits have their fractions is taken, else the first that
    misses them least.
    """
    used = table["in_set"].to_numpy(bool)
    split = pd.Series("", index=table.index, dtype="str")
    best, least = joins[-1], np.inf
    for some in joins if used.any() else ():
        dealt = _dealt(table, used, some, options)
        there = np.bincount(dealt, minlength=len(SPLITS)) / len(dealt)
        missed = np.abs(there - options.fractions).max().round(9)
        if missed < least:
            best, least = some, missed
            split[used] = np.array(SPLITS, object)[dealt]
        if missed <= splits.TOLERANCE:
            break
    columns = ["patch", "label", "split", "group", "day", "reason"]
    return table.assign(split=split)[columns].rename(columns={"patch": "image"}), best


def _dealt(table: pd.DataFrame, used: npt.NDArray[np.bool_], joins: Joins, options: SplitOptions) -> splits.Choice:
    """Return the split, by its number, of each image that is used."""
    units = _joined(table, used, options.split_by, joins.pairs)[used]
    names, codes = np.unique(units, return_inverse=True)
    classes = table["label"][used].astype("category").cat.codes.to_numpy("int64")
    counts = np.zeros((len(names), classes.max() + 1), np.int32)
    np.add.at(counts, (codes, classes), 1)
    first = pd.Series(table["patch"][used].to_numpy()).groupby(codes).min()
    dealt = splits.deal(counts, list(first), options.fractions, options.seed)
    choice: splits.Choice = dealt[codes]
    return choice


def _joined(
    table: pd.DataFrame, used: npt.NDArray[np.bool_], split_by: str, pairs: Sequence[tuple[str, str]]
) -> npt.NDArray[np.int64]:
    """Return the number of the connected component of each row: of units, and of near-duplicates.

    An image that is not used joins others that look like it, and not the unit that it is from.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(table)
    units = table["image" if split_by == "image" else split_by].astype("category").cat.codes.to_numpy("int64")
    row = pd.Series(np.arange(n), index=table["patch"])
    ends = np.array(pairs, object).reshape(-1, 2)
    first, second = row.loc[ends[:, 0]].to_numpy(), row.loc[ends[:, 1]].to_numpy()
    start, end = np.concatenate([np.flatnonzero(used), first]), np.concatenate([n + units[used], second])
    size = n + int(units.max(initial=0)) + 1
    graph = coo_array((np.ones(len(start), bool), (start, end)), shape=(size, size))
    components: npt.NDArray[np.int64] = connected_components(graph, directed=False)[1][:n]
    return components


def count_classes(split: pd.DataFrame) -> pd.DataFrame:
    """Return the table `training_classes`: label, folder, and how many images each split has; sorted by folder."""
    used = split[split["split"] != ""]
    counts = pd.crosstab(used["label"], used["split"]).reindex(columns=list(SPLITS), fill_value=0)
    folders = unique(sorted(set(used["label"])), folder_of_label)
    table = counts.rename_axis(None, axis=1).reset_index()
    table.insert(1, "folder", table["label"].map(folders))
    return table.sort_values("folder", ignore_index=True)


def split_training_set(
    tables: Mapping[str, str | Path],
    clean: str | Path,
    sources: LabelSources,
    rule: DuplicateRule,
    options: SplitOptions,
    paths: tuple[str | Path, str | Path, str | Path],
) -> None:
    """Split the kept images: the tables `training_split` and `training_classes`, and facts for the card.

    tables: the paths of `curated`, `patches` and `duplicates`. clean: the folder with the zips of cleaned images.
    paths: of the two tables, and of a JSON file that says what joined images. Raises WorkflowInputError if no image is
    left.
    """
    curated = table_files.read("curated", tables["curated"])
    table = assemble(curated, sources.labels(curated), sources.days(curated))
    dropped = table_files.read("duplicates", tables["duplicates"], ["patch", "kept", "exemplar"])
    dropped = dropped[dropped["kept"] == 0]
    copies = copies_of_kept(curated, dropped)
    # A ROI that won no class is left out by its scores, whatever a copy won.
    table, taken_labels = take_labels_of_copies(table, copies if sources.given is not None else [])
    if not table["in_set"].any():
        told = table["reason"].str.split(":").str[0].value_counts()
        why = ", ".join(f"{n:,} {reason}" for reason, n in told.items())
        raise WorkflowInputError(f"training_set: no image is left to train on: {why or 'there is none'}")
    links = list(zip(dropped["patch"], dropped["exemplar"], strict=True))
    table, contradicted = mark_contradictions(table, copies)
    joins = _find_joins(table, links, tables["patches"], clean, rule)
    split, taken = split_images(table, joins, options)
    classes = count_classes(split)
    warn_of_fractions(table, split, taken, sources, options)
    if unseen := unseen_classes(classes):
        log.warning(
            f"training_set: {len(unseen)} of {counted(len(classes), 'class')} have images in val or test and none in "
            f"train, so a classifier cannot learn them: {quoted(unseen[:NAMED])}.{_remedy(sources, options)}"
        )
    table_files.write(split, "training_split", paths[0])
    table_files.write(classes, "training_classes", paths[1])
    facts = {"margin": asdict(taken.margin), "joined": len(taken.pairs), "contradicted": contradicted}
    facts |= {"labels_of_copies": taken_labels} if taken_labels else {}
    with atomic_write(paths[2]) as unfinished:
        unfinished.write_text(json.dumps(facts) + "\n")


def warn_of_fractions(
    table: pd.DataFrame, split: pd.DataFrame, joins: Joins, sources: LabelSources, options: SplitOptions
) -> None:
    """Warn of splits that miss their fraction. table: from `assemble`. split, joins: from `split_images`."""
    used = table["in_set"].to_numpy(bool)
    units = _joined(table, used, options.split_by, joins.pairs)[used]
    remedy = _remedy(sources, options)
    why = f"what must stay together, by split_by: {options.split_by} and by near-duplicates, is too large"
    why += f".{remedy}" * bool(remedy)
    if len(np.unique(units)) == len(units):  # each image is a unit
        why = "there are too few images"
    if missed := splits.missed_fractions(split["split"], options.fractions):
        told = ", ".join(
            f"{name} gets {has:.1%} of the images, not {wanted:.1%}" for name, (has, wanted) in missed.items()
        )
        log.warning(f"training_set: {told}: {why}")


def _remedy(sources: LabelSources, options: SplitOptions) -> str:
    if options.split_by == "image":
        return ""
    why = f" The labels are the groups, and split_by: {options.split_by} keeps each group whole." * sources.are_groups
    return f"{why} `training_set.split_by: image` spreads each class over the splits"


def _find_joins(
    table: pd.DataFrame,
    links: Sequence[tuple[str, str]],
    patches_csv: str | Path,
    clean: str | Path,
    rule: DuplicateRule,
) -> list[Joins]:
    patches = table_files.read("patches", patches_csv, [*PLACE, "width", "height", "hash"])
    names = patches["patch"].to_numpy(object)
    number = {name: place for place, name in enumerate(names)}
    used = np.sort([number[name] for name in table.loc[table["in_set"], "patch"]])
    with PatchImages(patches, zip_paths(clean, patches["group"])) as pixels:
        images = leaks.Images(
            as_numbers(patches["hash"]),
            patches["height"].to_numpy("int64"),
            patches["width"].to_numpy("int64"),
            pixels.pixels,
        )
        found = leaks.join_pairs(images, used, [(number[one], number[other]) for one, other in links], rule)
    is_used = np.zeros(len(names), bool)
    is_used[used] = True
    joins = []
    for margin in leaks.margins(len(images), rule):
        pairs = [pair for pair in found if leaks.within(pair, rule, margin)]
        if not margin.chains:
            pairs = [pair for pair in pairs if is_used[pair.one] and is_used[pair.other]]
        ends = [(names[pair.one], names[pair.other]) for pair in pairs]
        joins.append(Joins(margin, [*links, *ends] if margin.chains else ends))
    return joins


# --- the files ---


@dataclass(frozen=True)
class Sample:
    """An image of the set. label: its number, as in classes.csv from 0. folder: of its class."""

    image: str
    label: int
    name: str
    folder: str
    split: str
    group: str
    day: str


def list_samples(split: pd.DataFrame, classes: pd.DataFrame) -> list[Sample]:
    """List the images of the set, sorted by name."""
    used = split[split["split"] != ""]
    folders = dict(zip(classes["label"], zip(classes.index, classes["folder"], strict=True), strict=True))
    return [
        Sample(image, folders[label][0], label, folders[label][1], name, group, day)
        for image, label, name, group, day in used[["image", "label", "split", "group", "day"]].to_numpy(object)
    ]


def write_images(samples: Sequence[Sample], kept: str | Path, folder: str | Path) -> None:
    """Write the images as `{split}/{class}/{image}.png`, and a metadata.csv for each split that has any.

    kept: the folder with the zips of kept images. Files that are there and right are left alone, so that a killed run
    goes on where it stood; files that do not belong here are removed.
    """
    root = Path(folder)
    files = unique((sample.image for sample in samples), file_of_image)
    places = {s.image: f"{s.split}/{s.folder}/{files[s.image]}.png" for s in samples}
    _remove_others(root, {*places.values(), *(f"{split}/metadata.csv" for split in {s.split for s in samples})})
    progress = Progress("images of the training set", lambda: (len(samples),) * 2)
    if samples:
        progress.begin()
    for sample, png in _of_groups(samples, kept, read_png):
        path = root / places[sample.image]
        if not (path.is_file() and path.stat().st_size == len(png) and path.read_bytes() == png):
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f".{path.name}.part")
            part.write_bytes(png)
            part.replace(path)
        progress.step()
    for split in SPLITS:
        rows = [
            {
                "file_name": places[s.image].removeprefix(f"{split}/"),
                "label": s.name,
                "image": s.image,
                "group": s.group,
                "day": s.day,
            }
            for s in samples
            if s.split == split
        ]
        if rows:
            table = table_files.from_rows(rows, "training_metadata")
            table_files.write(table, "training_metadata", root / split / "metadata.csv")


def _of_groups(
    samples: Iterable[Sample], kept: str | Path, work: Callable[[zipfile.ZipFile, str], Found]
) -> Iterator[tuple[Sample, Found]]:
    """Yield the samples, group by group, with what `work` finds of each in the zip of its group."""
    by_group: dict[str, list[Sample]] = {}
    for sample in samples:
        by_group.setdefault(sample.group, []).append(sample)
    for group in sorted(by_group):
        with zipfile.ZipFile(Path(kept) / f"{file_name(group)}.zip") as archive:
            for sample in by_group[group]:
                yield sample, work(archive, sample.image)


def _remove_others(root: Path, wanted: set[str]) -> None:
    for split in SPLITS:
        for path in sorted((root / split).rglob("*"), reverse=True):
            if path.is_dir() and not path.is_symlink():
                if not any(path.iterdir()):
                    path.rmdir()
            elif path.relative_to(root).as_posix() not in wanted:
                path.unlink()
        if (root / split).is_dir() and not any((root / split).iterdir()):
            (root / split).rmdir()


def write_shards(samples: Sequence[Sample], kept: str | Path, folder: str | Path, seed: int) -> None:
    """Write the images as `{split}-{000000}.tar` for webdataset: of each a .png, a .cls (class number) and a .json.

    They are in an order that the seed shuffles, because shards are read from front to back.
    """
    root = Path(folder)
    keys = unique((sample.image for sample in samples), key_of_image)
    stored = {sample.image: found for sample, found in _of_groups(samples, kept, find_png)}
    made = set()
    progress = Progress("shards of the training set", lambda: (len(samples),) * 2)
    if samples:
        progress.begin()
    for split in SPLITS:
        of_split = splits.shuffled([s for s in samples if s.split == split], lambda s: s.image, seed)
        for number, some in enumerate(_shards(of_split, stored)):
            path = root / f"{split}-{number:06d}.tar"
            made.add(path.name)
            with atomic_write(path) as unfinished, tarfile.open(unfinished, "w") as tar:
                for sample in some:
                    about = {"image": sample.image, "label": sample.name, "group": sample.group, "day": sample.day}
                    body = json.dumps(about, ensure_ascii=False, sort_keys=True).encode()
                    _add(tar, f"{keys[sample.image]}.cls", str(sample.label).encode())
                    _add(tar, f"{keys[sample.image]}.json", body)
                    _add(tar, f"{keys[sample.image]}.png", stored[sample.image].read())
                    progress.step()
    for path in root.glob("*.tar"):
        if path.name not in made:
            path.unlink()


def _shards(samples: Iterable[Sample], stored: Mapping[str, Stored]) -> Iterator[list[Sample]]:
    """Yield the samples of each shard, in their order."""
    shard: list[Sample] = []
    size = 0
    for sample in samples:
        n = stored[sample.image].size
        if shard and (len(shard) == SHARD_IMAGES or size + n > SHARD_BYTES):
            yield shard
            shard, size = [], 0
        shard.append(sample)
        size += n
    if shard:
        yield shard


def _add(tar: tarfile.TarFile, name: str, body: bytes) -> None:
    entry = tarfile.TarInfo(name)  # owner 0, time 0, mode 644: the same on every machine
    entry.size = len(body)
    # The plain format holds no longer name. The other one would change shards whose names are short but not ASCII.
    tar.format = tarfile.USTAR_FORMAT if len(name.encode()) <= tarfile.LENGTH_NAME else tarfile.PAX_FORMAT
    tar.addfile(entry, io.BytesIO(body))


def remove_format(folder: str | Path, form: str) -> None:
    """Remove what an earlier run made in a format that is no longer asked for."""
    for name in SPLITS if form == IMAGES else ("shards",):
        shutil.rmtree(Path(folder) / name, ignore_errors=True)


def write_sums(folder: str | Path, path: str | Path) -> None:
    """Write the checksums of all files of the set, as `sha256sum --check` reads them."""
    root = Path(folder)
    lines = []
    for file in sorted(root.rglob("*"), key=lambda file: file.relative_to(root).as_posix()):
        name = file.relative_to(root).as_posix()
        if file.is_file() and name != SUMS and not file.name.startswith("."):
            with file.open("rb") as body:
                lines.append(f"{file_digest(body, 'sha256').hexdigest()}  {name}\n")
    with atomic_write(path) as unfinished:
        unfinished.write_text("".join(lines), encoding="utf-8")


def write_training_set(
    tables: tuple[str | Path, str | Path, str | Path],
    kept: str | Path,
    facts: CardFacts,
    folder: str | Path,
) -> None:
    """Write the files of the set into `folder`, and last of all its card.

    tables: the paths of `training_split`, `training_classes` and the facts that `split_training_set` wrote. kept: the
    folder with the zips of kept images.
    """
    split, classes = table_files.read("training_split", tables[0]), table_files.read("training_classes", tables[1])
    samples = list_samples(split, classes)
    root = Path(folder)
    for form in (IMAGES, SHARDS):
        if form not in facts.formats:
            remove_format(root, form)
        elif form == IMAGES:
            write_images(samples, kept, root)
        else:
            write_shards(samples, kept, root / "shards", facts.seed)
    counts = split["split"].value_counts()
    shares = ", ".join(f"{name} {counts.get(name, 0):,}" for name in SPLITS)
    log.info(f"training_set: {counted(len(samples), 'image')} in {counted(len(classes), 'class')} ({shares}) in {root}")
    joined = json.loads(Path(tables[2]).read_text(encoding="utf-8"))
    found = Joined(leaks.Margin(**joined["margin"]), joined["contradicted"], joined.get("labels_of_copies", 0))
    write_card(split, classes, facts, found, root / "README.md")
