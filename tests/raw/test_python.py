"""`from ifcb_abundance import raw`: the examples of docs/how-to/python.md, and what they do not show."""

import asyncio
import doctest
import hashlib
import inspect
import json
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from ifcb_abundance import raw
from ifcb_abundance.raw.volume import measure_volume
from tests.raw_files import NEW, OLD, picture, write_bin
from tests.s3_server import S3Server

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
RAW = DATA / "raw"
shared = pytest.mark.skipif(not RAW.exists(), reason=f"no shared data in {RAW}")
FILES = [*RAW.glob(f"{NEW}.*"), *RAW.glob(f"{OLD}.*"), *(RAW / "golden").glob("*"), *(DATA / "scores").glob("*scores*")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "archive").mkdir()
    for path in FILES:
        (tmp_path / "archive" / path.name).symlink_to(path)
    return tmp_path


@shared
def test_the_examples_of_the_page(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    with S3Server() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        server.put("plankton", {f"ifcb/2013/{path.name}": path.read_bytes() for path in FILES if NEW in path.name})
        found = doctest.testfile(str(ROOT / "docs" / "how-to" / "python.md"), module_relative=False, verbose=False)
    assert found.failed == 0
    assert found.attempted > 40


@shared
def test_a_bucket_gives_the_same_images_as_the_folder(folder: Path) -> None:
    of_folder = raw.open_archive(folder / "archive")
    with S3Server() as server:
        server.put("plain", {f"legacy/{path.name}": path.read_bytes() for path in FILES if OLD in path.name})
        archive = raw.open_archive("s3://plain", endpoint_url=server.url, anonymous=True)
        assert archive.list() == [(OLD, {part: f"s3://plain/legacy/{OLD}.{part}" for part in ("hdr", "adc", "roi")})]
        images = archive.read_images(OLD)
        server.clear()
        assert dict(images) == dict(of_folder.read_images(OLD))
        assert [request.range is not None for request in server.requests] == [True] * 6
        assert archive.volume(OLD) == of_folder.volume(OLD)
        assert archive.features(OLD).read().equals(of_folder.features(OLD).read())
        with pytest.raises(raw.RawFileError, match=f"s3://plain: it has no bin {NEW}"):
            archive.paths(NEW)


@shared
@pytest.mark.parametrize("bin_id", [NEW, OLD])
def test_images_and_volumes_are_those_on_record(bin_id: str) -> None:
    oracle = json.loads((RAW / "oracles" / "ifcbkit_0.3.1_images_imagehash_4.3.2.json").read_text())[bin_id]
    volumes = json.loads((RAW / "oracles" / "pyifcb_1.3.0_metrics.json").read_text())[bin_id]
    archive = raw.open_archive(RAW)
    of_bytes = raw.bin_images(bin_id, (RAW / f"{bin_id}.adc").read_bytes(), (RAW / f"{bin_id}.roi").read_bytes())
    for images in (archive.read_images(bin_id), of_bytes):
        assert [[*pair] for pair in images.pairs] == oracle["pairs"]
        assert {str(number): [*image.size] for number, image in images.items()} == {
            number: roi["size_wh"] for number, roi in oracle["rois"].items()
        }
        assert {str(number): hashlib.sha256(image.tobytes()).hexdigest() for number, image in images.items()} == {
            number: roi["sha256"] for number, roi in oracle["rois"].items()
        }
    volume = archive.volume(bin_id)
    assert [volume.ml_analyzed, volume.look_time, volume.run_time] == volumes["dispatched"]
    assert len(archive.trigger_table(bin_id).rows) == volumes["n_rows"]
    assert (archive.header(bin_id).temperature, archive.header(bin_id).humidity) == (volumes["temp"], volumes["hum"])
    assert measure_volume(archive.trigger_table(bin_id), archive.header(bin_id)) == volume


def test_a_span_is_half_open_and_in_utc(tmp_path: Path) -> None:
    bins = ["D20240101T000000_IFCB010", "D20240101T235959_IFCB125", "D20240102T000000_IFCB010"]
    for bin_id in bins:
        write_bin(tmp_path / bin_id[:9], bin_id, [(1, 0, 0, picture(4, 4))])
    write_bin(tmp_path, "D20240103T000000_IFCB010", [])["roi"].unlink()
    archive = raw.open_archive(tmp_path)

    def listed(*args: object, **kwargs: object) -> list[int]:
        return [bins.index(found.bin) for found in archive.list(*args, **kwargs)]

    assert listed() == [0, 1, 2]  # without the one that has no .roi
    assert listed("2024-01-01", "2024-01-02") == listed(date(2024, 1, 1), date(2024, 1, 2)) == [0, 1]
    assert listed(start=datetime(2024, 1, 1, 0, 0, 1)) == [1, 2]
    assert listed(datetime(2024, 1, 2, 1, tzinfo=timezone(timedelta(hours=1)))) == [2]
    assert listed(end=datetime(2024, 1, 1, 23, 59, 59, tzinfo=UTC)) == [0]
    assert listed(instruments=10) == listed(instruments=[10, 7]) == [0, 2]
    assert listed(instruments=[]) == []
    for ten in ("IFCB10", ["ifcb010", "IFCB7"], ["10"], (each for each in ["IFCB10"])):
        assert listed(instruments=ten) == [0, 2]
    assert listed(instruments=np.array([10.0, 125.0])) == [0, 1, 2]
    for wrong in ("IFCB", "IFCB10,IFCB125", "", -10, 10.5, None):
        with pytest.raises(ValueError, match=r"is not an instrument\. Accepted: a number or a name, such as 13 or"):
            archive.list(instruments=[wrong])

    async def awaited() -> list[object]:
        return await (await raw.aio.open_archive(tmp_path)).list(instruments="IFCB125")

    assert asyncio.run(awaited()) == archive.list(instruments=125)
    assert archive.exists(bins[0])
    assert not archive.exists("D20240103T000000_IFCB010")
    assert not archive.exists("x")
    assert "roi" not in archive.paths("D20240103T000000_IFCB010")
    with pytest.raises(raw.RawFileError, match=r"no \.roi beside"):
        archive.read_images("D20240103T000000_IFCB010")


def test_a_mapping_of_images(tmp_path: Path) -> None:
    first, second = np.full((4, 4), 10, np.uint8), np.full((4, 4), 31, np.uint8)
    write_bin(tmp_path, OLD, [(1, 100, 200, first), (1, 101, 201, second), (2, 0, 0, picture(5, 3))])
    archive = raw.open_archive(tmp_path)
    images = archive.read_images(OLD)
    assert (len(images), 2 in images, 3 in images, "x" in images, images.get(2)) == (2, False, True, False, None)
    with pytest.raises(KeyError):
        images[2]
    with pytest.raises(KeyError):
        images.get_raw(2)
    image, mask = images.get_raw(3)
    assert (mask, np.array_equal(np.asarray(image), picture(5, 3))) == (None, True)
    composite, gap = images.get_raw(1)
    assert gap is not None
    assert (gap.mode, np.argwhere(np.asarray(gap)).tolist()) == ("1", [[0, 4], [4, 0]])
    assert [composite.getpixel(place) for place in ((4, 0), (0, 4), (0, 0), (1, 1))] == [0, 0, 10, 31]
    # Along the gap: 10 and 31 above on the right, 10 and 31 below on the left. Their mean is 20.5, and even is taken.
    assert images[1].getpixel((4, 0)) == raw.infill(composite, gap).getpixel((0, 4)) == 20
    targets = archive.triggers(OLD)
    with pytest.raises(ValueError, match="extended=True"):
        raw.detect_pairs(OLD, targets)
    with pytest.raises(ValueError, match=r"an image of \(5, 3\) pixels"):
        raw.stitch_pair(targets[1], targets[2], image, image)
    (tmp_path / f"{OLD}.roi").write_bytes(b"")
    with pytest.raises(raw.RawFileError, match=f"ROI {OLD}_00001: the .roi ends within its image"):
        images[1]


def test_products_that_cannot_be_read(tmp_path: Path) -> None:
    write_bin(tmp_path, NEW, [(1, 0, 0, picture(4, 4))])
    (tmp_path / f"{NEW}_blobs_v2.zip").write_bytes(b"no zip")
    (tmp_path / f"{NEW}_features.csv").write_text("a,b\n1,2\n")
    for part in ("a", "b"):
        (tmp_path / part).mkdir()
        (tmp_path / part / f"{NEW}_class_scores.csv").write_text("pid,x\n")
    archive = raw.open_archive(tmp_path)
    with pytest.raises(raw.RawFileError, match=r"_blobs_v2\.zip: not a zip of blobs"):
        archive.blobs(NEW).read()
    with pytest.raises(raw.RawFileError, match=rf"bin {NEW}: not features: .*_features\.csv"):
        archive.features(NEW).read()
    (tmp_path / f"{OLD}_class_scores.csv").write_text(f"pid,x\n{OLD}_00001,2\n")
    with pytest.raises(raw.RawFileError, match=f"bin {OLD}: 1 score outside 0 to 1"):
        raw.open_archive(tmp_path).class_scores(OLD).read()
    with pytest.raises(raw.RawFileError, match=f"bin {NEW}: more than one file of class_scores: "):
        archive.class_scores(NEW)
    with pytest.raises(raw.RawFileError, match="no such folder"):
        raw.open_archive(tmp_path / "nowhere")


def test_class_scores_of_the_highest_version_count(tmp_path: Path) -> None:
    (tmp_path / f"{NEW}_class_scores.csv").write_text(f"pid,x\n{NEW}_00002,0.25\n")
    (tmp_path / f"{NEW}_class_scores_v2.csv").write_text(f"pid,x\n{NEW}_00002,0.75\n")
    (tmp_path / f"{OLD}_class_scores_v2.csv").write_text(f"pid,x\n{OLD}_00003,0.5\n")
    archive = raw.open_archive(tmp_path)
    for bin_id, scores in ((NEW, {2: 0.75}), (OLD, {3: 0.5})):
        found = archive.class_scores(bin_id)
        assert found is not None
        assert (found.version, found.read()["x"].to_dict()) == (2, scores)


def test_the_names_of_aio_are_those_of_raw_and_awaitable(tmp_path: Path) -> None:
    functions = {name for name in raw.__all__ if inspect.isfunction(getattr(raw, name))}
    assert len(functions) == 11
    assert all(inspect.iscoroutinefunction(getattr(raw.aio, name)) for name in functions)
    others = set(raw.__all__) - functions - {"Archive"}
    assert len(others) == 8
    assert all(getattr(raw.aio, name) is getattr(raw, name) for name in others)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        raw.aio.nothing  # noqa: B018
    write_bin(tmp_path, OLD, [(1, 0, 0, picture(4, 4))])

    async def read() -> None:
        archive = await raw.aio.open_archive(tmp_path)
        methods = {name for name, of in inspect.getmembers(raw.Archive, inspect.isfunction) if name[0] != "_"}
        for name in methods - {"load_images"}:
            assert inspect.iscoroutinefunction(getattr(archive, name)), name
        images = await archive.read_images(OLD)
        (tmp_path / f"{OLD}.roi").unlink()  # it is in memory
        assert np.array_equal(np.asarray(images[1]), picture(4, 4))
        assert await raw.aio.parse_roi_id(f"{OLD}_00001") == (OLD, 1)
        with pytest.raises(ValueError, match="not a bin id"):
            await archive.paths("x")

    asyncio.run(read())


def test_what_a_run_imports_of_raw_is_not_all_of_it() -> None:
    code = "import sys, ifcb_abundance.raw.tree; print('PIL' in sys.modules, 'ifcb_abundance.archives' in sys.modules)"
    path = str(ROOT / "workflow" / "scripts")
    found = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": path}, capture_output=True, text=True)
    assert found.stdout.split() == ["False", "False"]
    assert set(raw.__all__) <= set(dir(raw)) | set(raw._MODULES)
