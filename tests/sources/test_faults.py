"""Faults of the server, over real HTTP: what can pass is tried again, what cannot is said or recorded.

The rows, and the runs that they are seen in, are those of fault_matrix.py and fault_runs.py.
"""

import csv
import io
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pandas as pd
import pytest

from tests import reference
from tests.comparing import assert_equals_reference
from tests.conftest import Statistic
from tests.sources import fault_page
from tests.sources.fault_matrix import (
    BINS,
    CLASSES,
    CUT_BETWEEN_LINES,
    LAST,
    MATRIX,
    NO_VOLUME,
    STAYING_RETRIES,
    Case,
)
from tests.sources.fault_runs import BACKOFF, Bench, Run, remedies, said

CLOCKS = 0.02  # seconds that two clocks may disagree by
PAGE = fault_page.PAGE.read_text(encoding="utf-8") if fault_page.PAGE.exists() else ""
DOCUMENTED = fault_page.rows_of(PAGE)
STALE = "docs/faults.md does not say so: python -m tests.sources.fault_page writes it anew"

STRUCK = {case.fault: case for case in MATRIX if case.runs == "staying" and case.at == "scores"}
FAILED = {case.bin for case in STRUCK.values() if case.outcome == "refused"}
CUT, WITHOUT = STRUCK[CUT_BETWEEN_LINES].bin, STRUCK["404"].bin


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Bench]:
    parameters: list[dict[str, Any]] = [
        item.callspec.params for item in request.session.items if hasattr(item, "callspec")
    ]
    chosen = [found["case"] for found in parameters if isinstance(found.get("case"), Case)]
    with Bench(tmp_path_factory.mktemp("faults"), chosen) as bench:
        yield bench


def scores_asked_for(run: Run) -> list[str]:
    """The bins whose scores were asked for, each as often as it was."""
    found = (re.fullmatch("/demo/(.*)_class_scores.csv", request.target) for request in run.requests)
    return sorted(match[1] for match in found if match)


def csv_rows(run: Run, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(run.files[name].decode())))


def day(bin_id: str) -> str:
    return f"{bin_id[1:5]}-{bin_id[5:7]}-{bin_id[7:9]}"


# --- each row of the matrix ---


@pytest.mark.parametrize("case", MATRIX, ids=[re.sub(r"\W+", "-", case.name) for case in MATRIX])
def test_fault(bench: Bench, case: Case, statistic: Statistic) -> None:
    seen = bench.observe(case)
    messages = [*seen.warnings, *seen.errors]
    for message in messages:
        assert re.search(case.says, message)
        assert "{address}" in message or ("{url}" in message and (case.door or case.outcome == "refused"))
        assert case.at == "catalog" or case.door or "{address}" in message or "bin}" in message
    if not case.door:
        assert len(seen.requests) == case.tries
    for tried, (before, after) in enumerate(pairwise(seen.requests)):
        assert after.started - before.started >= max(case.wait, BACKOFF * 2**tried) - CLOCKS

    assert seen.status == case.status
    match case.outcome:
        case "retried":
            assert seen.errors == []
            assert len(seen.warnings) >= 1 if case.door else len(seen.warnings) == case.tries - 1
            assert len(set(seen.warnings)) == 1
            assert seen.reason == ""
        case "refused":
            (error,) = seen.errors
            assert case.at != "scores" or case.door or error.startswith("bin {bin}: ")
            assert case.runs not in ("away", "gone") or "nothing more is asked of it in this run" in error
            if case.runs == "gone":
                assert f" (3 requests in a row, each tried {1 + STAYING_RETRIES} times): nothing more is asked" in error
            elif case.door in ("no host", "tls"):
                assert seen.requests == []
                assert "nothing more is asked of it in this run" in error
            elif case.fault.endswith(", each time"):
                assert f" (tried {1 + STAYING_RETRIES} times)" in error
                assert case.door or len(seen.warnings) == case.tries - 1
            elif not case.door:
                assert seen.warnings == []
            printable = "".join(c if c.isprintable() else "?" for c in error)
            assert seen.reason == (printable if case.status == "failed" else "")
        case "no_scores":
            assert messages == []
            assert seen.reason == "HTTP 404: {address}"
        case "accepted":
            assert messages == []
            assert seen.reason == ("no ml_analyzed" if case.bin == NO_VOLUME else "")
    assert DOCUMENTED[case.name] == fault_page.row(case, seen), STALE
    statistic("kinds of faults tried", 1)


def test_the_page_has_these_rows_and_no_others() -> None:
    assert fault_page.page(DOCUMENTED) == PAGE, STALE


# --- faults that pass ---


