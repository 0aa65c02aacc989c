"""What no model of a single key can tell: what keys ask of each other, of the disk, and of an address."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import get_args
from urllib.parse import urlsplit

from ifcb_abundance.bins.ids import parse_bin_id
from ifcb_abundance.bins.window import Bound
from ifcb_abundance.common.errors import ConfigError
from ifcb_abundance.config.faults import accepted, refusal, short, told
from ifcb_abundance.config.model import FROM_SCORES, WORKFLOW, Config, Export, Source
from ifcb_abundance.config.stages import stores

NOT_OF_KIND = {"dashboard": "raw", "bucket": "walk"}  # ways to list bins that a kind of source does not have
# A host of ASCII names or numbers, a port, a path.
_ADDRESS = re.compile(
    r"https?://([A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?(/[!-~]*)?"
)


def faults(config: Config) -> Iterator[str]:
    """All faults of a config whose keys are right one by one."""
    checks = (_window, _compare, _source, _dataset, _bins, _volumes, _files, _rules, _exports, _shard)
    for check in (*checks, _curation, _volume_files, _validation):
        yield from check(config)
    yield from stores.faults(config.arrays, config.graphs)


def why_no_source(config: Config) -> str:
    """Why there are no bins to read, as a message, if the config is for stages that read none; else empty."""
    targets = config.targets_without_bins
    if not (targets and (made_up := _made_up(config))):
        return ""
    return str(refusal(f"{made_up}. Without a source there are these targets: {', '.join(targets)}"))


def _window(config: Config) -> Iterator[str]:
    bounds: dict[str, Bound] = {}
    for side, text in (("start", config.select.start), ("end", config.select.end)):
        try:
            if text is not None:
                bounds[side] = Bound.parse(text)
        except ValueError as error:
            yield f"select.{side}: {error}. Accepted: a UTC day YYYY-MM-DD or a bin id"
    if len(bounds) == 2:
        start, end = bounds["start"], bounds["end"]
        # Of a bin only the catalog knows the sample_time, and so whether it is before the other end.
        if not (start.bin or end.bin) and start.day > end.day:
            yield f"select.start: {start} is after select.end: {end}. Accepted: a start not after the end"


def _compare(config: Config) -> Iterator[str]:
    if len(config.compare) not in (0, 2):
        yield told("compare", config.compare, accepted("compare"))


def _source(config: Config) -> Iterator[str]:
    source = config.source
    checks: tuple[tuple[str, str | None, Callable[[str], object]], ...] = (
        ("url", source.url, _check_address),
        ("endpoint_url", source.endpoint_url, _check_address),
        ("path", source.path, PATHS.get(source.kind, str)),
    )
    for key, value, check in checks:
        try:
            check(value or "")
        except (ValueError, OSError) as error:
            reason = short(getattr(error, "strerror", None) or str(error))
            yield f"source.{key}: {short(repr(value))} cannot be used: {reason}. Accepted: {accepted(f'source.{key}')}"
    if source.catalog == NOT_OF_KIND.get(source.kind):
        options = get_args(Source.model_fields["catalog"].annotation)
        others = " or ".join(name for name in options if name != source.catalog)
        yield f"source.catalog: {source.catalog!r} while source.kind is {source.kind!r}. Accepted: {others}"


def _dataset(config: Config) -> Iterator[str]:
    source = config.source
    if source.kind == "dashboard" and not re.fullmatch("[-A-Za-z0-9_]+", config.dataset):
        yield (
            f"dataset: {config.dataset!r} cannot be used with source.kind: dashboard, whose addresses have no other "
            "characters in names of datasets than letters, digits, '-' and '_'. Accepted: a name that "
            "/api/list_datasets of the dashboard gives"
        )
    if source.url and source.kind == "directory" and source.path == Source().path:
        yield (
            f"source.kind: 'directory' while source.url is {source.url} and source.path the demo's. "
            "Accepted: kind: dashboard for that url, or the path of an archive of yours"
        )
    elif (made_up := _made_up(config)) and not config.targets_without_bins:
        yield (
            f"{made_up}. Stages that read no bin need a section of theirs instead: curation.folder, stores, arrays, "
            "graphs, volumes.folder or samples.list"
        )


def _made_up(config: Config) -> str:
    """What is wrong if the source is the demo's, whose bins are made up and go by no other name; else empty."""
    source, demo = config.source, Source().path or ""
    if config.dataset == Config.model_fields["dataset"].default or source.kind != "directory":
        return ""
    try:
        path = Path(source.path or "").resolve()
    except (OSError, ValueError, RuntimeError):  # what no path can be is told already
        return ""
    demos = [Path(demo).resolve(), WORKFLOW / demo]
    # Raw files are looked for in all that lies below.
    if not any(path.is_relative_to(each) or (source.catalog == "raw" and each.is_relative_to(path)) for each in demos):
        return ""
    return (
        f"source.path: {short(repr(source.path))} is the demo's, whose bins are made up, but dataset is "
        f"{config.dataset!r}. Accepted: where the bins of that dataset are: the path of an archive of yours, or "
        "source.kind: dashboard or bucket"
    )


