"""Figures: their data against days described ROI by ROI, and the files themselves."""

import csv
import html
import json
import re
from pathlib import Path
from typing import Any

import altair as alt
import jsonschema
import pandas as pd
import pytest
import vl_convert

from ifcb_abundance.abundance.days import merge_abundance
from ifcb_abundance.classes.class_table import AFTER, BEFORE, LabelTable
from ifcb_abundance.classes.top_classes import top_classes
from ifcb_abundance.features.biovolume import merge_biovolume
from ifcb_abundance.figures import bin_series, positions, richness, span, time_series, words
from ifcb_abundance.figures import chart_parts as parts
from ifcb_abundance.figures.colours import NOT_LIVING, OKABE_ITO
from ifcb_abundance.figures.coverage_calendar import NO_BINS
from ifcb_abundance.figures.draw import describe, draw_figure, for_paper
from ifcb_abundance.figures.heat_map import ZERO
from ifcb_abundance.figures.options import FigureOptions
from ifcb_abundance.figures.registry import FIGURES, FORMS
from ifcb_abundance.figures.rows import NO_DATA, NOT_ASSESSED, read_abundance
from ifcb_abundance.figures.size_spectrum import DROP_OFF
from ifcb_abundance.pooling.method import Method
from ifcb_abundance.tables import table_files
from tests.abundance.pooling import (
    CLASSES,
    FEATURE_PARTS,
    PARTS,
    Rois,
    Row,
    a_bin,
    pool,
    pool_features,
    records,
    rois,
)
from tests.checkout import ROOT

MERGED = {"abundance": "abundance.csv", "ledger": "ledger.csv", "groups": "groups.csv", "coverage": "coverage.csv"} | {
    "bins": "bins.parquet",
    "sweep": "sweep.csv",
}
FOLDER = Path(span.__file__).parent
# Figures of stages beside the main job are in files of their own.
OF_BINS = {
    name: figure
    for name, figure in FIGURES.items()
    if not (figure.needs_labels or figure.needs_curation or figure.needs_runs or figure.needs_quality)
}
Day = list[tuple[Row, Rois | str]]


class Run:
    """The merged tables of a few days, and the figures drawn from them."""

    def __init__(self, folder: Path, days: list[Day], group_by: tuple[str, ...] = ("instrument",), **traits: Any):
        method: dict[str, Any] = {"group_by": group_by, "class_table": CLASSES} | traits
        folders = []
        for i, day in enumerate(days):
            folders.append(folder / str(i))
            folders[-1].mkdir(parents=True)
            pool(folders[-1], [row for row, _ in day], [scores for _, scores in day], **method)
            pool_features(folders[-1], [row for row, _ in day], [scores for _, scores in day], **method)
        catalog = folder / "catalog.csv"
        listed = pd.concat([records([row for row, _ in day]) for day in days])
        table_files.write(listed[table_files.columns("catalog")], "catalog", catalog)
        parts = {name: [of_day / file for of_day in folders] for name, file in PARTS.items()}
        merged = {name: str(folder / file) for name, file in MERGED.items()}
        merge_abundance(parts, catalog, Method(**method), True, folder / "bins", merged)
        tables: dict[str, Any] = {"ledger": merged["ledger"], "catalog": catalog}
        tables |= {name: [of_day / file for of_day in folders] for name, file in FEATURE_PARTS.items()}
        of_features = {name: str(folder / file) for name, file in FEATURE_PARTS.items()}
        merge_biovolume(tables, of_features, Method(**method), {"default": 1.0}, True, folder)
        both = {**MERGED, **FEATURE_PARTS}
        self.tables = {"catalog": catalog, **{name: folder / file for name, file in both.items()}}
        self.options = {"dataset": "here", "group_by": group_by, "top_classes": 20}
        self.options |= {"one_class": None, "confidence": 0.95}

    def spec(self, figure: str, **options: Any) -> dict[str, Any]:
        return describe(figure, self.tables, FigureOptions(**self.options | options))

    def svg(self, figure: str, **options: Any) -> str:
        return vl_convert.vegalite_to_svg(for_paper(self.spec(figure, **options)))

    def rows(self, figure: str, **options: Any) -> list[dict[str, str]]:
        """The data of a figure, as text."""
        return list(csv.DictReader(self.spec(figure, **options)["data"]["values"].splitlines()))


