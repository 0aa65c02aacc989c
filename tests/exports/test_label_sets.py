"""Bins of a day whose label sets differ, as after a classifier was trained anew, in the Darwin Core archive."""

from pathlib import Path

import pytest
from dwca.read import DwCAReader

from tests.archives import bin_row, write_archive
from tests.checkout import Checkout

TABLE = "label,scientific_name,aphia_id,living,group,harmful,synonym_of,merge\n"
TABLE += "".join(f"{label},Chaetoceros,148985,yes,diatom,,,\n" for label in ("Chaetoceros", "chain"))
TABLE += "single,Chaetoceros,148985,yes,diatom,,of_one,after\nof_one,Chaetoceros,148985,yes,diatom,,,\n"


def test_the_volume_of_a_taxon_is_that_of_all_bins_that_looked_for_it(checkout: Checkout, tmp_path: Path) -> None:
    """By hand: 10, 6 and 4 in 3.5 mL each are 20 in 10.5 mL. The exact limits of 20 at 95 % are 12.2165 and 30.8884."""
    first, second, third, last = (f"D20240401T0{hour}0000_IFCB101" for hour in (1, 2, 3, 4))
    archive = write_archive(
        tmp_path / "archive",
        [bin_row(bin_id, ml_analyzed=3.5, latitude=41.0, longitude=-70.0) for bin_id in (first, second, third, last)],
        {
            first: (["Chaetoceros", "detritus"], [[0.9, 0.1]] * 10),
            second: (["chain", "detritus"], [[0.9, 0.1]] * 6),
            third: (["detritus", "Single"], [[0.1, 0.9]] * 4),
            last: (["detritus"], [[0.9]]),
        },
    )
    (tmp_path / "classes.csv").write_text(TABLE)
    export = {"formats": ["darwin_core"], "title": "T", "summary": "S", "institution": "I", "license": "CC0-1.0"}
    checkout.run(
        {
            "dataset": "own",
            "source": {"kind": "directory", "path": str(archive)},
            "classify": {"class_table": str(tmp_path / "classes.csv")},
            "export": {**export, "model": "M", "creator": {"name": "A. Name", "email": "a@example.org"}},
            "report": {"make": False},
        }
    )
    with DwCAReader(checkout.results("own") / "exports" / "own_darwin_core.zip") as file:
        (event,) = file
        rows = [{term.rpartition("/")[2]: value for term, value in row.data.items()} for row in event.extensions]
    (occurrence,) = (row for row in rows if row.get("occurrenceStatus"))
    assert (occurrence["organismQuantity"], occurrence["verbatimIdentification"]) == (
        "20",
        "Chaetoceros | chain | of_one",
    )
    measured = {row["measurementType"]: float(row["measurementValue"]) for row in rows if row.get("measurementUnit")}
    density = "Abundance of biological entity specified elsewhere per unit volume of the water body"
    assert measured == {
        "Volume in which the class was looked for": 10.5,
        density: pytest.approx(20e6 / 10.5),
        "Lower exact Poisson limit of the abundance": pytest.approx(12.2165e6 / 10.5, rel=1e-5),
        "Upper exact Poisson limit of the abundance": pytest.approx(30.8884e6 / 10.5, rel=1e-5),
    }
    groups = checkout.table("own", "groups_long").set_index("group")
    assert groups.loc["diatom", "objects_per_ml"] == pytest.approx(20 / 10.5)
