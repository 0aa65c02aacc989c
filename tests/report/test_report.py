"""The report in a real browser: for the demo, and for small runs that differ from it."""

import csv
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import vl_convert
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from ifcb_abundance.figures.registry import figure_names
from tests import reference
from tests.abundance.pooling import a_bin, rois
from tests.browser import chromium, opened
from tests.checkout import Checkout
from tests.report.reported import a_report, a_run

Table = dict[reference.Key, dict[str, float]]
FIGURES = figure_names(with_features=False)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scripts") / "vega.js"
    path.write_text(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))
    return path


@pytest.fixture(scope="module")
def page(browser: Browser, demo_run: Checkout) -> Iterator[Page]:
    """The demo's report, drawn whole; each test sets what it looks at."""
    with opened(browser, demo_run.results("demo") / "report.html") as page:
        page.wait_for_selector("html[data-state=whole]")
        yield page


@pytest.fixture(scope="module")
def archive(demo_run: Checkout) -> Path:
    return demo_run.folder / "resources" / "demo"


@pytest.fixture(scope="module")
def expected(archive: Path) -> Table:
    return reference.abundance(archive)


def choose(page: Page, label: str) -> None:
    page.fill("#class-filter", "")
    page.select_option("#class-list", f"class:{label}")
    page.wait_for_function("label => document.getElementById('class-chart').dataset.drawn === label", arg=label)


def drawn_points(page: Page, column: str = "value") -> dict[tuple[str, str], float]:
    """What the points of the chart hold: UTC day and group to a value."""
    points = page.locator("#class-chart .points > *").evaluate_all("all => all.map(point => ({ ...point.dataset }))")
    return {(each["day"], each["series"]): float(each[column]) for each in points}


def show_table(page: Page, table: str) -> None:
    page.click(f"#tab-{table}")
    page.wait_for_selector(f'[data-table="{table}"] table')


def assert_shows(page: Page, table: str, n: int) -> None:
    """The table says, at once or soon, that so many rows fit what is searched."""
    expect(page.locator(f'[data-table="{table}"] .dt-info')).to_contain_text(re.compile(f"of {n:,} entr"))


def search(page: Page, table: str, words: str) -> None:
    page.fill(f'[data-table="{table}"] .dt-search input', words)


def downloaded(page: Page, table: str) -> list[dict[str, str]]:
    with page.expect_download() as download:
        page.click(f'[data-table="{table}"] .download')
    return list(csv.DictReader(download.value.path().read_text(encoding="utf-8").splitlines()))


def test_it_opens_whole_and_says_what_was_run(page: Page, archive: Path) -> None:
    """That there was no error and no request is checked as the page is closed."""
    status = reference.statuses(archive)
    text = page.inner_text("#overview")
    assert "152 used, 3 skipped, 5 bad_volume, 2 no_scores" in text
    assert Counter(status.values()) == {"used": 152, "skipped": 3, "bad_volume": 5, "no_scores": 2}
    volume = sum(float(row["ml_analyzed"]) for row in reference.metadata(archive) if status[row["pid"]] == "used")
    assert f"{volume:,.1f} mL" in text
    assert "'Margalefidinium', 'Thalassiosira_TAG_external_detritus'" in text
    assert "D20240417T090751_IFCB902" in text
    for heading in ("Explore", "Figures", "Tables", "Config and provenance"):
        assert page.is_visible(f"h2:text-is('{heading}')")
    assert "threshold: 0.7" in page.inner_text("#provenance")
    assert page.locator("[data-figure] :is(svg, canvas).marks").count() == len(FIGURES)


def test_accessible(page: Page, browser: Browser, demo_run: Checkout) -> None:
    """axe-core finds no violation, in the figures and in a table as a page of its own too."""
    with opened(browser, demo_run.results("demo") / "report" / "coverage.html") as table:
        table.wait_for_selector("html[data-state=whole]")
        for each in (page, table):
            found = Axe().run(each)
            assert found.response["passes"]
            assert found.violations_count == 0, found.generate_report()


def test_the_class_picker_changes_the_chart(page: Page, expected: Table) -> None:
    for label in ("Guinardia_delicatula", "Margalefidinium", "unclassified"):
        choose(page, label)
        points = drawn_points(page)
        assert points == pytest.approx(
            {key[:2]: row["objects_per_ml"] for key, row in expected.items() if key[2] == label}, rel=1e-9
        )
        for column, name in (("low", "objects_per_ml_low"), ("high", "objects_per_ml_high")):
            limits = {key[:2]: row[name] for key, row in expected.items() if key[2] == label}
            assert drawn_points(page, column) == pytest.approx(limits, rel=1e-9)
        assert page.inner_text("#class-said").startswith(label)


