"""docs/faults.md: the fault matrix as users see it, in the words that the runs print.

python -m tests.sources.fault_page        # makes all the runs and writes it anew
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.checkout import ROOT
from tests.sources.fault_matrix import MATRIX, Case
from tests.sources.fault_runs import Bench, Seen

PAGE = ROOT / "docs" / "faults.md"

INTRODUCTION = """\
# What goes wrong with a request, and what a run makes of it

Each line was seen in a run of `snakemake` against the emulated dashboard, over HTTP. The tests make all these runs and
compare what is printed and what is in the ledger with this page, which `python -m tests.sources.fault_page`
writes.

- `retried`: the request is sent again, after growing waits and not before `Retry-After`. Once the answer is right, the
  results are byte for byte those of a run that nothing went wrong with.
- `refused`: the answer is not used. A list of bins that cannot be had stops the run, and what was built before stays as
  it was. For a bin's scores `source.on_failure` decides: `stop` (the default) builds all other days, prints the message
  and fails, so that there is no merged table and no ledger; `record` enters the bin as `failed`.
- `no_scores`: the server says that it has none. `snakemake recheck` asks again.
- `accepted`: the answer is used.

A server that takes no connections is given up, with one message: then nothing more is asked of it in this run.

- Before it has answered anything in this run: at once if its name cannot be resolved or if it does not speak TLS;
  after the tries of one request if it refuses connections; after those of three requests in a row otherwise.
- Once it has answered: after three requests in a row that got no connection in all their tries. It is waited for
  between them, as for any fault that may pass.
- A certificate that is not trusted ends it at any time.

This says nothing of the bins. So none of them is entered as `failed`, with `record` neither: the run fails, what can be
built without the server is built, and the same command goes on later. An `HTTP 500` that stays is another matter:
it is about one file, which the dashboard cannot read (labels in non-ASCII in an `.h5`, a `.mat` of one ROI or with ROI
numbers stored as floats), and no further try helps. When a run has failed it counts such failures by kind.

Raw files that the server does not have (HTTP 404) leave their bins out of `snakemake images` and of montages, which
is counted; for a bin that is asked for by name they are an error.

"Each time" is a fault that does not pass. A request is tried 1 + `source.retries` times, 6 by default; the runs behind
this page try less often, which is why they say "tried 2 times". In the messages `{bin}` stands for the id of the bin
that is struck, `{url}` for `source.url`, and `{address}` for the whole address of the request that is struck.

A fault that nothing shows cannot be told: an answer that lacks lines at its end, but ends as HTTP has it and with a
whole line, is a shorter answer. `snakemake recheck` finds what was missing once the server answers in full, and
scores if `recheck.scores` is `all`.
"""
SECTIONS = {
    "catalog": """\
## The list of bins

With `source.catalog: export`, the default: one request a month, whose `{address}` is
`{url}/api/export_metadata/demo?start_date=2024-02-01&end_date=2024-02-29`.
""",
    "walk": """\
## The list of bins, bin by bin

With `source.catalog: walk`: one request a bin, whose `{address}` is `{url}/api/bin/{bin}?dataset=demo`.
""",
    "scores": """\
## The scores of a bin

One request a bin, whose `{address}` is `{url}/demo/{bin}_class_scores.csv`.
""",
}
HEAD = "| what goes wrong | outcome | what the run prints | in the ledger |\n|---|---|---|---|"


def row(case: Case, seen: Seen) -> str:
    """The case's line of the page."""
    message = [*seen.errors, *seen.warnings, ""][0]
    if seen.status is None:
        ledger = "no ledger" if case.outcome == "refused" else "not there"
    else:
        ledger = f"`{seen.status}`"
        if seen.reason:
            ledger += ", and this message" if seen.reason == message else f": {_code(seen.reason)}"
    return f"{_begin(case)} {_code(message) if message else 'nothing'} | {ledger} |"


def page(rows: Mapping[str, str]) -> str:
    """docs/faults.md, from each case's line by its name."""
    parts = [INTRODUCTION]
    for at, title in SECTIONS.items():
        lines = [rows[case.name] for case in MATRIX if case.at == at]
        parts.append("\n".join([title, HEAD, *lines, ""]))
    return "\n".join(parts)


def rows_of(text: str) -> dict[str, str]:
    """Each case's line of a page, by its name; empty if it has none."""
    found = dict.fromkeys((case.name for case in MATRIX), "")
    for at, title in SECTIONS.items():
        lines = text.partition(title)[2].partition("\n## ")[0].splitlines()
        for case in MATRIX:
            if case.at == at:
                found[case.name] = next((line for line in lines if line.startswith(_begin(case))), "")
    return found


def _begin(case: Case) -> str:
    return f"| {case.fault} | `{case.outcome}` |"


def _code(text: str) -> str:
    text = "".join(c if c.isprintable() else "?" for c in text)
    return f"`{text}`".replace("|", "\\|")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        with Bench(Path(folder), MATRIX) as bench:
            rows = {case.name: row(case, bench.observe(case)) for case in MATRIX}
        PAGE.write_text(page(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
