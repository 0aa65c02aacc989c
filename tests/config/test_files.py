"""Config files as people type them: duplicate keys, values that YAML misreads, and the line of each key."""

from pathlib import Path

import pytest

from ifcb_abundance.common.errors import ConfigError
from ifcb_abundance.config.files import in_quotes, load, read_strictly, refuse_second_option


def refused(*texts: str, folder: Path) -> list[str]:
    with pytest.raises(ConfigError) as error:
        read(*texts, folder=folder)
    first, *lines = str(error.value).splitlines()
    assert first.startswith("Invalid configuration in ")
    return [line.strip().replace(f"{folder}/", "") for line in lines]


def read(*texts: str, folder: Path) -> dict[str, str]:
    paths = [folder / f"{number}.yaml" for number, _ in enumerate(texts)]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text, encoding="utf-8")
    return {key: place.replace(f"{folder}/", "") for key, place in read_strictly(paths).items()}


def test_places_are_those_of_the_file_that_counts(tmp_path: Path) -> None:
    own = "dataset: demo\nselect:\n  start: null\n  end: null\n"
    assert read(own, folder=tmp_path) == {
        "dataset": "0.yaml, line 1",
        "select": "0.yaml, line 2",
        "select.start": "0.yaml, line 3",
        "select.end": "0.yaml, line 4",
    }
    over = ("# mine\nselect: {start: 2024-01-01}\n", "select:\n\n  start: 2024-01-02\n")
    assert read(own, *over, folder=tmp_path) == {"select": "2.yaml, line 1", "select.start": "2.yaml, line 3"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\nb: 2\na: 3\n", ["0.yaml, line 3: a: written twice, first in line 1. Accepted: each key once"]),
        ("a: 1\n'a': 3\n", ["0.yaml, line 2: a: written twice, first in line 1. Accepted: each key once"]),
        ("s:\n  a: {b: 1, c: 2, b: 1}\n", ["0.yaml, line 2: s.a.b: written twice, first in line 2."]),
        ("s: [{a: 1, a: 2}]\n", ["0.yaml, line 1: s.a: written twice"]),
        ("a: 1\na: 1\na: 1\n", ["0.yaml, line 2: a: written twice", "0.yaml, line 3: a: written twice"]),
        ('{"a": {"b": 1,\n\t"b": 2}}', ["0.yaml, line 2: a.b: written twice, first in line 1."]),
        ("x: &x {a: 1}\ns:\n  <<: *x\n  a: 2\n  a: 3\n", ["0.yaml, line 5: s.a: written twice, first in line 4."]),
    ],
)
def test_a_key_twice(tmp_path: Path, text: str, told: list[str]) -> None:
    lines = refused(text, folder=tmp_path)
    assert len(lines) == len(told)
    assert all(line.startswith(start) for line, start in zip(lines, told, strict=True))


