"""ml_analyzed from the clocks: by hand, by plain loops, and equal to pyifcb's for two real bins."""

import itertools
import json
import statistics
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifcb_abundance.raw.header import Header, read_header
from ifcb_abundance.raw.triggers import TriggerTable, read_triggers
from ifcb_abundance.raw.volume import Volume, measure_volume
from tests.raw_files import NEW, OLD, adc, new_line, old_line

RAW = Path(__file__).parents[2].parent / "shared" / "data" / "raw"
shared = pytest.mark.skipif(not RAW.exists(), reason=f"no shared data in {RAW}")


def new_table(*clocks: tuple[float, float, float]) -> TriggerTable:
    """adc_time, run_time, inhibit_time of each trigger."""
    return read_triggers(NEW, adc(*[new_line(n, *map(repr, row)) for n, row in enumerate(clocks, start=1)]), "a")


def old_table(*clocks: tuple[int, float, float], bin_id: str = OLD) -> TriggerTable:
    """Trigger, trigger_open_time, frame_grab_time of each line."""
    return read_triggers(bin_id, adc(*[old_line(*map(repr, row)) for row in clocks]), "a")


def header(run_time: float | None, inhibit_time: float | None) -> Header:
    return Header("keyed", {}, run_time, inhibit_time)


def measured(volume: Volume) -> tuple[float | None, str]:
    return volume.ml_analyzed, volume.volume_method


# --- new instruments: (run time - inhibit time) x 0.25 mL/min ---

GOOD = [(10, 10.05, 0.1), (20, 20.05, 0.2), (30, 30.05, 0.3), (40, 40.05, 0.4), (240, 240.05, 0.5)]


def test_all_rows_good() -> None:
    volume = measure_volume(new_table(*GOOD))
    assert volume.look_time == pytest.approx(239.55)
    assert volume.run_time == 240.05
    assert measured(volume) == (pytest.approx(0.998125), "adc")


def test_rows_of_zeros_at_the_end() -> None:
    # 0.4 s and a step of 0.1 s for each of two bad rows; adc_time is usually 0.05 s behind: 260.05 - 0.6 s.
    volume = measure_volume(new_table(*GOOD[:4], (250, 0, 0), (260, 0, 0)))
    assert volume.look_time == pytest.approx(259.45)
    assert measured(volume) == (pytest.approx(0.25 * 259.45 / 60), "adc+inhibit_time_estimated+run_time_estimated")


@pytest.mark.parametrize(
    ("inhibit_times", "inhibit_time", "estimated"),
    [
        ([0.1, 0.2, 0.3, 9.0, 0.5], 0.3 + 2 * 0.1, True),  # a jump of more than 5 s, and back
        ([0.1, 0.2, 0.3, 0.25, 0.35], 0.35, False),  # 0.05 s less is good
        ([0.1, 0.2, 0.3, 0.19, 0.29], 0.29 + 0.1, True),  # 0.11 s less is not
        ([0.1, 0.2, 0.3, 0.0, 0.4], 0.4 + 0.1, True),  # none, and good again
        ([0.1, 0.2, 0.4, 0.0, 0.6], 0.6 + 0.2, True),  # steps of 0.1, 0.2, 0.2 s: the frequent one is 0.2
        ([9.0, 0.1, 0.2, 0.3, 0.4], 0.4 + 0.1, True),  # the first row counts as good, the second is bad
    ],
)
def test_bad_inhibit_times(inhibit_times: list[float], inhibit_time: float, estimated: bool) -> None:
    rows = [(t, t + 0.05, i) for t, i in zip((10, 20, 30, 40, 240), inhibit_times, strict=True)]
    volume = measure_volume(new_table(*rows))
    assert volume.look_time == pytest.approx(240.05 - inhibit_time)
    assert volume.volume_method == ("adc+inhibit_time_estimated" if estimated else "adc")


def test_of_equally_frequent_steps_the_shortest() -> None:
    # Steps 0.3, 0.3, 0.1, 0.1; then a bad row.
    inhibit_times = [0.1, 0.4, 0.7, 0.8, 0.9, 0.0]
    volume = measure_volume(new_table(*[(10 * n, 10 * n, i) for n, i in enumerate(inhibit_times, start=1)]))
    assert volume.look_time == pytest.approx(60 - (0.9 + 0.1))


def test_clocks_that_started_before_the_run() -> None:
    # 1,000 s off: 30 s of run. Of the inhibit time 50.2 s and two steps of 0.1 s: 50.3 - 50.4 s.
    volume = measure_volume(new_table((10, 1010, 50.1), (20, 1020, 50.2), (30, 1030, 50.3)))
    assert volume.look_time == pytest.approx(30 + 0.1)
    assert volume.run_time == pytest.approx(30)
    assert volume.volume_method == "adc+clock_offset"
    assert measure_volume(new_table((10, 19.9, 0.1), (20, 29.9, 0.2))).volume_method == "adc"  # 9.9 s: they stay


