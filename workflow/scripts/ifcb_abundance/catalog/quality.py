"""The quality of bins: what their headers, triggers and images say, and flags in the words of QARTOD.

Flags are those of QARTOD (IOOS, Manual for the Use of Real-Time Oceanographic Data Quality Control Flags): 1 pass,
2 not evaluated, 3 suspect, 4 fail. A bin has a flag for each test and the worst of them as its own.

Bounds and their sources are constants below. `iRfcb`: the values that its tutorial of quality control gives to
`ifcb_psd`, which has no defaults; the method is that of the Kudela lab (psd.py; Hayashi et al. 2025). `California`: the
script of the California IFCB network (IFCB_QC_share, Trautman 2023). `ours`: nobody has published a bound, so the flag
is never worse than suspect, or it says what cannot be.
"""

import logging
import math
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ifcb_abundance.bins.statuses import WANTED
from ifcb_abundance.common.errors import RawFileError, RequestError, TransientError, UnreachableError
from ifcb_abundance.common.strict_csv import number
from ifcb_abundance.common.words import printable
from ifcb_abundance.raw.header import Header
from ifcb_abundance.raw.images import ReadRange, image_of
from ifcb_abundance.raw.triggers import TriggerTable
from ifcb_abundance.raw.volume import past_midnight
from ifcb_abundance.sources.protocols import Source
from ifcb_abundance.tables import table_files

log = logging.getLogger("ifcb.quality")

VERSION = 2  # of the meaning of what is measured: raise it so that bins are measured again
GOOD, NOT_EVALUATED, SUSPECT, BAD = 1, 2, 3, 4

HUMID, WET = 70.0, 99.0  # percent in the housing: suspect above (iRfcb), bad above (California)
COLDEST, HOTTEST = 0.0, 60.0  # degrees Celsius in the housing: suspect outside (ours)
SHORT, LITTLE = (
    1000.0,
    2.5,
)  # seconds and mL: a run shorter than that with less than that is incomplete: bad (California)
MOST_INHIBITED = 0.8  # of the run time: suspect above (ours: less than 1 of the syringe's 5 mL was looked at)
# Per trigger: suspect below (iRfcb's missing cells: ROIs with features per line of the .adc; California has 0.9).
FEWEST_IMAGES = 0.7
FASTEST = 14.0  # triggers a second: suspect above (ours: a trigger takes 0.073 s at least)
LARGEST_ML = 5.25  # mL: bad above, or at zero and below (the syringe holds 5)
FOCUS = 0.5  # of the median of the instrument: suspect below (ours)
LOOKED_AT = 20  # images, the largest of a bin, from which focus is measured
AGAIN = "will be asked for again: "  # begins the note of a bin that a server may give another time
MEASURED = tuple(table_files.schema("quality_measured"))
TESTS = tuple(name for name in table_files.schema("quality") if name.startswith("flag_"))


def measure_quality(
    source: Source, bins: pd.DataFrame, with_images: bool, path: str | Path, record_failures: bool = False
) -> None:
    """Measure the bins of a day, and write a row for each.

    bins: as `selection.assess` returns them, before bad bins are left out. Raw files are read of those that are wanted;
    of others, and where there are none, the catalog is all there is. with_images: whether focus is measured, for which
    the source has to read parts of each `.roi`.

    Files that are damaged are a note. So is a request without an answer with `record_failures`; else it raises
    RawFileError or RequestError, for it says nothing about the bin.
    """
    rows = [_row(source, dict(row), with_images, record_failures) for row in bins.to_dict("records")]
    table_files.write(table_files.from_rows(rows, "quality_measured"), "quality_measured", path)


def is_complete(path: str | Path) -> bool:
    """Tell whether a file of `measure_quality` has no bin that was not to be had, and may be now."""
    return AGAIN.encode() not in Path(path).read_bytes()


