"""Figures as a paper has them: their width, their text, their colours, at 160 days and at twelve years."""

import re
import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ifcb_abundance.figures import coast, draw, pdf, words
from ifcb_abundance.figures.colours import GROUP_COLOURS, REST_COLOURS, group_colours
from ifcb_abundance.figures.options import FigureOptions
from ifcb_abundance.figures.positions import _corner, _with_sides
from ifcb_abundance.figures.richness import rarefied, sample_size
from ifcb_abundance.figures.span import Span
from ifcb_abundance.report.explorer import pack_coast
from tests.figures.seeded import CLASSES, write_seeded
from tests.figures.test_figures import OF_BINS, texts

DOTS_PER_INCH = draw.DOTS_PER_INCH  # before conftest.py makes it small
DRAWN = [name for name, figure in OF_BINS.items() if not figure.needs_features and "quality" not in figure.tables]
NAMES = {label: name for label, (name, *_) in CLASSES.items() if name}


def options(width_mm: int = 180, **more: Any) -> FigureOptions:
    groups = sorted({group for _, group, _ in CLASSES.values()})
    given: dict[str, Any] = {"dataset": "bay", "group_by": ("instrument",), "top_classes": 20, "one_class": None}
    given |= {"confidence": 0.95, "names": NAMES, "groups": groups, "warning_levels": {"Dinophysis_acuminata": 0.1}}
    return FigureOptions(**given | {"width_mm": width_mm} | more)


@pytest.fixture(scope="module", params=[(160, 85), (4383, 180)], ids=["160 days, 85 mm", "12 years, 180 mm"])
def window(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Path], int]:
    days, width = request.param
    return write_seeded(tmp_path_factory.mktemp("seeded") / "tables", days), width