def test_classes_can_be_searched_and_groups_chosen(page: Page) -> None:
    page.fill("#class-filter", "guinardia")
    found = page.locator("#class-list option").evaluate_all("options => options.map(option => option.value)")
    assert found == [
        "class:Guinardia_delicatula",
        "class:Guinardia_delicatula_TAG_internal_parasite",
        "class:Guinardia_flaccida",
        "class:Guinardia_striata",
    ]
    page.wait_for_selector("#class-chart[data-drawn=Guinardia_delicatula]")
    page.select_option("#of-series", "IFCB902")
    page.wait_for_function("!document.querySelector('#class-chart [data-series=IFCB901]')")
    assert {group for _, group in drawn_points(page)} == {"IFCB902"}
    page.select_option("#of-series", "")


def test_a_zero_on_a_logarithmic_axis_is_its_upper_limit(page: Page, expected: Table) -> None:
    choose(page, "Margalefidinium")
    page.select_option("#axis", "log")
    triangle = page.locator("#class-chart path[data-day='2024-04-15'][data-series=IFCB901]")
    triangle.wait_for()
    none_found = expected["2024-04-15", "IFCB901", "Margalefidinium"]
    assert drawn_points(page, "count")["2024-04-15", "IFCB901"] == none_found["count"] == 0
    assert drawn_points(page, "high")["2024-04-15", "IFCB901"] == pytest.approx(none_found["objects_per_ml_high"])
    assert "Triangles: none found, the upper limit." in page.inner_text("#class-said")
    page.select_option("#axis", "linear")


def test_the_tables_search_sort_and_download(page: Page, expected: Table) -> None:
    assert len(expected) == 480
    show_table(page, "abundance")
    assert_shows(page, "abundance", 480)
    search(page, "abundance", "Skeletonema IFCB902")
    assert_shows(page, "abundance", 4)  # one a day
    rows = downloaded(page, "abundance")
    assert len(rows) == 4
    for row in rows:
        of_row = expected[row["date"], row["instrument"], row["class"]]
        assert row["class"] == "Skeletonema"
        for column in ("count", "ml_analyzed_total", "objects_per_ml", "objects_per_ml_low", "objects_per_ml_high"):
            assert float(row[column]) == pytest.approx(of_row[column], rel=1e-12), column
    search(page, "abundance", "")
    assert_shows(page, "abundance", 480)
    for order in ("ascending", "descending"):
        page.locator('[data-table="abundance"] thead th', has_text="objects_per_ml").first.click()
        page.wait_for_selector(f'[data-table="abundance"] th[aria-sort="{order}"]')
    top = max((row["count"] / row["ml_analyzed_total"], key) for key, row in expected.items())[1]
    assert page.inner_text('[data-table="abundance"] tbody tr:first-child').split()[:3] == list(top)


def test_one_column_can_be_searched(page: Page, archive: Path) -> None:
    show_table(page, "ledger")
    names = page.locator('[data-table="ledger"] thead tr').first.locator("th").all_inner_texts()
    column = [name.split()[0] for name in names].index("status")
    field = page.locator('[data-table="ledger"] thead tr').nth(1).locator("th, td").nth(column).locator("input")
    field.fill("no_scores")
    assert_shows(page, "ledger", 2)
    assert {row["bin"] for row in downloaded(page, "ledger")} == {
        bin_id for bin_id, status in reference.statuses(archive).items() if status == "no_scores"
    }
    field.fill("")
    assert_shows(page, "ledger", 162)


def test_the_ledger_has_each_bin_and_its_status(page: Page, archive: Path) -> None:
    show_table(page, "ledger")
    assert {row["bin"]: row["status"] for row in downloaded(page, "ledger")} == reference.statuses(archive)
    search(page, "ledger", "bad_volume")
    assert_shows(page, "ledger", 5)


def test_on_a_phone_nothing_is_wider_than_the_screen(browser: Browser, demo_run: Checkout) -> None:
    path = demo_run.results("demo") / "report.html"
    with opened(browser, path, viewport={"width": 360, "height": 740}) as page:
        page.wait_for_selector("html[data-state=whole]")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


