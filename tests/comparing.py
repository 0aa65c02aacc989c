"""Compare the merged table of a run with a reference that was worked out independently."""

import pandas as pd
import pytest

from tests.reference import Key


def assert_equals_reference(table: pd.DataFrame, reference: dict[Key, dict[str, float]]) -> int:
    """The same keys, each once, and the same values: counts exactly, floats to 12 digits. Returns how many cells."""
    keys = list(zip(table["date"], table["instrument"], table["class"], strict=True))
    assert len(keys) == len(set(keys))
    assert set(keys) == set(reference)
    for key, row in zip(keys, table.to_dict("records"), strict=True):
        for column, value in reference[key].items():
            assert row[column] == pytest.approx(value, rel=1e-12, abs=0), (key, column)
    return sum(map(len, reference.values()))
