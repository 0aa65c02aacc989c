"""Biovolume, carbon and sizes: formulae against published values, days against ROIs that a test describes."""

import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifcb_abundance.catalog.selection import assess
from ifcb_abundance.common.errors import FeaturesError, TableError
from ifcb_abundance.config import Select
from ifcb_abundance.features.biovolume import (
    CarbonMethod,
    carbon,
    cubic_um,
    merge_bins,
    merge_biovolume,
    pool_biovolume,
    tally,
)
from ifcb_abundance.features.size_spectrum import ALL, LIVING, drop_off, esd, size_bin, spectrum
from ifcb_abundance.features.summary import read_features
from ifcb_abundance.pooling.method import Method
from ifcb_abundance.scores.decide import More
from ifcb_abundance.scores.summary import RoiWinners, best_scores
from ifcb_abundance.tables import table_files
from tests.abundance.pooling import (
    CLASSES,
    FEATURE_PARTS,
    PooledFeatures,
    Rois,
    Row,
    a_bin,
    feature_files,
    pool,
    pool_features,
    records,
    rois,
)
from tests.features.test_summary import GOLDEN

TABLE: dict[str, Any] = {"class_table": CLASSES}
volumes = st.floats(1e-3, 1e9)

# --- formulae ---


def test_carbon_is_that_of_published_examples() -> None:
    """iRfcb's documentation prints these results of vol2C_lgdiatom and vol2C_nondiatom."""
    volume = np.array([5000.0, 10000.0, 20000.0])
    assert carbon(volume, diatom=True).round(4).tolist() == [211.7350, 389.9420, 718.1372]
    assert carbon(volume, diatom=False)[:2].round(4).tolist() == [643.1804, 1233.1048]


def test_diatoms_are_split_at_3000_cubic_um() -> None:
    """By a calculator: log10 3000 = 3.4771213; 10^(-0.541 + 0.811 x 3.4771213) = 10^2.2789454 = 190.08; the formula for
    larger ones gives 10^(-0.933 + 0.881 x 3.4771213) = 10^2.1303439 = 135.00, other protists 10^2.6000169 = 398.12."""
    both = carbon(np.array([3000.0, np.nextafter(3000.0, np.inf)]), diatom=True)
    assert both == pytest.approx([190.08, 135.00], rel=1e-4)
    assert carbon(np.array([3000.0, 3000.0]), diatom=False) == pytest.approx([398.12] * 2, rel=1e-4)
    # 10^-0.541 = 0.28774, 10^-0.665 = 0.21627: the carbon of 1 um3.
    assert carbon(np.array([1.0]), diatom=True) == pytest.approx([0.28774], rel=1e-4)
    assert carbon(np.array([1.0]), diatom=False) == pytest.approx([0.21627], rel=1e-4)
    assert np.isnan(carbon(np.array([np.nan]), diatom=True)).all()


def test_carbon_of_diatoms_is_as_other_tools_have_it() -> None:
    """ifcb-analysis takes the formula of other protists for diatoms below 3000 um3, iRfcb took that of large diatoms
    for all. At 1000 um3: 10^(-0.665 + 0.939 x 3) = 141.906, 10^(-0.933 + 0.881 x 3) = 51.286, ours 77.983."""
    volume = np.array([1000.0, 3000.0, 4000.0])
    assert carbon(volume, True, "ifcb_analysis") == pytest.approx([141.906, 135.00, 173.943], rel=1e-4)
    assert carbon(volume, True, "irfcb_legacy") == pytest.approx([51.286, 135.00, 173.943], rel=1e-4)
    for rule in ("ifcb_analysis", "irfcb_legacy"):
        assert np.array_equal(carbon(volume, False, rule), carbon(volume, False))  # type: ignore[arg-type]
    # Seven diatoms of one published archive differ by 41 to 67 % by rule alone: small ones, from 3000 um3 down.
    ratio = carbon(np.array([3000.0, 263.0]), True) / carbon(np.array([3000.0, 263.0]), True, "irfcb_legacy")
    assert ratio == pytest.approx([1.408, 1.670], abs=2e-3)


