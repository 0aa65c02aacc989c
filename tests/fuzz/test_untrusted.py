"""What comes from a config or a server never becomes code, a path elsewhere, a shell word or a formula."""

import ast
import csv
import io
import re
import tokenize
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import settings as tries
from hypothesis import strategies as st

from ifcb_abundance.bins.ids import parse_bin_id
from ifcb_abundance.bins.window import Bound
from ifcb_abundance.classes.class_table import read_class_table
from ifcb_abundance.common.errors import ConfigError, ScoresError
from ifcb_abundance.config import resolve
from ifcb_abundance.sources.dashboard import DashboardSource
from tests.fuzz import generators
from tests.fuzz.generators import BIN
from tests.scores.reading import read_scores

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "workflow" / "scripts").rglob("*.py"))
RULES = [ROOT / "Snakefile", *sorted((ROOT / "workflow" / "rules").glob("*.smk"))]
HOSTILE = [
    *(
        "..",
        "../x",
        "../../etc/passwd",
        "/etc/passwd",
        "a/b",
        "a\\b",
        "-rf",
        "--help",
        "~",
        "~root",
        ".",
        ".hidden",
        "",
        " ",
    ),
    *(
        "a\nb",
        "a\n",
        "\na",
        "a\rb",
        "a\0b",
        "$(id)",
        "`id`",
        "a;b",
        "a|b",
        "a&b",
        "a>b",
        "*",
        "?",
        "{x}",
        "%2e%2e%2f",
        "a b",
    ),
    *(
        "\u2025",
        "\uff0e\uff0e",
        "\u2044etc",
        "\u202eabc",
        "\ud800",
        "x" * 5000,
        "../" * 1000,
        "a?b=1",
        "a#b",
        "a@b",
        "a:b",
        "'",
        '"',
    ),
]

# --- code ---

CODE_FROM_DATA = {"eval", "exec", "compile", "__import__", "pickle", "cPickle", "dill", "joblib", "marshal", "shelve"}
PROCESSES = {"subprocess", "system", "popen", "Popen", "spawnl", "spawnv", "execv", "execve", "pty", "ctypes"}
READERS_OF_CODE = {
    "read_pickle",
    "to_pickle",
    "unsafe_load",
    "full_load",
    "load_all",
    "unsafe_load_all",
    "UnsafeLoader",
}
FORBIDDEN = CODE_FROM_DATA | PROCESSES | READERS_OF_CODE
OF_STRINGS = {"query", "eval"}  # of a DataFrame: they run what they are given
# What a module may do because it does it to nothing that comes from outside, or is tested to bear it.
ALLOWED = {
    # One call of the C library, with numbers of ours, tells it how to keep memory; our own rules become code.
    "patches.py": {"ctypes", "compile"},
    "memory.py": {"ctypes"},  # one call of the C library, to give memory back
    "translations.py": {"marshal"},  # what our own rules became, kept beside them as Python keeps modules
    "script_process.py": {"subprocess", "Popen"},  # starts Python for our own scripts
    "run.py": {"subprocess", "Popen"},  # starts Snakemake, without a shell
    "shard_runs.py": {"subprocess", "Popen"},  # likewise
    "compute.py": {"np.load", "allow_pickle"},  # arrays of numbers: it is false
    "gather.py": {"allow_pickle"},  # likewise
    "workers.py": {"subprocess", "Popen", "pickle"},  # our own processes, which read from us alone
    "weights.py": {"pickle"},  # an unpickler that knows tensors alone; tests/curation/test_weights.py
    "resnet.py": {"eval"},  # a network of torch: no longer in training
    "train_resnet.py": {"eval"},
}


