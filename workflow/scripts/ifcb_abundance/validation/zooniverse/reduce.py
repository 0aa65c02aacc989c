"""Reduce a table of answers to one row for each subject and task, subject by subject.

The table is read twice. The first pass only notes where the rows of each subject are, so that only the rows of some
subjects are in memory, whatever the order of the table.
"""

import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from hashlib import blake2b
from io import RawIOBase
from pathlib import Path
from typing import Any, NamedTuple

from ifcb_abundance.common.errors import ConfigError, TableError
from ifcb_abundance.common.workers import in_order
from ifcb_abundance.validation.zooniverse import cells, reducers, yaml_files
from ifcb_abundance.validation.zooniverse.exports import Table, missing, moment, open_table, parsed, whole
from ifcb_abundance.validation.zooniverse.journal import Journal
from ifcb_abundance.validation.zooniverse.progress import Progress
from ifcb_abundance.validation.zooniverse.tables import Rejected, growing_table, most_frequent

VERSION = 1  # raise it when reductions change their meaning, so that no older row is reused
NEEDED = ("classification_id", "user_name", "workflow_id", "task", "created_at", "subject_id")
COLUMNS = ("subject_id", "workflow_id", "task", "reducer")
BATCH = 2000  # rows, at least


class Vote(NamedTuple):
    """A row of the table of answers."""

    created: datetime
    classification: int
    person: str
    line: int
    extract: Any


class Task(NamedTuple):
    """A task with rows of a subject, and its reductions; None: they are in the journal."""

    workflow: str
    task: str
    rows: list[dict[str, Any]] | None


@dataclass
class Subject:
    """The outcome for a subject: its tasks, the fingerprint of its votes, and the rejected rows."""

    name: str
    tasks: list[Task] = field(default_factory=list)
    fingerprint: str = ""
    rejected: list[tuple[int, str, str, str, str]] = field(default_factory=list)


Place = tuple[int, int, int]  # line, offset and size in bytes
Batch = list[tuple[str, list[Place], str]]  # subjects, their rows, and the fingerprints that the journal has of them


@dataclass
class Reduced:
    """What was made: the table, pictures, and what was rejected, in words."""

    table: Path
    plots: list[Path]
    rejected: str


@dataclass(frozen=True)
class Plan:
    """How to reduce; can be sent to another process.

    which: the classifications of a person that count, `first`, `last` or `all`.
    """

    table: Table
    name: str
    keywords: Mapping[str, Any]
    which: str
    config_file: str
    fingerprints: bool = False

    @cached_property
    def reducer(self) -> Any:
        """The reducer: of marks, or of votes."""
        if self.name in reducers.VOTES:
            return reducers.VOTES[self.name]
        from ifcb_abundance.validation.zooniverse.marks import clustering

        return clustering(self.name, self.keywords, self.config_file)

    @cached_property
    def places(self) -> tuple[int, ...]:
        """Where the columns are that every table of answers has."""
        return self.table.columns(NEEDED)

    @cached_property
    def data(self) -> list[tuple[str, int]]:
        """The data columns without `data.`, and where they are."""
        return [(name[5:], place) for place, name in enumerate(self.table.header) if name.startswith("data.")]

    @cached_property
    def extractor(self) -> int | None:
        """Where the extractor's name is, if it is there."""
        header = self.table.header
        return header.index("extractor") if "extractor" in header else None

    def __call__(self, batch: Batch) -> list[Subject]:
        """Reduce some subjects."""
        with self.table.path.open("rb", buffering=0) as file:
            return [self._subject(file, *subject) for subject in batch]

    def _subject(self, file: RawIOBase, name: str, places: Sequence[Place], known: str) -> Subject:
        subject = Subject(name)
        votes = self._votes(file, places, subject)
        for votes_of in votes.values():
            votes_of.sort(key=self._order(votes_of))
        if self.fingerprints:
            told = repr([(key, [vote[:3] + vote[4:] for vote in votes[key]]) for key in sorted(votes)])
            subject.fingerprint = blake2b(f"{self._settings}{told}".encode(), digest_size=16).hexdigest()
        for workflow, task in sorted(votes, key=lambda key: (natural(key[0]), natural(key[1]))):
            rows = None
            if not known or known != subject.fingerprint:
                kept = chosen(votes[workflow, task], self.which)
                rows = self._rows([vote.extract for vote in kept])
            subject.tasks.append(Task(workflow, task, rows))
        return subject

    def _order(self, votes: Sequence[Vote]) -> Callable[[Vote], tuple[Any, ...]]:
        """The order of votes: by time and classification, and within a survey by how many have chosen the same."""
        if not self.name.startswith("survey"):
            return lambda vote: (vote.created, vote.classification)
        times = Counter(vote.extract["choice"] for vote in votes)
        return lambda vote: (
            *(vote.created, vote.classification, -times[vote.extract["choice"]], vote.extract["choice"]),
            repr(sorted(vote.extract.items())),
        )

    def _rows(self, extracts: Sequence[Any]) -> list[dict[str, Any]]:
        if self.name in reducers.VOTES:
            rows: list[dict[str, Any]] = self.reducer(extracts, bool(self.keywords.get("pairs")))
        else:
            rows = self.reducer(extracts)
        return rows

    @cached_property
    def _settings(self) -> str:
        return repr((VERSION, self.name, sorted(map(repr, self.keywords.items())), self.which))

    def _votes(self, file: RawIOBase, places: Sequence[Place], subject: Subject) -> dict[tuple[str, str], list[Vote]]:
        """The rows of a subject by workflow and task; those that cannot be read are rejected."""
        votes: dict[tuple[str, str], list[Vote]] = {}
        met: set[Any] = set()
        several = self.name.startswith("survey")  # a classification has a row for each choice
        for line, offset, size in places:
            file.seek(offset)
            row, _ = parsed(file.read(size) or b"", len(self.table.header))
            identity, person, workflow, task, created, _ = (row[place] for place in self.places)
            try:
                number, time = whole(identity, "classification_id"), moment(created)
                if missing(task) or missing(workflow):
                    raise ValueError("task or workflow_id is missing")
                given = {name: row[place] for name, place in self.data if row[place]}
                vote = Vote(time, number, "" if missing(person) else person, line, self._readable(given))
                key = (workflow, task, number, repr(given) if several else "")
                if key in met:
                    raise ValueError("its classification_id is a duplicate")
                met.add(key)
                votes.setdefault((workflow, task), []).append(vote)
            except (ValueError, RecursionError) as error:
                extractor = row[self.extractor] if self.extractor is not None else ""
                subject.rejected.append((line, identity, task, extractor, str(error)))
        return votes

    def _readable(self, given: Mapping[str, str]) -> Any:
        if self.name in reducers.VOTES:
            return reducers.readable(self.name, given)
        return self.reducer.readable(given)


