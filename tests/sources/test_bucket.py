"""A bucket finds the same files of a bin as a folder with the same files, whatever its folders are called."""

import re
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifcb_abundance.bins.window import Window
from ifcb_abundance.common.errors import NoBinsError
from ifcb_abundance.raw.tree import find_raw
from ifcb_abundance.sources.bin_files import FileOptions
from ifcb_abundance.sources.bucket import BucketSource
from ifcb_abundance.sources.directory import DirectorySource

BINS = ["D20240215T150055_IFCB010", "D20230215T150055_IFCB010", "IFCB5_2012_028_081515", "D20240230T150055_IFCB010"]
ENDS = [
    ".hdr",
    ".adc",
    ".roi",
    ".adc.mod",
    "_class_scores.csv",
    "_features.csv",
    "_fea_v4.csv",
    "_class.h5",
    ".png",
    "",
]
FOLDERS = [
    "2024",
    "2023",
    "2012",
    "1407",
    "2101",
    "legacy",
    "skip",
    "Beads",
    "a b",
    "20244",
    "D20240215",
    "{x}",
    "2024 ",
    "a\nb",
]
PATHS = st.builds(
    lambda folders, bin_id, end: "/".join([*folders, bin_id + end]),
    st.lists(st.sampled_from(FOLDERS), max_size=3),
    st.sampled_from([*BINS, "metadata", "x"]),
    st.sampled_from(ENDS),
)
OBJECT = {"Size": 1, "ETag": '"x"', "LastModified": datetime(2024, 2, 15, tzinfo=UTC)}
YEARS = {BINS[0]: "2024", BINS[1]: "2023", BINS[2]: "2012"}


class Boto:
    """boto3's client of a bucket of these keys, as ListObjectsV2 tells them: two to a page."""

    def __init__(self, keys: set[str]) -> None:
        self.keys = keys
        self.asked: list[str] = []

    def list_objects_v2(self, **asked: str) -> dict[str, Any]:
        assert asked["Bucket"] == "b"
        if "ContinuationToken" not in asked:
            self.asked.append(asked["Prefix"])
        found = set()
        for key in self.keys:
            if key.startswith(asked["Prefix"]):
                rest = key[len(asked["Prefix"]) :]
                cut = rest.find("/") if asked["Delimiter"] else -1
                found.add(key if cut < 0 else f"{asked['Prefix']}{rest[: cut + 1]}")
        start = int(asked.get("ContinuationToken", 0))
        page = sorted(found)[start : start + 2]
        folders = {entry for entry in page if entry not in self.keys}
        answer: dict[str, Any] = {"IsTruncated": start + 2 < len(found), "NextContinuationToken": str(start + 2)}
        # an empty list is not in the answer at all, as boto3 has it
        if folders:
            answer["CommonPrefixes"] = [{"Prefix": entry} for entry in page if entry in folders]
        if len(folders) < len(page):
            answer["Contents"] = [{**OBJECT, "Key": entry} for entry in page if entry not in folders]
        return answer


def at_home(path: str) -> bool:
    """Whether it is not in the folder of a year that is not the bin's: in such a one a bucket does not look."""
    top, _, rest = path.partition("/")
    return not rest or top not in YEARS.values() or YEARS.get(re.split("[.]|_[a-z]", path.split("/")[-1])[0]) == top


@given(st.sets(PATHS.filter(at_home), min_size=1, max_size=12), st.sampled_from(["", "p", "p/2023"]))
def test_a_bin_has_the_files_that_it_has_on_disk(paths: set[str], prefix: str) -> None:
    below = f"{prefix}/" if prefix else ""
    beside = {"other/2024/x", f"{prefix}x/{BINS[0]}.hdr"} if prefix else set()
    boto, bucket = Boto({below + path for path in paths} | beside), BucketSource(f"s3://b/{prefix}")
    bucket._client._opened = boto
    with tempfile.TemporaryDirectory() as folder:
        for path in paths:
            (Path(folder) / path).parent.mkdir(parents=True, exist_ok=True)
            (Path(folder) / path).touch()
        tree, archive = find_raw(folder), DirectorySource(folder)
        for bin_id in YEARS:
            theirs = repr([tree.bins.get(bin_id), tree.products.get(bin_id)]).replace(folder, bucket.address)
            try:
                ours = bucket._tree(bin_id)
            except NoBinsError:
                assert all({"skip", "beads"} & {path.split("/")[0].lower()} for path in paths)
                continue
            assert repr([ours.bins.get(bin_id), ours.products.get(bin_id)]) == theirs
            scores = [
                path
                for path in archive._index.get(bin_id, {}).get("csv", [])
                if not re.search("/(skip|beads)/", path.lower())
            ]
            assert bucket._scores(bin_id) == [
                path.replace(folder, bucket.address) for path in sorted(scores, key=parts)
            ]
    assert len(boto.asked) == len(set(boto.asked))  # nothing twice
    assert all(asked.startswith(below) for asked in boto.asked)


