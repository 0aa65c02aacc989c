"""The figures of curated images: what they show, and that they can be drawn from any table."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import vl_convert

from ifcb_abundance.figures.draw import describe, for_paper
from ifcb_abundance.figures.registry import FIGURES
from ifcb_abundance.tables import table_files
from tests.figures.test_figures import OF_OBJECTS, OPTIONS, VALIDATOR, assert_drawn_alike, texts

SCHEMAS = {"curated": "curated", "distance": "distance", "without_stuck": "abundance_without_stuck"}
CURATED = ["kept", "kept", "duplicate", "stuck", "uninformative", "refused"]


def tables(folder: Path, empty: bool = False) -> dict[str, Path]:
    found: dict[str, pd.DataFrame] = {
        "curated": pd.DataFrame(
            {
                "patch": [f"{group}/{i}" for group in range(50) for i in range(len(CURATED))],
                "image": "x",
                "group": [f"group {group}" for group in range(50) for _ in CURATED],
                "status": CURATED * 50,
                "reason": "",
            }
        ),
        "distance": pd.DataFrame(
            {
                "distance": [0, 1, 0, 1],
                "rule": ["hash", "hash", "confirmed", "confirmed"],
                "precision": [1.0, 0.5, None, 1.0],
                "recall": [0.25, 0.5, 0.0, 0.25],
                "n_pairs": [1, 4, 0, 1],
                "n_copies": 4,
                "in_use": [0, 0, 0, 1],
            }
        ),
        "without_stuck": pd.DataFrame(
            {
                "date": "2024-02-01",
                "instrument": "IFCB10",
                "class": ["A", "</script><b>", "C"],
                "count": [5, 9, 3],
                "n_stuck": [1, 4, 0],
                "count_without_stuck": [4, 5, 3],
                **dict.fromkeys(table_files.columns("abundance_without_stuck")[6:], 1.0),
            }
        ),
    }
    paths = {}
    for name, frame in found.items():
        paths[name] = folder / f"{name}.csv"
        table_files.write(frame[:0] if empty else frame, SCHEMAS[name], paths[name])
    return paths


def spec(figure: str, folder: Path, empty: bool = False) -> dict[str, Any]:
    of = tables(folder, empty)
    return describe(figure, {name: of[name] for name in FIGURES[figure].tables}, OPTIONS)


@pytest.mark.parametrize("figure", [name for name, figure in FIGURES.items() if figure.needs_curation])
@pytest.mark.parametrize("empty", [False, True])
def test_each_can_be_drawn(figure: str, empty: bool, tmp_path: Path) -> None:
    found = spec(figure, tmp_path, empty)
    assert not [error.message for error in VALIDATOR.iter_errors(found)]
    assert OPTIONS.dataset in " ".join(texts(vl_convert.vegalite_to_svg(for_paper(found))))


def test_what_they_show(tmp_path: Path) -> None:
    def shown(figure: str) -> set[str]:
        return texts(vl_convert.vegalite_to_svg(for_paper(spec(figure, tmp_path))))

    images = shown("curated_images")
    assert "100 kept, 50 duplicate, 50 stuck, 50 uninformative, 50 refused" in images
    assert "further groups" in images
    assert len([text for text in images if text.startswith("group ")]) == 40
    assert {"copies found (recall)", "hash alone", "confirmed by pixels"} <= shown("duplicate_distance")
    stuck = shown("stuck_particles")
    assert {"A", "</script><b>", "5 ROIs, all days together"} <= stuck
    assert "C" not in stuck


def test_folders_and_classes_may_be_called_as_what_each_object_of_javascript_has(tmp_path: Path) -> None:
    pictures: list[list[str]] = []
    for names in (list(OF_OBJECTS), list(OF_OBJECTS.values())):
        folder = tmp_path / names[0]
        folder.mkdir()
        paths = tables(folder)
        curated = table_files.read("curated", paths["curated"])
        curated["group"] = curated["group"].replace({f"group {i}": name for i, name in enumerate(names)})
        table_files.write(curated, "curated", paths["curated"])
        stuck = table_files.read(SCHEMAS["without_stuck"], paths["without_stuck"])
        table_files.write(stuck.assign(**{"class": names}), SCHEMAS["without_stuck"], paths["without_stuck"])
        pictures.append([])
        for figure in ("curated_images", "stuck_particles"):
            of = {name: paths[name] for name in FIGURES[figure].tables}
            pictures[-1].append(vl_convert.vegalite_to_svg(for_paper(describe(figure, of, OPTIONS))))
    for odd, plain in zip(*pictures, strict=True):
        assert_drawn_alike(odd, plain)
        assert "constructor\u200b" in texts(odd)
