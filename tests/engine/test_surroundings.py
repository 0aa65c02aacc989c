"""Full disks, read-only folders, two runs at once, clocks that jump, a server that is down when the window grows.

Each time a message says what is wrong and where, no half file counts as complete, and the next run ends with the bytes
of an undisturbed one and requests nothing that exists already.
"""

import ctypes
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from ifcb_abundance.common.errors import StateError
from ifcb_abundance.engine.folders import refuse_read_only, take_from_the_future
from tests.archives import bin_row, write_archive
from tests.checkout import Checkout, differences
from tests.conftest import Statistic
from tests.dashboard.emulator import Emulator, Fault
from tests.engine.test_kills import assert_whole, copy_of, end, files_there, start, wait_until, whole_summaries
from tests.sources.test_dashboard_run import EXPORT, asked_bins, config, targets

DAYS = ["2024-04-01", "2024-04-02", "2024-04-03"]
BINS = [f"D{day.replace('-', '')}T{hour:02d}0000_IFCB010" for day in DAYS for hour in range(0, 24, 6)]
LARGE = BINS[5]  # has the largest summary by far
LATER = 86_400.0  # seconds
PAGE = 4096  # bytes of a disk in memory
CAPABILITIES = (1, 2)  # of root, to read and write whatever the permissions: CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
PR_CAPBSET_DROP = 24

Scores = dict[str, tuple[list[str], list[list[float]]]]


def scores() -> Scores:
    made_up = random.Random(5)
    classes = [f"class_{number:02d}" for number in range(8)]
    rows = {b: [[made_up.random() for _ in classes] for _ in range(6000 if b == LARGE else 20)] for b in BINS}
    return {bin_id: (classes, of_bin) for bin_id, of_bin in rows.items()}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_archive(tmp_path_factory.mktemp("archive"), [bin_row(bin_id) for bin_id in BINS], scores())


@pytest.fixture(scope="module")
def server(archive: Path) -> Iterator[Emulator]:
    with Emulator({"demo": archive, "other": archive}, score_dtype="float64") as emulator:
        yield emulator


@pytest.fixture
def dashboard(server: Emulator) -> Emulator:
    """The one server, since ledgers have its address, as if it were new."""
    server.faults.clear()
    server.clear()
    return server


