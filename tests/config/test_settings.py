"""The config: defaults, types, and a message for every invalid value."""

import copy
import datetime
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from ifcb_abundance.bins.window import Bound, Window
from ifcb_abundance.common.errors import ConfigError
from ifcb_abundance.config import documents, resolve
from ifcb_abundance.config.model import Config
from ifcb_abundance.config.section import section_of
from ifcb_abundance.pooling.method import Method

ROOT = Path(__file__).parents[2]
DEFAULT = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
LEAST = {"dataset": "demo", "source": {"kind": "directory", "path": "resources/demo"}}


def leaves(tree: dict[str, Any], above: str = "") -> dict[str, Any]:
    """Full key to value."""
    found = {}
    for key, value in tree.items():
        found |= leaves(value, f"{above}{key}.") if isinstance(value, dict) else {above + key: value}
    return found


def config(**keys: Any) -> dict[str, Any]:
    """The least config with these keys over it; `__` stands for the point."""
    tree = copy.deepcopy(LEAST)
    for key, value in keys.items():
        *above, last = key.split("__")
        branch = tree
        for part in above:
            branch = branch.setdefault(part, {})
        branch[last] = value
    return tree


def faults(given: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        resolve(given)
    return [line.strip() for line in str(refused.value).splitlines()[1:]]


# --- defaults ---


def test_each_key_of_the_table_has_three_cells() -> None:
    """A bar within a text would end its cell."""
    rows = [line for line in documents.table().splitlines() if line.startswith("|")]
    assert len(rows) > 180
    assert [row for row in rows if row.count("|") != 4] == []


def test_the_embedded_config_is_the_schemas_defaults() -> None:
    assert resolve(LEAST).as_written() == DEFAULT
    assert resolve(DEFAULT).as_written() == DEFAULT
    assert {key: type(value) for key, value in leaves(resolve(LEAST).as_written()).items()} == {
        key: type(value) for key, value in leaves(DEFAULT).items()
    }


def test_the_config_given_is_left_as_it_is_and_defaults_are_not_shared() -> None:
    given = config(select__instruments=["10"])
    before = copy.deepcopy(given)
    resolve(given).abundance.group_by.append("depth")
    assert given == before
    assert resolve(given).abundance.group_by == ["instrument"]


# --- wrong values ---

WRONG: dict[str, list[Any]] = {
    "dataset": ["", "a/b", "..", ".hidden", "-x", "a b", "é", "x" * 101, None, True, 1.5, ["x"], "demo\n"],
    "source.kind": ["folder", None, True, ["directory"]],
    "source.path": ["", None, 5],
    "source.url": ["ftp://x", "x", "https://", "https://u:p@x", "https://x/?a=1", "https://x y", 5, "https://x\n"],
    "source.endpoint_url": ["s3://x", "x", "http://", "http://u:p@x", "http://x/?a=1", "http://x:0", 5, "http://x\n"],
    "source.anonymous": ["maybe", None, 1, []],
    "source.catalog": ["list", None, True],
    "source.scores_format": ["xlsx", None, True],
    "source.deployments": ["", 5, True, []],
    "source.fast_runs": ["dashboard", None, True],
    "source.scores_version": [0, -1, 1.5, "new", True],
    "source.model": ["", "a b", "a/b", "m&v=1", "é", "x" * 101, "m\n", True, 1.5, ["m"]],
    "source.timeout": [0, -1, "long", None, True, math.nan, math.inf, ".nan", ".inf", 86401, 1e10],
    "source.retries": [-1, 1.5, "x", None, True, 1001],
    "source.backoff": [-0.1, "x", None, math.nan, ".inf", 3601, 1e308],
    "source.max_body_mb": [0, -1, "x", None, math.nan, ".inf", 1e308],
    "source.max_requests_per_second": [0, -1, "x", math.nan, ".inf", 1e-308],
    "run": ["", ".x", "-x", "a/b", "../x", "a b", "a\n", "x" * 101, 1.5, True, []],
    "compare": ["a", ["a"], ["a", "a"], ["a", "b", "c"], {}, None],
    "shard": ["x", "12", "2012-13", "2012-7", "2012-07-01", "merge\n", "2012\n", -2012, 1.5, True, []],
    "source.on_failure": ["ignore", None, True],
    "source.allow_empty": [1, "maybe", None, []],
    "select.start": ["yesterday", "2024-02-30", "2024-2-1", "2024-W07-4", "FCB1_2006_157_181359", 20240215, True],
    "select.end": ["tomorrow", "2023-02-29", "D20240230T000000_IFCB010", ["2024-02-15"]],
    "select.instruments": [
        10,
        "IFCB010",
        ["IFCB"],
        ["IFCB-1"],
        ["IFCB123456"],
        ["IFCB1\n"],
        [-1],
        [1.5],
        [None],
        [True],
        None,
    ],
    "select.sample_types": ["cast", [None], [["cast"]], None],
    "select.exclude_tags": ["bad", [None], {"bad": 1}],
    "select.exclude_bins": ["D20240215T000000_IFCB010", [None], ["D20240214T00700_IFCB010"], ["IFCB5_2012_028_246060"]],
    "select.include_skipped": [1, "maybe", None, []],
    "select.accept_zero_position": [0, "maybe", None, []],
    "select.ml_analyzed": [5, [0, 5.25], None],
    "select.ml_analyzed.above": ["x", None, math.nan, 5.25, 6, -1, ".nan"],
    "select.ml_analyzed.at_most": ["x", None, math.inf, ".inf", True],
    "classify.threshold": [-0.1, 1.1, "high", None, True, math.nan, math.inf, ".nan", [0.7]],
    "classify.class_thresholds": ["", 5, "/no/such/file.csv", ["a"]],
    "classify.class_table": ["", 5, "/no/such/file.csv", ["a"]],
    "classify.rule": ["best", None, True, ["each"]],
    "classify.match_labels": ["fuzzy", None, True],
    "abundance.pool_km": [0, -1, "far", True, math.nan, [1]],
    "features.compute": ["some", True, 1],
    "features.bins": ["maybe", None, 2, []],
    "features.blobs": ["maybe", None, 2, []],
    "quality.make": ["maybe", None, 2, []],
    "quality.exclude_bad": ["maybe", None, 2, []],
    "quality": [None, "x", []],
    "images.outlines": ["maybe", None, 2, []],
    "export.event": ["hour", None, True],
    "abundance.cells": ["some", 1, 0, []],
    "features.carbon": ["per_chain", None, True],
    "features.carbon_rule": ["verity", None, True],
    "classify.score_precision": ["float8", "double", None, 16],
    "abundance.group_by": ["instrument", ["day"], ["depth", "depth"], [None], None, {"depth": 1}],
    "abundance.period": ["year", "d", None, 7, ["day"]],
    "abundance.position_tolerance_km": [-1, -0.1, "far", None, True, math.nan, math.inf, ".nan", [1]],
    "abundance.confidence": [0, 1, -1, 95, "x", None, math.nan, ".nan"],
    "source": [None, "x", [], 0.5],
    "select": [None, "x", [], 5],
    "classify": [None, 0.7],
    "images.make": ["yes", None, 1, []],
    "images.classes": ["Akashiwo", [None], [""], ["a", "a"], None, {"a": 1}],
    "images.bins": ["D20240215T000000_IFCB010", [None], ["../x"], ["D20240230T000000_IFCB010"], None],
    "images.stitch": ["maybe", None, 2, ["x"]],
    "images.per_class": [0, 201, -1, 1.5, "x", None, True, math.nan],
    "recheck.scores": ["new", None, True, ["all"]],
    "recheck.days": [0, -1, 1.5, "x", True, math.nan, 36501],
    "report.make": ["yes", 1, 0, [], "new"],
    "report.top_classes": [0, 201, -1, 1.5, "x", None, True, math.nan],
    "report.class": ["", 1.5, ["a"], True],
    "report.width_mm": [59, 301, 85.5, "x", None, True],
    "report.font": ["", "a;b", 1.5, ["a"], True, '"x"'],
    "export.formats": ["netcdf", ["csv"], ["netcdf", "netcdf"], [None], None, {"netcdf": 1}],
    "export.title": ["", " ", 5.5, True, ["x"], "x" * 5001],
    "export.summary": ["", False, {"text": 1}],
    "export.institution": ["", "\n", 1.5, []],
    "export.license": ["", "MIT", "CC-BY-4.0\n", "cc0-1.0", True, ["CC0-1.0"]],
    "export.info_url": ["", "example.org", "ftp://x", "https://", "https://x y", "https://\u00e9", 1.5],
    "export.model": ["", True],
    "export.creator": [None, "A. Name", ["x"]],
    "export.creator.name": ["", "\n", True],
    "export.creator.email": ["", "name", "a b@c", "a@b\n", "a@b, c@d", 1.5],
    "export.seabass": [None, "x"],
    "export.seabass.experiment": ["", "a b", "a,b", "\u00e9", 1.5],
    "export.seabass.cruise": ["", "a/b", "a\n", True],
    "export.seabass.documents": ["a.txt", None, ["a b.txt"], [""], [None]],
    "export": [None, "netcdf", ["netcdf"]],
    "features.make": ["yes", 1, 0, None, [], "new"],
    "features.pixels_per_um": [None, 3.4, []],
    "features.pixels_per_um.default": [0, -3.4, "x", None, True, math.nan, ".inf", 101, [3.4]],
    "features.pixels_per_um.IFCB10": [0, 0.09, "x", None, True, math.nan, 1e308, {"x": 1}],
    "features": [None, True, []],
    "abundance": [None, []],
    "report": [None, "all", [], 5],
    "images": [None, "all", [], True],
    "recheck": [None, "all", []],
    "curation": [None, "x", []],
    "curation.make": ["yes", None, 1, []],
    "curation.folder": ["", 5, "/no/such/folder", ["x"]],
    "curation.scaling": ["float", None, True],
    "curation.patch_px": [15, 4097, 16.5, "x", True, math.nan],
    "curation.duplicates": [None, "steady", []],
    "curation.duplicates.hash": ["phash", None, True],
    "curation.duplicates.distance": [-1, 65, 0.5, "x", None, True],
    "curation.duplicates.confirm": [-0.1, 1.1, "x", True, math.nan],
    "curation.duplicates.within": ["bin", None, True],
    "curation.duplicates.seed": [-1, 0.5, "x", None, True],
    "curation.filter": [None, "statistics", []],
    "curation.filter.labels": ["", 5, "/no/such/file.csv", ["x"]],
    "curation.filter.model": ["resnet50", None, True],
    "curation.filter.weights": ["", 5, "/no/such/file.pt", ["x"]],
    "curation.filter.threshold": [-0.1, 1.1, "x", None, True, math.nan],
    "curation.filter.device": ["cuda", None, True],
    "curation.stuck": [None, 10, []],
    "curation.stuck.place_px": [-1, "x", None, True, math.nan],
    "curation.stuck.times": [1, 2.5, "x", None, True],
    "curation.stuck.gap_bins": [-1, 0.5, "x", None, True],
    "validation": [None, "x", []],
    "validation.make": ["yes", None, 1, []],
    "validation.n_rois": [0, -1, 1.5, "x", None, True, 1_000_001],
    "validation.max_bins": [0, -1, 1.5, "x", True],
    "validation.seed": [-1, 0.5, "x", None, True],
    "validation.spread": ["week", None, True],
    "validation.round": [0, 3, 1.5, "x", None],
    "validation.labels": ["labels.csv", [""], [None], ["a.csv", "a.csv"], None],
    "validation.zooniverse": [None, "x", []],
    "validation.zooniverse.workflows": ["", 5, ["x"]],
    "validation.zooniverse.classifications": ["", 5, ["x"]],
    "validation.zooniverse.workflow_id": [0, 1.5, "x", True],
    "validation.zooniverse.version": ["", "x", "1.2.3", 52.8, "52\n", True],
    "validation.zooniverse.task": ["", "T 0", 5.5, True],
    "validation.label_map": ["", 5, ["x"]],
    "validation.repeat": ["any", None, True],
    "validation.none_labels": ["unsure", [""], ["a", "a"], None],
    "validation.min_votes": [0, 1.5, "x", None, True],
    "validation.min_agreement": [-0.1, 1.1, "x", None, True, math.nan],
    "validation.people": ["matrix", None, True],
    "validation.score_bands": [0.5, [0], [1], [0.9, 0.5], [0.5, 0.5], ["x"], None],
    "validation.min_labels": [0, 1.5, "x", None, True],
    "validation.criterion": ["recall", None, True],
    "validation.target_precision": [0, 1.1, "x", None, True],
    "validation.bootstrap": [99, 100_001, 1.5, "x", None],
    "validation.rate_dispersion": [-0.1, 1, "guess", None, True, math.nan],
    "training_set": [None, "x", []],
    "training_set.labels": ["", 5, "/no/such/file.csv", ["x"]],
    "training_set.split_by": ["bin", None, True],
    "training_set.fractions": [None, 0.7, [0.7, 0.15, 0.15]],
    "training_set.fractions.train": [-0.1, 1.1, "x", None, True, math.nan],
    "training_set.fractions.val": [-0.1, 1.1, "x", None, True],
    "training_set.fractions.test": [-0.1, 1.1, "x", None, True],
    "training_set.formats": ["imagefolder", ["zip"], ["imagefolder", "imagefolder"], None],
    "training_set.seed": [-1, 0.5, "x", None, True],
    "volumes": [None, "x", []],
    "volumes.folder": ["", 5, "/no/such/folder", ["/no/such/folder"], []],
    "volumes.scaling": ["float", None, True],
    "volumes.axes": [0, [3], [0, 0], ["xy"], None],
    "volumes.spacing": [0, 1.5, "x", None, True],
    "volumes.patch_px": [15, 4097, 16.5, "x", None, True],
    "volumes.anisotropy": [-0.1, "x", None, True, math.nan],
    "volumes.duplicates": [None, "difference", []],
    "volumes.duplicates.hash": ["phash", None, True],
    "volumes.duplicates.distance": [-1, 65, 0.5, "x", None, True],
    "volumes.duplicates.confirm": [-0.1, 1.1, "x", True, math.nan],
    "volumes.duplicates.seed": [-1, 0.5, "x", None, True],
    "volumes.filter": [None, "statistics", []],
    "volumes.filter.labels": ["", 5, "/no/such/file.csv", ["x"]],
    "volumes.filter.model": ["resnet50", None, True],
    "volumes.filter.weights": ["", 5, "/no/such/file.pt", ["x"]],
    "volumes.filter.threshold": [-0.1, 1.1, "x", None, True, math.nan],
    "volumes.flipbooks": [None, 5, []],
    "volumes.flipbooks.slices": [4, 0, 1001, 2.5, "x", None, True],
    "volumes.flipbooks.of": ["", 5, "/no/such/file.csv", None],
    "volumes.flipbooks.limit": [0, 1.5, "x", True],
    "volumes.flipbooks.seed": [-1, 0.5, "x", None, True],
    "volumes.voxel_nm": [None, "x", []],
    "samples": [None, "x", []],
    "samples.list": ["", 5, "/no/such/file.csv", ["x"]],
    "samples.max_bytes": [0, 1.5, "x", None, True],
    "samples.filled": [-0.1, 1.1, "x", None, True, math.nan],
    "samples.seed": [-1, 0.5, "x", None, True],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in WRONG.items() for value in values])
