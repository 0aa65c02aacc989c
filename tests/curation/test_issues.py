"""Issues of patches, beside what cleanvision 0.3.7 says of the same pictures."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ifcb_abundance.curation import clean, duplicates, issues, patches
from ifcb_abundance.curation.listing import list_folder
from ifcb_abundance.tables import table_files
from tests.curation.data import particle, save


def pictures() -> dict[str, NDArray[np.uint8]]:
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:200, :200]
    return {
        "dark": np.full((50, 60), 5, np.uint8),
        "large": rng.integers(0, 255, (900, 1300)).astype(np.uint8),
        "light": np.full((50, 60), 250, np.uint8),
        "long": rng.integers(0, 255, (30, 300)).astype(np.uint8),
        "one": particle(1),
        "same": particle(1),
        "smooth": ((x + y) / 2).astype(np.uint8),
        "two": particle(2),
    }


NAMES = ("dark", "light", "blurry", "low_information", "odd_size", "odd_aspect", "exact_duplicate")
# Its scores, in the order of NAMES.
CLEANVISION = {
    "dark": (0.019608, 0.980392, 0.858923, 0.0, 0.900559, 0.833333, 1.0),
    "large": (0.988235, 0.952941, 0.701174, 0.799417, 0.0, 0.692308, 1.0),
    "light": (0.980392, 0.019608, 1.0, 0.0, 0.900559, 0.833333, 1.0),
    "long": (0.988235, 0.94902, 0.458893, 0.797409, 0.996228, 0.1, 1.0),
    "one": (0.752941, 0.729412, 1.0, 0.34577, 0.937909, 0.75, 0.5),
    "same": (0.752941, 0.729412, 1.0, 0.34577, 0.937909, 0.75, 0.5),
    "smooth": (0.72549, 0.878431, 0.240492, 0.736523, 0.725602, 1.0, 1.0),
    "two": (0.752941, 0.584314, 0.993399, 0.335685, 0.937909, 0.75, 1.0),
}


def test_scores_and_flags_are_those_of_cleanvision(tmp_path: Path) -> None:
    for name, pixels in pictures().items():
        save(tmp_path / "images" / f"{name}.png", pixels)
    group = list_folder(tmp_path / "images").groups["."]
    zipped, cleaned, cut, copies, found = (
        tmp_path / name for name in ("..zip", "cleaning.csv", "patches.csv", "duplicates.csv", "issues.csv")
    )
    clean.clean_folder(group, "type", zipped, cleaned)
    patches.cut_patches(zipped, cleaned, None, "steady", cut)
    duplicates.group_duplicates(cut, tmp_path, duplicates.DuplicateRule(8, 0.97, "all", 1), copies)
    issues.find_issues(cut, copies, found)
    table = table_files.read("issues", found).set_index("patch")
    for name, scores in CLEANVISION.items():
        own = table.loc[f"{name}.png"]
        for issue, score in zip(NAMES, scores, strict=True):
            # The percentiles of the brightness are not interpolated here.
            assert own[f"{issue}_score"] == pytest.approx(score, abs=2 / 255 if issue in ("dark", "light") else 1e-5)
    flags = {
        issue: {patch[:-4] for patch in table.index[table[f"is_{issue}_issue"] == 1]}
        for issue in (*NAMES, "near_duplicate")
    }
    assert flags == {
        "dark": {"dark"},
        "light": {"light"},
        "blurry": {"smooth"},
        "low_information": {"dark", "light"},
        "odd_size": {"large"},
        "odd_aspect": {"long"},
        "exact_duplicate": {"one", "same"},
        "near_duplicate": {"one", "same", "dark", "light"},  # neither has any contrast
    }


def test_sizes_that_are_all_the_same_are_not_odd() -> None:
    scores, odd = issues.odd_sizes(np.array([40.0, 40.0, 40.0]))
    assert not odd.any()
    assert (scores == 1).all()
    assert issues.odd_sizes(np.empty(0))[1].tolist() == []
