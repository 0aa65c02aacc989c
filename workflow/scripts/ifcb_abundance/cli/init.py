"""`ifcb-abundance init`: look what there is at a place, ask a few questions, write a config that passes."""

import argparse
import re
import shlex
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from ifcb_abundance.bins.ids import as_number
from ifcb_abundance.classes.shipped import best_table, known_labels
from ifcb_abundance.cli import config_file
from ifcb_abundance.common.atomic_write import atomic_write
from ifcb_abundance.common.errors import ConfigError, NoBinsError, ScoresError, StateError
from ifcb_abundance.common.words import counted
from ifcb_abundance.config import resolve
from ifcb_abundance.config.model import FROM_SCORES
from ifcb_abundance.scores.decide import Decision
from ifcb_abundance.scores.summary import array_of_summary, label_set, labels_of_file, read_of_summary
from ifcb_abundance.sources.dashboard import DashboardSource
from ifcb_abundance.sources.protocols import Source
from ifcb_abundance.sources.retry import RequestOptions
from ifcb_abundance.sources.score_files import AUTO, STORED_AS, SUMMARY
from ifcb_abundance.sources.survey import Survey

WEEK = timedelta(days=6)  # the first window that is suggested: a week is read in minutes
NAMED = 12  # names in a question
NAMED_FORMS = ("mat", "class_csv", "prob_csv")  # of class scores: those that `auto` does not take everywhere
THRESHOLD = 0.7  # the one that is suggested, which is the default
PLACES = (
    "Accepted: the address of a dashboard (https://...), a folder with metadata.csv or raw files of bins, or "
    "s3://bucket/prefix"
)
# Pages of a dashboard, whose addresses people copy from the browser.
_PAGE = re.compile("/(timeline|bin|list|image|comments)(/|$)")
# An address without http://: with a port, or of a host with two dots at least.
_BARE_ADDRESS = re.compile(r"(localhost|[\w-]+(\.[\w-]+)*):\d+(/.*)?|[\w-]+(\.[\w-]+){2,}(/.*)?")


@dataclass(frozen=True)
class Wishes:
    """What the user said on the command line; None for what is not said."""

    place: str
    dataset: str | None = None
    start: str | None = None
    end: str | None = None
    instruments: list[str] = field(default_factory=list)
    output: str | None = None
    scores_format: str | None = None
    endpoint_url: str | None = None
    anonymous: bool = False
    force: bool = False
    asks: bool = False

    @classmethod
    def of(cls, given: argparse.Namespace) -> "Wishes":
        """The wishes that a parsed command line has. It asks nothing where nobody can answer."""
        said = {name: value for name, value in vars(given).items() if name in cls.__dataclass_fields__ and value}
        return cls(**{"place": given.place, **said}, asks=sys.stdin.isatty() and not given.yes)


@dataclass(frozen=True)
class Labels:
    """The label sets of the bins that were looked at. table: the shipped class table that knows most labels."""

    sets: Counter[str]
    labels: int
    table: str
    known: int
    without: int

    @property
    def few(self) -> bool:
        """Whether no shipped table knows half of the labels."""
        return self.known < self.labels / 2

    def told(self) -> str:
        """In words, for the terminal and the config."""
        if not self.sets:
            return f"none: {counted(self.without, 'bin')} were asked, and have no class scores"
        names = "; ".join(f"{name} in {counted(n, 'bin')}" for name, n in self.sets.items())
        return f"{names}. The class table {self.table} knows {self.known} of {self.labels} labels"


def init(wishes: Wishes) -> int:
    """Look, ask, write the config, and say what comes next. Returns the exit status.

    Raises ConfigError for a wish that cannot be right, and what the source raises.
    """
    wishes = _without_page(wishes)
    _refuse_window(wishes)
    kind, source_keys = _place(wishes)
    source_keys |= _wanted_form(wishes, kind)
    _opened({"dataset": "any", "source": source_keys})  # refuses an address that a run would refuse
    known = None if wishes.asks and not wishes.output else _output(wishes)
    dataset = _dataset(wishes, kind)
    start = {"dataset": dataset, "source": source_keys}
    print(f"Looking at {wishes.place} ...", flush=True)
    found = _surveyed(start)
    source_keys |= {"catalog": found.catalog} if found.catalog != "export" else {}
    if form := _form(wishes, _opened(start), list(found.score_files)):
        source_keys["scores_format"] = form
    source = _opened(start)
    found = source.survey() if form else found  # of bins that have this form
    labels = _labels(source, found)
    for line in _told(found, labels):
        print(f"  {line}")
    config = {**start, "select": _select(wishes, found)}
    path = known or _output(wishes)
    text = _written(config, found, labels, wishes.place, _threshold(source, found))
    _check(text)
    try:
        with atomic_write(path) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StateError(f"{path}: cannot be written ({error.strerror}). Give another place with -o") from None
    named = shlex.quote(str(path))
    print(f"Wrote {path}. Next:\n  ifcb-abundance plan {named}    # what it will read, and how long it takes")
    print(f"  ifcb-abundance run {named}     # the same as: snakemake --cores 8 --configfile {named}")
    return 0


