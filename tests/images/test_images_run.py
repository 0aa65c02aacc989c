"""Images of bins and montages through the front door: their contents, their requests, their failures."""

import csv
import io
import json
import re
import shutil
import zipfile
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser

from tests.archives import bin_row, write_archive
from tests.browser import chromium, opened
from tests.checkout import Checkout
from tests.dashboard.emulator import Emulator, Fault
from tests.raw_files import NEW, OLD, picture, write_bin

RAW = Path(__file__).parents[2].parent / "shared" / "data" / "raw"
CLASSES = ["Akashiwo", "Ditylum", "detritus"]
BINS = [f"D2024040{day}T{hour:02d}0000_IFCB010" for day in (1, 2) for hour in (3, 15)]
WINDOW = {"start": "2024-04-01", "end": "2024-04-02"}
# Of each bin the scores of its ROIs, from the second trigger on; the first has an image and no scores. They are exact
# in half precision, in which the emulator writes them, as a dashboard does.
SCORES = {
    BINS[0]: [(0.953125, 0, 0), (0.75, 0.125, 0), (0, 0.796875, 0)],
    BINS[1]: [(0.640625, 0, 0), (0, 0.90625, 0)],
    BINS[2]: [(0, 0.5, 0.125), (0, 0, 0.90625)],
    BINS[3]: [(0, 0.703125, 0), (0, 0.6875, 0.125), (0, 0, 0.796875)],
}
PARTS = ("hdr", "adc", "roi")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = write_archive(
        tmp_path / "archive",
        [bin_row(bin_id, n_images=len(rows) + 1) for bin_id, rows in SCORES.items()],
        {bin_id: (CLASSES, rows) for bin_id, rows in SCORES.items()},
    )
    for bin_id, rows in SCORES.items():
        images = [(n, 10 * n, 20, picture(30 + n, 20, n)) for n in range(1, len(rows) + 2)]
        write_bin(folder / "raw", bin_id, images, start=0)
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def on_disk(archive: Path, **images: Any) -> dict[str, Any]:
    return {"dataset": "own", "source": {"kind": "directory", "path": str(archive)}, "images": images}


def served(dashboard: Emulator, **images: Any) -> dict[str, Any]:
    source = {"kind": "dashboard", "url": dashboard.url, "retries": 0}
    return {"dataset": "own", "source": source, "select": WINDOW, "images": images}


def zip_of(bin_id: str, dataset: str = "own") -> str:
    folder = bin_id[:14] if bin_id.startswith("IFCB") else bin_id[:9]
    year = bin_id.split("_")[1] if bin_id.startswith("IFCB") else bin_id[1:5]
    return f"results/{dataset}/images/{year}/{folder}/{bin_id}.zip"


def zips(run: Checkout) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in (run.results("own") / "images").rglob("*.zip")}


def contents(of: dict[str, bytes]) -> dict[str, dict[str, bytes]]:
    """Each file in each of the zips."""
    found = {}
    for name, body in of.items():
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            found[name] = {member: archive.read(member) for member in archive.namelist()}
    return found


def unzipped(body: bytes) -> tuple[dict[str, np.ndarray], list[dict[str, str]]]:
    """Pixels by ROI id, and the rows of the manifest."""
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read("manifest.csv").decode())))
        names = [name for name in archive.namelist() if name != "manifest.csv"]
        return {name[:-4]: np.asarray(Image.open(io.BytesIO(archive.read(name)))) for name in names}, rows


def asked(dashboard: Emulator) -> dict[str, list[str]]:
    """The kinds of files that were requested, by bin; other requests are under their path."""
    found: dict[str, list[str]] = {}
    for request in dashboard.requests:
        bin_id = re.fullmatch(r"/own/(D[0-9T]+_IFCB010)(?:_class_scores)?\.([a-z]+)", request.path)
        key, part = bin_id.groups() if bin_id else (request.path, "")
        found.setdefault(key, []).append(part)
    return found


# --- real bins ---


