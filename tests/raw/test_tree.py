"""Raw files and products in trees of every usual shape."""

import os
from pathlib import Path

import pytest

from ifcb_abundance.common.errors import RawFileError
from ifcb_abundance.raw.tree import Product, find_raw, index_files, read_raw_bin
from tests.raw_files import NEW, OLD, adc, new_line, picture, write_bin

RAW = Path(__file__).parents[2].parent / "shared" / "data" / "raw"
shared = pytest.mark.skipif(not RAW.exists(), reason=f"no shared data in {RAW}")
OTHER = "D20240215T150055_IFCB010"
IMAGE = [(1, 0, 0, picture(4, 4))]


@pytest.mark.parametrize("folder", [".", "2013/D20130526", "IFCB5_2012_028", "data/a b/c/d", "skipped", "beads2"])
def test_a_bin_in_any_folder(tmp_path: Path, folder: str) -> None:
    for bin_id in (NEW, OLD):
        paths = write_bin(tmp_path / folder, bin_id, IMAGE)
        found = find_raw(tmp_path).bins[bin_id]
        assert [found.hdr, found.adc, found.roi] == [str(paths[part]) for part in ("hdr", "adc", "roi")]
        assert (found.bin, found.modified, found.problem) == (bin_id, False, "")
        header, triggers = read_raw_bin(found)
        assert list(triggers.rois) == [1]
        assert header.dialect == ("columns" if bin_id == OLD else "keyed")
    assert list(find_raw(tmp_path).bins) == [NEW, OLD]


@pytest.mark.parametrize("folder", ["skip", "beads", "2013/skip/D20130526", "Beads", "2013/D20130526/SKIP"])
def test_skip_and_beads_are_left_out(tmp_path: Path, folder: str) -> None:
    write_bin(tmp_path / folder, NEW, IMAGE)
    (tmp_path / folder / f"{NEW}_class_scores.csv").touch()
    (tmp_path / folder / f"{NEW}.adc.mod").touch()
    write_bin(tmp_path / "2024", OTHER, IMAGE)
    tree = find_raw(tmp_path)
    assert (list(tree.bins), tree.products, tree.strangers) == ([OTHER], {}, ())
    assert list(find_raw(tmp_path / folder).bins) == [NEW]  # asked for by name


@pytest.mark.parametrize("lost", [["hdr"], ["adc"], ["hdr", "roi"], ["adc", "roi"]])
def test_a_missing_part_is_named(tmp_path: Path, lost: list[str]) -> None:
    paths = write_bin(tmp_path, NEW, IMAGE)
    for part in lost:
        paths[part].unlink()
    found = find_raw(tmp_path).bins[NEW]
    assert [getattr(found, part) == "" for part in ("hdr", "adc", "roi")] == [p in lost for p in ("hdr", "adc", "roi")]
    assert found.problem.startswith("no ." + " and no .".join(lost) + " beside ")
    with pytest.raises(RawFileError, match=f"bin {NEW}: no .{lost[0]}"):
        read_raw_bin(found)


def test_a_bin_without_a_roi_can_be_read(tmp_path: Path) -> None:
    paths = write_bin(tmp_path / "a", NEW, IMAGE)
    paths["roi"].unlink()
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / f"{NEW}.adc").write_bytes(b"half a copy, met first")
    found = find_raw(tmp_path).bins[NEW]
    assert (found.problem, found.roi, found.adc) == ("", "", str(paths["adc"]))
    assert list(read_raw_bin(found)[1].rois) == [1]
    write_bin(tmp_path / "b", NEW, IMAGE)["roi"].unlink()  # which of the two?
    assert find_raw(tmp_path).bins[NEW].problem == f"duplicate bin, in 2 folders: {tmp_path}/a, {tmp_path}/b"