def _without_page(wishes: Wishes) -> Wishes:
    """Cut the page off a dashboard's address as a browser shows it. The dataset is the page's if none is given.

    Raises ConfigError for an address without a host.
    """
    if not re.match("https?://", wishes.place):
        return wishes
    try:
        host = urlsplit(wishes.place).hostname
    except ValueError:  # of brackets, in which a host stands that is a number
        host = None
    if not host:
        raise ConfigError(f"{wishes.place}: there is no host in this address. {PLACES}")
    at = urlsplit(wishes.place)
    if page := _PAGE.search(at.path):
        path = at.path[: page.start()]
    else:
        path = at.path.rpartition("/")[0] if at.query else at.path
    datasets = parse_qs(at.query).get("dataset", [None])
    return replace(wishes, place=f"{at.scheme}://{at.netloc}{path}".rstrip("/"), dataset=wishes.dataset or datasets[0])


def _refuse_window(wishes: Wishes) -> None:
    """Raise ConfigError if a day that is given is none, or if the window ends before it starts.

    Whether there are bins on these days is checked when that is known.
    """
    start, end = (
        _day(day, flag, date.min, date.max) for day, flag in ((wishes.start, "--start"), (wishes.end, "--end"))
    )
    if start and end and start > end:
        raise ConfigError(
            f"--start: {start!r} cannot be used. Accepted: a UTC day YYYY-MM-DD, {end} or earlier: otherwise "
            "the window ends before it starts"
        )


def _place(wishes: Wishes) -> tuple[str, dict[str, Any]]:
    """The kind of source, and its keys."""
    place = wishes.place
    if re.match("https?://", place):
        return "dashboard", {"kind": "dashboard", "url": place.rstrip("/")}
    if place.startswith("s3://"):
        keys = {"kind": "bucket", "path": place, "endpoint_url": wishes.endpoint_url, "anonymous": wishes.anonymous}
        return "bucket", {key: value for key, value in keys.items() if value}
    if not place:  # else it would be the folder where this runs
        raise ConfigError(f"the place is empty. {PLACES}")
    if Path(place).is_file():
        raise ConfigError(f"{place}: it is a file. Give its folder: {Path(place).parent}")
    if not Path(place).is_dir():
        if _BARE_ADDRESS.fullmatch(place):
            raise ConfigError(
                f"{place}: there is no such folder. If it is the address of a dashboard, write http:// or https:// "
                f"before it: https://{place}"
            )
        raise ConfigError(f"{place}: there is no such folder. {PLACES}")
    return "directory", {"kind": "directory", "path": place}


def _wanted_form(wishes: Wishes, kind: str) -> dict[str, str]:
    """The key for the form of class scores that is given, if it is one."""
    if not (form := wishes.scores_format):
        return {}
    if kind == "dashboard" or form not in STORED_AS:
        raise ConfigError(
            f"--scores-format: {form!r} cannot be used. Accepted, with a folder or a bucket: {', '.join(STORED_AS)}"
        )
    return {"scores_format": form}


def _opened(written: dict[str, Any]) -> Source:
    """The source of a config that has no window yet."""
    days = {"start": "2006-01-01", "end": "2006-01-01"}
    config = resolve({**written, "select": days, "classify": {"class_table": None}})
    return config_file.open_to_look(config)


def _surveyed(start: dict[str, Any]) -> Survey:
    """Look what there is, whichever forms of class scores lie beside each other."""
    source = start["source"]
    if source["kind"] != "dashboard" and "scores_format" not in source:
        with suppress(NoBinsError):  # perhaps summaries list the bins
            found = _opened({**start, "source": source | {"scores_format": "csv"}}).survey()
            if found.score_files:
                return found
    return _opened(start).survey()


def _form(wishes: Wishes, source: Source, forms: Sequence[str]) -> str:
    """The form of class scores that the config has to name; empty where `auto` finds it.

    forms: those of the bins, that of most bins first.
    """
    if wishes.scores_format and wishes.scores_format not in forms:
        there = ", ".join(forms) or "none, for there are no class scores"
        raise ConfigError(f"--scores-format: {wishes.scores_format!r} is not there. Accepted: {there}")
    try:
        settled = source.scores_format
    except ConfigError:
        settled = ""  # there are several forms
    form = settled if settled not in ("", AUTO) else next(iter(forms), "")
    return form if not settled or len(forms) > 1 or form in (*NAMED_FORMS, wishes.scores_format) else ""