def texts(svg: str) -> set[str]:
    return {html.unescape(text) for text in re.findall(r">([^<>]+)</(?:text|tspan)>", svg)}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two instruments from the 1st to the 7th: a zero, a gap, a day without a used bin, a class that comes later.

    Shared by tests that only look at it.
    """
    return Run(
        tmp_path_factory.mktemp("run"),
        [
            # 2 mL a bin: A 2/mL, B 0.5/mL; C is known to neither
            [(a_bin(1, 10, "20240201"), rois(A=4, B=1)), (a_bin(1, 125, "20240201"), rois(A=2, B=0))],
            [(a_bin(1, 10, "20240202"), rois(A=0, B=0, D=9)), (a_bin(1, 125, "20240202"), rois(A=2, B=0))],
            # no bin of any on the 3rd; IFCB10 has none on the 4th, and none that is used on the 5th
            [(a_bin(1, 125, "20240204"), rois(1, A=2, B=0))],
            [(a_bin(1, 10, "20240205"), "no_scores"), (a_bin(1, 125, "20240205"), rois(A=2, B=0))],
            [(a_bin(1, 10, "20240206"), rois(A=6, B=0, C=2)), (a_bin(1, 125, "20240206"), rois(A=2, B=0))],
            [(a_bin(1, 10, "20240207"), rois(A=8, B=0, C=2)), (a_bin(1, 125, "20240207"), rois(A=2, B=0))],
        ],
    )


# --- which classes ---


def test_the_classes_shown_are_the_most_abundant_that_live_or_may_live(tmp_path: Path) -> None:
    # D does not live, E is in no class table; F is known to one bin only, so its 2 ROIs are of 2 mL, those of A of 4
    day = [(a_bin(1), rois(50, A=1, B=4, D=90, E=9)), (a_bin(2), rois(50, A=2, B=3, D=90, E=9, F=2))]
    abundance = read_abundance(Run(tmp_path, [day]).tables, OPTIONS, None, "living")
    assert top_classes(abundance, 20) == ["E", "B", "F", "A"]
    assert top_classes(abundance, 2) == ["E", "B"]


OPTIONS = FigureOptions("here", ("instrument",), 20, None, 0.95)


def test_the_order_of_classes_is_that_of_the_whole_window(run: Run) -> None:
    assert run.spec("heat_map")["spec"]["layer"][0]["encoding"]["y"]["scale"]["domain"] == ["A", "C", "B"]
    assert run.spec("heat_map", top_classes=1)["spec"]["layer"][0]["encoding"]["y"]["scale"]["domain"] == ["A"]


# --- zero, missing, not assessed ---


def test_the_heat_map_tells_zero_missing_and_not_assessed_apart(run: Run) -> None:
    rows = [row for row in run.rows("heat_map") if row["series"] == "IFCB10"]
    found = {(row["class"], row["day"]): float(row["value"]) for row in rows if row["value"] and not row["state"]}
    assert found == {
        ("A", "2024-02-01"): 2.0,
        ("A", "2024-02-06"): 3.0,
        ("A", "2024-02-07"): 4.0,
        ("B", "2024-02-01"): 0.5,
        ("C", "2024-02-06"): 1.0,
        ("C", "2024-02-07"): 1.0,
    }
    rest = {(row["class"], row["day"], row["end"]): row["state"] for row in rows if row["state"]}
    gap = ("2024-02-03", "2024-02-06")  # until the 6th, exclusive
    assert rest == {
        ("A", "2024-02-02", "2024-02-03"): ZERO,
        ("A", *gap): NO_DATA,
        ("B", "2024-02-02", "2024-02-03"): ZERO,
        ("B", *gap): NO_DATA,
        ("B", "2024-02-06", "2024-02-08"): ZERO,
        ("C", "2024-02-01", "2024-02-03"): NOT_ASSESSED,
        ("C", *gap): NO_DATA,
    }


@pytest.mark.parametrize(
    ("label", "in_dejavu"),  # pixels at 10 px, measured with the font itself
    [("Thalassiosira_TAG_external_detritus", 179.7), ("nanoplankton <10um", 109.1), ("Guinardia delicatula", 100.6)],
)
def test_labels_have_room_in_a_wide_font(label: str, in_dejavu: float) -> None:
    assert in_dejavu < words.wide_width(label) < 1.2 * in_dejavu


def test_each_has_a_colour_and_a_line_in_the_legend(run: Run) -> None:
    svg = run.svg("heat_map")
    assert {ZERO, NOT_ASSESSED, NO_DATA, "objects mL⁻¹ (log scale)"} <= texts(svg)
    assert {'fill="#ffffff"', 'fill="#F7A1C4"', 'fill="#d9d9d9"'} <= set(re.findall(r'fill="#[0-9A-Fa-f]{6}"', svg))


def test_lines_break_at_gaps_and_zeros_are_points(run: Run) -> None:
    rows = [row for row in run.rows("time_series") if row["rank"] == "0" and row["key"] == "IFCB10"]
    assert [(row["day"], row["value"]) for row in rows] == [
        ("2024-02-01", "2"),
        ("2024-02-02", "0"),
        ("2024-02-03", ""),  # one empty row breaks the line, all through the 5th
        ("2024-02-06", "3"),
        ("2024-02-07", "4"),
    ]
    # 4 ROIs in 2 mL, one bin, so no dispersion: Garwood's limits of 4 are 1.090 and 10.24; of 0 they are 0 and 3.689
    assert float(rows[0]["low"]) == pytest.approx(1.090 / 2, rel=1e-3)
    assert float(rows[0]["high"]) == pytest.approx(10.24 / 2, rel=1e-3)
    assert [float(rows[1]["low"]), float(rows[1]["high"])] == pytest.approx([0, 3.689 / 2], rel=1e-3)


def test_time_series_say_why_a_line_breaks(run: Run) -> None:
    lacking = [row for row in run.rows("time_series") if row["line"]]
    told = {(row["rank"], row["key"], row["day"], row["end"]) for row in lacking if row["line"] == "0"}
    assert told == {
        *((rank, NO_DATA, "2024-02-03", "2024-02-06") for rank in "012"),
        ("1", NOT_ASSESSED, "2024-02-01", "2024-02-03"),
    }
    of_other = {(row["rank"], row["key"], row["day"], row["end"]) for row in lacking if row["line"] == "1"}
    assert ("0", NO_DATA, "2024-02-03", "2024-02-04") in of_other
    assert {NOT_ASSESSED, NO_DATA, "IFCB10", "IFCB125"} <= texts(run.svg("time_series"))


def test_a_day_between_gaps_is_drawn_as_a_point_in_long_windows_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time_series, "DOTS_MOST", 1)
    run = Run(tmp_path, [[(a_bin(1, 10, day), rois(A=4))] for day in ("20240201", "20240203", "20240204")])
    assert [(row["day"], row["dot"]) for row in run.rows("time_series") if row["value"]] == [
        ("2024-02-01", "1"),
        ("2024-02-03", ""),
        ("2024-02-04", ""),
    ]


def test_the_last_day_of_one_series_is_no_neighbour_of_the_first_day_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(richness, "DOTS_MOST", 1)
    found = [("20240201", 125), ("20240203", 10), ("20240204", 10)]
    run = Run(tmp_path, [[(a_bin(1, instrument, day), rois(A=5))] for day, instrument in found])
    assert [(row["series"], row["day"], row["dot"]) for row in run.rows("richness") if row["richness"]] == [
        ("IFCB10", "2024-02-03", "0"),
        ("IFCB10", "2024-02-04", "0"),
        ("IFCB125", "2024-02-01", "1"),
    ]


def test_a_day_without_a_living_roi_has_too_few_for_the_richness(tmp_path: Path) -> None:
    """Two of four days with used bins have the 20 ROIs of A, so no size is reached by nine in ten, and it is 5."""
    found = (rois(A=20), rois(A=20), rois(A=0), rois(D=9))
    run = Run(tmp_path, [[(a_bin(1, 10, f"2024020{day}"), of_day)] for day, of_day in enumerate(found, 1)])
    spec = run.spec("richness")
    told = " ".join(spec["title"]["subtitle"])
    assert "expected among 5 ROIs drawn at random" in told
    assert "2 of 4 points have fewer" in told
    assert "nine in ten have as many ROIs, unless the size is 5, the smallest" in spec["description"]
    assert [row["day"] for row in run.rows("richness") if row["richness"]] == ["2024-02-01", "2024-02-02"]


# --- composition and coverage ---


def test_shares_are_those_of_all_rois(run: Run) -> None:
    rows = run.rows("composition")
    of_10 = [row for row in rows if row["series"] == "IFCB10"]
    assert {(row["day"], row["kind"]): row["count"] for row in of_10} == {
        ("2024-02-01", "diatom"): "5",
        ("2024-02-02", NOT_LIVING): "9",
        ("2024-02-06", "diatom"): "6",
        ("2024-02-06", "dinoflagellate"): "2",
        ("2024-02-07", "diatom"): "8",
        ("2024-02-07", "dinoflagellate"): "2",
    }
    last = {row["kind"]: (row["bottom"], row["top"]) for row in of_10 if row["day"] == "2024-02-07"}
    assert last == {"diatom": ("0", "0.8"), "dinoflagellate": ("0.8", "1")}
    fourth = {row["kind"]: row["count"] for row in rows if row["day"] == "2024-02-04"}
    assert fourth == {"diatom": "2", "unclassified": "1"}


def test_a_day_without_a_roi_is_no_gap(tmp_path: Path) -> None:
    run = Run(tmp_path, [[(a_bin(1, 10, "20240201"), rois(A=0))], [(a_bin(1, 10, "20240202"), rois(A=1))]])
    rows = run.rows("composition")
    assert {row["day"]: row["count"] for row in rows} == {"2024-02-01": "0", "2024-02-02": "1"}
    assert "0" in texts(run.svg("composition"))


def test_bins_per_status_and_days_without_a_bin(run: Run) -> None:
    rows = [row for row in run.rows("coverage_calendar") if row["panel"] == "IFCB10, 2024"]
    # 1 February 2024 was a Thursday, the fourth day from 0; the next Monday begins a week
    cells = {(row["day"][-2:], row["week"], row["weekday"], row["used"], row["lost"], row["state"]) for row in rows}
    assert cells == {
        ("01", "0", "3", "1", "0", ""),
        ("02", "0", "4", "1", "0", ""),
        ("03", "0", "5", "0", "0", NO_BINS),
        ("04", "0", "6", "0", "0", NO_BINS),
        ("05", "1", "0", "0", "1", "no_scores"),
        ("06", "1", "1", "1", "0", ""),
        ("07", "1", "2", "1", "0", ""),
    }


# --- the other figures ---


def test_the_sweep_has_the_threshold_in_use(tmp_path: Path) -> None:
    day = [(a_bin(1), (["A", "B"], [[0.9, 0], [0.62, 0.1], [0.3, 0.2]]))]
    run = Run(tmp_path, [day], threshold=0.6, class_thresholds={"B": 0.8})
    rows = run.rows("threshold_sweep")
    kept = {float(row["threshold"]): row["share_kept"] for row in rows if row["panel"].startswith("A ")}
    assert [kept[0.3], kept[0.6], kept[0.65], kept[0.9], kept[0.95]] == ["1", "0.6667", "0.3333", "0.3333", "0"]
    assert {row["panel"]: row["in_use"] for row in rows if row["in_use"]} == {
        "A  (n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}3)": "0.6",
        "B  (n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}0)": "0.8",
    }
    assert "never wins" in texts(run.svg("threshold_sweep"))


def test_classes_that_come_as_counts_per_bin_have_no_sweep(tmp_path: Path) -> None:
    """The sweep has no row of them, as with summaries of MATLAB. Of 4 ROIs A wins 3 and B wins 1."""
    run = Run(tmp_path, [[(a_bin(1), rois(A=3, B=1))]])
    sweep = table_files.read("threshold_sweep", run.tables["sweep"])
    table_files.write(sweep[sweep["class"] == "B"], "threshold_sweep", run.tables["sweep"])
    assert {row["panel"].replace("\N{NO-BREAK SPACE}", "") for row in run.rows("threshold_sweep")} == {"B  (n=1)"}
    table_files.write(sweep[:0], "threshold_sweep", run.tables["sweep"])
    for merged in ({}, {"A": "B"}):
        said = " ".join(texts(run.svg("threshold_sweep", merged=merged)))
        assert "the class scores are counts per bin, which tell of no other threshold" in said


@pytest.mark.parametrize("when", [BEFORE, AFTER])
def test_labels_that_are_one_class_are_added_up(tmp_path: Path, when: str) -> None:
    """By hand: in 2 mL each, 3 ROIs of `c one` and 1 of B, spelt as `b`, then 2 of C: 4 and 2 of the class `big`. Of
    their scores 0.9, 0.9, 0.9, 0.3, 0.9 and 0.62, the threshold 0.35 keeps five, and 0.65 four."""
    one = {"synonym_of": "big", "merge": when}
    table = LabelTable(
        {"C_one": CLASSES["B"] | one, "B": CLASSES["B"] | one, "C": CLASSES["B"] | one, "big": CLASSES["B"]}, loose=True
    )
    first = (["c one", "b", "Other"], [[0.9, 0, 0]] * 3 + [[0, 0.3, 0.1]])
    second = (["C", "Other"], [[0.9, 0], [0.62, 0.1]])
    run = Run(tmp_path, [[(a_bin(1), first), (a_bin(2), second)]], class_table=table, threshold=0.25)
    merged = {"merged": table.merged_labels(), "merged_spellings": table.merged_spellings()}
    sweep = table_files.read("threshold_sweep", run.tables["sweep"])
    assert sweep.loc[sweep["threshold"] == 0.65, ["class", "count"]].values.tolist() == [["Other", 0], ["big", 4]]
    rows = run.rows("threshold_sweep", **merged)
    assert {row["panel"].replace("\N{NO-BREAK SPACE}", "") for row in rows} == {"big  (n=6)", "Other  (n=0)"}
    kept = {float(row["threshold"]): row for row in rows if row["panel"].startswith("big")}
    assert [(kept[at]["count"], kept[at]["share_kept"]) for at in (0, 0.35, 0.65, 0.95)] == [
        ("6", "1"), ("5", "0.8333"), ("4", "0.6667"), ("0", "0")
    ]  # fmt: skip
    assert {row["in_use"] for row in rows if row["in_use"]} == {"0.25"}
    values = [(row["day"][-3:-1], row["value"]) for row in run.rows("bin_series", **merged) if not row["end"]]
    assert values == [("01", "2"), ("02", "1")]
    assert run.rows("bin_series", one_class="Other", **merged)[0]["value"] == "0"


def test_where_labels_are_matched_letter_by_letter_no_other_spelling_is_merged() -> None:
    rows = {"b": CLASSES["B"] | {"synonym_of": "a"}, "a": CLASSES["A"]}
    for loose, names in ((False, ["a", "a", "B", "A"]), (True, ["a", "a", "a", "a"])):
        table = LabelTable(rows, loose)
        merged = {"merged": table.merged_labels(), "merged_spellings": table.merged_spellings()}
        options = FigureOptions("here", (), 20, None, 0.95, **merged)  # type: ignore[arg-type]
        assert [options.class_of(label) for label in ("a", "b", "B", "A")] == names
        assert [table.merged(label) for label in ("a", "b", "B", "A")] == names
    assert LabelTable(CLASSES).merged_labels() == {}


def test_the_map_has_used_bins_with_a_position(tmp_path: Path) -> None:
    day = [
        (a_bin(1, latitude=41.5, longitude=-70.5), rois(A=1)),
        (a_bin(2, latitude=41.5, longitude=-70.5), rois(A=1)),
        (a_bin(3, latitude=42.5, longitude=-70.25), rois(A=1)),
        (a_bin(4, latitude=43.5, longitude=-70.0), "no_scores"),
        (a_bin(5), rois(A=1)),
    ]
    run = Run(tmp_path, [day])
    found = {(float(row["latitude"]), float(row["longitude"])): row["bins"] for row in run.rows("positions")}
    assert found == {(41.5, -70.5): "2", (42.5, -70.25): "1"}
    assert any(text.startswith("3 of 4 used bins") for text in texts(run.svg("positions")))


def test_series_of_the_map_and_their_colours_are_those_of_other_figures(tmp_path: Path) -> None:
    """Of seven instruments, six have three used bins each; the first of them has no position, and the others have one.

    The last has two bins with a position, so it has more of those, but fewer used bins than each other one.
    """
    day = [(a_bin(n, i, **(PLACED if i > 1 and n == 0 else {})), rois(A=1)) for i in range(1, 7) for n in range(3)]
    run = Run(tmp_path, [[*day, *((a_bin(n, 7, **PLACED), rois(A=1)) for n in range(2))]])
    spec = run.spec("positions")
    marks = [layer for layer in spec["layer"] if layer["mark"]["type"] == "point"]
    found = {layer["transform"][-1]["filter"].split("'")[1]: layer["mark"]["color"] for layer in marks}
    lines = run.spec("richness")["layer"][0]["encoding"]["color"]["scale"]
    assert found == {f"IFCB{i}": OKABE_ITO[i - 1] for i in range(2, 7)}
    assert found.items() <= dict(zip(lines["domain"], lines["range"], strict=True)).items()
    assert "5 of the 6 groups with a position, those with the most used bins" in spec["title"]["subtitle"]
    # Where it alone has a position, it is shown all the same.
    catalog = pd.read_csv(run.tables["catalog"])
    catalog.loc[catalog["instrument"] != "IFCB7", ["latitude", "longitude"]] = None
    catalog.to_csv(run.tables["catalog"], index=False)
    assert {row["series"] for row in run.rows("positions")} == {"IFCB7"}
    assert "IFCB7 alone: no used bin of the others has a position" in run.spec("positions")["title"]["subtitle"]


def test_a_map_is_true_to_scale_and_goes_over_the_date_line(tmp_path: Path) -> None:
    day = [
        (a_bin(1, latitude=59.0, longitude=179.0), rois(A=1)),
        (a_bin(2, latitude=61.0, longitude=-177.0), rois(A=1)),
    ]
    run = Run(tmp_path, [day])
    assert sorted(float(row["longitude"]) for row in run.rows("positions")) == [179, 183]
    spec = run.spec("positions")
    (west, east), (south, north) = (spec["layer"][-1]["encoding"][axis]["scale"]["domain"] for axis in "xy")
    # at 60 degrees north a degree of longitude is half as long as one of latitude
    assert spec["width"] / (east - west) == pytest.approx(0.5 * spec["height"] / (north - south), rel=0.01)
    assert west < 179 < 183 < east
    assert {"177°W", "178°W"} & texts(run.svg("positions"))


def test_places_are_made_coarser_until_they_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(positions, "PLACES_MOST", 300)
    track = pd.DataFrame({"longitude": [i / 1000 for i in range(1000)], "latitude": 0.0, "series": "x"})
    bins = track.assign(bin=[f"{i:04d}" for i in range(1000)], day=["2024-02-01"] * 1000)
    bins["sample_time"] = pd.date_range("2024-02-01", periods=1000, freq="s")
    places = positions.thinned(bins, 1.0)
    assert len(places) <= 300
    assert places["bins"].sum() == 1000
    assert set(places["longitude"]) <= set(bins["longitude"])  # positions stay what they are


def test_one_class_bin_by_bin(run: Run) -> None:
    rows = run.rows("bin_series")
    bins = [(row["day"], row["value"]) for row in rows if row["series"] == "IFCB10" and not row["end"]]
    assert [(time, value) for time, value in bins if value] == [
        ("2024-02-01T00:00:01Z", "2"),
        ("2024-02-02T00:00:01Z", "0"),
        ("2024-02-06T00:00:01Z", "3"),
        ("2024-02-07T00:00:01Z", "4"),
    ]
    assert [time for time, value in bins if not value] == ["2024-02-06T00:00:00Z"]  # four days without are a gap
    steps = {row["day"][:10]: row["mean"] for row in rows if row["series"] == "IFCB10" and row["end"]}
    assert steps == {"2024-02-01": "2", "2024-02-02": "0", "2024-02-06": "3", "2024-02-07": "4"}
    assert "A" in texts(run.svg("bin_series"))
    assert any(text.startswith("Bin by bin, here") for text in texts(run.svg("bin_series")))
    assert {row["value"] for row in run.rows("bin_series", one_class="D") if not row["end"]} == {"4.5"}


@pytest.mark.parametrize("last", ["20240202", "20240501"], ids=["bins", "daily band"])
def test_groups_that_did_not_look_for_the_class_give_way_to_one_that_did(tmp_path: Path, last: str) -> None:
    """Seven instruments, of which the last has the fewest bins. It alone looked for C: 3 ROIs in 2 mL, beside 9 in
    all the others, which looked for A. A is the most abundant class of the six that are shown by default."""
    day = [(a_bin(i, i, "20240201"), rois(A=9)) for i in range(1, 7)]
    more = [(a_bin(10 + i, i, last), rois(A=9)) for i in range(1, 7)]
    run = Run(tmp_path, [[*day, (a_bin(7, 7, "20240201"), rois(C=3))], more])
    rows = run.rows("bin_series", one_class="C")
    assert [(row["series"], row["value"], row["mean"]) for row in rows] == [("IFCB7", "1.5", ""), ("IFCB7", "", "1.5")]
    assert "IFCB7 alone: no label set of the others has the class" in texts(run.svg("bin_series", one_class="C"))
    assert {row["series"] for row in run.rows("bin_series")} == {f"IFCB{i}" for i in range(1, 7)}


def test_the_class_of_a_group_that_is_not_shown_is_shown_if_the_others_have_none_that_lives(tmp_path: Path) -> None:
    day = [(a_bin(i, i), rois(D=9)) for i in range(1, 7)] + [(a_bin(10 + i, i), rois(D=9)) for i in range(1, 7)]
    run = Run(tmp_path, [[*day, (a_bin(7, 7), rois(C=3))]])
    assert {row["series"] for row in run.rows("bin_series")} == {"IFCB7"}


# --- long windows ---


def test_of_many_bins_the_last_days_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bin_series, "BINS_SHOWN", 3)
    days = [[(a_bin(i, 10, f"202402{day:02d}"), rois(A=day)) for i in (1, 2)] for day in (1, 2, 3)]
    run = Run(tmp_path, days)
    rows = run.rows("bin_series")
    assert [row["day"] for row in rows if row["value"]] == [
        f"2024-02-0{day}T00:00:0{i}Z" for day in (2, 3) for i in (1, 2)
    ]
    assert [row["mean"] for row in rows if row["end"]] == ["1", "1.5"]
    assert any("the last 4 of 6 used bins" in text for text in texts(run.svg("bin_series")))


def test_a_window_of_many_years_is_pooled_into_weeks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(span, "DAYS_MOST", 7)
    days = [f"202402{day:02d}" for day in (1, 2, 8, 9)]
    run = Run(tmp_path, [[(a_bin(1, 10, day), rois(A=hits))] for day, hits in zip(days, (4, 2, 0, 1), strict=True)])
    # 6 ROIs in 4 mL from the 1st to the 7th; 1 in 4 mL from the 8th on
    rows = [row for row in run.rows("time_series") if row["value"]]
    assert [(row["day"], row["value"]) for row in rows] == [("2024-02-01", "1.5"), ("2024-02-08", "0.25")]
    # Garwood's limits of 6 are 2.202 and 13.06
    assert [float(rows[0]["low"]), float(rows[0]["high"])] == pytest.approx([2.202 / 4, 13.06 / 4], rel=1e-3)
    assert {(row["day"], row["end"]) for row in run.rows("heat_map")} == {
        ("2024-02-01", "2024-02-08"),
        ("2024-02-08", "2024-02-15"),
    }
    assert [row["used"] for row in run.rows("coverage_calendar") if row["used"] != "0"] == ["1"] * 4  # days stay days
    assert any("span of 7 days, pooled" in text for text in texts(run.svg("heat_map")))


# --- every figure, in every kind of run ---

ODD = ["nanoplankton <10um", "Chaetoceros, single cell", "a.b[0]", 'it\'s "so"', "</script><b>", "datum['x']", "NA"]
VALIDATOR = jsonschema.Draft7Validator(alt.load_schema())
PLACED = {"latitude": 41.3, "longitude": -70.6}
KINDS: dict[str, list[Day]] = {
    "no used bin": [[(a_bin(1), "no_scores")]],
    "one bin": [[(a_bin(1, **PLACED), rois(A=3))]],
    "all zero": [[(a_bin(1, **PLACED), rois(5, A=0, B=0))], [(a_bin(1, 10, "20240216", **PLACED), rois(A=0, B=0))]],
    "no roi": [[(a_bin(1, **PLACED), rois(A=0))]],
    "nothing lives": [[(a_bin(1, **PLACED), rois(D=4))]],
    "odd labels": [
        [(a_bin(1, **PLACED), (ODD, [[0.9 * (i == j) for i in range(len(ODD))] for j in range(len(ODD))]))],
        [(a_bin(1, 10, "20240218", **PLACED), (ODD, [[0.9, *[0] * (len(ODD) - 1)]]))],
    ],
    "many groups": [[(a_bin(i, i, **PLACED), rois(A=i)) for i in range(1, 11)]],
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_figure_can_be_drawn(tmp_path: Path, kind: str) -> None:
    run = Run(tmp_path, KINDS[kind])
    for figure in OF_BINS:
        spec = run.spec(figure)
        assert not [error.message for error in VALIDATOR.iter_errors(spec)], figure
        assert "here" in " ".join(texts(vl_convert.vegalite_to_svg(for_paper(spec))))


@pytest.mark.parametrize("group_by", [(), ("sample_type", "depth"), ("depth", "cruise", "instrument")])
def test_every_grouping_can_be_drawn(tmp_path: Path, group_by: tuple[str, ...]) -> None:
    there = {"depth": 5.5, "cruise": "EN644", "sample_type": "underway"}
    day = [(a_bin(1, **PLACED, **there), rois(A=3)), (a_bin(2, 125, **PLACED), rois(A=1, B=2))]
    run = Run(tmp_path, [day, [(a_bin(1, 10, "20240217", **PLACED, **there), rois(A=3))]], group_by)
    names = {
        (): {"all bins"},
        ("sample_type", "depth"): {"underway, 5.5 m", "no sample type, no depth"},
        ("depth", "cruise", "instrument"): {"5.5 m, EN644, IFCB10", "no depth, no cruise, IFCB125"},
    }[group_by]
    for figure in OF_BINS:
        assert vl_convert.vegalite_to_vega(run.spec(figure))
    for figure in ("heat_map", "composition", "coverage_calendar", "bin_series", "positions"):
        assert {row["series"] for row in run.rows(figure)} == names


def test_depths_that_hardly_differ_are_series_of_their_own(tmp_path: Path) -> None:
    """In 2 mL each, no ROI of A and 4 of them: 0 and 2 per mL. Garwood's upper limit of none is 3.689: 1.844 per mL."""
    depths = {12.345671: rois(A=0), 12.345674: rois(A=4)}
    day = [(a_bin(i, depth=depth), scores) for i, (depth, scores) in enumerate(depths.items())]
    rows = Run(tmp_path, [day], ("depth",)).rows("time_series")
    assert {row["key"]: row["value"] for row in rows} == {"12.345671 m": "0", "12.345674 m": "2"}
    assert [row["high"] for row in rows if row["value"] == "0"] == ["1.844"]


