"""The metadata export in the dialects of three dashboards, and everything that is no such export."""

import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifcb_abundance.catalog.listing import OPTIONAL
from ifcb_abundance.common.errors import CatalogError
from ifcb_abundance.raw.volume import FastRuns
from ifcb_abundance.sources.metadata_export import NEEDED, from_records, read_export, without_repeats
from tests.archives import bin_row

COLUMNS = (
    "bin sample_time instrument ml_analyzed latitude longitude depth cruise sample_type n_images skip tags "
    "volume_method volume_disagreement volume_note position_note"
).split()

BIN = "D20240301T003000_IFCB010"
RECORDED = Path(__file__).parents[2].parent / "shared" / "data" / "recorded"
EXPORTS = sorted(p.name for p in RECORDED.glob("5.0/*export*.body") if p.name != "export_head.body")
recorded = pytest.mark.skipif(not EXPORTS, reason=f"no recorded answers in {RECORDED}")


def export(*rows: dict[str, object]) -> bytes:
    text = io.StringIO()
    out = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    out.writeheader()
    out.writerows(rows)
    return text.getvalue().encode()


def one(**columns: object) -> pd.Series:
    """The catalog row of an export of one bin."""
    return read_export(export(bin_row(BIN, **columns)), "here").iloc[0]


# --- recorded answers ---


@recorded
@pytest.mark.parametrize("name", EXPORTS)
def test_three_dialects_give_equal_rows(name: str) -> None:
    bodies = {version: (RECORDED / version / name).read_bytes() for version in ("5.0", "5.1", "5.2")}
    rows = {version: read_export(body, name) for version, body in bodies.items()}
    pd.testing.assert_frame_equal(rows["5.0"], rows["5.1"], check_exact=True)
    pd.testing.assert_frame_equal(rows["5.0"], rows["5.2"], check_exact=True)
    listed = list(csv.DictReader(io.StringIO(bodies["5.0"].decode())))
    assert list(rows["5.2"]["bin"]) == [row["pid"] for row in listed]
    assert [f"{t:%Y-%m-%d %H:%M:%S+00:00}" for t in rows["5.2"]["sample_time"]] == [r["sample_time"] for r in listed]
    assert [str(n) for n in rows["5.2"]["n_images"]] == [row["n_images"] for row in listed]


@recorded
@pytest.mark.parametrize("version", ["5.0", "5.1", "5.2"])
def test_quirks_of_a_recorded_export(version: str) -> None:
    rows = read_export((RECORDED / version / "q_export.body").read_bytes(), "quirks").set_index("bin")
    assert len(rows) == 13
    assert set(rows["instrument"]) == {"IFCB10", "IFCB125"}
    assert rows.loc["D20240301T003000_IFCB010", "instrument"] == "IFCB10"  # no instrument in the export
    assert pd.isna(rows.loc["D20240301T000000_IFCB010", "ml_analyzed"])  # -9999999.0
    assert rows.loc["D20240301T000000_IFCB010", "skip"] == 1
    moved = rows.loc["D20240301T030000_IFCB010"]
    assert moved["sample_time"] == pd.Timestamp("2024-02-27 22:00", tz="UTC")
    assert (moved["ml_analyzed"], moved["sample_type"]) == (1.5, "cast")
    assert list(rows.loc["D20240301T040000_IFCB010", ["latitude", "longitude", "depth"]]) == [0.0, 0.0, 0.0]
    assert rows.loc["D20240301T060000_IFCB010", "tags"] == "b;c;dup"
    assert rows.loc["D20240301T020000_IFCB010", "cruise"] == "EN644"


@recorded
def test_old_ids_and_the_exact_volume() -> None:
    rows = read_export((RECORDED / "5.2" / "export_legacy.body").read_bytes(), "legacy")
    assert list(rows["bin"]) == ["D20130526T095207_IFCB013", "IFCB5_2012_028_081515"]
    assert list(rows["instrument"]) == ["IFCB13", "IFCB5"]
    assert list(rows["ml_analyzed"]) == [4.8850699041666665, 0.003391470833333334]


# --- values ---