@pytest.mark.parametrize(
    "text",
    [
        "a: {x: 1}\nb: {x: 1}\n",
        "s: [{a: 1}, {a: 2}]\n",
        "x: &x {a: 1}\ns: {<<: *x, a: 2}\nt: *x\n",
        "a: &a [*a]\n",
        '{"a": 1,\n\t"b": 2}',
        "\ufeffa: 1\n",
    ],
)
def test_what_is_not_twice(tmp_path: Path, text: str) -> None:
    assert read(text, folder=tmp_path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "dataset: 2024_02",
            'dataset: YAML reads 2024_02 as the number 202402. Accepted: the name in quotes, dataset: "2',
        ),
        ("dataset: 001", 'dataset: YAML reads 001 as the number 1. Accepted: the name in quotes, dataset: "001"'),
        ("dataset: 2024", "dataset: YAML reads 2024 as the number 2024."),
        ("dataset: 0x1F", "dataset: YAML reads 0x1F as the number 31."),
        ("dataset: 12:30", "dataset: YAML reads 12:30 as the number 750."),
        ("dataset: 1.50", "dataset: YAML reads 1.50 as the number 1.5."),
        ("dataset: no", "dataset: YAML reads no as the truth value false."),
        ("dataset: 2024-02-05", "dataset: YAML reads 2024-02-05 as the day 2024-02-05."),
        (
            "select: {instruments: [5, 010]}",
            "select.instruments: YAML reads 010 as the number 8. Accepted: a number in",
        ),
        ("source: {timeout: 1:30}", "source.timeout: YAML reads 1:30 as the number 90."),
        ("select: {exclude_tags: [1_0]}", "select.exclude_tags: YAML reads 1_0 as the number 10."),
        (
            "select: {exclude_tags: [2024-2-5 1:02:03]}",
            "select.exclude_tags: YAML reads 2024-2-5 1:02:03 as the day 2024-02",
        ),
        ("select: {start: 2024-04-31}", "select.start: 2024-04-31 does not exist (day is out of range for month)."),
        ("select: {end: 2023-02-29}", "select.end: 2023-02-29 does not exist (day is out of range for month)."),
        ("select: {end: 2024-13-01 10:00:00}", "select.end: 2024-13-01 10:00:00 does not exist (month must be in"),
    ],
)
def test_what_yaml_makes_something_else_of(tmp_path: Path, text: str, told: str) -> None:
    (line,) = refused(f"# a comment\n\n{text}\n", folder=tmp_path)
    assert line.startswith(f"0.yaml, line 3: {told}")


@pytest.mark.parametrize(
    "text",
    [
        *('dataset: "001"', "dataset: '2024_02'", "dataset: !!str 001", "dataset: mvco", "dataset: 2024_02x"),
        *("shard: 2012", "shard: 2012-07", "select: {start: 2024-02-05, end: 2024-2-5}", "source: {timeout: 0.5}"),
        *("select: {instruments: [10, 0, -1, 1e3, +5]}", "source: {retries: .inf}"),
        "select: {exclude_tags: [2024-02-05]}",
    ],
)
def test_what_is_as_it_is_written(tmp_path: Path, text: str) -> None:
    assert read(text, folder=tmp_path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "a: 1\nb: 'x\nc: 1\n",
            "0.yaml, line 2 to 4: not YAML: while scanning a quoted scalar: found unexpected end of",
        ),
        ("a: [1\nb: 1\n", "0.yaml, line 1 to 2: not YAML: while parsing a flow sequence"),
        ("a:\n\tb: 1\n", "0.yaml, line 2: not YAML: the line has a tab. Indent with blanks"),
        ("a: 1\nb: c: 1\n", "0.yaml, line 2: not YAML: mapping values are not allowed here"),
        ("a: *x\n", "0.yaml, line 1: not YAML: found undefined alias 'x'"),
        ("? [a]\n: 1\n", "0.yaml, line 1: not YAML: while constructing a mapping: found unhashable key"),
        ("a: !!python/object:os.system {}\n", "0.yaml, line 1: not YAML: could not determine a constructor"),
        ("a: 1\n---\na: 2\n", "0.yaml, line 1 to 2: not YAML: expected a single document in the stream"),
        ("", "0.yaml: there are no keys in it."),
        ("- a\n", "0.yaml: there are no keys in it."),
        ("\x00", "0.yaml: not YAML: unacceptable character"),
        ("[" * 4000, "0.yaml: not YAML: "),
        ("a: " + "[" * 4000 + "]" * 4000, "0.yaml: not YAML: "),
        ("[" * 100_000, "0.yaml: not YAML: "),
    ],
)
def test_what_is_no_config_file(tmp_path: Path, text: str, told: str) -> None:
    assert refused(text, folder=tmp_path)[0].startswith(told)