def _row(source: Source, of_bin: Mapping[Any, Any], with_images: bool, record_failures: bool) -> dict[str, Any]:
    known = {name: of_bin[name] for name in ("bin", "sample_time", "instrument", "ml_analyzed", "n_images")}
    words = [str(of_bin["sample_type"]), *str(of_bin["tags"]).split(";")]
    row: dict[str, Any] = {**known, "run_type": next((word for word in words if "bead" in word.lower()), "")}
    if of_bin["status"] != WANTED:
        return row | {"note": "only the catalog was looked at, since the bin is left out"}
    bin_id = str(of_bin["bin"])
    try:
        header, triggers = source.read_raw(bin_id)
        row |= {**_of_header(header), **_of_triggers(header, triggers)} if header and triggers else {}
        row["run_type"] = row["run_type"] or (printable(header.setting("runType")) if header else "")
        row["note"] = "" if header and triggers else "the source has no raw files of it"
        if with_images and triggers and triggers.rois:
            with source.open_images(bin_id) as images:
                row["focus"] = focus(images.triggers, images.read) if images else None
    except UnreachableError:
        raise
    except (RawFileError, RequestError) as error:
        causes = list(_causes(error))
        if not record_failures and any(isinstance(cause, RequestError) for cause in causes):
            raise
        log.warning(f"quality: {error}")
        again = AGAIN if any(isinstance(cause, TransientError) for cause in causes) else ""
        row["note"] = again + printable(str(error))
    return row


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and what it was raised from."""
    while error is not None:
        yield error
        error = error.__cause__


def _of_header(header: Header) -> dict[str, Any]:
    def setting(*names: str) -> float | None:
        for name in names:
            try:
                return number(header.setting(name))
            except ValueError:
                continue
        return None

    return {
        "humidity": header.humidity,
        "temperature": header.temperature,
        "pmt_a": setting("PMTAhighVoltage", "PMT1hv(ssc)"),
        "pmt_b": setting("PMTBhighVoltage", "PMT2hv(chl)"),
        "syringe_status": header.syringe_status,
    }


def _of_triggers(header: Header | None, triggers: TriggerTable) -> dict[str, Any]:
    rows = triggers.rows
    n_triggers = int(rows["trigger"].nunique())
    run_time, inhibit_time = (header.run_time, header.inhibit_time) if header else (None, None)
    if run_time is None and len(rows):  # old instruments have their clocks in the .adc alone
        old = "frame_grab_time" in rows
        run_time = float(past_midnight(rows["frame_grab_time"].to_numpy())[-1] if old else rows["run_time"].iloc[-1])
    found: dict[str, Any] = {"run_time": run_time, "n_triggers": n_triggers, "n_images": len(triggers.rois)}
    if n_triggers:
        with_image = rows.loc[(rows["width"] > 0) & (rows["height"] > 0), "trigger"]
        found["images_per_trigger"] = with_image.nunique() / n_triggers
    if run_time:
        found |= {"trigger_rate": n_triggers / run_time, "roi_rate": len(triggers.rois) / run_time}
        if inhibit_time is not None:
            found["inhibit_fraction"] = inhibit_time / run_time
    return found


def focus(triggers: TriggerTable, read: ReadRange) -> float | None:
    """Measure how sharp the edges of a bin's largest images are; the median of them.

    It is the steepest step between two pixels, as a share of the contrast. A step over one pixel is 1, one that is
    blurred over n pixels about 1/n. None if no image has a contrast. That edges tell focus is the idea of WHOI's
    ifcb-focus.
    """
    largest = sorted(triggers.rois.values(), key=lambda roi: (-roi.width * roi.height, roi.number))
    found = []
    for roi in islice(largest, LOOKED_AT):
        pixels = image_of(read, triggers, roi.number, {}).pixels.astype(np.float64)
        contrast = float(np.ptp(np.percentile(pixels, [1, 99]))) if min(pixels.shape) > 1 else 0.0
        if contrast > 0:
            steps = [np.abs(np.diff(pixels, axis=axis)).ravel() for axis in (0, 1)]
            found.append(float(np.percentile(np.concatenate(steps), 99)) / contrast)
    return float(np.median(found)) if found else None


# --- flags ---


def judge_quality(measured: pd.DataFrame) -> pd.DataFrame:
    """Add the flags to what was measured of bins: rows of `quality`.

    Flags of PMT settings and of focus compare a bin with the others of its instrument in the window.
    """
    of = {name: measured[name].astype("float64") for name in MEASURED if name not in _TEXTS}
    by_instrument = measured["instrument"]
    usual_focus = of["focus"].groupby(by_instrument).transform("median")
    incomplete = (of["run_time"] < SHORT) & (of["ml_analyzed"] < LITTLE)
    beads = measured["run_type"].str.contains("bead", case=False)
    unusual = pd.Series(False, index=measured.index)
    for pmt in (of["pmt_a"], of["pmt_b"]):
        unusual |= pmt.notna() & (pmt != pmt.groupby(by_instrument).transform(_most_frequent))
    none = pd.Series(False, index=measured.index)
    # Of each test: what is known, what is suspect, what is bad.
    tests = {
        "flag_volume": (
            of["ml_analyzed"].notna(),
            none,
            ~((of["ml_analyzed"] > 0) & (of["ml_analyzed"] <= LARGEST_ML)),
        ),
        "flag_triggers": (of["n_triggers"].notna(), none, of["n_triggers"] == 0),
        "flag_images": (
            of["n_images"].notna(),
            (of["images_per_trigger"] < FEWEST_IMAGES) | (of["n_images"] == 0),
            none,
        ),
        "flag_beads": (measured["run_type"] != "", none, beads),
        "flag_run_time": (of["run_time"].notna(), none, incomplete | (of["run_time"] <= 0)),
        "flag_inhibit": (
            of["inhibit_fraction"].notna(),
            of["inhibit_fraction"] > MOST_INHIBITED,
            (of["inhibit_fraction"] < 0) | (of["inhibit_fraction"] > 1),
        ),
        "flag_rate": (of["trigger_rate"].notna(), of["trigger_rate"] > FASTEST, none),
        "flag_humidity": (of["humidity"].notna(), of["humidity"] > HUMID, of["humidity"] > WET),
        "flag_temperature": (of["temperature"].notna(), ~of["temperature"].between(COLDEST, HOTTEST), none),
        "flag_pmt": (of["pmt_a"].notna() | of["pmt_b"].notna(), unusual, none),
        "flag_syringe": (of["syringe_status"].notna(), none, of["syringe_status"] != 0),
        "flag_focus": (of["focus"].notna(), of["focus"] < FOCUS * usual_focus, none),
    }
    flags = pd.DataFrame(
        {
            test: np.select([~known, bad, suspect], [NOT_EVALUATED, BAD, SUSPECT], GOOD)
            for test, (known, suspect, bad) in tests.items()
        },
        index=measured.index,
    )
    order = flags.replace({NOT_EVALUATED: 0})  # not evaluated is no finding
    worst = order.max(axis="columns").replace({0: NOT_EVALUATED})
    return measured.assign(flag=worst, **flags, reason=_reasons(measured, flags))[list(table_files.schema("quality"))]


_TEXTS = ("bin", "sample_time", "instrument", "run_type", "note")
_SAYS: Mapping[str, tuple[str, ...]] = {
    "flag_volume": ("ml_analyzed",),
    "flag_triggers": ("n_triggers",),
    "flag_images": ("n_images", "images_per_trigger"),
    "flag_beads": ("run_type",),
    "flag_run_time": ("run_time", "ml_analyzed"),
    "flag_inhibit": ("inhibit_fraction",),
    "flag_rate": ("trigger_rate",),
    "flag_humidity": ("humidity",),
    "flag_temperature": ("temperature",),
    "flag_pmt": ("pmt_a", "pmt_b"),
    "flag_syringe": ("syringe_status",),
    "flag_focus": ("focus",),
}


def _most_frequent(values: "pd.Series[float]") -> float:
    found = values.mode()
    return float(found.iloc[0]) if len(found) else math.nan


def _reasons(measured: pd.DataFrame, flags: pd.DataFrame) -> list[str]:
    """What was found of each bin, the bad first: `bad: humidity 99.5; suspect: focus 0.1`."""
    reasons = []
    for row, of_bin in zip(flags.to_dict("records"), measured.to_dict("records"), strict=True):
        found = {
            word: [test for test in TESTS if row[test] == flag] for word, flag in (("bad", BAD), ("suspect", SUSPECT))
        }
        reasons.append(
            "; ".join(
                f"{word}: {', '.join(f'{name} {_shown(of_bin[name])}' for test in tests for name in _SAYS[test])}"
                for word, tests in found.items()
                if tests
            )
        )
    return reasons


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else "unknown" if pd.isna(value) else f"{value:.4g}"


def merge_quality(parts: list[str], path: str | Path, of_shards: bool = False) -> None:
    """Judge the bins of all days, and write quality.csv. Logs how many have which flag.

    of_shards: the parts are those of shards, whose bins are judged anew among all of them.
    """
    read = [table_files.read("quality" if of_shards else "quality_measured", part, list(MEASURED)) for part in parts]
    measured = pd.concat(read, ignore_index=True) if read else table_files.empty("quality_measured")
    judged = judge_quality(measured)
    table_files.write(judged, "quality", path)
    if n_bad := int((judged["flag"] == BAD).sum()):
        log.warning(
            f"quality: {n_bad} of {len(judged)} bins have the flag 4 (bad), such as "
            f"{judged.loc[judged['flag'] == BAD, 'bin'].iloc[0]}; quality.exclude_bad: true leaves them out"
        )


def bad_bins(path: str | Path) -> dict[str, str]:
    """Map each bin that is flagged 4 to what was found."""
    table = table_files.read("quality", path, ["bin", "flag", "reason"])
    table = table[table["flag"] == BAD]
    return dict(zip(table["bin"], table["reason"], strict=True))
