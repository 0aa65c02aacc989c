"""Properties of any votes: row order, cuts, kills and late votes do not change the final tables."""

import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ifcb_abundance.validation.zooniverse import cells, exports, journal
from ifcb_abundance.validation.zooniverse.command import main
from ifcb_abundance.validation.zooniverse.marks import mean_angle
from tests.validation.zoo import (
    COMMAND,
    aggregate,
    answer,
    classification,
    extractor_config,
    read,
    reducer_config,
    run,
    values,
    write_csv,
)
from tests.warm import WarmPopen

ANSWERS = ["Yes", "No", "I can't tell", None]


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


@st.composite
def votes(draw: st.DrawFn, least: int = 1) -> list[dict[str, Any]]:
    """Classifications of some subjects by some people, several at the same time; each with all kinds of answers."""
    rows = []
    for number in range(draw(st.integers(least, 25))):
        marks = [
            {"x": x, "y": y, "tool": 0, "frame": 0, "details": [{"value": said}] if said else []}
            for x, y, said in draw(
                st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.sampled_from(["A", "B", None])), max_size=4)
            )
        ]
        choices = draw(st.lists(st.sampled_from("PQR"), unique=True, max_size=3))
        annotations = [
            answer(draw(st.sampled_from(ANSWERS))),
            answer([{"choice": choice, "answers": {"HOW": draw(st.sampled_from("12"))}} for choice in choices], "T1"),
            answer(marks, "T2"),
        ]
        created = f"2024-01-01 00:00:0{draw(st.integers(0, 3))} UTC"
        person = draw(st.sampled_from(["ann", "bob", "cat", ""]))
        subject = draw(st.integers(8, 12))
        rows.append(
            {**classification(number, annotations), "created_at": created, "user_name": person, "subject_ids": subject}
        )
    return rows


REDUCERS: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = [
    ("question_extractor", {"task": "T0"}, "question_reducer", {}),
    ("question_extractor", {"task": "T0"}, "question_consensus_reducer", {"pairs": True}),
    ("survey_extractor", {"task": "T1"}, "survey_reducer", {}),
    ("survey_extractor", {"task": "T1"}, "survey_consensus_reducer", {}),
    (
        "point_extractor_by_frame",
        {"task": "T2", "tools": [0], "details": {"T2_tool0": ["question_extractor"]}},
        "point_reducer_dbscan",
        {"eps": 2, "min_samples": 2, "details": {"T2_tool0": ["question_reducer"]}},
    ),
]


@pytest.mark.parametrize(("extractor", "entry", "reducer", "keywords"), REDUCERS, ids=[row[2] for row in REDUCERS])
@given(rows=votes(), chance=st.randoms(use_true_random=False), which=st.sampled_from(["first", "last", "all"]))
@settings(max_examples=8)
def test_the_order_of_rows_changes_nothing(
    extractor: str, entry: Any, reducer: str, keywords: Any, rows: Any, chance: random.Random, which: str
) -> None:
    with folder() as here:
        made = []
        for _ in range(2):
            export = write_csv(here / "c.csv", rows)
            config = extractor_config(here, **{extractor: [entry]})
            run(here, "extract", export, config, "-o", "x")
            if not read(here / f"{extractor}_x.csv"):  # nobody has chosen anything
                return
            run(here, "reduce", f"{extractor}_x.csv", reducer_config(here, reducer, **keywords), "-F", which, "-o", "x")
            made.append((here / f"{reducer}_x.csv").read_bytes())
            rows = chance.sample(rows, len(rows))
    assert made[0] == made[1]


