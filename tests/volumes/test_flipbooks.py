"""Which patches get a flipbook."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ifcb_abundance.common.errors import ConfigError
from ifcb_abundance.tables import table_files
from ifcb_abundance.volumes.flipbooks import wanted_patches


class Counting(pd.DataFrame):
    """A table that counts how often its patches are gone through."""

    times = 0

    def __getitem__(self, key: Any) -> Any:
        Counting.times += isinstance(key, str) and key == "patch"
        return super().__getitem__(key)


def test_the_patches_of_a_list_are_looked_up_without_going_through_all_for_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"a-LOC-0_{n}_0-1_0-1" for n in range(9)] + ["b-LOC-0_0_0-1_0-1"]
    known = Counting({"patch": names, "dataset": ["a"] * 9 + ["b"], "status": ["kept"] * 10})
    monkeypatch.setattr(table_files, "read", lambda *_: known)
    (tmp_path / "of.csv").write_text("\n".join(["patch", *reversed(names), ""]))
    assert wanted_patches(str(tmp_path / "of.csv"), "curated.csv", "a") == names[8::-1]
    assert Counting.times == 1
    (tmp_path / "of.csv").write_text("patch\na-LOC-0_9_0-1_0-1\n")
    with pytest.raises(ConfigError, match="'a-LOC-0_9_0-1_0-1' is no patch of these volumes"):
        wanted_patches(str(tmp_path / "of.csv"), "curated.csv", "a")
