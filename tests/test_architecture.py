"""docs/architecture.md is about the code as it is."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pandas as pd
from docs import architecture

from ifcb_abundance.abundance.days import merge_abundance, pool_abundance
from ifcb_abundance.catalog.listing import list_catalog
from ifcb_abundance.catalog.selection import assess
from ifcb_abundance.config.settings import resolve
from ifcb_abundance.pooling.method import Method
from ifcb_abundance.scores.summary import summarize_scores
from ifcb_abundance.sources.open_source import open_source
from ifcb_abundance.tables import table_files
from tests.abundance.pooling import PARTS
from tests.archives import bin_row, write_archive

PAGE = (architecture.ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ROOMS = architecture.ROOT / "workflow" / "scripts" / architecture.PACKAGE


def test_the_picture_is_drawn_from_the_imports_of_today() -> None:
    assert architecture.SVG.read_text(encoding="utf-8") == architecture.draw(), "run: python docs/architecture.py"


def test_the_files_to_open_exist() -> None:
    named = re.findall(r"\| `(\w+/\w+\.py)` \|$", PAGE, re.MULTILINE)
    assert len(named) == 12
    assert all((ROOMS / name).is_file() for name in named)


def called(frame: FrameType) -> Iterator[str]:
    """The function that was called, as the page names it, if it is one of the package's modules."""
    path = Path(frame.f_code.co_filename)
    if path.is_relative_to(ROOMS):
        yield ".".join([*path.relative_to(ROOMS).with_suffix("").parts, frame.f_code.co_name])


def test_a_bin_goes_the_way_that_is_told(tmp_path: Path) -> None:
    """Each of the functions, in the order of their last calls, from the config to the merged table."""
    way = re.findall(r"^\d+\. `([\w.]+)`", PAGE, re.MULTILINE)
    assert len(way) <= 12
    bin_id = "D20240415T010000_IFCB010"
    scores = {bin_id: (["Akashiwo", "detritus"], [[0.9, 0.1], [0.2, 0.8]])}
    archive = write_archive(tmp_path / "archive", [bin_row(bin_id)], scores)
    classify = {"class_table": None, "score_precision": "float16"}
    given = {"dataset": "own", "source": {"kind": "directory", "path": str(archive)}, "classify": classify}
    parts = {name: str(tmp_path / "day" / file) for name, file in PARTS.items()}
    merged = {name: str(tmp_path / name) for name in parts}
    catalog, summary = tmp_path / "catalog.csv", tmp_path / "summaries" / bin_id
    seen: dict[str, None] = {}

    def profile(frame: FrameType, event: str, argument: Any) -> None:  # noqa: ARG001
        if event == "call":
            for name in called(frame):
                seen.pop(name, None)
                seen[name] = None

    sys.setprofile(profile)
    try:
        config = resolve(given)
        source = open_source(config.dataset, config.source)
        list_catalog(source, config.window, catalog)
        bins = assess(table_files.read("catalog", catalog), config.select)
        summarize_scores(source, bin_id, summary, record_failures=False)
        method = Method.of(config)
        pool_abundance(bins, [summary], method, False, parts)
        merge_abundance({name: [part] for name, part in parts.items()}, catalog, method, False, summary.parent, merged)
    finally:
        sys.setprofile(None)
    assert [name for name in seen if name in way] == way
    assert pd.read_csv(merged["abundance"])["count"].tolist() == [1, 1, 0]