@pytest.mark.parametrize(
    ("column", "text", "value"),
    [
        *((name, "-9999999.0", None) for name in ("ml_analyzed", "latitude", "longitude", "depth")),
        *((name, "-9999999", None) for name in ("ml_analyzed", "latitude", "longitude", "depth")),
        *((name, "", None) for name in ("ml_analyzed", "latitude", "longitude", "depth", "n_images")),
        *[("ml_analyzed", "-0.029", -0.029), ("ml_analyzed", "2.8378572916666664", 2.8378572916666664)],
        *[("latitude", "0.0", 0.0), ("latitude", "-90", -90.0), ("longitude", "180", 180.0)],
        *[
            ("depth", "-9999", None),
            ("depth", "0", 0.0),
            ("n_images", "10.0", 10),
            ("depth", "inf", None),
            ("latitude", "-inf", None),
            ("ml_analyzed", "inf", float("inf")),
            ("ml_analyzed", "-inf", None),
            ("ml_analyzed", " 2.5", 2.5),
            ("skip", "1", 1),
            ("skip", "0.0", 0),
        ],
    ],
)
def test_values_and_fill_values(column: str, text: str, value: float | None) -> None:
    read = one(**{column: text})[column]
    assert pd.isna(read) if value is None else read == value


@pytest.mark.parametrize(("text", "instrument"), [("10", "IFCB10"), ("125.0", "IFCB125"), ("", "IFCB10")])
def test_instruments(text: str, instrument: str) -> None:
    assert one(ifcb=text)["instrument"] == instrument


@pytest.mark.parametrize(("tags", "joined"), [(("b", "c"), "b;c"), (("", "c"), "c"), (("", ""), "")])
def test_tags_are_joined(tags: tuple[str, str], joined: str) -> None:
    assert one(tag1=tags[0], tag2=tags[1], comment_summary='odd, "check"')["tags"] == joined


@pytest.mark.parametrize("text", ["NA", "nan", "null", "None"])
def test_text_that_looks_missing_is_text(text: str) -> None:
    row = one(cruise=text, sample_type=text, tag1=text)
    assert list(row[["cruise", "sample_type", "tags"]]) == [text] * 3


def test_the_names_of_columns_may_be_in_another_case() -> None:
    body = export(bin_row(BIN, ml_analyzed=2.5, cruise="EN1", tag1="x"))
    header, _, rows = body.partition(b"\n")
    assert read_export(header.upper() + b"\n" + rows, "here").equals(read_export(body, "here"))


def test_columns_go_by_name_and_repeated_rows_stay_for_the_catalog_to_judge() -> None:
    row = bin_row(BIN, ml_analyzed=2.5, tag1="x")
    turned = dict(reversed(row.items())) | {"add_tag": ""}
    rows = read_export(export(turned, turned), "here")
    assert list(rows.columns) == COLUMNS
    assert list(rows["bin"]) == [BIN, BIN]
    assert list(rows["ml_analyzed"]) == [2.5, 2.5]


def test_records_give_the_same_rows_as_an_export() -> None:
    row = {name: str(value) for name, value in bin_row(BIN, tag1="x", latitude=41.3).items()}
    asked = from_records([row | {"tags": "x"}], "here")
    pd.testing.assert_frame_equal(asked, read_export(export(row), "here"), check_exact=True)


def test_a_header_alone_is_no_bins() -> None:
    assert read_export(export(bin_row(BIN)).splitlines(keepends=True)[0], "here").empty


# --- what is refused ---


@pytest.mark.parametrize(
    ("column", "text"),
    [
        *(("sample_time", text) for text in ("", "yesterday", "2024-13-01 00:00:00+00:00", "now")),
        *(("ifcb", text) for text in ("x", "inf", "-10", "10.5")),
        *(("sample_time", text) for text in ("0000-01-01", "0999-12-31 00:00:00", "1000-01-01 00:00:00+01:00")),
        *(
            ("sample_time", text)
            for text in (
                "9999-12-31 23:59:59-01:00",
                "2024-02-15 24:00:00",
                "2024-02-15 00:07:61",
                "9999-12-31 23:59:60",
            )
        ),
        *(("sample_time", text) for text in ("2024-02-15 00:07:00.0000001", "2024-W07-4", "\u0662024-02-15")),
        *(("ml_analyzed", text) for text in ("2,5", "2.851 ml", "9" * 400, "1e400", "0x10", "1_0")),
        *(("n_images", text) for text in ("many", "inf", "1e300")),
        *(("skip", text) for text in ("", "2", "yes")),
        *[("latitude", "41N"), ("longitude", "x"), ("depth", "4 m")],
    ],
)
def test_bad_values_are_refused_with_bin_column_and_value(column: str, text: str) -> None:
    good = bin_row("D20240301T000000_IFCB010")
    with pytest.raises(CatalogError) as refused:
        read_export(export(good, bin_row(BIN, **{column: text})), "metadata.csv")
    assert all(word in str(refused.value) for word in ("metadata.csv", BIN, column, text[:60]))


