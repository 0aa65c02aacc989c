"""What a list of files says of folders and formats, what a plan chooses, and how folders on disk are listed."""

import os
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from ifcb_abundance.common.errors import RequestError
from ifcb_abundance.common.words import sized, sized_exactly
from ifcb_abundance.config.stages.stores import Store
from ifcb_abundance.sources.objects import Objects, StoredObject, open_objects
from ifcb_abundance.sources.retry import RequestOptions
from ifcb_abundance.stores import inventory
from ifcb_abundance.stores.plan import BudgetError, Choice, plan_fetch

TIME = datetime(2024, 1, 2, tzinfo=UTC)


def page(*keys: str, size: int = 10) -> list[StoredObject]:
    return [StoredObject(key, size, "", TIME, "") for key in keys]


def opened(path: Path | str) -> Objects:
    return open_objects(Store(url=str(path)), RequestOptions(), "stores.x")


def listed(path: Path | str) -> list[str]:
    return [found.key for page in opened(path).pages() for found in page]


@pytest.mark.parametrize(
    ("keys", "formats"),
    [
        (["a/.zarray", "a/0.0", "a/deep/0"], {"zarr": 3}),
        (["a/zarr.json", "a/c/0/0"], {"zarr": 2}),
        (["a/attributes.json", "a/0/0/0", "a/s0/attributes.json"], {"n5": 3}),
        (["a/info", "a/8_8_8/0-64_0-64_0-64"], {"precomputed": 2}),
        (["a.zarr/0", "b.n5/0", "c.precomputed/0"], {"zarr": 1, "n5": 1, "precomputed": 1}),
        (["a.n5/b.zarr/0"], {"zarr": 1}),
        (["info", "x/.zgroup", "x/0"], {"zarr": 2, "precomputed": 1}),
        (["a.zarr/one.nml", "a.zarr/nodes.bson", "a.zarr/x.json"], {"zarr": 1, "nml": 1, "bson": 1}),
        (["a.json", "b/c.json", "b/c.txt", "b/json"], {"json": 2, "other": 2}),
    ],
)
def test_formats(keys: list[str], formats: dict[str, int]) -> None:
    census = inventory.Census("s3://bucket/some")
    for key in sorted(keys):  # markers come before or after the chunks
        census.count(page(key))
    assert {name: files for name, (files, _) in census.formats().items()} == formats


def test_the_address_may_say_the_format() -> None:
    census = inventory.Census("s3://bucket/x.zarr/volumes/raw")
    census.count(page("0.0"))
    assert census.formats() == {"zarr": [1, 10]}


def test_folders_have_all_that_lies_below_them() -> None:
    census = inventory.Census()
    census.count(page("a/b/1", "a/b/2", "a/3", "c/4", "5"))
    folders = {"": [5, 50], "a": [3, 30], "a/b": [2, 20], "c": [1, 10]}
    assert census.folders() == folders
    assert inventory.largest(folders, 2) == ["a (3 files, 30 bytes)", "a/b (2 files, 20 bytes)"]


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ("**", {"a", "b.txt", "d/a", "d/e/a.txt", "d/[x]"}),
        ("*", {"a", "b.txt"}),
        ("*.txt", {"b.txt"}),
        ("**/*.txt", {"b.txt", "d/e/a.txt"}),
        ("d/**", {"d/a", "d/e/a.txt", "d/[x]"}),
        ("d/*", {"d/a", "d/[x]"}),
        ("**/a", {"a", "d/a"}),
        ("d/**/a.txt", {"d/e/a.txt"}),
        ("?", {"a"}),
        ("d?a", set()),
        ("[!b]*", {"a"}),
        ("d/[a-c]", {"d/a"}),
        ("d/[[]x]", {"d/[x]"}),
        ("a.txt", set()),
        ("b+txt", set()),
    ],
)
def test_patterns(pattern: str, matched: set[str]) -> None:
    keys = ["a", "b.txt", "d/a", "d/e/a.txt", "d/[x]"]
    assert set(filter(Choice("x", [pattern], [], 0).matcher(), keys)) == matched
    assert set(filter(Choice("x", ["**"], [pattern], 0).matcher(), keys)) == set(keys) - matched