def chosen(votes: Sequence[Vote], which: str) -> list[Vote]:
    """The votes that count, in their order: the first or the last classification of each person, or all.

    Each classification without a name counts as a person.
    """
    if which == "all":
        return list(votes)
    counts: dict[str, int] = {}
    for vote in votes:
        if vote.person and (which == "last" or vote.person not in counts):
            counts[vote.person] = vote.classification
    return [vote for vote in votes if not vote.person or counts[vote.person] == vote.classification]


def natural(name: str) -> tuple[Any, ...]:
    """A key that sorts names by the numbers in them: T2 before T10, subject 99 before subject 100."""
    parts = re.split("([0-9]{1,18})", name)
    return tuple(int(part) if place % 2 else part for place, part in enumerate(parts))


def plan(table: Table, config_file: str | Path, which: str, fingerprints: bool) -> Plan:
    """What a config file says. Raises ConfigError or TableError."""
    config = yaml_files.read_mapping(config_file, "reducer_config")["reducer_config"]
    if len(config) > 1:
        raise ConfigError(f"{config_file} has several reducers, {', '.join(map(str, config))}: keep one")
    name, keywords = next(iter(config.items()))
    names = (*reducers.VOTES, *_mark_reducers())
    if name not in names:
        raise ConfigError(f"{config_file}: reducer {name!r} is unknown; choose from {', '.join(names)}")
    keywords = {} if keywords is None else keywords
    if not isinstance(keywords, dict):
        raise ConfigError(f"{config_file}: {name} has {keywords!r}, not keywords")
    work = Plan(table, name, keywords, which, str(config_file), fingerprints)
    if name in reducers.VOTES:
        known = ["dot_freq", *(["pairs"] if name in reducers.PAIRS else [])]
        unknown = [key for key in keywords if key not in known]
        if unknown:
            raise ConfigError(f"{config_file}: keyword {unknown[0]!r} of {name} is unknown; choose from {known}")
        if type(keywords.get("pairs", False)) is not bool:
            raise ConfigError(f"{config_file}: pairs is {keywords['pairs']!r}, not true or false")
    _ = work.reducer
    table.columns((*NEEDED, *reducers.NEEDED.get(name, ())))
    return work


def _mark_reducers() -> tuple[str, ...]:
    from ifcb_abundance.validation.zooniverse.marks import NAMES

    return NAMES