def test_a_wrong_value_is_refused_with_key_value_and_what_is_accepted(key: str, value: Any) -> None:
    found = faults(config(**{key.replace(".", "__"): value}))
    told = [line for line in found if line.startswith(f"{key}:")]
    assert len(told) == 1
    text = str(value[0] if isinstance(value, list) and len(value) == 1 else value)  # an entry is told by itself
    text = "null" if value in (None, [None]) else text.replace("u:p@", "...@")  # a login is not shown
    assert text.strip(".\n[]")[:50] in told[0]  # in the form that YAML gave it
    assert "Accepted: " in told[0]


def test_every_key_of_the_config_has_wrong_values_above() -> None:
    assert set(leaves(DEFAULT)) <= set(WRONG)


def test_labels_of_zooniverse_need_all_that_names_them() -> None:
    zooniverse = {"workflows": "w.csv", "classifications": "c.csv", "workflow_id": 7, "task": "T0"}
    assert resolve(config(validation__zooniverse=zooniverse)).validation.zooniverse.version is None
    found = faults(config(validation__zooniverse=zooniverse | {"task": None, "workflow_id": None}))
    assert [line.split(":")[0] for line in found] == [
        "validation.zooniverse.workflow_id",
        "validation.zooniverse.task",
    ]


@pytest.mark.parametrize("pattern", ["x.zarr/[9-0]*", "a[]", "a[!]"])
@pytest.mark.parametrize("key", ["include", "exclude"])
def test_a_pattern_of_keys_that_is_none_is_told_before_anything_is_listed(key: str, pattern: str) -> None:
    (line,) = faults(config(stores={"s": {"url": "s3://bucket/x", key: ["**/[a-z]", pattern]}}))
    assert line.startswith(
        f"stores.s.{key}: {pattern!r} cannot be used. Accepted: a list of patterns of keys below url"
    )
    resolve(config(stores={"s": {"url": "s3://bucket/x", key: ["[!a-z]?/**", "[x"]}}))