def test_a_run_that_nothing_goes_wrong_with_gives_the_reference(bench: Bench) -> None:
    run = bench.undisturbed
    assert_equals_reference(
        pd.read_csv(io.BytesIO(run.files["abundance_long.csv"])), reference.abundance(bench.archive)
    )
    assert {bin_id: row["status"] for bin_id, row in run.ledger.items()} == reference.statuses(bench.archive)
    assert "trying again" not in run.printed


@pytest.mark.parametrize("name", ["passing", "connecting", "walking"])
def test_a_fault_that_passes_leaves_no_trace_in_the_results(bench: Bench, name: str) -> None:
    run: Run = getattr(bench, name)
    expected = bench.undisturbed.files
    assert run.files.keys() == expected.keys()
    how = ["overview.rst"] if name == "walking" else []  # it says how the bins were listed
    assert [path for path in expected if run.files[path] != expected[path]] == how
    # Nothing that was had is asked for again.
    right = [request.target for request in run.requests if request.fault is None]
    assert len(right) == len(set(right))
    assert set(scores_asked_for(run)) == run.ledger.keys() - {NO_VOLUME}


# --- faults that stay, and runs that follow ---


def test_bins_that_cannot_be_had_stop_the_run_when_all_else_is_built(bench: Bench) -> None:
    run = bench.staying["stopped"]
    assert "The run is not complete" in run.printed
    listed = reference.statuses(bench.archive).keys() - {LAST}
    failed = [case for case in STRUCK.values() if case.outcome == "refused" and not case.slow]
    built = {day(bin_id) for bin_id in listed} - {day(case.bin) for case in failed}
    assert {name for name in run.files if name.startswith("daily/")} == {f"daily/{date}.csv" for date in built}
    assert len(built) > 2
    assert not {"abundance_long.csv", "ledger.csv", "datapackage.json"} & run.files.keys()
    for case in failed:  # in the words that are recorded otherwise
        assert said(run.printed, case)[1] == bench.observe(case).errors


def test_bins_that_cannot_be_had_are_recorded_on_request(bench: Bench) -> None:
    run = bench.staying["recorded"]
    assert set(scores_asked_for(run)) == FAILED  # what was read before is not asked for again
    expected = reference.statuses(bench.archive) | dict.fromkeys(FAILED, "failed") | {WITHOUT: "no_scores"}
    del expected[LAST]
    assert {bin_id: row["status"] for bin_id, row in run.ledger.items()} == expected
    assert run.printed.count("recorded as failed") == len(FAILED)

    # What is counted is that of the used bins: one ROI of each class, but one that lost its last.
    counted: dict[tuple[str, str], int] = {}
    for row in csv_rows(run, "abundance_long.csv"):
        if day(BINS[0])[8:] == row["date"][8:]:  # days of ordinary bins
            counted[row["date"] + row["instrument"], row["class"]] = int(row["count"])
            assert float(row["ml_analyzed_total"]) == 2.5
    used = {bin_id for bin_id in BINS if expected[bin_id] == "used"}
    assert counted == {
        (f"{day(bin_id)}IFCB{int(bin_id[-3:])}", name): int((bin_id, name) != (CUT, "unclassified"))
        for bin_id in used
        for name in (*CLASSES, "unclassified")
    }


def test_a_recorded_failure_stays_without_a_request(bench: Bench) -> None:
    run = bench.staying["repeated"]
    assert run.requests == []
    assert run.files == bench.staying["recorded"].files


def test_where_failures_are_not_allowed_the_files_to_delete_are_named(bench: Bench) -> None:
    run = bench.staying["refused"]
    assert run.requests == []
    assert sorted(path.split("/")[-1] for path in remedies(run.printed)) == sorted(
        f"{bin_id}.parquet" for bin_id in FAILED
    )


def test_once_the_faults_have_passed_the_missing_bins_are_asked_for_and_no_others(bench: Bench) -> None:
    run = bench.staying["healed"]
    assert scores_asked_for(run) == sorted(FAILED)
    assert len(run.requests) == len(FAILED)
    assert {run.ledger[bin_id]["status"] for bin_id in FAILED} == {"used"}


def test_what_no_message_told_of_is_found_by_recheck_and_all_ends_in_the_same_bytes(bench: Bench) -> None:
    run = bench.staying["rechecked"]
    changed = {row["bin"] for row in csv_rows(run, "changes.csv")}
    assert changed == {CUT, WITHOUT, LAST}
    expected = bench.undisturbed.files
    assert run.files.keys() - {"changes.csv"} == expected.keys()
    assert [path for path in expected if run.files[path] != expected[path]] == []
