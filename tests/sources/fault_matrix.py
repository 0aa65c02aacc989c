"""The fault matrix: what can go wrong with a request, and what a run has to make of it.

MATRIX says it here, fault_runs.py makes the runs, test_faults.py compares the two, and fault_page.py tells it to
users, in the words that the runs print.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tests.archives import bin_row
from tests.dashboard.faults import Fault

STAYING_RETRIES = 1  # with faults that stay: two tries are as good as six
BIN_ID = r"D\d{8}T\d{6}_IFCB\d+"
Flaw = Callable[[str, int | None], Fault]  # target's expression and how often, to the fault itself


@dataclass(frozen=True)
class Case:
    """A row of the matrix.

    at: the request that is struck, `catalog`, `walk` or `scores`. fault: what goes wrong, in words. outcome:
    `retried`, `refused`, `no_scores` or `accepted`. says: an expression that each message about it has to match, in
    which {bin} is the bin; without one there may be no message. flaw: how to make the fault, or door: what stands in
    the server's place, `closed` or `deaf`, or how its address is wrong, `no host` or `tls`. runs: which of a Bench's
    runs it is part of; `alone`: one of its own; `away`: one of its own, of a list that is there; `gone`: likewise, of a
    server that goes after it has given the list. dataset: the one that is asked for.

    tries: how many requests for the same thing reach the server. stays: all of them meet the fault, else all but the
    last. wait: the least seconds between two of them. bin, month: what is struck. status: of the bin in the ledger,
    None if it is not there.
    """

    at: str
    fault: str
    outcome: str
    says: str = ""
    flaw: Flaw | None = None
    door: str = ""
    runs: str = "passing"
    tries: int = 1
    stays: bool = False
    wait: float = 0.0
    bin: str = ""
    month: str = ""
    status: str | None = "used"
    dataset: str = "demo"

    @property
    def name(self) -> str:
        return f"{self.at}: {self.fault}"

    @property
    def target(self) -> str:
        """An expression for the target of the requests that it strikes."""
        bin_id, month = self.bin or BIN_ID, self.month or r"\d{4}-\d\d"
        match self.at:
            case "catalog":
                return rf"/api/export_metadata/{self.dataset}\?start_date={month}-01&end_date={month}-\d\d"
            case "walk":
                return rf"/api/bin/{bin_id}\?dataset=demo"
            case _:
                return rf"/demo/{bin_id}_class_scores\.csv"

    @property
    def slow(self) -> bool:
        """Whether it makes a run wait."""
        return self.wait > 0 or "time-out" in self.fault

    def make(self) -> list[Fault]:
        """The fault, fresh, since the server counts how often each one struck."""
        times = None if self.stays or self.outcome == "accepted" else self.tries - 1
        return [self.flaw(self.target, times)] if self.flaw else []


# --- what there is: two bins a month, and some odd ones in the last month ---


def month(number: int) -> str:
    return f"{2022 + number // 12}-{number % 12 + 1:02}"


def ordinary_bin(number: int) -> str:
    hour, instrument = ((1, 10), (2, 125))[number % 2]
    return f"D{month(number // 2).replace('-', '')}10T{hour:02}0000_IFCB{instrument:03}"


CLASSES = ["Akashiwo", "detritus"]
ROIS = [[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]]


# --- the faults ---


def of(kind: str, **options: Any) -> Flaw:
    return lambda match, times: Fault(match, kind, times=times, **options)


def altered(function: Callable[[bytes], bytes]) -> Flaw:
    return of("transform", function=function)


def cells(change: Callable[[list[list[str]]], list[list[str]]]) -> Flaw:
    """The right CSV with other rows; the header is the first."""

    def function(body: bytes) -> bytes:
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows(change(list(csv.reader(io.StringIO(body.decode())))))
        return out.getvalue().encode()

    return altered(function)


def bins(change: Callable[[list[dict[str, str]]], list[dict[str, str]]]) -> Flaw:
    """The right list with other bins, each as column to cell."""

    def changed(rows: list[list[str]]) -> list[list[str]]:
        listed = change([dict(zip(rows[0], row, strict=True)) for row in rows[1:]])
        return [list(listed[0]), *(list(row.values()) for row in listed)]

    return cells(changed)


def keys(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Flaw:
    """The right JSON with other keys or values."""
    return altered(lambda body: json.dumps(change(json.loads(body))).encode())


def without(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


def last_score(value: str) -> Flaw:
    return cells(lambda rows: [*rows[:-1], [*rows[-1][:-1], value]])


NOT_FOUND = of("status", status=404)
CUT_IN_THE_LAST_LINE = altered(lambda body: body[:-3])
CUT_BEFORE_THE_LAST_LINE = altered(lambda body: b"".join(body.splitlines(keepends=True)[:-1]))
JSON = of("body", body=b'{"error": "no such thing"}\n', content_type="application/json")
ASKS_FOR_A_DAY = of("status", status=503, headers={"Retry-After": "86400"})
BUSY = {"429": "HTTP 429 Too Many Requests", "503": "HTTP 503 Service Unavailable"}

# What may pass: in words, what is said, how to make it, the seconds that it asks to wait.
TRANSIENT: tuple[tuple[str, str, Flaw, float], ...] = (
    ("connection reset", "reset by peer", of("reset"), 0),
    ("time-out before the answer", "timed out", of("stall", seconds=30), 0),
    ("time-out in mid-body", "timed out", of("stall_body", seconds=30), 0),
    ("chunked body that is cut", "IncompleteRead|ended prematurely", of("cut"), 0),
    ("body shorter than its Content-Length", "IncompleteRead|ended prematurely|Content-Length", of("cut_length"), 0),
    ("body that is cut, with neither length nor chunks", "truncated", of("cut_close"), 0),
    ("body cut within its last line that ends as HTTP has it", "truncated", CUT_IN_THE_LAST_LINE, 0),
    ("truncated gzip", "end-of-stream|compressed answer is truncated", of("gzip_cut"), 0),
    ("429, Retry-After in seconds", BUSY["429"], of("busy", status=429, after=1), 1),
    ("429, Retry-After as a date", BUSY["429"], of("busy", status=429, after=0.5, date=True), 0.5),
    ("503, Retry-After in seconds", BUSY["503"], of("busy", status=503, after=1), 1),
    ("503, Retry-After as a date", BUSY["503"], of("busy", status=503, after=0.5, date=True), 0.5),
    ("500", "HTTP 500 Internal Server Error", of("status", status=500), 0),
    ("502 with HTML", "HTTP 502 Bad Gateway", of("status", status=502), 0),
    ("504 with HTML", "HTTP 504 Gateway Time", of("status", status=504), 0),
    ("200 with HTML", "HTTP 200 with an HTML page", of("html"), 0),
    ("200, empty", "HTTP 200 with an empty answer", of("empty"), 0),
    ("wrong content type: the right data, as text/html", "HTML page", of("typed", content_type="text/html"), 0),
)
RIGHT_AS_TEXT = ("wrong content type: the right data, as text/plain", of("typed", content_type="text/plain"))

# Lists that are odd, and say the same: in words, how to make it.
SAME_LIST: tuple[tuple[str, Flaw], ...] = (
    RIGHT_AS_TEXT,
    ("duplicate rows", bins(lambda rows: [row for row in rows for _ in range(2)])),
    ("float instruments", bins(lambda rows: [row | {"ifcb": f"{row['ifcb']}.0"} for row in rows])),
    (
        "a bin in two months' answers",
        bins(lambda rows: [*rows, rows[0] | {name: bin_row(ordinary_bin(0))[name] for name in ("pid", "sample_time")}]),
    ),
)
MEASURED = ("ml_analyzed", "latitude", "longitude", "depth")
FILLED = bins(lambda rows: [row | {name: row[name] or "-9999999.0" for name in MEASURED} for row in rows])

MONTHS = [month(number) for number in range(len(TRANSIENT) + len(SAME_LIST) + 1)]
BINS = [ordinary_bin(number) for number in range(2 * len(MONTHS))]
NO_VOLUME, NO_SCORE, NO_ROI, LAST = (f"D{MONTHS[-1].replace('-', '')}20T{hour:02}0000_IFCB010" for hour in range(1, 5))
MIDNIGHT = f"D{MONTHS[1].replace('-', '')}01T000000_IFCB010"  # in the answers of two months

# Lists that are none: in words, what is said, how to make it.
NOT_A_LIST: tuple[tuple[str, str, Flaw], ...] = (
    ("302 to an HTML page", "HTTP 302, a redirect to /timeline.*check source.url", of("redirect")),
    ("404", "lists no bin of dataset 'demo'.*It has this dataset", NOT_FOUND),
    ("503, Retry-After of a day", "asks to wait .Retry-After: 86400", ASKS_FOR_A_DAY),
    ("wrong content type: JSON", "not a metadata export", JSON),
    (
        "missing columns",
        "no column ml_analyzed, skip",
        bins(lambda rows: [without(row, "ml_analyzed", "skip") for row in rows]),
    ),
    ("a row with fewer cells", "{bin}", cells(lambda rows: [*rows[:-1], rows[-1][:12]])),
    (
        "a time that is none",
        "bin {bin}: sample_time is 'noon'",
        bins(lambda rows: [*rows[:-1], rows[-1] | {"sample_time": "noon"}]),
    ),
    ("invalid UTF-8", "not in UTF-8", altered(lambda body: body.replace(b"_IFCB", b"_\xff", 1))),
)

# Answers about a bin that say nothing of use: in words, what is said, how to make it.
NOT_A_BIN: tuple[tuple[str, str, Flaw], ...] = (
    ("302 to an HTML page", "HTTP 302, a redirect to /timeline.*check source.url", of("redirect")),
    ("404 for a bin that its neighbour names", "bin {bin}: .*HTTP 404", NOT_FOUND),
    ("503, Retry-After of a day", "asks to wait .Retry-After: 86400", ASKS_FOR_A_DAY),
    ("wrong content type: JSON of something else", "bin {bin}: .*the answer has no", JSON),
    ("missing keys", "bin {bin}: .*has no ml_analyzed, skip", keys(lambda page: without(page, "ml_analyzed", "skip"))),
    ("a time that is none", "bin {bin}: .*timestamp_iso", keys(lambda page: page | {"timestamp_iso": None})),
    ("a volume that is none", "bin {bin}: .*ml_analyzed", keys(lambda page: page | {"ml_analyzed": "much"})),
    ("a neighbour that was met before", "came back to bin", keys(lambda page: page | {"previous_bin_id": LAST})),
    ("invalid UTF-8", "utf-8", altered(lambda body: body.replace(b'"cruise": "', b'"cruise": "\xff'))),
)

# Scores that are none, or not this bin's: in words, what is said, how to make it.
NOT_SCORES: tuple[tuple[str, str, Flaw], ...] = (
    ("302 to an HTML page", "HTTP 302, a redirect to /timeline.*check source.url", of("redirect")),
    ("503, Retry-After of a day", "asks to wait .Retry-After: 86400", ASKS_FOR_A_DAY),
    ("wrong content type: JSON", "not class scores: the header is", JSON),
    ("rows with a column less", "2 cells, not 3", cells(lambda rows: [rows[0], *(row[:-1] for row in rows[1:])])),
    ("no column of ids", "not class scores: the header is", cells(lambda rows: [row[1:] for row in rows])),
    ("no column of scores", "not class scores: the header is", cells(lambda rows: [row[:1] for row in rows])),
    (
        "duplicate labels",
        "labels that cannot be used: 'Akashiwo' is a duplicate",
        cells(lambda rows: [["pid", "Akashiwo", "Akashiwo"], *rows[1:]]),
    ),
    ("a label without text", "cannot be used: '' is empty", cells(lambda rows: [["pid", "Akashiwo", ""], *rows[1:]])),
    ("a cell that is no number", "'high' is not a number", last_score("high")),
    ("a score above 1", "outside 0 to 1.*detritus: 1.5", last_score("1.5")),
    ("a score below 0", "outside 0 to 1.*detritus: -0.1", last_score("-0.1")),
    ("an infinite score", "outside 0 to 1.*detritus: inf|invalid value 'inf'", last_score("inf")),
    ("ids of another bin", "which is not a ROI of this bin", altered(lambda body: body.replace(b"_IFCB", b"_IFCB9"))),
    ("a duplicate id", "a duplicate ROI", cells(lambda rows: [*rows, rows[-1]])),
    ("invalid UTF-8 in a label", "header .*utf-8", altered(lambda body: body.replace(b"Aka", b"Aka\xff"))),
    ("invalid UTF-8 in an id", "UTF8|utf-8", altered(lambda body: body.replace(b"_00003", b"_0000\xff"))),
    ("invalid UTF-8 in a score", "is not a number", altered(lambda body: body.replace(b",0.5", b",0.\xff", 1))),
)
CONNECT_TIMEOUT = "Connection to .* timed out"
DOORS = (("connection refused", "Connection refused", "closed"), ("time-out at connect", CONNECT_TIMEOUT, "deaf"))
# Addresses at which there is no such server.
NOWHERE = (
    ("a host name that cannot be resolved", "has a host name that cannot be resolved", "no host"),
    ("https:// at a port that does not speak TLS", "does not speak TLS at this port", "tls"),
)
CUT_BETWEEN_LINES = "body cut between two lines that ends as HTTP has it"


def _of_export() -> Iterator[Case]:
    """The list by the export. In one run each month's list, and so a request, meets another fault that passes."""
    at, tries = "catalog", 1 + STAYING_RETRIES
    places = iter([{"month": name, "bin": BINS[2 * number]} for number, name in enumerate(MONTHS)])
    for fault, says, door in DOORS:
        yield Case(at, fault, "retried", says, door=door, runs="connecting")
    for fault, says, flaw, wait in TRANSIENT:
        yield Case(at, fault, "retried", says, flaw, tries=2, wait=wait, **next(places))
    for fault, flaw in SAME_LIST:
        yield Case(at, fault, "accepted", "", flaw, **next(places))
    yield Case(at, "fill values", "accepted", "", FILLED, **next(places) | {"bin": NO_VOLUME, "status": "bad_volume"})
    place = {"month": MONTHS[-1], "bin": LAST, "status": None}
    yield Case(at, CUT_BETWEEN_LINES, "accepted", "", CUT_BEFORE_THE_LAST_LINE, runs="staying", **place)
    for fault, says, door in DOORS:
        yield Case(at, f"{fault}, each time", "refused", says, door=door, runs="alone", tries=0, **place)
    for fault, says, flaw, _ in TRANSIENT:
        if fault in ("time-out in mid-body", "502 with HTML"):  # all go one way, and each takes a run of its own
            yield Case(at, f"{fault}, each time", "refused", says, flaw, runs="alone", tries=tries, stays=True, **place)
    for fault, says, door in NOWHERE:
        yield Case(at, fault, "refused", says, door=door, runs="alone", tries=0, **place)
    for fault, says, flaw in NOT_A_LIST:
        yield Case(at, fault, "refused", says, flaw, runs="alone", stays=True, **place)
    says = "lists no bin of dataset 'demi'.*It has no dataset of that name.*'demo'"
    yield Case(at, "404, no such dataset", "refused", says, runs="alone", dataset="demi", **place)


def _of_walk() -> Iterator[Case]:
    """The list by the walk: a request a bin."""
    at, tries = "walk", 1 + STAYING_RETRIES
    free = iter(BINS)
    for fault, says, door in DOORS:
        yield Case(at, fault, "retried", says, door=door, runs="walking")
    for fault, says, flaw, wait in TRANSIENT:
        yield Case(at, fault, "retried", says, flaw, runs="walking", tries=2, wait=wait, bin=next(free))
    yield Case(at, RIGHT_AS_TEXT[0], "accepted", "", RIGHT_AS_TEXT[1], runs="walking", bin=next(free))
    place = {"month": MONTHS[-1], "bin": BINS[-1], "status": None}
    for fault, says, flaw, _ in TRANSIENT:
        if fault == "502 with HTML":
            yield Case(at, f"{fault}, each time", "refused", says, flaw, runs="alone", tries=tries, stays=True, **place)
    for fault, says, flaw in NOT_A_BIN:
        yield Case(at, fault, "refused", says, flaw, runs="alone", stays=True, **place)


def _of_scores_that_pass() -> Iterator[Case]:
    """Faults of scores that pass, in one run."""
    at = "scores"
    free = iter(BINS)
    for fault, says, door in DOORS:
        yield Case(at, fault, "retried", says, door=door, runs="connecting")
    for fault, says, flaw, wait in TRANSIENT:
        case = Case(at, fault, "retried", says, flaw, tries=3, wait=wait, bin=next(free))
        yield replace(case, tries=2) if case.slow else case
    yield Case(at, RIGHT_AS_TEXT[0], "accepted", "", RIGHT_AS_TEXT[1], bin=next(free))
    yield Case(at, "no score in any row", "accepted", runs="undisturbed", bin=NO_SCORE)
    yield Case(at, "no row", "accepted", runs="undisturbed", bin=NO_ROI)