@pytest.mark.parametrize("figure", DRAWN)
def test_text_is_from_7_to_9_pt_at_the_width_of_a_column(
    window: tuple[dict[str, Path], int], figure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draw, "DOTS_PER_INCH", DOTS_PER_INCH)
    tables, width = window
    (tmp_path / "vega.js").write_text("")
    files = {form: tmp_path / f"{figure}.{form}" for form in ("svg", "png", "pdf")}
    draw.draw_figure(figure, tables, options(width), tmp_path / "vega.js", files)
    svg = files["svg"].read_text()
    head = re.match(r'<svg [^>]*width="([\d.]+)mm" height="([\d.]+)mm" viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert head
    wide, _, own, _ = map(float, head.groups())
    assert wide == width
    points = {float(size) * width / own / 25.4 * 72 for size in re.findall(r'font-size="([\d.]+)px"', svg)}
    assert 6.95 <= min(points) <= max(points) <= 9.05
    png = files["png"].read_bytes()
    assert abs(struct.unpack(">I", png[16:20])[0] - width / 25.4 * 300) <= 1
    box = re.search(rb"/MediaBox \[0 0 ([\d.]+) ", files["pdf"].read_bytes())
    assert box
    assert float(box[1]) == pytest.approx(width / 25.4 * 72, abs=0.01)


def test_scientific_names_are_in_italics_and_shared_ones_stay_labels(tmp_path: Path) -> None:
    tables = write_seeded(tmp_path / "tables", 20)
    svg = draw.fitted(draw.describe("heat_map", tables, options()), options().width)[1]
    italic = set(re.findall(r'font-style="italic"[^>]*>([^<]+)<', svg))
    tagged = "Guinardia_delicatula_TAG_internal_parasite"
    assert italic == {"Guinardia delicatula", "Dinophysis acuminata", "Alexandrium catenella", "Mesodinium"}
    assert {tagged, "mix"} <= texts(svg)
    series = draw.fitted(draw.describe("time_series", tables, options()), options().width)[1]
    assert set(re.findall(r'font-style="italic"[^>]*>([^<]+)<', series)) == italic


def test_units_and_powers_are_written_as_papers_do(tmp_path: Path) -> None:
    tables = write_seeded(tmp_path / "tables", 20)
    found = texts(draw.fitted(draw.describe("heat_map", tables, options()), options().width)[1])
    assert "objects mL⁻¹ (log scale)" in found
    assert "10⁰" in found
    assert not [text for text in found if re.search(r"\de-?\d|\^", text)]
    raised = draw.with_raised_digits('<text a="10⁻⁶">3x10⁻⁶ mL⁻¹</text>')
    assert 'a="10⁻⁶"' in raised  # only what is read is changed
    assert re.sub("<[^>]*>|\u200b", "", raised) == "3x10\N{MINUS SIGN}6 mL\N{MINUS SIGN}1"


def test_the_heat_map_ends_at_the_data(tmp_path: Path) -> None:
    tables = write_seeded(tmp_path / "tables", 40)
    spec = draw.describe("heat_map", tables, options())
    fills = [layer["encoding"]["fill"] for layer in spec["spec"]["layer"]] if "spec" in spec else []
    fills = fills or [layer["encoding"]["fill"] for layer in spec["layer"] if "fill" in layer["encoding"]]
    counts = pd.read_csv(tables["abundance"])["count"]
    assert fills[0]["scale"]["domain"] == pytest.approx([1 / 9, counts.max() / 9], rel=1e-3)


def test_limits_stay_below_the_frame_and_a_row_has_one_title(tmp_path: Path) -> None:
    tables = write_seeded(tmp_path / "tables", 40)
    views = draw.describe("time_series", tables, options())["concat"]
    high = pd.read_csv(tables["abundance"]).groupby("class")["objects_per_ml_high"].max()
    titles, tops = [], {}
    for view in views:
        y = view["layer"][0]["layer"][0]["layer"][1]["encoding"]["y"]
        titles.append(y["title"])
        tops[view["title"]["text"][0]] = y["scale"]["domain"][1]
        assert 3 <= len(set(y["axis"]["values"])) <= 5
        assert 0 <= min(y["axis"]["values"]) < max(y["axis"]["values"]) <= y["scale"]["domain"][1]
    assert titles == ["objects mL⁻¹", None] * 3
    assert tops["Mesodinium"] >= 1.1 * high["Mesodinium"]


def test_colours_are_those_of_the_group_in_every_figure(tmp_path: Path) -> None:
    tables = write_seeded(tmp_path / "tables", 20)
    for figure in ("composition", "dominance"):
        svg = draw.fitted(draw.describe(figure, tables, options()), options().width)[1]
        assert GROUP_COLOURS["flagellate"] in svg
    own = group_colours(["diatom", "zebra", "aardvark"])
    assert own["diatom"] == GROUP_COLOURS["diatom"]
    assert len({own["diatom"], own["zebra"], own["aardvark"], *REST_COLOURS.values()}) == 3 + len(REST_COLOURS)
    assert group_colours(["zebra", "diatom", "aardvark"]) == own  # in whatever order


def test_a_pdf_with_two_fonts_has_the_same_bytes_each_time() -> None:
    import vl_convert

    body = "".join(f'<text y="{20 + 9 * i}" font-style="{style}">Abc</text>' for i, style in enumerate(("italic", "")))
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="99" height="50" font-family="sans-serif">{body}</svg>'
    drawn = {pdf.in_order(vl_convert.svg_to_pdf(svg)) for _ in range(12)}
    assert len(drawn) == 1
    (only,) = drawn
    starts = [int(place) for place in re.findall(rb"(\d{10}) 00000 n", only)]
    assert [only[start:].split(b" ", 1)[0] for start in starts] == [b"%d" % (i + 1) for i in range(len(starts))]


# --- the new figures ---


def test_the_class_shown_bin_by_bin_is_a_named_taxon(tmp_path: Path) -> None:
    tables = write_seeded(tmp_path / "tables", 20)
    assert draw.describe("bin_series", tables, options())["title"]["text"] == "Guinardia delicatula"  # `mix` has more
    long = write_seeded(tmp_path / "long", 90)
    spec = draw.describe("bin_series", long, options())
    assert [layer["mark"]["type"] for layer in spec["layer"]] == ["circle", "rect", "rule"]  # no line from bin to bin


def test_rarefied_richness_by_hand() -> None:
    # of 3 ROIs, 2 are of A: two drawn at random always have one of A, and one of B in two of three draws
    counts, totals = pd.Series([2, 1, 5]), pd.Series([3, 3, 1])
    assert rarefied(counts, totals, 2)[:2] == pytest.approx([1, 2 / 3])
    assert np.isnan(rarefied(counts, totals, 2)[2])  # fewer ROIs than the sample
    assert sample_size(np.array([60] * 9 + [3])) == 50
    assert sample_size(np.array([2])) == 5


def test_climatology_has_the_quartiles_of_the_years(tmp_path: Path) -> None:
    tables = write_seeded(tmp_path / "tables", 4 * 366, "2010-01-01")
    spec = draw.describe("climatology", tables, options(top_classes=1))
    rows = pd.read_csv(pd.io.common.StringIO(spec["data"]["values"]))
    week = rows[rows["middle"] == 4.5]  # the days 1 to 7
    values = week.loc[week["year"].notna(), "value"].dropna()
    assert len(values) >= 4
    told = week.loc[week["year"].isna(), ["q1", "median", "q3"]].iloc[0]
    assert list(told) == pytest.approx(list(values.quantile([0.25, 0.5, 0.75])), rel=2e-3)


def climatology_of(folder: Path, days: list[tuple[str, int]]) -> dict[str, Any]:
    """The climatology of days with so many ROIs of one class, each in 2 mL."""
    coverage = pd.DataFrame({"date": [day for day, _ in days], "instrument": "IFCB10", "n_used": 1})
    abundance = coverage.assign(count=[count for _, count in days], ml_analyzed_total=2.0, living="yes")
    abundance["class"] = "A"
    tables = {name: folder / f"{name}.csv" for name in ("abundance", "coverage")}
    abundance.drop(columns="n_used").to_csv(tables["abundance"], index=False)
    coverage.to_csv(tables["coverage"], index=False)
    return draw.describe("climatology", tables, options())


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (["2010-01-01", "2011-01-01"], "2 years: a median and quartiles need 3"),
        # No week of one year is one of another.
        (["2010-01-01", "2011-03-01", "2012-05-01"], "no week has 3 years, which a median and quartiles need"),
    ],
)
def test_climatology_says_why_it_has_no_quartiles(tmp_path: Path, days: list[str], said: str) -> None:
    spec = climatology_of(tmp_path, [(day, 2) for day in days])
    assert said in spec["title"]["subtitle"]
    assert not [layer for layer in spec["concat"][0]["layer"] if layer["mark"]["type"] == "area"]