def test_a_wrong_last_run_time() -> None:
    volume = measure_volume(new_table(*GOOD[:4], (240, 240.5, 0.5)))
    assert volume.look_time == pytest.approx(240.05 - 0.5)
    assert volume.volume_method == "adc+run_time_estimated"
    assert measure_volume(new_table(*GOOD[:4], (240, 240.2, 0.5))).volume_method == "adc"  # 0.15 s is usual


def test_what_is_usual_shows_in_the_first_50_rows() -> None:
    # 0.05 s ahead in the first 24 and in 9 of the last 10, 0.5 s in all others.
    ahead = [0.05] * 24 + [0.5] * 26 + [0.05] * 9 + [0.5]
    volume = measure_volume(new_table(*[(n, n + late, n / 10) for n, late in enumerate(ahead, start=1)]))
    assert (volume.run_time, volume.volume_method) == (60.5, "adc")


def test_a_volume_may_be_negative_and_is_then_for_the_catalog_to_refuse() -> None:
    volume = measure_volume(new_table((10, 10, 20.0), (20, 20, 24.0)), header(10, 12))
    assert measured(volume) == (pytest.approx(0.25 * -4 / 60), "adc")
    assert volume.ml_analyzed_header == pytest.approx(0.25 * -2 / 60)
    assert volume.volume_disagreement is None


# --- old instruments: 40 steps/s x 5/48000 mL = 1/240 mL/s ---


def test_old_style() -> None:
    # From 0.25 to 1 s, and from 1.5 to 1.52 s, which is less than the 0.073 s of any trigger.
    volume = measure_volume(old_table((1, 0, 0.25), (2, 1, 1.5), (3, 1.52, 2)))
    assert volume.look_time == pytest.approx(2 - 0.75 - 0.073 - 0.073)
    assert volume.run_time == 2
    assert measured(volume) == (pytest.approx(1.104 / 240), "adc")


def test_a_second_line_of_a_trigger_is_no_trigger() -> None:
    once = old_table((1, 0, 0.25), (2, 1, 1.5), (3, 1.52, 2))
    twice = old_table((1, 0, 0.25), (2, 1, 1.5), (2, 1, 1.9), (3, 1.52, 2), (1, 7, 8))
    assert measure_volume(once) == measure_volume(twice)


def test_old_style_over_midnight() -> None:
    volume = measure_volume(old_table((1, 10, 20), (2, -86_370, -86_350)))  # opened at 30 s, grabbed at 50 s
    assert volume.run_time == 50
    assert volume.look_time == pytest.approx(50 - 10 - 0.073)


@pytest.mark.parametrize(
    ("bin_id", "least"),
    [
        ("IFCB5_2015_151_235959", 0.073),
        ("IFCB5_2015_152_000000", 0.05),  # the first of June
        ("IFCB1_2015_152_000000", 0.073),
        ("IFCB05_2016_001_000000", 0.05),
    ],
)
def test_ifcb5_took_less_from_june_2015(bin_id: str, least: float) -> None:
    volume = measure_volume(old_table((1, 0, 1), (2, 1.01, 3), bin_id=bin_id))
    assert volume.look_time == pytest.approx(3 - 2 * least)


# --- the header beside it ---


def test_both_are_given_and_how_far_they_are_apart() -> None:
    volume = measure_volume(new_table(*GOOD), header(300, 60.45))  # 239.55 s as well
    assert volume.ml_analyzed == volume.ml_analyzed_adc == pytest.approx(0.998125)
    assert volume.ml_analyzed_header == pytest.approx(0.998125)
    assert volume.volume_disagreement == pytest.approx(0, abs=1e-12)
    doubled = measure_volume(new_table(*GOOD), header(539.55, 60.45))
    assert doubled.ml_analyzed == pytest.approx(0.998125)
    assert doubled.volume_disagreement == pytest.approx(1)


@pytest.mark.parametrize(
    "table",
    [
        new_table(GOOD[0]),  # one trigger
        new_table((10, 10, 0), (20, 20, 0)),  # no inhibit times
        new_table((10, 10, 9.0), (20, 20, 0)),  # no two good ones
        read_triggers(NEW, adc(*[new_line().rsplit(",", 2)[0]] * 3), "a"),  # no such columns
    ],
)
def test_the_header_stands_in_where_the_triggers_have_no_clocks_to_go_by(table: TriggerTable) -> None:
    volume = measure_volume(table, header(1212, 12))
    assert measured(volume) == (pytest.approx(5), "header")
    assert (volume.ml_analyzed_adc, volume.volume_disagreement) == (None, None)
    for nothing in (None, header(None, 5), header(5, None), header(0, 0)):
        assert measure_volume(table, nothing) == Volume()