@pytest.mark.parametrize(
    "pid", ["", "FCB1_2006_157_181359", "../../etc/passwd", f"{BIN}\n", "D20240230T000000_IFCB010"]
)
def test_bad_ids_are_refused(pid: str) -> None:
    with pytest.raises(CatalogError, match="not a bin id") as refused:
        read_export(export(bin_row(BIN) | {"pid": pid}), "metadata.csv")
    assert repr(pid) in str(refused.value)


@pytest.mark.parametrize("column", NEEDED)
def test_a_missing_column_is_named(column: str) -> None:
    row = bin_row(BIN)
    del row[column]
    with pytest.raises(CatalogError, match=rf"metadata\.csv.*no column {column} "):
        read_export(export(row), "metadata.csv")


@pytest.mark.parametrize(
    "body", [b"", b"\n", b"\xff\xfe\x00", b"\0" * 50, b"<!DOCTYPE html>\n<html><p>a, b</p></html>\n"]
)
def test_other_files_are_refused(body: bytes) -> None:
    with pytest.raises(CatalogError, match="not a metadata export"):
        read_export(body, "here")


def test_a_cut_export_gives_whole_rows_or_an_error() -> None:
    ids = [f"D20240301T00{minute}000_IFCB010" for minute in range(3)]
    body = export(*map(bin_row, ids))
    for length in range(len(body)):
        try:
            rows = read_export(body[:length], "here")
        except CatalogError:
            continue
        assert list(rows["bin"]) == ids[: len(rows)]
        assert len(rows) == body[: length + 1].count(b"\n") - 1


@settings(max_examples=100)
@given(st.data())
def test_damage_gives_rows_or_a_catalog_error(data: st.DataObject) -> None:
    body = export(bin_row(BIN), bin_row("D20240301T010000_IFCB010"))
    at = data.draw(st.integers(0, len(body)))
    damaged = body[:at] + data.draw(st.binary(max_size=4)) + body[at + data.draw(st.integers(0, 4)) :]
    try:
        rows = read_export(damaged, "here")
    except CatalogError:
        return
    assert [name for name in rows.columns if name not in OPTIONAL] == COLUMNS  # damage may have made a cast


@pytest.mark.parametrize(
    ("position", "kept", "note"),
    [
        ((95, -70), (None, -70), "latitude 95 is beyond 90"),
        ((-90.25, -70), (None, -70), "latitude -90.25 is beyond -90"),
        ((41, -370), (41, None), "longitude -370 is beyond -180"),
        ((41, 360.5), (41, None), "longitude 360.5 is beyond 360"),
        ((413.5, -705), (None, None), "latitude 413.5 is beyond 90; longitude -705 is beyond -180"),
        *(((unknown, unknown), (None, None), "") for unknown in (-9999999, -9999, "inf", "-inf", "")),
        ((90, 289.5), (90, -70.5), ""),
    ],
)
def test_degrees_that_are_nowhere_on_earth_are_named(
    position: tuple[object, object], kept: tuple[object, object], note: str
) -> None:
    row = one(latitude=position[0], longitude=position[1])
    assert tuple(None if pd.isna(row[axis]) else row[axis] for axis in ("latitude", "longitude")) == kept
    assert row["position_note"] == note


@pytest.mark.parametrize(
    ("written", "kept", "note"),
    [
        (-999, None, "depth -999 is beyond -100"),
        (-999.9, None, "depth -999.9 is beyond -100"),
        ("1e20", None, "depth 1e+20 is beyond 12000"),
        ("9.96921e36", None, "depth 9.96921e+36 is beyond 12000"),
        (-9999, None, ""),
        (-9999999, None, ""),
        ("", None, ""),
        (0, 0, ""),
        (-2.5, -2.5, ""),
        (10_935, 10_935, ""),
    ],
)
def test_a_depth_that_is_none_is_named(written: object, kept: float | None, note: str) -> None:
    row = one(depth=written)
    assert (None if pd.isna(row["depth"]) else row["depth"], row["position_note"]) == (kept, note)