def test_labels_are_shown_as_they_are(tmp_path: Path) -> None:
    run = Run(tmp_path, KINDS["odd labels"])
    assert set(ODD) <= texts(run.svg("heat_map"))
    assert set(ODD) <= texts(run.svg("time_series"))


# Names that each object of JavaScript has, and others that are as wide and sort alike.
OF_OBJECTS = {"constructor": "constructed", "toString": "toStrong", "__proto__": "__prota__"}


def assert_drawn_alike(odd: str, plain: str) -> None:
    """Check that a picture of classes with the names of OF_OBJECTS is one of classes with the other names."""
    shown = {text.replace("\u200b", "") for text in texts(odd)}
    for name, other in OF_OBJECTS.items():
        shown = {text.replace(name, other) for text in shown}
    assert shown == texts(plain)
    assert odd.count("<path") == plain.count("<path")


def test_classes_and_groups_may_be_called_as_what_each_object_of_javascript_has(tmp_path: Path) -> None:
    odd, plain = (
        Run(
            tmp_path / names[0],
            [
                [
                    (
                        a_bin(1, 10, date, **PLACED, cruise=names[0]),
                        rois(A=4, **dict(zip(names, (8, 7, 6), strict=True))),
                    ),
                    (a_bin(2, 10, date, **PLACED, cruise="other"), rois(A=4)),
                ]
                for date in ("20240216", "20240217")
            ],
            ("cruise",),
        )
        for names in (list(OF_OBJECTS), list(OF_OBJECTS.values()))
    )
    for figure in OF_BINS:
        assert_drawn_alike(odd.svg(figure), plain.svg(figure))
    assert "constructor\u200b" in texts(odd.svg("time_series"))


