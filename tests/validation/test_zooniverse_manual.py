"""The commands of docs/how-to/zooniverse.md, exactly as written there, on the data of the reference's manual."""

import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.validation.zoo import RECORDED, ROOT, read, recorded, values

PAGE = ROOT / "docs" / "how-to" / "zooniverse.md"
PENGUINS = RECORDED / "penguin_watch"
BLOCK = re.compile(r"^```(\w+)(?: title=\"(.*?)\")?\n(.*?)^```$", re.M | re.S)


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("walk")
    (folder / "workflow").symlink_to(ROOT / "workflow")
    for path in PENGUINS.glob("*.csv"):
        shutil.copy(path, folder)
    for language, title, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if language == "yaml":
            (folder / title).write_text(text)
            continue
        command = ["bash", "-ec", text] if language == "bash" else [sys.executable, "-c", text]
        path = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
        subprocess.run(command, cwd=folder, env=path, check=True)
    return folder


def found(table: Path) -> list[tuple[str, str, str, float, float]]:
    """Subject, frame, tool and the middle of each cluster."""
    places = []
    for row in values(table):
        for name, middles in row.items():
            if name.endswith("_clusters_x"):
                _, frame, tool = name.removesuffix("_clusters_x").split(".")
                both = zip(middles, row[f"data.{frame}.{tool}_clusters_y"], strict=True)
                places += [(str(row["subject_id"]), frame, tool, x, y) for x, y in both]
    return places


def matched(places: list[Any]) -> tuple[int, int]:
    """How many of the known places were found, within 5 pixels, and how many others."""
    known = {(row["subject_id"], row["frame"], row["tool"], float(row["x"]), float(row["y"])) for row in reference()}
    others = 0
    for place in places:
        near = [one for one in known if one[:3] == place[:3] and np.hypot(one[3] - place[3], one[4] - place[4]) < 5]
        others += not near
        known -= set(near[:1])
    return len(reference()) - len(known), others


def reference() -> list[dict[str, str]]:
    return read(PENGUINS / "truth.csv")


@recorded
def test_dbscan_finds_each_place_and_nothing_else(walked: Path) -> None:
    assert len(reference()) == 156
    places = found(walked / "point_reducer_dbscan_example.csv")
    assert (len(places), matched(places)) == (156, (156, 0))


@recorded
def test_hdbscan_finds_nearly_all(walked: Path) -> None:
    """The reference's own output, with these settings, has 152 of the places, and five clusters with stray marks."""
    places = found(walked / "point_reducer_hdbscan_example.csv")
    hits, others = matched(places)
    assert hits >= 152
    assert others <= 5
    reference = found(PENGUINS / "oracle_5.3.1" / "point_reducer_hdbscan_example.csv")
    assert (hits, others) == matched(reference)


@recorded
def test_what_the_animals_are(walked: Path) -> None:
    """Of each place of tool 3 most people say what was put there."""
    kinds: Counter[bool] = Counter()
    rows = values(walked / "point_reducer_dbscan_example.csv")
    for place in reference():
        if place["kind"]:
            row = next(row for row in rows if str(row["subject_id"]) == place["subject_id"])
            prefix = f"data.{place['frame']}.{place['tool']}_clusters"
            x, y = np.array(row[f"{prefix}_x"]), np.array(row[f"{prefix}_y"])
            at = int(np.argmin(np.hypot(x - float(place["x"]), y - float(place["y"]))))
            said = row[f"{prefix}_details"][at][0]
            kinds[max(said, key=said.get) == place["kind"].lower().replace(" ", "-").replace("'", "-")] += 1
    assert kinds[True] > 0.8 * kinds.total() > 0


@recorded
def test_there_is_a_picture_of_each_frame(walked: Path) -> None:
    pictures = sorted((walked / "pictures").iterdir())
    assert len(pictures) == 12
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)


@recorded
def test_nothing_was_rejected_and_nothing_left_behind(walked: Path) -> None:
    assert read(walked / "rejected_example.csv") == []
    assert not [path for path in walked.iterdir() if path.name.startswith(".")]