@pytest.mark.parametrize(("written", "meant"), [(-70.5, -70.5), (180.0, 180.0), (289.5, -70.5), (360.0, 0.0)])
def test_longitudes_counted_from_0_to_360_are_known(written: float, meant: float) -> None:
    assert one(longitude=written)["longitude"] == meant


def test_a_line_break_in_an_operators_text_does_not_reach_the_tables() -> None:
    assert one(cruise="EN\n706", sample_type="cast\t1", tag1="a\x0bb")[["cruise", "sample_type", "tags"]].tolist() == [
        "EN 706",
        "cast 1",
        "a b",
    ]


# --- damage that could be taken for another value ---

ROW = f"{BIN},2024-03-01 00:30:00+00:00,10,2.875,41.3,-70.5,5,EN644,cast,10,0"
HEADER = ",".join(NEEDED)


def test_a_row_by_hand() -> None:
    assert read_export(f"{HEADER}\n{ROW}\n".encode(), "here").iloc[0]["ml_analyzed"] == 2.875


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (f"{HEADER}\n{ROW}", "does not end with a line break"),
        (HEADER, "does not end with a line break"),
        (f"{HEADER},tag1\n{ROW}\n", "line 2 has 11 cells, not 12"),  # cut before its tags
        (f"{HEADER}\nx,{ROW}\n", "line 2 has 12 cells, not 11"),  # all columns moved by one
        (f"{HEADER}\n{ROW},\n", "line 2 has 12 cells"),
        (f"{HEADER},ml_analyzed\n{ROW},2.5\n", "duplicate column 'ml_analyzed'"),
        (f"{HEADER},tag1,tag1\n{ROW},a,b\n", "duplicate column 'tag1'"),
        (f"{HEADER}\n{ROW.replace('2.875', chr(34) + '2.' + chr(34) + '875')}\n", "line 2: "),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(body: str, told: str) -> None:
    with pytest.raises(CatalogError, match=rf"metadata\.csv: .*{told}"):
        read_export(body.encode(), "metadata.csv")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2024-02-15T00:07:00Z", "2024-02-15 00:07"),
        ("2024-02-15 00:07:00", "2024-02-15 00:07"),
        ("2024-02-15 00:07", "2024-02-15 00:07"),
        ("2024-02-15", "2024-02-15"),
        ("2024-02-15 00:07:00+01:30", "2024-02-14 22:37"),
        ("2024-02-15 23:00:00-0130", "2024-02-16 00:30"),
        ("2024-02-15T00:07:00.123456", "2024-02-15 00:07:00.123456"),
        ("2024-02-15T00:07:00.123456000", "2024-02-15 00:07:00.123456"),
        ("2016-12-31 23:59:60+00:00", "2017-01-01"),
        ("2016-12-31T23:59:60.25Z", "2017-01-01 00:00:00.25"),
        ("2017-01-01 00:59:60+01:00", "2017-01-01"),
        ("2024-02-15 00:07:60", "2024-02-15 00:08"),
        ("1000-01-01 00:00:00", "1000-01-01"),
        ("9999-12-31 23:59:59", "9999-12-31 23:59:59"),
    ],
)
def test_times_of_any_year_stand_beside_each_other(written: str, meant: str) -> None:
    rows = read_export(export(bin_row("D20240301T000000_IFCB010"), bin_row(BIN, sample_time=written)), "here")
    assert rows["sample_time"].tolist()[1] == pd.Timestamp(meant, tz="UTC")


def test_half_a_character_of_json_is_replaced() -> None:
    row = {name: str(value) for name, value in bin_row(BIN, cruise="EN\ud800").items()}
    assert from_records([row | {"tags": "a\udfff"}], "here").iloc[0][["cruise", "tags"]].tolist() == ["EN?", "a?"]