def test_all_faults_are_told_at_once() -> None:
    found = faults(config(classify__threshold=2, abundance__confidence=1, source__retries=-1))
    assert sorted(line.split(":")[0] for line in found) == (
        ["abundance.confidence", "classify.threshold", "source.retries"]
    )


STAGES = {"validation", "curation", "training_set", "stores", "arrays", "graphs", "volumes", "samples"}


def test_every_key_has_a_description_and_a_default_and_is_explained() -> None:
    explained = (ROOT / "config" / "README.md").read_text()
    known = dict(documents.keys(Config))
    assert len([key for key in known if key.split(".")[0] not in STAGES]) == 93
    for key, info in known.items():
        assert info.description, key
        assert not info.is_required() or ".{name}." in key, key
        assert f"| `{key}` |" in explained or section_of(info), key
    assert resolve({}).as_written() == DEFAULT


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"source": {"kind": "dashboard"}, "select": {"start": "2024-01-01", "end": "2024-01-02"}}, "source.url"),
        ({"source": {"path": None}}, "source.path"),
        ({"source": {"kind": "bucket", "path": None}}, "source.path"),
    ],
)
def test_what_a_kind_of_source_needs_is_named(given: dict[str, Any], key: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"\n  {re.escape(key)}: null .not set. cannot be used. Accepted: .*needed with kind"
    ):
        resolve(given)