def _bins(config: Config) -> Iterator[str]:
    for key, named in (("select.exclude_bins", config.select.exclude_bins), ("images.bins", config.images.bins)):
        for bin_id in named:
            try:
                parse_bin_id(bin_id)
            except ValueError as error:
                yield f"{key}: {error}. Accepted: {accepted(key)}"


def _volumes(config: Config) -> Iterator[str]:
    volume = config.select.ml_analyzed
    if volume.above >= volume.at_most:
        yield (
            f"select.ml_analyzed.above: {volume.above} is not below select.ml_analyzed.at_most: "
            f"{volume.at_most}. Accepted: two volumes in mL, the first smaller"
        )


def _files(config: Config) -> Iterator[str]:
    """The files that the config names are read here, so that a run ends before it has asked for anything."""
    for section, key in (("classify", "class_thresholds"), ("classify", "class_table"), ("source", "deployments")):
        try:
            getattr(config, key)
        except ConfigError as error:
            yield f"{section}.{key}: {short(str(error))}. Accepted: {accepted(f'{section}.{key}')}"


def _rules(config: Config) -> Iterator[str]:
    """What rules other than the default, and thresholds of the classifier, cannot be combined with."""
    classify, kind = config.classify, config.source.kind
    if classify.class_thresholds == FROM_SCORES and kind == "dashboard":
        yield (
            "classify.class_thresholds: from_scores: a dashboard serves no thresholds. Accepted with it: null, or the "
            "path of a CSV file class,threshold"
        )
    if config.validation.make and (classify.rule != "winner" or classify.class_thresholds == FROM_SCORES):
        yield (
            "validation.make: true needs classify.rule: winner and no from_scores: it is about the winner of each ROI. "
            "Accepted with these: false"
        )


def refuse_export(config: Config, form: str) -> None:
    """Raise ConfigError if a file for a repository cannot be made. It may be asked for without export.formats."""
    if why := list(_exports(config, [form])):
        raise refusal(*why)


def _exports(config: Config, formats: Sequence[str] = ()) -> Iterator[str]:
    """What the formats, those of the config if none are given, need of other keys."""
    formats = formats or config.export.formats
    if formats and config.classify.rule != "winner":
        yield (
            f"classify.rule: {config.classify.rule!r} cannot be exported: files for repositories say that the highest "
            "score wins. Accepted with export.formats: winner"
        )
    for key in dict.fromkeys(key for name in formats for key in Export.NEEDS[name]):
        value: object = config.export
        for part in key.split("."):
            value = getattr(value, part)
        if not value:
            needing = ", ".join(name for name in formats if key in Export.NEEDS[name])
            yield (
                f"export.{key}: not set, but needed by {needing} in export.formats. "
                f"Accepted: {accepted(f'export.{key}')}"
            )
    if "darwin_core" in formats and config.classify.class_table is None:
        yield (
            "classify.class_table: null (not set), but darwin_core in export.formats needs the names of the taxa. "
            f"Accepted: {accepted('classify.class_table')}"
        )
    if "seabass" in formats:
        yield from _names_in_ascii(config.export)


def _names_in_ascii(export: Export) -> Iterator[str]:
    """Names of which nothing is left in SeaBASS, whose files are in ASCII."""
    for key, text in (("creator.name", export.creator.name), ("institution", export.institution)):
        if text and not re.search("[A-Za-z]", unicodedata.normalize("NFKD", text)):
            yield (
                f"export.{key}: {short(repr(text))} has no Latin letter, but a file of seabass in export.formats is in "
                "ASCII. Accepted with seabass: the name in Latin letters"
            )


