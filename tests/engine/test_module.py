"""The workflow as a module of another one, as a paper's own workflow uses it."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.archives import bin_row, write_archive
from tests.checkout import PARTS, ROOT, SNAKEMAKE, Checkout
from tests.dashboard.emulator import Emulator, Fault
from tests.features.test_features_run import write_features
from tests.warm import WarmPopen

PROFILE = ("--workflow-profile", str(ROOT / "profiles" / "default"))
OUTER = """
module ifcb:
    snakefile:
        {snakefile}
    config:
        {{"dataset": "demo"}}


use rule * from ifcb


rule count_rows:
    default_target: True
    input:
        rules.merge_abundance.output.abundance,
    output:
        "rows.txt",
    shell:
        "wc -l < {{input}} > {{output}}"
"""
NAME = ("-c", "user.name=test", "-c", "user.email=test@example.org")


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *NAME, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git repository of the workflow as it is here, tagged."""
    folder = tmp_path_factory.mktemp("repository")
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, folder / part)
    git(folder, "init", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "commit", "--message=all of it")
    git(folder, "tag", "v9.9.9")
    return folder


def snakemake(
    folder: Path, *arguments: str, env: dict[str, str] | None = None, cold: bool = False, status: int = 0
) -> str:
    """A run that must end with a status; returns what it printed. cold: as a new Python, and not one that is forked."""
    run = (subprocess.Popen if cold else WarmPopen)(
        [*SNAKEMAKE, "--cores", "8", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **(env or {})},
    )
    printed: str = run.communicate(timeout=600)[0]
    assert run.returncode == status, printed
    return printed


def test_another_workflow_builds_on_the_tables(tmp_path: Path, demo_run: Checkout) -> None:
    (tmp_path / "Snakefile").write_text(OUTER.format(snakefile=f'"{ROOT}/Snakefile"'))
    snakemake(tmp_path, *PROFILE, cold=True)
    expected = (demo_run.results("demo") / "abundance_long.csv").read_bytes()
    assert (tmp_path / "results" / "demo" / "abundance_long.csv").read_bytes() == expected
    assert int((tmp_path / "rows.txt").read_text()) == expected.count(b"\n")
    # The landing page of its report is this workflow's, with an overview of what was made.
    snakemake(tmp_path, *PROFILE, "--report", "own.html")
    assert "Plankton abundance" in (tmp_path / "own.html").read_text()


TWO = """
module north:
    snakefile:
        "{root}/Snakefile"
    config:
        {{"dataset": "north", "source": {{"path": "north"}}}}


module south:
    snakefile:
        "{root}/Snakefile"
    config:
        config["south"]


use rule * from north as north_*
use rule * from south as south_*


rule both:
    default_target: True
    input:
        rules.north_merge_abundance.output.abundance,
        rules.south_merge_abundance.output.abundance,
"""
# The outer workflow's own: what it writes there, and how, is no business of a module.
OUTER_CONFIG = """
dataset: 2024_02
own: {key: 010, key: 010}
south:
  dataset: south
  source: {path: south}
"""


def test_two_modules_count_their_own_bins(tmp_path: Path) -> None:
    bins = [f"D20240401T{hour:02d}0000_IFCB010" for hour in range(5)]
    for name, number in {"north": 5, "south": 3}.items():
        scores = {bin_id: (["Akashiwo"], [[0.8]]) for bin_id in bins[:number]}
        write_archive(tmp_path / name, [bin_row(bin_id) for bin_id in bins[:number]], scores)
    (tmp_path / "Snakefile").write_text(TWO.format(root=ROOT))
    (tmp_path / "config.yaml").write_text(OUTER_CONFIG)
    printed = snakemake(tmp_path, *PROFILE, "--configfile", "config.yaml")
    said = re.findall(r"class scores of bins: (.*)", printed)
    assert {"5 to read, 0 of 5 are done already", "3 to read, 0 of 3 are done already"} <= set(said)
    shares = [float(share) for share in re.findall(r"done \(([0-9.]+)%\)", printed)]
    assert sorted(shares)[-2:] == [100.0, 100.0]
    assert max(shares) <= 100
    for name, number in {"north": 5, "south": 3}.items():
        table = pd.read_csv(tmp_path / "results" / name / "abundance_long.csv")
        assert table["n_bins"].tolist() == [number, number]


ONE = """
module north:
    snakefile:
        "{root}/Snakefile"
    config:
        config["north"]


use rule * from north as north_*
"""


@pytest.mark.parametrize("prefix", ['prefix:\n        "ext"', 'replace_prefix:\n        {"results/": "ext/"}'])
def test_a_prefix_of_paths_is_refused_while_the_workflow_is_read(tmp_path: Path, prefix: str) -> None:
    """Only inputs and outputs would have it: what is read beside them would be another folder's."""
    config = 'config:\n        {"dataset": "demo"}'
    outer = ONE.format(root=ROOT).replace('config:\n        config["north"]', f"{prefix}\n    {config}")
    (tmp_path / "Snakefile").write_text(outer)
    command = [*SNAKEMAKE, "--cores", "1", "--workflow-profile", "none", "-n"]
    read = WarmPopen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    printed = read.communicate(timeout=600)[0]
    assert read.returncode != 0
    (told,) = printed.strip().splitlines()
    assert told.startswith("A module of this workflow takes no `prefix` or `replace_prefix`: ")