@pytest.mark.parametrize("body", [b"", b"\r\n \n"])
@pytest.mark.parametrize("bin_id", [NEW, OLD])
def test_an_empty_header_beside_an_adc_of_a_known_layout(tmp_path: Path, bin_id: str, body: bytes) -> None:
    paths = write_bin(tmp_path, bin_id, IMAGE)
    paths["hdr"].write_bytes(body)
    found = find_raw(tmp_path).bins[bin_id]
    header, triggers = read_raw_bin(found)
    assert (header.dialect, header.settings, header.run_time) == ("empty", {}, None)
    assert list(triggers.rois) == [1]
    line = paths["adc"].read_bytes()
    for other in (b"", line.replace(b"\n", b",0,0\n"), line[: line.rindex(b",", 0, -3)] + b"\n"):  # none, 2 more, fewer
        paths["adc"].write_bytes(other)
        with pytest.raises(RawFileError, match=r"\.hdr: not a header: it is empty"):
            read_raw_bin(found)
    paths["adc"].write_bytes(line + line[:20])
    with pytest.raises(RawFileError, match="truncated"):
        read_raw_bin(found)


def test_a_bin_that_is_there_twice(tmp_path: Path) -> None:
    write_bin(tmp_path / "a", NEW, IMAGE)
    paths = write_bin(tmp_path / "b", NEW, IMAGE)
    assert find_raw(tmp_path).bins[NEW].problem == f"duplicate bin, in 2 folders: {tmp_path}/a, {tmp_path}/b"
    paths["roi"].unlink()  # the one that has all counts
    found = find_raw(tmp_path).bins[NEW]
    assert (found.problem, found.roi) == ("", f"{tmp_path}/a/{NEW}.roi")


def test_endings_in_capitals_are_the_same_parts(tmp_path: Path) -> None:
    for path in write_bin(tmp_path, NEW, IMAGE).values():
        path.rename(path.with_suffix(path.suffix.upper()))
    found = find_raw(tmp_path).bins[NEW]
    assert [found.hdr, found.adc, found.roi] == [f"{tmp_path}/{NEW}{part}" for part in (".HDR", ".ADC", ".ROI")]
    assert list(read_raw_bin(found)[1].rois) == [1]
    (tmp_path / f"{NEW}.adc.Mod").write_bytes(adc(new_line()))
    (tmp_path / "stranger.HDR").touch()
    assert (find_raw(tmp_path).bins[NEW].modified, find_raw(tmp_path).strangers) == (
        True,
        (f"{tmp_path}/stranger.HDR",),
    )
    (tmp_path / f"{NEW}.roi").touch()  # which of the two is it?
    both = f"duplicate files: {tmp_path}/{NEW}.ROI and {tmp_path}/{NEW}.roi"
    assert find_raw(tmp_path).bins[NEW].problem == both