@pytest.mark.parametrize(
    "path",
    [
        *("resources/demo", "/data/ifcb", "s3:/bucket", "s3://", "s3://b", "https://bucket/x", "S3://bucket/x"),
        *(
            "s3://bucket/a\nb",
            "s3://bucket/\ud800",
            "s3://bucket/" + "\u00e9" * 451,
            "s3://bucket?x=1",
            "s3://b\u00fccket",
        ),
    ],
)
def test_a_bucket_has_an_address_that_a_bucket_can_have(path: str) -> None:
    (line,) = faults(config(source__kind="bucket", source__path=path))
    assert line.startswith("source.path: ")
    assert "Accepted: a path, needed with kind: directory" in line
    assert "s3://bucket/prefix" in line


@pytest.mark.parametrize("path", ["s3://KEY:se/cr/et@bucket/x", "s3://se/cr/et@bucket", "s3://KEY:secret@bucket"])
def test_credentials_in_the_address_of_a_bucket_are_refused_and_not_shown(path: str) -> None:
    for kind in ("bucket", "directory"):
        (line,) = faults(config(source__kind=kind, source__path=path))
        assert line.startswith("source.path: 's3://...@bucket")
        assert "et@" not in line.replace("...@", "")


@pytest.mark.parametrize("path", ["s3://bucket", "s3://bucket/", "s3://a.b-c_D/ifcb/a b/{x}?y=1", "s3://bucket/\u00e9"])
def test_a_bucket_is_no_directory(path: str) -> None:
    assert resolve(config(source__kind="bucket", source__path=path)).source.path == path
    (line,) = faults(config(source__path=path))
    assert "a bucket is no directory: source.kind has to be bucket" in line


@pytest.mark.parametrize(("kind", "catalog"), [("bucket", "walk"), ("dashboard", "raw")])
def test_a_list_that_a_kind_of_source_does_not_have(kind: str, catalog: str) -> None:
    others = {"source__url": "http://x", "select__start": "2024-01-01", "select__end": "2024-01-02"}
    (line,) = faults(config(source__kind=kind, source__catalog=catalog, source__path="s3://bucket", **others))
    accepted = "export or raw" if kind == "bucket" else "export or walk"
    assert line == f"source.catalog: '{catalog}' while source.kind is '{kind}'. Accepted: {accepted}"


@pytest.mark.parametrize("name", ["IFCB010", "IFCB", "10", "IFCB10\n", "ifcb10", "defaults", "IFCB123456"])
def test_what_is_no_instrument_has_no_pixel_size(name: str) -> None:
    (line,) = faults(config(features__pixels_per_um={name: 3.4}))
    assert line.startswith(
        f"features.pixels_per_um: {name!r} cannot be used. Accepted: a mapping of default, and of inst"
    )


def test_pixel_sizes_of_instruments_stand_beside_the_default() -> None:
    resolved = resolve(config(features__pixels_per_um={"IFCB10": "2.77", "IFCB0": 3}))
    assert resolved.features.pixels_per_um.model_dump() == {"default": 3.4, "IFCB10": 2.77, "IFCB0": 3}


NEEDED = {
    "netcdf": {"title", "summary", "institution", "license", "creator.name"},
    "darwin_core": {"title", "summary", "institution", "license", "model", "creator.name", "creator.email"},
    "seabass": {
        *("institution", "creator.name", "creator.email"),
        *("seabass.experiment", "seabass.cruise", "seabass.documents"),
    },
    "erddap": {"title", "summary", "institution", "license", "info_url"},
}


@pytest.mark.parametrize("name", NEEDED)
def test_what_an_export_needs_is_named_before_any_work(name: str) -> None:
    found = faults(config(export__formats=[name], classify__class_table=str(ROOT / "config" / "classes.csv")))
    assert {line.split(":")[0] for line in found} == {f"export.{key}" for key in NEEDED[name]}
    assert all(f"needed by {name} in export.formats. Accepted: " in line for line in found)


def test_names_of_which_seabass_would_have_nothing_are_refused() -> None:
    japanese, cafe = "\u5c71\u7530\u592a\u90ce", "Caf\u00e9"
    for creator, institution, wrong in ((japanese, cafe, "creator.name"), (cafe, japanese, "institution")):
        named = {"export__creator__name": creator, "export__institution": institution}
        lines = [line for line in faults(config(export__formats=["seabass"], **named)) if "not set" not in line]
        assert len(lines) == 1
        assert lines[0].startswith(f"export.{wrong}: '{japanese}' has no Latin letter")
        assert "no Latin letter" not in " ".join(faults(config(export__formats=["netcdf"], **named)))