def test_the_median_of_the_years_does_not_cross_a_gap(tmp_path: Path) -> None:
    """Three years with 2, 4 and 6 ROIs in 2 mL on the days 1, 8 and 22: quartiles 1.5, 2 and 2.5, a stretch of the
    first two weeks, and one of the fourth alone. The third week has a value in two years only."""
    per_year = {2010: (2, [1, 8, 22]), 2011: (4, [1, 8, 15, 22]), 2012: (6, [1, 8, 15, 22])}
    days = [(f"{year}-01-{day:02d}", count) for year, (count, of_year) in per_year.items() for day in of_year]
    spec = climatology_of(tmp_path, days)
    rows = pd.read_csv(pd.io.common.StringIO(spec["data"]["values"]))
    told = rows.loc[rows["median"].notna(), ["middle", "q1", "median", "q3", "part", "alone"]].to_numpy().tolist()
    assert told == [[4.5, 1.5, 2, 2.5, 1, 0], [11.5, 1.5, 2, 2.5, 1, 0], [25.5, 1.5, 2, 2.5, 2, 1]]
    layers = [layer for layer in spec["concat"][0]["layer"] if "median" in layer["transform"][0]["filter"]]
    assert [layer["mark"]["type"] for layer in layers] == ["area", "line"]
    assert all(layer["encoding"]["detail"]["field"] == "part" for layer in layers)


def test_warning_levels_are_lines_and_the_days_that_reach_them_are_counted(tmp_path: Path) -> None:
    tables = write_seeded(tmp_path / "tables", 60)
    counts = pd.read_csv(tables["abundance"])
    reached = (counts.loc[counts["class"] == "Dinophysis_acuminata", "count"] / 9 >= 0.1).sum()
    spec = draw.describe("harmful", tables, options())
    told = " ".join(spec["title"]["subtitle"])
    assert f"Dinophysis acuminata 0.1 mL⁻¹, reached on {reached} days" in told
    levels = [
        layer["data"]["values"] for view in spec["concat"] for layer in view["layer"][0]["layer"] if "data" in layer
    ]
    assert levels == [[{"level": 0.1}]]