@pytest.fixture(scope="module")
def complete(server: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """An undisturbed run, to be copied and compared with; not to be changed."""
    run = Checkout(tmp_path_factory.mktemp("complete") / "checkout")
    run.run(settings(server))
    return run


def settings(dashboard: Emulator, end: str = DAYS[-1], **sections: Any) -> dict[str, Any]:
    source = {"retries": 0, **sections.pop("source", {})}
    return config(dashboard, DAYS[0], end, source=source, **sections)


def assert_goes_on(run: Checkout, dashboard: Emulator, complete: Checkout, dated: Iterable[str] = ()) -> None:
    """The next run ends as an undisturbed one and asks for what is missing, once each.

    dated: results that say on which day the data were read, where that is another day.
    """
    there = whole_summaries(run)
    dashboard.clear()
    run.run(settings(dashboard))
    assert asked_bins(dashboard) == sorted(set(BINS) - there)
    wrong = differences(run.files("demo"), complete.files("demo"))
    assert not {name: why for name, why in wrong.items() if name not in dated}


def assert_at_rest(run: Checkout, dashboard: Emulator) -> None:
    """One more run asks for nothing and touches nothing."""
    before = run.stamps()
    dashboard.clear()
    assert "Nothing to be done" in run.run(settings(dashboard))
    assert dashboard.requests == []
    assert run.stamps() == before


# --- full disks ---


def files_no_larger_than(size: int) -> Callable[[], None]:
    """To be called in a child: a file that grows beyond `size` is an error, as on a disk that is full."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_files_that_cannot_grow(tmp_path: Path, dashboard: Emulator, complete: Checkout) -> None:
    sizes = {name: path.stat().st_size for name, path in files_there(complete).items()}
    (large,) = (name for name in sizes if LARGE in name)
    assert sizes[large] > 1.2 * max(size for name, size in sizes.items() if name != large)
    run = Checkout(tmp_path / "checkout")
    process = start(run, settings(dashboard), preexec_fn=files_no_larger_than(sizes[large] - 1))
    printed = end(process)
    assert process.returncode == 1, printed
    assert "Traceback" not in printed
    assert re.search(rf"{re.escape(large)}.*File too large", printed), printed
    assert_whole(run, complete.files("demo"))
    assert whole_summaries(run) == set(BINS) - {LARGE}
    assert {name for name in files_there(run) if name.startswith("daily/")} == {
        f"daily/{DAYS[0]}.csv",
        f"daily/{DAYS[2]}.csv",
    }
    assert "abundance_long.csv" not in files_there(run)
    assert_goes_on(run, dashboard, complete)


@contextmanager
def disk_in_memory(folder: Path) -> Iterator[Callable[[int], None]]:
    """A disk at `folder`; what is yielded gives it another size, in bytes. PermissionError if that is not allowed."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        raise PermissionError("not allowed to mount")
    try:
        yield lambda size: subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], check=True) and None
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def pages(folder: Path) -> int:
    return sum(-(-path.stat().st_size // PAGE) for path in folder.rglob("*") if path.is_file())


@pytest.mark.slow
def test_full_disk(tmp_path: Path, dashboard: Emulator, complete: Checkout, statistic: Statistic) -> None:
    """A whole checkout on a disk of too few pages; without the right to mount, single files that cannot grow."""
    sizes = sorted({path.stat().st_size for path in files_there(complete).values()})
    failed = 0
    for number, size in enumerate(size for size in sizes if size > 30_000):
        run = Checkout(tmp_path / f"limited_{number}")
        process = start(run, settings(dashboard), preexec_fn=files_no_larger_than(size - 1))
        printed = end(process)
        assert process.returncode == 1
        assert "Traceback" not in printed
        assert "File too large" in printed
        assert_whole(run, complete.files("demo"))
        assert_goes_on(run, dashboard, complete)
        failed += 1
    assert failed >= 2
    with suppress(PermissionError):
        for share in (0.05, 0.25, 0.45, 0.65, 0.8, 0.95):
            with disk_in_memory(tmp_path / f"disk_{share}") as resize:
                run = Checkout(tmp_path / f"disk_{share}" / "checkout")
                empty = pages(run.folder)
                resize(round(empty + share * (pages(complete.folder) - empty)) * PAGE)
                process = start(run, settings(dashboard))
                printed = end(process)
                assert process.returncode == 1, printed
                assert "Traceback" not in printed, printed
                assert "No space left on device" in printed
                assert_whole(run, complete.files("demo"))
                resize(64 << 20)
                assert_goes_on(run, dashboard, complete)
                assert_at_rest(run, dashboard)
            failed += 1
    statistic("full disks survived", failed)


# --- folders that cannot be written to ---


def obey_permissions() -> None:
    """To be called in a child: without root's right to write whatever the permissions say."""
    if os.geteuid() == 0:
        for capability in CAPABILITIES:
            if ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0):
                raise OSError("root cannot give up its rights")


def set_permissions(folder: Path, mode: int) -> None:
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            path.chmod(mode)


@pytest.fixture
def read_only() -> Iterator[Callable[[Path], None]]:
    """Makes folders read-only, for the time of the test."""
    made: list[Path] = []

    def make(folder: Path) -> None:
        made.append(folder)
        set_permissions(folder, 0o555)
        probe = [sys.executable, "-c", f"open({str(folder / 'probe')!r}, 'w')"]
        assert subprocess.run(probe, preexec_fn=obey_permissions, capture_output=True).returncode == 1

    yield make
    for folder in made:
        set_permissions(folder, 0o755)


def test_a_folder_of_somebody_else_is_told_with_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose chmod would be refused."""
    owner = tmp_path.owner()
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(StateError, match=r"cannot be written to: give yourself the right to write \(chmod -R u\+w "):
        refuse_read_only([tmp_path])
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(StateError, match=f"it belongs to {owner}, who alone can change that with chmod, or run in"):
        refuse_read_only([tmp_path])


def test_files_from_the_future_are_dated_now_beside_one_that_is_gone_when_it_is_looked_at(tmp_path: Path) -> None:
    """As another shard's unfinished file is: listed, then renamed. A link to nowhere is like that."""
    ahead, long_ago = tmp_path / "folder" / "ahead", tmp_path / "folder" / "old"
    for path, seconds in ((ahead, 1e6), (long_ago, -1e6)):
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
        os.utime(path, (time.time() + seconds,) * 2)
    os.utime(ahead.parent, (time.time() + 1e6,) * 2)
    (tmp_path / ".part").symlink_to("nowhere")
    take_from_the_future(tmp_path)
    assert max(path.stat().st_mtime for path in (ahead, ahead.parent)) <= time.time()
    assert long_ago.stat().st_mtime < time.time() - 1e6 + 60


def refused(run: Checkout, dashboard: Emulator, folder: str, **sections: Any) -> None:
    """The run fails at once, names the folder and says what to do; it asks for nothing and changes nothing."""
    before = run.files("demo")
    dashboard.clear()
    process = start(run, settings(dashboard, **sections), preexec_fn=obey_permissions)
    printed = end(process)
    assert process.returncode == 1, printed
    assert "Traceback" not in printed, printed
    said = re.search(rf"^.*\b{folder}\b.*(writ|folder).*$", printed, re.MULTILINE)
    assert said, printed
    assert re.search("right to write|move it away|chmod", said[0])
    assert dashboard.requests == []
    assert not differences(run.files("demo"), before)


def test_results_that_cannot_be_written(
    tmp_path: Path, dashboard: Emulator, complete: Checkout, read_only: Callable[[Path], None]
) -> None:
    run = copy_of(complete, tmp_path / "checkout")
    read_only(run.folder / "results")
    # To look at complete results takes no right to write.
    printed = end(process := start(run, settings(dashboard), preexec_fn=obey_permissions))
    assert process.returncode == 0, printed
    refused(run, dashboard, "results/demo", classify={"threshold": 0.35})
    set_permissions(run.folder / "results", 0o755)
    assert_goes_on(run, dashboard, complete)


def test_results_that_cannot_be_made(
    checkout: Checkout, dashboard: Emulator, read_only: Callable[[Path], None]
) -> None:
    (checkout.folder / "results").write_text("not a folder")
    refused(checkout, dashboard, "results")
    (checkout.folder / "results").unlink()
    (checkout.folder / "results").mkdir()
    read_only(checkout.folder / "results")
    refused(checkout, dashboard, "results")


# --- two runs at once ---


@contextmanager
def halted_run(run: Checkout, dashboard: Emulator) -> Iterator[None]:
    """A run that stands still in the middle, and goes on and ends well when the block is left."""
    dashboard.faults.append(Fault(LARGE, "delay", seconds=1.0))
    process = start(run, settings(dashboard))
    wait_until(lambda: len(whole_summaries(run)) > len(BINS) // 2, process)
    os.killpg(process.pid, signal.SIGSTOP)
    time.sleep(0.5)  # what it had just sent is in the server's log by then
    assert process.poll() is None
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGCONT)
        printed = end(process)
    assert process.returncode == 0, printed


def assert_second_is_refused(run: Checkout, dashboard: Emulator) -> None:
    """Another run of the same settings is told why it cannot be, and asks for nothing."""
    asked = len(dashboard.requests)
    second = start(run, settings(dashboard))
    printed = end(second)
    assert second.returncode == 1, printed
    assert "Traceback" not in printed
    assert re.search("cannot be locked|another run is at work", printed), printed
    assert len(dashboard.requests) == asked


def test_second_run_is_refused_and_the_first_undisturbed(
    checkout: Checkout, dashboard: Emulator, complete: Checkout
) -> None:
    with halted_run(checkout, dashboard):
        assert_second_is_refused(checkout, dashboard)
    assert asked_bins(dashboard) == BINS
    assert not differences(checkout.files("demo"), complete.files("demo"))


@pytest.mark.slow
def test_run_on_another_dataset_leaves_the_lock(checkout: Checkout, dashboard: Emulator, complete: Checkout) -> None:
    with halted_run(checkout, dashboard):
        checkout.run(settings(dashboard) | {"dataset": "other"})
        assert checkout.table("other").equals(complete.table("demo"))
        assert_second_is_refused(checkout, dashboard)  # although the run beside it has ended
    assert asked_bins(dashboard) == sorted(2 * BINS)
    assert not differences(checkout.files("demo"), complete.files("demo"))


@pytest.mark.slow
def test_two_runs_started_in_the_same_instant(tmp_path: Path, dashboard: Emulator, complete: Checkout) -> None:
    dashboard.latency = 0.5  # so that the first is at work for some seconds
    for number in range(4):
        run = Checkout(tmp_path / str(number))
        dashboard.clear()
        both = [start(run, settings(dashboard)) for _ in range(2)]
        printed = [end(process) for process in both]
        # On a busy machine the second may begin when the first has ended; then it finds all bins there.
        assert sorted(process.returncode for process in both) in ([0, 1], [0, 0]), printed
        assert not any("Traceback" in text for text in printed)
        assert asked_bins(dashboard) == BINS
        assert not differences(run.files("demo"), complete.files("demo"))


# --- clocks ---


def shift_times(run: Checkout, seconds: float, pattern: str = "*") -> None:
    """As if the files had been made when the clock was wrong."""
    for path in run.results("demo").rglob(pattern):
        if path.is_file():
            changed = path.stat().st_mtime + seconds
            os.utime(path, (changed, changed))


@pytest.mark.parametrize("pattern", ["*", pytest.param("catalog.csv", marks=pytest.mark.slow)])
def test_clock_that_was_ahead_when_the_files_were_made(
    tmp_path: Path, dashboard: Emulator, complete: Checkout, pattern: str
) -> None:
    """A bin and a day are missing, and all that they are made from is newer than the present."""
    run = copy_of(complete, tmp_path / "checkout")
    there = files_there(run)
    there[f"daily/{DAYS[2]}.csv"].unlink()
    next(path for name, path in there.items() if BINS[0] in name).unlink()
    shift_times(run, LATER, pattern)
    assert_goes_on(run, dashboard, complete)
    assert_at_rest(run, dashboard)


@pytest.mark.slow
def test_clock_that_was_behind(tmp_path: Path, dashboard: Emulator, complete: Checkout) -> None:
    run = copy_of(complete, tmp_path / "checkout")
    next(path for name, path in files_there(run).items() if BINS[0] in name).unlink()
    shift_times(run, -LATER)
    assert_goes_on(run, dashboard, complete, dated=["METHODS.md"])
    assert_at_rest(run, dashboard)


@pytest.mark.slow
@pytest.mark.parametrize("pattern", ["metadata.csv", "*_class_scores.csv", "*.csv"])
def test_archive_from_the_future(tmp_path: Path, archive: Path, pattern: str) -> None:
    """Its files were written by a machine whose clock is ahead, or in another time zone.

    Summaries state the times of the files that they are of, so they alone are not the same to the byte.
    """

    def tables(run: Checkout) -> dict[str, bytes]:
        return {name: body for name, body in run.files("demo").items() if not name.startswith("bins/")}

    shutil.copytree(archive, tmp_path / "archive")
    source = {"source": {"kind": "directory", "path": "../archive"}, "dataset": "demo"}
    undisturbed = Checkout(tmp_path / "undisturbed")
    undisturbed.run(source)
    for path in (tmp_path / "archive").rglob(pattern):
        os.utime(path, (time.time() + LATER, time.time() + LATER))
    run = Checkout(tmp_path / "checkout")
    run.run(source)
    assert not differences(tables(run), tables(undisturbed))
    run.run(source)  # files that it takes for new, as long as they are from the future, are read again
    assert not differences(tables(run), tables(undisturbed))


# --- a server that is down when it should list the bins ---


def test_window_that_could_not_be_listed_is_not_forgotten(
    tmp_path: Path, dashboard: Emulator, complete: Checkout
) -> None:
    """The list that is kept meanwhile is not taken for that of the window that was asked for."""
    run = copy_of(complete, tmp_path / "checkout")
    dashboard.faults.append(Fault("export_metadata", "status", status=503))
    run.run(settings(dashboard, DAYS[1]), fails=True)
    assert not differences(run.files("demo"), complete.files("demo"))
    dashboard.clear()
    run.run(settings(dashboard, DAYS[1]))
    assert targets(dashboard) == [f"{EXPORT}?start_date={DAYS[0]}&end_date={DAYS[1]}"]
    for table in ("catalog", "ledger"):
        assert list(run.table("demo", table)["bin"]) == [b for b in BINS if not b.startswith("D20240403")]
    assert set(run.table("demo")["date"]) == set(DAYS[:2])
