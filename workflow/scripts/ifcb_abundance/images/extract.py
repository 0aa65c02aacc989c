"""Extract the images of bins: a zip of PNG files per bin, with a manifest.

The same images give the same bytes: entries are in the order of the ROIs and have a fixed time. The comment of a zip is
the proof of how it was made.
"""

import io
import logging
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from ifcb_abundance.bins.ids import add_target
from ifcb_abundance.classes.class_table import BEFORE
from ifcb_abundance.common import proof
from ifcb_abundance.common.atomic_write import atomic_write
from ifcb_abundance.common.errors import NoRawFilesError, NoScoresError, RawFileError, ScoresError, quoted
from ifcb_abundance.common.words import counted
from ifcb_abundance.images.zip_names import LEFT_OUT, MANIFEST, OUTLINE
from ifcb_abundance.pooling.method import Method
from ifcb_abundance.raw.blobs import Blobs
from ifcb_abundance.raw.images import RawImages, RoiImage, image_numbers, image_of, stitched_pairs
from ifcb_abundance.scores.decide import Kept, decide, outcome
from ifcb_abundance.scores.summary import RoiWinners, labels_of_rois, read_rois
from ifcb_abundance.sources.protocols import ScoreReader, Source
from ifcb_abundance.tables import table_files

log = logging.getLogger("ifcb.images")

VERSION = 1  # of the contents of a zip: raise it so that all of them are made again
OF_EACH = 2  # the same, of zips of images by class with the rule `each`
SMALL = 2000  # bytes; a zip with images is larger
EPOCH = (1980, 1, 1, 0, 0, 0)  # the first time that a zip can hold

Won = Mapping[int, tuple[str, float]]  # number of a ROI to the class that it was given and its score
Row = dict[str, Any]  # of the manifest


@dataclass(frozen=True)
class Extraction:
    """How images are extracted.

    stitch: whether two overlapping images of one trigger are joined. record_failures: whether a bin's failure becomes a
    `problem` in its manifest in place of an error. outlines: whether those of blobs are added. computed_blobs: where
    the run has computed the blobs of a bin, None for one whose blobs the source is asked for.
    """

    method: Method
    stitch: bool
    record_failures: bool
    outlines: bool = False
    computed_blobs: Callable[[str], str | None] = lambda bin_id: None  # noqa: ARG005


def as_png(image: RoiImage) -> bytes:
    """Encode an image as PNG, 8-bit grey; the same image gives the same bytes.

    A stitched image has a text field `stitched` with its ROIs and the number of pixels filled in.
    """
    about = PngImagePlugin.PngInfo()
    if image.gap is not None:
        rois = " and ".join(map(str, image.rois))
        about.add_text("stitched", f"ROIs {rois}; {np.count_nonzero(image.gap)} pixels filled in")
    file = io.BytesIO()
    Image.fromarray(image.pixels).save(file, "PNG", compress_level=6, pnginfo=about)
    return file.getvalue()


def outline_png(blob: NDArray[np.bool_]) -> bytes:
    """Draw the outline of a blob as PNG: its pixels beside one that is not of it, orange on nothing.

    blob: (height, width), true on the target.
    """
    inside = np.pad(blob, 1)
    inner = inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]
    picture = Image.fromarray((blob & ~inner).astype(np.uint8), "P")
    picture.putpalette([0, 0, 0, 0xE6, 0x9F, 0x00])
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=6, transparency=0)
    return file.getvalue()


# --- which bins ---