@dataclass(frozen=True)
class ReduceOptions:
    """How `reduce` works.

    which: the classifications of a person that count (first, last or all). resume: keep a journal beside the table
    until it is complete, and continue what an earlier run left in it. hidden: show no progress. plots: the folder for
    pictures of the first `plotted` subjects, if any.
    """

    which: str = "first"
    processes: int = 1
    resume: bool = False
    hidden: bool = False
    plots: Path | None = None
    plotted: int = 20


def reduce(
    answers: str | Path, config_file: str | Path, name: str, folder: Path, options: ReduceOptions = ReduceOptions()
) -> Reduced:
    """Write {reducer}_{name}.csv into `folder`, and what could not be read into rejected_{name}.csv.

    Raises ConfigError or TableError.
    """
    plots = options.plots
    table = open_table(answers)
    work = plan(table, config_file, options.which, options.resume)
    if plots is not None and work.name in reducers.VOTES:
        raise ConfigError(f"--plot draws marks, and {work.name} has none")
    path = folder / f"{work.name}_{name}.csv"
    rejected = Rejected(folder / f"rejected_{name}.csv")
    index = Index(work.table, work.places, rejected, Progress("read", table.size, options.hidden))
    progress = Progress("reduce", len(index.subjects), options.hidden)
    pictures: list[Path] = []
    done = rows = 0
    with growing_table(path, COLUMNS) as growing, Journal(path, options.resume) as journal:
        for subjects in in_order(work, index.batches(journal.fingerprints), options.processes):
            for subject in subjects:
                for line in subject.rejected:
                    rejected.add(*line)
                for task in journal.completed(subject.name, subject.fingerprint, subject.tasks):
                    given = (cells.safe(subject.name), cells.safe(task[0]), cells.safe(task[1]), work.name)
                    for row in task[2]:
                        growing.add(given, row)
                    rows += 1
                    if plots is not None and done < options.plotted:
                        pictures += _plot(plots, work, subject.name, task[1], task[2])
                done += 1
                progress(done, done, "subjects")
        rejected.write(keep=work.name)
        if not rows:
            raise TableError(_nothing(answers, rejected))
        growing.finish()
        journal.discard()
    progress.done(done, "subjects")
    return Reduced(path, pictures, rejected.told(str(answers)))


def _plot(folder: Path, work: Plan, subject: str, task: str, rows: Sequence[Mapping[str, Any]]) -> list[Path]:
    from ifcb_abundance.validation.zooniverse.plot import draw

    return [picture for row in rows for picture in draw(folder, subject, task, work.reducer.shape, row)]


def _nothing(answers: str | Path, rejected: Rejected) -> str:
    if not rejected.rows:
        return f"{answers} has no rows"
    return f"no row of {answers} can be used. {most_frequent(rejected.rows)}. See {rejected.path}"


class Index:
    """Where the rows of each subject are in a table."""

    def __init__(self, table: Table, places: Sequence[int], rejected: Rejected, progress: Progress) -> None:
        self._lines, self._offsets, self._sizes, self._codes = (array("q") for _ in range(4))
        codes: dict[str, int] = {}
        identity, *_, subject = places
        for record in table.records():
            if record.problem or missing(record.cells[subject]):
                number = record.cells[identity] if not record.problem else ""
                rejected.add(record.line, number, "", "", record.problem or "subject_id is missing")
                continue
            self._codes.append(codes.setdefault(record.cells[subject], len(codes)))
            self._lines.append(record.line)
            self._offsets.append(record.offset)
            self._sizes.append(record.size)
            progress(record.offset, len(self._lines))
        self.subjects = sorted(codes, key=natural)
        self._ranks = array("q", bytes(8 * len(codes)))
        for rank, name in enumerate(self.subjects):
            self._ranks[codes[name]] = rank

    def batches(self, fingerprints: Mapping[str, str]) -> Iterator[Batch]:
        """Subjects in order, with the places of their rows in the table's order, some thousand rows at a time."""
        import numpy as np

        ranks = np.array(self._ranks)[np.array(self._codes)] if self._codes else np.array([], dtype=int)
        order = np.argsort(ranks, kind="stable")
        ends = np.searchsorted(ranks[order], np.arange(len(self.subjects)), side="right")
        batch: Batch = []
        begin = size = 0
        for name, end in zip(self.subjects, ends.tolist(), strict=True):
            rows = order[begin:end].tolist()
            places = [(self._lines[row], self._offsets[row], self._sizes[row]) for row in rows]
            batch.append((name, places, fingerprints.get(name, "")))
            size += end - begin
            begin = end
            if size >= BATCH:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch
