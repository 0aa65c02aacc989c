"""The answers of the dashboard, in the dialects of its versions, without sockets or faults."""

import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import numpy as np

from .archive import FEATURES_SUFFIX, RAW_SUFFIXES, SCORES_SUFFIX, Archive, Bin, ScoreDirectory, utc
from .packed_scores import read_packed

VERSIONS = ("5.0", "5.1", "5.2")
HTML = "text/html; charset=utf-8"
RAW_TYPES = dict(zip(RAW_SUFFIXES, ("text/plain", "text/csv", "application/octet-stream"), strict=True))
UNKNOWN_POSITION = -9999999

Query = Mapping[str, str]
Cell = str | int | float
ScoreBody = Callable[[str], bytes | None]


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; a streamed one is sent chunked, without a Content-Length."""

    status: int = 200
    body: bytes = b""
    content_type: str = HTML
    headers: Mapping[str, str] = field(default_factory=dict)
    streamed: bool = False


class RefusedError(Exception):
    """The server has only an HTML error page for this request."""

    def __init__(self, status: int) -> None:
        self.status = status


def html_page(text: str) -> bytes:
    """A short page in the manner of the server's own, which are ten times as long."""
    head, body = f"<head><title>{text}</title></head>", f"<body><h1>{text}</h1></body>"
    return f"<!DOCTYPE html>\n<html>\n{head}\n{body}\n</html>\n".encode()


def error_page(status: int) -> Answer:
    """The HTML body of an error: Django's, but for a 500, which comes from the worker that died of it."""
    text = {403: "403 Forbidden", 404: "404 Not Found", 500: "Internal Server Error"}.get(status, str(status))
    return Answer(status, html_page(text), "text/html" if status == 500 else HTML)


