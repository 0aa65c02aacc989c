"""The `.adc` of a raw bin: one line per trigger, with the clocks and where its image lies in the `.roi`.

A line is a trigger and has no names of columns. Old instruments write 15 columns and an empty one, new ones 24. The
number of a line, from 1, is the number of its ROI. Most triggers of a new instrument have no image: its width and
height are 0. Two lines of an old instrument may be of one trigger.

Sources: pyifcb (`ifcb/data/adc.py`) for the columns, ifcbkit 0.3.1 (`adc.py`) for what makes a line unusable and for
the numbers of lines after a blank one, `ADCFileFormat` in the headers of new instruments for the names.
"""

import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, NotRequired, TypedDict

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from ifcb_abundance.bins.ids import add_target, parse_bin_id
from ifcb_abundance.common.errors import RawFileError
from ifcb_abundance.common.strict_csv import number
from ifcb_abundance.raw.malformed_lines import MalformedLines

LARGEST = 2**25  # bytes: a busy bin has 3 MB
MOST_LINES = 2**17  # a trigger takes 0.07 s at least, and a run 20 minutes: real ones stay below 20,000
MOST_CELLS = 100
LARGEST_SIDE = 4096  # pixels: the cameras have 1,380 x 1,034
LARGEST_OFFSET = 2**40
LONGEST = 1e9  # seconds

PLAIN = b"0123456789+-.eE,\r\n"  # all bytes of a file that needs no line-by-line check

GEOMETRY = ("x", "y", "width", "height", "offset")


@dataclass(frozen=True)
class Layout:
    """Where the columns are, from 0: x, and behind it y, width, height and offset; and the clocks.

    cells: how many cells the lines of known instruments have.
    """

    x: int
    clocks: Mapping[str, int]
    cells: tuple[int, ...]

    @property
    def least(self) -> int:
        """How many cells a line has at least."""
        return self.x + len(GEOMETRY)


OLD = Layout(9, {"trigger_open_time": 7, "frame_grab_time": 8}, (15, 16))
NEW = Layout(13, {"adc_time": 1, "run_time": 22, "inhibit_time": 23}, (24,))

# The names that a header declares for them, in lower case, letters only.
DECLARED = {"roix": 13, "roiy": 14, "roiwidth": 15, "roiheight": 16, "startbyte": 17} | {
    name.replace("_", ""): column for name, column in NEW.clocks.items()
}


class Roi(NamedTuple):
    """Where the image of a trigger lies in the camera's frame (pixels) and in the `.roi` (bytes from its start)."""

    number: int
    trigger: int
    x: int
    y: int
    width: int
    height: int
    offset: int


class Target(TypedDict):
    """The same as plain keys and values. trigger and offset are there where they were asked for (`extended`)."""

    roi_id: str
    x: int
    y: int
    width: int
    height: int
    trigger: NotRequired[int]
    offset: NotRequired[int]


@dataclass(frozen=True)
class TriggerTable:
    """The triggers of a bin.

    rows: one per line that could be read. roi_number (the line's number), trigger, x, y, width, height (pixels), offset
    (bytes from the start of the `.roi`) are whole numbers. Clocks are seconds, NaN if the file has no such column:
    trigger_open_time and frame_grab_time for old instruments, adc_time, run_time and inhibit_time for new ones.
    malformed: the lines that could not be read; none of them is in rows.
    """

    bin: str
    rows: pd.DataFrame
    malformed: MalformedLines

    @cached_property
    def rois(self) -> dict[int, Roi]:
        """The images of the bin by the ROI's number, in the file's order."""
        columns = (self.rows[name].tolist() for name in ("roi_number", "trigger", *GEOMETRY))
        rois = (Roi(*row) for row in zip(*columns, strict=True))
        return {roi.number: roi for roi in rois if roi.width and roi.height}

    def targets(self, extended: bool = False) -> dict[int, Target]:
        """The images of the bin as plain keys and values, by the ROI's number."""
        found: dict[int, Target] = {}
        for target, roi in self.rois.items():
            found[target] = {
                "roi_id": add_target(self.bin, target),
                "x": roi.x,
                "y": roi.y,
                "width": roi.width,
                "height": roi.height,
            }
            if extended:
                found[target] |= {"trigger": roi.trigger, "offset": roi.offset}
        return found