def test_carbon_per_cell_is_that_of_equal_cells() -> None:
    """By hand: an image of 4000 um3 that shows four cells has four times the 77.983 pg of 1000 um3; one whose cells are
    not known is one cell. The table gives B two cells an image: 2 x 10^(-0.665 + 0.939 x log10 50) = 2 x 8.518."""
    row = dict.fromkeys(("scientific_name", "aphia_id", "harmful"), "") | {"living": "yes"}
    table = {"A": row | {"group": "diatom"}, "B": row | {"group": "other", "cells_per_image": "2"}}
    scores = np.array([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9]])
    rois_of = RoiWinners(("A", "B"), np.arange(1, 4), *best_scores(scores), More(cells=np.array([4, np.nan, np.nan])))
    method = Method(class_table=table)
    volume = np.array([4000.0, 1000.0, 100.0])
    per_cell = tally(("A", "B"), rois_of, volume, method, CarbonMethod(per_cell=True)).sums.values["carbon"]
    assert per_cell[:2] == pytest.approx([5 * 77.983, 2 * 8.518], rel=1e-4)
    per_image = tally(("A", "B"), rois_of, volume, method).sums.values["carbon"]
    assert per_image[:2] == pytest.approx([173.943 + 77.983, 16.331], rel=1e-4)


@pytest.mark.parametrize("when", ["before", "after"])
def test_cells_are_those_of_the_label_that_is_merged(when: str) -> None:
    """By hand: an image of Dia shows 4 cells, one of Dia_single, which becomes Dia, shows 1. So 4000 um3 are 4 cells of
    1000 um3, each with 77.983 pg, and 1000 um3 one such cell; 500 um3 of neither are one object."""
    dia = dict.fromkeys(("scientific_name", "aphia_id", "harmful"), "") | {"living": "yes", "group": "diatom"}
    single = dia | {"cells_per_image": "1", "synonym_of": "Dia", "merge": when}
    method = Method(class_table={"Dia": dia | {"cells_per_image": "4"}, "Dia_single": single})
    labels, scores = ("Dia", "Dia_single"), np.array([[0.9, 0.1], [0.1, 0.9], [0.1, 0.1]])
    of_bin = RoiWinners(labels, np.arange(1, 4), *best_scores(scores))
    found = tally(labels, of_bin, np.array([4000.0, 1000.0, 500.0]), method, CarbonMethod(per_cell=True)).sums
    assert found.classes == ("Dia", "unclassified")
    assert found.values["carbon"][0] == pytest.approx(5 * 77.983, rel=1e-4)


def test_volumes_are_over_the_cube_of_pixels_per_um() -> None:
    """3.4^3 = 39.304; 2.77^3 = 21.253933."""
    assert cubic_um(np.array([39.304, 0.0, np.nan]), 3.4).tolist()[0] == pytest.approx(1, rel=1e-12)
    assert np.isnan(cubic_um(np.array([0.0, np.nan]), 3.4)).all()  # no blob was found: not measured
    assert cubic_um(np.array([21.253933]), 2.77) == pytest.approx([1], rel=1e-12)


def test_diameters_are_those_of_spheres() -> None:
    """A sphere of 10 um has 523.5988 um3; quarters of an octave from 1 um: 10 um is in the 13th, 9.51 to 11.31 um."""
    assert esd(np.array([math.pi / 6, 523.5988])) == pytest.approx([1, 10], rel=1e-7)
    assert size_bin(np.array([1.0, 1.18, 1.19, 2.0, 10.0, 0.99])).tolist() == [0, 0, 1, 4, 13, -1]


def test_the_real_file_by_hand() -> None:
    """153497.2344 cubic pixels at 3.4 pixels per um are 3905.385 um3: a sphere of 19.538 um, and, as a large diatom,
    10^(-0.933 + 0.881 x log10 3905.385) = 10^2.23126 = 170.32 pg C."""
    if not GOLDEN.exists():
        pytest.skip(f"no shared data in {GOLDEN.parents[2]}")
    found = read_features("IFCB5_2012_028_081515", GOLDEN.read_bytes())
    volume = cubic_um(found.biovolume, 3.4)
    assert volume == pytest.approx([26.92329, 3905.385, 130.96869, 23.316425, 63.859023], rel=1e-5)
    assert esd(volume[1:2]) == pytest.approx([19.538], rel=1e-4)
    assert carbon(volume[1:2], diatom=True) == pytest.approx([170.32], rel=1e-4)