@pytest.mark.parametrize("text", ["two\nlines", "a\tb", "a\0b", "\x1b[31m", "\x7f", "\u2028", "\ud800", "\ufffe"])
def test_what_an_xml_file_cannot_hold_is_no_text(text: str) -> None:
    (line,) = faults(config(export__title=text))
    assert line.startswith("export.title: ")


def test_darwin_core_needs_a_class_table() -> None:
    found = faults(config(export__formats=["darwin_core"], classify__class_table=None))
    assert any(line.startswith("classify.class_table: null (not set), but darwin_core") for line in found)


# --- made-up data go by the name demo alone ---


@pytest.mark.parametrize("source", [{}, {"kind": "directory"}, {"timeout": 5}, {"path": "resources/demo"}])
def test_a_dataset_of_another_name_says_where_its_bins_are(source: dict[str, Any]) -> None:
    (line,) = faults({"dataset": "mvco", "source": source})
    assert line.startswith(
        "source.path: 'resources/demo' is the demo's, whose bins are made up, but dataset is 'mvco'."
    )
    assert "Accepted: where the bins of that dataset are" in line
    assert resolve({"dataset": "demo", "source": source}).source.path == "resources/demo"


@pytest.mark.parametrize("path", ["resources/demo/", "./resources/demo", "a/../resources/demo/2024", "LINK", "HERE"])
def test_the_demos_folder_is_taken_for_no_other_name_however_it_is_written(path: str, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(Path("resources/demo").resolve())
    path = {"LINK": str(tmp_path / "link"), "HERE": str(Path.cwd() / "resources" / "demo")}.get(path, path)
    (line,) = faults(config(dataset="mvco", source__path=path))
    assert line.startswith("source.path: ")
    assert "is the demo's" in line


def test_a_folder_above_the_demos_has_its_raw_files_but_not_its_list() -> None:
    (line,) = faults(config(dataset="mvco", source__path="resources", source__catalog="raw"))
    assert line.startswith("source.path: 'resources' is the demo's")
    for path in ("resources", "resources/demolition", "resources/demo2/2024"):
        assert resolve(config(dataset="mvco", source__path=path)).source.path == path


def test_other_kinds_of_source_have_nothing_of_the_demo() -> None:
    window = {"select__start": "2024-02-15", "select__end": "2024-02-16"}
    resolve(config(dataset="mvco", source__kind="dashboard", source__url="http://x", **window))
    resolve(config(dataset="mvco", source__kind="bucket", source__path="s3://bucket/resources/demo"))


def test_a_fault_has_the_place_of_its_key() -> None:
    given = config(select__start="2024-04-31", classify__treshold=1, select__end="2024-05-01")
    with pytest.raises(ConfigError) as refused:
        resolve(given, {"classify.treshold": "my.yaml, line 7", "select.end": "my.yaml, line 3"})
    first, line = str(refused.value).splitlines()
    assert first == "Invalid configuration in my.yaml:"
    assert line.startswith("  my.yaml, line 7: classify.treshold: unknown key")


@pytest.mark.parametrize(
    ("places", "named"),
    [
        ({"classify.threshold": "my, own.yaml, line 7", "dataset": "other.yaml, line 1"}, " in my, own.yaml"),
        ({"classify.threshold": "--config", "dataset": "my.yaml, line 1"}, " in --config"),
        ({"dataset": "a.yaml, line 1", "select.end": "b.yaml, line 3"}, " in a.yaml, b.yaml"),
        ({}, ""),
    ],
)
def test_the_first_line_names_the_file_that_the_fault_is_in(places: dict[str, str], named: str) -> None:
    """Or all files that were given, where a default is at fault."""
    with pytest.raises(ConfigError) as refused:
        resolve(config(classify__threshold=2), places)
    assert str(refused.value).splitlines()[0] == f"Invalid configuration{named}:"


# --- paths ---


def test_a_tilde_is_the_home_folder_in_every_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "classes.csv").write_text((ROOT / "config" / "classes.csv").read_text())
    (tmp_path / "thresholds.csv").write_text("class,threshold\nAkashiwo,0.9\n")
    (tmp_path / "moorings.csv").write_text("instrument,from,to,latitude,longitude,depth\n")
    resolved = resolve(
        config(
            source__path="~/archive",
            source__deployments="~/moorings.csv",
            classify__class_table="~/classes.csv",
            classify__class_thresholds="~/thresholds.csv",
        )
    )
    assert resolved.source.path == f"{tmp_path}/archive"
    assert resolved.source.deployments == f"{tmp_path}/moorings.csv"
    assert resolved.class_thresholds == {"Akashiwo": 0.9}
    assert "Akashiwo" in resolved.class_table
    # Only at the beginning, and only of somebody who is known.
    assert resolve(config(source__path="a/~/b")).source.path == "a/~/b"
    assert resolve(config(source__path="~nobody-here/a")).source.path == "~nobody-here/a"