def test_only_what_is_called_so_as_a_whole_is_made_harmless() -> None:
    given = {
        "title": ["constructor", "the constructor"],
        "transform": [{"filter": "datum.a == 'constructor' || datum.b == \"a \\\"constructor\\\" 'valueOf'\""}],
        "labelExpr": '({"toString": "toString…"})[datum.value] || datum.value',
        "width": 5,
    }
    assert parts.with_harmless_texts(given) == {
        "title": ["constructor\u200b", "the constructor"],
        "transform": [{"filter": "datum.a == 'constructor\u200b' || datum.b == \"a \\\"constructor\\\" 'valueOf'\""}],
        "labelExpr": '({"toString\u200b": "toString…"})[datum.value] || datum.value',
        "width": 5,
    }


def test_groups_that_are_left_out_are_told(tmp_path: Path) -> None:
    run = Run(tmp_path, KINDS["many groups"])
    for figure in ("time_series", "heat_map", "composition", "coverage_calendar", "positions", "bin_series"):
        assert any(text.startswith("6 of 10 groups") for text in texts(run.svg(figure))), figure


def test_what_cannot_be_shown_is_said(tmp_path: Path) -> None:
    empty = Run(tmp_path / "empty", KINDS["no used bin"])
    assert any("no bin of the window was used" in text for text in texts(empty.svg("heat_map")))
    assert any("none of the 0 used bins has a position" in text for text in texts(empty.svg("positions")))
    one = Run(tmp_path / "one", KINDS["one bin"])
    assert any("'Xy' is in no label set" in text for text in texts(one.svg("bin_series", one_class="Xy")))
    dead = Run(tmp_path / "dead", KINDS["nothing lives"])
    assert any("no class that lives" in text for text in texts(dead.svg("time_series")))


