"""Small runs in a folder, with the tables and run.json, from days that a test describes ROI by ROI."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ifcb_abundance.abundance.days import merge_abundance
from ifcb_abundance.bins.layout import SUMMARY, of_bin
from ifcb_abundance.classes.class_table import ClassTable
from ifcb_abundance.config import resolve
from ifcb_abundance.pooling.method import Method
from ifcb_abundance.report import overview
from ifcb_abundance.report import page as report_page
from ifcb_abundance.report.run_record import RunFacts, record_run
from ifcb_abundance.tables import table_files
from tests.abundance.pooling import CLASSES, PARTS, Rois, Row, day_files, pool, records

Day = tuple[Sequence[Row], Sequence[Rois | str]]  # bins and their scores, as `pool` takes them


def a_run(
    folder: Path,
    *days: Day,
    thresholds: Mapping[str, float] | None = None,
    cut: bool = False,
    merged: ClassTable | None = None,
    **given: Any,
) -> Path:
    """Pool the days and put them together; returns the folder.

    thresholds: of single classes. given: keys of the config. merged: a class table; without it that of `pooling`.
    """
    config = resolve({"dataset": "mvco", "source": {"path": "here"}, **given}).with_precision("float16").as_written()
    chosen = {
        "threshold": config["classify"]["threshold"],
        "group_by": config["abundance"]["group_by"],
        "class_table": merged or CLASSES if config["classify"]["class_table"] else {},
        "class_thresholds": thresholds or {},
        "position_tolerance_km": config["abundance"]["position_tolerance_km"],
    }
    folder.mkdir(exist_ok=True)
    for number, (bins, scores) in enumerate(days):
        pool(folder / str(number), bins, scores, cut, **chosen)
        for summary in (folder / str(number)).glob("D*.parquet"):
            place = Path(of_bin(folder / "bins", SUMMARY, summary.stem))
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(summary, place)
    catalog = folder / "catalog.csv"
    table_files.write(records([row for bins, _ in days for row in bins]), "catalog", catalog)
    parts = {name: [folder / str(number) / file for number in range(len(days))] for name, file in PARTS.items()}
    of_run = day_files(folder) | {"abundance": str(folder / "abundance_long.csv")}
    merge_abundance(parts, catalog, Method(**chosen), True, folder / "bins", of_run)
    files = (catalog, of_run["ledger"], of_run["abundance"], folder, folder / "run.json")
    of_labels = {"class_thresholds": thresholds or {}, "merged_labels": Method(**chosen).table.merged_labels()}
    record_run(RunFacts(config, {"path": "here"}, **of_labels), *files)
    return folder


def tables(folder: Path) -> dict[str, Path]:
    """The tables that the overview is made from."""
    return {name: folder / f"{name}.csv" for name in ("abundance_long", "coverage", "ledger", "catalog")}


def looked_over(folder: Path) -> overview.Overview:
    read: dict[str, pd.DataFrame] = {name: table_files.read(name, path) for name, path in tables(folder).items()}
    return overview.look_over(overview.read_run(folder / "run.json"), read, folder / "bins.parquet")


def reported(folder: Path) -> dict[str, Path]:
    """Those, and the groups of classes, which the report alone needs."""
    return {**tables(folder), "groups_long": Path(day_files(folder)["groups"])}


def a_report(folder: Path, figures: Sequence[Path] = (), scripts: Path | None = None) -> Path:
    """Write the report of a run; returns its path. The pages of its tables are in `report` beside it.

    scripts: what draws figures; without it the page is not for a browser.
    """
    if scripts is None:
        scripts = folder / "vega.js"
        scripts.touch()
    pages = {name: folder / "report" / f"{name}.html" for name in report_page.TITLES}
    files = (folder / "run.json", reported(folder), figures, scripts, folder / "bins.parquet", folder / "bins")
    inputs = report_page.ReportInputs(*files)
    report_page.write_report(inputs, folder / "report.html", pages)
    return folder / "report.html"