def list_images(
    source: Source,
    bins_long: str | Path,
    classes: Sequence[str],
    bins: Sequence[str],
    path: str | Path,
    method: Method = Method(),  # noqa: B008
) -> None:
    """List the used bins that images are made of: those of `bins` (all, if empty) with a ROI of one of `classes`.

    bins_long: the table of that name, which has the counts, so that no bin is read in vain. Without classes every bin
    is listed. Without `bins`, bins that the source is known to lack raw files of are excluded. Warns of unknown bins
    and classes. Raises RawFileError if no bin has all of its raw files.
    """
    parts = []
    met: set[str] = set()
    before = {method.table.class_of(name, BEFORE): name for name in classes}  # as the table has them
    file = pq.ParquetFile(bins_long)
    for day in range(file.num_row_groups):
        rows = file.read_row_group(day, columns=["bin", "class", "count"], use_threads=False).to_pandas()
        met |= set(rows["class"])
        wanted = {name for name in set(rows["class"]) if is_of(name, classes, method)} | before.keys()
        of_classes = rows["count"].where(rows["class"].isin(wanted), 0) if classes else rows["count"]
        parts.append(of_classes.groupby(rows["bin"], sort=False).sum())
    n_rois = pd.concat(parts) if parts else pd.Series(dtype="int64")
    met |= {before[name] for name in met & before.keys()} | set(map(method.merged, met))
    warn_of_unknown(bins, n_rois.index, classes, met)
    kept = n_rois[(n_rois > 0) | (not classes)]
    if bins:
        kept = kept[kept.index.isin(bins)]
    else:
        there = kept.index.map(source.may_have_images).to_numpy(dtype=bool)
        if len(kept) and not there.any():
            raise RawFileError(
                f"images: none of {counted(len(kept), 'bin')} has raw files (.hdr, .adc, .roi) in the source"
            )
        if not there.all():
            log.warning(f"images: {(~there).sum()} of {len(kept)} bins lack raw files (.hdr, .adc or .roi): excluded")
        kept = kept[there]
    table = pd.DataFrame({"bin": kept.index.astype("str"), "n_rois": kept.to_numpy("int64")})
    table_files.write(table, "image_bins", path)


def is_of(label: str, classes: Sequence[str], method: Method) -> bool:
    """Whether a label is one of the classes, or is merged into one."""
    return label in classes or method.merged(label) in classes


def warn_of_unknown(bins: Sequence[str], used: Sequence[str] | pd.Index, classes: Sequence[str], met: set[str]) -> None:
    """Warn of bins that are not used, and of classes that are in no label set."""
    for key, unknown, there in (
        ("bins", set(bins) - set(used), "no used bin of the window"),
        ("classes", set(classes) - met, "in no label set of the window's bins"),
    ):
        if unknown:
            close = {name for each in unknown for name in get_close_matches(each, met if key == "classes" else [], n=1)}
            meant = f". Did you mean {quoted(sorted(close))}?" if close else ""
            log.warning(f"images.{key}: {there}: {quoted(sorted(unknown))}{meant}")


# --- a bin's images ---


def extract_images(
    source: Source,
    bin_id: str,
    path: str | Path,
    classes: Sequence[str],
    how: Extraction,
    leave_out: bool = False,
    made_of: str = "",
) -> None:
    """Write the zip of a bin with all its images, or with those of ROIs that `classes` won at their thresholds.

    With the rule `each` these are the ROIs that count for one of the classes, whatever else they count for. Class
    scores are read only with classes. Raises RawFileError or ScoresError, naming bin or ROI, if something is
    unavailable and failures are not recorded. leave_out: the zip of a bin without raw files holds only a manifest that
    says so, so that the source is not asked again; see `left_out`. made_of: a checksum of the settings, for the zip's
    proof.
    """
    method = how.method

    def won() -> Won:
        rois = scored_rois(source, bin_id, method.kept)
        names = labels_of_rois(rois, method.decision)
        found: Iterable[tuple[int, str, float]] = zip(rois.rois.tolist(), names, rois.score.tolist(), strict=True)
        if method.rule == "each":
            found = _of_classes(rois, names, classes, method)
        return {number: (name, score) for number, name, score in found if is_of(name, classes, method)}

    _write(source, bin_id, path, won if classes else None, how, leave_out, made_of)


def _of_classes(
    rois: RoiWinners, names: Sequence[str], classes: Sequence[str], method: Method
) -> Iterator[tuple[int, str, float]]:
    """With the rule `each`: for each ROI the one of the classes that it counts for with the highest score, and that.

    names: the class of each ROI, for those that count for none of the classes.
    """
    of = {row: (name, score) for row, (name, score) in enumerate(zip(names, rois.score.tolist(), strict=True))}
    best: dict[int, tuple[str, float]] = {}
    rows, members = decide(rois.classes, rois, method.decision)
    for row, member in zip(rows.tolist(), members.tolist(), strict=True):
        name, score = rois.classes[member], float(rois.more.scores[row, member])  # type: ignore[index]
        if is_of(name, classes, method) and (row not in best or score > best[row][1]):
            best[row] = name, score
    for row, (name, score) in (of | best).items():
        yield int(rois.rois[row]), name, score