# --- a day ---


def by_hand(tmp_path: Path, **method: Any) -> PooledFeatures:
    """Two bins of 2 mL at 10 pixels per um, so 1000 cubic pixels are 1 um3.

    The first: A 1000 and 4000 um3, C 100 um3, D 50 um3, one unclassified of 8 um3. The second knows no C: A without a
    biovolume, D 50 um3.
    """
    bins = [a_bin(1), a_bin(2)]
    scores = [rois(1, A=2, C=1, D=1), rois(A=1, D=1)]
    pixels = [[1e6, 4e6, 1e5, 5e4, 8e3], [math.nan, 5e4]]
    return pool_features(tmp_path, bins, scores, pixels, {"default": 10.0}, **{**TABLE, **method})


def test_sums_are_over_the_volume_of_bins_that_know_the_class(tmp_path: Path) -> None:
    day = by_hand(tmp_path)
    assert day.column("count") == {"A": 3, "C": 1, "D": 2, "unclassified": 1}
    assert day.column("n_measured") == {"A": 2, "C": 1, "D": 2, "unclassified": 1}
    assert day.column("ml_analyzed_total") == {"A": 4, "C": 2, "D": 4, "unclassified": 4}
    assert day.column("n_bins_with_features") == {"A": 2, "C": 1, "D": 2, "unclassified": 2}
    found = day.column("biovolume_um3_per_ml")
    assert found == pytest.approx({"A": 5000 / 4, "C": 50, "D": 25, "unclassified": 2}, rel=1e-12)


def test_carbon_is_of_what_lives_by_its_group(tmp_path: Path) -> None:
    """A diatom of 1000 um3 has 10^(-0.541 + 0.811 x 3) = 77.983 pg, one of 4000 um3 has 10^(-0.933 + 0.881 x 3.60206) =
    173.943; C, a dinoflagellate of 100 um3, has 10^(-0.665 + 0.939 x 2) = 16.331 pg. 1 pg/mL is 0.001 ug/L."""
    day = by_hand(tmp_path)
    found = day.column("carbon_ug_per_L")
    assert found["A"] == pytest.approx((77.983 + 173.943) / 4 * 1e-3, rel=1e-4)
    assert found["C"] == pytest.approx(16.331 / 2 * 1e-3, rel=1e-4)
    assert math.isnan(found["D"])  # does not live
    assert math.isnan(found["unclassified"])
    groups = day.column("carbon_ug_per_L", "biovolume_groups", "group")
    assert groups["diatom"] == found["A"]
    assert groups["living total"] == pytest.approx((77.983 + 173.943 + 16.331) / 4 * 1e-3, rel=1e-4)
    assert day.column("count", "biovolume_groups", "group") == {"diatom": 3, "dinoflagellate": 1, "living total": 4}


def test_without_a_class_table_there_is_biovolume_and_no_carbon(tmp_path: Path) -> None:
    day = by_hand(tmp_path, class_table={})
    assert day.column("biovolume_um3_per_ml")["A"] == pytest.approx(1250)
    assert all(map(math.isnan, day.column("carbon_ug_per_L").values()))
    assert day.tables["biovolume_groups"] == []
    assert {row["objects"] for row in day.spectrum} == {"all"}


def test_a_threshold_moves_biovolume_to_unclassified(tmp_path: Path) -> None:
    day = by_hand(tmp_path, threshold=0.95)
    assert day.column("biovolume_um3_per_ml") == pytest.approx(
        {"A": 0, "C": 0, "D": 0, "unclassified": (5000 + 100 + 100 + 8) / 4}
    )
    assert day.column("n_measured")["unclassified"] == 6
    assert day.column("count")["unclassified"] == 7


def test_missing_is_not_zero(tmp_path: Path) -> None:
    # B was looked for and not found; A was found, and none of it was measured.
    day = pool_features(tmp_path, [a_bin(1)], [rois(A=2, B=0)], [[math.nan, 0.0]], **TABLE)
    assert day.column("biovolume_um3_per_ml")["B"] == 0
    assert day.column("carbon_ug_per_L")["B"] == 0
    assert math.isnan(day.column("biovolume_um3_per_ml")["A"])
    assert math.isnan(day.column("carbon_ug_per_L")["A"])
    assert day.column("n_measured")["A"] == 0
    assert day.spectrum == []


