"""ml_analyzed of a raw bin: how much water was looked at, from the clocks of its `.adc` and from its header.

The volume is look time times flow, and the look time is the run time less the time in which no trigger could be taken.
The `.adc` counts, by the rules of the dashboard's own library. Some logs of these clocks are partly wrong, and the
rules correct them. The volume from the header is kept beside it, because the two are known to differ by a few percent.

A fast run is different: the instrument empties the syringe RunFastFactor times as fast, so the flow is as many
times larger. The header says so (`runSampleFast`), and its look time counts: a fast run takes few minutes and often few
triggers, and the clocks of the `.adc` stop at the last of them while the water flows on to the end of the run. The
headers of normal runs have the factor too, where it means nothing.

Sources: pyifcb (`ifcb/metrics/ml_analyzed.py`; its version 1.3.0 gives the same volumes for two real bins, to the last
digit), WHOI's ifcb-analysis (`IFCB_volume_analyzed_fromADC.m`, `IFCB_volume_analyzed.m`). For fast runs: the
acquisition software (robertjolson/ifcb-acq: the syringe takes 20 * 60 / runFastFactor seconds for its 5 mL) and
ifcb-analysis' `IFCB_volume_analyzed_Rob2.m`; its other functions and pyifcb ignore the factor.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ifcb_abundance.bins.ids import BinId, parse_bin_id
from ifcb_abundance.common.strict_csv import number
from ifcb_abundance.raw.header import Header
from ifcb_abundance.raw.triggers import TriggerTable

ML_PER_MINUTE = 0.25  # of the syringe pump of new instruments
ML_PER_SECOND_OLD = 5.0 / 48000.0 * 40.0  # of old ones: 40 steps per second, 48,000 steps for the syringe's 5 mL
DAY = 24 * 60 * 60.0

# Seconds that an old instrument takes at least to process a trigger; IFCB5's were fewer from June 2015 on.
LEAST_PROCESSING = 0.073
LEAST_PROCESSING_LATE_IFCB5 = 0.05
LATE_IFCB5 = datetime(2015, 6, 1, tzinfo=UTC)

CLOCK_OFFSET = 10.0  # seconds: clocks that are this far ahead of adc_time did not start with the run
RUN_TIME_TOLERANCE = 0.2  # seconds between the run time and adc_time, once their usual difference is taken off
USUAL_ROWS = 50  # rows at the start that show the usual difference

FastRuns = Literal["factor", "as_dashboard"]
FAST = "+run_fast_factor"  # behind the method of a fast run's volume
FAST_IGNORED = "+no_run_fast_factor"


@dataclass(frozen=True)
class Volume:
    """The volume of a bin that was analyzed; None means that there is no such number, which is not zero.

    ml_analyzed (mL), look_time, run_time (s): by `volume_method`. volume_method: `adc`; with `+clock_offset`,
    `+inhibit_time_estimated`, `+run_time_estimated` after it if the log of the clocks was corrected; `header` if the
    `.adc` has triggers but gives no volume, or the run was fast; empty if there is none. For fast runs it ends with
    FAST or FAST_IGNORED. ml_analyzed_adc, ml_analyzed_header (mL): the volume from each. volume_disagreement: by
    what fraction the header's is larger than that of the `.adc`. note: why a fast run has no volume, or that the
    header does not say legibly whether it was one; otherwise empty.
    """

    ml_analyzed: float | None = None
    volume_method: str = ""
    look_time: float | None = None
    run_time: float | None = None
    ml_analyzed_adc: float | None = None
    ml_analyzed_header: float | None = None
    volume_disagreement: float | None = None
    note: str = ""


@dataclass(frozen=True)
class _Measured:
    ml_analyzed: float
    look_time: float
    run_time: float
    method: str


def measure_volume(
    triggers: TriggerTable | None, header: Header | None = None, fast_runs: FastRuns = "factor"
) -> Volume:
    """Compute the volume of a bin. Without a trigger it has none, whatever its header says.

    triggers: None where they are not known, as of a bin in a table of headers: then the header alone counts.
    fast_runs: `factor` takes the RunFastFactor of fast runs into account, and a fast run without one has no volume;
    `as_dashboard` ignores it, as the dashboard's library does.

    A volume may come out as zero, negative or larger than the syringe, if the files say so: the catalog's bounds decide
    whether it is used.
    """
    by_adc = _by_adc(triggers) if triggers is not None else None
    by_header = _by_header(header)
    fast, note = _is_fast(header) if header else (False, "")
    if header and fast and fast_runs == "factor":
        factor = _fast_factor(header)
        if factor is None:
            said = header.setting("RunFastFactor")[:40]
            return Volume(note=f"a fast run (runSampleFast) without a usable RunFastFactor: {said!r}")
        by_adc, by_header = (one and replace(one, ml_analyzed=one.ml_analyzed * factor) for one in (by_adc, by_header))
    if triggers is not None and triggers.rows.empty:
        return Volume(ml_analyzed_header=by_header.ml_analyzed if by_header else None, note=note)
    if fast and fast_runs == "factor":
        if by_header is None:
            return Volume(note="a fast run (runSampleFast) whose header has no runTime and inhibitTime to go by")
        chosen: _Measured | None = replace(by_header, method=by_header.method + FAST)
    else:
        chosen = by_adc or by_header
        if chosen and fast:
            chosen = replace(chosen, method=chosen.method + FAST_IGNORED)
    if chosen is None:
        return Volume(note=note)
    disagreement = None
    if by_adc and by_header and by_adc.ml_analyzed > 0:
        disagreement = by_header.ml_analyzed / by_adc.ml_analyzed - 1
    return Volume(
        chosen.ml_analyzed,
        chosen.method,
        chosen.look_time,
        chosen.run_time,
        by_adc.ml_analyzed if by_adc else None,
        by_header.ml_analyzed if by_header else None,
        disagreement,
        note,
    )


def _is_fast(header: Header) -> tuple[bool, str]:
    """Whether the header says that the run was fast, and a note if that is illegible."""
    said = header.setting("runSampleFast")
    try:
        flag = number(said)
    except ValueError:
        flag = {"true": 1, "false": 0, "": 0}.get(said.lower(), -1)
    if flag in (0, 1):
        return flag == 1, ""
    return False, f"runSampleFast is {said[:40]!r}, neither true nor false: taken for a normal run"


def _fast_factor(header: Header) -> float | None:
    try:
        factor = number(header.setting("RunFastFactor"))
    except ValueError:
        return None
    return factor if factor > 0 else None  # headers have 0 if nobody set it


def _by_header(header: Header | None) -> _Measured | None:
    if header is None or header.run_time is None or header.inhibit_time is None:
        return None
    look_time = header.run_time - header.inhibit_time
    if look_time == 0:  # an instrument that wrote no clocks
        return None
    return _Measured(ML_PER_MINUTE * look_time / 60, look_time, header.run_time, "header")


def _by_adc(triggers: TriggerTable) -> _Measured | None:
    bin_id = parse_bin_id(triggers.bin)
    return _old_style(triggers, bin_id) if bin_id.old_style else _new_style(triggers)


def _old_style(triggers: TriggerTable, bin_id: BinId) -> _Measured | None:
    """Run time minus the times between the end of one trigger and the opening of the next.

    The run time is that of the last trigger's image. From each processing time the least one is taken if it is shorter,
    and one more is taken off, as the instrument's makers do. Times after midnight are written as negative ones.
    """
    rows = triggers.rows.drop_duplicates("trigger")
    if rows.empty:
        return None
    grabbed, opened = (past_midnight(rows[name].to_numpy()) for name in ("frame_grab_time", "trigger_open_time"))
    late = bin_id.instrument == 5 and bin_id.time >= LATE_IFCB5
    least = LEAST_PROCESSING_LATE_IFCB5 if late else LEAST_PROCESSING
    run_time = float(grabbed[-1])
    look_time = run_time - float(np.maximum(opened[1:] - grabbed[:-1], least).sum()) - least
    return _Measured(look_time * ML_PER_SECOND_OLD, look_time, run_time, "adc")


def past_midnight(seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Clocks of an old instrument, of which times after midnight are written as negative ones, from the run's start."""
    return seconds + (seconds < 0) * DAY