@pytest.mark.skipif(not RAW.exists(), reason=f"no shared data in {RAW}")
def test_real_images_are_those_that_ifcbkit_gives(checkout: Checkout, tmp_path: Path) -> None:
    folder = tmp_path / "raw"
    folder.mkdir()
    for bin_id in (NEW, OLD):
        for part in PARTS:
            shutil.copy(RAW / f"{bin_id}.{part}", folder)
    oracle = json.loads((RAW / "oracles" / "ifcbkit_0.3.1_images_imagehash_4.3.2.json").read_text())
    config: dict[str, Any] = {
        "dataset": "own",
        "source": {"kind": "directory", "path": str(folder), "catalog": "raw"},
        "images": {"bins": [NEW, OLD]},
    }
    checkout.run(config, "images")
    n_images = 0
    for bin_id, body in zips(checkout).items():
        pixels, rows = unzipped(body)
        assert {
            str(int(roi[-5:])): {"size_wh": [*image.shape[::-1]], "sha256": sha256(image.tobytes()).hexdigest()}
            for roi, image in pixels.items()
        } == {n: {key: roi[key] for key in ("size_wh", "sha256")} for n, roi in oracle[bin_id]["rois"].items()}
        assert [row["sha256"] for row in rows] == [roi["sha256"] for roi in oracle[bin_id]["rois"].values()]
        assert [row["stitched"] for row in rows if row["stitched"]] == [f"{a} {b}" for a, b in oracle[bin_id]["pairs"]]
        n_images += len(pixels)
    assert n_images == 24
    pixels, rows = unzipped(zips(checkout)[OLD])
    assert list(pixels) == [f"{OLD}_0000{n}" for n in (1, 2, 3, 5, 6)]
    assert pixels[f"{OLD}_00003"].shape == (86, 263)
    assert rows[2]["filled"] == str(263 * 86 - 180 * 86 - 113 * 45 + 30 * 45)
    config["images"] = {"stitch": False}
    checkout.run(config, zip_of(OLD))
    pixels, rows = unzipped(zips(checkout)[OLD])
    assert list(pixels) == [f"{OLD}_0000{n}" for n in range(1, 7)]
    assert {row["stitched"] for row in rows} == {""}


# --- what is asked for ---


def test_images_of_a_class_are_those_of_all_labels_that_are_merged_into_it(checkout: Checkout, archive: Path) -> None:
    (archive / "classes.csv").write_text(
        "label,scientific_name,aphia_id,living,group,harmful,synonym_of,merge\n"
        "Akashiwo,,,yes,,,,\nDitylum,,,yes,,,Akashiwo,before\ndetritus,,,no,,,,\n"
    )
    config = on_disk(archive, classes=["Akashiwo"]) | {"classify": {"class_table": str(archive / "classes.csv")}}
    checkout.run(config, "images", "montages")
    (picture,) = (checkout.results("own") / "montages").glob("*.svg")
    assert picture.stem == "Akashiwo"
    wins = {(bin_id, n): row.index(max(row)) for bin_id, rows in SCORES.items() for n, row in enumerate(rows, 2)}
    of_class = {each for each, label in wins.items() if label < 2}
    assert set(re.findall(r'data-roi="(\S+)"', picture.read_text())) == {f"{b}_{n:05d}" for b, n in of_class}
    assert "labels: Akashiwo, Ditylum" in picture.read_text()
    found = {roi for body in zips(checkout).values() for roi in unzipped(body)[0]}
    reached = {(bin_id, n) for bin_id, n in of_class if max(SCORES[bin_id][n - 2]) >= 0.7}
    assert found == {f"{bin_id}_{n:05d}" for bin_id, n in reached}


def test_one_bin_by_name_asks_for_its_raw_files_alone(checkout: Checkout, archive: Path) -> None:
    with Emulator({"own": archive}) as dashboard:
        checkout.run(served(dashboard), zip_of(BINS[0]))
        assert asked(dashboard) == {BINS[0]: ["hdr", "adc", "roi"]}
        assert "Nothing to be done" in checkout.run(served(dashboard), zip_of(BINS[0]))
        assert len(dashboard.requests) == 3
    twin = zips(checkout)
    pixels, rows = unzipped(twin[BINS[0]])
    for n, (roi, image) in enumerate(pixels.items(), start=1):
        assert roi == f"{BINS[0]}_{n:05d}"
        assert np.array_equal(image, picture(30 + n, 20, n))
    assert [(row["roi"], row["trigger"], row["x"], row["y"], row["class"]) for row in rows] == [
        (f"{BINS[0]}_{n:05d}", str(n), str(10 * n), "20", "") for n in (1, 2, 3, 4)
    ]
    checkout.run(on_disk(archive), zip_of(BINS[0]))
    assert zips(checkout) == twin


