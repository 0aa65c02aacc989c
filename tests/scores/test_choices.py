"""What a run is refused for, or what is chosen for it, by a look at class scores before any work."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from ifcb_abundance.common.errors import ConfigError
from ifcb_abundance.config import Config, resolve
from ifcb_abundance.scores.choices import settle
from ifcb_abundance.sources.open_source import open_source
from tests.scores.test_forms import BIN, CASES, needs_cases


def settled(folder: Path, **classify: Any) -> Config:
    source = {"kind": "directory", "path": str(folder), "catalog": "raw"}
    config = resolve({"dataset": "own", "source": source, "classify": {"class_table": None} | classify})
    return settle(config, open_source(config.dataset, config.source))


def test_the_header_of_winners_is_read_as_csv(tmp_path: Path) -> None:
    """R puts names into quotes, a spreadsheet a byte order mark before them."""
    file = tmp_path / f"{BIN}.csv"
    names = ["file_name", "class_name", "class_name_auto", "score"]
    quoted = ",".join(f'"{name}"' for name in names)
    for header in (quoted, f"\ufeff{quoted}\r", ",".join(names), ", ".join(names[::-1])):
        file.write_text(f"{header}\n", encoding="utf-8")
        assert settled(tmp_path, class_thresholds="from_scores").source.scores_format == "class_csv"
    for header in ('"file_name","class_name_auto","score"', 'file_name,"my class_name",class_name_auto,score'):
        file.write_text(f"{header}\n")
        with pytest.raises(ConfigError, match="the class scores are class_csv files, which bring no thresholds"):
            settled(tmp_path, class_thresholds="from_scores")


@needs_cases
def test_winners_of_irfcb_bring_the_classes_by_the_thresholds(tmp_path: Path) -> None:
    for file in (*(CASES / "no_roi").glob("*.[ha]d[rc]"), *(CASES / "irfcb_class_csv").glob("*.csv")):
        shutil.copy(file, tmp_path)
    assert settled(tmp_path, class_thresholds="from_scores").source.scores_format == "class_csv"