def test_features_by_another_name_do_not_read_class_scores_twice(tmp_path: Path) -> None:
    bin_id = "D20240401T030000_IFCB010"
    archive = write_archive(tmp_path / "archive", [bin_row(bin_id)], {bin_id: (["Akashiwo"], [[0.8]])})
    write_features(archive, bin_id, ["2,9,1,1000"])
    (tmp_path / "Snakefile").write_text(ONE.format(root=ROOT))
    with Emulator({"north": archive}) as dashboard:
        source, day = {"kind": "dashboard", "url": dashboard.url}, "2024-04-01"
        north = {"dataset": "north", "source": source, "select": {"start": day, "end": day}}
        (tmp_path / "my.yaml").write_text(yaml.safe_dump({"north": north}))
        no_figures = ("--omit-from", "north_draw_carbon", "north_draw_size_spectrum")  # they take the most time
        snakemake(tmp_path, "north_features", *PROFILE, *no_figures, "--configfile", "my.yaml")
    read = [request.target.rpartition("/")[2] for request in dashboard.requests if bin_id in request.target]
    assert sorted(read) == [f"{bin_id}_class_scores.csv", f"{bin_id}_features.csv"]


def test_a_list_that_a_module_failed_to_update_is_made_the_next_time(tmp_path: Path) -> None:
    """A list of bins and one of a store, each of which there is from before. The engine puts it back."""
    bins = [f"D2024040{day}T030000_IFCB010" for day in (1, 2)]
    archive = write_archive(tmp_path / "archive", [bin_row(each) for each in bins], {})
    (tmp_path / "Snakefile").write_text(ONE.format(root=ROOT))
    stores = tmp_path / "first", tmp_path / "second"
    for store in stores:
        store.mkdir()
        (store / f"{store.name}.txt").touch()

    def listed(dashboard: Emulator, last_day: int, store: Path, fails: bool = False) -> list[list[str]]:
        """What is in the lists after a run: ids of bins, and keys of the store."""
        source = {"kind": "dashboard", "url": dashboard.url, "retries": 0}
        north = {
            "dataset": "north",
            "source": source,
            "select": {"start": "2024-04-01", "end": f"2024-04-0{last_day}"},
            "stores": {"disk": {"url": str(store)}},
        }
        (tmp_path / "my.yaml").write_text(yaml.safe_dump({"north": north}))
        snakemake(
            tmp_path, "north_list_catalog", "north_inventory", *PROFILE, "--configfile", "my.yaml", status=int(fails)
        )
        results = tmp_path / "results" / "north"
        keys = pd.read_parquet(results / "stores" / "disk" / "inventory.parquet")["key"]
        return [pd.read_csv(results / "catalog.csv")["bin"].tolist(), keys.tolist()]

    with Emulator({"north": archive}) as dashboard:
        assert listed(dashboard, 1, stores[0]) == [bins[:1], ["first.txt"]]
        dashboard.faults = [Fault("export_metadata", "status", status=404)]
        stores[1].rename(tmp_path / "away")
        assert listed(dashboard, 2, stores[1], fails=True) == [bins[:1], ["first.txt"]]
        dashboard.faults = []
        (tmp_path / "away").rename(stores[1])
        assert listed(dashboard, 2, stores[1]) == [bins, ["second.txt"]]


def test_a_workflow_that_is_fetched_from_github(tmp_path: Path, repository: Path, demo_run: Checkout) -> None:
    """GitHub is played by a repository of this machine, under its address."""
    outer = OUTER.format(snakefile='github("owner/ifcb-abundance", path="Snakefile", tag="v9.9.9")')
    (tmp_path / "Snakefile").write_text(outer)
    env = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{repository}.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/owner/ifcb-abundance",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    # Rules in this process, scripts, and what their templates, captions and schemas are read from.
    snakemake(tmp_path, *PROFILE, "count_rows", "results/demo/report.html", env=env, cold=True)
    for name in ("abundance_long.csv", "report.html", "figures/heat_map.svg"):
        made = (tmp_path / "results" / "demo" / name).read_bytes()
        assert made == (demo_run.results("demo") / name).read_bytes()
    snakemake(tmp_path, *PROFILE, "--report", "own.html", env=env)
    assert "Plankton abundance" in (tmp_path / "own.html").read_text()
    # Without the profile: a job is a process of its own, and what was fetched is kept in the engine's cache.
    for _ in range(2):
        (tmp_path / "results" / "demo" / "run.json").unlink()
        snakemake(tmp_path, "--workflow-profile", "none", "results/demo/run.json", env=env)
        env.pop("GIT_CONFIG_COUNT", None)  # from now on there is no way to GitHub
        env |= {f"{kind}_proxy": "http://127.0.0.1:9" for kind in ("http", "https")}