def test_a_bin_listed_twice_is_one_row_unless_its_values_differ() -> None:
    rows = pd.DataFrame({"bin": ["A", "B", "A"], "ml_analyzed": [1.5, np.nan, 1.5]})
    once = without_repeats(rows, "list")
    assert once["bin"].tolist() == ["A", "B"]
    rows.loc[2, "ml_analyzed"] = 1.6
    with pytest.raises(CatalogError, match=r"with different values: ml_analyzed 1\.5 and 1\.6$"):
        without_repeats(rows, "list")


def test_a_list_that_people_upload_is_read_by_its_columns() -> None:
    body = b"Filename,Instrument,Lat,Lon,ml_analyzed,Bad,Cast,Niskin,tag1\n" + (
        b"D20240301T010203_IFCB206.adc,IFCB206,41.5,-70.5,2.5,no,7,NA,bloom\n"
        b"raw/D20240302T010203_IFCB206,206,NA,nan,NA,yes,,3,\n"
    )
    rows = read_export(body, "here").to_dict("records")
    assert [row["bin"] for row in rows] == ["D20240301T010203_IFCB206", "D20240302T010203_IFCB206"]
    assert {row["instrument"] for row in rows} == {"IFCB206"}
    assert [row["sample_time"].isoformat() for row in rows] == [
        "2024-03-01T01:02:03+00:00",
        "2024-03-02T01:02:03+00:00",
    ]
    assert [row["skip"] for row in rows] == [0, 1]
    assert [(row["cast"], row["niskin"], row["tags"]) for row in rows] == [("7", "", "bloom"), ("", "3", "")]
    assert (rows[0]["latitude"], rows[0]["ml_analyzed"]) == (41.5, 2.5)
    assert all(np.isnan(rows[1][name]) for name in ("latitude", "longitude", "ml_analyzed"))


def test_a_table_of_headers_has_volumes_of_look_times() -> None:
    """iRfcb's columns. By hand: (1200.5 - 12.5) s x 0.25 mL/min / 60 = 4.95 mL."""
    body = b"sample,timestamp,ifcb_number,gpsLatitude,gpsLongitude,runTime,inhibitTime,sampleType\n" + (
        b"D20230810T113059_IFCB134,2023-08-10 11:30:59,IFCB134,58.2,11.4,1200.5,12.5,Normal\n"
    )
    (row,) = read_export(body, "here").to_dict("records")
    assert (row["ml_analyzed"], row["latitude"], row["sample_type"]) == (pytest.approx(4.95), 58.2, "Normal")
    assert "cast" not in row
    with pytest.raises(CatalogError, match=r"here: .*no_bin"):
        read_export(b"filename\nno_bin\n", "here")


@pytest.mark.parametrize(
    ("cells", "meant"),
    [
        ("2024-02-15,15:00:55,", "2024-02-15 15:00:55"),
        ("2024-02-14,15:00:55,", "2024-02-14"),  # another day than in the id: somebody corrected it
        ("2024-02-15,15:00:55,2024-02-15 00:00:00", "2024-02-15"),
        ("2024-02-15 00:00,,", "2024-02-15"),
    ],
)
def test_the_day_of_a_bin_alone_leaves_it_the_time_in_its_id(cells: str, meant: str) -> None:
    rows = read_export(f"bin,date,time,timestamp\nD20240215T150055_IFCB010,{cells}\n".encode(), "list")
    assert rows["sample_time"].tolist() == [pd.Timestamp(meant, tz="UTC")]


HEADERS = b"sample,timestamp,ifcb_number,runTime,inhibitTime,runSampleFast,RunFastFactor,gpsLatitude,gpsLongitude"
FAST = "D20240215T150055_IFCB134,2024-02-15 15:00:55,IFCB134,236.5,0"