def used(tree: ast.AST) -> set[str]:
    """Names that are called, imported or reached, and `yaml.load`, `np.load`, `re.compile` with their module."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.name.split(".")[0] for alias in node.names} | {alias.name for alias in node.names}
            found |= {(node.module or "").split(".")[0]} if isinstance(node, ast.ImportFrom) else set()
        elif isinstance(node, ast.Attribute):
            of = node.value.id if isinstance(node.value, ast.Name) else ""
            found |= {f"{of}.{node.attr}"} | (set() if of == "re" else {node.attr})
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in OF_STRINGS:
            found |= {"exec"} if node.args or node.keywords else set()
        elif isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.keyword) and node.arg in ("shell", "allow_pickle"):
            found.add(node.arg)
    return found


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_no_module_runs_what_it_reads(path: Path) -> None:
    names = used(ast.parse(path.read_text(encoding="utf-8")))
    names -= ALLOWED.get(path.name, set())
    assert not names & (FORBIDDEN | {"shell", "allow_pickle", "yaml.load", "np.load", "numpy.load"})


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_no_rule_has_a_shell_or_runs_what_it_reads(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    names = {
        token.string for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.type == tokenize.NAME
    }
    assert not names & (FORBIDDEN | {"shell", "notebook", "wrapper"})
    scripts = set(re.findall(r"script:\s*(.*)", text))  # ours, under names that follow from nothing
    assert scripts <= {f'f"{{SCRIPTS}}/{script.name}"' for script in SCRIPTS}


@pytest.mark.parametrize(
    "code",
    [
        *(
            "import pickle",
            "from pickle import loads",
            "import os; os.system('x')",
            "eval('1')",
            "yaml.load(x)",
            "frame.query(x)",
        ),
        *(
            "pd.read_pickle(x)",
            "from subprocess import run",
            "run(x, shell=True)",
            "np.load(x)",
            "yaml.load(x, Loader=UnsafeLoader)",
        ),
    ],
)
def test_what_is_forbidden_is_found(code: str) -> None:
    others = {"shell", "allow_pickle", "yaml.load", "np.load", "numpy.load"}
    assert used(ast.parse(code)) & (FORBIDDEN | OF_STRINGS | others)


# --- paths and addresses ---


def inside(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve()) and path.resolve() != folder.resolve()


def taken(dataset: object) -> str | None:
    """The dataset's name as the workflow uses it, None if the config is refused."""
    try:
        resolved = resolve({"dataset": dataset, "source": {"path": "x"}, "classify": {"class_table": None}})
    except ConfigError:
        return None
    return resolved.dataset


def stays(name: str) -> bool:
    """Whether a name is one word of a path, an address and a shell."""
    address = DashboardSource(name, "http://x")._scores_target(BIN)
    return (
        inside(ROOT / "results" / name, ROOT / "results")
        and Path("results", name).name == name
        and address == f"/{name}/{BIN}_class_scores.csv"
        and re.fullmatch(r"[A-Za-z0-9._][A-Za-z0-9._-]{0,99}", name) is not None
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_of_datasets_are_refused(name: str) -> None:
    assert taken(name) is None


@tries(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=12), st.text("./-_a\\~\n\0 ", max_size=8), st.from_regex(r"[\w.-]+", fullmatch=True)))
def test_a_dataset_that_is_taken_is_a_folder_below_results(name: str) -> None:
    found = taken(name)
    assert found is None or (found == name and stays(name))


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("where", ["{}", "{}" + BIN, BIN + "{}", "D20240215T150055_IFCB{}"])
def test_hostile_bin_ids_are_refused(name: str, where: str) -> None:
    text = where.format(name)
    if text == BIN:
        return
    with pytest.raises(ValueError, match="is not a bin id"):
        parse_bin_id(text)
    with pytest.raises(ValueError, match="is not a"):
        Bound.parse(text)


