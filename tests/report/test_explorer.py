"""The explorer of the report in a browser: a threshold gives what a run with it gives, and views follow a choice."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from copy import copy
from pathlib import Path
from typing import Any

import axe_playwright_python
import numpy as np
import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from ifcb_abundance.classes.class_table import AFTER, BEFORE, LabelTable, read_class_table
from ifcb_abundance.figures import coast
from ifcb_abundance.figures.options import FigureOptions
from ifcb_abundance.report import page as report_page
from tests.abundance.pooling import a_bin, rois
from tests.archives import bin_row, write_archive
from tests.browser import chromium, opened
from tests.checkout import Checkout
from tests.firefox import firefox
from tests.report.reported import a_report, a_run

CLASSES = ["Akashiwo", "Chaetoceros", "Skeletonema", "detritus", "Karenia"]
BINS = [f"D2024040{day}T0{hour}0000_IFCB01{n}" for day in (1, 2, 4) for hour in (1, 2) for n in (0, 1)]
THRESHOLDS = (0, 0.3, 0.55, 0.6999, 0.7001, 0.95, 1)
OWN = {"Akashiwo": 0.4, "detritus": 0.9}
ROW = ("date", "instrument", "name", "count", "ml_analyzed_total", "objects_per_ml", "low", "high")
MERGING = "label,scientific_name,aphia_id,living,group,harmful,synonym_of,merge"
Rows = dict[tuple[str, str, str], tuple[float, ...]]


def scores_of(number: int) -> list[list[Any]]:
    """Scores that lie at both sides of the thresholds, in half precision too; the last ROI has none."""
    random = np.random.default_rng(number)
    rows = np.round(random.dirichlet([0.25] * len(CLASSES), 60), 5).tolist()
    best = (0.3, 0.55, 0.6997, 0.7, 0.7003, 0.95, 1)
    exact = [[score if i == n % 5 else 0.0 for i in range(5)] for n, score in enumerate(best)]
    return [*rows, *exact, [None] * 5]


class Runs:
    """Runs of one archive at other thresholds, and the report of the first."""

    def __init__(self, folder: Path) -> None:
        places = {"10": {"latitude": 41.3, "longitude": -70.5}, "11": {"latitude": 41.5, "longitude": -70.6}}
        rows = [bin_row(bin_id, ml_analyzed=2 + n / 7, **places[bin_id[-2:]]) for n, bin_id in enumerate(BINS)]
        rows.append(bin_row("D20240402T050000_IFCB010", skip=1))
        write_archive(folder / "archive", rows, {bin_id: (CLASSES, scores_of(n)) for n, bin_id in enumerate(BINS)})
        self.checkout = Checkout(folder / "checkout")
        self.config: dict[str, Any] = {
            "dataset": "mvco",
            "source": {"kind": "directory", "path": str(folder / "archive")},
            "classify": {"class_table": "config/classes.csv"},
        }
        self.tables(0.7)
        results = self.checkout.results("mvco")
        # Images as the montages of the page have them, without the files of an instrument.
        tiles = "".join(f'<g data-roi="{bin_id}_00002" data-score="0.9"><image href="data:,"/></g>' for bin_id in BINS)
        (folder / "montages").mkdir()
        (folder / "montages" / "montages.json").write_text(json.dumps([{"class": "Akashiwo", "name": "Akashiwo"}]))
        picture = f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="Montage">{tiles}</svg>'
        (folder / "montages" / "Akashiwo.svg").write_text(picture)
        self.page = folder / "report.html"
        self.write_page(self.page, results / "bins", folder / "montages")

    def write_page(
        self, page: Path, summaries: Path, montages: Path | None = None, table: LabelTable | None = None
    ) -> None:
        """Write the report without figures, which take longest and are tested with the demo. table: if it merges."""
        results, scripts = self.checkout.results("mvco"), page.parent / "vega.js"
        scripts.touch()
        tables = {name: results / f"{name}.csv" for name in report_page.READ[:5]}
        files = (results / "run.json", tables, [], scripts, results / "bins_long.parquet", summaries, montages)
        merged = (table.merged_labels(), table.merged_spellings()) if table else ({}, {})
        options = FigureOptions("mvco", (), 0, None, 0.95, merged=merged[0], merged_spellings=merged[1])
        report_page.write_report(report_page.ReportInputs(*files, options), page, {})

    def copied(self, folder: Path) -> "Runs":
        """The same with a checkout of its own, for runs of another method."""
        other = copy(self)
        other.checkout = Checkout(folder / "checkout", self.checkout.folder)
        return other

    def tables(self, threshold: float, **classify: Any) -> Rows:
        """What a run with a threshold says, by day, instrument, and class or group."""
        config = {**self.config, "classify": {**self.config["classify"], "threshold": threshold, **classify}}
        self.checkout.run(config)
        names = {"abundance_long": "class", "groups_long": "group"}
        found: Rows = {}
        for table, name in names.items():
            rows = self.checkout.table("mvco", table).rename(
                columns={name: "name", "objects_per_ml_low": "low", "objects_per_ml_high": "high"}
            )
            found |= {tuple(row[:3]): tuple(row[3:]) for row in rows[list(ROW)].itertuples(index=False)}
        return found


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return Runs(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, runs: Runs) -> Iterator[Page]:
    with opened(browser, runs.page, viewport={"width": 1280, "height": 900}) as page:
        page.wait_for_selector("html[data-state=whole]")
        yield page


def settled(page: Page) -> None:
    """What was chosen is drawn in the frame after it."""
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def choose(page: Page, thing: str) -> None:
    page.select_option("#class-list", thing)
    settled(page)


def threshold(page: Page, value: float) -> None:
    page.fill("#threshold-number", str(value))
    settled(page)


def shown(page: Page, name: str) -> Rows:
    """What the points of the chart hold."""
    points = page.locator("#class-chart .points > *").evaluate_all("all => all.map(point => ({ ...point.dataset }))")
    fields = ("count", "mL", "value", "low", "high")
    return {(each["day"], each["series"], name): tuple(float(each[field]) for field in fields) for each in points}


def all_shown(page: Page) -> Rows:
    things = page.locator("#class-list option").evaluate_all("options => options.map(option => option.value)")
    found: Rows = {}
    for thing in things:
        choose(page, thing)
        found |= shown(page, thing.partition(":")[2])
    return found


def assert_same(found: Rows, expected: Rows) -> None:
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        assert found[key][:3] == values[:3], key  # count, volume, objects per mL: to the last digit
        assert found[key][3:] == pytest.approx(values[3:], rel=1e-9), key


def test_any_threshold_gives_what_a_run_gives(page: Page, runs: Runs) -> None:
    for value in THRESHOLDS:
        threshold(page, value)
        assert_same(all_shown(page), runs.tables(value))


def test_thresholds_of_single_classes(page: Page, runs: Runs) -> None:
    """The slider moves one class alone; the page's own files ask a run for the same."""
    for name, value in OWN.items():
        choose(page, f"class:{name}")
        page.select_option("#threshold-for", "one")
        threshold(page, value)
    page.select_option("#threshold-for", "all")
    threshold(page, 0.6)
    with page.expect_download() as download:
        page.click("#own-csv")
    (runs.checkout.folder / "class_thresholds.csv").write_bytes(download.value.path().read_bytes())
    asked = yaml.safe_load(page.locator("#selection-yaml").text_content() or "")
    assert asked["classify"] == {"threshold": 0.6, "class_thresholds": "class_thresholds.csv"}
    assert_same(all_shown(page), runs.tables(0.6, class_thresholds="class_thresholds.csv"))
    page.click("#own-thresholds button >> nth=0")
    page.click("#as-run")
    settled(page)
    assert page.locator("#own-thresholds button").count() == 0
    assert page.is_disabled("#as-run")