# --- unknown keys ---


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("selekt", "Did you mean select?"),
        ("source.ulr", "Did you mean source.url?"),
        ("select.instrument", "Did you mean select.instruments?"),
        ("select.ml_analyzed.atmost", "Did you mean select.ml_analyzed.at_most?"),
        ("classify.treshold", "Did you mean classify.threshold?"),
        ("abundance.groupby", "Did you mean abundance.group_by?"),
        ("abundance.zzz", "Accepted here: group_by, period, pool_km, position_tolerance_km, cells, confidence"),
        (
            "zzz",
            "Accepted here: dataset, run, compare, shard, source, select, classify, abundance, features, report, "
            "quality, images, recheck, export",
        ),
    ],
)
def test_an_unknown_key_is_an_error_with_a_suggestion(key: str, hint: str) -> None:
    (line,) = faults(config(**{key.replace(".", "__"): 1}))
    assert line.startswith(f"{key}: unknown key.")
    assert hint in line
    assert ("Did you mean" in line) == ("Did you mean" in hint)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("classify: {threshold: 0,5}", "classify.5: unknown key. A comma ends a value: write decimals with a point"),
        ("classify:\n  threshold: 0,5", "'0,5' cannot be used. Write decimals with a point: 0.5. Accepted:"),
        ("source.path: x", "source.path: unknown key. Sections are nested: write source: {path: ...}. Accepted"),
        ("select.ml_analyzed.above: 1", "nested: write select: {ml_analyzed: {above: ...}}. Accepted"),
        ("source:\nkind: bucket", "kind: unknown key. It belongs to source: indent it below that line. Accepted"),
        ("select:\nstart: 2024-01-01", "start: unknown key. It belongs to select: indent it below that line."),
        ("threshold: 0.5", "threshold: unknown key. It belongs to classify: write classify: {threshold: ...}."),
        ("abundance: {class_table: x}", "abundance.class_table: unknown key. Did you mean classify.class_table?"),
        (
            "dataset: mvco\nsource: {kind: dashboard, url: 'http://a.example'}\nselect: {start: 2024-01-01}",
            "select.end: null (not set) cannot be used. With a dashboard, give both select.start and select.end.",
        ),
    ],
)
def test_slips_of_yaml_are_told_with_what_was_meant(text: str, told: str) -> None:
    assert told in "\n".join(faults(yaml.safe_load(text)))


def test_a_decimal_comma_on_the_command_line_is_told() -> None:
    """The engine reads `--config` as texts, so what stands after the comma has an empty one."""
    (line,) = faults(config(classify={"threshold": "0", "5": ""}))
    assert line.startswith("classify.5: unknown key. A comma ends a value: write decimals with a point, such as 0.5.")


def test_two_unknown_keys_are_both_told() -> None:
    told = "".join(faults(config(classify__treshold=1, classify__precision=2)))
    assert "classify.treshold: unknown" in told
    assert "classify.precision: unknown" in told


# --- types ---


def test_text_at_any_depth_becomes_what_the_key_asks_for() -> None:
    """As `--config select='{instruments: [10]}'` hands it over."""
    told: dict[str, tuple[Any, Any]] = {
        "source.scores_version": ("2", 2),
        "source.timeout": ("30", 30),
        "source.retries": ("0", 0),
        "source.backoff": ("0.5", 0.5),
        "source.max_requests_per_second": ("2.5", 2.5),
        "source.model": ("null", None),
        "source.url": ("null", None),
        "source.endpoint_url": ("null", None),
        "source.anonymous": ("true", True),
        "select.start": ("null", None),
        "select.instruments": (["10", "IFCB125", "ifcb007"], [10, 125, 7]),
        "select.exclude_tags": (["10", "true"], ["10", "true"]),
        "select.include_skipped": ("true", True),
        "select.ml_analyzed.above": ("0.5", 0.5),
        "select.ml_analyzed.at_most": ("5", 5),
        "classify.threshold": ("0.8", 0.8),
        "classify.class_thresholds": ("null", None),
        "classify.class_table": ("null", None),
        "abundance.position_tolerance_km": ("0", 0),
        "recheck.days": ("7", 7),
        "features.pixels_per_um.default": ("2.77", 2.77),
        "features.pixels_per_um.IFCB10": ("3", 3),
        "report.make": ("false", False),
        "report.top_classes": ("30", 30),
        "report.class": ("null", None),
        "report.width_mm": ("85", 85),
        "report.font": ("Helvetica", "Helvetica"),
        "abundance.confidence": ("0.9", 0.9),
    }
    given = config(**{key.replace(".", "__"): text for key, (text, _) in told.items()})
    resolved = leaves(resolve(given).as_written())
    assert {key: resolved[key] for key in told} == {key: value for key, (_, value) in told.items()}
    assert resolved["select.include_skipped"] is True


def test_numbers_where_text_is_asked_for() -> None:
    resolved = resolve(config(dataset=2024, source__path="own", select__exclude_tags=[7]))
    assert (resolved.dataset, resolved.select.exclude_tags) == ("2024", ["7"])


@pytest.mark.parametrize(
    ("key", "value", "resolved"),
    [
        ("select.instruments", [10.0], [10]),
        ("source.retries", 5.0, 5),
        ("source.scores_version", "2.0", 2),
    ],
)
def test_a_whole_number_written_with_a_point_is_a_whole_number_or_refused(key: str, value: Any, resolved: Any) -> None:
    """`IFCB10.0` is the name of no instrument, `?v=2.0` that of no version."""
    try:
        found = leaves(resolve(config(**{key.replace(".", "__"): value})).as_written())[key]
    except ConfigError:
        return
    assert repr(found) == repr(resolved)


# --- the window ---


def test_unquoted_dates_of_yaml_are_days() -> None:
    given = yaml.safe_load(
        "{dataset: x, source: {kind: directory, path: a}, select: {start: 2024-02-15, end: 2024-02-16}}"
    )
    assert isinstance(given["select"]["start"], datetime.date)
    resolved = resolve(given)
    assert (resolved.select.start, resolved.select.end) == ("2024-02-15", "2024-02-16")
    assert resolved.window == Window(Bound.parse("2024-02-15"), Bound.parse("2024-02-16"))


def test_an_unquoted_time_is_refused() -> None:
    (line,) = faults(config(select__start=datetime.datetime(2024, 2, 15, 12)))
    assert line.startswith("select.start: '2024-02-15 12:00:00'")