def test_axes_have_units_and_say_utc(run: Run) -> None:
    assert {"day (UTC)", "objects mL⁻¹"} <= texts(run.svg("time_series"))
    assert {"day (UTC)", "objects mL⁻¹ (log scale)"} <= texts(run.svg("heat_map"))
    assert {"day (UTC)", "share of ROIs (%)"} <= texts(run.svg("composition"))
    assert {"used bins", "Mon", "Feb"} <= texts(run.svg("coverage_calendar"))
    assert {"threshold (score)", "ROIs kept (%)"} <= texts(run.svg("threshold_sweep"))
    assert {"sample_time (UTC)", "objects mL⁻¹"} <= texts(run.svg("bin_series"))


@pytest.mark.parametrize("figure", ["dominance", "richness"])
def test_by_the_rule_each_a_figure_is_of_counts(run: Run, figure: str) -> None:
    """A ROI may count for several classes then, so it is not of ROIs."""

    def said(**options: Any) -> str:
        return json.dumps(run.spec(figure, **options)["title"])

    assert "ROIs" in said()
    assert "ROI" not in said(rule="each")
    assert "counts" in said(rule="each")


# --- files ---


def draw(run: Run, folder: Path, figure: str) -> dict[str, bytes]:
    scripts = folder / "vega.js"
    folder.mkdir()
    scripts.write_text("/* scripts */")
    files = {form: folder / f"{figure}.{form}" for form in FORMS}
    draw_figure(figure, run.tables, FigureOptions(**run.options), scripts, files)
    return {form: path.read_bytes() for form, path in files.items()}