@pytest.mark.parametrize("when", [BEFORE, AFTER])
def test_thresholds_of_classes_that_are_merged(browser: Browser, runs: Runs, tmp_path: Path, when: str) -> None:
    """For all classes, and of a merged one alone: then the page's file names its labels, as a run asks for them."""
    rows = ["Chaetoceros,,,yes,diatom,,big,W", "Skeletonema,,,yes,diatom,,big,W", "big,,,yes,diatom,,,"]
    runs = runs.copied(tmp_path)
    own = runs.checkout.folder / "merging.csv"
    own.write_text("\n".join([MERGING, *rows, ""]).replace("W", when))
    runs.tables(0.7, class_table="merging.csv")
    runs.write_page(tmp_path / "page.html", runs.checkout.results("mvco") / "bins", table=read_class_table(own))
    with opened(browser, tmp_path / "page.html") as page:
        page.wait_for_selector("html[data-state=whole]")
        for value in (0, 0.55):
            threshold(page, value)
            assert_same(all_shown(page), runs.tables(value, class_table="merging.csv"))
        choose(page, "class:big")
        page.select_option("#threshold-for", "one")
        threshold(page, 0.9)
        with page.expect_download() as download:
            page.click("#own-csv")
        (runs.checkout.folder / "own.csv").write_bytes(download.value.path().read_bytes())
        asked = {"class_table": "merging.csv", "class_thresholds": "own.csv"}
        assert_same(all_shown(page), runs.tables(0.55, **asked))
    runs.write_page(tmp_path / "page.html", runs.checkout.results("mvco") / "bins", table=read_class_table(own))
    with opened(browser, tmp_path / "page.html") as page:
        page.wait_for_selector("html[data-state=whole]")
        assert page.is_enabled("#threshold")
    (runs.checkout.folder / "own.csv").write_text("class,threshold\nSkeletonema,0.3\n")
    expected = runs.tables(0.7, **asked)
    runs.write_page(tmp_path / "page.html", runs.checkout.results("mvco") / "bins", table=read_class_table(own))
    assert_fixed(browser, tmp_path / "page.html", "labels that are merged into big have different ones", expected)