def _of_scores_that_stay() -> Iterator[Case]:
    """Faults of scores that stay, in another run."""
    at, tries = "scores", 1 + STAYING_RETRIES
    free = iter(BINS)
    yield Case(at, CUT_BETWEEN_LINES, "accepted", "", CUT_BEFORE_THE_LAST_LINE, runs="staying", bin=next(free))
    yield Case(at, "404", "no_scores", "", NOT_FOUND, runs="staying", stays=True, bin=next(free), status="no_scores")
    for fault, says, door in DOORS:
        for runs, when in (("away", "from the first request on"), ("gone", "once it has given the list")):
            yield Case(at, f"{fault}, {when}", "refused", says, door=door, runs=runs, tries=0, status=None)
    for fault, says, door in NOWHERE:
        yield Case(at, fault, "refused", says, door=door, runs="away", tries=0, status=None)
    place = {"runs": "staying", "stays": True, "status": "failed"}
    for fault, says, flaw, wait in TRANSIENT:
        if fault not in ("429, Retry-After as a date", "503, Retry-After in seconds"):  # the others do for both
            yield Case(
                at, f"{fault}, each time", "refused", says, flaw, tries=tries, wait=wait, bin=next(free), **place
            )
    for fault, says, flaw in NOT_SCORES:
        yield Case(at, fault, "refused", says, flaw, bin=next(free), **place)


MATRIX = (*_of_export(), *_of_walk(), *_of_scores_that_pass(), *_of_scores_that_stay())