@given(rows=votes())
@settings(max_examples=12)
def test_each_person_has_one_vote(rows: Any) -> None:
    """Counted here another way: of each person the earliest answer, whoever has no name as often as they come."""
    with folder() as here:
        made = aggregate(
            here, write_csv(here / "c.csv", rows), "question_extractor", {"task": "T0"}, "question_reducer"
        )
    frame = pd.DataFrame(rows).sort_values(
        ["created_at", "classification_id"], key=lambda c: c.map(lambda v: (len(v), v))
    )
    frame["person"] = frame["user_name"].where(frame["user_name"] != "", frame["classification_id"])
    first = frame.drop_duplicates(["subject_ids", "person"])
    said = first["annotations"].map(lambda text: cells.read(text)[0]["value"])
    slugs = {"Yes": "yes", "No": "no", "I can't tell": "i-can-t-tell", None: "None"}
    expected = Counter(zip(first["subject_ids"], (slugs[None if pd.isna(one) else one] for one in said), strict=True))
    found = {
        (row["subject_id"], name.removeprefix("data.")): row[name]
        for row in made
        for name in row
        if name.startswith("data.") and name != "data.aggregation_version"
    }
    assert found == dict(expected)


class KilledError(BaseException):
    """As if the process were killed: nothing is tidied up but what the system does."""


def begun(here: Path, arguments: list[object], subjects: int) -> None:
    """A run with --stream that ends after so many subjects."""
    completed = journal.Journal.completed
    left = [subjects]

    def counted(self: journal.Journal, *subject: Any) -> Any:
        if not left[0]:
            raise KilledError
        left[0] -= 1
        return completed(self, *subject)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal.Journal, "completed", counted)
        patch.setattr(journal.Journal, "discard", lambda _: (_ for _ in ()).throw(KilledError))
        with pytest.raises(KilledError):
            run(here, *arguments)


@given(rows=votes(3), late=votes(), data=st.data())
@settings(max_examples=16, phases=[Phase.explicit, Phase.reuse, Phase.generate])  # to shrink an example takes minutes
def test_cut_anywhere_and_gone_on_with(rows: Any, late: Any, data: st.DataObject) -> None:
    """The journal is cut, loses a byte or is mixed up; votes and subjects come; it is stopped once more, or not."""
    extractor, entry, reducer, keywords = REDUCERS[4]
    with folder() as here:
        config = reducer_config(here, reducer, **keywords)
        extract = ["extract", "c.csv", extractor_config(here, **{extractor: [entry]}), "-o", "x"]
        write_csv(here / "c.csv", rows)
        run(here, *extract)
        arguments = ["reduce", f"{extractor}_x.csv", config, "-o", "x", "-s"]
        begun(here, arguments, data.draw(st.integers(0, 6)))
        kept = here / f".{reducer}_x.csv.stream"
        noted = kept.read_bytes()
        how = data.draw(st.sampled_from(["cut", "lost byte", "shuffled", "whole"]))
        if how == "shuffled":
            noted = b"\n".join(reversed(noted.split(b"\n")))
        elif how != "whole":
            cut = data.draw(st.integers(0, len(noted)))
            noted = noted[:cut] + (noted[cut + 1 :] if how == "lost byte" else b"")
        kept.write_bytes(noted)
        if data.draw(st.booleans()):
            late = [{**row, "classification_id": str(1000 + n)} for n, row in enumerate(late)]
            write_csv(here / "c.csv", [*rows, *late])
            run(here, *extract)
        if data.draw(st.booleans()):
            begun(here, arguments, data.draw(st.integers(0, 6)))
        run(here, *arguments)
        made = (here / f"{reducer}_x.csv").read_bytes()
        run(here, *arguments[:-1])
        assert made == (here / f"{reducer}_x.csv").read_bytes()
        left = sorted(path.name for path in here.iterdir() if path.name.startswith("."))
        assert left == []


