"""Words of messages that depend on a number."""

import pytest

from ifcb_abundance.common.words import counted


@pytest.mark.parametrize(
    ("n", "what", "words"),
    [
        (1, "bin", "1 bin"),
        (0, "bin", "0 bins"),
        (2000, "UTC day", "2,000 UTC days"),
        (1, "class", "1 class"),
        (3, "class", "3 classes"),
    ],
)
def test_a_number_and_what_it_counts(n: int, what: str, words: str) -> None:
    assert counted(n, what) == words