@pytest.mark.parametrize(
    ("high", "ticks"),
    [(1.5, [0, 0.1, 0.5, 1]), (25, [0, 2, 10, 20]), (6, [0, 0.5, 2, 5]), (0.8, [0, 0.05, 0.2, 0.5]), (0, [0, 1])],
)
def test_ticks_of_square_root_scales_are_round(high: float, ticks: list[float]) -> None:
    assert words.nice_ticks(high) == ticks


def test_ticks_leave_room_for_their_labels() -> None:
    for days, width in ((4, 130), (160, 130), (160, 600), (4383, 250), (4383, 600)):
        span = Span(pd.Timestamp("2010-03-20"), pd.Timestamp("2010-03-20") + pd.Timedelta(days=days - 1))
        ticks, form = span.ticks(width)
        assert len(ticks) > 1 or days == 4
        room = width / days * min([(b - a).days for a, b in pairwise(ticks)], default=days)
        assert room >= words.text_width(ticks[0].strftime(form)), (days, width)


# --- the coast ---


def write_polygons(folder: Path, polygons: list[tuple[int, list[tuple[float, float]]]], km2: float = 5000.0) -> Path:
    """Write polygons as the package has them. km2: the area that it states of each."""
    folder.mkdir()
    lines, body = [], b""
    for level, points in polygons:
        array = np.array(points, dtype="<f4")
        ends = (array[:, 1].min(), array[:, 1].max())
        lines.append(f"{level} {km2} {len(points):5} {ends[0]:9.5f} {ends[1]:9.5f} {len(body)} {array.nbytes} 7\n")
        body += array.tobytes()
    (folder / "gshhsmeta_f.dat").write_text("".join(lines))
    (folder / "gshhs_f.dat").write_bytes(body)
    return folder


def test_coast_lines_are_those_that_reach_the_box(tmp_path: Path) -> None:
    square = [(289.0, 41.0), (290.0, 41.0), (290.0, 42.0), (289.0, 42.0), (289.0, 41.0)]  # counts on from Greenwich
    continent = [(200.0, 0.0), (358.0, 0.0), (358.0, 80.0), (200.0, 80.0), (200.0, 0.0)]  # has no point in the box
    far = [(10.0, 41.0), (11.0, 41.0), (11.0, 42.0), (10.0, 41.0)]
    files = write_polygons(tmp_path / "coast", [(1, continent), (2, square), (1, far)])
    lines = coast.coast_lines(files, (-71.5, -70.5), (41.5, 42.5), 0.001)
    assert set(lines["level"]) == {1, 2}
    lake = lines[lines["level"] == 2]
    assert [tuple(point) for point in lake[["longitude", "latitude"]].to_numpy()] == [(x - 360, y) for x, y in square]
    assert coast.coast_lines(files, (100, 101), (-50, -49), 0.001).empty


@pytest.mark.parametrize(("km2", "seen"), [(123.0, False), (124.0, True)])
def test_islands_that_are_too_small_to_be_seen_are_left_out(tmp_path: Path, km2: float, seen: bool) -> None:
    """A square of 0.1 degrees has 11.1195 km x 11.1195 km, which is 123.6 km2."""
    island = [(-71.0, 42.0), (-70.9, 42.0), (-70.9, 42.1), (-71.0, 42.0)]
    files = write_polygons(tmp_path / "coast", [(1, island)], km2)
    assert coast.coast_lines(files, (-72.0, -70.0), (41.0, 43.0), 0.1).empty != seen


def test_the_map_of_a_long_track_has_each_coast_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    island = [(10.0, 41.0), (11.0, 41.0), (11.0, 42.0), (10.0, 41.0)]
    files = write_polygons(tmp_path / "coast", [(1, island)])
    monkeypatch.setattr(coast, "folder", lambda: files)
    bins = pd.DataFrame({"longitude": [-70.0, -70.0], "latitude": [-40.0, 40.0]})
    assert [level for level, _ in pack_coast(bins, False) or []] == [1]  # and not 360 degrees to the west and east
    assert pack_coast(bins.assign(latitude=[-40.0, -39.0]), False) == []