@pytest.mark.parametrize("figure", OF_BINS)
def test_the_same_tables_give_the_same_bytes(run: Run, tmp_path: Path, figure: str) -> None:
    first = draw(run, tmp_path / "first", figure)
    assert first["pdf"].startswith(b"%PDF-")
    for again in ("second", "third"):
        assert draw(run, tmp_path / again, figure) == first


def test_a_label_cannot_end_the_script_of_a_page(tmp_path: Path) -> None:
    run = Run(tmp_path, KINDS["odd labels"])
    page = draw(run, tmp_path / "files", "heat_map")["html"].decode()
    assert page.count("</script>") == 2
    assert json.loads(draw(run, tmp_path / "again", "heat_map")["json"])["data"]["values"].count("</script><b>") > 0


def test_the_caption_goes_with_the_figure(tmp_path: Path) -> None:
    run = Run(tmp_path, [[(a_bin(0), rois(A=3))]])
    said = run.spec("time_series", top_classes=7, confidence=0.9)["description"]
    assert "The figure shows the 7 most abundant classes" in said
    assert "The band is the 90 % interval" in said
    assert [len(part) > 0 for part in said.split("\n\n")] == [True] * 3


# --- sizes and carbon


def test_the_drop_off_is_the_highest_bin_though_a_size_is_missing(tmp_path: Path) -> None:
    """Of 1000, 2000 and 3000 um3, so 12.4, 15.6 and 17.9 um, in 2 mL; the second is then taken out."""
    run = Run(tmp_path, [[(a_bin(0), rois(A=3))]])
    path = Path(run.tables["size_spectrum"])
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if ",13.4543" not in line[:40]))
    rows = [row for row in run.rows("size_spectrum") if row["what"] != "objects of living classes"]
    assert [(float(row["esd"]), row["value"]) for row in rows] == [
        (pytest.approx(12.34, rel=1e-3), "0.2336"),  # 1 / 2 mL / (13.4543 - 11.3137) um
        (pytest.approx(14.67, rel=1e-3), ""),
        (pytest.approx(17.45, rel=1e-3), "0.1652"),
        (pytest.approx(11.31, rel=1e-3), ""),
    ]
    assert rows[-1]["what"] == DROP_OFF


