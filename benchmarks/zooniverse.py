"""Zooniverse exports of many classifications: what extract and reduce take, beside the reference where it is installed.

`python -m benchmarks.zooniverse --rows 100000` measures and prints; `python -m benchmarks zooniverse` also writes the
page. An export has ten classifications of each subject and nearly one kilobyte a row: a question, and the texts that
exports carry along. Processor time is what to compare where other work runs beside.
"""

import argparse
import csv
import json
import random
import shutil
import sys
import tempfile
from pathlib import Path

import pandas as pd

from benchmarks.measure import ROOT, run

COMMAND = ROOT / "workflow" / "scripts" / "zooniverse.py"
ANSWERS = ["Chaetoceros", "Pseudo-nitzschia sp.", "Detritus / fibre", "I can't tell"]
HEADER = ["classification_id", "user_name", "user_id", "user_ip", "workflow_id", "workflow_name", "workflow_version"]
HEADER += ["created_at", "gold_standard", "expert", "metadata", "annotations", "subject_data", "subject_ids"]
EXTRACTOR = "extractor_config:\n  question_extractor:\n  - task: T0\nworkflow_id: 7\nworkflow_version: '1.2'\n"
# A process that is started has, for the system, at least the memory of the one that starts it: so a small one does.
PEAK = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
PEAK += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
REDUCER = "reducer_config:\n  question_reducer: {}\n"


def write_export(path: Path, rows: int, seed: int = 1) -> None:
    """An export of `rows` classifications of workflow 7, in the order in which they were made."""
    chance = random.Random(seed)
    selection = {"retired": False, "selected_at": "2024-02-23T16:16:35.003Z", "already_seen": False}
    selection |= {"selection_state": "normal", "finished_workflow": False, "user_has_finished_workflow": False}
    metadata = json.dumps(
        {"started_at": "2024-02-23T16:16:35.085Z", "finished_at": "2024-02-23T16:17:42.334Z", "live_project": True}
        | {"viewport": {"width": 1200, "height": 800}, "subject_selection_state": selection}
        | {"user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/121.0"}
    )
    retired = {
        "id": 125510348,
        "workflow_id": 7,
        "classifications_count": 10,
        "retirement_reason": "classification_count",
    }
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        subjects = max(rows // 10, 1)
        for number in range(rows):
            subject = 10_000_000 + chance.randrange(subjects)
            person = chance.randrange(5000)
            question = {"task": "T0", "task_label": "Which is it?", "value": chance.choice(ANSWERS)}
            data = {str(subject): {"retired": retired, "#roi_id": f"D20240418T000000_IFCB010_{subject % 100_000:05}"}}
            time = f"2024-{1 + number * 11 // rows:02}-{1 + number % 28:02} {number % 24:02}:{number % 60:02}:00 UTC"
            row = [500_000_000 + number, f"person-{person}", person, f"{person:020}", 7, "which", "1.2", time, "", ""]
            writer.writerow([*row, metadata, json.dumps([question]), json.dumps(data), subject])


def measure(rows: list[int], folder: Path, reference: str | None) -> pd.DataFrame:
    """What each command takes for exports of so many rows. reference: the command of panoptes_aggregation."""
    ours = [sys.executable, COMMAND]
    programs: dict[str, list[str | Path]] = {
        "here": ours,
        **({"panoptes_aggregation": [reference]} if reference else {}),
    }
    (folder / "extractor.yaml").write_text(EXTRACTOR)
    (folder / "reducer.yaml").write_text(REDUCER)
    costs = []
    for number in rows:
        export = folder / "classifications.csv"
        write_export(export, number)
        for program, command in programs.items():
            out = folder / program
            out.mkdir(exist_ok=True)
            extracted, reduced = out / "question_extractor_a.csv", out / "question_reducer_a.csv"
            steps: dict[str, list[str | Path]] = {
                "extract": [*command, "extract", export, folder / "extractor.yaml", "-o", "a", "-d", out],
                "reduce": [*command, "reduce", extracted, folder / "reducer.yaml", "-o", "a", "-d", out],
            }
            for step, arguments in steps.items():
                cost = run([sys.executable, "-S", "-c", PEAK, *arguments], folder)
                costs.append(
                    {"program": program, "step": step, "rows": number, "export_mb": export.stat().st_size / 1e6}
                    | {"cpu_s": cost.cpu, "wall_s": cost.wall, "peak_mb": int(cost.printed.split()[-1]) / 1024}
                )
                print(costs[-1], flush=True)
            assert reduced.exists()
    return pd.DataFrame(costs)


def installed() -> str | None:
    """The reference's command, if there is one."""
    return shutil.which("panoptes_aggregation")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.zooniverse", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="*", default=[100_000, 1_000_000])
    parser.add_argument("--reference", default=installed(), help="the command panoptes_aggregation")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        print(measure(options.rows, Path(folder), options.reference).to_string(index=False))


if __name__ == "__main__":
    main()
