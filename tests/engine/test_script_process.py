"""A process that runs scripts one after another: each runs as it would alone."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ifcb_abundance.common.job_log import TOLD
from ifcb_abundance.engine.script_process import ScriptProcesses, run_script

Run = Callable[[str], str]


@pytest.fixture
def processes() -> Iterator[ScriptProcesses]:
    processes = ScriptProcesses(1)
    yield processes
    processes.close()


@pytest.fixture
def run(tmp_path: Path, processes: ScriptProcesses) -> Run:
    """Run the text of a script; it can write to `out`, whose text is returned."""

    def run(text: str) -> str:
        script, out = tmp_path / "script of a rule.py", tmp_path / "out"
        script.write_text(f"out = open({str(out)!r}, 'w')\n{text}")
        processes.run(str(script), dict(os.environ))
        return out.read_text()

    return run


def test_scripts_share_a_process_and_nothing_else(run: Run) -> None:
    first = run("import os, sys; sys.path.append('/mine'); mine = 1; print('said'); out.write(str(os.getpid()))")
    assert run("import os; out.write(str(os.getpid()))") == first
    assert run("import sys; out.write(str(('/mine' in sys.path, 'mine' in globals(), __name__)))") == (
        "(False, False, '__main__')"
    )
    assert run("import sys; out.write(str([path for path in sys.path if path.endswith('engine')]))") == "[]"


@pytest.mark.parametrize(
    ("text", "status"),
    [(f"raise SystemExit({TOLD})", TOLD), ("raise SystemExit('no')", 1), ("1 / 0", 1), ("1 +", 1)],
)
def test_a_script_that_fails_has_the_status_that_python_gives_it(
    run: Run, text: str, status: int, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(subprocess.CalledProcessError) as raised:
        run(text)
    assert raised.value.returncode == status
    printed = capfd.readouterr().err
    assert ("Traceback" in printed) == (text[0] == "1")
    assert run("out.write('goes on')") == "goes on"


def test_a_process_that_dies_fails_its_script_alone(run: Run) -> None:
    with pytest.raises(subprocess.CalledProcessError) as raised:
        run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert raised.value.returncode == -9
    assert run("out.write('goes on')") == "goes on"


def test_a_process_that_died_between_scripts_fails_one_and_is_replaced(run: Run) -> None:
    """The engine tries the job again."""
    pid = int(run("import os; out.write(str(os.getpid()))"))
    os.kill(pid, 9)
    with pytest.raises(subprocess.CalledProcessError):
        run("out.write('lost')")
    assert run("out.write('goes on')") == "goes on"


def test_a_clean_end_is_no_failure(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("raise SystemExit")
    assert run_script(str(script)) == 0


def test_processes_end_with_the_run(processes: ScriptProcesses, run: Run) -> None:
    pid = int(run("import os; out.write(str(os.getpid()))"))
    processes.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_process_ends_within_its_script_if_the_run_is_killed(tmp_path: Path) -> None:
    script, began = tmp_path / "script.py", tmp_path / "began"
    script.write_text(f"import pathlib, time; pathlib.Path({str(began)!r}).touch(); time.sleep(60)")
    starter = (
        "import os; from ifcb_abundance.engine.script_process import ScriptProcesses; "
        f"ScriptProcesses(1).run({str(script)!r}, dict(os.environ))"
    )
    # Both of them print to the same pipe, which ends when both are gone.
    run = subprocess.Popen(
        [sys.executable, "-c", starter], stderr=subprocess.PIPE, env={"PYTHONPATH": ":".join(sys.path)}
    )
    while not began.exists():
        assert run.poll() is None
        time.sleep(0.01)
    run.kill()
    assert run.communicate(timeout=20) == (None, b"")
