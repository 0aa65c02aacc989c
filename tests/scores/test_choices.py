"""What a run is refused for, or what is chosen for it, by a look at class scores before any work."""

import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ifcb_abundance.common.errors import ConfigError
from ifcb_abundance.config import Config, resolve
from ifcb_abundance.scores.choices import settle
from ifcb_abundance.sources.open_source import open_source
from tests.raw_files import scores_h5, scores_mat
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


def test_each_class_needs_thresholds_and_not_only_the_classes_by_them(tmp_path: Path) -> None:
    """By hand: two ROIs of the classes A and B, with their classes alone, and with the thresholds too."""
    scores = [[0.75, 0.25], [0.5, 0.5]]
    names = np.array(["A", "unclassified"], dtype=h5py.string_dtype())
    cells = np.array([["A"], ["unclassified"]], dtype=object)
    bodies = {
        "_class.h5": scores_h5(3, None, ["A", "B"], [1, 2], scores, class_name=names),
        "_class_v1.mat": scores_mat(["A", "B"], [1, 2], scores, TBclass_above_threshold=cells),
    }
    for ending, body in bodies.items():
        file = tmp_path / f"{BIN}{ending}"
        file.write_bytes(body)
        for rule in ("winner", "above_own"):
            assert settled(tmp_path, class_thresholds="from_scores", rule=rule).classify.rule == rule
        assert settled(tmp_path, rule="each").classify.rule == "each"
        with pytest.raises(ConfigError, match=r"classify\.rule: 'each': .* no thresholds.*: winner or above_own"):
            settled(tmp_path, class_thresholds="from_scores", rule="each")
        file.unlink()
    file = tmp_path / f"{BIN}_class.h5"
    more = {"class_name": names, "thresholds": [0.6, 0.6]}
    file.write_bytes(scores_h5(3, None, ["A", "B"], [1, 2], scores, **more))
    assert settled(tmp_path, class_thresholds="from_scores", rule="each").classify.rule == "each"
    file.write_bytes(b"damaged")  # which is told of when the bin is read
    assert settled(tmp_path, class_thresholds="from_scores", rule="each").classify.rule == "each"