def test_bins_that_are_named_and_no_other(checkout: Checkout, archive: Path) -> None:
    with Emulator({"own": archive}) as dashboard:
        checkout.run(served(dashboard, bins=BINS[1:3]), "images")
        assert asked(dashboard) == {bin_id: ["hdr", "adc", "roi"] for bin_id in BINS[1:3]}
        assert dashboard.most_at_once() <= 8
        checkout.run(served(dashboard, bins=BINS[1:3]), "images", "--resources", "dashboard=1", "--forceall")
    assert set(zips(checkout)) == set(BINS[1:3])


def test_images_of_a_class_come_from_the_bins_that_have_it(checkout: Checkout, archive: Path) -> None:
    with Emulator({"own": archive}) as dashboard:
        checkout.run(served(dashboard))
        dashboard.clear()
        config = served(dashboard, classes=["Akashiwo"])
        checkout.run(config, "images")
        # Its only ROI in the second bin is below the threshold.
        assert {bin_id: sorted(parts) for bin_id, parts in asked(dashboard).items()} == {
            BINS[0]: ["adc", "csv", "hdr", "roi"]
        }
        dashboard.clear()
        assert "Nothing to be done" in checkout.run(config, "images")
        assert dashboard.requests == []
        twin = zips(checkout)
        pixels, rows = unzipped(twin[BINS[0]])
        assert list(pixels) == [f"{BINS[0]}_00002", f"{BINS[0]}_00003"]
        assert [(row["class"], row["score"]) for row in rows] == [("Akashiwo", "0.953125"), ("Akashiwo", "0.75")]
        # Another threshold makes another choice.
        checkout.run({**config, "classify": {"threshold": 0.9}}, "images")
        assert list(unzipped(zips(checkout)[BINS[0]])[0]) == [f"{BINS[0]}_00002"]
    shutil.rmtree(checkout.results("own"))
    checkout.run(on_disk(archive, classes=["Akashiwo"]), "images")
    # But for the comment, which has a checksum of the class scores: the dashboard writes the same ones otherwise.
    assert contents(zips(checkout)) == contents(twin)


def test_all_used_bins_without_a_choice(checkout: Checkout, archive: Path) -> None:
    config = on_disk(archive) | {"select": {"exclude_bins": [BINS[3]]}}
    checkout.run(config, "images")
    assert set(zips(checkout)) == set(BINS[:3])
    assert all(len(unzipped(body)[0]) == len(SCORES[bin_id]) + 1 for bin_id, body in zips(checkout).items())


# --- what goes wrong ---


def test_a_bin_that_cannot_be_had_is_named_and_others_go_on(checkout: Checkout, archive: Path) -> None:
    (archive / "raw" / f"{BINS[1]}.adc").unlink()
    with Emulator({"own": archive}) as dashboard:
        dashboard.faults += [
            Fault(f"{BINS[0]}.roi", "transform", times=None, function=lambda body: body[:-1]),
            Fault(f"{BINS[2]}.roi", "empty", times=None),
        ]
        printed = checkout.run(served(dashboard, bins=BINS), "images", fails=True)
        named = (
            f"ROI {BINS[0]}_00004: the .roi ends within its image",
            f"bin {BINS[1]}: the source has no raw files",
            f"bin {BINS[2]}: {dashboard.url}/own/{BINS[2]}.roi: HTTP 200 with an empty answer",
        )
        for text in named:
            assert text in printed
        assert "Traceback" not in printed
        assert set(zips(checkout)) == {BINS[3]}
        log = checkout.folder / "logs/own/extract_images/2024/D20240401" / f"{BINS[1]}.log"
        assert named[1] in log.read_text()

        config = served(dashboard, bins=BINS)
        config["source"]["on_failure"] = "record"
        checkout.run(config, "images")
        found = {bin_id: unzipped(body) for bin_id, body in zips(checkout).items()}
    assert {bin_id: len(pixels) for bin_id, (pixels, _) in found.items()} == {
        BINS[0]: 3,
        BINS[1]: 0,
        BINS[2]: 0,
        BINS[3]: 4,
    }
    for bin_id, text in zip(BINS, named, strict=False):
        assert text in found[bin_id][1][-1]["problem"]
    assert {row["problem"] for row in found[BINS[3]][1]} == {""}


def test_of_all_bins_those_without_raw_files_are_left_out(checkout: Checkout, archive: Path) -> None:
    for part in PARTS:
        (archive / "raw" / f"{BINS[1]}.{part}").unlink()
    printed = checkout.run(on_disk(archive), "images")
    assert "images: 1 of 4 bins lack raw files (.hdr, .adc or .roi): excluded" in printed
    assert set(zips(checkout)) == {BINS[0], BINS[2], BINS[3]}
    shutil.rmtree(archive / "raw")
    assert "images: none of 4 bins has raw files" in checkout.run(
        on_disk(archive, per_class=4), "images", "-R", "list_images", fails=True
    )