def test_a_folder_on_disk_is_listed_in_the_order_of_a_bucket(tmp_path: Path) -> None:
    for key in ("a/b", "a-b", "a.b/c", "é", "z/deep/er", "Z"):
        path = tmp_path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(key)
    (tmp_path / "empty").mkdir()
    (tmp_path / "z" / "circle").symlink_to(tmp_path)
    (tmp_path / "linked").symlink_to(tmp_path / "a")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    os.mkfifo(tmp_path / "pipe")
    keys = listed(tmp_path)
    assert keys == sorted(keys, key=str.encode)
    assert keys == ["Z", "a-b", "a.b/c", "a/b", "linked/b", "z/deep/er", "é"]


def test_one_file_on_disk_goes_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "one.nml").write_text("<things/>")
    assert listed(tmp_path / "one.nml") == ["one.nml"]
    (tmp_path / "empty").mkdir()
    for missing in ("empty", "one.nm", "one.nml2/x"):
        with pytest.raises(
            RequestError, match=r"there is no file at or below this address\. In .* there is .*one\.nml"
        ):
            listed(tmp_path / missing)


def test_tables_have_the_same_bytes_however_pages_are_cut(tmp_path: Path) -> None:
    class Cut:
        address, is_one_file = "memory", False

        def __init__(self, size: int) -> None:
            self.size = size

        def pages(self) -> list[list[StoredObject]]:
            found = page(*(f"{n:03}/{m}" for n in range(10) for m in range(10)))
            return [found[first : first + self.size] for first in range(0, 100, self.size)]

    written = []
    for size in (1, 7, 100):
        paths = [tmp_path / f"{size}{name}" for name in ("inventory.parquet", "folders.csv", "formats.csv")]
        inventory.list_store(Cut(size), "x", "", *paths)  # type: ignore[arg-type]
        written.append([path.read_bytes() for path in paths])
    assert written[0] == written[1] == written[2]
    assert len(pd.read_parquet(tmp_path / "7inventory.parquet")) == 100
    with pytest.raises(BudgetError, match=r"100 files with 1,000 bytes \(1 kB\), but the budget is 999 bytes"):
        plan_fetch(tmp_path / "7inventory.parquet", Choice("x", ["**"], [], 999), tmp_path / "plan.parquet")
    assert not (tmp_path / "plan.parquet").exists()
    plan_fetch(tmp_path / "7inventory.parquet", Choice("x", ["00?/1"], [], 999), tmp_path / "plan.parquet")
    assert len(pd.read_parquet(tmp_path / "plan.parquet")) == 10


def test_bytes_in_words() -> None:
    assert [sized(n) for n in (0, 1, 999, 1000, 1234, 999_499, 999_500, 1.7e12)] == [
        *("0 bytes", "1 byte", "999 bytes", "1 kB", "1.23 kB", "999 kB", "1 MB", "1.7 TB")
    ]
    assert sized_exactly(1_234_567) == "1,234,567 bytes (1.23 MB)"


@pytest.mark.parametrize(
    ("path", "error", "says"),
    [
        ("/proc/self/mem", RequestError, r"/proc/self/mem: cannot be read \(Input/output error\)"),  # from byte 0 on
        (__file__, OSError, r"\[Errno 28\] No space left on device"),
    ],
)
def test_a_file_that_breaks_off_is_named_and_a_sink_that_fails_is_not_taken_for_one(
    path: str, error: type[Exception], says: str
) -> None:
    def take(_: bytes) -> None:
        raise OSError(28, "No space left on device")

    objects = opened(path)
    ((found,),) = objects.pages()
    sink: Any = SimpleNamespace(size=0, take=take)
    with pytest.raises(error, match=f"^{says}$"):
        objects.copy(found, sink)