def assert_fixed(browser: Browser, path: Path, why: str, expected: Rows) -> None:
    """The page has no slider and says why; what it shows is what the run says."""
    with opened(browser, path) as page:
        page.wait_for_selector("html[data-state=whole]")
        assert page.is_disabled("#threshold")
        note = f"Thresholds cannot be moved: {why}, and the page has the run's counts only."
        assert page.inner_text("#threshold-note") == note
        assert_same(all_shown(page), expected)


@pytest.mark.parametrize("rule", ["each", "above_own"])
def test_rules_that_need_all_scores_have_no_slider(browser: Browser, runs: Runs, tmp_path: Path, rule: str) -> None:
    runs = runs.copied(tmp_path)
    expected = runs.tables(0.1, rule=rule)
    runs.write_page(tmp_path / "page.html", runs.checkout.results("mvco") / "bins")
    assert_fixed(browser, tmp_path / "page.html", f"classify.rule: {rule} needs the scores of all classes", expected)
    with opened(browser, tmp_path / "page.html") as page:
        page.wait_for_selector("html[data-state=whole]")
        told = page.inner_text("#composition-said")
        axis = page.locator("#composition .title").text_content()
    total = runs.checkout.table("mvco", "abundance_long")["count"].sum()
    counted = "counts for classes" if rule == "each" else "ROIs"
    assert told.startswith(f"Shares of {total:,} {counted}, ")
    assert axis == f"share of {counted}"


def test_the_slider_moves_with_the_keyboard(page: Page) -> None:
    page.focus("#threshold")
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    settled(page)
    assert page.input_value("#threshold-number") == "0.67"
    assert page.get_attribute("#threshold", "aria-valuetext") == "0.67"
    assert "threshold=0.67" in page.url