def test_a_roi_of_several_classes_is_one_of_the_bin(tmp_path: Path) -> None:
    """By hand: each score is 0.05 or more, so each of the 3 ROIs counts for A, C and D. One has no biovolume."""
    volumes = [[1000.0, math.nan, 8.0]]
    day = pool_features(tmp_path, [a_bin(1)], [rois(A=1, C=1, D=1)], volumes, **TABLE, rule="each", threshold=0.05)
    assert day.column("count") == {"A": 3, "C": 3, "D": 3, "unclassified": 0}
    (account,) = day.ledger.values()
    assert (account["n_rois"], account["n_measured"]) == ("3", "2")


def test_bins_without_features_are_in_the_account_and_nowhere_else(tmp_path: Path) -> None:
    bins = [a_bin(1), a_bin(2), a_bin(3), a_bin(4), a_bin(5, skip=1)]
    scores: list[Rois | str] = [rois(A=1), rois(A=1), rois(A=1, B=1), "no_scores", rois(A=9)]
    day = pool_features(tmp_path, bins, scores, [[1000], "no_features", "failed", [], [1] * 9], **TABLE)
    assert day.column("ml_analyzed_total") == {"A": 2, "unclassified": 2}  # B is in no label set that has features
    assert day.column("n_bins") == {"A": 3, "unclassified": 3}
    assert day.column("n_bins_with_features") == {"A": 1, "unclassified": 1}
    assert [row["status"] for row in day.ledger.values()] == ["read", "no_features", "failed"]
    without = [row for row in day.ledger.values() if row["status"] != "read"]
    assert all(row["n_rois"] == row["n_measured"] == "" and row["reason"] for row in without)


def test_a_day_without_any_features_has_no_rows(tmp_path: Path) -> None:
    day = pool_features(tmp_path, [a_bin(1)], [rois(A=1)], ["no_features"], **TABLE)
    assert [day.tables[name] for name in ("biovolume", "biovolume_groups", "size_spectrum")] == [[], [], []]
    day = pool_features(tmp_path / "b", [a_bin(1, skip=1)], [rois(A=1)], **TABLE)
    assert list(day.tables.values()) == [[], [], [], []]


def test_each_instrument_has_its_own_pixels(tmp_path: Path) -> None:
    bins, scores = [a_bin(1, 10), a_bin(2, 125)], [rois(A=1), rois(A=1)]
    sizes = {"default": 1.0, "IFCB125": 2.0}
    day = pool_features(tmp_path, bins, scores, [[800], [800]], sizes, **TABLE)
    assert day.column("biovolume_um3_per_ml", key="instrument", **{"class": "A"}) == {"IFCB10": 400, "IFCB125": 50}
    assert {row["pixels_per_um"] for row in day.ledger.values()} == {"1.0", "2.0"}
    day = pool_features(tmp_path / "pooled", bins, scores, [[800], [800]], sizes, group_by=(), **TABLE)
    assert day.column("biovolume_um3_per_ml")["A"] == 900 / 4


def test_a_summary_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FeaturesError, match="no features summary of 1 bin"):
        pool_biovolume(assess(records([a_bin(1)]), Select()), [], Method(), {"default": 1}, feature_files(tmp_path))


# --- properties ---


@given(st.lists(volumes, min_size=1, max_size=8), st.floats(0.1, 100), st.floats(0.2, 5))
def test_pixels_scale_volumes_with_their_cube(of_rois: list[float], pixels: float, times: float) -> None:
    biovolume = np.array(of_rois)
    ratio = cubic_um(biovolume, pixels * times) / cubic_um(biovolume, pixels)
    assert ratio == pytest.approx(times**-3, rel=1e-9)
    assert esd(cubic_um(biovolume, pixels * times)) * times == pytest.approx(esd(cubic_um(biovolume, pixels)), rel=1e-9)