def _shard(config: Config) -> Iterator[str]:
    if config.shard is None or any(_window(config)):
        return
    ends = {"start": config.select.start, "end": config.select.end}
    if others := {side: text for side, text in ends.items() if text is None or Bound.parse(text).bin}:
        for side, text in others.items():
            shown = "null (not set)" if text is None else text
            yield f"select.{side}: {shown}, but shard: {config.shard} needs a UTC day. Accepted: a UTC day YYYY-MM-DD"
        return
    try:
        config.window.shards()
    except ValueError as error:
        yield f"shard: {config.shard} cannot be used: {error}. Accepted: {accepted('shard')}"


def _curation(config: Config) -> Iterator[str]:
    """What the sections of curated images ask of the disk and of each other."""
    curation, training_set = config.curation, config.training_set
    if curation.folder is not None and not Path(curation.folder).is_dir():
        yield _not_there("curation.folder", curation.folder, "folder")
    files = {
        "curation.filter.labels": curation.filter.labels,
        "curation.filter.weights": curation.filter.weights,
        "training_set.labels": training_set.labels,
    }
    yield from (_not_there(key, path, "file") for key, path in files.items() if path and not Path(path).is_file())
    if curation.filter.model == "resnet34" and curation.filter.weights is None:
        yield (
            "curation.filter.weights: null (not set), but needed by curation.filter.model: resnet34. "
            f"Accepted: {accepted('curation.filter.weights')}"
        )
    fractions = training_set.fractions
    total = fractions.train + fractions.val + fractions.test
    if abs(total - 1) > 1e-6:
        yield f"training_set.fractions: they add up to {total:g}. Accepted: train, val and test that add up to 1"


def _volume_files(config: Config) -> Iterator[str]:
    """What the sections of volumes ask of the disk."""
    volumes = config.volumes
    for folder in volumes.folder or ():
        if not Path(folder).is_dir():
            yield _not_there("volumes.folder", folder, "folder")
    files = {
        "volumes.filter.labels": volumes.filter.labels,
        "volumes.filter.weights": volumes.filter.weights,
        "volumes.flipbooks.of": None if volumes.flipbooks.of == "kept" else volumes.flipbooks.of,
        "samples.list": config.samples.datasets,
    }
    yield from (_not_there(key, path, "file") for key, path in files.items() if path and not Path(path).is_file())
    if volumes.filter.model == "resnet34" and volumes.filter.weights is None:
        yield (
            "volumes.filter.weights: null (not set), but needed by volumes.filter.model: resnet34. "
            f"Accepted: {accepted('volumes.filter.weights')}"
        )


def _validation(config: Config) -> Iterator[str]:
    """What labels of Zooniverse need. Whether files with labels are there is asked when they are used."""
    if config.validation.score_bands != sorted(config.validation.score_bands):
        yield told("validation.score_bands", config.validation.score_bands, accepted("validation.score_bands"))
    given = config.validation.zooniverse
    needed = ("workflows", "classifications", "workflow_id", "task")
    missing = [name for name in needed if getattr(given, name) is None]
    if missing and (len(missing) < len(needed) or given.version is not None):
        for name in missing:
            key = f"validation.zooniverse.{name}"
            yield f"{key}: null (not set), but needed by the other keys beside it. Accepted: {accepted(key)}"


def _not_there(key: str, path: str, kind: str) -> str:
    return f"{key}: {short(repr(path))} cannot be used: there is no such {kind}. Accepted: {accepted(key)}"


def _check_address(url: str) -> None:
    if url and not _ADDRESS.fullmatch(url):
        raise ValueError("not a host, a port and a path in ASCII")
    if len(urlsplit(url).hostname or "") > 253 or urlsplit(url).port == 0:  # raises ValueError above 65535
        raise ValueError("there is no such host or port")


def _check_path(path: str) -> None:
    if path.startswith("s3://"):
        raise ValueError("a bucket is no directory: source.kind has to be bucket")
    if re.search(r"[{}\0]", path):  # to the workflow braces are wildcards
        raise ValueError("it has braces or a null character")
    Path(path).exists()  # raises OSError where it could not even be looked for


def _check_bucket(path: str) -> None:
    bucket, _, prefix = path.removeprefix("s3://").partition("/")
    if not path.startswith("s3://") or not re.fullmatch("[A-Za-z0-9][A-Za-z0-9._-]{2,254}", bucket):
        raise ValueError("it does not begin with s3:// and the name of a bucket")
    if not prefix.isprintable() or len(prefix.encode("utf-8", "replace")) > 900:  # keys have up to 1024 bytes
        raise ValueError("no file can have such a name")


PATHS: dict[str, Callable[[str], object]] = {"directory": _check_path, "bucket": _check_bucket}