def _dataset(wishes: Wishes, kind: str) -> str:
    if kind != "dashboard":
        name = re.sub("[^A-Za-z0-9_.-]+", "_", wishes.place.rstrip("/").rpartition("/")[2]).lstrip(".-") or "archive"
        name = f"{name}_archive" if name == "demo" else name
        return wishes.dataset or _ask(wishes, "Name of the dataset, and of its folder below results/", name)
    dashboard = DashboardSource("", wishes.place, requests=RequestOptions(retries=config_file.RETRIES))
    dashboard.retrier.hasty = True
    names = dashboard.datasets()
    if not names:
        raise ConfigError(f"{wishes.place} has no dataset")
    listed = ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
    print(f"{wishes.place} has {counted(len(names), 'dataset')}: {listed}")
    if wishes.dataset and wishes.dataset not in names:
        close = get_close_matches(wishes.dataset, names, n=1)
        meant = f" Did you mean {close[0]}?" if close else ""
        raise ConfigError(f"--dataset: {wishes.dataset!r} is not there.{meant} Accepted: one of {listed}")
    if wishes.dataset or len(names) == 1:
        return wishes.dataset or names[0]
    if not wishes.asks:
        raise ConfigError(f"--dataset: not given, and there are {len(names)}. Accepted: one of {listed}")
    return _ask(wishes, "Which dataset", names[0], lambda name: "" if name in names else f"one of {listed}")


def _labels(source: Source, found: Survey) -> Labels:
    """Read the class scores of the bins that were picked, for their labels."""
    sets: Counter[str] = Counter()
    labels: set[str] = set()
    for bin_id in found.looked_at:
        try:
            if file := source.read_scores(bin_id):
                classes = labels_of_file(bin_id, file)
                sets[label_set(classes)] += 1
                labels |= set(classes)
        except ScoresError as error:
            print(f"  {error}")
    known = known_labels(labels)
    table = best_table(labels)
    return Labels(sets, len(labels), table, known[table], len(found.looked_at) - sets.total())


def _threshold(source: Source, found: Survey) -> str:
    """The line of the config that says which winners count: of class summaries one that all of them have."""
    line, note = f"threshold: {THRESHOLD}", "the winning score must reach it; a change costs no request"
    if SUMMARY in found.score_files:
        files = [(bin_id, source.read_scores(bin_id)) for bin_id in found.looked_at]
        counts = [read_of_summary(bin_id, file) for bin_id, file in files if file]
        choices = {line: Decision(THRESHOLD), f"class_thresholds: {FROM_SCORES}": Decision(0, from_scores=True)}
        given = {said.adhoc for said in counts if said.adhoc is not None and 0 < said.adhoc <= 1}
        choices |= {f"threshold: {each}": Decision(each) for each in (*sorted(given), 0)}

        def all_have(wanted: Decision) -> bool:
            with suppress(ScoresError):
                return all(array_of_summary(each, wanted) for each in counts)
            return False

        line, *others = [line for line, wanted in choices.items() if all_have(wanted)]
        note = f"the summaries have counts for it; others: {', '.join(others) or 'none'}"
    return f"{f'  {line}':36}# {note}"


def _told(found: Survey, labels: Labels) -> list[str]:
    """What there is, a line each."""
    instruments = ", ".join(f"IFCB{number}" for number in found.instruments) or "unknown"
    aside = "" if found.with_skipped else " that are not flagged skip"
    formats = ", ".join(f"{n:,} {name}" for name, n in found.score_files.items())
    return [
        f"bins:        {found.bins:,}{aside}, {found.first} to {found.last} (UTC)",
        f"instruments: {instruments}",
        *([f"scores:      {formats}"] if formats else []),
        f"label sets:  {labels.told()}",
        f"features:    {found.features}",
        f"raw files:   {found.raw}",
    ]


def _select(wishes: Wishes, found: Survey) -> dict[str, Any]:
    """The window and the instruments: what was said, or is answered. Both have to meet what is there."""
    end = _day(wishes.end, "--end", found.first, date.max) or _ask(
        wishes,
        f"Last UTC day (there are bins until {found.last})",
        str(found.last),
        lambda text: _why_no_day(text, found.first, date.max),
    )
    latest = min(date.fromisoformat(end), found.last)
    begin = _day(wishes.start, "--start", date.min, latest) or _ask(
        wishes,
        f"First UTC day (there are bins from {found.first})",
        str(max(found.first, latest - WEEK)),
        lambda text: _why_no_day(text, date.min, latest),
    )
    select: dict[str, Any] = {"start": begin, "end": end}
    instruments = wishes.instruments
    if fault := _why_no_instruments(instruments, found.instruments):
        raise ConfigError(f"--instruments: {' '.join(instruments)} cannot be used. Accepted: {fault}")
    if not instruments and len(found.instruments) > 1:
        answer = _ask(
            wishes,
            f"Instruments, of {' '.join(map(str, found.instruments))}",
            "all",
            lambda text: "" if text == "all" else _why_no_instruments(text.split(), found.instruments),
        )
        instruments = [] if answer == "all" else answer.split()
    return {**select, **({"instruments": [int(as_number(each)) for each in instruments]} if instruments else {})}