def test_views_follow_the_days_chosen(page: Page) -> None:
    choose(page, "class:Akashiwo")
    box = page.locator("#class-chart svg").bounding_box()
    assert box
    day = (box["width"] - 68) / 4  # of the four days, between the margins
    for x, act in ((58 + day * 1.2, "down"), (58 + day * 2.8, "up")):
        page.mouse.move(box["x"] + x, box["y"] + 100)
        getattr(page.mouse, act)()
    settled(page)
    assert (page.input_value("#from"), page.input_value("#to")) == ("2024-04-02", "2024-04-03")
    assert "4 used, 1 skipped" in page.inner_text("#bins-said")
    assert "4 used bins with a position" in page.inner_text("#map-said")
    there = coast.folder() is not None  # an extra: without it the map says that it has no coast
    assert ("coast: GSHHG" in page.inner_text("#map-said"), page.locator("#map .land").count() > 0) == (there, there)
    labels = page.locator("#map text").all_text_contents()
    assert {"41.3° N", "41.4° N", "41.5° N"} <= set(labels)  # the bins lie at 41.3 and 41.5, 70.5 and 70.6
    west = [float(label.split("°")[0]) for label in labels if label.endswith("° W")]
    assert len(west) > 1
    assert np.ptp(np.diff(west)) == pytest.approx(0)  # ticks as far apart as their labels
    # Of four days and two instruments, the third day has no bin.
    assert " objects per mL on 3 days, " in page.inner_text("#class-said")
    assert "; 1 without data, left blank." in page.inner_text("#class-said")
    assert "Shares of 272 ROIs" in page.inner_text("#composition-said")
    assert page.locator(".montage .outside").count() == 8
    assert "4 of 12 images" in page.inner_text("#images")
    page.click("#tab-ledger")
    page.wait_for_selector('[data-table="ledger"] .dt-info:has-text("of 5 entries")')
    page.click("#clear-span")
    page.wait_for_selector('[data-table="ledger"] .dt-info:has-text("of 13 entries")')
    assert page.locator(".montage .outside").count() == 0


def test_days_may_be_entered_the_later_first(page: Page, runs: Runs) -> None:
    """On each of the four days but the third there are four used bins."""
    choose(page, "class:Akashiwo")

    def said(from_: str, to: str) -> tuple[str, ...]:
        page.fill("#from", from_)
        page.fill("#to", to)
        settled(page)
        return tuple(page.inner_text(f"#{name}-said") for name in ("span", "composition", "map", "bins"))

    in_order = said("2024-04-01", "2024-04-02")
    whole = page.locator("#class-chart .chosen").get_attribute("width")
    assert in_order[0].startswith("Akashiwo, 2024-04-01 to 2024-04-02: ")
    assert in_order[3] == "Bins of 2024-04-01 to 2024-04-02: 8 used, 1 skipped"
    assert said("2024-04-02", "2024-04-01") == in_order
    assert page.locator("#class-chart .chosen").get_attribute("width") == whole
    asked = yaml.safe_load(page.locator("#selection-yaml").text_content() or "")
    assert asked["select"] == {"start": "2024-04-01", "end": "2024-04-02"}
    assert "from=2024-04-01&to=2024-04-02" in page.url
    page.goto(f"{runs.page.as_uri()}#?show=class:Akashiwo&from=2024-04-02&to=2024-04-01")
    page.reload()
    page.wait_for_selector("html[data-state=whole]")
    assert page.inner_text("#span-said") == in_order[0]


def test_days_without_data_are_not_shaded_and_said_to_be_none_of_the_data(page: Page) -> None:
    choose(page, "class:Akashiwo")
    spans = {
        ("2030-01-01", ""): ("2030-01-01 and later", 0),
        ("", "2019-01-01"): ("2019-01-01 and earlier", 0),
        ("2030-01-01", "2030-01-02"): ("2030-01-01 to 2030-01-02", 0),
        ("2024-04-03", "2024-04-03"): ("2024-04-03 to 2024-04-03", 1),  # between days with data
    }
    for (from_, to), (words, shaded) in spans.items():
        page.fill("#from", from_)
        page.fill("#to", to)
        settled(page)
        assert page.inner_text("#span-said") == f"Akashiwo, {words}: no day of the data"
        assert page.inner_text("#bins-said") == f"Bins of {words}: none"
        assert page.locator("#class-chart .chosen").count() == shaded


def test_a_logarithmic_axis_has_two_labels_at_least(page: Page) -> None:
    """It reaches from the least value over 1.5 to 1.1 times the highest."""
    labels = {
        (0.02, 30): ["10⁻¹", "10⁰", "10¹"],  # from 0.0133 to 33
        (0.2, 7): ["0.2", "0.5", "1", "2", "5"],  # from 0.133 to 7.7
        (0.03, 0.08): ["0.02", "0.05"],  # from 0.02 to 0.088
        (2.4, 4.1): ["2", "3", "4"],  # from 1.6 to 4.51: of 1, 2 and 5 there is 2 alone
        (3, 3): ["2", "3"],
        (1.65, 1.65): ["1.1", "1.815"],
    }
    folder = Path(report_page.__file__).parent / "templates"
    source = "\n".join((folder / name).read_text(encoding="utf-8") for name in ("common.js", "chart.js"))

    def ticks(values: Sequence[float], log: str) -> list[str]:
        found = f"valueScale({list(values)}, {log}, 360).ticks.map(tick => tick[1])"
        return page.evaluate(f"(() => {{ {source}\nreturn {found}; }})()")  # type: ignore[no-any-return]

    assert {values: ticks(values, "true") for values in labels} == labels
    # An axis with zero is as it was.
    assert ticks((0, 7), "false") == ["0", "2", "4", "6", "8"]