def _new_style(triggers: TriggerTable) -> _Measured | None:
    """Run time less inhibit time of the last trigger, both corrected if their log is wrong.

    - A row's inhibit time is good if it is above zero and 0.1 s less to 5 s more than the row's before; the first row
      counts as good. If all are good, the last one counts. Otherwise it is the last good one, plus for each bad row the
      most frequent step between good ones (to 0.1 ms, of equally frequent ones the shortest).
    - Clocks that are more than 10 s ahead of adc_time in the second row started before the run: what they were ahead
      is taken off, from the inhibit time that of the second row and two steps.
    - The run time has to agree to 0.2 s with the last adc_time and the median of what it was ahead of it in the first
      50 rows; otherwise these replace it.

    None if there are less than two rows, no inhibit times, or no two good ones.
    """
    rows = triggers.rows
    adc_time, run_times, inhibit_times = (rows[name].to_numpy() for name in ("adc_time", "run_time", "inhibit_time"))
    if len(rows) < 2 or np.isnan(inhibit_times).any() or inhibit_times.sum() == 0:
        return None
    steps = np.diff(inhibit_times)
    good = np.flatnonzero((inhibit_times[1:] > 0) & (steps > -0.1) & (steps < 5)) + 1
    if not good.size:
        return None
    good = np.insert(good, 0, 0)
    values, times = np.unique(np.round(np.diff(inhibit_times[good]), 4), return_counts=True)
    usual_step = float(values[times.argmax()])

    method = "adc"
    run_offset = inhibit_offset = 0.0
    if run_times[1] - adc_time[1] > CLOCK_OFFSET:
        run_offset = float(run_times[1] - adc_time[1])
        inhibit_offset = float(inhibit_times[1]) + usual_step * 2
        method += "+clock_offset"
    inhibit_time = float(inhibit_times[good[-1]])
    if len(good) < len(rows):
        inhibit_time += (len(rows) - len(good)) * usual_step
        method += "+inhibit_time_estimated"
    inhibit_time -= inhibit_offset

    run_time = float(run_times[-1]) - run_offset
    ahead = float(np.median(run_times[:USUAL_ROWS] - adc_time[:USUAL_ROWS]))
    estimated = float(adc_time[-1]) + ahead - run_offset
    if abs(run_time - estimated) > RUN_TIME_TOLERANCE:
        run_time = estimated
        method += "+run_time_estimated"
    look_time = run_time - inhibit_time
    return _Measured(ML_PER_MINUTE * look_time / 60, look_time, run_time, method)
