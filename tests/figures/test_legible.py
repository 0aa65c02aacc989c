"""Figures can be read in one column of a page: nothing is cut, and nothing lies on anything else."""

import re
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ifcb_abundance.figures import corrected_series, draw, span, words
from ifcb_abundance.figures.colours import GROUP_COLOURS
from ifcb_abundance.figures.options import FigureOptions
from ifcb_abundance.tables import table_files
from tests.abundance.pooling import a_bin, rois
from tests.figures.geometry import outside, overlapping, texts_of
from tests.figures.seeded import write_seeded
from tests.figures.test_curation_figures import tables as curation_tables
from tests.figures.test_figures import texts
from tests.figures.test_paper import options
from tests.figures.test_validation_figures import labelled

TAG = "Guinardia_delicatula_TAG_"
LONG = [f"{TAG}internal_parasite", f"{TAG}external_parasite", "Alexandrium", "Chaetoceros_didymus", "Tontonia", "mix"]


def write_stages(folder: Path) -> dict[str, Path]:
    """Write the tables of stages beside the main job, with labels that are too long for one column."""
    days = [[(a_bin(1, 10, date), rois(**dict.fromkeys(LONG, 20)))] for date in ("20240216", "20240217")]
    paths = {name: Path(path) for name, path in labelled(folder / "labelled", days).tables.items()}
    paths |= curation_tables(folder)
    stuck = pd.read_csv(paths["without_stuck"]).iloc[[0] * len(LONG)].assign(**{"class": LONG})
    table_files.write(stuck, "abundance_without_stuck", paths["without_stuck"])
    curated = pd.read_csv(paths["curated"], keep_default_na=False)
    curated["group"] = [f"cruise_2024/images_of_the_second_leg/{name}" for name in curated["group"]]
    table_files.write(curated, "curated", paths["curated"])
    times = pd.date_range("2024-02-16", periods=600, freq="h", tz="UTC")
    quality = pd.DataFrame({"bin": times.strftime("D%Y%m%dT%H%M%S_IFCB010"), "sample_time": times})
    quality = quality.assign(instrument="IFCB10", flag=1, reason="", humidity=20.0, run_time=1200.0 + quality.index)
    quality.loc[3, "flag"] = 4
    quality["sample_time"] = times.strftime("%Y-%m-%dT%H:%M:%SZ")
    differences = [("config", "run", "first_run", "run_with_high_thresholds")]
    differences += [("config", "select.exclude_tags", "[]", "[bad_focus, beads, flushing_of_the_syringe]")]
    differences += [("abundance", name, str(10.0 - i), "0.5") for i, name in enumerate(LONG)]
    compared = pd.DataFrame(differences, columns=["what", "name", "first", "second"]).assign(date="", why="")
    for name, rows in {"quality": quality, "differences": compared}.items():
        paths[name] = folder / f"{name}.csv"
        rows.reindex(columns=table_files.columns(name)).to_csv(paths[name], index=False)
    return paths


OF_STAGES = ["confusion", "class_curve", "reliability", "corrected_series", "curated_images", "duplicate_distance"]
OF_STAGES += ["stuck_particles", "quality", "differences"]


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_stages(tmp_path_factory.mktemp("stages"))


def picture(figure: str, tables: dict[str, Path], given: FigureOptions) -> tuple[dict[str, Any], str]:
    return draw.fitted(draw.describe(figure, tables, given), given.width)


def points(svg: str, width: float) -> set[float]:
    """The sizes of all text once the picture is as wide as asked for, in points."""
    own = draw.size_of(svg)[0]
    return {float(size) * width / own * 0.75 for size in re.findall(r'font-size="([\d.]+)px"', svg)}


@pytest.mark.parametrize("width", [85, 180])
@pytest.mark.parametrize("figure", OF_STAGES)
def test_figures_of_stages_can_be_read(stages: dict[str, Path], figure: str, width: int) -> None:
    given = options(width, names={})
    svg = picture(figure, stages, given)[1]
    sizes = points(svg, given.width)
    assert 6.95 <= min(sizes) <= max(sizes) <= 9.05
    assert outside(svg) == []
    assert overlapping(svg) == []


@pytest.mark.parametrize("width", [85, 180])
@pytest.mark.parametrize("figure", ["heat_map", "dominance", "time_series", "climatology", "coverage_calendar"])
def test_figures_of_a_few_days_can_be_read(tmp_path: Path, figure: str, width: int) -> None:
    given = options(width)
    svg = picture(figure, write_seeded(tmp_path / "tables", 12), given)[1]
    sizes = points(svg, given.width)
    assert 6.95 <= min(sizes) <= max(sizes) <= 9.05
    assert (outside(svg), overlapping(svg)) == ([], [])


