"""A config for stages that read no bin needs no source. Tables of bins are refused there, as in any other config."""

from typing import Any

import pytest

from ifcb_abundance.common.errors import ConfigError
from ifcb_abundance.config import resolve, why_no_source
from ifcb_abundance.sources.open_source import open_source
from tests.checkout import Checkout

STORES: dict[str, Any] = {"dataset": "mine", "stores": {"one": {"url": "somewhere"}}}
REFUSED = (
    "source.path: 'resources/demo' is the demo's, whose bins are made up, but dataset is 'mine'. Accepted: where the "
    "bins of that dataset are: the path of an archive of yours, or source.kind: dashboard or bucket. Without a source "
    "there are these targets: inventory, plan, fetch\n"
)


def test_a_section_of_such_a_stage_is_enough() -> None:
    assert REFUSED.strip() in why_no_source(resolve(STORES))
    assert "targets: graphs" in why_no_source(resolve({"dataset": "mine", "graphs": {"g": {"skeleton": "a.nml"}}}))
    assert not why_no_source(resolve({**STORES, "dataset": "demo"}))
    assert not why_no_source(resolve({**STORES, "source": {"path": "elsewhere"}}))
    for other in ({}, {"stores": {}}, {"classify": {"threshold": 0.5}}):
        with pytest.raises(ConfigError, match="whose bins are made up, but dataset is 'mine'"):
            resolve({"dataset": "mine", **other})


def test_what_stands_for_the_source_answers_nothing() -> None:
    config = resolve(STORES)
    source = open_source(config.dataset, config.source, why_no_source(config))
    assert source.given_up() == ""
    for question in ("catalog_files", "catalog_identity", "read_scores", "open_images"):
        with pytest.raises(ConfigError, match="Without a source there are these targets"):
            getattr(source, question)


def test_tables_of_bins_are_refused_when_they_are_asked_for(checkout: Checkout) -> None:
    for target in ([], ["results/mine/abundance_long.csv"], ["figures"], ["--dry-run"]):
        printed = checkout.run(STORES, *target, fails=True)
        assert printed.count(REFUSED) == 1
        assert "Traceback" not in printed
        assert "InputFunctionException" not in printed
    assert not (checkout.folder / "results").exists()
    assert not (checkout.folder / "resources").exists()