@pytest.mark.parametrize(
    ("start", "end", "right"),
    [
        ("2024-02-15", "2024-02-15", True),
        ("2024-02-16", "2024-02-15", False),
        ("2024-02-15", "D20240215T000000_IFCB010", True),
        ("D20240215T235959_IFCB010", "2024-02-15", True),
        ("D20240215T120000_IFCB010", "D20240215T120000_IFCB125", True),
        # When a bin was sampled only the catalog knows.
        ("D20240215T120001_IFCB010", "D20240215T120000_IFCB010", True),
        ("IFCB5_2024_047_000000", "2024-02-15", True),
        ("2024-02-16", "IFCB5_2024_001_000000", True),
        (None, "2024-02-15", True),
        ("2024-02-15", None, True),
    ],
)
def test_the_start_is_not_after_the_end(start: str | None, end: str | None, right: bool) -> None:
    given = config(select__start=start, select__end=end)
    if right:
        bounds = resolve(given).window
        assert [str(b) if b else None for b in (bounds.start, bounds.end)] == [start, end]
    else:
        (line,) = faults(given)
        assert all(word in line for word in ("select.start", "select.end", str(start), str(end), "Accepted"))


def test_a_dashboard_needs_an_address_and_a_window() -> None:
    lines = faults(config(source__kind="dashboard"))
    assert sorted(line.split(":")[0] for line in lines) == ["select.end", "select.start", "source.url"]
    window = {"select__start": "2024-02-15", "select__end": "2024-02-16"}
    for url in ("https://ifcb-data.whoi.edu", "http://localhost:8000/ifcb/", "https://ifcb.caloos.org/"):
        assert resolve(config(source__kind="dashboard", source__url=url, **window)).source.url == url


# --- thresholds of single classes ---


def test_class_thresholds_are_read(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("class,threshold\nNA,0.25\n")
    resolved = resolve(config(classify__class_thresholds=str(tmp_path / "own.csv")))
    assert resolved.class_thresholds == {"NA": 0.25}
    assert resolve(LEAST).class_thresholds == {}


@pytest.mark.parametrize("text", ["", "class\nA\n", "class,threshold\nA,1.5\n", "class,threshold\nA,0.5\nA,0.6\n"])
def test_a_bad_file_of_thresholds_is_refused_before_the_run(tmp_path: Path, text: str) -> None:
    path = tmp_path / "own.csv"
    path.write_text(text)
    (line,) = faults(config(classify__class_thresholds=str(path)))
    assert line.startswith("classify.class_thresholds: ")
    assert str(path) in line


# --- the class table ---


def test_a_class_table_is_read_and_null_is_none(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("label,scientific_name,aphia_id,living,group,harmful\nNA,Name,7,yes,diatom,no\n")
    resolved = resolve(config(classify__class_table=str(path)))
    traits = {"scientific_name": "Name", "aphia_id": "7", "living": "yes", "group": "diatom", "harmful": "no"}
    assert resolved.class_table == {"NA": traits}
    assert resolve(config(classify__class_table=None)).class_table == {}


@pytest.mark.parametrize("text", ["", "label\nA\n", "label,group\nA,diatom\n"])
def test_a_bad_class_table_is_refused_before_the_run(tmp_path: Path, text: str) -> None:
    path = tmp_path / "own.csv"
    path.write_text(text)
    (line,) = faults(config(classify__class_table=str(path)))
    assert line.startswith("classify.class_table: ")
    assert str(path) in line
    assert "label,scientific_name,aphia_id,living,group,harmful" in line.partition("Accepted")[2]


# --- what is made of the model ---


def test_what_is_made_of_the_model_is_what_it_makes_now() -> None:
    """After a change: `make config-docs`."""
    assert documents.SCHEMA.read_text() == documents.schema()
    assert documents.README.read_text() == documents.readme(documents.README.read_text())


@pytest.mark.parametrize("path", ["config.yaml", "examples/mvco-2024.yaml", "examples/caloos-del-mar.yaml"])
def test_an_editor_finds_the_schema_by_the_first_line_of_a_config_and_takes_the_config(path: str) -> None:
    file = ROOT / "config" / path
    named = re.match(r"# yaml-language-server: \$schema=(.*)\n", file.read_text())
    assert named
    schema = json.loads((file.parent / named[1]).read_text())
    Draft202012Validator.check_schema(schema)
    assert not list(Draft202012Validator(schema).iter_errors(read_as_json(file)))


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in WRONG.items() for value in values])
def test_an_editor_sees_a_wrong_value_by_the_schema(key: str, value: Any) -> None:
    """But for what no schema can tell: files that are not there, days, ids, and what keys ask of each other."""
    given = config(**{key.replace(".", "__"): value})
    try:
        Config.model_validate(given)
    except ValidationError:
        if not (isinstance(value, float) and not math.isfinite(value)):  # JSON has no such numbers
            assert list(Draft202012Validator(documents_schema()).iter_errors(given))


def documents_schema() -> Any:
    return json.loads(documents.SCHEMA.read_text())


def read_as_json(file: Path) -> Any:
    """A config as an editor's language server reads it: days are texts."""
    return json.loads(json.dumps(yaml.safe_load(file.read_text()), default=str))


# --- what no run can use, told as everything else ---


def knot() -> list[Any]:
    """A list that holds itself, as YAML's anchors make it: `&a [*a]`."""
    loop: list[Any] = []
    loop.append(loop)
    return loop


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"source": {"timeout": 10**400}}, "source.timeout: a number of 1329 bits"),
        ({"source": {"retries": -(10**5000)}}, "source.retries: a number of 16610 bits"),
        ({"dataset": 10**5000}, "dataset: a number of"),
        ({"select": {"instruments": [10, 10**5000]}}, "select.instruments.1: a number of"),
        ({"select": {"instruments": {10**5000}}}, "select.instruments: a number of"),
        ({"select": {10**5000: 1}}, "select: a number of"),
        ({"source": {"timeout": "1" * 400}}, "source.timeout: '111"),
        ({"source": {"timeout": "1_0"}}, "source.timeout: '1_0'"),
        ({"source": {"retries": "\u0665"}}, "source.retries: '\u0665'"),
        ({"select": {"instruments": knot()}}, "select.instruments.0.0.0.0.0.0.0: nested too deep"),
        ({"source": deep(5000)}, "source.0.0.0.0.0.0.0.0: nested too deep"),
        ({"source": {1, 2}}, "source.1: unknown key"),
        ({("a", 1): 1}, "['a', 1]: unknown key"),
    ],
)
def test_values_beyond_all_bounds_are_refused_by_key(given: dict[Any, Any], told: str) -> None:
    assert faults(given)[0].startswith(told)