@pytest.mark.parametrize("bin_id", [OLD, NEW])
def test_an_empty_bin_has_no_volume_which_is_not_zero(bin_id: str) -> None:
    volume = measure_volume(read_triggers(bin_id, b"", "a"), header(1212, 12))
    assert measured(volume) == (None, "")
    assert (volume.look_time, volume.run_time, volume.ml_analyzed_adc) == (None, None, None)
    assert volume.ml_analyzed_header == pytest.approx(5)


# --- by plain loops ---


def look_time(rows: list[tuple[float, float, float]]) -> float | None:
    """The rules once more, one row after the other."""
    if len(rows) < 2 or all(inhibit == 0 for _, _, inhibit in rows):
        return None
    good = [rows[0][2]]
    for before, row in itertools.pairwise(rows):
        if row[2] > 0 and -0.1 < row[2] - before[2] < 5:
            good.append(row[2])
    if len(good) == 1:
        return None
    steps = Counter(round(b - a, 4) for a, b in itertools.pairwise(good))
    step = min(s for s in steps if steps[s] == max(steps.values()))
    inhibit, run = good[-1] + step * (len(rows) - len(good)), rows[-1][1]
    usual = rows[-1][0] + statistics.median(run - adc for adc, run, _ in rows[:50])
    ahead = rows[1][1] - rows[1][0]
    if ahead > 10:
        inhibit, run, usual = inhibit - rows[1][2] - 2 * step, run - ahead, usual - ahead
    return (usual if abs(run - usual) > 0.2 else run) - inhibit


# Eighths of a second: all sums are exact, so that no comparison hangs on rounding.
EIGHTHS = st.integers(0, 400).map(lambda n: n / 8)
ROWS = st.tuples(EIGHTHS, EIGHTHS, st.one_of(st.just(0.0), EIGHTHS, st.integers(0, 20).map(lambda n: n / 8)))


@given(st.lists(ROWS, min_size=1, max_size=60))
def test_new_style_by_plain_loops(rows: list[tuple[float, float, float]]) -> None:
    assert measure_volume(new_table(*rows)).look_time == pytest.approx(look_time(rows))


@given(st.lists(st.tuples(st.integers(1, 9), EIGHTHS, EIGHTHS), min_size=1))
def test_old_style_by_plain_loops(rows: list[tuple[int, float, float]]) -> None:
    first: dict[int, tuple[float, float]] = {}
    for trigger, opened, grabbed in rows:
        first.setdefault(trigger, (opened, grabbed))
    times = list(first.values())
    look = times[-1][1] - 0.073
    for (_, grabbed), (opened, _) in itertools.pairwise(times):
        look -= max(opened - grabbed, 0.073)
    volume = measure_volume(old_table(*rows))
    assert volume.look_time == pytest.approx(look)
    assert volume.ml_analyzed == pytest.approx(look / 240)


# --- real bins ---


@shared
@pytest.mark.parametrize("bin_id", [NEW, OLD])
def test_real_bins_as_pyifcb_to_the_last_digit(bin_id: str) -> None:
    right = json.loads((RAW / "oracles" / "pyifcb_1.3.0_metrics.json").read_text())[bin_id]
    head = read_header((RAW / f"{bin_id}.hdr").read_bytes(), "hdr")
    volume = measure_volume(read_triggers(bin_id, (RAW / f"{bin_id}.adc").read_bytes(), "adc"), head)
    assert [volume.ml_analyzed, volume.look_time, volume.run_time] == right["dispatched"]
    assert volume.volume_method == "adc"
    assert (head.temperature, head.humidity) == (right["temp"], right["hum"])
    if bin_id == NEW:
        assert volume.ml_analyzed_header == right["hdr"][0]
        assert volume.ml_analyzed == pytest.approx(4.8850699, abs=5e-8)
        assert volume.ml_analyzed_header == pytest.approx(5.0808412, abs=5e-8)
        assert volume.volume_disagreement == pytest.approx(5.0808412 / 4.8850699 - 1, abs=1e-7)
    else:
        assert volume.ml_analyzed == pytest.approx(0.0033914708, abs=5e-11)
        assert volume.ml_analyzed_header is None


@shared
@pytest.mark.parametrize("bin_id", ["D20150411T205456_IFCB012", "IFCB5_2017_001_033645"])
def test_real_empty_bins(bin_id: str) -> None:
    empty = RAW / "edge" / "empty" / bin_id
    head = read_header(empty.with_suffix(".hdr").read_bytes(), "hdr")
    volume = measure_volume(read_triggers(bin_id, empty.with_suffix(".adc").read_bytes(), "adc"), head)
    assert measured(volume) == (None, "")