@pytest.mark.parametrize("figure", ["size_spectrum", "carbon"])
def test_a_series_without_features_is_said_to_have_none(tmp_path: Path, figure: str) -> None:
    both = Run(tmp_path / "both", [[(a_bin(0), rois(A=3)), (a_bin(1, instrument=11), rois(A=3))]])
    assert not [line for line in both.spec(figure)["title"]["subtitle"] if "features" in line and "IFCB" in line]
    one = Run(tmp_path / "one", [[(a_bin(0), rois(A=3)), (a_bin(1, instrument=11), rois(A=3))]])
    for name in ("size_spectrum", "biovolume"):
        path = Path(one.tables[name])
        path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if "IFCB11" not in line))
    assert "IFCB10 alone: no used bin of the others has features" in one.spec(figure)["title"]["subtitle"]


@pytest.mark.parametrize("figure", ["size_spectrum", "carbon"])
def test_groups_without_features_give_way_to_one_that_has_some(tmp_path: Path, figure: str) -> None:
    """Seven instruments, of which the last has the fewest bins. It alone has features."""
    day = [(a_bin(number + i, i), rois(A=1)) for number in (0, 10) for i in range(1, 7)]
    run = Run(tmp_path, [[*day, (a_bin(7, 7), rois(A=1))]])
    for name in ("size_spectrum", "biovolume"):
        lines = Path(run.tables[name]).read_text().splitlines(keepends=True)
        Path(run.tables[name]).write_text("".join([lines[0], *(line for line in lines if "IFCB7" in line)]))
    assert {row["series"] for row in run.rows(figure)} == {"IFCB7"}
    assert "IFCB7 alone: no used bin of the others has features" in run.spec(figure)["title"]["subtitle"]