@settings(max_examples=12)  # each pools two days
@given(st.lists(volumes, min_size=1, max_size=12), st.data())
def test_how_rois_are_spread_over_bins_changes_no_sum(
    tmp_path_factory: pytest.TempPathFactory, of_rois: list[float], data: st.DataObject
) -> None:
    """Three bins of 2 mL, whichever ROI is in which."""
    folder = tmp_path_factory.mktemp("x")
    found = []
    for i in range(2):
        places = data.draw(st.lists(st.integers(0, 2), min_size=len(of_rois), max_size=len(of_rois)))
        of_bins = [[v for v, at in zip(of_rois, places, strict=True) if at == n] for n in range(3)]
        scores = [rois(A=len(of_bin), C=0) for of_bin in of_bins]
        day = pool_features(folder / str(i), [a_bin(n) for n in range(3)], scores, of_bins, **TABLE)
        found.append((day.column("biovolume_um3_per_ml"), day.column("carbon_ug_per_L"), day.spectrum))
    (first, carbon_first, sizes), (second, carbon_second, sizes_again) = found
    assert second == pytest.approx(first, rel=1e-12)
    assert carbon_second == pytest.approx(carbon_first, rel=1e-12, nan_ok=True)
    assert sizes_again == sizes
    assert first["A"] == pytest.approx(math.fsum(of_rois) / 6, rel=1e-12)


# --- sizes ---


def test_a_spectrum_by_hand() -> None:
    """In 2 mL: 5, 5.2, 5.5, 7 and 11 um, the last two alive. Edges: 4.757, 5.657, 6.727, 8, 9.514, 11.31 um."""
    diameters = np.array([5, 5.2, 5.5, 7, 11.0])
    table = spectrum({ALL: math.pi / 6 * diameters**3, LIVING: math.pi / 6 * diameters[3:] ** 3}, 2.0)
    of_all, living = (table[table["objects"] == objects] for objects in (ALL, LIVING))
    assert of_all["count"].tolist() == [3, 0, 1, 0, 1]  # sizes between that nothing has are rows
    assert living["count"].tolist() == [0, 0, 1, 0, 1]
    assert of_all["esd_low_um"].tolist() == pytest.approx([4.7568, 5.6569, 6.7272, 8, 9.5137], rel=1e-4)
    assert of_all["esd_high_um"].tolist()[-1] == pytest.approx(11.3137, rel=1e-5)
    assert of_all["objects_per_ml"].tolist() == [1.5, 0, 0.5, 0, 0.5]
    assert of_all["objects_per_ml_per_um"].iloc[0] == pytest.approx(1.5 / (5.6569 - 4.7568), rel=1e-3)
    assert set(table["drop_off_um"]) == {of_all["esd_low_um"].iloc[0]}


def test_the_drop_off_of_a_power_law_with_a_threshold() -> None:
    """Of a spectrum that falls with the fourth power an instrument sees none below 6 um, half at 6.5 um, all above
    7 um: the drop-off is the bin from 6.73 to 8 um."""
    rng = np.random.default_rng(1)
    diameters = 2 * (1 - rng.random(400_000)) ** (-1 / 3)  # Pareto: densities fall with D^-4
    seen = rng.random(len(diameters)) < np.clip(diameters - 6, 0, 1)
    table = spectrum({ALL: math.pi / 6 * diameters[seen] ** 3}, 1.0)
    assert drop_off(table) == pytest.approx(2 ** (11 / 4))


@given(st.lists(volumes, min_size=1, max_size=50), st.floats(0.01, 100))
def test_every_object_is_in_one_bin_of_a_spectrum(of_objects: list[float], ml: float) -> None:
    table = spectrum({ALL: np.array(of_objects), LIVING: np.array(of_objects[::2])}, ml)
    assert table.groupby("objects")["count"].sum().to_dict() == {ALL: len(of_objects), LIVING: len(of_objects[::2])}
    widths = table["esd_high_um"] - table["esd_low_um"]
    total = (table["objects_per_ml_per_um"] * widths)[table["objects"] == ALL].sum()
    assert total == pytest.approx(len(of_objects) / ml)
    assert (table["esd_high_um"] / table["esd_low_um"]).to_numpy() == pytest.approx(2**0.25)
    assert table["drop_off_um"].nunique() == 1


