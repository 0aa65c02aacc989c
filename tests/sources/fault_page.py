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

Each line was seen in a run of `snakemake` against the emulated dashboard, over HTTP.
`python -m tests.sources.fault_page` writes this page. The tests repeat all these runs, and compare what is printed and
what is in the ledger with it.

- `retried`: the request is sent again, after growing waits and not before `Retry-After`. Once the answer is right,
  the results are byte for byte those of an undisturbed run.
- `refused`: the answer is not used. If a list of bins is unavailable, the run stops, and what was built before stays
  as it was. For a bin's scores `source.on_failure` decides. `stop` (the default) builds all other days, prints the
  message and fails, so there is no merged table and no ledger. `record` enters the bin as `failed`.
- `no_scores`: the server says that it has none. `snakemake recheck` asks again.
- `accepted`: the answer is used.

If a server takes no connections, the run gives up on it with one message, and asks it for nothing more:

- Before the server has answered anything in this run: at once if its name cannot be resolved or if it does not speak
  TLS; after the tries of one request if it refuses connections; otherwise after the tries of three requests in a row.
- Once it has answered: after three requests in a row that got no connection in all their tries. The run waits between
  the tries, as for any fault that may pass.
- At any time if its certificate is not trusted.

This says nothing about the bins. So none of them is entered as `failed`, not even with `record`. The run fails,
builds what it can without the server, and the same command continues later. A lasting `HTTP 500` is different: it is
about one file that the dashboard cannot read (non-ASCII labels in an `.h5`, a `.mat` with one ROI or with ROI numbers
stored as floats), and no further try helps. A run that has failed counts such failures by kind.

If the server does not have the raw files of a bin (HTTP 404), `snakemake images` and montages exclude the bin and
count it. If you asked for the bin by name, that is an error.

"Each time" is a fault that does not pass. A request is tried 1 + `source.retries` times, 6 by default. The runs
behind this page try less often, which is why they say "tried 2 times". In the messages `{bin}` stands for the id of
the bin with the fault, `{url}` for `source.url`, and `{address}` for the whole address of the request with the fault.

A fault that leaves no trace cannot be noticed. If an answer lacks lines at its end, but ends as HTTP requires and
with a whole line, it is a shorter answer. `snakemake recheck` finds the missing bins once the server answers in full,
and missing scores if `recheck.scores` is `all`.
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