def test_a_narrow_heat_map_has_two_days_and_tells_low_from_missing(tmp_path: Path) -> None:
    found = texts(picture("heat_map", write_seeded(tmp_path / "tables", 4), options(85))[1])
    assert {"03-20", "03-22"} <= found
    assert {"0: looked for, none found", "not assessed: in no label set", "no data: no used bin"} <= found


def test_the_height_of_a_bar_is_the_share_of_the_dominating_class(tmp_path: Path) -> None:
    spec, svg = picture("dominance", write_seeded(tmp_path / "tables", 4), options(180))
    shares = list(pd.read_csv(StringIO(spec["data"]["values"]))["share"])
    heights = [float(high) for high in re.findall(r'd="M[^h"]*h[\d.]+v([\d.]+)h[^"]*" fill="#E69F00"', svg)]
    assert [high / heights[0] for high in heights[:4]] == pytest.approx(
        [share / shares[0] for share in shares], rel=0.01
    )


def test_the_middle_of_long_labels_is_cut_and_they_still_differ() -> None:
    short = words.shortened(LONG, 130)
    assert short["mix"] == "mix"
    assert len(set(short.values())) == len(LONG)
    for label in LONG[:2]:
        assert words.wide_width(short[label]) <= 130
        begin, end = short[label].split("\N{HORIZONTAL ELLIPSIS}")
        assert label.startswith(begin)
        assert label.endswith(end)
    assert words.shortened(LONG, 999) == dict(zip(LONG, LONG, strict=True))


def test_labels_break_after_underscores() -> None:
    assert words.wrapped(LONG[0], 130) == [TAG, "internal_parasite"]
    assert words.wrapped("bins of 2024-02-16 and 2024-02-17", 100) == ["bins of 2024-02-16", "and 2024-02-17"]


def test_the_cells_of_a_matrix_have_numbers_where_there_is_room(stages: dict[str, Path]) -> None:
    """A quarter of each class is taken for another one: 75 and 25 %."""
    assert {"75", "25"} <= texts(picture("confusion", stages, options(180))[1])
    narrow = texts(picture("confusion", stages, options(55))[1])
    assert "share of the ROIs of a row, weighted" in narrow
    assert not {"75", "25"} & narrow


def test_no_tick_between_the_first_and_the_last_is_left_out(tmp_path: Path) -> None:
    tables = write_seeded(tmp_path / "tables", 160)
    for figure in ("composition", "time_series", "richness"):
        found = texts(picture(figure, tables, options(85))[1])
        assert {"2010-04", "2010-06", "2010-08"} <= found, figure


def test_titles_of_panels_in_a_row_are_level(tmp_path: Path) -> None:
    given = options(180)
    spec, svg = picture("time_series", write_seeded(tmp_path / "tables", 40), given)
    places = {text.text: text.y for text in texts_of(svg)}
    heights = [places[view["title"]["text"][0]] for view in spec["concat"]]
    assert len(heights) == 6
    assert heights[0::2] == pytest.approx(heights[1::2])


@pytest.mark.parametrize(("width", "panels"), [(85, 8), (119, 8), (120, 20), (180, 20)])
def test_time_series_of_many_classes_fit_on_a_page(tmp_path: Path, width: int, panels: int) -> None:
    tables = write_seeded(tmp_path / "tables", 4)
    table = pd.read_csv(tables["abundance"], keep_default_na=False)
    template = table[table["class"] == "Guinardia_delicatula"]
    many = [template.assign(**{"class": f"class_{n:02d}", "living": "yes"}) for n in range(20)]
    pd.concat([table[table["class"] == "unclassified"], *many]).to_csv(tables["abundance"], index=False)
    spec, svg = picture("time_series", tables, replace(options(width), top_classes=20))
    assert len(spec["concat"]) == panels
    wide, tall = draw.size_of(svg)
    assert tall / wide * width < (230 if width < 120 else 280)  # mm: A4 has 297
    said = " ".join(spec["title"]["subtitle"])
    assert ("12 more of report.top_classes do not fit on a page: set report.width_mm to 120 or more" in said) == (
        panels < 20
    )
    assert overlapping(svg) == []


