"""The report of a year: how long it takes to write, how large it is, and how soon it opens in Chromium.

`python -m benchmarks.year_report` measures and prints; `python -m benchmarks year_report` also writes the page. The
year is made up: an hourly bin of 5,000 ROIs (or as asked), classes as unlike in abundance as in nature, scores as of a
classifier that is mostly sure.
"""

import json
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from playwright.sync_api import Page
from tests.abundance.pooling import PARTS, a_bin, day_files, records
from tests.browser import chromium, opened

from ifcb_abundance.abundance.days import merge_abundance, pool_abundance
from ifcb_abundance.bins.layout import SUMMARY, of_bin
from ifcb_abundance.bins.statuses import ScoresStatus
from ifcb_abundance.catalog.selection import assess
from ifcb_abundance.classes.class_table import TRAITS
from ifcb_abundance.config import Select, resolve
from ifcb_abundance.figures.draw import describe
from ifcb_abundance.figures.options import FigureOptions
from ifcb_abundance.figures.registry import FIGURES, figure_names
from ifcb_abundance.figures.vega_scripts import bundle_scripts
from ifcb_abundance.pooling.method import Method
from ifcb_abundance.report.page import READ, ReportInputs, write_report
from ifcb_abundance.report.run_record import RunFacts, record_run
from ifcb_abundance.scores.summary import Provenance, Winners, write_summary
from ifcb_abundance.tables import table_files

GROUPS = ("diatom", "dinoflagellate", "ciliate", "flagellate")
BINS_A_DAY = 24


def made_up_year(folder: Path, days: int, classes: int, rois: int) -> None:
    """Write the tables, run.json and scores summaries of a run."""
    chance = np.random.default_rng(1)
    names = tuple(f"Genus_{n:03}" for n in range(classes))
    traits = dict.fromkeys(TRAITS, "") | {"living": "yes"}
    method = Method(class_table={name: {**traits, "group": GROUPS[n % 4]} for n, name in enumerate(names)})
    share = chance.dirichlet(np.exp(chance.normal(0, 2, classes)))
    rows = []
    for number in range(days):
        day = (date(2023, 1, 1) + timedelta(number)).strftime("%Y%m%d")
        bins = [a_bin(hour, day=day, latitude=41.3, longitude=-70.5) for hour in range(BINS_A_DAY)]
        rows += bins
        summaries = []
        for row in bins:
            path = Path(of_bin(folder / "bins", SUMMARY, row["pid"]))
            path.parent.mkdir(parents=True, exist_ok=True)
            write_summary(
                Provenance(row["pid"], ScoresStatus.READ, address="x", sha256="0" * 64, bytes=1, classes=names),
                _winners(chance, chance.poisson(rois), share),
                path,
            )
            summaries.append(path)
        part = folder / "parts" / day
        part.mkdir(parents=True)
        pool_abundance(assess(records(bins), Select()), summaries, method, False, day_files(part))
    table_files.write(records(rows), "catalog", folder / "catalog.csv")
    parts = {name: sorted((folder / "parts").glob(f"*/{file}")) for name, file in PARTS.items()}
    merged = {name: str(folder / f"{name}.csv") for name in PARTS} | {"bins": str(folder / "bins_long.parquet")}
    merged |= {"abundance": str(folder / "abundance_long.csv"), "groups": str(folder / "groups_long.csv")}
    merge_abundance(parts, folder / "catalog.csv", method, True, folder / "bins", merged)
    config = resolve({"dataset": "year", "source": {"path": "here"}}).with_precision("float16").as_written()
    files = (folder / "catalog.csv", merged["ledger"], merged["abundance"], folder / "bins", folder / "run.json")
    record_run(RunFacts(config, {"path": "here"}), *files)


def _winners(chance: np.random.Generator, rois: int, share: np.ndarray) -> Winners:
    """Winning classes, and scores of which half are above 0.9, in the precision of a dashboard."""
    won = chance.choice(len(share), rois, p=share)
    score = chance.beta(2.2, 0.6, rois).astype("float16").astype("float64")
    cells, n = np.unique(np.stack([won, score]), axis=1, return_counts=True)
    winner = cells[0].astype(np.intp)
    return Winners(cells[1], {"float64": winner, "float32": winner, "float16": winner}, n.astype(np.int64))


def write_page(folder: Path) -> float:
    """Write the report with all figures of a run; returns the processor time (s) of it, without the figures."""
    options = FigureOptions("year", ["instrument"], 20, None, 0.95)
    files = {name: folder / f"{name}.csv" for name in ("coverage", "catalog", "ledger", "sweep")}
    files |= {"abundance": folder / "abundance_long.csv", "bins": folder / "bins_long.parquet"}
    figures = []
    for name in figure_names(with_features=False):
        if set(FIGURES[name].tables) <= set(files):
            figures.append(folder / f"{name}.json")
            figures[-1].write_text(json.dumps(describe(name, files, options)))
    bundle_scripts(folder / "vega.js")
    tables = {name: folder / f"{name}.csv" for name in READ if (folder / f"{name}.csv").exists()}
    start = time.process_time()
    given = (folder / "run.json", tables, figures, folder / "vega.js", folder / "bins_long.parquet", folder / "bins")
    write_report(ReportInputs(*given), folder / "report.html", {})
    return time.process_time() - start


def _until(page: Page, state: str, start: float) -> float:
    page.wait_for_selector(f"html[data-state={state}]", timeout=300_000)
    return time.perf_counter() - start


def measure(days: int, classes: int, rois: int, folder: Path) -> pd.DataFrame:
    """Make up a run, write its report, open it and move the slider."""
    if not (folder / "run.json").exists():
        made_up_year(folder, days, classes, rois)
    written = write_page(folder)
    path = folder / "report.html"
    text = path.read_text(encoding="utf-8")
    packs = {
        name: len(text.split(f'id="pack-{name}">')[1].split("<")[0]) / 1e6 for name in ("scores", "abundance", "ledger")
    }
    with chromium() as browser, opened(browser, path, viewport={"width": 1280, "height": 900}) as page:
        page.reload(wait_until="commit")
        start = time.perf_counter()
        ready = _until(page, "ready", start)
        whole = _until(page, "whole", start)
        start = time.perf_counter()
        for step in range(20):
            page.fill("#threshold-number", f"{0.3 + step / 100:.2f}")
            page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        slide = (time.perf_counter() - start) / 20
        note = page.inner_text("#threshold-note")
    return pd.DataFrame(
        [
            {
                "days": days,
                "classes": classes,
                "rois": days * BINS_A_DAY * rois,
                "written_cpu_s": round(written, 1),
                "page_mb": round(len(text) / 1e6, 2),
                **{f"{name}_mb": round(size, 2) for name, size in packs.items()},
                "ready_s": round(ready, 2),
                "whole_s": round(whole, 2),
                "slider_ms": round(1000 * slide),
                "thresholds": note.partition(". ")[2],
            }
        ]
    )


if __name__ == "__main__":
    asked = [int(number) for number in sys.argv[1:]] or [365, 150, 5000]
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        print(measure(*asked, Path(temporary)).T.to_string(header=False))
