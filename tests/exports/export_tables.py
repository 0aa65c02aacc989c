"""The tables that exports read, written cell by cell, so that a test can say what must come out."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ifcb_abundance.exports.publication import Publication, Tables
from ifcb_abundance.tables import table_files

# label: scientific_name, aphia_id, living
TRAITS = {
    "Akashiwo": ("Akashiwo", "", "yes"),
    "Alexandrium_catenella": ("Alexandrium catenella", "231873", "yes"),
    "Chaetoceros": ("Chaetoceros", "148985", "yes"),
    "Chaetoceros_curvisetus": ("Chaetoceros curvisetus", "", "yes"),
    "Chaetoceros_other": ("Chaetoceros other", "", "yes"),
    "Chaetoceros_didymus": ("Chaetoceros didymus", "149122", "yes"),
    "Chaetoceros, single cell": ("Chaetoceros", "148985", "yes"),
    "detritus": ("", "", "no"),
    "pollen": ("Pinus", "1", "no"),
    "unclassified": ("", "", ""),
}
PUBLICATION = Publication(
    dataset="demo",
    title="Plankton & <more> of a \u201cbay\u201d",
    summary="Two instruments, four days.",
    institution="An Institute, Département d\u2019essais",
    license="CC-BY-4.0",
    info_url="https://example.org/demo?a=1&b=2",
    model="demo classifier 1.0, https://example.org/model",
    creator_name="A. Name",
    creator_email="a.name@example.org",
    experiment="DEMO",
    cruise="demo_2024",
    documents=["protocol.txt", "checklist.txt"],
)


@dataclass
class Day:
    """A UTC day and group with its classes: label to (count, mL)."""

    date: str
    classes: Mapping[str, tuple[int, float]]
    instrument: str = "IFCB10"
    latitude: float | None = 41.325
    longitude: float | None = -70.5667
    depths: Sequence[float | None] = (4.0,)  # of its bins
    others: Sequence[tuple[str, float]] = ()  # instrument and latitude of further bins, which are pooled with these
    groups: Mapping[str, Any] = field(default_factory=dict)  # depth, cruise, sample_type, if it is pooled by them
    moving: str = "no"
    spread: float | None = 0.0
    complete: str = "yes"
    used: bool = True
    threshold: float = 0.7


def write_tables(folder: Path, days: Sequence[Day], group_by: Sequence[str] = ("instrument",)) -> Tables:
    """Write the tables, and run.json, into the folder."""
    rows: dict[str, list[dict[str, Any]]] = {"abundance_long": [], "coverage": [], "catalog": [], "ledger": []}
    for day in days:
        shared = {"date": day.date, "instrument": day.instrument, **day.groups}
        stamp = f"D{day.date.replace('-', '')}T"
        volume = max((ml for _, ml in day.classes.values()), default=0.0)
        for label, (count, ml) in day.classes.items() if day.used else ():
            name, aphia_id, living = TRAITS.get(label, ("", "", ""))
            low, high = count / 2, count * 2 + 3.0
            rows["abundance_long"].append(
                shared
                | {"latitude": day.latitude, "longitude": day.longitude, "class": label, "scientific_name": name}
                | {"aphia_id": aphia_id, "living": living, "count": count, "ml_analyzed_total": ml}
                | {"objects_per_ml": count / ml, "objects_per_ml_low": low / ml, "objects_per_ml_high": high / ml}
                | {"objects_per_L": count / ml * 1000, "threshold": None if label == "unclassified" else day.threshold}
                | {"n_bins": len(day.depths), "n_bins_assessed": len(day.depths)}
                | {"n_rois": sum(n for n, _ in day.classes.values()), "dispersion": 1.5}
                | {"objects_per_ml_low_dispersed": low / ml, "objects_per_ml_high_dispersed": high / ml}
            )
        rows["coverage"].append(
            shared
            | {f"n_{status}": 0 for status in ("skipped", "filtered", "bad_volume", "failed")}
            | {"n_expected": len(day.depths), "n_used": len(day.depths) * day.used}
            | {"n_no_scores": len(day.depths) * (not day.used)}
            | {"first_sample_time": f"{day.date}T00:12:30+00:00" if day.used else None}
            | {"last_sample_time": f"{day.date}T23:05:53+00:00" if day.used else None}
            | {"hours_covered": 2 * day.used, "ml_analyzed_total": volume * day.used}
            | {"n_positions": len(day.depths) * (day.used and day.latitude is not None)}
            | {"position_spread_km": day.spread, "moving": day.moving, "complete": day.complete}
        )
        bins = [(depth, day.instrument, day.latitude) for depth in day.depths]
        for i, (depth, instrument, latitude) in enumerate([*bins, *((day.depths[0], *other) for other in day.others)]):
            bin_id = f"{stamp}{len(rows['catalog']):06d}_IFCB{int(instrument[4:]):03d}"
            rows["catalog"].append(
                {"bin": bin_id, "sample_time": f"{day.date}T00:{i:02d}:00+00:00", "instrument": instrument}
                | {"ml_analyzed": 2.0, "latitude": latitude, "longitude": day.longitude, "skip": 0}
                | {"depth": depth, "cruise": "", "sample_type": ""}
                | day.groups
            )
            rows["ledger"].append({"bin": bin_id, "date": day.date, "status": "used" if day.used else "no_scores"})
    for table, of_table in rows.items():
        with (folder / f"{table}.csv").open("w", newline="", encoding="utf-8") as file:
            out = csv.DictWriter(file, table_files.columns(table, group_by), lineterminator="\n")
            out.writeheader()
            out.writerows(of_table)
    (folder / "run.json").write_text('{"catalog_read_at": "2024-06-01T12:00:00+00:00", "written_at": "now"}')
    return Tables(*(folder / f"{table}.csv" for table in ("abundance_long", "coverage", "catalog", "ledger")))
