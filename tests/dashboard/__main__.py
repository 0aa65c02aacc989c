"""The emulator in a process of its own, for benchmarks: prints its address and serves until SIGTERM, SIGINT.

At its end it prints how many requests there were.
"""

import argparse
import signal
import threading
from pathlib import Path

from .answers import VERSIONS
from .emulator import Emulator

PLACEHOLDER = "D00000000T000000_IFCB000"  # stands for the bin's id in a shared body


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.dashboard", description=__doc__)
    parser.add_argument("--dataset", action="append", required=True, metavar="NAME=FOLDER", help="may be repeated")
    parser.add_argument("--version", choices=VERSIONS, default=VERSIONS[-1])
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--score-dtype", default="float16", choices=("float16", "float32", "float64"))
    parser.add_argument("--shared-body", type=Path, metavar="FILE", help=f"every bin's scores; {PLACEHOLDER}: its id")
    parser.add_argument("--no-keep-alive", dest="keep_alive", action="store_false")
    arguments = parser.parse_args()

    archives = {}
    for text in arguments.dataset:
        name, equals, folder = text.partition("=")
        if not (name and equals and folder):
            parser.error(f"--dataset {text}: expected NAME=FOLDER")
        archives[name] = Path(folder)
    shared = arguments.shared_body.read_bytes() if arguments.shared_body else None

    # Not by blocking it here alone: a library's threads, which are there already, would take it and end the process.
    ended = threading.Event()
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: ended.set())
    with Emulator(
        archives,
        arguments.version,
        latency=arguments.latency,
        keep_alive=arguments.keep_alive,
        score_dtype=arguments.score_dtype,
        score_body=None if shared is None else lambda pid: shared.replace(PLACEHOLDER.encode(), pid.encode()),
        port=arguments.port,
    ) as dashboard:
        print(dashboard.url, flush=True)
        requests = 0
        while not ended.wait(0.1):  # a signal that another thread got does not wake this one
            requests += dashboard.clear()  # those of a whole archive would fill the memory
        print(requests + dashboard.clear())


if __name__ == "__main__":
    main()