def parse_adc_file(bin_id: str, path: str | Path, extended: bool = False) -> dict[int, Target]:
    """Read the `.adc` of a bin from disk: ROI number to place and size; with `extended` also trigger and offset.

    Raises RawFileError, naming the file, if it cannot be read.
    """
    try:
        body = Path(path).read_bytes()
    except OSError as error:
        raise RawFileError(f"{path}: cannot be read ({error.strerror})") from None
    return read_triggers(bin_id, body, str(path)).targets(extended)


def read_triggers(bin_id: str, body: bytes, name: str, declared: Sequence[str] = ()) -> TriggerTable:
    """Read the `.adc` of a bin (or the `.adc.mod` that replaces it); `name` is for the message.

    declared: the names of its columns, if the bin's header has them. A line that cannot be read is counted; it is no
    error. Raises RawFileError, naming the file, if none of its lines can be read, if it is too large, if its header
    declares other columns, or if it is truncated in a line, since its volume would be too small.
    """
    layout = OLD if parse_bin_id(bin_id).old_style else NEW
    if layout is NEW:
        _check_declared(declared, name)
    if len(body) > LARGEST:
        raise RawFileError(f"{name}: not the triggers of a bin: it has {len(body):,} bytes")
    if body and not body.endswith(b"\n"):
        raise RawFileError(
            f"{name}: not the triggers of bin {bin_id}: it is truncated in its last line. Copy the file again; if it "
            "is complete, end that line"
        )
    malformed = MalformedLines()
    table = _all_at_once(body, layout)
    if table is None:
        table = _line_by_line(bin_id, body, name, layout, malformed)
    return TriggerTable(bin_id, table, malformed)


def has_known_layout(bin_id: str, body: bytes, name: str) -> bool:
    """Whether the lines have as many cells as those of known instruments. Without a declaring header they must."""
    layout = OLD if parse_bin_id(bin_id).old_style else NEW
    return _usual_cells(body, name, layout) in layout.cells


def _all_at_once(body: bytes, layout: Layout) -> pd.DataFrame | None:
    """Read a file without any malformed line, ten times as fast; None for any other file."""
    cells = body[: body.find(b"\n") + 1].count(b",") + 1
    plain = not body.translate(None, PLAIN) and body.count(b"\r") == body.count(b"\r\n")
    if not (plain and layout.least <= cells <= MOST_CELLS and body.count(b"\n") <= MOST_LINES):
        return None
    whole = {"trigger": 0} | {column: layout.x + at for at, column in enumerate(GEOMETRY)}
    columns = whole | {clock: at for clock, at in layout.clocks.items() if at < cells}
    names = {str(at) for at in columns.values()}
    try:
        table = pyarrow.csv.read_csv(
            pa.py_buffer(body),
            read_options=pyarrow.csv.ReadOptions(
                use_threads=False, column_names=[str(at) for at in range(cells)], block_size=len(body)
            ),
            parse_options=pyarrow.csv.ParseOptions(ignore_empty_lines=False),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types={
                    str(at): pa.int64() if column in whole else pa.float64() for column, at in columns.items()
                },
                include_columns=sorted(names),
                null_values=[],
            ),
        )
    except pa.ArrowInvalid:
        return None
    rows = pd.DataFrame({column: table[str(at)].to_numpy() for column, at in columns.items()})
    clocks = rows[[clock for clock in layout.clocks if clock in rows]].to_numpy()
    right = (
        rows[["width", "height"]].isin(range(LARGEST_SIDE + 1)).to_numpy().all()
        and rows["offset"].between(0, LARGEST_OFFSET).all()
        and (rows[list(whole)].abs().to_numpy() < 10**15).all()
        and (np.abs(clocks) <= LONGEST).all()  # false if one is NaN
    )
    if not right:
        return None
    rows.insert(0, "roi_number", np.arange(1, len(rows) + 1))
    return rows.reindex(columns=["roi_number", *whole, *layout.clocks])


