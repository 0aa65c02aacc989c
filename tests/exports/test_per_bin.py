"""What is given per bin: events of the Darwin Core archive, biovolume and carbon. One run makes both."""

import pandas as pd
import pytest
from dwca.read import DwCAReader

from tests.archives import bin_row, write_archive
from tests.checkout import Checkout

BINS = {  # latitude, biovolumes (cubic pixels; 3.4**3 of them are a um3)
    "D20240415T010000_IFCB010": (41.0, [39304, 78608]),
    "D20240415T020000_IFCB010": (42.0, [3930400]),
    "D20240416T030000_IFCB010": (None, []),  # no position and no features
}
LABELS = ["Akashiwo", "Ditylum_brightwellii"]
TABLE = "label,scientific_name,aphia_id,living,group,harmful\nAkashiwo,Akashiwo sanguinea,232546,yes,dinoflagellate,\n"
TABLE += "Ditylum_brightwellii,Ditylum brightwellii,149023,yes,diatom,\n"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    folder = tmp_path_factory.mktemp("per_bin")
    rows, scores = [], {}
    for bin_id, (latitude, _) in BINS.items():
        place = {"latitude": latitude, "longitude": -70.5, "depth": 5.0} if latitude else {}
        rows.append(bin_row(bin_id, ml_analyzed=2.5, **place))
        scores[bin_id] = (LABELS, [[0.9, 0.1]] * 2)
    archive = write_archive(folder / "archive", rows, scores)
    for bin_id, (_, volumes) in BINS.items():
        lines = [f"{roi},{volume}" for roi, volume in enumerate(volumes, start=2)]
        if lines:
            text = "\n".join(["roi_number,Biovolume", *lines, ""])
            (archive / f"{bin_id}_features.csv").write_text(text)
    (folder / "classes.csv").write_text(TABLE)
    export = {"formats": ["darwin_core"], "event": "bin", "title": "T", "summary": "S", "institution": "I"}
    export |= {"license": "CC0-1.0", "model": "M", "creator": {"name": "A. Name", "email": "a@example.org"}}
    checkout = Checkout(folder / "checkout")
    checkout.run(
        {
            "dataset": "own",
            "source": {"kind": "directory", "path": str(archive)},
            "classify": {"class_table": str(folder / "classes.csv")},
            "features": {"make": True, "bins": True},
            "export": export,
        }
    )
    return checkout


def test_an_event_per_bin(run: Checkout) -> None:
    (log,) = (run.folder / "logs").rglob("export_darwin_core.log")
    assert "1 of 3 bins are excluded for want of a position" in log.read_text()
    with DwCAReader(run.results("own") / "exports" / "own_darwin_core.zip") as archive:
        events = [{term.rpartition("/")[2]: value for term, value in row.data.items()} for row in archive]
        occurrences = [
            {term.rpartition("/")[2]: value for term, value in each.data.items()}
            for row in archive
            for each in row.extensions
            if each.rowtype.endswith("/Occurrence")
        ]
    placed = list(BINS)[:2]  # the third has no position
    assert [event["eventID"] for event in events] == [f"own:2024-04-15:{bin_id}" for bin_id in placed]
    assert [event["eventDate"] for event in events] == ["2024-04-15T01:00:00Z", "2024-04-15T02:00:00Z"]
    assert [event["decimalLatitude"] for event in events] == ["41", "42"]
    assert {event["minimumDepthInMeters"] for event in events} == {"5"}
    assert {(event["sampleSizeValue"], event["samplingEffort"]) for event in events} == {("2.5", "one sample")}
    assert {event["coordinateUncertaintyInMeters"] for event in events} == {""}
    found = {(each["eventID"][-24:], each["scientificName"]): each["organismQuantity"] for each in occurrences}
    assert found == {
        (bin_id, name): n
        for bin_id in placed
        for name, n in (("Akashiwo sanguinea", "2"), ("Ditylum brightwellii", "0"))
    }


def test_biovolume_and_carbon_per_bin(run: Checkout) -> None:
    table = pd.read_parquet(run.results("own") / "biovolume_bins.parquet").set_index(["bin", "class"])
    first, second = list(BINS)[:2]
    assert sorted(set(table.index.get_level_values("bin"))) == [first, second]
    assert set(table.index.get_level_values("class")) == {*LABELS, "unclassified"}
    of_first, of_second = table.loc[(first, "Akashiwo")], table.loc[(second, "Akashiwo")]
    assert (of_first["count"], of_first["n_measured"], of_second["n_measured"]) == (2, 2, 1)
    assert of_first["biovolume_um3_per_ml"] == pytest.approx((1000 + 2000) / 2.5)
    assert of_second["biovolume_um3_per_ml"] == pytest.approx(100_000 / 2.5)
    # Other protists: log10 C = -0.665 + 0.939 log10 V, pg C a cell; per mL and by 1000 it is ug C per L.
    pg = 10**-0.665 * (1000**0.939 + 2000**0.939)
    assert of_first["carbon_ug_per_L"] == pytest.approx(pg / 2.5 / 1000)
    assert table.loc[(first, "Ditylum_brightwellii"), "biovolume_um3_per_ml"] == 0
    day = run.table("own", "biovolume_long").query("date == '2024-04-15' and `class` == 'Akashiwo'").iloc[0]
    of_bins = table.xs("Akashiwo", level="class")
    assert of_bins["biovolume_um3_per_ml"].mean() == pytest.approx(day["biovolume_um3_per_ml"])  # of equal volumes
