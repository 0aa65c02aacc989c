"""The report: HTML files with the tables, the figures and all that draws them, to open anywhere without a network."""

import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import yaml

from ifcb_abundance.bins.statuses import BinStatus
from ifcb_abundance.common.atomic_write import atomic_write
from ifcb_abundance.common.words import counted
from ifcb_abundance.figures.options import FigureOptions
from ifcb_abundance.images.montages import TEMPLATES as MONTAGE_TEMPLATES
from ifcb_abundance.images.montages import read_montages
from ifcb_abundance.pooling.method import group_columns
from ifcb_abundance.report.explorer import pack_explorer
from ifcb_abundance.report.overview import look_over, read_run
from ifcb_abundance.report.packing import pack, pack_table
from ifcb_abundance.tables import table_files

# No settings of this library: it would look for some in the home folder, which may be unreadable.
os.environ["ITABLES_CONFIG"] = ""
import itables.options

TEMPLATES = Path(__file__).parent / "templates"
# With more rows a browser takes more than a few seconds. The page says what it omits.
MOST_ROWS = 200_000
# Columns of abundance_long that the page does not show: they are constant, or the same in another unit.
NOT_SHOWN = {"latitude", "longitude", "objects_per_L", "n_rois", "aphia_id", "living", "harmful"}
# The tables that a report is made from; features_ledger only if features are made, the last two only with labels.
READ = (
    "abundance_long",
    "groups_long",
    "coverage",
    "ledger",
    "catalog",
    "features_ledger",
    "label_notes",
    "rate_drift",
)
OF_BIN = (  # of the catalog
    *("bin", "sample_time", "instrument", "ml_analyzed", "n_images", "sample_type", "tags"),
    *("latitude", "longitude", "depth", "cruise"),
)
TITLES = {
    "abundance": "Abundance per UTC day and class",
    "coverage": "Coverage: how much of each UTC day was sampled and used",
    "ledger": "Ledger: what became of each bin, and why",
}

NOTHING_MERGED = FigureOptions(dataset="", group_by=(), top_classes=0, one_class=None, confidence=0.95)


@dataclass(frozen=True)
class ReportInputs:
    """The files that a report is made from.

    run: its run.json. tables: the CSV files that `overview.look_over` takes and groups_long, by their names. figures:
    Vega-Lite specifications (JSON) that hold their data. scripts: Vega, Vega-Lite and Vega-Embed as one module that
    sets `vegaEmbed`. bins_long: the Parquet file, for the overview. summaries: the folder of the scores summaries.
    montages: their folder, if there are any. options: those of the figures, for what the class table says.
    """

    run: str | Path
    tables: Mapping[str, str | Path]
    figures: Sequence[str | Path]
    scripts: str | Path
    bins_long: str | Path
    summaries: str | Path
    montages: str | Path | None = None
    options: FigureOptions = NOTHING_MERGED