def test_a_search_that_nothing_fits_says_so_and_leaves_what_is_shown(page: Page) -> None:
    def offered() -> list[str]:
        return page.locator("#class-list option").all_text_contents()

    choose(page, "class:Akashiwo")
    page.fill("#class-filter", "zzzz")
    settled(page)
    assert offered() == ["No class or group fits."]
    page.select_option("#axis", "log")
    settled(page)
    assert offered() == ["No class or group fits."]
    assert page.inner_text("#span-said").startswith("Akashiwo, all days: ")
    page.fill("#class-filter", "kare")
    settled(page)
    assert [name.partition(" ")[0] for name in offered()] == ["Karenia"]
    assert page.inner_text("#span-said").startswith("Karenia, all days: ")


def test_a_point_shows_its_bins_and_images(page: Page) -> None:
    choose(page, "class:Akashiwo")
    page.focus("#class-chart [data-day='2024-04-01'][data-series=IFCB10]")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    settled(page)
    assert "2024-04-02, IFCB10: 3 bins" in page.inner_text("#point h3")
    of_point = {bin_id for bin_id in BINS if bin_id.startswith("D20240402") and bin_id.endswith("10")}
    listed = page.locator("#point tbody tr").all_inner_texts()
    assert {row.split()[2] for row in listed} == of_point | {"D20240402T050000_IFCB010"}
    assert page.locator("#point .thumbnails img").count() == 2
    page.locator("#class-chart [data-day='2024-04-04'][data-series=IFCB11]").click()
    settled(page)
    assert "2024-04-04, IFCB11: 2 bins" in page.inner_text("#point h3")
    page.click("#point .close")
    settled(page)
    assert page.is_hidden("#point")


def test_the_address_is_a_link_to_the_view(page: Page, browser: Browser, runs: Runs) -> None:
    choose(page, "group:diatom")
    threshold(page, 0.45)
    page.fill("#from", "2024-04-02")
    page.select_option("#of-series", "IFCB11")
    page.select_option("#axis", "log")
    settled(page)
    page.locator("#class-chart [data-day='2024-04-02']").click()
    settled(page)
    expected, address = shown(page, "diatom"), page.url
    assert len(expected) == 3
    with opened(browser, runs.page) as other:
        other.goto(address)
        other.reload()
        other.wait_for_selector("html[data-state=whole]")
        assert shown(other, "diatom") == expected
        assert other.input_value("#axis") == "log"
        assert other.is_visible("#point")
        assert other.url == address
        # One that was cut off or is of another run shows what there is.
        other.goto(f"{runs.page.as_uri()}#?show=class:Nobody&threshold=7&from=x&own=nonsense&point=1 2")
        other.reload()
        other.wait_for_selector("html[data-state=whole]")
        assert other.input_value("#threshold-number") == "0.7"