@pytest.mark.parametrize(
    ("said", "fast_runs", "volume", "method", "note"),
    [
        ("True,5", "factor", 4.927083333333333, "header+run_fast_factor", ""),  # 0.25 mL/min x 236.5 s / 60 s x 5
        ("TRUE,5", "as_dashboard", 0.9854166666666667, "header+no_run_fast_factor", ""),
        ("False,5", "factor", 0.9854166666666667, "header", ""),
        ("NA,5", "factor", 0.9854166666666667, "header", ""),
        ("1,0", "factor", None, "", "a fast run (runSampleFast) without a usable RunFastFactor: '0'"),
        ("1,NA", "factor", None, "", "a fast run (runSampleFast) without a usable RunFastFactor: ''"),
        (
            "?,5",
            "factor",
            0.9854166666666667,
            "header",
            "runSampleFast is '?', neither true nor false: taken for a normal run",
        ),
    ],
)
def test_a_fast_run_in_a_table_of_headers(
    said: str, fast_runs: FastRuns, volume: float | None, method: str, note: str
) -> None:
    (row,) = read_export(HEADERS + f"\n{FAST},{said},57.1,11.2\n".encode(), "here", fast_runs).to_dict("records")
    assert np.isnan(row["ml_analyzed"]) if volume is None else row["ml_analyzed"] == pytest.approx(volume)
    assert (row["volume_method"], row["volume_note"], row["latitude"]) == (method, note, 57.1)


@pytest.mark.parametrize(
    ("fix", "latitude", "note"),
    [
        ("Feb/15/2024 00:00:01.25", 57.1, ""),
        ("Aug/10/2022 11:30:59.25", None, "the fix is of 2022-08-10 (gpsTimeFromFix), not of the sample's day"),
        ("soon", None, "the time of the fix cannot be read (gpsTimeFromFix 'soon')"),
        ("NA", None, "gpsLatitude and gpsLongitude without the time of the fix (gpsTimeFromFix)"),
    ],
)
def test_an_old_fix_in_a_table_of_headers_is_no_position(fix: str, latitude: float | None, note: str) -> None:
    header = HEADERS + b",gpsTimeFromFix"
    (row,) = read_export(header + f"\n{FAST},False,1,57.1,11.2,{fix}\n".encode(), "here").to_dict("records")
    assert row["position_note"] == note
    expected = [np.nan, np.nan] if latitude is None else [57.1, 11.2]
    assert np.array_equal([row["latitude"], row["longitude"]], expected, equal_nan=True)
    # The sample's own position counts beside an old fix; without a fix beside it, the time is its own.
    own = header + b",latitude,longitude"
    both, alone = (f"\n{FAST},False,1,{gps},{fix},57.1,11.2\n".encode() for gps in ("57.1,11.2", ","))
    (row,) = read_export(own + both, "here").to_dict("records")
    assert (row["latitude"], row["longitude"], row["position_note"]) == (57.1, 11.2, "")
    (row,) = read_export(own + alone, "here").to_dict("records")
    assert np.isnan(row["latitude"]) == (fix in ("Aug/10/2022 11:30:59.25", "soon"))


def test_columns_that_mean_the_same_agree_or_are_refused() -> None:
    row = "D20240301T010203_IFCB206,2024-03-01,2024-03-01 01:02:03"
    for names, cells, told in [
        ("lat,latitude", "41.5,41.6", "columns latitude, lat mean the same, and one bin has '41.6', '41.5' in them"),
        ("cruise,Cruise", "EN1,EN1", "more than one column cruise"),
        ("niskin,bottle", "3,b", "columns niskin, bottle mean the same"),
    ]:
        with pytest.raises(CatalogError, match=f"^list: {told}"):
            read_export(f"filename,date,timestamp,{names}\n{row},{cells}\n".encode(), "list")
    # The same number, an empty cell, coordinates of a map beside degrees; a time beside a day; one flag is enough.
    more = "lat,latitude,depth,dep,x,longitude,skip,bad,id\n"
    rows = read_export(f"filename,date,timestamp,{more}{row},41.50,41.5,,7,612000.5,-70.5,no,yes,1\n".encode(), "list")
    (found,) = rows[["bin", "latitude", "longitude", "depth", "skip"]].to_numpy().tolist()
    assert found == ["D20240301T010203_IFCB206", 41.5, -70.5, 7, 1]
    assert rows["sample_time"][0] == pd.Timestamp("2024-03-01 01:02:03", tz="UTC")


def test_rows_that_a_spreadsheet_left_empty_are_none() -> None:
    body = b"filename,ml_analyzed\nD20240301T010203_IFCB206,2.5\n,\n , \n"
    assert read_export(body, "list")["bin"].tolist() == ["D20240301T010203_IFCB206"]
    with pytest.raises(CatalogError, match="list: '' is not a bin id"):
        read_export(body.replace(b"\n,\n", b"\n,2.5\n"), "list")