def test_a_bin_id_that_is_taken_is_a_file_below_its_folder() -> None:
    random, met = Random(1), 0
    while met < 2000:
        text = generators.an_id(random.randrange)
        try:
            parsed = parse_bin_id(text)
        except ValueError:
            continue
        met += 1
        path = ROOT / "results" / "x" / "bins" / parsed.folder / f"{parsed.bin}.parquet"
        assert path.resolve() == path
        assert path.parts[-4:-1] == ("bins", *parsed.folder.split("/"))
        assert inside(path, ROOT / "results" / "x" / "bins")
        assert DashboardSource("x", "http://x")._scores_target(parsed.bin) == f"/x/{text}_class_scores.csv"


# --- cells that spreadsheets run ---

FORMULAS = [
    *(
        "=1+1",
        "+1",
        "-1",
        "@SUM(1)",
        "=cmd|' /C calc'!A0",
        "-2+3+cmd|' /C calc'!A0",
        '=HYPERLINK("http://x","a")',
        " =1",
        "\u00a0=1",
    ),
    *("\uff1d1+1", "\uff0b1", "\uff0d1", "\uff20x", "a;=1+1", "a; -1", ";@x", "\t=1", "\r=1", "=", "-"),
]
HARMLESS = [
    "Pseudo-nitzschia",
    "nano <10um",
    "a=b",
    "a+b",
    "x@y",
    "a,-b",
    "<10um",
    "#1",
    "'a",
    "_TAG_x",
    "1-2",
    "(=)",
    "a, =b",
    "5e-3",
]


def score_file(label: str) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([["pid", "a", label], [f"{BIN}_00002", "0.5", "0.25"]])
    return text.getvalue().encode()


@pytest.mark.parametrize("label", FORMULAS)
def test_labels_that_spreadsheets_run_are_refused_by_bin_and_label(label: str) -> None:
    """They cannot be written otherwise: a class has the name that its classifier gave it, or it is another class."""
    with pytest.raises(ScoresError, match=BIN) as refused:
        read_scores(BIN, score_file(label))
    assert repr(label) in str(refused.value) or "\r" in label  # which ends the line for some


@pytest.mark.parametrize("label", HARMLESS)
def test_other_labels_are_taken_as_they_are(label: str) -> None:
    assert read_scores(BIN, score_file(label))[0] == ("a", label)


@pytest.mark.parametrize("text", [text for text in FORMULAS if text.isprintable()])
@pytest.mark.parametrize("column", [0, 1, 4])
def test_a_class_table_cannot_bring_them_either(tmp_path: Path, text: str, column: int) -> None:
    header = ["label", "scientific_name", "aphia_id", "living", "group", "harmful"]
    row = ["a", "Name", "7", "yes", "diatom", "no"]
    row[column] = text
    with (tmp_path / "classes.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, row])
    with pytest.raises(ConfigError, match=r"classes\.csv") as refused:
        read_class_table(tmp_path / "classes.csv")
    assert repr(text) in str(refused.value)


SHARED = ROOT.parent / "shared" / "data"
LABEL_TABLES = {
    ROOT / "config" / "classes.csv": ["label", "scientific_name", "group"],
    SHARED / "tables" / "whoi_labels_resolved.csv": ["name"],
    SHARED / "tables" / "taxa_lookup_nodc.csv": ["clean_names", "name"],
    SHARED / "scores" / "D20220522T000439_IFCB134_thresholds.csv": ["class"],
    SHARED / "scores" / "D20230314T001205_IFCB134_expected_labels.csv": ["TBclass"],
}


@pytest.mark.parametrize("path", LABEL_TABLES, ids=lambda path: path.name)
def test_no_real_label_is_refused(path: Path) -> None:
    if not path.exists():
        pytest.skip(f"no {path}")
    with path.open(newline="", encoding="utf-8-sig") as file:
        labels = {row[column] for row in csv.DictReader(file) for column in LABEL_TABLES[path]} - {""}
    assert len(labels) > 10
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(["pid", *sorted(labels)])
    assert read_scores(BIN, text.getvalue().encode())[0] == tuple(sorted(labels))