def test_the_selection_as_csv_and_as_config(page: Page, runs: Runs) -> None:
    choose(page, "class:Skeletonema")
    threshold(page, 0.55)
    page.fill("#from", "2024-04-02")
    page.fill("#to", "2024-04-02")
    page.select_option("#of-series", "IFCB10")
    settled(page)
    files = {}
    for button in ("selection-csv", "selection-config"):
        with page.expect_download() as download:
            page.click(f"#{button}")
        files[download.value.suggested_filename] = download.value.path().read_text(encoding="utf-8")
    (row,) = csv.DictReader(io.StringIO(files["mvco_selection.csv"]))
    asked = yaml.safe_load(files["selection.yaml"])
    assert asked == {
        "dataset": "mvco",
        "select": {"start": "2024-04-02", "end": "2024-04-02", "instruments": [10]},
        "classify": {"threshold": 0.55},
        "report": {"class": "Skeletonema"},
    }
    (runs.checkout.folder / "selection.yaml").write_text(files["selection.yaml"])
    (runs.checkout.folder / "my.yaml").write_text(yaml.safe_dump(runs.config))
    runs.checkout.run(None, "--configfile", "my.yaml", "selection.yaml")
    table = runs.checkout.table("mvco")
    (of_run,) = table[table["class"] == "Skeletonema"].to_dict("records")
    for name in ("date", "instrument", "class"):
        assert row[name] == of_run[name]
    for name in ("count", "ml_analyzed_total", "objects_per_ml", "threshold"):
        assert float(row[name]) == of_run[name]
    assert float(row["objects_per_ml_high"]) == pytest.approx(of_run["objects_per_ml_high"], rel=1e-9)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessible(browser: Browser, runs: Runs, scheme: str) -> None:
    """axe-core finds no violation, with a point open and each table once."""
    with opened(browser, runs.page, color_scheme=scheme, viewport={"width": 1024, "height": 900}) as page:
        page.wait_for_selector("html[data-state=whole]")
        page.locator("#class-chart .points > *").first.click()
        for name in ("coverage", "ledger"):
            page.locator('[role=tab][tabindex="0"]').press("ArrowRight")
            page.wait_for_selector(f'#{name} [data-table="{name}"] table')
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        assert page.evaluate("document.documentElement.classList.contains('dark')") == (scheme == "dark")


@pytest.mark.parametrize("width", [360, 1024, 1920])
def test_nothing_is_wider_than_the_screen(browser: Browser, runs: Runs, width: int) -> None:
    with opened(browser, runs.page, viewport={"width": width, "height": 740}) as page:
        page.wait_for_selector("html[data-state=whole]")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.evaluate("scrollTo(0, 3000)")
        bar = page.locator("body > nav").bounding_box()
        assert bar
        assert bar["y"] == 0  # it stays


def test_deleted_summaries_leave_the_rest(browser: Browser, runs: Runs, tmp_path: Path) -> None:
    runs.write_page(tmp_path / "report.html", tmp_path)
    with opened(browser, tmp_path / "report.html") as page:
        page.wait_for_selector("html[data-state=whole]")
        assert page.is_disabled("#threshold")
        assert "summaries of this run were deleted" in page.inner_text("#threshold-note")
        assert page.locator("#class-chart .points > *").count() > 0


def test_a_class_keeps_its_own_threshold_where_it_is_that_of_all(browser: Browser, tmp_path: Path) -> None:
    """The run's file gives A the 0.7 of all classes. A has ROIs at 0.9 and 0.5, B has one at 0.5."""
    scores = (["A", "B"], [[0.9, 0.05], [0.5, 0.05], [0.05, 0.5]])
    run = a_run(tmp_path / "run", ([a_bin(0)], [scores]), thresholds={"A": 0.7})
    with opened(browser, a_report(run)) as page:
        page.wait_for_selector("html[data-state=whole]")
        page.select_option("#threshold-for", "all")
        threshold(page, 0.3)
        counts = {name: all_shown(page)["2024-02-15", "IFCB10", name][0] for name in ("A", "B", "unclassified")}
        assert counts == {"A": 1, "B": 1, "unclassified": 1}
        # No other file is asked for: the run's stays in force.
        asked = yaml.safe_load(page.locator("#selection-yaml").text_content() or "")
        assert asked["classify"] == {"threshold": 0.3}
        page.locator("#threshold-number").blur()
        settled(page)
        page.click("#own-thresholds button")
        settled(page)
        assert all_shown(page)["2024-02-15", "IFCB10", "A"][0] == 2
        asked = yaml.safe_load(page.locator("#selection-yaml").text_content() or "")
        assert asked["classify"] == {"threshold": 0.3, "class_thresholds": None}


