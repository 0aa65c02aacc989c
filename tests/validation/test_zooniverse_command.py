"""The command as people use it: options, messages, exit statuses, progress, and libraries it must not import."""

import io
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ifcb_abundance.validation.zooniverse import progress as progress_module
from ifcb_abundance.validation.zooniverse.progress import Progress
from tests.validation.zoo import (
    COMMAND,
    answer,
    classification,
    process,
    question_export,
    read,
    reducer_config,
    refused,
    run,
    write_csv,
    write_workflows,
    write_yaml,
)

SINGLE = {"T0": {"type": "single", "answers": [{"label": "Yes"}]}}


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with an export of each kind, and config files of each kind."""
    write_workflows(tmp_path / "w.csv", SINGLE, {})
    question_export(tmp_path / "c.csv", [{"value": "Yes"}, {"value": "No"}])
    run(tmp_path, "config", "w.csv", 7)
    (tmp_path / "Extractor_config_workflow_7_V1.2.yaml").rename(tmp_path / "e.yaml")
    (tmp_path / "Reducer_config_workflow_7_V1.2_question_extractor.yaml").rename(tmp_path / "r.yaml")
    run(tmp_path, "extract", "c.csv", "e.yaml", "-o", "x")
    (tmp_path / "x.csv").write_bytes((tmp_path / "question_extractor_x.csv").read_bytes())
    return tmp_path


def test_the_three_commands_as_processes(here: Path) -> None:
    for arguments in (
        ["config", "w.csv", "7", "-v", "1", "-m", "2", "-vv"],
        ["extract", "c.csv", "e.yaml", "-o", "y.csv", "-vv", "-O", "-c", "2"],
        ["reduce", "question_extractor_y.csv", "r.yaml", "-o", "y", "-F", "all", "-O", "-s", "-c", "2", "-hb"],
    ):
        done = process(here, *arguments)
        assert done.returncode == 0, done.stderr
        assert "wrote " in done.stdout
    assert len(read(here / "question_reducer_y.csv")) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["config", "none.csv", 7], "none.csv cannot be read"),
        (["config", "w.csv", 8], "has no workflow 8, only 7"),
        (["config", "c.csv", 7], "has no column 'version'"),
        (["config", "w.csv", 7, "-d", "none"], "there is no folder none"),
        (["config", "w.csv", 7, "-k", '{"T9": {"a": 1}}'], "task 'T9'"),
        (["extract", "none.csv", "e.yaml"], "none.csv cannot be read"),
        (["extract", "c.csv", "none.yaml"], "none.yaml cannot be read"),
        (["extract", "c.csv", "r.yaml"], "has no extractor_config"),
        (["extract", "w.csv", "e.yaml"], "has no column 'classification_id'"),
        (["extract", "c.csv", "e.yaml", "-d", "none"], "there is no folder none"),
        (["extract", "c.csv", "e.yaml", "-o", "../x"], "must be a name"),
        (["extract", ".", "e.yaml"], ". cannot be read"),
        (["reduce", "none.csv", "r.yaml"], "none.csv cannot be read"),
        (["reduce", "x.csv", "e.yaml"], "has no reducer_config"),
        (["reduce", "c.csv", "r.yaml"], "has no column 'task'"),
        (["reduce", "x.csv", "r.yaml", "-d", "none"], "there is no folder none"),
        (["reduce", "x.csv", "r.yaml", "--plot", "p"], "--plot draws marks"),
    ],
)
def test_what_is_not_there_is_named(here: Path, arguments: list[object], said: str) -> None:
    before = sorted(path.name for path in here.iterdir())
    assert said in refused(here, *arguments)
    assert sorted(path.name for path in here.iterdir()) == before


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"question_reducer": {}, "dropdown_reducer": {}}, "several reducers, dropdown_reducer, question_reducer"),
        ({"polygon_reducer": {}}, "'polygon_reducer' is unknown"),
        ({"question_reducer": {"eps": 5}}, "keyword 'eps'"),
        ({"question_reducer": {"pairs": "yes"}}, "pairs is 'yes'"),
        ({"question_reducer": [1]}, "not keywords"),
        ({"dropdown_reducer": {}}, "has no column 'data.value'"),
        ({"point_reducer_dbscan": {"epsilon": 5}}, "keyword 'epsilon'"),
        ({"point_reducer_dbscan": {"eps": 0}}, "eps is 0.0, not a number above 0 and"),
        ({"point_reducer_dbscan": {"min_samples": True}}, "min_samples is True"),
        ({"point_reducer_hdbscan": {"min_cluster_size": 1}}, "at least 2"),
        ({"point_reducer_optics": {"xi": 1}}, "above 0 and below 1"),
        ({"point_reducer_optics": {"min_samples": 1}}, "at least 2"),
        ({"point_reducer_optics": {"algorithm": "quick"}}, "algorithm is 'quick'"),
        ({"point_reducer_dbscan": {"shape": "circle"}}, "has no shape"),
        ({"shape_reducer_dbscan": {}}, "shape of shape_reducer_dbscan is None"),
        ({"shape_reducer_dbscan": {"shape": "star"}}, "'star'"),
        ({"point_reducer_dbscan": {"details": {"T0": ["question_reducer"]}}}, "details of 'T0'"),
        ({"point_reducer_dbscan": {"details": {"T0_tool0": ["none"]}}}, "sub-task reducer 'none'"),
        ({}, "has no reducer_config"),
    ],
)
def test_reducers_that_cannot_be(here: Path, content: Any, said: str) -> None:
    write_yaml(here / "r.yaml", {"reducer_config": content})
    assert said in refused(here, "reduce", "x.csv", "r.yaml")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"extractor_config": {"polygon_extractor": [{"task": "T0"}]}}, "'polygon_extractor' is unknown"),
        ({"extractor_config": {"question_extractor": [{"task": "T0", "tols": [1]}]}}, "keyword 'tols'"),
        ({"extractor_config": {"question_extractor": [{}]}}, "has no task"),
        ({"extractor_config": {"point_extractor_by_frame": [{"task": "T0", "tools": "0"}]}}, "tools is not a list"),
        ({"workflow_version": "new"}, "'new' is not a version"),
        ({"workflow_version": {"from": "1"}}, "workflow_version is"),
        ({"workflow_version": None}, "workflow_version is None"),
        ({"workflow_id": "seven"}, "workflow_id is 'seven'"),
        ({"workflow_id": 8}, "has no classification of the workflow and version"),
        ({"workflow_version": "1.20"}, "has no classification of the workflow and version"),
    ],
)
def test_extractors_that_cannot_be(here: Path, change: Any, said: str) -> None:
    config = {"workflow_id": 7, "workflow_version": "1.2", "extractor_config": {"question_extractor": [{"task": "T0"}]}}
    write_yaml(here / "e.yaml", config | change)
    assert said in refused(here, "extract", "c.csv", "e.yaml")


def test_no_usable_row(here: Path) -> None:
    write_csv(here / "c.csv", [classification(n, "[") for n in range(3)])
    told = refused(here, "extract", "c.csv", "e.yaml", "-o", "z")
    assert "Most frequent reason (3): annotations are not JSON" in told
    assert len(read(here / "rejected_z.csv")) == 3
    assert not (here / "question_extractor_z.csv").exists()
    (here / "x.csv").write_text((here / "x.csv").read_text().splitlines()[0] + "\n")
    assert "x.csv has no rows" in refused(here, "reduce", "x.csv", "r.yaml")


def test_wrong_options_are_of_status_2(here: Path) -> None:
    for arguments in (["config", "w.csv"], ["extract", "--fast"], ["reduce", "x.csv", "r.yaml", "-F", "some"], []):
        done = process(here, *arguments)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
    assert '{"T0"' in process(here, "config", "w.csv", "7", "-k", "T0").stderr


@pytest.mark.parametrize("command", ["config", "extract", "reduce"])
def test_help_has_an_example(here: Path, command: str) -> None:
    done = process(here, command, "--help")
    assert f"example:\n  python workflow/scripts/zooniverse.py {command} " in done.stdout


def test_keywords_of_a_task(here: Path) -> None:
    tool = {"type": "circle", "details": []}
    write_workflows(here / "w.csv", {"T0": {"type": "text"}, "T1": {"type": "drawing", "tools": [tool]}}, {})
    run(here, "config", "w.csv", 7, "-k", '{"T0": {"dot_freq": "line"}}')
    assert "dot_freq: line" in (here / "Extractor_config_workflow_7_V1.2.yaml").read_text()
    assert "dot_freq: line" in (here / "Reducer_config_workflow_7_V1.2_text_extractor.yaml").read_text()
    write_csv(here / "c.csv", [classification(1, [answer("a text")])])
    run(here, "extract", "c.csv", "Extractor_config_workflow_7_V1.2.yaml", "-o", "k")
    run(here, "reduce", "text_extractor_k.csv", "Reducer_config_workflow_7_V1.2_text_extractor.yaml")


def test_what_extract_has_rejected_stays_when_reduce_has_the_same_name(here: Path) -> None:
    write_csv(here / "c.csv", [classification(1, [answer("Yes")]), classification(2, "[")])
    run(here, "extract", "c.csv", "e.yaml", "-o", "x")
    rows = read(here / "question_extractor_x.csv")
    write_csv(here / "question_extractor_x.csv", [*rows, {**rows[0], "created_at": "?"}])
    for _ in range(2):
        run(here, "reduce", "question_extractor_x.csv", "r.yaml", "-o", "x")
        reasons = [row["reason"] for row in read(here / "rejected_x.csv")]
        assert len(reasons) == 2
        assert reasons[0].startswith("annotations are not JSON")
        assert reasons[1].startswith("question_reducer: created_at '?'")
    write_csv(here / "c.csv", [classification(1, [answer("Yes")])])
    run(here, "extract", "c.csv", "e.yaml", "-o", "x")
    assert read(here / "rejected_x.csv") == []


def imported(folder: Path, *arguments: str) -> set[str]:
    """What a command has imported when it is done."""
    code = f"import sys; sys.path.insert(0, {str(COMMAND.parent)!r}); import zooniverse\n"
    code += f"zooniverse.main({list(arguments)!r}); print('modules', *sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_nothing_is_imported_that_is_not_needed(here: Path) -> None:
    heavy = {"numpy", "pandas", "sklearn", "scipy", "altair", "snakemake", "requests"}
    assert not heavy & imported(here, "config", "w.csv", "7")
    assert not heavy & imported(here, "extract", "c.csv", "e.yaml")
    assert heavy & imported(here, "reduce", "x.csv", "r.yaml") <= {"numpy"}


@pytest.mark.parametrize("package", ["sklearn", "slugify"])
def test_a_missing_package_is_named_with_the_command_that_installs_it(here: Path, package: str) -> None:
    reducer_config(here, "point_reducer_dbscan")
    command = ["reduce", "x.csv", "reducer.yaml"] if package == "sklearn" else ["extract", "c.csv", "e.yaml"]
    code = f"import sys; sys.modules[{package!r}] = None; sys.path.insert(0, {str(COMMAND.parent)!r})\n"
    code += f"import zooniverse; sys.exit(zooniverse.main({command!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=here, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    name = {"sklearn": "scikit-learn", "slugify": "python-slugify"}[package]
    assert done.stderr == f"error: {name} is not installed: `make stages` installs it\n"


def test_progress_in_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_module.time, "monotonic", iter([0.0, 5.0, 10.0, 15.0, 20.0]).__next__)
    log = io.StringIO()
    progress = Progress("extract", 1000, stream=log)
    for at in (100, 200, 300):
        progress(at, at // 10)
    progress.done(100)
    assert log.getvalue().splitlines() == [
        "extract: 20 rows (20%), 2 per second, 0:00:40 left",
        "extract: 100 rows in 20.0 s",
    ]


def test_progress_on_a_terminal_is_one_line(here: Path) -> None:
    rows = [classification(n, [answer("Yes")]) for n in range(6000)]
    write_csv(here / "c.csv", rows)
    code = f"import sys; sys.path.insert(0, {str(COMMAND.parent)!r}); import zooniverse\n"
    code += "from ifcb_abundance.validation.zooniverse import progress; progress.TERMINAL = 0\n"
    code += "zooniverse.main(['extract', 'c.csv', 'e.yaml'])"
    terminal, end = pty.openpty()
    done = subprocess.run([sys.executable, "-c", code], cwd=here, stderr=end, stdout=subprocess.DEVNULL, check=False)
    os.close(end)
    shown = os.read(terminal, 100_000).decode()
    os.close(terminal)
    assert done.returncode == 0
    first, *_, last = shown.split("\r")[1:-1]
    assert "extract: 2,000 rows (" in first
    assert "left" in first
    assert last.startswith("extract: 6,000 classifications in ")
    assert shown.count("\n") == 1


def test_several_processes_make_the_same_tables(here: Path) -> None:
    rows = [{**classification(n, [answer(["Yes", "No"][n % 2])]), "subject_ids": n % 900} for n in range(4500)]
    rows[7]["annotations"] = "["
    rows.append(rows[1])
    write_csv(here / "c.csv", rows)
    for name, processes in (("one", "1"), ("three", "3")):
        run(here, "extract", "c.csv", "e.yaml", "-o", name, "-c", processes)
        run(here, "reduce", f"question_extractor_{name}.csv", "r.yaml", "-o", name, "-c", processes)
    for table in ("question_extractor", "question_reducer", "rejected"):
        assert (here / f"{table}_one.csv").read_bytes() == (here / f"{table}_three.csv").read_bytes()
    assert len(read(here / "question_extractor_three.csv")) == 4499


def test_frames_of_others_are_read_in_place() -> None:
    sys.path.insert(0, str(COMMAND.parent))
    from zooniverse import unjson_dataframe

    frame = pd.DataFrame(
        {
            "subject_id": [1, 2],
            "data.frame0.T0_tool0_details": ["[[{'a': 1}], [None]]", None],
            "data.yes": [1.0, 2.0],
            "data.value": ['[{"a": 1}]', "[__import__('os').getcwd()]"],
        }
    )
    assert unjson_dataframe(frame) is None
    assert frame["data.frame0.T0_tool0_details"][0] == [[{"a": 1}], [None]]
    assert pd.isna(frame["data.frame0.T0_tool0_details"][1])
    assert frame["data.value"].tolist() == [[{"a": 1}], "[__import__('os').getcwd()]"]
    assert frame["data.yes"].dtype == float


def test_the_entry_script_is_thin() -> None:
    assert len(COMMAND.read_text().splitlines()) <= 20
