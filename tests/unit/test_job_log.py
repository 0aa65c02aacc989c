"""A log per job: only its own thread's messages, and only if there are any."""

import logging
import threading
from pathlib import Path

import pytest

from job_log import logged

log = logging.getLogger("ifcb.scores")


def test_a_quiet_job_leaves_no_file_and_its_result_comes_back(tmp_path: Path) -> None:
    assert logged(str(tmp_path / "quiet.log"), divmod, 7, 2) == (3, 1)
    assert logged(str(tmp_path / "quiet.log"), int, "11", base=2) == 3
    assert not list(tmp_path.iterdir())


def test_messages_and_the_error_that_ends_the_job_are_written(tmp_path: Path) -> None:
    def fail() -> None:
        log.warning("a hint: 5 µm")
        logging.getLogger("urllib3").warning("not ours")
        raise ValueError("bin D20240215T150055_IFCB010: no")

    with pytest.raises(ValueError, match="IFCB010: no"):
        logged(str(tmp_path / "job.log"), fail)
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