@pytest.mark.parametrize("figure", ["climatology", "threshold_sweep", "harmful"])
def test_narrow_figures_of_many_classes_fit_on_a_page(tmp_path: Path, figure: str) -> None:
    tables = write_seeded(tmp_path / "tables", 4)
    for name in ("abundance", "sweep"):
        table = pd.read_csv(tables[name], keep_default_na=False)
        template = table[table["class"] == "Dinophysis_acuminata"]
        if "living" in template:
            template = template.assign(living="yes", harmful="yes")
        many = [template.assign(**{"class": f"class_{n:02d}"}) for n in range(20)]
        pd.concat(many).to_csv(tables[name], index=False)
    spec, svg = picture(figure, tables, options(85))
    wide, tall = draw.size_of(svg)
    assert tall / wide * 85 <= 230  # mm
    assert "more of report.top_classes do not fit on a page" in " ".join(spec["title"]["subtitle"])
    assert overlapping(svg) == []


def test_a_limit_is_not_below_the_marks_of_missing_days(tmp_path: Path) -> None:
    tables = write_seeded(tmp_path / "tables", 40)
    highest = pd.read_csv(tables["abundance"]).groupby("class")["objects_per_ml_high"].max()
    spec = draw.describe("time_series", tables, options())
    for view in spec["concat"]:
        y = view["layer"][0]["layer"][0]["layer"][1]["encoding"]["y"]
        label = {"Guinardia delicatula": "Guinardia_delicatula", "Dinophysis acuminata": "Dinophysis_acuminata"}
        name = view["title"]["text"][0]
        name = {**label, "Alexandrium catenella": "Alexandrium"}.get(name, name)
        from_top = view["height"] * (1 - (highest[name] / y["scale"]["domain"][1]) ** 0.5)
        assert from_top >= 4  # pixels, the lower end of the marks of the only series


def test_bars_of_twelve_years_have_the_colours_of_their_groups(tmp_path: Path) -> None:
    """Narrower than a pixel, they would mix with the white behind them."""
    given = options(85)
    svg = picture("composition", write_seeded(tmp_path / "tables", 4383), given)[1]
    cells = re.findall(r'<g shape-rendering="crispEdges" class="mark-rect.*?</g>', svg)
    widths = [float(width) for cell in cells for width in re.findall(r'd="M[^h"]*h([\d.]+)v', cell)]
    assert len(widths) > 1000
    assert min(widths) >= 1
    assert GROUP_COLOURS["flagellate"] in cells[0]


def test_what_is_bad_lies_above_what_is_good(stages: dict[str, Path]) -> None:
    values = draw.describe("quality", stages, options())["data"]["values"]
    assert list(pd.read_csv(StringIO(values))["flag"]) == ["1 good"] * 599 + ["4 bad"]


def test_points_of_differences_stay_off_the_frame(stages: dict[str, Path]) -> None:
    spec = draw.describe("differences", stages, options())
    assert spec["layer"][1]["encoding"]["x"]["scale"]["domain"] == [0, pytest.approx(11)]


def test_corrected_series_break_at_gaps_and_are_pooled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    days = [[(a_bin(1, 10, f"202402{day:02d}"), rois(A=20, B=20))] for day in (1, 2, 5)]
    tables = {name: Path(path) for name, path in labelled(tmp_path, days).tables.items()}

    def rows() -> pd.DataFrame:
        values = draw.describe("corrected_series", tables, options(names={}))["data"]["values"]
        found = pd.read_csv(StringIO(values))
        return found[(found["panel"] == "A") & (found["kind"] == corrected_series.CORRECTED)]

    single = rows()
    assert single["part"].nunique() == 2
    assert list(single.groupby("part").size()) == [2, 1]
    monkeypatch.setattr(span, "DAYS_MOST", 3)
    pooled = rows()
    assert list(pooled["day"]) == ["2024-02-01"]  # a span of seven days
    for name in ("value", "low", "high"):  # the days have the same volume
        assert pooled[name].iloc[0] == pytest.approx(single[name].mean(), rel=1e-3)


def test_thresholds_of_single_classes_hide_no_key_that_holds_for_all(tmp_path: Path) -> None:
    keys = [*(f"class_thresholds.class {i}" for i in range(9)), "classify.threshold"]
    rows = [("config", key, "0.3", "0.9", "", "") for key in ("run", *keys)] + [("abundance", "A", "10", "1", "", "")]
    columns = ["what", "name", "first", "second", "date", "why"]
    pd.DataFrame(rows, columns=columns).assign(difference="").to_csv(tmp_path / "differences.csv", index=False)
    spec = draw.describe("differences", {"differences": tmp_path / "differences.csv"}, options())
    said = str(spec)
    assert "classify.threshold: 0.3 and 0.9" in said
    assert "more keys of the config" in said
