"""The merged table of a run against a truth worked out by itself."""

import pandas as pd
import pytest

from tests.truth import Key


def assert_equals_truth(table: pd.DataFrame, truth: dict[Key, dict[str, float]]) -> int:
    """The same keys, each once, and the same values: counts exactly, floats to 12 digits. Returns how many cells."""
    keys = list(zip(table["date"], table["instrument"], table["class"], strict=True))
    assert len(keys) == len(set(keys))
    assert set(keys) == set(truth)
    for key, row in zip(keys, table.to_dict("records"), strict=True):
        for column, value in truth[key].items():
            assert row[column] == pytest.approx(value, rel=1e-12, abs=0), (key, column)
    return sum(map(len, truth.values()))