def extract_examples(
    source: Source,
    bin_id: str,
    path: str | Path,
    chosen: Sequence[tuple[str, float, int]],
    how: Extraction,
    made_of: str = "",
) -> None:
    """Write a zip of the images of a bin that montages show; a bin without raw files is excluded.

    chosen: (class, score, n_rois): the first n_rois of the ROIs that the class has at this score, by `decide.outcome`.
    See `extract_images`.
    """

    def won() -> Won:
        rois = scored_rois(source, bin_id, how.method.kept)
        of = outcome(rois.classes, rois, how.method.decision)
        order = np.argsort(rois.rois[of.rows], kind="stable")
        numbers, members, scores = rois.rois[of.rows][order], of.members[order], of.score[order]
        found: dict[int, tuple[str, float]] = {}
        for name, score, most in chosen:
            label = rois.classes.index(name) if name in rois.classes else len(rois.classes)
            of_class = numbers[(members == label) & (scores == score)].tolist()
            if len(of_class) < most:
                raise ScoresError(
                    f"bin {bin_id}: its class scores are no longer those that were counted: {name} has "
                    f"{counted(len(of_class), 'ROI')} at {score}, and had {most}. Have the bin read again: delete its "
                    "scores summary, or see `snakemake recheck`"
                )
            found |= dict.fromkeys(of_class[:most], (name, score))
        return dict(sorted(found.items()))

    _write(source, bin_id, path, won, how, leave_out=True, made_of=made_of)


def proves_itself(path: str | Path, made_of: str) -> bool:
    """Whether a file is the zip that would be written with this checksum of the settings."""
    return proof.holds(proof.of_zip(path), made_of)


def scored_rois(source: ScoreReader, bin_id: str, kept: Kept = Kept()) -> RoiWinners:  # noqa: B008
    """Read which class each ROI of a bin won, before thresholds. Raises NoScoresError if the source has no scores."""
    file = source.read_scores(bin_id)
    if file is None:
        raise NoScoresError(f"bin {bin_id}: no class scores to tell its images by: {source.missing_reason(bin_id)}")
    rois = read_rois(bin_id, file, kept)
    if impossible := [n for n in rois.rois.tolist() if not 1 <= n < 10**9]:
        raise ScoresError(f"bin {bin_id}: its class scores hold ROI {impossible[0]}, a number that no ROI has")
    return rois


def _write(
    source: Source,
    bin_id: str,
    path: str | Path,
    choose: Callable[[], Won] | None,
    how: Extraction,
    leave_out: bool,
    made_of: str,
) -> None:
    rows: list[Row] = []
    with atomic_write(path) as unfinished, zipfile.ZipFile(unfinished, "w") as archive:
        archive.comment = proof.statement(made_of).encode()
        try:
            won = choose() if choose else None
            if won is None or won:  # otherwise no image is needed
                with source.open_images(bin_id) as images:
                    if images is None:
                        raise NoRawFilesError(f"bin {bin_id}: the source has no raw files (.hdr, .adc, .roi) of it")
                    blobs = _blobs(source, bin_id, how) if how.outlines else None
                    _add_images(archive, images, won, how, rows, blobs)
        except NoRawFilesError as error:
            if not (leave_out or how.record_failures):
                raise
            if not leave_out:
                log.error(f"{error}: recorded in {path}")
            rows.append({"problem": f"{LEFT_OUT if leave_out else ''}{_plain(error)}"})
        except (RawFileError, ScoresError) as error:
            if not how.record_failures:
                raise
            log.error(f"{error}: recorded in {path}")
            rows.append({"problem": _plain(error)})
        _add(archive, MANIFEST, table_files.as_csv(_manifest(rows), "images", f"{path}: {MANIFEST}").encode())


