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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from ifcb_abundance.common.atomic_write import atomic_write
from ifcb_abundance.common.errors import WorkflowInputError, quoted
from ifcb_abundance.common.progress import Progress
from ifcb_abundance.common.strict_csv import read_columns
from ifcb_abundance.common.words import counted
from ifcb_abundance.curation import splits
from ifcb_abundance.curation.file_names import file_of_image, folder_of_label, key_of_image, unique
from ifcb_abundance.curation.splits import SPLITS
from ifcb_abundance.curation.zips import file_name, read_png
from ifcb_abundance.tables import table_files

log = logging.getLogger("ifcb.curation")

VERSION = 1  # of the set's contents: raise it so that it is made anew
SHARD_IMAGES, SHARD_BYTES = 10_000, 512 << 20  # at most in a shard
SUMS = "SHA256SUMS"
IMAGES, SHARDS = "imagefolder", "webdataset"  # formats


@dataclass(frozen=True)
class SplitOptions:
    """How the set is split: the config's `training_set`. fractions: of train, val and test."""

    split_by: str
    fractions: tuple[float, float, float]
    seed: int


# --- labels ---


def read_labels(path: str | Path, images: Iterable[str]) -> dict[str, str]:
    """Read a CSV file image,label: image to label. An empty label is none.

    Warns of images that are not among `images`. Raises WorkflowInputError, naming the file, if it is no such file or
    gives an image two labels.
    """
    where = f"training_set.labels: {path}"
    try:
        columns = read_columns(Path(path).read_bytes())
    except OSError as error:
        raise WorkflowInputError(f"{where} cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise WorkflowInputError(f"{where}: {error}") from None
    if missing := {"image", "label"} - set(columns):
        raise WorkflowInputError(f"{where} has no column {quoted(sorted(missing))}")
    labels: dict[str, str] = {}
    for image, label in zip(columns["image"], columns["label"], strict=True):
        label = label.strip()
        if labels.setdefault(image, label) != label:
            raise WorkflowInputError(f"{where}: two labels of {image!r}: keep one of them")
    if unknown := sorted(set(labels) - set(images)):
        n = counted(len(unknown), "label")
        log.warning(f"{where}: {n} of unknown images, the first {quoted(unknown[:3])}: not used")
    return {image: label for image, label in labels.items() if label}


# --- the split ---


def split_images(
    curated: pd.DataFrame,
    labels: Mapping[str, str],
    days: Mapping[str, str],
    pairs: Sequence[tuple[str, str]],
    options: SplitOptions,
) -> pd.DataFrame:
    """Return the table `training_split`: a row for each patch, sorted by name.

    curated: that table. labels: of patches or images; a patch's own counts before its image's. days: of groups. pairs:
    near-duplicates, kept or not. What is not kept, or has no label, has an empty split and a reason.
    """
    table = curated.sort_values("patch", kind="stable", ignore_index=True)
    both = zip(table["patch"], table["image"], strict=True)
    table["label"] = pd.Series([labels.get(patch) or labels.get(image, "") for patch, image in both], dtype="str")
    table["day"] = table["group"].map(days).fillna("").astype("str")
    kept = (table["status"] == "kept").to_numpy()
    used = kept & (table["label"] != "").to_numpy()
    status = table["status"].where(table["reason"] == "", table["status"] + ": " + table["reason"])
    table["reason"] = status.where(~kept, "no label").mask(used, "")
    table["split"] = pd.Series("", index=table.index, dtype="str")
    if used.any():
        units = _joined(table, used, options.split_by, pairs)[used]
        names, codes = np.unique(units, return_inverse=True)
        classes = table["label"][used].astype("category").cat.codes.to_numpy()
        counts = np.zeros((len(names), classes.max() + 1), np.int32)
        np.add.at(counts, (codes, classes), 1)
        first = pd.Series(table["patch"][used].to_numpy()).groupby(codes).min()
        dealt = splits.deal(counts, list(first), options.fractions, options.seed)
        table.loc[used, "split"] = np.array(SPLITS, object)[dealt[codes]]
    return table[["patch", "label", "split", "group", "day", "reason"]].rename(columns={"patch": "image"})


def _joined(
    table: pd.DataFrame, used: npt.NDArray[np.bool_], split_by: str, pairs: Sequence[tuple[str, str]]
) -> npt.NDArray[np.int64]:
    """Return the number of the connected component of each row: of units, and of near-duplicates.

    An image that is not used joins others that look like it, and not the unit that it is from.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(table)
    units = table["image" if split_by == "image" else split_by].astype("category").cat.codes.to_numpy()
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


def missed_fractions(split: pd.DataFrame, fractions: Sequence[float]) -> dict[str, tuple[float, float]]:
    """Return the splits that miss their fraction by more than TOLERANCE: what they have and what was asked for."""
    there = split.loc[split["split"] != "", "split"].value_counts(normalize=True)
    has = {name: float(there.get(name, 0)) for name in SPLITS}
    return {
        name: (has[name], wanted)
        for name, wanted in zip(SPLITS, fractions, strict=True)
        if abs(has[name] - wanted) > splits.TOLERANCE
    }


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
    for sample, png in read_samples(samples, kept, Progress("images of the training set", lambda: (len(samples),) * 2)):
        path = root / places[sample.image]
        if not (path.is_file() and path.stat().st_size == len(png) and path.read_bytes() == png):
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f".{path.name}.part")
            part.write_bytes(png)
            part.replace(path)
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


def read_samples(
    samples: Sequence[Sample], kept: str | Path, progress: Progress | None
) -> Iterator[tuple[Sample, bytes]]:
    """Yield the samples with their PNG files, group by group."""
    by_group: dict[str, list[Sample]] = {}
    for sample in samples:
        by_group.setdefault(sample.group, []).append(sample)
    if progress and samples:
        progress.begin()
    for group in sorted(by_group):
        with zipfile.ZipFile(Path(kept) / f"{file_name(group)}.zip") as archive:
            for sample in by_group[group]:
                yield sample, read_png(archive, sample.image)
                if progress:
                    progress.step()


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
    made = set()
    progress = Progress("shards of the training set", lambda: (len(samples),) * 2)
    for split in SPLITS:
        of_split = splits.shuffled([s for s in samples if s.split == split], lambda s: s.image, seed)
        for number, some in enumerate(_shards(of_split, kept, progress)):
            path = root / f"{split}-{number:06d}.tar"
            made.add(path.name)
            with atomic_write(path) as unfinished, tarfile.open(unfinished, "w", format=tarfile.USTAR_FORMAT) as tar:
                for sample, png in some:
                    about = {"image": sample.image, "label": sample.name, "group": sample.group, "day": sample.day}
                    body = json.dumps(about, ensure_ascii=False, sort_keys=True).encode()
                    _add(tar, f"{keys[sample.image]}.cls", str(sample.label).encode())
                    _add(tar, f"{keys[sample.image]}.json", body)
                    _add(tar, f"{keys[sample.image]}.png", png)
    for path in root.glob("*.tar"):
        if path.name not in made:
            path.unlink()


def _shards(samples: Sequence[Sample], kept: str | Path, progress: Progress) -> Iterator[list[tuple[Sample, bytes]]]:
    """Yield the samples of each shard, in their order. A shard is read group by group, so that few zips are opened."""
    for first in range(0, len(samples), SHARD_IMAGES):
        some = samples[first : first + SHARD_IMAGES]
        pngs = {sample.image: png for sample, png in read_samples(some, kept, progress)}
        shard: list[tuple[Sample, bytes]] = []
        size = 0
        for sample in some:
            if shard and size + len(pngs[sample.image]) > SHARD_BYTES:
                yield shard
                shard, size = [], 0
            shard.append((sample, pngs[sample.image]))
            size += len(pngs[sample.image])
        yield shard


def _add(tar: tarfile.TarFile, name: str, body: bytes) -> None:
    entry = tarfile.TarInfo(name)  # owner 0, time 0, mode 644: the same on every machine
    entry.size = len(body)
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