def test_only_what_changed_is_reduced_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ifcb_abundance.validation.zooniverse.reduce import Plan

    rows = [{**classification(n, [answer("Yes")]), "subject_ids": n % 4} for n in range(12)]
    write_csv(tmp_path / "c.csv", rows)
    extract = ["extract", "c.csv", extractor_config(tmp_path, question_extractor=[{"task": "T0"}]), "-o", "x"]
    run(tmp_path, *extract)
    arguments: list[object] = ["reduce", "question_extractor_x.csv", reducer_config(tmp_path, "question_reducer"), "-s"]
    begun(tmp_path, arguments, 3)
    write_csv(tmp_path / "c.csv", [*rows, {**classification(99, [answer("No")]), "subject_ids": 1}])
    run(tmp_path, *extract)
    reduced = []
    rows_of = Plan._rows
    monkeypatch.setattr(Plan, "_rows", lambda self, votes: reduced.append(len(votes)) or rows_of(self, votes))
    run(tmp_path, *arguments)
    assert reduced == [4, 3]  # subject 1, which has a vote more, and subject 3, which was not reached
    made = {row["subject_id"]: row for row in values(tmp_path / "question_reducer_reductions.csv")}
    assert made[1]["data.no"] == 1
    assert made[2]["data.yes"] == 3


def test_other_settings_take_nothing_up(tmp_path: Path) -> None:
    rows = [
        {**classification(n, [answer(said)]), "user_name": "ann", "subject_ids": n % 2}
        for n, said in enumerate(["Yes", "Yes", "No", "No"])
    ]
    write_csv(tmp_path / "c.csv", rows)
    run(tmp_path, "extract", "c.csv", extractor_config(tmp_path, question_extractor=[{"task": "T0"}]), "-o", "x")
    arguments: list[object] = ["reduce", "question_extractor_x.csv", reducer_config(tmp_path, "question_reducer"), "-s"]
    begun(tmp_path, arguments, 2)
    run(tmp_path, *arguments, "-F", "last")
    assert ["data.yes" in row for row in values(tmp_path / "question_reducer_reductions.csv")] == [False, False]


def test_killed_for_real(tmp_path: Path) -> None:
    """The process is killed by the system, again and again, until it is done."""
    chance = random.Random(5)
    rows = []
    for number in range(2000):
        marks = [{"x": chance.gauss(9, 3), "y": chance.gauss(9, 3), "tool": 0, "frame": 0, "details": []}]
        rows.append({**classification(number, [answer(marks, "T2")]), "subject_ids": number % 400})
    write_csv(tmp_path / "c.csv", rows)
    config = extractor_config(tmp_path, point_extractor_by_frame=[{"task": "T2"}])
    run(tmp_path, "extract", "c.csv", config, "-o", "x")
    reducer = reducer_config(tmp_path, "point_reducer_hdbscan", min_cluster_size=2, min_samples=2)
    arguments = ["reduce", "point_extractor_by_frame_x.csv", str(reducer), "-o", "x", "-hb"]
    run(tmp_path, *arguments)
    table = tmp_path / "point_reducer_hdbscan_x.csv"
    undisturbed = shutil.move(table, tmp_path / "undisturbed.csv")
    kept = tmp_path / ".point_reducer_hdbscan_x.csv.stream"
    killed = 0
    for attempt in range(3):
        process = WarmPopen([sys.executable, COMMAND, *arguments, "-s"], cwd=tmp_path, stdout=subprocess.DEVNULL)
        before = kept.stat().st_size if kept.exists() else 0
        while process.poll() is None and not (kept.exists() and kept.stat().st_size > before + 10_000 * attempt):
            time.sleep(0.005)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            killed += 1
        process.wait()
        assert not table.exists() or process.returncode == 0
    assert killed
    run(tmp_path, *arguments, "-s")
    assert table.read_bytes() == Path(undisturbed).read_bytes()


# Reading


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=8)


@given(
    table=st.integers(2, 5).flatmap(lambda n: st.lists(st.lists(TEXT, min_size=n, max_size=n), min_size=1, max_size=8))
)
def test_any_csv_file_is_read_as_it_was_written(table: list[list[str]]) -> None:
    with folder() as here:
        header = [f"c{n}" for n in range(len(table[0]))]
        path = write_csv(here / "t.csv", [dict(zip(header, row, strict=True)) for row in table])
        found = list(exports.open_table(path).records())
    assert [record.cells for record in found] == table
    assert not any(record.problem for record in found)