class Answers:
    """The pages of one server: archives by dataset's name, a version, and how its scores are stored.

    `score_dtype` names the numpy type that the classifier stored; `score_body`, where given, stands for the
    score files: called with a bin's id it returns the CSV to serve, None for a bin without scores.
    `score_directories`: class scores beside those of the archives. `renamed`: old to new name of a dataset; files of
    its bins are still served under the old one.
    """

    def __init__(
        self,
        folders: Mapping[str, Path],
        version: str,
        score_dtype: str = "float16",
        score_body: ScoreBody | None = None,
        score_directories: Sequence[ScoreDirectory] = (),
        renamed: Mapping[str, str] | None = None,
    ) -> None:
        if version not in VERSIONS:
            raise ValueError(f"version {version!r}: expected one of {', '.join(VERSIONS)}")
        self._version = version
        self._score_dtype = np.dtype(score_dtype)
        self._score_body = score_body
        self._archives = {name: Archive(Path(folder)) for name, folder in folders.items()}
        self._renamed = dict(renamed or {})
        own = [(ScoreDirectory(name, Path(folders[name])), held.score_files) for name, held in self._archives.items()]
        further = [(directory, directory.files()) for directory in score_directories]
        # Dataset by dataset, in the order in which they were made.
        self._scores = sorted(own + further, key=lambda held: list(folders).index(held[0].dataset))
        self._cache: dict[tuple[str, tuple[tuple[str, str], ...]], Answer] = {}
        self._pages: tuple[tuple[str, Callable[..., Answer]], ...] = (
            (r"/api/export_metadata/(?P<dataset>[^/]*)", self._export_metadata),
            (rf"/(?P<dataset>[^/]+)/(?P<pid>[^/]+){re.escape(SCORES_SUFFIX)}", self._class_scores),
            (rf"/(?P<dataset>[^/]+)/(?P<pid>[^/]+){re.escape(FEATURES_SUFFIX)}", self._features),
            (rf"/(?P<dataset>[^/]+)/(?P<name>[^/]+(?:{'|'.join(map(re.escape, RAW_SUFFIXES))}))", self._raw_file),
            (r"/api/bin/(?P<pid>[^/]+)", self._bin),
            (r"/api/closest_bin", self._closest_bin),
            (r"/api/most_recent_bin", self._most_recent_bin),
            (r"/api/has_products/(?P<pid>[^/]+)", self._has_products),
            (r"/api/list_bins", self._list_bins),
            (r"/api/list_datasets", self._list_datasets),
            (r"/api/filter_options", self._filter_options),
            (r"/api/timeline_info", self._timeline_info),
            (r"/(?:datasets|timeline)", lambda _query: Answer(body=html_page("IFCB dashboard"))),
            (r"/api/export_metadata", lambda _query: _redirect("/api/export_metadata/", 301)),
            (r"/", lambda _query: _redirect("/datasets")),
            # Any other single word is taken for a dataset's name: a mistyped address is not an error.
            (r"/(?P<word>[^/]+)", lambda _query, word: _redirect(f"/timeline?dataset={quote(word)}")),
        )

    def answer(self, method: str, path: str, query: Query) -> Answer:
        """The right answer to a request; rendered once, then remembered."""
        if method not in ("GET", "HEAD"):
            return error_page(403)  # no CSRF token
        key = (path, tuple(sorted(query.items())))
        if key in self._cache:
            return self._cache[key]
        answer = self._render(path, query)
        # Bodies that a caller makes are its own to keep: a thousand of 2 MB would not fit here.
        if self._score_body is None or not path.endswith(SCORES_SUFFIX):
            self._cache[key] = answer
        return answer

    def _render(self, path: str, query: Query) -> Answer:
        for pattern, page in self._pages:
            if match := re.fullmatch(pattern, path):
                try:
                    return page(query, **match.groupdict())
                except RefusedError as refused:
                    return error_page(refused.status)
        return error_page(404)

    # -- the two that carry the data ---------------------------------------------------------------------

    def _export_metadata(self, query: Query, dataset: str) -> Answer:
        bins = self._bins_of(dataset)
        # The tags of the answer are only those asked for: with several, the last one.
        wanted_tags = [tag for tag in query.get("tags", "").split(",") if tag]
        bins = [b for b in _select(bins, query) if set(wanted_tags) <= set(b.tags)]
        if not bins:
            raise RefusedError(404)
        tags_of = {b.pid: wanted_tags[-1:] or sorted(b.tags) for b in bins}
        n_tags = max(map(len, tags_of.values()))
        # pandas turns a column of integers into floats as soon as one row has none.
        ifcb: type = int if all(b.ifcb is not None for b in bins) else float
        niskin: type = int if all(b.niskin is not None for b in bins) else float

        names = ["dataset"] if dataset else []
        names += ["pid", "sample_time", "ifcb", "ml_analyzed", "latitude", "longitude", "depth"]
        names += [
            "cruise",
            "cast",
            "niskin",
            "sample_type",
            "n_images",
            *(f"tag{i + 1}" for i in range(n_tags)),
        ]
        names += ["comment_summary", "trigger_selection", "skip"]
        empty_columns = ["add_dataset", "remove_dataset", "add_tag", "remove_tag"] if self._version == "5.2" else []
        rows: list[list[Cell]] = []
        for b in bins:
            row: list[Cell] = [dataset] if dataset else []
            row += [b.pid, str(b.sample_time), "" if b.ifcb is None else ifcb(b.ifcb)]
            row += ["" if x is None else x for x in (b.ml_analyzed, b.latitude, b.longitude, b.depth)]
            row += [b.cruise, b.cast, "" if b.niskin is None else niskin(b.niskin), b.sample_type, b.n_images]
            row += [*tags_of[b.pid], *[""] * (n_tags - len(tags_of[b.pid])), b.comment_summary]
            row += ["" if b.trigger_selection is None else b.trigger_selection, int(b.skip)]
            rows.append(row + [""] * len(empty_columns))
        body = self._csv([*names, *empty_columns], rows)
        return _attachment(f"{dataset or 'ifcb-metadata'}.csv", body)

    def _class_scores(self, query: Query, dataset: str, pid: str) -> Answer:
        homes = self._files_of(dataset, pid)
        version = query.get("v")
        try:
            of_version = None if version is None else int(version)
        except ValueError as error:
            raise RefusedError(404) from error
        if self._score_body is not None and of_version in (None, 3):
            body = self._score_body(pid)
        else:
            path = self._score_file(homes, pid, of_version, query.get("model") if self._version == "5.2" else None)
            body = None if path is None else self._scores_csv(path, pid)
        if body is None:
            raise RefusedError(404)
        return _attachment(f"{pid}.csv" if self._version == "5.2" else f"{pid}_class_v{of_version}.csv", body)

    def _score_file(self, homes: Sequence[str], pid: str, version: int | None, model: str | None) -> Path | None:
        """The first file that is found: which dataset was asked for does not matter, nor does its classifier."""
        held = [
            (directory, files[pid])
            for directory, files in self._scores
            if directory.dataset in homes and pid in files and version in (None, directory.version)
        ]
        if model is not None:
            held = [(directory, path) for directory, path in held if directory.model == model]
        elif self._version == "5.2":
            held.sort(key=lambda found: not found[0].default)
        return held[0][1] if held else None

    def _files_of(self, dataset: str, pid: str) -> list[str]:
        """All datasets of a bin, if that of the address, perhaps by its old name, is one: files come from any."""
        homes = self._homes(pid)
        if self._renamed.get(dataset, dataset) not in homes:
            raise RefusedError(404)
        return homes

    def _raw_file(self, _query: Query, dataset: str, name: str) -> Answer:
        """A file as it is on disk, sent with its length; `data` stands for whichever dataset has the bin."""
        pid = Path(name).stem
        homes = self._homes(pid) if dataset == "data" else self._files_of(dataset, pid)
        found = (self._archives[home].raw_files.get(name) for home in homes)
        path = next((path for path in found if path is not None), None)
        if path is None:
            raise RefusedError(404)
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Answer(200, path.read_bytes(), RAW_TYPES[path.suffix], headers)

    def _scores_csv(self, path: Path, pid: str) -> bytes:
        try:
            if path.suffix == ".csv":
                with path.open(newline="", encoding="utf-8") as file:
                    header, *rows = (row for row in csv.reader(file) if row)
                scores = np.array([[float(text or "nan") for text in row[1:]] for row in rows], dtype=self._score_dtype)
                scores = scores.reshape(len(rows), len(header) - 1)
            else:
                labels, ids, scores = read_packed(path, pid)
                header, rows = ["pid", *labels], [[roi] for roi in ids]
        except (ValueError, OSError) as error:  # empty, no text, no numbers, rows of unlike length; or see read_packed
            raise RefusedError(500) from error
        # 5.2 writes the stored number widened to 64 bit, the others the shortest text that gives it back.
        show: Callable[[np.floating], Cell] = float if self._version == "5.2" else str
        # A half-precision number has few values: writing each of them once is what makes this fast.
        values, where = np.unique(scores, return_inverse=True)
        texts = np.array(["" if np.isnan(v) else show(v) for v in values], dtype=object)
        cells = texts[where].reshape(scores.shape).tolist() if len(rows) else []
        return self._csv(header, ([row[0], *line] for row, line in zip(rows, cells, strict=True)))

    def _features(self, _query: Query, dataset: str, pid: str) -> Answer:
        # The file goes out as it is, by its own name, of version 4; `data` stands for any dataset.
        homes = self._homes(pid) if dataset == "data" else self._files_of(dataset, pid)
        found = (self._archives[home].features_files.get(pid) for home in homes)
        path = next((path for path in found if path is not None), None)
        if path is None:
            raise RefusedError(404)
        disposition = f'attachment; filename="{pid}_features_v4.csv"'
        return Answer(200, path.read_bytes(), "text/csv", {"Content-Disposition": disposition})

    def _csv(self, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
        out = io.StringIO()
        if self._version == "5.2":
            writer = csv.writer(out, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
        else:
            writer = csv.writer(out, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
        return out.getvalue().encode()

    # -- one bin -----------------------------------------------------------------------------------------

    def _bin(self, query: Query, pid: str) -> Answer:
        homes = self._homes(pid)
        # A bin need not be in the dataset: it is then shown between the neighbours that it would have there.
        dataset = query.get("dataset") or homes[0]
        if dataset not in self._archives:
            raise RefusedError(404)
        # Without a position or a depth of its own it has those of its first dataset, whichever was asked for.
        b = self._archives[homes[0]].bins[pid]
        if b.ifcb is None:
            raise RefusedError(500)
        timeline = self._archives[dataset].timeline(_instrument(query))
        previous_bin_id, next_bin_id = timeline.neighbours(b)
        located = b.latitude is not None and b.longitude is not None
        lat, lng = (b.latitude, b.longitude) if located else (UNKNOWN_POSITION, UNKNOWN_POSITION)
        ml = math.nan if b.ml_analyzed is None else b.ml_analyzed
        page: dict[str, object] = {
            "scale": 0.33,
            "shape": [600, 800],
            "previous_bin_id": previous_bin_id,
            "next_bin_id": next_bin_id,
            "lat": lat,
            "lng": lng,
            "lat_rounded": str(lat),
            "lng_rounded": str(lng),
            "depth": 0 if b.depth is None else b.depth,
            "pages": [0, 1],
            "num_pages": 1,
            "tags": list(b.tags),
            "coordinates": [],
            "has_blobs": False,
            "has_features": False,
            "has_class_scores": False,
            "timestamp_iso": b.sample_time.isoformat(),
            "instrument": f"IFCB{b.ifcb}",
            "num_triggers": b.n_images,
            "num_images": b.n_images,
            "trigger_freq": math.nan if math.isnan(ml) else 0.0,
            "ml_analyzed": f"{round(ml, 3)} ml",
            "size": 0,
            "datasets": homes,
            "primary_dataset": dataset,
            "comments": [[None, b.comment_summary, None, 1, None]] if b.comment_summary else [],
            "concentration": round(b.n_images / ml, 3) if ml > 0 else ml,
            "skip": b.skip,
            "sample_type": b.sample_type,
            "cruise": b.cruise,
            "cast": b.cast,
            "niskin": b.niskin,
        }
        if self._version == "5.2":
            del page["has_class_scores"]
            page |= {"modified": None, "accessioned": None}
        return _json(page)

    def _has_products(self, _query: Query, pid: str) -> Answer:
        homes = self._homes(pid)
        # Only whether a file is there: an unreadable one counts.
        held = [(d, files[pid]) for d, files in self._scores if d.dataset in homes and pid in files]
        page: dict[str, object] = {"has_blobs": False, "has_features": False}
        if self._version == "5.2":
            page["class_scores"] = [{"path": str(path), "model": d.model} for d, path in held[:1]]
        else:
            page["has_class_scores"] = bool(held)
        return _json(page)

    def _closest_bin(self, _query: Query) -> Answer:
        # It reads its parameters from a POST body only, and a POST needs a token: a GET is answered for "now"
        # and all datasets, whatever it asks.
        now = datetime.now(UTC)
        bins = [b for b in self._bins_of("") if not b.skip]
        closest = min(bins, key=lambda b: abs(b.sample_time - now), default=None)
        return _json({"bin_id": closest.pid if closest else None})

    def _most_recent_bin(self, query: Query) -> Answer:
        # The newest by the time in the id, skipped or not; what its sample_time is does not matter.
        now = datetime.now(UTC)
        bins = [b for b in self._bins_of(query.get("dataset", "")) if b.id_time <= now]
        if not bins:
            raise RefusedError(404)
        last = max(bins, key=lambda b: (b.id_time, b.pid))
        since = int((now - last.id_time).total_seconds())
        time = f"{last.id_time:%Y-%m-%dT%H:%M:%SZ}"
        return _json({"pid": last.pid, "timestamp": time, "time_since": since, "temperature": None, "humidity": None})

    # -- lists -------------------------------------------------------------------------------------------

    def _list_bins(self, query: Query) -> Answer:
        if self._version != "5.0":
            raise RefusedError(404)
        bins = sorted(self._bins_of(query.get("dataset", "")), key=lambda b: (b.sample_time, b.pid))
        rows = [{"pid": b.pid, "sample_time": f"{b.sample_time:%Y-%m-%dT%H:%M:%SZ}", "skip": b.skip} for b in bins]
        return _json({"data": rows})

    def _list_datasets(self, _query: Query) -> Answer:
        return _json({"datasets": sorted(self._archives)})

    def _filter_options(self, query: Query) -> Answer:
        dataset = query.get("dataset", "")
        if dataset and dataset not in self._archives:
            raise RefusedError(500)
        bins = self._bins_of(dataset)
        return _json(
            {
                "instrument_options": sorted({b.ifcb for b in bins if b.ifcb is not None}),
                "dataset_options": sorted(self._archives),
                "tag_options": sorted({tag for b in bins for tag in b.tags}),
                "cruise_options": sorted({b.cruise for b in bins} - {""}),
                "sample_type_options": sorted({b.sample_type for b in bins} - {""}),
            }
        )

    def _timeline_info(self, query: Query) -> Answer:
        dataset = query.get("dataset", "")
        known = not dataset or dataset in self._archives
        bins = [b for b in self._bins_of(dataset) if not b.skip] if known else []
        total = sum(b.n_images for b in bins) if bins else None
        return _json({"n_bins": len(bins), "total_data_volume": 0 if bins else None, "n_images": total})

    # -- which bins --------------------------------------------------------------------------------------

    def _bins_of(self, dataset: str) -> list[Bin]:
        """A dataset's bins by id; those of all datasets for "", a shared one as the first dataset has it."""
        if dataset:
            if dataset not in self._archives:
                raise RefusedError(404)
            return list(self._archives[dataset].bins.values())
        union: dict[str, Bin] = {}
        for archive in self._archives.values():
            union = archive.bins | union
        return sorted(union.values(), key=lambda b: b.pid)

    def _homes(self, pid: str) -> list[str]:
        homes = [name for name, archive in self._archives.items() if pid in archive.bins]
        if not homes:
            raise RefusedError(404)
        return homes


def _select(bins: Iterable[Bin], query: Query) -> list[Bin]:
    """The filters of the export, but for tags. A date or an instrument it cannot read is its end: 500."""
    try:
        start = utc(query["start_date"]) if query.get("start_date") else None
        # Meant for days, and so midnight of the day after is in; applied to times as well.
        end = utc(query["end_date"]) + timedelta(hours=24) if query.get("end_date") else None
    except ValueError as error:
        raise RefusedError(500) from error
    instrument = _instrument(query)
    cruise = query.get("cruise", "").lower()
    sample_type = query.get("sample_type", "").lower()
    with_skipped = query.get("include_skip", "true").lower() != "false"
    return [
        b
        for b in bins
        if (start is None or b.sample_time >= start)
        and (end is None or b.sample_time <= end)
        and (instrument is None or b.ifcb == instrument)
        and (not cruise or b.cruise.lower() == cruise)
        and (not sample_type or b.sample_type.lower() == sample_type)
        and (with_skipped or not b.skip)
    ]


def _instrument(query: Query) -> int | None:
    text = query.get("instrument", "")
    try:
        return int(text.upper().removeprefix("IFCB")) if text else None
    except ValueError as error:
        raise RefusedError(500) from error


def _attachment(name: str, body: bytes) -> Answer:
    return Answer(200, body, "text/csv", {"Content-Disposition": f"attachment; filename={name}"}, streamed=True)


def _json(page: object) -> Answer:
    # NaN goes out bare, which is not JSON; the dashboard does so, too.
    return Answer(200, json.dumps(page).encode(), "application/json")


def _redirect(location: str, status: int = 302) -> Answer:
    return Answer(status, headers={"Location": location})