def _line_by_line(bin_id: str, body: bytes, name: str, layout: Layout, malformed: MalformedLines) -> pd.DataFrame:
    width = _usual_cells(body, name, layout)
    rows: list[list[float]] = []
    for at, line in _lines(body):
        try:
            rows.append([at, *_cells(line, layout, width)])
        except ValueError as error:
            malformed.add(at, str(error))
    if malformed.count and not rows:
        at, reason = malformed.first[0]
        raise RawFileError(
            f"{name}: not the triggers of bin {bin_id}: none of its {malformed.count:,} lines can be read, line {at} "
            f"is {reason}. Copy the file again from the instrument, or exclude the bin"
        )
    table = pd.DataFrame(rows, columns=["roi_number", "trigger", *GEOMETRY, *layout.clocks])
    whole = ["roi_number", "trigger", *GEOMETRY]
    return table.astype({column: np.int64 if column in whole else np.float64 for column in table.columns})


def _check_declared(declared: Sequence[str], name: str) -> None:
    for at, written in enumerate(declared):
        column = DECLARED.get(re.sub("[^a-z]", "", written.lower()), at)
        if column != at:
            raise RawFileError(
                f"{name}: its header declares {written[:40]!r} as column {at + 1}, this layout has it as column "
                f"{column + 1}: this layout is unknown, so nothing of the bin is read"
            )


def _lines(body: bytes) -> Iterator[tuple[int, bytes]]:
    for at, line in enumerate(io.BytesIO(body), start=1):
        yield at, line.rstrip(b"\r\n")


def _usual_cells(body: bytes, name: str, layout: Layout) -> int:
    """How many cells most of the lines that may be triggers have; 0 without such a line."""
    lines: Counter[int] = Counter()
    for at, line in _lines(body):
        if at > MOST_LINES:
            raise RawFileError(f"{name}: not the triggers of a bin: it has more than {MOST_LINES:,} lines")
        cells = line.count(b",") + 1
        lines[cells if layout.least <= cells <= MOST_CELLS else 0] += 1
    lines[0] = 0
    # If two are equally frequent, the larger one: a truncated line has fewer cells.
    return max(lines, key=lambda cells: (lines[cells], cells))


def _cells(line: bytes, layout: Layout, width: int) -> list[float]:
    """Trigger, geometry and clocks of a line. Raises ValueError for one that cannot be read."""
    if not line.strip():
        raise ValueError("blank")
    if line.count(b",") + 1 != width:
        usual = f"{width} as the others" if width else f"{layout.least} or more"
        raise ValueError(f"of {line.count(b',') + 1} cells, not {usual}")
    cells = line.decode("ascii", "replace").split(",")
    trigger, *geometry = (_whole(cells[at]) for at in (0, *range(layout.x, layout.least)))
    *_, across, down, offset = geometry
    if not (0 <= across <= LARGEST_SIDE and 0 <= down <= LARGEST_SIDE):
        raise ValueError(f"of an image of {across} x {down} pixels")
    if not 0 <= offset <= LARGEST_OFFSET:
        raise ValueError(f"of an image at byte {offset}")
    clocks = [_seconds(cells[at]) if at < width else np.nan for at in layout.clocks.values()]
    return [trigger, *geometry, *clocks]


def _whole(text: str) -> int:
    if re.fullmatch(" *[+-]?[0-9]{1,15} *", text) is None:
        raise ValueError(f"not legible: {text[:40]!r} where a whole number belongs")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = number(text)
    except ValueError:
        raise ValueError(f"not legible: {text[:40]!r} where seconds belong") from None
    if abs(seconds) > LONGEST:
        raise ValueError(f"of a time of {seconds} s")
    return seconds