@given(
    broken=st.binary(min_size=1, max_size=30).map(lambda raw: raw.replace(b"\n", b"").replace(b"\r", b"")),
    place=st.integers(0, 5),
)
def test_one_broken_line_costs_itself_alone(broken: bytes, place: int) -> None:
    good = [f'{n},"[{{""a"": {n}}}]",x,y,z\n'.encode() for n in range(5)]
    with folder() as here:
        path = here / "t.csv"
        path.write_bytes(b"".join([b"a,b,c,d,e\n", *good[:place], broken + b"\n", *good[place:]]))
        found = [record for record in exports.open_table(path).records() if not record.problem]
        lines = path.read_bytes().split(b"\n")
    numbers = [int(record.cells[0]) for record in found if record.cells[1].startswith('[{"a"')]
    assert numbers == [0, 1, 2, 3, 4]
    for record in found:
        assert lines[record.line - 1].startswith(record.cells[0].encode())


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-9999, 9999) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.lists(JSON) | st.dictionaries(st.text(), JSON))
@settings(max_examples=40)
def test_lists_come_back(made: Any) -> None:
    cell = cells.written(made)
    frame = pd.DataFrame({"data.a": [cell, None, "text"], "data.b": [repr(made), "1", "x"], "data.text": [cell] * 3})
    cells.unjson_dataframe(frame)
    assert frame["data.a"][0] == made
    assert frame["data.b"][0] == made  # as the reference writes it
    assert frame["data.a"][2] == "text"
    assert frame["data.text"][0] == cell
    assert cell[0] in "[{"


@given(st.lists(st.floats(0, 359.999), min_size=1, max_size=8), st.floats(-720, 720))
def test_mean_angle_is_the_least_squares_one(angles: list[float], turn: float) -> None:
    import numpy as np

    def cost(angle: float) -> float:
        away = np.abs(np.array(angles) - angle) % 360
        return float((np.minimum(away, 360 - away) ** 2).sum())

    found = mean_angle(np.array(angles))
    assert 0 <= found < 360
    assert cost(found) <= min(cost(angle) for angle in np.arange(0, 360, 0.5)) + 1.0
    turned = mean_angle(np.array(angles) + turn)
    assert abs(cost((turned - turn) % 360) - cost(found)) < 1.0


def test_mean_angle_by_hand() -> None:
    import numpy as np

    assert mean_angle(np.array([350.0, 10.0, 30.0])) == 10.0
    assert mean_angle(np.array([99.91, 99.475, 100.361, 99.406, 100.044])) == 99.839


# Anything at all


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
SCALARS |= st.sampled_from(["Yes", "T0.0.0", 1e300, -0.0, 10**400, "1e999", "5", "half: \ud800"])
WORDS = "task value x y r tool toolIndex frame details choice answers selection markIndex"
KEYS = st.sampled_from([*WORDS.split(), "\ud800"])
ANYTHING = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5))
ANNOTATION = st.fixed_dictionaries({"task": st.sampled_from(["T0", "T0.0.0"]), "value": ANYTHING}) | ANYTHING
MARK = st.fixed_dictionaries(
    {"x": st.integers(0, 9) | SCALARS, "y": st.integers(0, 9), "tool": st.just(0), "details": ANYTHING}
)
MARKS = st.fixed_dictionaries({"task": st.just("T0"), "value": st.lists(MARK, max_size=4)})
KINDS: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "question_extractor": ({}, "question_reducer", {}),
    "survey_extractor": ({}, "survey_reducer", {}),
    "dropdown_extractor": ({}, "dropdown_reducer", {}),
    "slider_extractor": ({}, "slider_reducer", {}),
    "text_extractor": ({}, "text_reducer", {}),
    "point_extractor_by_frame": (
        {"tools": [0], "details": {"T0_tool0": ["question_extractor", "text_extractor", None]}},
        "point_reducer_hdbscan",
        {
            "min_cluster_size": 2,
            "min_samples": 1,
            "details": {"T0_tool0": ["question_reducer", "text_reducer", None]},
        },
    ),
    "shape_extractor_circle": ({}, "shape_reducer_optics", {"shape": "circle", "min_samples": 2}),
}


