"""What the page of benchmarks works out from measured rows."""

import pandas as pd
import pytest
from benchmarks.report import ArrayModel


def test_model_of_a_job_array_is_fitted_and_predicts() -> None:
    """A shard: 9 s and 10 ms per bin. The merge: 1.6 s and 1 ms per bin. And 3 s until the jobs start."""
    runs = pd.DataFrame({"shards": 4, "bins": [100, 1100], "shard_s": [10.0, 20.0], "merge_s": [2.0, 6.0]})
    runs = runs.assign(submit_s=0.5, wait_s=[1.0, 2.0], merge_wait_s=1.0)
    model = ArrayModel.of(runs)
    assert (model.waits, model.start, model.ms_per_bin) == pytest.approx((3, 9, 10))
    assert (model.merge_start, model.merge_ms_per_bin) == pytest.approx((1.6, 1))
    # Two rounds of 9 + 21 s, and a merge of 8,400 bins; of three shards one is alone in its round.
    assert model.time(4, 2100, 2) == pytest.approx(3 + 2 * 30 + 1.6 + 8.4)
    assert model.time(3, 2100, 2) == pytest.approx(3 + 2 * 30 + 1.6 + 6.3)