def parts(path: str) -> tuple[list[str], str]:
    *folders, name = path.split("/")
    return folders, name


def test_a_leap_second_is_of_the_year_that_its_id_says() -> None:
    bins = ["D20161231T235960_IFCB010", "D20170101T000001_IFCB010"]
    keys = {f"p/{bin_id[1:5]}/{bin_id}_class_scores.csv" for bin_id in bins}
    bucket = BucketSource("s3://b/p", files=FileOptions(scores_format="csv"))
    bucket._client._opened = Boto(keys)
    assert [path for bin_id in bins for path in bucket._scores(bin_id)] == [f"s3://b/{key}" for key in sorted(keys)]


@pytest.mark.parametrize("folder", ["1407", "2101", "2004", f"{datetime.now(UTC).year + 2}", "0000"])
def test_a_folder_of_four_digits_that_are_no_year_of_bins_is_one_as_any_other(folder: str) -> None:
    bins = ["D20140215T150055_IFCB010", f"D{folder}0215T150055_IFCB010"]
    ends = (".adc", ".hdr", ".roi", "_class_scores.csv")
    bucket = BucketSource("s3://b", files=FileOptions(scores_format="csv", catalog="raw"))
    bucket._client._opened = boto = Boto({f"{folder}/{bin_id}{end}" for bin_id in bins for end in ends})
    assert bucket._scores(bins[0]) == [f"s3://b/{folder}/{bins[0]}_class_scores.csv"]
    there = sorted(bins if folder != "0000" else bins[:1])  # the year 0 is none of any id
    found = bucket._raw_bins(Window(None, None))
    assert [(bin_id, raw.problem) for bin_id, raw in found.items()] == [(bin_id, "") for bin_id in there]
    for bin_id in there:
        assert bucket._all_scores([bin_id])[bin_id] == {"csv": [f"s3://b/{folder}/{bin_id}_class_scores.csv"]}
    assert boto.asked == ["", f"{folder}/"]


def test_the_folder_of_next_year_is_that_of_a_year() -> None:
    for folder in ("2005", str(datetime.now(UTC).year + 1)):
        bucket = BucketSource("s3://b", files=FileOptions(scores_format="csv"))
        bucket._client._opened = boto = Boto({f"{folder}/{BINS[0]}_class_scores.csv"})
        assert bucket._scores(BINS[0]) == []
        assert boto.asked == [""]


STRANGE = ["D20240215T170055_ifcb010", "D20240215T1800_IFCB010", "D20240230T150055_IFCB010", "d20240215t160055_ifcb010"]


@pytest.mark.parametrize("kind", ["folder", "bucket"])
def test_raw_files_that_are_named_after_no_bin_are_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    caplog.set_level("WARNING", "ifcb.bin_files")
    whole = [BINS[0], *STRANGE, f"skip/{STRANGE[0]}", f"a/Beads/{STRANGE[0]}", ".trash/x", f"._{BINS[0]}"]
    keys = {f"2024/{bin_id}{part}" for bin_id in whole for part in (".hdr", ".adc", ".roi")}
    source: DirectorySource | BucketSource
    if kind == "bucket":
        source = BucketSource("s3://b/p", files=FileOptions(catalog="raw"))
        source._client._opened = Boto({f"p/{key}" for key in keys})
        monkeypatch.setattr(source, "_read_start", lambda *asked: b"")  # noqa: ARG005
    else:
        for key in keys:
            (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / key).touch()
        source = DirectorySource(str(tmp_path), FileOptions(catalog="raw"))
    assert list(source.list_bins(Window(None, None))["bin"]) == BINS[:1]
    named = ", ".join(f"{source.address}/2024/{bin_id}.adc" for bin_id in STRANGE[:3])
    assert [record.message for record in caplog.records if record.name == "ifcb.bin_files"] == [
        "raw bins: 12 files (.hdr, .adc, .roi) not read, for no bin is called so. Names "
        f"are like D20240215T150055_IFCB010.adc, with an existing time. Such as: {named}"
    ]


def test_nothing_is_said_where_all_raw_files_are_those_of_bins(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in (f"{BINS[0]}.hdr", f"{BINS[0]}.adc", f"{BINS[1]}.adc.mod", ".x.adc", "notes.txt"):
        (tmp_path / name).touch()
    DirectorySource(str(tmp_path), FileOptions(catalog="raw")).list_bins(Window(None, None))
    assert "no bin is called so" not in caplog.text