def test_a_fault_is_one_line_of_a_bearable_length_without_control_characters() -> None:
    found = faults({"a\nb": 1, "\x1b[2J": 1, "\ud800": 1, "x" * 5000: 1, "dataset": "-\n" * 5000})
    assert len(found) == 5
    assert all(line.isprintable() and len(line) < 1000 for line in found)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://x:99999",
            "http://x:0",
            "http://x:",
            "http://x:abc",
            "http://:80",
            "http://.",
            "http://a..b",
            "http://[::1",
        ),
        *(
            "http://a\\b",
            "http://\0",
            "http://x/\0",
            "http://\u00e9",
            "http://x/\u00e9",
            "http://*",
            "http://%20",
            "http://x'y",
        ),
        *("http://" + "a" * 64, "http://" + ".".join(["a" * 60] * 5), "http://" + "a" * 5000),
    ],
)
def test_an_address_that_no_request_could_go_to_is_refused(url: str) -> None:
    window = {"start": "2024-02-15", "end": "2024-02-16"}
    (line,) = faults({"source": {"kind": "dashboard", "url": url}, "select": window})
    assert line.startswith("source.url: ")
    assert "Accepted: an http:// or https:// address" in line


@pytest.mark.parametrize(
    "url", ["http://a-b.c_d.", "http://127.0.0.1:65535", "http://[::1]:8000/a", "https://x/a/~b/%20"]
)
def test_other_addresses_are_taken(url: str) -> None:
    window = {"start": "2024-02-15", "end": "2024-02-16"}
    assert resolve({"source": {"kind": "dashboard", "url": url}, "select": window}).source.url == url


@pytest.mark.parametrize("path", ["a{b}", "a\0b", "x" * 300, "x/" * 3000])
def test_a_path_that_cannot_be_one_is_refused(path: str) -> None:
    (line,) = faults({"source": {"path": path}})
    assert line.startswith("source.path: ")
    assert "Accepted: a path" in line


@pytest.mark.parametrize("key", ["class_thresholds", "class_table"])
@pytest.mark.parametrize("path", ["s3://x/y", "http://127.0.0.1:1/x.csv", "x.zip", "\0", "x" * 5000, "\ud800"])
def test_tables_come_from_files_only(key: str, path: str) -> None:
    (line,) = faults({"classify": {key: path}})
    assert line.startswith(f"classify.{key}: ")
    assert len(line) < 1000


# --- what is made of it, and what it costs ---


def test_the_method_is_that_of_the_config_and_its_source(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("class,threshold\nNA,0.25\n")
    written = {"threshold": 0.6, "class_thresholds": str(tmp_path / "own.csv"), "class_table": None}
    given = resolve({"classify": written, "abundance": {"group_by": ["depth"], "confidence": 0.9}})
    with pytest.raises(ValueError, match="score_precision is auto"):
        Method.of(given)
    assert Method.of(given.with_precision("float64")) == Method(
        threshold=0.6,
        class_thresholds={"NA": 0.25},
        precision="float64",
        group_by=["depth"],
        confidence=0.9,
        match_labels="loose",
    )
    # Whether abundance has cells changes no carbon: the cells that class scores count are kept for it in any case.
    for carbon, cells, counted, has, keeps in [
        ("per_cell", False, True, False, True),
        ("per_cell", False, False, False, False),
        ("per_cell", None, None, False, True),  # a bucket, which may count them
        ("per_image", None, None, False, False),
        ("per_image", None, True, True, True),
        ("per_image", False, True, False, False),
        ("per_image", True, False, True, False),  # class scores that cannot count cells are not read again for them
        ("per_image", True, None, True, True),
    ]:
        written = {"abundance": {"cells": cells}, "features": {"carbon": carbon}}
        method = Method.of(resolve(written).with_precision("float64"), counted)
        assert (method.cells, method.kept.cells) == (has, keeps)
    # Where the first file of a folder counts none, later ones of its form may.
    given = resolve({"abundance": {"cells": True}}).with_precision("float64")
    assert [Method.of(given.with_format(form), False).kept.cells for form in ("csv", "prob_csv", "summary", "h5")] == [
        False, False, False, True
    ]  # fmt: skip
    dashboard = {"kind": "dashboard", "url": "http://x.y", "scores_format": "h5"}
    asked = {"source": dashboard, "select": {"start": "2024-04-15", "end": "2024-04-15"}, "abundance": {"cells": True}}
    assert not Method.of(resolve(asked).with_precision("float16"), False).kept.cells
    chosen = resolve({"classify": {"score_precision": "float32"}}).with_precision("float64")
    assert chosen.classify.score_precision == "float32"


def test_the_config_is_imported_without_clients_of_servers_and_without_what_makes_tables() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, ifcb_abundance.config; print(*sys.modules)"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow" / "scripts")},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert "ifcb_abundance.config.model" in loaded
    for heavy in ("pandas", "numpy", "pyarrow", "requests", "boto3", "botocore", "scipy", "snakemake"):
        assert heavy not in loaded


def test_rules_files_are_short_and_one_of_them_reads_the_config() -> None:
    for file in (ROOT / "workflow" / "rules").glob("*.smk"):
        text = file.read_text()
        assert len(text.splitlines()) <= (120 if file.name == "common.smk" else 150), file.name
        assert file.name == "common.smk" or not re.search(r"(?<![\w.])config\s*\[|(?<![\w.])config\.get\(", text), (
            file.name
        )