def test_a_corrected_adc_stands_in(tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_bin(data / "2013/D20130526", NEW, IMAGE)
    corrected = tmp_path / "adcmod" / "D20130526" / f"{NEW}.adc.mod"
    corrected.parent.mkdir(parents=True)
    corrected.write_bytes(adc(new_line(), new_line(box=(0, 0, 4, 2), offset=1)))
    orphan = corrected.with_name(f"{OTHER}.adc.mod")
    orphan.touch()
    for root in (data, tmp_path):  # beside the tree and in it
        tree = find_raw(root)
        assert (tree.bins[NEW].adc, tree.bins[NEW].modified) == (str(corrected), True)
        assert tree.strangers == (str(orphan),)
    assert list(read_raw_bin(find_raw(data).bins[NEW])[1].rois) == [2]
    (data / f"{NEW}.adc.mod").touch()
    assert find_raw(data).bins[NEW].problem.startswith("more than one .adc.mod: ")
    (data / "2013/D20130526" / f"{NEW}.adc").unlink()  # a correction alone is no bin
    alone = find_raw(data).bins[NEW]
    assert (alone.adc, alone.modified) == ("", False)
    assert alone.problem.startswith("no .adc beside ")


PRODUCTS = {
    "_class_scores.csv": ("class_scores", 0),
    "_class_scores_v2.csv": ("class_scores", 2),
    "_class.h5": ("class_scores", 3),
    "_class_v2.h5": ("class_scores", 2),
    "_class_v1.mat": ("class_scores", 1),
    "_features.csv": ("features", 0),
    "_fea_v2.csv": ("features", 2),
    "_fea_v4.csv": ("features", 4),
    "_features_v4.csv": ("features", 4),
    "_blobs_v2.zip": ("blobs", 2),
    "_blobs_v4.zip": ("blobs", 4),
}
NO_PRODUCTS = [
    "_class_scores.csv.part",
    "_class.csv",
    "_blobs.zip",
    "_fea.txt",
    "_00001.png",
    ".zip",
    ".adc.bak",
    "x.adc",
]


@pytest.mark.parametrize("bin_id", [NEW, OLD])
@pytest.mark.parametrize("suffix", PRODUCTS)
def test_a_product_by_its_name(bin_id: str, suffix: str) -> None:
    tree = index_files([f"a/b/{bin_id}{suffix}"])
    kind, version = PRODUCTS[suffix]
    assert tree.products == {bin_id: [Product(kind, version, f"a/b/{bin_id}{suffix}")]}
    assert (tree.bins, tree.strangers) == ({}, ())


def test_all_products_of_a_bin_in_order() -> None:
    tree = index_files([f"{n}/{NEW}{suffix}" for n, suffix in enumerate(PRODUCTS)] + [f"{OTHER}_class.h5"])
    assert list(tree.products) == [NEW, OTHER]
    assert [(product.kind, product.version) for product in tree.products[NEW]] == sorted(PRODUCTS.values())


def test_what_is_nothing_is_left_alone_and_raw_files_of_no_bin_are_told() -> None:
    names = [f"{NEW}{suffix}" for suffix in NO_PRODUCTS] + [
        "metadata.csv",
        ".DS_Store",
        f"._{NEW}.roi",
        f"x{NEW}_class.h5",
    ]
    strange = ["decoy.adc", "D20130230T095207_IFCB013.hdr", "IFCB5_2012_000_081515.roi", "x.adc.mod"]
    tree = index_files([*names, *strange])
    assert (tree.bins, tree.products) == ({}, {})
    assert tree.strangers == (f"{NEW}x.adc", f"._{NEW}.roi", *strange)


def test_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name, why in (("nowhere", "No such file or directory"), ("file", "Not a directory")):
        with pytest.raises(RawFileError, match=rf"{name}: cannot be read \({why}\)"):
            find_raw(tmp_path / name)
    assert find_raw(tmp_path).bins == {}


def test_a_folder_that_cannot_be_read_is_named_and_not_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bin(tmp_path / "2013", NEW, IMAGE)
    write_bin(tmp_path / "2024", OTHER, IMAGE)
    scandir = os.scandir

    def refusing(folder: str) -> object:
        if str(folder).endswith("2024"):
            raise PermissionError(13, "Permission denied", folder)
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(RawFileError, match=r"2024: cannot be read \(Permission denied\)"):
        find_raw(tmp_path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    paths = write_bin(tmp_path, NEW, IMAGE)
    found = find_raw(tmp_path).bins[NEW]
    paths["adc"].unlink()
    with pytest.raises(RawFileError, match=rf"{NEW}\.adc: cannot be read \(No such file or directory\)"):
        read_raw_bin(found)
    os.truncate(paths["hdr"], 2**40)  # of nothing
    with pytest.raises(RawFileError, match=rf"{NEW}\.hdr: not a header"):
        read_raw_bin(found)


@shared
def test_the_real_tree() -> None:
    tree = find_raw(RAW)
    assert list(tree.bins) == [
        *("D20130101T101010_IFCB099", NEW, "D20150411T205456_IFCB012", OLD, "IFCB5_2017_001_033645")
    ]  # neither the skipped one
    assert {found.problem for found in tree.bins.values()} == {""}
    assert tree.bins[OLD].adc == f"{RAW.as_posix()}/{OLD}.adc"  # not the part of it in another folder
    assert [Path(path).name for path in tree.strangers] == ["decoy.adc"]
    assert [(product.kind, product.version) for product in tree.products[OLD]] == [("blobs", 4), ("features", 4)]
    partial = find_raw(RAW / "edge" / "partial").bins[OLD]  # .hdr and .adc alone
    assert (partial.problem, partial.roi) == ("", "")
    assert read_raw_bin(partial)[1].rows.equals(read_raw_bin(tree.bins[OLD])[1].rows)
    assert len(read_raw_bin(tree.bins[NEW])[1].rois) == 19
    with pytest.raises(RawFileError, match="is empty"):
        read_raw_bin(tree.bins["D20130101T101010_IFCB099"])