# --- merged ---


def merge(
    tmp_path: Path, bins: list[Row], scores: list[Rois | str], volumes: Any = None, **options: Any
) -> dict[str, str]:
    """A day, merged: the account has to agree with the ledger."""
    tmp_path.mkdir(exist_ok=True)
    pool(tmp_path / "day", bins, scores, **TABLE)
    pool_features(tmp_path / "day", bins, scores, volumes, **TABLE)
    catalog = tmp_path / "catalog.csv"
    table_files.write(records(bins)[table_files.columns("catalog")], "catalog", catalog)
    merged = feature_files(tmp_path)
    given: dict[str, Any] = {"pixels": {"default": 1.0}, "allowed": True} | options
    tables: dict[str, Any] = {"ledger": options.get("ledger", tmp_path / "day" / "ledger.csv"), "catalog": catalog}
    tables |= {name: [tmp_path / "day" / file] for name, file in FEATURE_PARTS.items()}
    merge_biovolume(tables, merged, Method(**TABLE), given["pixels"], given["allowed"], tmp_path / "f")
    return merged


def test_the_account_has_the_used_bins_of_the_ledger(tmp_path: Path) -> None:
    bins = [a_bin(1), a_bin(2), a_bin(3, skip=1)]
    merged = merge(tmp_path, bins, [rois(A=1), "no_scores", rois(A=1)])
    assert pd.read_csv(merged["features_ledger"])["bin"].tolist() == [bins[0]["pid"]]
    ledger = tmp_path / "other.csv"
    ledger.write_text((tmp_path / "day" / "ledger.csv").read_text().replace("no_scores,reason: no_scores", "used,"))
    with pytest.raises(TableError, match=f"1 bin, .* has 2 used; not in both: .*{bins[1]['pid']}"):
        merge(tmp_path / "again", bins, [rois(A=1), "no_scores", rois(A=1)], ledger=ledger)


def test_what_failed_earlier_stops_where_that_is_not_allowed(tmp_path: Path) -> None:
    merge(tmp_path / "a", [a_bin(1)], [rois(A=1)], ["failed"])
    with pytest.raises(FeaturesError, match=r"(?s)recorded as failed.*reason: failed.*rm .*IFCB010\.parquet"):
        merge(tmp_path / "b", [a_bin(1)], [rois(A=1)], ["failed"], allowed=False)
    assert not (tmp_path / "b" / "biovolume.csv").exists()


def test_what_is_missing_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    sizes = {"default": 1.0, "IFCB7": 2.0}
    merge(tmp_path, [a_bin(1), a_bin(2)], [rois(A=2, E=1), rois(A=1)], [[1, 0, 3], "no_features"], pixels=sizes)
    told = caplog.text
    assert "1 of 2 used bins have none" in told
    assert "1 of 3 ROIs have no biovolume" in told
    assert "classify.class_table lacks `living` for 1 label, so their carbon is empty: E" in told
    assert "features.pixels_per_um: no bin of the window has IFCB7" in told


def test_bins_of_shards_are_merged_into_the_bytes_of_one_run(tmp_path: Path) -> None:
    """A row group is a day, the second one without a row."""
    row: dict[str, Any] = dict.fromkeys(table_files.columns("biovolume_bins"), 1)
    row |= {"bin": "D20240415T000000_IFCB010", "sample_time": pd.Timestamp("2024-04-15", tz="UTC")}
    row |= {"instrument": "IFCB10", "class": "Akashiwo", "carbon_rule": "volume"}
    types = table_files.empty("biovolume_bins").dtypes
    days = []
    for n in (1, 0, 2):
        days.append(tmp_path / f"day{len(days)}.parquet")
        table_files.write_parquet(pd.DataFrame([row] * n, columns=list(row)).astype(types), "biovolume_bins", days[-1])
    whole, shard, merged = (tmp_path / f"{name}.parquet" for name in ("whole", "shard", "merged"))
    merge_bins(days, whole)
    merge_bins(days[:2], shard)
    merge_bins([shard, days[2]], merged)
    assert [pq.ParquetFile(whole).metadata.row_group(day).num_rows for day in range(3)] == [1, 0, 2]
    assert merged.read_bytes() == whole.read_bytes()