def write_report(inputs: ReportInputs, page: str | Path, table_pages: Mapping[str, str | Path]) -> None:
    """Write the report of a run as one page, and its tables as pages of their own.

    table_pages: by the names of TITLES. The pages have no times but those of the samples: the same inputs give the
    same bytes. Raises TableError if a table does not agree with its schema.
    """
    record = read_run(inputs.run)
    config = record["config"]
    read = {name: table_files.read(name, path) for name, path in inputs.tables.items()}
    abundance, left_out = _most_recent(read["abundance_long"])
    days = set(abundance["date"])
    groups = read["groups_long"]
    bins = _bins(read["ledger"], read["catalog"], group_columns(record["config"]["abundance"]["group_by"]))
    shown_bins, left_out_bins = _shown(bins, days)
    shown = {
        "abundance": pack_table(abundance.drop(columns=list(NOT_SHOWN)), "abundance_long"),
        "coverage": pack_table(read["coverage"], "coverage"),
        "ledger": pack_table(shown_bins, "ledger", "catalog"),
    }
    given = {
        "dataset": record["dataset"],
        "made_by": record["workflow"],
        "titles": TITLES,
        "left_out": {"abundance": left_out, "coverage": "", "ledger": left_out_bins},
        **_datatables(),
    }
    specs = {Path(path).stem: json.loads(Path(path).read_text(encoding="utf-8")) for path in inputs.figures}
    _write(
        page,
        "page.html.j2",
        **given,
        tables=shown,
        run=record,
        overview=look_over(record, read, inputs.bins_long, inputs.options.class_of),
        config=yaml.safe_dump(config, sort_keys=False, allow_unicode=True),
        confidence=f"{100 * config['abundance']['confidence']:g} %",
        figures={name: (_heading(name), str(spec.get("description", ""))) for name, spec in specs.items()},
        montages=read_montages(inputs.montages) if inputs.montages else [],
        specs={name: pack(spec) for name, spec in specs.items()},
        packs=pack_explorer(
            record,
            abundance,
            groups[groups["date"].isin(days)],
            bins,
            shown_bins.index,
            inputs.summaries,
            inputs.options,
        ),
        vega=pack(Path(inputs.scripts).read_text(encoding="utf-8")),
    )
    for name, path in table_pages.items():
        _write(path, "table.html.j2", **given, tables={name: shown[name]})


def _write(path: str | Path, template: str, **given: Any) -> None:
    # Everything that is filled in is escaped; what is packed needs no escape.
    engine = jinja2.Environment(
        loader=jinja2.FileSystemLoader((TEMPLATES, MONTAGE_TEMPLATES)),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    with atomic_write(path) as unfinished:
        unfinished.write_text(engine.get_template(template).render(**given), encoding="utf-8")


def _datatables() -> dict[str, Any]:
    """Read the script and the style sheet of DataTables, which itables carries."""
    script = Path(itables.options.dt_bundle)
    return {
        "datatables": pack(script.read_text(encoding="utf-8")),
        "datatables_css": script.with_suffix(".css").read_text(encoding="utf-8"),
    }


def _most_recent(abundance: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Keep the last days up to MOST_ROWS rows, one at least, and say which days those are if any are omitted."""
    if len(abundance) <= MOST_ROWS:
        return abundance, ""
    per_day = abundance["date"].value_counts().sort_index(ascending=False)
    days = per_day.index[: max((per_day.cumsum() <= MOST_ROWS).sum(), 1)]
    return (
        abundance[abundance["date"].isin(days)],
        f"This page has the last {counted(len(days), 'day')} only, from {min(days)}; abundance_long.csv has all.",
    )


def _bins(ledger: pd.DataFrame, catalog: pd.DataFrame, group_by: Sequence[str]) -> pd.DataFrame:
    """Join what the page shows of each bin, and what bins are grouped by."""
    of_bin = list(dict.fromkeys([*OF_BIN, *group_by]))
    catalog = catalog.assign(**{name: "" for name in group_by if name not in catalog})
    outcome = ledger[["bin", "date", "status", "reason", "bytes"]]
    bins = outcome.merge(catalog[of_bin], on="bin", validate="one_to_one")
    return bins[["date", *of_bin, "status", "reason", "bytes"]]


def _shown(bins: pd.DataFrame, days: Collection[str]) -> tuple[pd.DataFrame, str]:
    """Keep the bins that the page has room for, and say which it omits. days: those of abundance in the page."""
    if len(bins) <= MOST_ROWS:
        return bins, ""
    of_days = bins[(bins["status"] != BinStatus.USED) | bins["date"].isin(days)]
    if len(of_days) <= MOST_ROWS:
        return of_days, "Used bins of earlier days are not in this page; ledger.csv has all."
    return bins[bins["status"] != BinStatus.USED], "Only bins that were not used are in this page; ledger.csv has all."


def _heading(figure: str) -> str:
    return figure.replace("_", " ").capitalize()