def ended(here: Path, *arguments: object) -> bool:
    """Whether the command could do something; if not, it says why in one sentence."""
    printed = io.StringIO()
    with chdir(here), redirect_stdout(printed), redirect_stderr(printed):
        status = main([str(argument) for argument in arguments])
    assert status == 0 or printed.getvalue().splitlines()[-1].startswith("error: ")
    return status == 0


@pytest.mark.parametrize("extractor", KINDS)
@given(data=st.data())
@settings(max_examples=12)
def test_no_annotation_ends_it(extractor: str, data: st.DataObject) -> None:
    entry, reducer, keywords = KINDS[extractor]
    good = [classification(0, []), classification(1, [])]
    strange = [
        classification(n, json.dumps(data.draw(st.lists(ANNOTATION | MARKS, max_size=4) | ANYTHING)))
        for n in range(2, data.draw(st.integers(3, 6)))
    ]
    with folder() as here:
        write_csv(here / "c.csv", [*good, *strange])
        assert ended(
            here, "extract", "c.csv", extractor_config(here, **{extractor: [{"task": "T0", **entry}]}), "-o", "x"
        )
        rejected = {row["classification_id"] for row in read(here / "rejected_x.csv")}
        assert {"0", "1"}.isdisjoint(rejected)
        if ended(here, "reduce", f"{extractor}_x.csv", reducer_config(here, reducer, **keywords), "-o", "x"):
            for row in read(here / f"{reducer}_x.csv"):
                assert row["subject_id"] == "100"
        if extractor != "survey_extractor":
            assert (here / f"{reducer}_x.csv").exists()
            extracted = {row["classification_id"] for row in read(here / f"{extractor}_x.csv")}
            assert extracted | rejected == {row["classification_id"] for row in [*good, *strange]}


@pytest.mark.parametrize("extractor", KINDS)
@given(data=st.data())
@settings(max_examples=12)
def test_no_cell_ends_reduce(extractor: str, data: st.DataObject) -> None:
    entry, reducer, keywords = KINDS[extractor]
    del entry
    columns = {
        "question_extractor": ["data.yes", "data.no"],
        "survey_extractor": ["data.choice", "data.answers_how.1"],
        "dropdown_extractor": ["data.value"],
        "slider_extractor": ["data.slider_value"],
        "text_extractor": ["data.text"],
        "point_extractor_by_frame": [f"data.frame0.T0_tool0_{name}" for name in ("x", "y", "details")],
        "shape_extractor_circle": [f"data.frame0.T0_toolIndex0_{name}" for name in ("x", "y", "r", "subtask0")],
    }[extractor]
    cell = st.one_of(
        ANYTHING.map(json.dumps),
        ANYTHING.map(lambda made: repr(made).encode("utf-8", "replace").decode()),
        st.text(st.characters(codec="utf-8"), max_size=8),
        st.sampled_from(["[1, 2, 3]", "[1.0, None, 2]", "[[{'a': 1}], [], [{'a': 2}]]", "[{'a': 1}, {}, {}]", "1", ""]),
    )
    rows = [
        {"classification_id": n, "user_name": n, "workflow_id": 7, "task": "T0"}
        | {"created_at": "2024-01-01 00:00:00 UTC", "subject_id": 1}
        | {name: data.draw(cell) if n else "" for name in columns}
        for n in range(data.draw(st.integers(2, 5)))
    ]
    with folder() as here:
        write_csv(here / f"{extractor}_x.csv", rows)
        if ended(here, "reduce", f"{extractor}_x.csv", reducer_config(here, reducer, **keywords), "-o", "x"):
            assert read(here / f"{reducer}_x.csv")
