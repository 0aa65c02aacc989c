"""Write raw files of bins: headers, triggers, images and the score files of classifiers."""

import io
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy.io import savemat

OLD = "IFCB5_2012_028_081515"
NEW = "D20130526T095207_IFCB013"
ADC_COLUMNS = (
    "trigger#, ADC_time, PMTA, PMTB, PMTC, PMTD, peakA, peakB, peakC, peakD, time of flight, grabtimestart, "
    "grabtimeend, ROIx, ROIy, ROIwidth, ROIheight,start_byte, comparator_out, STartPoint, SignalLength, status, "
    "runTime, inhibitTime"
)


def old_line(
    trigger: object = 1,
    opened: object = 0,
    grabbed: object = 0.25,
    box: Sequence[object] = (0, 0, 0, 0),
    offset: object = 1,
) -> str:
    """A line of an old instrument: 15 columns and an empty one. box: x, y, width, height."""
    before = [trigger, 0.31, 0.06, -0.61, -0.17, -3.62, -0.29, opened, grabbed]
    return ",".join(map(str, [*before, *box, offset, -0.27, ""]))


def new_line(
    trigger: object = 1,
    adc_time: object = 0.05,
    run_time: object = 0.1,
    inhibit_time: object = 0.001,
    box: Sequence[object] = (0, 0, 0, 0),
    offset: object = 0,
) -> str:
    """A line of a new instrument: 24 columns."""
    before = [trigger, adc_time, 0.8, 0.03, 0.001, 0.01, 3.6, 0.26, 0.01, 0.01, -999.0, adc_time, 0.09]
    return ",".join(map(str, [*before, *box, offset, -999.0, 0, 0, 0, run_time, inhibit_time]))


def adc(*lines: str, end: str = "\n") -> bytes:
    return "".join(line + end for line in lines).encode()


def keyed_header(**settings: object) -> bytes:
    """A header of a new instrument, with the line ends that it writes."""
    first = "softwareVersion: Imaging FlowCytobot Acquisition Software version 2.0, build 380; May 2010"
    lines = [first, "Housekeeping firmware version 31", *(f"{key}: {value}\t" for key, value in settings.items())]
    return "".join(f"{line}\r\n" for line in [*lines, f"ADCFileFormat: {ADC_COLUMNS}"]).encode()


SENTENCES = """\
Imaging FlowCytobot Acquisition Software version 2.0; May 2010
Sample Date 26-May-2011 09:52:07
run time = 1205.500000 s\t inhibit time = 35.250000 s
22.125000 temperature,\t-1.500000 humidity
"""
COLUMNS = """\
"Imaging FlowCytobot Acquisition Software version 1.0; October 2005"
"Somebody and somebody else"
"An institution"
"SyringeStatus =  0"
"Temp Humidity BinarizeThresh PMT1hv(ssc) PMT2hv(chl) BlobSizeThresh"
" 11.5"," 32.25"," 30"," .675"," .6"," 10"
"""


def picture(width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    """An image without two equal rows, and different for each seed."""
    return np.random.default_rng([width, height, seed]).integers(0, 256, (height, width), dtype=np.uint8)


def write_bin(
    folder: Path, bin_id: str, images: Sequence[tuple[int, int, int, NDArray[np.uint8]]], start: int = 1
) -> dict[str, Path]:
    """Write the three files of a bin: images as (trigger, x, y, pixels), one byte before the first as old ones have."""
    lines, roi = [], b"\0" * start
    for at, (trigger, x, y, pixels) in enumerate(images, start=1):
        height, width = pixels.shape
        if bin_id.startswith("IFCB"):
            lines.append(old_line(trigger, at, at + 0.5, (x, y, width, height), len(roi)))
        else:
            lines.append(new_line(trigger, at, at + 0.05, at * 0.1, (x, y, width, height), len(roi)))
        roi += pixels.tobytes()
    header = COLUMNS.encode() if bin_id.startswith("IFCB") else keyed_header(runTime=1200.0, inhibitTime=12.0)
    folder.mkdir(parents=True, exist_ok=True)
    paths = {part: folder / f"{bin_id}.{part}" for part in ("hdr", "adc", "roi")}
    for part, body in (("hdr", header), ("adc", adc(*lines)), ("roi", roi)):
        paths[part].write_bytes(body)
    return paths


# --- score files of classifiers ---


def scores_h5(
    version: int,
    bin_id: str | None,
    labels: Sequence[str],
    rois: object,
    scores: Sequence[Sequence[float]],
    dtype: str = "float16",
    without: Sequence[str] = (),
    **more: object,
) -> bytes:
    """Class scores as classifiers write them: version 2 or 3. without, more: datasets that are omitted and added."""
    file = io.BytesIO()
    table = np.asarray(scores, dtype).reshape(len(scores), len(labels))
    packing = {"compression": "gzip"} if table.size else {}
    with h5py.File(file, "w") as h5:
        if "scores" not in without:
            data = h5.create_dataset("scores" if version == 2 else "output_scores", data=table, **packing)
        if "roi_numbers" not in without:
            h5.create_dataset("roi_numbers", data=np.asarray(rois))
        if version == 2:
            data.attrs["class_labels"] = [label.encode() for label in labels]
            if bin_id:
                data.attrs["bin_id"] = bin_id
        else:
            meta = h5.create_dataset("metadata", data=h5py.Empty("f"))
            meta.attrs["version"] = "v3"
            if bin_id:
                meta.attrs["bin_id"] = bin_id
            if "class_labels" not in without:
                h5.create_dataset("class_labels", data=list(labels), dtype=h5py.string_dtype())
        for name, value in more.items():
            h5.create_dataset(name, data=value)
    return file.getvalue()


def scores_mat(
    labels: Sequence[str],
    rois: Sequence[int],
    scores: Sequence[Sequence[float]],
    compressed: bool = True,
    **more: object,
) -> bytes:
    """Class scores of version 1: as MATLAB writes them, with `unclassified` behind the labels."""
    file = io.BytesIO()
    cells = np.empty((len(labels) + 1, 1), dtype=object)
    cells[:, 0] = [*labels, "unclassified"]
    table = np.asarray(scores, float).reshape(len(scores), len(labels))
    names = {"class2useTB": cells, "roinum": np.array(rois, float)[:, None], "TBscores": table, **more}
    savemat(file, names, do_compression=compressed)
    return file.getvalue()