def test_the_yaml_keeps_the_ends_of_a_window_that_begins_and_ends_at_bins(browser: Browser, tmp_path: Path) -> None:
    """The first bin has an id of the day before its sample_time."""
    first, last = "D20240214T235959_IFCB010", "D20240217T000001_IFCB010"
    days = [
        ([bin_row(first, sample_time="2024-02-15 00:00:01+00:00", n_images="")], [rois(A=1)]),
        ([a_bin(0, day="20240216")], [rois(A=1)]),
        ([a_bin(1, day="20240217")], [rois(A=1)]),
    ]
    run = a_run(tmp_path / "run", *days, select={"start": first, "end": last})
    asked: dict[tuple[str, str], dict[str, str]] = {
        ("2024-02-15", "2024-02-15"): {"end": "2024-02-15"},
        ("2024-02-14", "2024-02-16"): {"end": "2024-02-16"},
        ("2024-02-16", "2024-02-17"): {"start": "2024-02-16"},
        ("2024-02-16", "2024-02-18"): {"start": "2024-02-16"},
        ("2024-02-17", "2024-02-15"): {},
    }
    with opened(browser, a_report(run)) as page:
        page.wait_for_selector("html[data-state=whole]")
        for (from_, to), ends in asked.items():
            page.fill("#from", from_)
            page.fill("#to", to)
            settled(page)
            said = yaml.safe_load(page.locator("#selection-yaml").text_content() or "")
            assert said.get("select", {}) == ends, (from_, to)


def test_days_on_which_a_class_was_not_assessed_are_not_days_without_data(browser: Browser, tmp_path: Path) -> None:
    """Bins on the 15th, 16th and 19th: A is in the label sets of all, B in the last one's. IFCB11 knows no B."""
    days = [
        ([a_bin(0)], [rois(A=1)]),
        ([a_bin(0, day="20240216")], [rois(A=1)]),
        ([a_bin(0, day="20240219"), a_bin(1, 11, day="20240219")], [rois(A=1, B=1), rois(A=1)]),
    ]
    with opened(browser, a_report(a_run(tmp_path / "run", *days))) as page:
        page.wait_for_selector("html[data-state=whole]")
        choose(page, "class:A")
        said = "on 3 days, 0 of them without any; 4 objects in all; 2 without data, left blank."
        assert said in page.inner_text("#class-said")
        choose(page, "class:B")
        said = "on 1 day, 0 of them without any; 1 objects in all; 2 not assessed, 2 without data, left blank."
        assert said in page.inner_text("#class-said")
        page.select_option("#of-series", "IFCB11")
        settled(page)
        assert "not assessed on any day; 4 without data, left blank." in page.inner_text("#class-said")


def test_the_map_has_no_bin_at_zero(browser: Browser, tmp_path: Path) -> None:
    """Of six bins two are at 0,0, which is no position here, and one has none."""
    places: list[dict[str, Any]] = [*[{"latitude": 41, "longitude": -70.5}] * 3, *[{"latitude": 0, "longitude": 0}] * 2]
    bins = [a_bin(n, **place) for n, place in enumerate([*places, {}])]
    run = a_run(tmp_path / "run", (bins, [rois(A=1)] * 6))
    with opened(browser, a_report(run)) as page:
        page.wait_for_selector("html[data-state=whole]")
        assert page.inner_text("#map-said").startswith("3 used bins with a position, all days; ")


@pytest.mark.slow
def test_firefox_draws_and_counts_the_same(page: Page, tmp_path: Path) -> None:
    """Opened by a link with a threshold, a class and days; axe-core finds no violation there either."""
    for name, value in (("#from", "2024-04-01"), ("#to", "2024-04-02")):
        page.fill(name, value)
    choose(page, "class:Skeletonema")
    threshold(page, 0.55)
    expected = shown(page, "Skeletonema")
    axe = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
    with firefox(tmp_path / "profile") as browser:
        browser.open(page.url)
        browser.wait("document.documentElement.dataset.state === 'whole'")
        points = browser.run("[...document.querySelectorAll('.points > *')].map(point => ({ ...point.dataset }))")
        found = {
            (each["day"], each["series"], "Skeletonema"): tuple(
                float(each[field]) for field in ("count", "mL", "value", "low", "high")
            )
            for each in points
        }
        assert_same(found, expected)
        assert browser.run("document.getElementById('trouble').hidden")
        assert browser.run("document.getElementById('bins-said').textContent") == page.inner_text("#bins-said")
        browser.ask("WebDriver:ExecuteScript", {"script": axe, "args": [], "sandbox": None})
        assert browser.run("axe.run().then(found => found.violations.map(each => each.id))") == []