def test_a_server_that_lacks_one_of_the_raw_files(checkout: Checkout, archive: Path) -> None:
    (archive / "raw" / f"{BINS[0]}.roi").unlink()
    with Emulator({"own": archive}) as dashboard:
        printed = checkout.run(served(dashboard), zip_of(BINS[0]), fails=True)
    assert f"bin {BINS[0]}: {dashboard.url}/own/{BINS[0]}.adc tells of images, but the server has no .roi" in printed


def test_of_all_bins_of_a_server_those_without_raw_files_are_left_out(checkout: Checkout, archive: Path) -> None:
    for bin_id, parts in ((BINS[0], PARTS), (BINS[1], ["adc"]), (BINS[2], ["roi"])):
        for part in parts:
            (archive / "raw" / f"{bin_id}.{part}").rename(archive.parent / f"{bin_id}.{part}")
    with Emulator({"own": archive}) as dashboard:
        config = served(dashboard)
        printed = checkout.run(config, "images")
        assert "images: 3 of 4 bins have no raw files in the source: excluded" in printed
        assert "Traceback" not in printed
        assert "RuleException" not in printed
        assert len([line for line in printed.splitlines() if "raw files" in line]) == 1
        assert {bin_id for bin_id, body in zips(checkout).items() if unzipped(body)[0]} == {BINS[3]}
        for bin_id in BINS[:3]:
            pixels, (row,) = unzipped(zips(checkout)[bin_id])
            assert pixels == {}
            assert row["problem"].startswith(f"left out: bin {bin_id}: ")
        # That is kept: another run asks for nothing, also if it makes other images anew.
        dashboard.clear()
        assert "Nothing to be done" in checkout.run(config, "images")
        (checkout.folder / zip_of(BINS[3])).unlink()
        printed = checkout.run(config, "images")
        assert "images: 3 of 4 bins have no raw files in the source: excluded" in printed
        assert {bin_id: sorted(parts) for bin_id, parts in asked(dashboard).items()} == {BINS[3]: sorted(PARTS)}
        # They are asked for again if their zip is deleted, or after a recheck.
        (checkout.folder / zip_of(BINS[0])).unlink()
        for path in archive.parent.glob("D*"):
            path.rename(archive / "raw" / path.name)
        dashboard.reload()
        assert "images: 2 of 4 bins have no raw files" in checkout.run(config, "images")
        before = zips(checkout)
        checkout.run(config, "recheck")
        assert set(zips(checkout)) == {BINS[0], BINS[3]}
        assert "raw files" not in checkout.run(config, "images")
    after = zips(checkout)
    assert all(len(unzipped(after[bin_id])[0]) == len(SCORES[bin_id]) + 1 for bin_id in BINS)
    assert [after[bin_id] for bin_id in (BINS[0], BINS[3])] == [before[bin_id] for bin_id in (BINS[0], BINS[3])]
    shutil.rmtree(checkout.results("own"))
    checkout.run(on_disk(archive), "images")
    assert zips(checkout) == after


def test_a_server_without_any_raw_files_has_no_images(checkout: Checkout, archive: Path) -> None:
    shutil.rmtree(archive / "raw")
    with Emulator({"own": archive}) as dashboard:
        for _ in range(2):
            printed = checkout.run(served(dashboard), "images", fails=True)
            assert "images: none of 4 bins has raw files (.hdr, .adc, .roi) in the source" in printed
            assert "Traceback" not in printed
        printed = checkout.run(served(dashboard), "montages", fails=True)
        assert "montages: none of the bins that were chosen has raw files" in printed
        assert (checkout.results("own") / "abundance_long.csv").exists()


def test_montages_of_a_server_that_lacks_the_raw_files_of_some_bins(checkout: Checkout, archive: Path) -> None:
    for bin_id in (BINS[0], BINS[3]):
        for part in PARTS:
            (archive / "raw" / f"{bin_id}.{part}").unlink()
    with Emulator({"own": archive}) as dashboard:
        printed = checkout.run(served(dashboard, classes=["Ditylum"]), "montages")
        assert "montages: 2 of 4 chosen bins have no raw files in the source: excluded" in printed
        assert "RuleException" not in printed
    picture_of = (checkout.results("own") / "montages" / "Ditylum.svg").read_text()
    shown = {bin_id for bin_id in BINS if bin_id in picture_of}
    assert shown == {BINS[1], BINS[2]}
    page = (checkout.results("own") / "montages" / "Ditylum.html").read_text()
    assert f"left out: bin {BINS[0]}: the source has no raw files" in page


def test_a_roi_file_that_was_mended_is_read_again(checkout: Checkout, archive: Path) -> None:
    path = archive / "raw" / f"{BINS[0]}.roi"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    checkout.run(on_disk(archive), zip_of(BINS[0]), fails=True)
    path.write_bytes(whole)
    checkout.run(on_disk(archive), zip_of(BINS[0]))
    before = zips(checkout)
    path.write_bytes(bytes(255 - byte for byte in whole))
    checkout.run(on_disk(archive), zip_of(BINS[0]))
    assert zips(checkout) != before


# --- montages ---


def test_montages_ask_for_the_bins_that_they_show(checkout: Checkout, archive: Path) -> None:
    with Emulator({"own": archive}) as dashboard:
        checkout.run(served(dashboard))
        dashboard.clear()
        config = served(dashboard, classes=["Akashiwo", "Ditylum"], per_class=1)
        checkout.run(config, "montages")
        # The best of each class, and none on the other side of the threshold: of one ROI that is nearest to it, the
        # half is rounded to the side that reached it.
        assert {bin_id: sorted(parts) for bin_id, parts in asked(dashboard).items()} == {
            bin_id: ["adc", "csv", "hdr", "roi"] for bin_id in (BINS[0], BINS[1], BINS[3])
        }
        chosen = checkout.table("own", "montages")
        assert chosen[["class", "kind", "bin", "score"]].to_numpy().tolist() == [
            ["Akashiwo", "top", BINS[0], 0.953125],
            ["Akashiwo", "reached", BINS[0], 0.75],
            ["Ditylum", "top", BINS[1], 0.90625],
            ["Ditylum", "reached", BINS[3], 0.703125],
        ]
        before = checkout.files("own")
        dashboard.clear()
        assert "Nothing to be done" in checkout.run(config, "montages")
        shutil.rmtree(checkout.results("own") / "montages")
        checkout.run(config, "montages")  # drawn from what is there
        assert checkout.files("own") == before
        assert dashboard.requests == []
    folder = checkout.results("own") / "montages"
    assert {path.name for path in folder.glob("[!.]*")} == {
        "montages.json",
        "index.html",
        *(f"{name}.{form}" for name in ("Akashiwo", "Ditylum") for form in ("svg", "html")),
    }
    assert f"{BINS[3]}_00002" in (folder / "Ditylum.svg").read_text()


def test_jobs_in_processes_of_their_own_make_the_same(checkout: Checkout, archive: Path) -> None:
    config = on_disk(archive, classes=["Akashiwo"])
    checkout.run(config, "montages", "images")
    expected = checkout.files("own")
    # A job of each rule: each is a process that starts the engine anew.
    for name in ("montages", "images"):
        shutil.rmtree(checkout.results("own") / name)
    next((checkout.results("own") / "examples").rglob("*.zip")).unlink()
    for name in ("montages", "image_bins"):
        (checkout.results("own") / f"{name}.csv").unlink()
    resources = ("--resources", "dashboard=8", "pooling=1")
    checkout.run(config, "montages", "images", "--workflow-profile", "none", "--rerun-triggers", "mtime", *resources)
    assert checkout.files("own") == expected


def test_montages_of_an_archive_of_which_some_bins_have_raw_files(checkout: Checkout, archive: Path) -> None:
    for bin_id in (BINS[0], BINS[3]):
        for part in PARTS:
            (archive / "raw" / f"{bin_id}.{part}").unlink()
    checkout.run(on_disk(archive, classes=["Ditylum"]), "montages")
    assert set(checkout.table("own", "montages")["bin"]) == {BINS[1], BINS[2]}
    for path in (archive / "raw").iterdir():
        path.unlink()
    printed = checkout.run(on_disk(archive, classes=["Akashiwo"]), "montages", fails=True)
    assert "none of 4 used bins has raw files" in printed
    assert "Traceback" not in printed


def test_montages_of_tables_that_are_not_whole_go(checkout: Checkout, archive: Path) -> None:
    config = on_disk(archive, make=True, classes=["Ditylum"])
    checkout.run(config)
    assert (checkout.results("own") / "montages" / "Ditylum.html").exists()
    scores = next(archive.rglob(f"{BINS[2]}_class_scores.csv"))
    scores.write_text("no scores")
    checkout.run(config, fails=True)
    assert not (checkout.results("own") / "abundance_long.csv").exists()
    assert not (checkout.results("own") / "montages").exists()


def test_labels_that_mean_harm_in_the_montages_and_the_report(
    checkout: Checkout, tmp_path: Path, browser: Browser
) -> None:
    labels = ["<img src=x onerror=alert(1)>", "../../up", "</svg><script>alert(2)</script>", "{{ 7 * 7 }}"]
    rows = [[0.9 if i == n else 0 for i in range(4)] for n in range(4)]
    folder = write_archive(tmp_path / "archive", [bin_row(BINS[0])], {BINS[0]: (labels, rows)})
    write_bin(folder, BINS[0], [(n, 1, 1, picture(60, 30, n)) for n in range(1, 6)], start=0)
    config = on_disk(folder, make=True) | {"report": {"make": True}}
    checkout.run(config)
    pages = sorted((checkout.results("own") / "montages").glob("*.html"))
    with opened(browser, index := next(path for path in pages if path.name == "index.html")) as page:
        links = page.locator("main h2 a")
        assert sorted(links.all_inner_texts()) == sorted(labels)
        names = links.evaluate_all("links => links.map(link => link.getAttribute('href'))")
        page.wait_for_function("[...document.images].every(image => image.naturalWidth > 0)")
        assert (found := Axe().run(page)).violations_count == 0, found.generate_report()
    pages.remove(index)
    assert {path.name for path in pages} == set(names)
    assert len(pages) == 4
    assert {path.parent for path in tmp_path.rglob("*up*") if path.suffix in (".svg", ".html")} == {pages[0].parent}
    told = Counter()
    for path in pages:
        with opened(browser, path) as page:
            told[page.locator("svg text").first.text_content()] += 1
            # All of it was drawn.
            drawn = "images => images.map(image => [image.getBBox().width, image.href.baseVal.slice(0, 22)])"
            assert page.locator("svg image").evaluate_all(drawn) == [[120, "data:image/png;base64,"]]
    assert set(told) == set(labels)
    with opened(browser, checkout.results("own") / "report.html") as page:
        page.wait_for_selector("html[data-state=whole]")
        assert sorted(page.locator("#images summary").all_inner_texts()) == sorted(labels)
        assert page.locator("#images image").count() == 4
        assert page.locator("#images svg script").count() == 0
    checkout.run(config, "--report", "report.zip")
    with zipfile.ZipFile(checkout.folder / "report.zip") as report:
        held = {Path(name).name for name in report.namelist() if "/data/" in name}
        shown = report.read("report/report.html").decode()
    assert {path.name for path in pages} <= held
    assert "index.html" not in held  # it has its pictures beside it, which a report has not
    assert '"Images"' in shown


@pytest.mark.parametrize("classes", ["[]", "[Guinardia_delicatula]"])
def test_a_bin_of_the_demo_by_name_before_there_is_a_demo(checkout: Checkout, classes: str) -> None:
    bin_id = "D20240418T001403_IFCB901"
    checkout.run(None, zip_of(bin_id, "demo"), "--config", f"images={{classes: {classes}}}")
    pixels, rows = unzipped((checkout.folder / zip_of(bin_id, "demo")).read_bytes())
    assert len(pixels) == len(rows) > 10
    assert {row["class"] for row in rows} == {"" if classes == "[]" else "Guinardia_delicatula"}


def test_the_demo_has_montages_when_they_are_asked_for(tmp_path: Path, demo_run: Checkout) -> None:
    checkout = Checkout(tmp_path / "demo", copied_from=demo_run.folder)
    assert not list(checkout.results("demo").glob("montages*")) + list(checkout.results("demo").glob("image*"))
    checkout.run(None, "montages")
    table = checkout.table("demo", "montages")
    assert table["class"].nunique() == 20
    assert set(table["bin"].str[:9]) == {"D20240418"}
    missed = table[table["kind"] == "missed"]
    assert (missed["score"] < 0.7).all()
    assert (table.loc[table["kind"] != "missed", "score"] >= 0.6997).all()
    montage = (checkout.results("demo") / "montages" / "Guinardia_delicatula.svg").read_text()
    assert montage.count("<image") == 48
