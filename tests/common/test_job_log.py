"""A log per job has only the messages of its own thread, and exists only if there are any."""

import logging
import os
import threading
from pathlib import Path

import pytest

from ifcb_abundance.common.errors import ScoresError
from ifcb_abundance.common.job_log import TOLD, last_error, logged, scripted

log = logging.getLogger("ifcb.scores")


def test_a_quiet_job_leaves_no_file_and_its_result_comes_back(tmp_path: Path) -> None:
    assert logged(str(tmp_path / "quiet.log"), divmod, 7, 2) == (3, 1)
    assert logged(str(tmp_path / "quiet.log"), int, "11", base=2) == 3
    assert not list(tmp_path.iterdir())


def test_messages_and_the_error_that_ends_the_job_are_written(tmp_path: Path) -> None:
    def fail() -> None:
        log.warning("a hint: 5 µm")
        logging.getLogger("urllib3").warning("not ours")
        raise ScoresError("bin D20240215T150055_IFCB010: no")

    with pytest.raises(ScoresError, match="IFCB010: no") as raised:
        logged(str(tmp_path / "job.log"), fail)
    assert raised.value.in_log
    first, last = (tmp_path / "job.log").read_text(encoding="utf-8").splitlines()
    assert first.endswith("WARNING a hint: 5 µm")
    assert last.endswith("ERROR bin D20240215T150055_IFCB010: no")


def test_a_new_job_starts_a_new_log_and_old_ones_hear_no_more(tmp_path: Path) -> None:
    for text in ("first", "second"):
        logged(str(tmp_path / "job.log"), log.warning, text)
    log.warning("after the job")
    assert (tmp_path / "job.log").read_text().split("WARNING ")[1:] == ["second\n"]
    assert not logging.getLogger("ifcb").handlers


def test_jobs_side_by_side_do_not_hear_each_other(tmp_path: Path) -> None:
    both = threading.Barrier(2, timeout=10)

    def work(name: str) -> None:
        both.wait()
        for _ in range(50):
            log.warning(name)
        both.wait()

    threads = [
        threading.Thread(target=logged, args=(str(tmp_path / name), work, name)) for name in ("one.log", "two.log")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in ("one.log", "two.log"):
        lines = (tmp_path / name).read_text().splitlines()
        assert len(lines) == 50
        assert all(line.endswith(name) for line in lines)


def fail_with(error: Exception) -> None:
    raise error


def test_an_error_of_ours_is_found_in_the_log_and_a_bug_is_not_taken_for_one(tmp_path: Path) -> None:
    path = tmp_path / "job.log"
    assert last_error([path]) is None
    with pytest.raises(ScoresError):
        logged(str(path), fail_with, ScoresError("two faults:\n  the first\n  the second"))
    assert last_error([tmp_path / "not_there.log", path]) == "two faults:\n  the first\n  the second"
    with pytest.raises(KeyError):
        logged(str(path), fail_with, KeyError("a slip"))
    assert "CRITICAL 'a slip'" in path.read_text()
    assert last_error([path]) is None


def test_what_an_earlier_run_left_in_a_log_is_not_told_again(tmp_path: Path) -> None:
    path = tmp_path / "job.log"
    with pytest.raises(ScoresError):
        logged(str(path), fail_with, ScoresError("of yesterday"))
    os.utime(path, (1e9, 1e9))
    assert last_error([path]) is None
    logged(str(path), int, "5")
    assert not path.exists()


def test_a_script_ends_with_a_status_of_its_own_and_says_what_no_log_could_take(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path, printed in ((tmp_path / "job.log", ""), (tmp_path / "no" / "folder" / "job.log", "no scores\n")):
        with pytest.raises(SystemExit) as raised:
            scripted(str(path), fail_with, ScoresError("no scores"))
        assert raised.value.code == TOLD
        assert capsys.readouterr().err == printed
    with pytest.raises(KeyError):
        scripted(str(tmp_path / "job.log"), fail_with, KeyError("a slip"))
