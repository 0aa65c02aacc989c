"""Winners of the ROIs of a bin, handed over to work that needs them next."""

import numpy as np

from ifcb_abundance.scores.summary import HandOver, RoiWinners


def winners(n: int) -> RoiWinners:
    """Those of n ROIs: 40 bytes for each."""
    index = np.zeros(n, np.intp)
    return RoiWinners(("a",), np.arange(n), np.zeros(n), dict.fromkeys(("float64", "float32", "float16"), index))


def test_they_are_taken_once_and_only_for_the_file_that_was_read() -> None:
    hand_over, rois = HandOver(), winners(3)
    hand_over.put("bin 1", "sha of the file", rois)
    assert hand_over.take("bin 1", "sha of another file") is None
    assert hand_over.take("bin 2", "sha of the file") is None
    assert hand_over.take("bin 1", "sha of the file") is rois
    assert hand_over.take("bin 1", "sha of the file") is None


def test_the_oldest_go_beyond_a_size() -> None:
    hand_over = HandOver(most=400)  # bytes: of ten ROIs
    for name, n in (("a", 4), ("b", 4), ("b", 4), ("c", 4), ("d", 11)):
        hand_over.put(name, "", winners(n))
        kept = [each for each, _ in hand_over._kept]
        assert kept == {"a": ["a"], "b": ["a", "b"], "c": ["b", "c"], "d": []}[name]
    hand_over.put("e", "", winners(10))  # what went is not counted any more
    assert hand_over.take("e", "") is not None