def test_carbon_is_stacked_by_group(tmp_path: Path) -> None:
    """Diatoms of 1000, 2000 and 3000 um3: 77.98, 136.81 and 190.08 pg; a dinoflagellate of 4000 um3: 521.6 pg; 2 mL."""
    run = Run(tmp_path, [[(a_bin(0), rois(A=3, C=1, D=1))]])
    rows = {row["kind"]: [float(row[name]) for name in ("carbon", "bottom", "top")] for row in run.rows("carbon")}
    assert rows == {
        "dinoflagellate": pytest.approx([0.2608, 0, 0.2608], rel=1e-3),
        "diatom": pytest.approx([0.20244, 0.2608, 0.46324], rel=1e-3),
    }


# --- the list of figures ---


def test_each_module_that_draws_a_chart_is_in_the_list_with_a_caption() -> None:
    modules = {path.stem for path in FOLDER.glob("*.py") if re.search(r"^def chart\(", path.read_text(), re.MULTILINE)}
    assert set(FIGURES) == modules == {path.stem for path in (FOLDER / "captions").glob("*.rst")}


def test_the_list_names_the_tables_that_a_figure_reads(run: Run) -> None:
    """A chart that reads another table fails here with a KeyError; one that the list names in vain is seen below."""
    for name, figure in OF_BINS.items():
        asked: set[str] = set()

        class Tables(dict[str, Path]):
            def __getitem__(self, table: str) -> Path:
                asked.add(table)  # noqa: B023
                return super().__getitem__(table)

        describe(name, Tables({table: run.tables[table] for table in figure.tables}), OPTIONS)
        assert asked == set(figure.tables), name


def test_the_page_on_figures_names_each() -> None:
    page = (ROOT / "docs" / "how-to" / "figures.md").read_text(encoding="utf-8")
    assert [name for name in FIGURES if f"| `{name}`" not in page] == []