def _blobs(source: Source, bin_id: str, how: Extraction) -> Blobs | None:
    """The blobs of a bin: those that were computed, if there are any, else those of the source."""
    if path := how.computed_blobs(bin_id):
        computed = Blobs(bin_id, Path(path).read_bytes(), path)
        if len(computed):
            return computed
    return source.read_blobs(bin_id)


def left_out(paths: Iterable[str | Path]) -> list[Path]:
    """Find the zips that have no images because their bin has no raw files."""
    found = []
    for path in map(Path, paths):
        if path.exists() and path.stat().st_size < SMALL:
            with suppress(zipfile.BadZipFile, KeyError), zipfile.ZipFile(path) as archive:
                manifest = table_files.from_csv(archive.read(MANIFEST), "images", f"{path}: {MANIFEST}")
                if manifest["problem"].str.startswith(LEFT_OUT).any():
                    found.append(path)
    return found


def _add_images(
    archive: zipfile.ZipFile,
    images: RawImages,
    won: Won | None,
    how: Extraction,
    rows: list[Row],
    blobs: Mapping[int, Image.Image] | None = None,
) -> None:
    """Add one image after the other, so that only one is in memory, and the outline of its blob where there is one."""
    triggers = images.triggers
    # Each ROI of a pair that is asked for by its number gets the picture of both.
    pairs = stitched_pairs(triggers) if how.stitch else {}  # once: to find them goes through all ROIs
    first = {b: a for a, b in pairs.items()}
    for number in image_numbers(triggers, how.stitch) if won is None else won:
        name, score = won[number] if won else ("", np.nan)
        row = {"roi": add_target(triggers.bin, number), "class": name, "score": score}
        try:
            image = image_of(images.read, triggers, first.get(number, number), pairs)
        except RawFileError as error:
            if not how.record_failures:
                raise
            log.error(f"{error}: recorded")
            rows.append({**row, "problem": _plain(error)})
            continue
        _add(archive, f"{row['roi']}.png", as_png(image))
        if blobs and first.get(number, number) in blobs:
            _add_outline(archive, add_target(triggers.bin, number), blobs, first.get(number, number), image)
        rows.append({**row, **_described(image, images)})


def _add_outline(
    archive: zipfile.ZipFile, roi: str, blobs: Mapping[int, Image.Image], number: int, image: RoiImage
) -> None:
    """Add the outline of a ROI's blob. Warns if the blob does not give one: the image itself is there all the same."""
    try:
        blob = np.asarray(blobs[number], dtype=bool)
    except RawFileError as error:
        log.warning(f"ROI {roi}: it has no outline: {_plain(error)}")
        return
    if blob.shape == image.pixels.shape:
        _add(archive, OUTLINE.format(roi=roi), outline_png(blob))
    else:
        log.warning(f"ROI {roi}: its blob is not as large as its image, so it has no outline")


def _described(image: RoiImage, images: RawImages) -> Row:
    rois = [images.triggers.rois[number] for number in image.rois]
    height, width = image.pixels.shape
    return {
        "trigger": rois[0].trigger,
        "x": min(roi.x for roi in rois),
        "y": min(roi.y for roi in rois),
        "width": width,
        "height": height,
        "stitched": "" if image.gap is None else " ".join(map(str, image.rois)),
        "filled": None if image.gap is None else np.count_nonzero(image.gap),
        "sha256": sha256(image.pixels.tobytes()).hexdigest(),
    }


def _manifest(rows: Sequence[Row]) -> pd.DataFrame:
    table = table_files.empty("images")
    types = dict(table.dtypes)
    texts = {name: "" for name, kind in types.items() if kind == "str"}
    return pd.DataFrame([{**dict.fromkeys(table), **texts, **row} for row in rows], columns=list(table)).astype(types)


def _plain(error: Exception) -> str:
    """Make a message, which may quote a file, fit one cell of a table."""
    return "".join(c if c.isprintable() else "?" for c in str(error))


def _add(archive: zipfile.ZipFile, name: str, body: bytes) -> None:
    entry = zipfile.ZipInfo(name, EPOCH)
    entry.create_system, entry.external_attr = 3, 0o644 << 16  # the same on every system
    archive.writestr(entry, body)
