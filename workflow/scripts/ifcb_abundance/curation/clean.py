"""Clean images: 8-bit grey PNG files in a zip per group, and a row for each image, used or refused."""

import logging
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from ifcb_abundance.common.errors import RawFileError, quoted
from ifcb_abundance.common.progress import Progress
from ifcb_abundance.common.words import counted
from ifcb_abundance.common.workers import in_order
from ifcb_abundance.curation.grey import CONSTANT, STRETCHED
from ifcb_abundance.curation.image_files import MOST_BYTES, NoImageError, read_image
from ifcb_abundance.curation.listing import Group, ImageFile
from ifcb_abundance.curation.zips import as_png, write_zip
from ifcb_abundance.images.zip_names import MANIFEST
from ifcb_abundance.tables import table_files
from ifcb_abundance.tables.concatenate import join_parts

log = logging.getLogger("ifcb.curation")

VERSION = 2  # of what is made of an image: raise it so that all are made again
LITTLE_USED = 1 / 8  # of the range of a type
PIECE_IMAGES, PIECE_BYTES = 64, 1 << 23  # that a worker gets at a time
FEW = 256  # images that are not worth a worker
NAMED = 3  # images in a warning

Row = dict[str, Any]
Given = tuple[ImageFile, bytes | None]  # and what it holds, if it is in an archive
Cleaned = tuple[Row, bytes]  # the image's row in `cleaning`, and its PNG file; empty if it is refused


def clean_folder(group: Group, scaling: str, path: str | Path, table: str | Path, processes: int = 1) -> None:
    """Clean the images of a folder's group.

    path: of the zip. table: of the group's part of `cleaning`. processes: how many work at most. What cannot be used
    has a `problem` in its row; the files themselves stay as they are.
    """
    _write(group.name, group.files, None, scaling, (path, table), processes)


def clean_bin(
    images: str | Path, bin_id: str, scaling: str, path: str | Path, table: str | Path, processes: int = 1
) -> None:
    """Clean the images of a bin, out of the zip that the images stage made; otherwise like `clean_folder`."""
    with zipfile.ZipFile(images) as archive:
        manifest = table_files.from_csv(archive.read(MANIFEST), "images", f"{images}: {MANIFEST}")
    files = [
        ImageFile(roi or bin_id, f"{roi}.png", problem) for roi, problem in manifest[["roi", "problem"]].to_numpy()
    ]
    _write(bin_id, files, str(images), scaling, (path, table), processes)


def _write(
    group: str,
    files: Sequence[ImageFile],
    archive: str | None,
    scaling: str,
    paths: tuple[str | Path, str | Path],
    processes: int,
) -> None:
    progress = Progress(f"images of group {group}", lambda: (len(files), len(files)))
    rows: list[Row] = []
    if len(files) <= FEW and sum(file.stamp[0] for file in files) <= PIECE_BYTES:
        processes = 1
    else:
        progress.begin()
    with ExitStack() as opened:
        out = opened.enter_context(write_zip(paths[0]))
        images = opened.enter_context(zipfile.ZipFile(archive)) if archive else None
        for piece in in_order(partial(clean_piece, scaling), _pieces(files, images), processes):
            for row, png in piece:
                if png:
                    out.add(row["image"], png)
                rows.append({**row, "group": group})
            if len(files) > FEW:
                progress.step(len(piece))
    table_files.write(table_files.from_rows(rows, "cleaning"), "cleaning", paths[1])


def _pieces(files: Iterable[ImageFile], images: zipfile.ZipFile | None) -> Iterator[list[Given]]:
    """Yield files, those of an archive with their bytes: a worker that opened it would read its contents each time."""
    piece: list[Given] = []
    size = 0
    for file in files:
        body = images.read(file.path) if images and not file.problem else None
        piece.append((file, body))
        size += file.stamp[0] if body is None else len(body)
        if len(piece) == PIECE_IMAGES or size > PIECE_BYTES:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


def clean_piece(scaling: str, files: Sequence[Given]) -> list[Cleaned]:
    """Clean some images. Workers call it."""
    return [_clean(file, body, scaling) for file, body in files]


def _clean(file: ImageFile, stored: bytes | None, scaling: str) -> Cleaned:
    if file.problem:
        return {"image": file.image, "problem": file.problem}, b""
    try:
        found = read_image(_read(file) if stored is None else stored)
        grey = found.to_grey(scaling)
    except NoImageError as error:
        return {"image": file.image, "problem": "".join(c if c.isprintable() else "?" for c in str(error))}, b""
    height, width = grey.pixels.shape
    row = {
        "image": file.image,
        "stored": found.stored,
        "width": width,
        "height": height,
        "rule": grey.rule,
        "low": grey.low,
        "high": grey.high,
        "used_fraction": grey.used_fraction,
        "sha256": sha256(grey.pixels.tobytes()).hexdigest(),
    }
    # The images stage wrote the same kind of file; to pack it again would take longer than all else.
    return row, stored if stored is not None and grey.rule == "none" else as_png(grey.pixels)


def _read(file: ImageFile) -> bytes:
    try:
        if file.stamp[0] > MOST_BYTES:
            raise NoImageError(f"{file.stamp[0]:,} bytes; {MOST_BYTES:,} are read at most")
        return Path(file.path).read_bytes()
    except OSError as error:
        raise NoImageError(f"cannot be read ({error.strerror})") from None


def merge_cleaning(parts: Sequence[str | Path], empty: Sequence[str], path: str | Path) -> None:
    """Join the groups' parts of the table `cleaning`, and warn of what a user should know of the images.

    empty: subfolders that hold nothing. Raises RawFileError if no image can be used.
    """
    refused: list[tuple[str, str]] = []
    little: list[str] = []
    n = 0
    for part in parts:
        rows = table_files.read("cleaning", part, ["image", "problem", "rule", "used_fraction"])
        n += len(rows)
        problems = rows[rows["problem"] != ""]
        refused += zip(problems["image"], problems["problem"], strict=True)
        # What was stretched reaches from black to white, however little of its type it uses. A constant has no range.
        is_stretched = rows["rule"].str.contains(f"{re.escape(STRETCHED)}|{CONSTANT}")
        little += list(rows.loc[(rows["used_fraction"] < LITTLE_USED) & ~is_stretched, "image"])
    told = "; ".join(f"{image}: {problem}" for image, problem in refused[:NAMED])
    if len(refused) == n:
        raise RawFileError(f"curation: none of {counted(n, 'image')} can be used: {told or 'there is none'}")
    if empty:
        log.warning(f"curation: {counted(len(empty), 'subfolder')} without any image: {quoted(empty[:NAMED])}")
    if refused:
        log.warning(f"curation: {len(refused):,} of {counted(n, 'image')} are refused, see cleaning.csv: {told}")
    if little:
        log.warning(
            f"curation: {len(little):,} of {counted(n, 'image')} use less than an eighth of their type's range, so "
            f"they may come out almost black: {quoted(little[:NAMED])}. `curation.scaling: range` stretches each one"
        )
    join_parts("cleaning", parts, path)
