"""The command that unlocks results, as a message gives it, and when it is not given."""

import shlex
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from ifcb_abundance.common.errors import StateError
from ifcb_abundance.engine.lock import Claim, claim_or_refuse, refuse_stale_lock


@pytest.mark.parametrize("escaped", [False, True])
def test_it_can_be_copied_where_python_lies_in_a_folder_with_a_blank(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, escaped: bool
) -> None:
    python = tmp_path / "my env" / "python"
    python.parent.mkdir()
    python.touch()
    lock = tmp_path / ".snakemake" / "locks" / "0.output.lock"
    lock.parent.mkdir(parents=True)
    lock.write_text("results/demo/ledger.csv\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.executable", str(python).replace(" ", "\\ ") if escaped else str(python))
    with pytest.raises(StateError) as error:
        refuse_stale_lock("results/demo", ["--configfile", "my file.yaml"])
    command = str(error.value).splitlines()[1]
    assert shlex.split(command) == [str(python), "-m", "snakemake", "--unlock", "--configfile", "my file.yaml"]


def test_a_shard_that_is_at_work_is_not_taken_for_a_run_that_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / ".snakemake" / "locks" / "0.output.lock"
    lock.parent.mkdir(parents=True)
    lock.write_text("results/demo/daily/2024-04-15.csv\nresults/demo/shards/2024/catalog.csv\n")
    monkeypatch.chdir(tmp_path)
    with claim_or_refuse("results/demo/shards/2024"):
        with pytest.raises(StateError, match=r"^another run is at work on results/demo/shards/2024: wait"):
            refuse_stale_lock("results/demo", [])
        refuse_stale_lock("results/dem", [])  # another dataset
    with pytest.raises(StateError, match="locked by a run that was killed"):
        refuse_stale_lock("results/demo", [])


def test_a_shard_is_told_of_the_run_on_all_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lock() -> AbstractContextManager[None]:
        raise BlockingIOError("of the engine")

    monkeypatch.chdir(tmp_path)
    shard = Claim("results/demo/shards/2024", lambda: None)
    told = pytest.raises(StateError, match=r"^another run is at work on results/demo: wait")
    with claim_or_refuse("results/demo"), told:
        shard.around(lock, []).__enter__()
    with pytest.raises(BlockingIOError, match="of the engine"):
        shard.around(lock, []).__enter__()