def _day(given: str | None, flag: str, first: date, last: date) -> str | None:
    """A day of the command line, checked; None if it was not given."""
    if given and (fault := _why_no_day(given, first, last)):
        raise ConfigError(f"{flag}: {given!r} cannot be used. Accepted: {fault}")
    return given


def _why_no_day(text: str, first: date, last: date) -> str:
    """What is accepted, if the text is no day from the first to the last one; else nothing."""
    why = "a UTC day YYYY-MM-DD"
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):  # Python reads 2024-W16-1 too, which no config may have
        return why
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return why
    if day < first:
        return f"{why}, {first} or later: there is no bin before"
    if day > last:
        return f"{why}, {last} or earlier: the end of the window, or of what is there"
    return ""


def _why_no_instruments(given: Sequence[str], there: Sequence[int]) -> str:
    """What is accepted, if an instrument is not there; else nothing. there: empty if that is not known."""
    numbers = [str(as_number(each)) for each in given]
    if all(number.isdigit() and (not there or int(number) in there) for number in numbers):
        return ""
    return "numbers or names" + (f", of {', '.join(f'IFCB{number}' for number in there)}" if there else "")


def _output(wishes: Wishes) -> Path:
    """The file to write. Raises ConfigError for one that is there."""
    path = Path(wishes.output or _ask(wishes, "Write the config to", "my.yaml"))
    if path.is_dir():
        raise ConfigError(f"{path} is a folder. Give the name of a file with -o, such as -o {path / 'my.yaml'}")
    if path.exists() and not wishes.force:
        raise ConfigError(f"{path} is there already, and is left as it is. Give another name with -o, or --force")
    return path


def _ask(wishes: Wishes, question: str, suggested: str, fault: Callable[[str], str] = lambda _: "") -> str:
    """An answer of the user, or what is suggested if nobody is there to ask."""
    while wishes.asks:
        answer = input(f"{question} [{suggested}]: ").strip() or suggested
        if not (wrong := fault(answer)):
            return answer
        print(f"  Accepted: {wrong}")
    return suggested


def _written(config: dict[str, Any], found: Survey, labels: Labels, place: str, threshold: str) -> str:
    """The config as a commented file. threshold: the first line of `classify`."""
    source, select = config["source"], config["select"]
    others = ", ".join(form for form in found.score_files if form != source.get("scores_format"))
    comments = {
        "kind": "dashboard, directory (an archive on disk) or bucket",
        "url": "the dashboard",
        "path": "the archive",
        "catalog": "how bins are listed: raw, from the raw files; walk, bin by bin",
        "scores_format": "the form of the class scores" + (f"; there are also: {others}" if others else ""),
        "start": "UTC days or bin ids, both inclusive",
        "instruments": "without this line: all",
    }

    def lines(keys: dict[str, Any]) -> list[str]:
        written = [f"  {key}: {_scalar(value)}" for key, value in keys.items()]
        notes = [comments.get(key, "") for key in keys]
        return [f"{line:35} # {note}" if note else line for line, note in zip(written, notes, strict=True)]

    table = [
        f"{f'  class_table: {labels.table}':35} # the shipped table that knows most of the labels",
        *(["  # It knows few of them: write a table for yours, or put null for no groups."] if labels.few else []),
    ]
    return "\n".join(
        [
            f"# Written by `ifcb-abundance init {place}`. It looked, and found:",
            *(f"#   {line}" for line in _told(found, labels)),
            "# Only keys that differ from the defaults have to be here; config/README.md explains all of them.",
            "",
            f"{'dataset: ' + _scalar(config['dataset']):36}# also the folder below results/",
            "",
            "source:",
            *lines(source),
            "",
            "select:",
            *lines(select),
            "",
            "classify:",
            threshold,
            *(table if labels.sets else []),
            "",
            "# run: my_first_run                # tables of its own, beside those of other thresholds",
            "# report: {make: true}             # figures and report.html in each run",
            "",
        ]
    )


def _scalar(value: Any) -> str:
    """A value as YAML, on a line. Days need no quotes."""
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return value
    return (
        yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000).strip().removesuffix("\n...")
    )


def _check(text: str) -> None:
    """Raise ConfigError if a run would refuse the config, before it is written."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "my.yaml")
        path.write_text(text, encoding="utf-8")
        config_file.read(path)
