"""Turn the export of classifications into a table of answers for each extractor, row by row."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from ifcb_abundance.common.errors import ConfigError, TableError
from ifcb_abundance.common.workers import in_order
from ifcb_abundance.validation.zooniverse import yaml_files
from ifcb_abundance.validation.zooniverse.cells import safe
from ifcb_abundance.validation.zooniverse.exports import (
    Record,
    bound,
    from_json,
    missing,
    moment,
    open_table,
    version,
    whole,
)
from ifcb_abundance.validation.zooniverse.extractors import ALWAYS, Entry, Extract, by_task, entries
from ifcb_abundance.validation.zooniverse.progress import Progress
from ifcb_abundance.validation.zooniverse.slugs import slug
from ifcb_abundance.validation.zooniverse.tables import GrowingTable, Rejected, growing_table, most_frequent

NEEDED = (
    "classification_id",
    "user_name",
    "user_id",
    "workflow_id",
    "workflow_version",
    "created_at",
    "metadata",
    "annotations",
    "subject_ids",
)
COLUMNS = (
    "classification_id",
    "user_name",
    "user_id",
    "workflow_id",
    "task",
    "created_at",
    "subject_id",
    "extractor",
)
BATCH = 2000  # records


class NothingUsedError(TableError):
    """No classification can be used. rejected: why, without the name of a file; empty if none was rejected."""

    def __init__(self, message: str, rejected: str = "") -> None:
        super().__init__(message)
        self.rejected = rejected


@dataclass
class Extraction:
    """What was made: the tables, how many classifications are in them, and what was rejected."""

    tables: list[Path]
    classifications: int
    rejected: Rejected


@dataclass(frozen=True)
class Plan:
    """What to read and extract from a record; without the table, so that it can be sent to processes."""

    places: tuple[int, ...]
    workflow: str
    lowest: tuple[float, float]
    highest: tuple[float, float]
    entries: tuple[Entry, ...]

    def __call__(self, records: Sequence[Record]) -> list["Answered"]:
        """The answers in a batch of records; those of other workflows and versions are excluded."""
        found = []
        for record in records:
            answered = self._answered(record)
            if answered is not None:
                found.append(answered)
        return found

    def _answered(self, record: Record) -> "Answered | None":
        if record.problem:
            return Answered(record, reason=record.problem)
        (identity, user, user_id, workflow, workflow_version, created, metadata, annotations, subject) = (
            record.cells[place] for place in self.places
        )
        if workflow.strip() != self.workflow:
            return Answered(record, identity, reason="workflow_id is missing") if missing(workflow) else None
        answered = Answered(record, identity)
        try:
            if not self.lowest <= version(workflow_version) <= self.highest:
                return None
            whole(identity, "classification_id")
            moment(created)
            if missing(subject):
                raise ValueError("subject_ids is missing")
            if not missing(metadata):
                from_json(metadata, "metadata")
            tasks = by_task(from_json(annotations, "annotations"))
        except (ValueError, RecursionError) as error:
            answered.reason = str(error)
            return answered
        names = ["" if missing(cell) else safe(cell) for cell in (user, user_id)]
        answered.given = (identity, *names, workflow, created, safe(subject))
        for place, entry in enumerate(self.entries):
            try:
                answered.extracts.append((place, entry.extract(tasks)))
            except (ValueError, RecursionError) as error:
                answered.failed.append((place, str(error)))
        return answered


@dataclass
class Answered:
    """One classification: its cells, the extracts of each entry, and the entries that failed, or why all failed."""

    record: Record
    identity: str = ""
    reason: str = ""
    given: tuple[str, ...] = ()
    extracts: list[tuple[int, list[Extract]]] = field(default_factory=list)
    failed: list[tuple[int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.record = self.record._replace(cells=[])  # they are not sent back


def plan(config_file: str | Path, places: tuple[int, ...]) -> Plan:
    """What a config file says. Raises ConfigError."""
    config = yaml_files.read_mapping(config_file, "extractor_config")
    workflow = config.get("workflow_id")
    if type(workflow) is not int and not (isinstance(workflow, str) and workflow.isdecimal()):
        raise ConfigError(f"{config_file}: workflow_id is {workflow!r}, not a number")
    low, high = _versions(config.get("workflow_version"), config_file)
    return Plan(places, str(workflow), low, high, tuple(entries(config["extractor_config"], str(config_file))))


def _versions(given: Any, config_file: str | Path) -> tuple[tuple[float, float], tuple[float, float]]:
    limits = given if isinstance(given, dict) else {"min": given, "max": given}
    unknown = [key for key in limits if key not in ("min", "max")]
    if given is None or not limits or unknown:
        raise ConfigError(
            f"{config_file}: workflow_version is {given!r}, not '52', '52.76' or {{min: '52', max: '53'}}"
        )
    pairs = []
    for key, open_end in (("min", (0.0, 0.0)), ("max", (float("inf"),) * 2)):
        text = limits.get(key)
        if isinstance(text, float):
            raise ConfigError(
                f"{config_file}: workflow_version {text} needs quotes, '{text}': as a number, 52.8 is the same as 52.80"
            )
        try:
            pairs.append(open_end if text is None else bound(str(text), upper=key == "max"))
        except ValueError as error:
            raise ConfigError(f"{config_file}: {error}") from None
    return pairs[0], pairs[1]


def extract(
    export: str | Path,
    config_file: str | Path,
    name: str = "extractions",
    folder: Path = Path(),
    processes: int = 1,
    verbose: bool = False,
    hidden: bool = False,
) -> Extraction:
    """Write a table {extractor}_{name}.csv into `folder` for each extractor of the config, and rejected_{name}.csv.

    verbose: print each rejected row. hidden: no progress. Raises ConfigError or TableError if nothing can be read, and
    NothingUsedError if no classification can be used.
    """
    table = open_table(export)
    work = plan(config_file, table.columns(NEEDED))
    slug("")  # fails at once if python-slugify is missing
    rejected = Rejected(folder / f"rejected_{name}.csv", verbose)
    progress = Progress("extract", table.size, hidden)
    seen: set[int] = set()
    read = used = 0
    with ExitStack() as stack:
        tables: dict[str, GrowingTable] = {}
        for entry in work.entries:
            if entry.extractor not in tables:
                path = folder / f"{entry.extractor}_{name}.csv"
                always = ALWAYS.get(entry.extractor, ())
                tables[entry.extractor] = stack.enter_context(growing_table(path, COLUMNS, always))
        for answered in in_order(work, _batches(table.records()), processes):
            for one in answered:
                used += _add(one, work.entries, tables, rejected, seen)
            if answered:
                read = answered[-1].record.line
                progress(answered[-1].record.offset, read - table.line + 1)
        rejected.write()
        if not used:
            raise _nothing(export, config_file, rejected)
        made = [growing.finish() for growing in tables.values()]
    progress.done(used, "classifications")
    return Extraction(made, used, rejected)


def _add(
    answered: Answered, planned: Sequence[Entry], tables: dict[str, GrowingTable], rejected: Rejected, seen: set[int]
) -> bool:
    """Add a classification to the tables, unless it is a duplicate; returns whether any of it could be used."""
    line, reason = answered.record.line, answered.reason
    if not reason:
        number = int(answered.identity)
        if number in seen:
            reason = "its classification_id is a duplicate"
        seen.add(number)
    if reason:
        rejected.add(line, answered.identity, "", "", reason)
        return False
    identity, user, user_id, workflow, created, subject = answered.given
    for place, why in answered.failed:
        rejected.add(line, identity, planned[place].task, planned[place].extractor, why)
    for place, extracts in answered.extracts:
        entry = planned[place]
        given = (identity, user, user_id, workflow, entry.task, created, subject, entry.extractor)
        for data in extracts:
            tables[entry.extractor].add(given, data)
    return bool(answered.extracts)


def _batches(records: Iterator[Record]) -> Iterator[list[Record]]:
    while batch := list(islice(records, BATCH)):
        yield batch


def _nothing(export: str | Path, config_file: str | Path, rejected: Rejected) -> NothingUsedError:
    if rejected.rows:
        told = f"no row of {export} can be used. {most_frequent(rejected.rows)}"
        return NothingUsedError(f"{told}. See {rejected.path}", told)
    return NothingUsedError(f"{export} has no classification of the workflow and version in {config_file}")
