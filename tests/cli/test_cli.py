"""The command line: what it finds, the config that it writes, and that its plan is what a run then does."""

import argparse
import json
import os
import pty
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from scipy.io import savemat

from ifcb_abundance.bins.layout import SUMMARY, of_bin
from ifcb_abundance.cli import config_file
from ifcb_abundance.cli.main import main, parser
from ifcb_abundance.cli.plan import _changes
from ifcb_abundance.cli.run import arguments
from ifcb_abundance.cli.targets import check
from ifcb_abundance.common.errors import ConfigError
from ifcb_abundance.features.summary import summarize_features
from tests.archives import bin_row, write_archive
from tests.checkout import ROOT, Checkout, differences
from tests.dashboard.emulator import Emulator
from tests.s3_server import S3Server

CLI = (sys.executable, str(ROOT / "workflow" / "scripts" / "command_line.py"))
OF_SUMMARIES = ["classcountTB_above_adhocthresh", "classcountTB_above_optthresh"]
LABELS = ["Akashiwo", "Ditylum_brightwellii", "detritus"]
BINS = [f"D202404{day}T{hour:02d}0000_IFCB{ifcb:03d}" for day in (15, 16) for hour in (3, 15) for ifcb in (10, 125)]
SKIPPED, UNSCORED = BINS[0], BINS[1]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight bins of two days and two instruments; one is skipped, one has no scores."""
    rows = [bin_row(bin_id, skip=int(bin_id == SKIPPED)) for bin_id in BINS]
    scores = {bin_id: (LABELS, [[0.9, 0.05, 0.05], [0.1, 0.6, 0.3]]) for bin_id in BINS if bin_id != UNSCORED}
    return write_archive(tmp_path_factory.mktemp("cli") / "bay", rows, scores)


@pytest.fixture(scope="module")
def dashboard(archive: Path) -> Iterator[Emulator]:
    with Emulator({"bay": archive, "other": archive}) as emulator:
        yield emulator


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in; nobody answers questions."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", open(os.devnull))  # noqa: PTH123, SIM115
    return tmp_path


def test_init_looks_at_a_dashboard_and_writes_a_config_that_passes(
    dashboard: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", dashboard.url, "--dataset", "bay"]) == 0
    printed = capsys.readouterr().out
    assert "has 2 datasets: bay, other" in printed
    assert "bins:        7 that are not flagged skip, 2024-04-15 to 2024-04-16 (UTC)" in printed
    assert "instruments: IFCB10, IFCB125" in printed
    assert re.search(r"label sets:  3 classes \w{8} in [23] bins\. The class table \w+ knows 3 of 3 labels", printed)
    assert "features:    none of 3 bins that were looked at" in printed
    assert "ifcb-abundance plan my.yaml" in printed
    config = config_file.read("my.yaml")
    assert (config.dataset, config.source.kind, config.source.url) == ("bay", "dashboard", dashboard.url)
    assert (config.select.start, config.select.end) == ("2024-04-15", "2024-04-16")


def test_init_takes_the_address_of_a_page(dashboard: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", f"{dashboard.url}/timeline?dataset=bay&bin={BINS[2]}"]) == 0
    config = config_file.read("my.yaml")
    assert (config.dataset, config.source.url) == ("bay", dashboard.url)
    assert main(["init", f"{dashboard.url}/?dataset=bay", "--dataset", "other", "-o", "other.yaml"]) == 0
    assert config_file.read("other.yaml").dataset == "other"
    capsys.readouterr()
    dashboard.clear()
    assert main(["init", dashboard.url.replace("://", "://me:secret@")]) == 1
    assert "source.url: " in capsys.readouterr().err
    assert main(["init", dashboard.url.removeprefix("http://")]) == 1
    assert "write http:// or https:// before it" in capsys.readouterr().err
    assert not dashboard.requests


def test_init_asks_for_a_dataset_where_nobody_can_answer(
    dashboard: Emulator, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", dashboard.url]) == 1
    assert capsys.readouterr().err == "--dataset: not given, and there are 2. Accepted: one of bay, other\n"
    assert main(["init", dashboard.url, "--dataset", "bey"]) == 1
    assert "--dataset: 'bey' is not there. Did you mean bay? Accepted: one of bay, other\n" in capsys.readouterr().err
    dashboard.clear()
    assert main(["init", dashboard.url, "--dataset", "bay", "--start", "2024-04-18", "--end", "2024-04-15"]) == 1
    assert "the window ends before it starts" in capsys.readouterr().err
    for flag, day in (("--start", "2024-W16-1"), ("--end", "20240415"), ("--end", "2024-02-30")):
        assert main(["init", dashboard.url, "--dataset", "bay", flag, day]) == 1
        assert capsys.readouterr().err == f"{flag}: {day!r} cannot be used. Accepted: a UTC day YYYY-MM-DD\n"
    assert not dashboard.requests
    assert not list(folder.iterdir())


def test_init_looks_at_a_folder(archive: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", str(archive), "--start", "2024-04-16", "--instruments", "IFCB125"]) == 0
    printed = capsys.readouterr().out
    assert "bins:        8, 2024-04-15 to 2024-04-16" in printed
    assert "scores:      7 csv" in printed
    written = yaml.safe_load(Path("my.yaml").read_text())
    assert written["source"] == {"kind": "directory", "path": str(archive)}
    assert str(written["select"]["start"]) == "2024-04-16"
    assert written["select"]["instruments"] == [125]
    assert main(["init", str(archive)]) == 1  # it replaces no config
    assert "my.yaml is there already" in capsys.readouterr().err
    assert main(["init", str(folder / "nowhere")]) == 1
    assert "there is no such folder. Accepted: the address of a dashboard" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("images", "told"),
    [
        (0, "3 of 4 bins, none of them with images (.roi)"),
        (2, "3 of 4 bins, 2 of them with images (.roi)"),
        (3, "3 of 4 bins"),
    ],
)
def test_init_tells_raw_files_from_images(
    folder: Path, images: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bins are listed and measured from .hdr and .adc; the last one has no .adc."""
    (folder / "raw").mkdir()
    for bin_id in BINS[:4]:
        (folder / "raw" / f"{bin_id}.hdr").touch()
    for bin_id in BINS[:3]:
        (folder / "raw" / f"{bin_id}.adc").touch()
    for bin_id in BINS[:images]:
        (folder / "raw" / f"{bin_id}.roi").touch()
    assert main(["init", "raw"]) == 0
    assert f"raw files:   {told}\n" in capsys.readouterr().out
    assert f"#   raw files:   {told}\n" in Path("my.yaml").read_text()
    assert yaml.safe_load(Path("my.yaml").read_text())["source"]["catalog"] == "raw"


def write_summary(path: Path, bin_id: str, day: float, *names: str, **more: float) -> None:
    """A summary of ifcb-analysis with one bin of 2 mL. names: the arrays of counts that it has."""
    labels = np.array([*LABELS, "unclassified"], dtype=object)[:, None]
    given = {"filelistTB": np.array([[bin_id]], dtype=object), "class2useTB": labels, "mdateTB": day}
    counts = {name: np.array([[5.0, 3, 1, 2]]) for name in ("classcountTB", *names)}
    savemat(path, given | {"ml_analyzedTB": 2.0} | counts | more)


@pytest.mark.parametrize(
    ("arrays", "adhoc", "written", "others"),
    [
        (OF_SUMMARIES, (0.5, 0.5), {"class_thresholds": "from_scores"}, "threshold: 0.5, threshold: 0"),
        (OF_SUMMARIES, (0.7, 0.7), {"threshold": 0.7}, "class_thresholds: from_scores, threshold: 0"),
        (OF_SUMMARIES[:1], (0.65, 0.65), {"threshold": 0.65}, "threshold: 0"),
        (OF_SUMMARIES[:1], (0.65, 0.6), {"threshold": 0}, "none"),  # there is none but 0 for both years
    ],
)
def test_init_gives_summaries_a_threshold_that_they_have(
    folder: Path,
    arrays: list[str],
    adhoc: tuple[float, float],
    written: dict[str, Any],
    others: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (folder / "years").mkdir()
    for year, threshold in zip((2023, 2024), adhoc, strict=True):  # days as MATLAB counts them: 15 April at 3:00
        day = (date(year, 4, 15) - date(1970, 1, 1)).days + 719529.125
        name = f"D{year}0415T030000_IFCB010"
        write_summary(folder / f"years/summary_allTB{year}.mat", name, day, *arrays, adhocthresh=threshold)
    assert main(["init", "years", "--start", "2023-04-15"]) == 0
    printed = capsys.readouterr().out
    assert "scores:      2 summary\n" in printed
    assert re.search(r"label sets:  3 classes \w{8} in 2 bins\. The class table \w+ knows 3 of 3 labels\n", printed)
    text = Path("my.yaml").read_text()
    config = yaml.safe_load(text)
    del config["classify"]["class_table"]
    assert config["classify"] == written
    assert f" # the summaries have counts for it; others: {others}\n" in text
    assert main(["plan", "my.yaml"]) == 0
    assert "2 in the window: 2 wanted" in capsys.readouterr().out


def test_init_names_one_of_two_forms_of_class_scores(
    archive: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of eight bins five have probabilities, and four the classes of another tool; one has both."""
    both = folder / "both"
    both.mkdir()
    shutil.copy(archive / "metadata.csv", both)
    for bin_id in BINS[:5]:
        (both / f"{bin_id}.prob.csv").write_text("roi,Akashiwo,detritus\n1,0.9,0.1\n")
    for bin_id in BINS[4:]:
        (both / f"{bin_id}.csv").write_text(f"file_name,class_name_auto,score\n{bin_id}_00001.png,Ciliophora,0.8\n")

    def written(*flags: str) -> str:
        assert main(["init", "both", "--force", *flags]) == 0
        assert "scores:      5 prob_csv, 4 class_csv\n" in capsys.readouterr().out
        assert main(["plan", "my.yaml"]) == 0
        text = Path("my.yaml").read_text()
        return re.findall("  scores_format: .*|label sets: .*", text)

    suggested = written("--yes")
    assert suggested[0].startswith("label sets:  2 classes")
    assert suggested[0].endswith("in 3 bins. The class table whoi knows 2 of 2 labels")
    named = "  scores_format: prob_csv".ljust(36)
    assert suggested[1] == f"{named}# the form of the class scores; there are also: class_csv"
    flag = written("--scores-format", "class_csv")
    assert re.match(r"label sets:  1 class \w{8} in 3 bins\.", flag[0])
    assert flag[1].endswith("class_csv".ljust(19) + "# the form of the class scores; there are also: prob_csv")
    for wrong, why in (
        ("h5", "'h5' is not there. Accepted: prob_csv, class_csv"),
        (
            "hdf5",
            "'hdf5' cannot be used. Accepted, with a folder or a bucket: csv, h5, mat, class_csv, prob_csv, summary",
        ),
    ):
        assert main(["init", "both", "--force", "--scores-format", wrong]) == 1
        assert capsys.readouterr().err == f"--scores-format: {why}\n"


def test_init_asks_at_most_five_questions(dashboard: Emulator, tmp_path: Path) -> None:
    """On a terminal; what is answered with an empty line is what was suggested."""
    ours, theirs = pty.openpty()
    asking = subprocess.Popen(
        [*CLI, "init", dashboard.url], cwd=tmp_path, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    os.close(theirs)
    os.write(ours, b"nowhere\nother\n2024-04-15\n\nifcb125\nbay.yaml\n")
    printed = asking.communicate(timeout=60)[0].decode()
    os.close(ours)
    assert asking.returncode == 0, printed
    assert len(re.findall(r"\[[^\]]*\]: ", printed)) == 6  # five questions, one of them twice
    written = yaml.safe_load((tmp_path / "bay.yaml").read_text())
    assert written["dataset"] == "other"
    assert {key: str(value) for key, value in written["select"].items()} == {
        "start": "2024-04-15",
        "end": "2024-04-15",
        "instruments": "[125]",
    }


@contextmanager
def of_grown_archive(dashboard: Emulator, archive: Path, folder: Path) -> Iterator[None]:
    """Have the dashboard serve two bins more, on the days that there were."""
    shutil.copytree(archive, folder)
    rows = [bin_row(f"D20240415T{hour:02d}0000_IFCB010") for hour in (21, 22)]
    more = write_archive(folder / "more", rows, {}) / "metadata.csv"
    with (folder / "metadata.csv").open("a") as listed:
        listed.writelines(more.read_text().splitlines(keepends=True)[1:])
    dashboard.archives["bay"] = folder
    dashboard.reload()
    yield
    dashboard.archives["bay"] = archive
    dashboard.reload()


def test_the_plan_is_what_the_run_does_and_the_run_is_snakemake(
    dashboard: Emulator,
    archive: Path,
    checkout: Checkout,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(checkout.folder)
    assert main(["init", dashboard.url, "--dataset", "bay", "--yes"]) == 0
    capsys.readouterr()
    before = checkout.stamps()
    assert main(["plan", "my.yaml"]) == 0
    planned = capsys.readouterr().out
    assert checkout.stamps() == before
    assert "8 in the window: 7 wanted, 1 skipped" in planned
    assert "1 for the list of bins, 7 for class scores" in planned
    assert "everything: there is no finished run in results/bay" in planned
    assert "by the class scores of 4 of 5 bins" in planned or "by the class scores of 5 of 5 bins" in planned

    dashboard.clear()
    done = subprocess.run([*CLI, "run", "my.yaml"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "snakemake --cores 8 --configfile my.yaml"
    assert "\nFigures and report: snakemake report --cores 8 --configfile my.yaml\n" in done.stderr
    assert f"\n  source: {dashboard.url} bay\n" in done.stderr
    assert len(dashboard.requests) == 1 + 7
    own = checkout.files("bay")

    assert main(["plan", "my.yaml"]) == 0
    planned = capsys.readouterr().out
    assert "  requests  0 for the list of bins, 0 for class scores\n" in planned
    assert "nothing that hangs on the config" in planned
    with of_grown_archive(dashboard, archive, tmp_path / "grown"):
        assert main(["plan", "my.yaml"]) == 0
    planned = capsys.readouterr().out
    assert "  bins      8 in the window: 7 wanted, 1 skipped\n" in planned
    assert "  requests  0 for the list of bins, 0 for class scores\n" in planned
    assert "  new       2 bins are new at the server: `ifcb-abundance run my.yaml recheck` reads them\n" in planned
    record = checkout.results("bay") / "run.json"
    written = record.read_text()
    record.write_text(json.dumps(json.loads(written) | {"class_table": "the checksum of another one"}))
    assert main(["plan", "my.yaml"]) == 0
    planned = capsys.readouterr().out
    assert "(the file of classify.class_table says something else than before)" in planned
    assert "nothing that hangs on the config" not in planned
    record.write_text(written)
    text = Path("my.yaml").read_text().replace("threshold: 0.7", "threshold: 0.5")
    Path("other.yaml").write_text(text)
    assert main(["plan", "other.yaml"]) == 0
    planned = capsys.readouterr().out
    assert "0 for class scores" in planned
    assert "no class scores are read for it (classify.threshold: 0.7 before, 0.5 now)" in planned

    Path("sizes.yaml").write_text(Path("my.yaml").read_text() + "\nfeatures: {pixels_per_um: {IFCB10: 2.77}}\n")
    assert main(["plan", "sizes.yaml"]) == 0
    planned = capsys.readouterr().out
    assert "what is made of features (features.pixels_per_um.IFCB10: not given before, 2.77 now)" in planned
    assert "nothing that hangs on the config" not in planned

    Path("features.yaml").write_text(Path("my.yaml").read_text() + "\nfeatures: {make: true}\n")
    source = config_file.open_to_look(config_file.read("features.yaml"))
    for bin_id in (BINS[2], BINS[3], BINS[4]):  # two were read before; for each of the other five, its scores again
        scores, features = (Path(of_bin(f"results/bay/{name}", SUMMARY, bin_id)) for name in ("bins", "features"))
        features.parent.mkdir(parents=True, exist_ok=True)
        if bin_id == BINS[4]:
            features.touch()  # it does not prove itself
        else:
            summarize_features(source, bin_id, scores, features, False)
    assert main(["plan", "features.yaml"]) == 0
    assert "0 for class scores, and 10 for features" in capsys.readouterr().out
    # All class scores are read again, and the features with them.
    text = Path("features.yaml").read_text()
    Path("rule.yaml").write_text(yaml.safe_dump(yaml.safe_load(text) | {"classify": {"rule": "above_own"}}))
    assert main(["plan", "rule.yaml"]) == 0
    planned = capsys.readouterr().out
    assert "7 for class scores, and 7 for features" in planned
    assert "  anew      class scores of 7 bins, and their days\n" in planned
    assert re.search(r"  anew      all days and tables \(.*classify\.rule: winner before, above_own now", planned)
    assert "no class scores are read" not in planned

    other = Checkout(tmp_path / "other")
    other.run(yaml.safe_load(Path("my.yaml").read_text()))
    assert not differences(own, other.files("bay"))


def test_plan_tells_of_bins_that_came(archive: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run of the same config had five bins; now there are eight, and seven of them are wanted."""
    source = {"kind": "directory", "path": str(archive), "scores_format": "csv"}
    asked = {"dataset": "bay", "source": source, "classify": {"score_precision": "float16"}}
    Path("my.yaml").write_text(yaml.safe_dump(asked))
    config = config_file.read("my.yaml").as_written()
    (folder / "results" / "bay").mkdir(parents=True)
    (folder / "results" / "bay" / "run.json").write_text(json.dumps({"config": config, "bins": 5, "source": {}}))
    assert main(["plan", "my.yaml"]) == 0
    assert "  anew      class scores of 7 bins, and their days\n" in capsys.readouterr().out


def test_a_key_that_a_version_lacks_is_no_change_and_one_that_a_user_left_out_is() -> None:
    before = {"gone": 1, "features": {"old": 1, "pixels_per_um": {"default": 3.4, "IFCB10": 2.77}}}
    now = {"new": 1, "features": {"bins": False, "pixels_per_um": {"default": 3.4}}}
    assert list(_changes(before, now)) == [("features.pixels_per_um.IFCB10", ("2.77", "not given"))]


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (
            ["--start", "2024-05-01"],
            "--start: '2024-05-01' cannot be used. Accepted: a UTC day YYYY-MM-DD, 2024-04-16 ",
        ),
        (["--end", "2023-04-16"], "--end: '2023-04-16' cannot be used. Accepted: a UTC day YYYY-MM-DD, 2024-04-15 or"),
        (["--start", "2024-04-16", "--end", "2024-04-15"], "or earlier: otherwise the window ends before it starts\n"),
        (["--start", "16.04.2024"], "--start: '16.04.2024' cannot be used. Accepted: a UTC day YYYY-MM-DD\n"),
        (
            ["--instruments", "IFCB9"],
            "--instruments: IFCB9 cannot be used. Accepted: numbers or names, of IFCB10, ",
        ),
    ],
)
def test_init_refuses_what_is_not_there(
    archive: Path, folder: Path, flags: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", str(archive), *flags]) == 1
    assert told in capsys.readouterr().err
    assert not list(folder.iterdir())


def test_plan_of_a_window_without_bins_says_when_there_are_some(
    archive: Path, dashboard: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    window = {"start": "2021-01-01", "end": "2021-01-02"}
    for source in ({"kind": "dashboard", "url": dashboard.url}, {"kind": "directory", "path": str(archive)}):
        Path("my.yaml").write_text(yaml.safe_dump({"dataset": "bay", "source": source, "select": window}))
        assert main(["plan", "my.yaml"]) == 1
        assert capsys.readouterr().err.endswith("There are bins from 2024-04-15 to 2024-04-16 (UTC).\n")


def test_plan_tells_of_a_fault_that_its_sample_meets(
    archive: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the seven wanted bins one has no class scores, and those of another lie twice: a run would fail on it."""
    shutil.copytree(archive, folder / "bay")
    twice = next((folder / "bay").rglob(f"{BINS[2]}_class_scores.csv"))
    (folder / "bay" / "copy").mkdir()
    shutil.copy(twice, folder / "bay" / "copy")
    source = {"kind": "directory", "path": "bay"}
    Path("my.yaml").write_text(yaml.safe_dump({"dataset": "bay", "source": source}))
    assert main(["plan", "my.yaml", "--sample", "8"]) == 0
    planned = capsys.readouterr().out
    assert "by the class scores of 5 of 7 bins asked for" in planned
    assert re.search(f"faults    class scores of 1 of 7 bins .* cannot be read, such as: bin {BINS[2]}: ", planned)


@pytest.mark.parametrize("number", ["-1", "1.5", "many", "\N{SUPERSCRIPT TWO}"])
def test_plan_refuses_a_sample_of_no_number(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["plan", "my.yaml", "--sample", number])
    assert ended.value.code == 2
    told = f"argument --sample: {number!r} cannot be used. Accepted: a whole number, 0 or more\n"
    assert capsys.readouterr().err.endswith(told)


def test_slips_are_told_with_the_remedy(archive: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of the places that people name, and of files that a spreadsheet has saved."""

    def told(*command: str | Path) -> str:
        main(list(map(str, command)))
        return "".join(capsys.readouterr())

    def planned(place: Path, **select: Any) -> str:
        source = {"kind": "directory", "path": str(place)}
        Path("my.yaml").write_text(yaml.safe_dump({"dataset": "bay", "source": source, "select": select}))
        return told("plan", "my.yaml")

    assert told("init", archive / "metadata.csv", "-o", "x") == (
        f"{archive / 'metadata.csv'}: it is a file. Give its folder: {archive}\n"
    )
    assert told("init", "", "--yes", "-o", "x").startswith("the place is empty. Accepted: the address of a dashboard ")
    for address in ("https://", "http://[::1", "https:///timeline?dataset=bay", "http://:8000"):
        assert told("init", address).startswith(f"{address}: there is no host in this address. Accepted: the address ")
    assert told("init", archive, "-o", str(folder)).endswith(
        f"Give the name of a file with -o, such as -o {folder}/my.yaml\n"
    )
    assert "cannot be written (" in told("init", archive, "-o", "/proc/none/my.yaml")
    empty = folder / "empty"
    empty.mkdir()
    assert planned(empty).startswith(f"source.path: {empty} has no metadata.csv. Accepted: ")
    for name in ("Metadata.CSV", "metadata.xlsx"):
        (empty / name).touch()
        assert planned(empty) == (
            f"source.path: {empty} has no metadata.csv. Is {empty / name} the list? It has to be "
            f"{empty / 'metadata.csv'}, with commas and in UTF-8\n"
        )
        (empty / name).unlink()
    saved = folder / "saved"
    shutil.copytree(archive, saved)
    listed = (saved / "metadata.csv").read_text()
    (saved / "metadata.csv").write_text(listed.replace("2024-04-15 03:00:00+00:00", "4/15/24 03:00"))
    assert "; a spreadsheet may have rewritten it: export the file anew)" in planned(saved)
    (saved / "metadata.csv").write_text(listed.replace(",", ";"))
    assert "its columns are separated by semicolons; commas are needed" in planned(saved)
    (saved / "metadata.csv").write_text(listed)
    assert f"lacking   class scores of 1 wanted bin, such as: no {UNSCORED}_class_scores.csv below" in planned(saved)
    renamed = next(saved.rglob(f"{min(set(BINS) - {SKIPPED, UNSCORED})}_class_scores.csv"))
    renamed.rename(renamed.with_suffix(".CSV"))
    assert re.search(
        f"lacking   class scores of 2 wanted bins, such as: .*{renamed.stem}.CSV is not named so", planned(saved)
    )
    nothing_wanted = planned(saved, instruments=[9])
    assert "No bin of the window is wanted: check select in my.yaml" in nothing_wanted
    assert re.search(r"none: no bin of the window is wanted\. 4 bins: select\.instruments: IFCB\d+; ", nothing_wanted)
    for scores in saved.rglob("*_class_scores.csv"):
        scores.write_text(scores.read_text().replace(",", ";"))
    told_of_some = planned(saved)  # two of the seven bins have no file of that name
    assert "unknown: no class scores were read (5 bins asked for)" in told_of_some
    assert re.search(
        r"faults    class scores of [345] of 5 bins asked for cannot be read, such as: "
        r"bin \w+: .*separated by semicolons",
        told_of_some,
    )


def test_a_server_that_takes_no_connections_is_told_within_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    """A run waits half a minute for it, in case that it comes back."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    window = {"start": "2024-04-15", "end": "2024-04-16"}
    source = {"kind": "dashboard", "url": url, "backoff": 0.01}
    Path("my.yaml").write_text(yaml.safe_dump({"dataset": "bay", "source": source, "select": window}))
    for command in (["plan", "my.yaml"], ["init", url, "-o", "other.yaml"]):
        assert main(command) == 1
        told = capsys.readouterr().err
        assert "takes no connections" in told
        assert "(tried 3 times)" in told
        assert "Check source.url" in told


def test_run_prints_its_command_with_targets_first(archive: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["init", str(archive)]) == 0
    assert main(["run", "my.yaml", "figures", "--dry-run", "--cores", "1"]) == 0
    printed = capfd.readouterr().out
    command = next(line for line in printed.splitlines() if line.startswith("snakemake"))
    assert command.startswith("snakemake figures --snakefile ")  # not in a clone: that which it is installed from
    assert command.endswith(" --configfile my.yaml --dry-run --cores 1")
    assert not Path("results").exists()
    assert main(["run", "my.yaml", "figurs"]) == 1
    meant = "figurs: no such target. Did you mean figures? `ifcb-abundance targets` lists them.\n"
    assert capfd.readouterr() == ("", meant)
    assert main(["run", "my.yaml", "other.yaml"]) == 1
    assert "A second config goes with --configfile: --configfile other.yaml\n" in capfd.readouterr().err
    assert main(["run", "my.yaml", "--config", "classify.threshold=0.5"]) == 1
    assert "Write it so: --config 'classify={threshold: 0.5}'\n" in capfd.readouterr().err
    assert main(["run", "my.yaml", "--config", "select.ml_analyzed.above=1"]) == 1
    assert "Write it so: --config 'select={ml_analyzed: {above: 1}}'\n" in capfd.readouterr().err
    assert main(["run", "none.yaml"]) == 1
    assert "there is no such file. `ifcb-abundance init` writes one" in capfd.readouterr().err
    assert main(["run", str(archive)]) == 1
    assert f"{archive}: a folder, not a config. `ifcb-abundance init {archive}` writes" in capfd.readouterr().err


def test_the_command_for_figures_and_report_works_where_the_run_was_started(
    archive: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Outside a clone, and with the results in another folder."""
    assert main(["init", str(archive.resolve()), "-o", "my own.yaml"]) == 0
    assert main(["plan", "my own.yaml"]) == 0
    assert "Next: ifcb-abundance run 'my own.yaml'\n" in capfd.readouterr().out
    Path("elsewhere").mkdir()
    assert main(["run", "my own.yaml", "--cores", "2", "--directory", "elsewhere"]) == 0
    told = re.search("^Figures and report: (.*)$", capfd.readouterr().err, re.MULTILINE)
    assert told
    command = [sys.executable, "-m", *shlex.split(told[1]), "--dry-run"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "write_report" in done.stdout
    assert not Path("results").exists()
    assert list(Path("elsewhere/results").glob("*/abundance_long.csv"))


def test_two_options_for_config_files_become_one() -> None:
    """Of two, Snakemake reads the last one alone."""
    rest = ["sample_rois", "-n", "--configfile", "a.yaml", "b.yaml", "--cores", "2", "--configfiles=c.yaml"]
    where = arguments("my.yaml", [])[2:-2]
    files = ["--configfile", "my.yaml", "a.yaml", "b.yaml", "c.yaml"]
    assert arguments("my.yaml", rest) == ["sample_rois", *where, *files, "-n", "--cores", "2"]


class NoSnakemake(list[list[str]]):
    """Stands for subprocess.Popen: keeps the commands, and starts none."""

    def __call__(self, command: list[str]) -> "NoSnakemake":
        self.append(command[1:])
        return self

    def wait(self) -> int:
        return 0


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> NoSnakemake:
    commands = NoSnakemake()
    monkeypatch.setattr("ifcb_abundance.cli.run.subprocess.Popen", commands)
    return commands


def test_a_config_may_become_whole_with_what_is_laid_over_it(
    started: NoSnakemake, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a dashboard both ends of the window are needed."""
    Path("dash.yaml").write_text("dataset: mvco\nsource: {kind: dashboard, url: 'http://127.0.0.1:9'}\n")
    Path("week.yaml").write_text("select: {start: 2024-02-15, end: 2024-02-21}\n")
    window = "select={start: 2024-02-15, end: 2024-02-21}"
    for rest in (["--configfile", "week.yaml"], ["--config", window], ["-C", window], [f"-C{window}"]):
        assert main(["run", "dash.yaml", *rest, "-n"]) == 0
        assert started.pop()[-2:] == [rest[-1], "-n"]
    Path("week.yaml").write_text("select: {start: 2024-02-15, end: 2024-02-31}\n")
    assert main(["run", "dash.yaml", "--configfile", "week.yaml", "-n"]) == 1
    assert "week.yaml, line 1: select.end: 2024-02-31 does not exist" in capsys.readouterr().err
    assert not started


def test_cores_are_left_to_a_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of a cluster sets `jobs`; with `--cores 8` all of them together would have eight cores."""
    monkeypatch.chdir(ROOT)
    for rest in (
        ["--workflow-profile", str(ROOT / "profiles" / "slurm")],
        ["--workflow-profile=slurm"],  # Snakemake looks among profiles/ too
        ["--profile=mine"],  # no folder here
        ["--profile", "none", "mine"],
        ["-j20"],
    ):
        assert "--cores" not in arguments("my.yaml", rest), rest
    for rest in (
        ["--workflow-profile", "none"],
        ["--workflow-profile", "profiles/default"],
        ["--profile=none", "--workflow-profile=default"],
        ["-n"],
    ):
        assert arguments("my.yaml", rest)[:2] == ["--cores", "8"], rest


def test_words_of_run_in_another_order(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "my.yaml").touch()
    assert main(["run", "figures", "my.yaml", "-n"]) == 1
    assert capsys.readouterr().err.endswith("before the targets: ifcb-abundance run my.yaml figures\n")
    assert main(["run", "--configfile", "my.yaml", "figures"]) == 2
    assert "config stands first and without --configfile, then targets" in capsys.readouterr().err


def test_words_that_are_targets() -> None:
    check(["all", "report", "recheck", "write_report", "draw_heat_map", "results/bay/ledger.csv", "ledger.csv"])
    with pytest.raises(ConfigError, match=r"^xyzzy: no such target\. `ifcb-abundance targets` lists them\.$"):
        check(["all", "xyzzy"])


def test_targets_are_those_of_the_rules(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["targets", "--files"]) == 0
    listed = dict(re.findall(r"^  (\S+) +(\S.*)$", capsys.readouterr().out, re.MULTILINE))
    assert listed["all"] == "Build all results that the config asks for: the default."
    assert {"sample_rois", "subject_set", "validation_plan"} <= set(listed)
    assert {"figures", "report", "montages", "features", "validation", "curation", "recheck", "fetch"} <= set(listed)
    assert "summarize_scores" not in listed
    assert listed["bins_long.csv.gz"].startswith("Write the table of bins as CSV")


def test_a_reader_that_has_enough_is_no_fault() -> None:
    """As in `ifcb-abundance targets | head -1`."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*CLI, "targets"], stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")  # as of a program that the signal ended


def test_each_command_has_examples_and_completion() -> None:
    commands = next(a for a in parser()._actions if isinstance(a, argparse._SubParsersAction)).choices
    assert set(commands) == {"init", "plan", "run", "targets"}
    for name, command in commands.items():
        assert f"examples:\n  ifcb-abundance {name}" in command.format_help()
    for shell in ("bash", "zsh", "fish"):
        done = subprocess.run([*CLI, "--print-completion", shell], capture_output=True, text=True, check=True)
        assert all(name in done.stdout for name in commands)


def test_a_run_that_is_stopped_ends_in_good_order(archive: Path, checkout: Checkout) -> None:
    """Ctrl-C reaches both processes; the command waits for Snakemake, which leaves no lock."""
    with Emulator({"bay": archive}, latency=0.5) as dashboard:
        source = {"kind": "dashboard", "url": dashboard.url}
        window = {"start": "2024-04-15", "end": "2024-04-16"}
        (checkout.folder / "my.yaml").write_text(yaml.safe_dump({"dataset": "bay", "source": source, "select": window}))
        command = [*CLI, "run", "my.yaml", "--resources", "dashboard=1"]
        run = subprocess.Popen(command, cwd=checkout.folder, start_new_session=True, stdout=subprocess.DEVNULL)
        while sum("class_scores" in request.path for request in dashboard.requests) < 2:
            time.sleep(0.1)
        os.killpg(run.pid, signal.SIGINT)
        assert run.wait(60) != 0
    assert json.loads((checkout.results("bay") / "status.json").read_text())["state"] == "stopped"
    assert not list((checkout.folder / ".snakemake" / "locks").glob("*"))


def test_init_and_plan_of_a_bucket(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with S3Server() as server:
        files = {f"ifcb/{path.relative_to(archive)}": path.read_bytes() for path in archive.rglob("*.csv")}
        server.put("bay", files)
        assert main(["init", "s3://bay/ifcb", "--endpoint-url", server.url, "--anonymous"]) == 0
        printed = capsys.readouterr().out
        assert "bins:        8, 2024-04-15 to 2024-04-16" in printed
        assert "scores:      7 csv" in printed
        written = yaml.safe_load(Path("my.yaml").read_text())
        assert written["dataset"] == "ifcb"
        assert written["source"] == {
            "kind": "bucket", "path": "s3://bay/ifcb", "endpoint_url": server.url, "anonymous": True,
        }  # fmt: skip
        assert main(["plan", "my.yaml"]) == 0
        assert "some for the list of files, 7 for class scores" in capsys.readouterr().out
        write_summary(Path("year.mat"), BINS[0], 739357.125, *OF_SUMMARIES, adhocthresh=0.5)
        server.put("year", {"summary_allTB2024.mat": Path("year.mat").read_bytes()})
        assert main(["init", "s3://year", "--endpoint-url", server.url, "--anonymous", "--force"]) == 0
        assert "scores:      1 summary\n" in capsys.readouterr().out
        assert yaml.safe_load(Path("my.yaml").read_text())["classify"]["class_thresholds"] == "from_scores"
        scores = {f"{bin_id}.prob.csv": b"roi,Akashiwo\n1,0.9\n" for bin_id in BINS[:2]}
        scores |= {f"{BINS[1]}_class_scores.csv": f"pid,Akashiwo\n{BINS[1]}_00001,0.9\n".encode()}
        server.put("mixed", {"metadata.csv": (archive / "metadata.csv").read_bytes()} | scores)
        assert main(["init", "s3://mixed", "--endpoint-url", server.url, "--anonymous", "--force"]) == 0
        assert "label sets:  1 class " in capsys.readouterr().out
        assert yaml.safe_load(Path("my.yaml").read_text())["source"]["scores_format"] == "prob_csv"
