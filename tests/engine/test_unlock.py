"""The command that unlocks results, as a message gives it."""

import shlex
from pathlib import Path

import pytest

from ifcb_abundance.common.errors import StateError
from ifcb_abundance.engine.lock import refuse_stale_lock


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
