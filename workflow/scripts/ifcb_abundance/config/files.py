"""Config files as they are written: what YAML would silently turn into something else is refused, by file and line."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import SafeConstructor
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from ifcb_abundance.config.faults import refusal

NAMES = {"dataset", "run"}  # keys whose numbers are texts
DAYS = {"select.start", "select.end"}  # keys for which YAML's reading of a day is right
CONFIG_OPTIONS = ("--configfile", "--configfiles")
# YAML 1.1 takes 010 for 8, 1_0 for 10, 1:30 for 90 and 0x10 for 16.
_ODD_NUMBER = re.compile(r"[+-]?0[0-9A-Za-z_].*|.*[_:].*")
MOST_LEVELS = 5000  # for which libyaml's stack is enough
_KIND = "tag:yaml.org,2002:"


def read_strictly(
    files: Sequence[str | Path], entries: Sequence[str] = (), parsed: Mapping[str, Any] | None = None
) -> dict[str, str]:
    """Where the keys of a config stand: full key to such as `my.yaml, line 3`, or `--config`.

    files: the config files, each laid over those before it. The first is the workflow's own, whose keys are defaults:
    it is a place only if nothing is laid over it. entries, parsed: what was given with `--config`, as texts `key=value`
    and as the engine read them.

    Raises ConfigError, with a line for each fault found: a duplicate key, at any depth; a dataset's or a run's name or
    another text that YAML takes for a number or a day; a day that does not exist; what is not YAML. Of a result that is
    given as a config file, that is the only fault told.
    """
    for name in map(_shown, map(Path, files[1:])):
        if name.startswith("results/") and name.endswith(".json"):
            raise refusal(
                f"{name}: a result, not a config file. --configfile takes every word after it for a config file. "
                "Accepted: the target before it, or --configfile=my.yaml with an equals sign"
            )
    places: dict[str, str] = {}
    faults: dict[str, list[str]] = {}
    for number, file in enumerate(files):
        found: dict[str, str] = {}
        faults[_shown(Path(file))] = list(_faults_of_file(file, found))
        if number or (len(files) == 1 and not entries):
            places |= found
    faults["--config"] = list(_faults_of_entries(entries, parsed or {}, places))
    if wrong := [name for name, of_one in faults.items() if of_one]:
        raise refusal(*(fault for name in wrong for fault in faults[name]), files=", ".join(wrong))
    return places


def load(path: str | Path) -> dict[str, Any]:
    """What a file says that `read_strictly` has passed. JSON is read as such, as the engine does: 5e-1 is a number."""
    text = Path(path).read_text(encoding="utf-8")
    try:
        said: dict[str, Any] = json.loads(text)
    except ValueError:
        said = yaml.safe_load(_as_yaml(text))
    return said


def refuse_second_option(command_line: Sequence[str]) -> None:
    """Raise ConfigError if --configfile is given twice: the engine reads the files of the last one alone.

    command_line: the words after `snakemake`.
    """
    if sum(word.partition("=")[0] in CONFIG_OPTIONS for word in command_line) > 1:
        raise refusal(
            "--configfile is given twice, and Snakemake would read only the last one. Write all files after one "
            "--configfile; a later file wins: --configfile my.yaml sample.yaml"
        )


def in_quotes(entries: Sequence[str], parsed: Mapping[str, Any]) -> dict[str, str]:
    """Key to text, of what `--config` has in quotes: the engine drops them, and takes "001" for the number 1.

    entries, parsed: as of `read_strictly`.
    """
    texts = dict(entry.partition("=")[::2] for entry in entries)
    quoted = {key: found[2] for key, text in texts.items() if (found := re.fullmatch("(?s)([\"'])(.*)\\1", text))}
    return {key: text for key, text in quoted.items() if isinstance(parsed.get(key), int | float)}


def _faults_of_file(path: str | Path, places: dict[str, str]) -> Iterator[str]:
    name = _shown(Path(path))
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        yield f"{name}: cannot be read ({getattr(error, 'strerror', None) or error}). Accepted: a YAML file in UTF-8"
        return
    try:
        node = _nodes_of(_as_yaml(text))
        faults = list(_faults(node, (), name, places, set())) if isinstance(node, MappingNode) else []
    except yaml.MarkedYAMLError as error:
        yield _not_yaml(name, error)
        return
    except (yaml.YAMLError, RecursionError) as error:
        yield f"{name}: not YAML: {error}"
        return
    if not isinstance(node, MappingNode):
        yield f"{name}: there are no keys in it. Accepted: keys and values, such as dataset: mvco"
        return
    yield from faults
    if not faults:
        try:
            SafeConstructor().construct_document(node)
        except yaml.MarkedYAMLError as error:  # such as a key that is a list
            yield _not_yaml(name, error)


def _as_yaml(text: str) -> str:
    """JSON, which the engine takes too, may be indented with tabs; within its texts there are none."""
    return text.replace("\t", " ") if text.lstrip().startswith("{") else text


def _nodes_of(text: str) -> Node | None:
    """What yaml.compose returns and raises for a file. libyaml takes a twentieth of its time, where all is well.

    libyaml does not limit how deep it goes, and ends the process if that is too deep for its stack.
    """
    if sum(map(text.count, "[{-?:")) < MOST_LEVELS:  # each level has one of these
        with suppress(yaml.YAMLError):
            return yaml.compose(text, Loader=yaml.CSafeLoader)
    return yaml.compose(text, Loader=yaml.SafeLoader)


def _faults_of_entries(entries: Sequence[str], parsed: Mapping[str, Any], places: dict[str, str]) -> Iterator[str]:
    """What is wrong with `--config`. Its values are text to the engine, but for numbers that stand alone."""
    given: dict[str, str] = {}
    for entry in entries:
        key, _, text = entry.partition("=")
        found: dict[str, str] = {}
        try:
            node = yaml.compose(text, Loader=yaml.BaseLoader)
        except (yaml.YAMLError, RecursionError):
            node = None  # then it is a text to the engine too
        if isinstance(node, MappingNode):
            yield from _faults(node, (key,), "--config", found, set())
            found = {k: v for k, v in found.items() if not any(other.startswith(f"{k}.") for other in found)}
        else:
            found[key] = "--config"
        yield from (f"--config: {full} is given twice. Accepted: each key once" for full in found if full in given)
        given |= found
        if key in NAMES and isinstance(parsed.get(key), int | float) and not in_quotes([entry], parsed):
            yield (
                f"--config: {key}: {text} is read as {parsed[key]!r}. Accepted: the name in quotes, and these within "
                f"others for the shell: --config '{key}=\"{text}\"'"
            )
    places |= dict.fromkeys(given, "--config")


def _faults(
    node: Node, keys: tuple[str, ...], name: str, places: dict[str, str], met: set[int], key: str = ""
) -> Iterator[str]:
    """The faults below a node. key: the full key of the nearest mapping above; fills `places` with all keys."""
    if id(node) in met:  # YAML's anchors make one node the value of many keys, or its own
        return
    met.add(id(node))
    where = name if name == "--config" else f"{name}, line {node.start_mark.line + 1}"
    if isinstance(node, MappingNode):
        first: dict[str, int] = {}
        for key_node, value in node.value:
            merged = key_node.tag == f"{_KIND}merge"
            part = str(key_node.value) if isinstance(key_node, ScalarNode) else "?"
            full = ".".join(keys if merged else (*keys, part))
            line = key_node.start_mark.line + 1
            place = name if name == "--config" else f"{name}, line {line}"
            if part in first and isinstance(key_node, ScalarNode):
                again = "" if name == "--config" else f", first in line {first[part]}"
                yield f"{place}: {'.'.join((*keys, part))}: written twice{again}. Accepted: each key once"
            first.setdefault(part, line)
            if not merged:
                places[full] = place
            yield from _faults(value, keys if merged else (*keys, part), name, places, met, full)
    elif isinstance(node, SequenceNode):
        for value in node.value:
            yield from _faults(value, keys, name, places, met, key)
    elif isinstance(node, ScalarNode) and not node.style and (fault := _misread(node, key)):
        yield f"{where}: {key}: {fault}"


def _misread(node: ScalarNode, key: str) -> str:
    """Why a value without quotes is not what its writer meant, or an empty text."""
    text, kind = str(node.value), node.tag.removeprefix(_KIND)
    if kind in ("str", "null"):
        return ""
    try:
        value = SafeConstructor().construct_document(node)
    except (ValueError, OverflowError, yaml.YAMLError) as error:
        return f"{text} does not exist ({error}). Accepted: a UTC day YYYY-MM-DD of the calendar, or a bin id"
    if key in NAMES:
        return f'YAML reads {text} as {_said(kind, value)}. Accepted: the name in quotes, {key}: "{text}"'
    if kind in ("int", "float") and _ODD_NUMBER.fullmatch(text):
        return (
            f"YAML reads {text} as {_said(kind, value)}. Accepted: a number in plain decimal digits without zeros in "
            f'front; a text in quotes, "{text}"'
        )
    if kind == "timestamp" and key not in DAYS and str(value) != text:
        return f'YAML reads {text} as {_said(kind, value)}. Accepted: the text in quotes, "{text}"'
    return ""


def _said(kind: str, value: Any) -> str:
    kinds = {"int": "the number", "float": "the number", "timestamp": "the day", "bool": "the truth value"}
    return f"{kinds.get(kind, '')} {str(value).lower() if kind == 'bool' else value}".strip()


def _not_yaml(name: str, error: yaml.MarkedYAMLError) -> str:
    """Where a file stops being YAML. The context is where what is not closed, such as a quote, began."""
    marks = [mark.line + 1 for mark in (error.context_mark, error.problem_mark) if mark]
    lines = " to ".join(f"{line}" for line in dict.fromkeys(marks))
    if r"'\t'" in (error.problem or ""):
        return f"{name}, line {marks[-1]}: not YAML: the line has a tab. Indent with blanks"
    said = ": ".join(part for part in (error.context, error.problem) if part)
    return (
        f"{name}, line {lines}: not YAML: {said}. Look for a quote, bracket or colon that is missing, for a tab, or "
        "for a line that is not indented like those beside it"
    )


def _shown(path: Path) -> str:
    """The path as a user would write it."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