# --- fast runs: the header's look time x 0.25 mL/min x RunFastFactor / 60 ---


def fast_header(run_time: float | None = 240.5, inhibit_time: float | None = 0.5, **settings: str) -> Header:
    return Header("keyed", settings, run_time, inhibit_time)


@pytest.mark.parametrize("key", ["runSampleFast", "RunSampleFast"])
@pytest.mark.parametrize("said", ["1", "True", "true", "TRUE", "1.000000"])
def test_a_fast_run_by_its_header_and_factor(key: str, said: str) -> None:
    # 240 s x 0.25 mL/min = 1 mL, four times as fast; the clocks of the .adc give 239.55 s.
    volume = measure_volume(new_table(*GOOD), fast_header(**{key: said, "RunFastFactor": "4.000000"}))
    assert measured(volume) == (pytest.approx(4.0), "header+run_fast_factor")
    assert (volume.look_time, volume.run_time, volume.note) == (240, 240.5, "")
    assert volume.ml_analyzed_adc == pytest.approx(0.998125 * 4)
    assert volume.volume_disagreement == pytest.approx(240 / 239.55 - 1)


def test_as_the_dashboard_the_factor_is_ignored() -> None:
    head = fast_header(runSampleFast="1", RunFastFactor="4")
    volume = measure_volume(new_table(*GOOD), head, "as_dashboard")
    assert measured(volume) == (pytest.approx(0.998125), "adc+no_run_fast_factor")
    one_trigger = measure_volume(new_table(GOOD[0]), head, "as_dashboard")
    assert measured(one_trigger) == (pytest.approx(1.0), "header+no_run_fast_factor")
    without = measure_volume(new_table(*GOOD), fast_header(runSampleFast="1"), "as_dashboard")
    assert measured(without) == measured(volume)


@pytest.mark.parametrize("said", ["0", "False", "false", "0.0", ""])
def test_the_factor_of_a_normal_run_means_nothing(said: str) -> None:
    head = fast_header(runSampleFast=said, RunFastFactor="5")
    for volume in (measure_volume(new_table(*GOOD), head), measure_volume(new_table(*GOOD), head, "as_dashboard")):
        assert volume == measure_volume(new_table(*GOOD), fast_header())
        assert measured(volume) == (pytest.approx(0.998125), "adc")


def test_what_is_neither_true_nor_false_is_a_normal_run_and_noted() -> None:
    volume = measure_volume(new_table(*GOOD), fast_header(runSampleFast="-1.#IND", RunFastFactor="5"))
    assert measured(volume) == (pytest.approx(0.998125), "adc")
    assert volume.note == "runSampleFast is '-1.#IND', neither true nor false: taken for a normal run"


@pytest.mark.parametrize("factor", ["", "0", "0.000000", "-5", "nan", "five", "1e400"])
def test_a_fast_run_without_a_usable_factor_has_no_volume(factor: str) -> None:
    volume = measure_volume(new_table(*GOOD), fast_header(runSampleFast="True", RunFastFactor=factor))
    assert volume == Volume(note=f"a fast run (runSampleFast) without a usable RunFastFactor: {factor!r}")


@pytest.mark.parametrize("clocks", [(None, 0.5), (240.5, None), (0.0, 0.0)])
def test_a_fast_run_whose_header_has_no_clocks_has_no_volume(clocks: tuple[float | None, float | None]) -> None:
    volume = measure_volume(new_table(*GOOD), fast_header(*clocks, runSampleFast="1", RunFastFactor="5"))
    assert measured(volume) == (None, "")
    assert "no runTime and inhibitTime" in volume.note


def test_a_fast_run_without_a_trigger_has_no_volume() -> None:
    volume = measure_volume(read_triggers(NEW, b"", "a"), fast_header(runSampleFast="1", RunFastFactor="4"))
    assert measured(volume) == (None, "")
    assert volume.ml_analyzed_header == pytest.approx(4)


CASES = RAW.parent / "cases"


@pytest.mark.skipif(not CASES.exists(), reason=f"no shared data in {CASES}")
def test_a_real_fast_run() -> None:
    path = CASES / "fast_run" / "D20180712T065600_IFCB114.hdr"
    head = read_header(path.read_bytes(), "hdr")
    triggers = read_triggers(path.stem, path.with_suffix(".adc").read_bytes(), "adc", head.adc_columns)
    volume = measure_volume(triggers, head)
    assert volume.look_time == pytest.approx(238.018835 - 1.50005, abs=1e-9)
    assert volume.ml_analyzed == pytest.approx(236.518785 * 0.25 * 5 / 60, rel=1e-12)
    assert volume.ml_analyzed == pytest.approx(4.92747, abs=5e-6)
    assert measure_volume(triggers, head, "as_dashboard").ml_analyzed == pytest.approx(0.38622, abs=5e-6)