@pytest.mark.parametrize(("name", "told"), [("none.yaml", "No such file"), (".", "directory"), ("latin.yaml", "utf-8")])
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str, told: str) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"dataset: caf\xe9\n")
    with pytest.raises(ConfigError, match=f"cannot be read .*{told}.* Accepted: a YAML file in UTF-8"):
        read_strictly([tmp_path / name])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{\n\t"dataset": "bay",\n\t"classify": {"threshold": 5e-1}\n}', {"threshold": 0.5}),  # a text to YAML
        ("{dataset: bay,\n\tclassify: {threshold: 0.5}}", {"threshold": 0.5}),
        ("dataset: bay\nclassify: {threshold: 0.5}\n", {"threshold": 0.5}),
    ],
)
def test_json_may_be_indented_with_tabs(tmp_path: Path, text: str, said: dict[str, float]) -> None:
    read(text, folder=tmp_path)
    assert load(tmp_path / "0.yaml") == {"dataset": "bay", "classify": said}


def test_a_result_that_is_taken_for_a_config_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("config.yaml", "my.yaml", "results/x/run.json"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text('{"dataset": "x", "rows": 5}')
    with pytest.raises(ConfigError) as error:
        read_strictly(["config.yaml", "my.yaml", tmp_path / "results" / "x" / "run.json"])
    (line,) = str(error.value).splitlines()[1:]
    assert line.startswith("  results/x/run.json: a result, not a config file. --configfile takes every word after it")


def test_config_files_of_two_options_are_refused() -> None:
    """The engine would read the last one alone."""
    refuse_second_option(["--cores", "2", "--configfile", "a.yaml", "b.yaml"])
    for again in (["--configfile", "b.yaml"], ["--configfile=b.yaml"], ["--configfiles", "b.yaml"]):
        with pytest.raises(ConfigError, match=r"given twice, .* --configfile my\.yaml sample\.yaml"):
            refuse_second_option(["--configfile", "a.yaml", *again])


def test_a_knot_of_anchors_is_looked_through_once(tmp_path: Path) -> None:
    """Each line doubles the last: 2 to the power of 60 values in all, in 61 lists."""
    lines = ["a0: &a0 [1]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 61)]
    assert len(read("\n".join(lines), folder=tmp_path)) == 61


# --- the command line ---


@pytest.mark.parametrize(
    ("entries", "parsed", "told"),
    [
        (["dataset=001"], {"dataset": 1}, """dataset: 001 is read as 1. Accepted: .* --config 'dataset="001"'"""),
        (["dataset=2024_02"], {"dataset": 202402}, "dataset: 2024_02 is read as 202402"),
        (["dataset=1e5"], {"dataset": 1e5}, "dataset: 1e5 is read as 100000.0"),
        (["dataset=True"], {"dataset": True}, "dataset: True is read as True"),
        (["dataset=a", "dataset=b"], {"dataset": "b"}, "dataset is given twice"),
        (["select={start: x}", "select={start: y}"], {}, "select.start is given twice"),
        (["source={kind: a, kind: b}"], {}, "source.kind: written twice"),
    ],
)
def test_what_is_wrong_on_the_command_line(entries: list[str], parsed: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=f"\n  --config: {told}"):
        read_strictly([], entries, parsed)


def test_what_is_right_there_is_a_place() -> None:
    entries = ["dataset=mvco", "select={start: x}", "select={end: y, instruments: [010]}", "report=[a", "shard=2012"]
    keys = ["dataset", "select.start", "select.end", "select.instruments", "report", "shard"]
    parsed = {"dataset": "mvco", "shard": 2012}
    assert read_strictly([], entries, parsed) == dict.fromkeys(keys, "--config")
    assert read_strictly([], ['dataset="001"'], {"dataset": 1}) == {"dataset": "--config"}


def test_a_value_in_quotes_is_the_text_in_them() -> None:
    entries = ['dataset="001"', "shard='2012'", 'source="{kind: x}"', "select=5", 'report="a']
    parsed = {"dataset": 1, "shard": 2012, "source": {"kind": "x"}, "select": 5, "report": "a"}
    assert in_quotes(entries, parsed) == {"dataset": "001", "shard": "2012"}
