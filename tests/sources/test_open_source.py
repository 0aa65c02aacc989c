"""What every source answers alike: in which precision it has its scores."""

from typing import Any

import pytest

from ifcb_abundance.config import AUTO, resolve
from ifcb_abundance.sources.open_source import open_source

DASHBOARD = {"kind": "dashboard", "url": "http://127.0.0.1:1"}


@pytest.mark.parametrize(
    ("source", "precision"),
    [
        (DASHBOARD, "float16"),
        (DASHBOARD | {"catalog": "walk"}, "float16"),
        *(
            ({"kind": kind, "path": path, "scores_format": scores_format}, precision)
            for kind, path in {"directory": "some/folder", "bucket": "s3://bucket/prefix"}.items()
            for scores_format, precision in {"csv": "float16", "h5": "float16", "mat": "float64"}.items()
        ),
    ],
)
def test_the_precision_is_that_of_what_the_source_has(source: dict[str, Any], precision: str) -> None:
    config = resolve({"source": source, "select": {"start": "2024-02-15", "end": "2024-02-16"}})
    assert config.classify.score_precision == AUTO
    assert open_source("a", config.source).score_precision == precision