HOSTILE = ("</script><script>alert(1)</script>", "&<img src=x onerror=alert(2)>", "<b>bold</b>")
DAY = ([a_bin(0), a_bin(1, instrument=11)], [rois(1, A=3, B=0), rois(A=1, B=2)])


@pytest.mark.parametrize(
    ("days", "options"),
    [
        ([([a_bin(0)], ["no_scores"])], {}),
        pytest.param([DAY], {}, marks=pytest.mark.slow),
        ([DAY, ([a_bin(0, day="20240219")], [rois(A=1, B=1)])], {"abundance": {"group_by": []}}),
        pytest.param(
            [([a_bin(n, depth=5 * n or "", cruise="EN1") for n in range(3)], [rois(A=n + 1) for n in range(3)])],
            {"abundance": {"group_by": ["depth", "cruise"], "period": "week"}},
            marks=pytest.mark.slow,
        ),
        pytest.param([([a_bin(n, instrument=n + 1) for n in range(12)], [rois(A=1)] * 12)], {}, marks=pytest.mark.slow),
        ([([a_bin(0, sample_type="=1+1;@y", cruise=HOSTILE[1])], [rois(**dict.fromkeys(HOSTILE, 2))])], {}),
    ],
    ids=["no used bin", "one day", "ungrouped, with a gap", "several columns", "many groups", "hostile"],
)  # fmt: skip
def test_unlike_the_demo(
    browser: Browser, scripts: Path, tmp_path: Path, days: list[Any], options: dict[str, Any]
) -> None:
    run = a_run(tmp_path / "run", *days, **options)
    written = list(csv.DictReader((run / "abundance_long.csv").read_text().splitlines()))
    with opened(browser, a_report(run, scripts=scripts)) as page:
        page.wait_for_selector("html[data-state=whole]")
        assert {row["class"] for row in downloaded(page, "abundance")} == {row["class"] for row in written}
        for name in ("coverage", "ledger"):
            show_table(page, name)
        # A spreadsheet would run this one.
        kinds = {row["sample_type"] for bins, _ in days for row in bins}
        assert {row["sample_type"] for row in downloaded(page, "ledger")} == {
            "'=1+1;'@y" if kind == "=1+1;@y" else kind for kind in kinds
        }
        for label in {row["class"] for row in written}:
            choose(page, label)
            chosen = page.input_value("#of-series")
            rows = [row for row in written if row["class"] == label]
            # Of more groups than there are colours, one at a time is drawn.
            assert len(drawn_points(page)) == (1 if chosen else len(rows))
        if not written:
            assert "no used bin" in page.inner_text("#class-said")
        elif len(days) == 2:
            assert "3 without data, left blank" in page.inner_text("#class-said")
    with opened(browser, run / "report" / "ledger.html") as page:
        page.wait_for_selector("html[data-state=whole]")
        assert_shows(page, "ledger", sum(len(bins) for bins, _ in days))


@pytest.mark.parametrize("form", ["zip", pytest.param("html", marks=pytest.mark.slow)])
def test_the_engines_own_report(browser: Browser, demo_run: Checkout, tmp_path: Path, form: str) -> None:
    """Its landing page says what was run, its menu leads to pages that sort and search; it asks no server either."""
    demo_run.run(None, "--report", str(tmp_path / f"own.{form}"))
    path = tmp_path / "own.html"
    if form == "zip":
        with zipfile.ZipFile(tmp_path / "own.zip") as archive:
            archive.extractall(tmp_path)
            held = {Path(name).name for name in archive.namelist() if "/data/" in name}
        path = tmp_path / "own" / "report.html"
        assert held >= {f"{figure}.{form}" for figure in FIGURES for form in ("svg", "html")}
        captions = path.read_text()
        assert "White is zero: the class was looked for and not found." in captions
        assert "The band is the 95 % interval" in captions
    with opened(browser, path, viewport={"width": 1280, "height": 600}) as page:
        heading = page.locator("h1", has_text="Plankton abundance")
        heading.wait_for()
        box = heading.bounding_box()
        assert box
        assert box["y"] >= 0  # it can be seen, though there is more than fits on the screen
        text = page.inner_text("body")
        assert "152 used, 3 skipped, 5 bad_volume, 2 no_scores" in text
        assert "Perhaps no plankton" in text
        page.locator("li", has_text="Tables").last.click()
        page.locator("tr", has_text="ledger").locator("a").first.click()
        ledger = page.frame_locator("iframe")
        ledger.locator(".dt-search input").fill("bad_volume")
        ledger.get_by_text("Showing 1 to 5 of 5 entries").wait_for()