def test_the_map_of_the_report_has_the_coast_around_the_bins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    island = [(289.0, 41.0), (290.0, 41.0), (290.0, 42.0), (289.0, 41.0)]
    files = write_polygons(tmp_path / "coast", [(1, island), (1, [(10.0, 41.0), (11.0, 41.0), (11.0, 42.0)])])
    monkeypatch.setattr(coast, "folder", lambda: files)
    bins = pd.DataFrame({"longitude": [-70.5, np.nan, -70.6], "latitude": [41.3, np.nan, 41.5]})
    packed = pack_coast(bins, False)
    assert packed is not None
    ((level, degrees),) = packed
    assert level == 1
    points = set(zip(degrees[::2], degrees[1::2], strict=True))
    assert points == {(-71.0, 41.0), (-70.0, 41.0), (-70.0, 42.0)}
    at_zero = pd.concat([bins, pd.DataFrame({"longitude": [0.0], "latitude": [0.0]})])
    assert pack_coast(at_zero, False) == packed  # 0,0 is none, and the map no wider for it
    assert len(pack_coast(at_zero, True) or []) == 2  # with it the map reaches to the other polygon
    both_sides = bins.assign(longitude=[-179.0, 0.0, 179.0], latitude=41.0)  # of the date line
    assert pack_coast(both_sides, False) is None
    monkeypatch.setattr(coast, "folder", lambda: None)
    assert pack_coast(bins, False) is None


def test_the_log_and_the_caption_say_where_a_coast_can_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    tables = write_seeded(tmp_path / "tables", 20)
    monkeypatch.setattr(coast, "folder", lambda: None)
    svg = draw.fitted(draw.describe("positions", tables, options()), options().width)[1]
    assert "`make stages` installs" in caplog.text
    assert "make stages installs" in draw.caption("positions", options())
    assert not any("make stages" in text for text in texts(svg))
    assert "IFCB10" in texts(svg)  # one mark with its name
    assert any(text.endswith(" km") for text in texts(svg))
    assert 'fill="#0072B2"' in svg  # the mark has the colour of its line in other figures


@pytest.mark.parametrize(
    ("places", "corner"),
    [([(0.5, 0.5)], (True, True)), ([(0.1, 0.1)], (False, True)), ([(0.1, 0.1), (0.9, 0.1)], (True, False))],
)
def test_the_scale_bar_keeps_off_the_bins(places: list[tuple[float, float]], corner: tuple[bool, bool]) -> None:
    bins = pd.DataFrame([(-70 + x, 41 + y) for x, y in places], columns=["longitude", "latitude"])
    assert _corner((-70, -69), (41, 42), bins) == corner


@pytest.mark.parametrize(
    ("places", "left"),
    [
        # A degree is 300 pixels wide, and the map ends at 71 and 69 degrees west.
        ([(-70.02, 40.5), (-69.98, 40.5)], [1, 0]),  # 12 pixels apart: away from each other
        ([(-70.02, 40.5), (-69.98, 40.8)], [0, 1]),  # far apart: the side with more room
        ([(-70.98, 40.5), (-70.94, 40.5)], [0, 0]),  # no room at the left of the first one
        ([(-69.06, 40.5)], [1]),
    ],
)
def test_names_of_moorings_keep_off_the_marks_of_others(places: list[tuple[float, float]], left: list[int]) -> None:
    rows = pd.DataFrame(places, columns=["longitude", "latitude"]).assign(label="IFCB10")
    assert list(_with_sides(rows, ((-71, -69), (40, 41), (600, 400)))["left"]) == left


def test_each_mooring_has_its_name_once(tmp_path: Path) -> None:
    tables = write_seeded(tmp_path / "tables", 20)
    other = pd.read_csv(tables["catalog"]).assign(instrument="IFCB11", longitude=-70.56)
    other["bin"] = other["bin"].str.replace("IFCB010", "IFCB011")
    for name, more in (("catalog", other), ("ledger", pd.read_csv(tables["ledger"]).assign(bin=other["bin"]))):
        pd.concat([pd.read_csv(tables[name]), more]).to_csv(tables[name], index=False)
    svg = draw.fitted(draw.describe("positions", tables, options()), options().width)[1]
    assert [len(re.findall(rf">{name}</text>", svg)) for name in ("IFCB10", "IFCB11")] == [1, 1]
