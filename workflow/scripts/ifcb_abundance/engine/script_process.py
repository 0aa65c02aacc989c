"""Processes that run the scripts of rules one after another.

The engine starts a new Python for each script. To import what a figure needs, and to start the engine that draws it,
takes longer than to draw it. So a process stays for the next script.

It ends with the run, even if that is killed within a script. It reads from a pipe whose other end the run holds and
never writes to: so it reads the end as soon as the run is gone. A script that went on could put a file of an earlier
config in place of one that the next run has made.

This file is also what such a process runs: it reads the path of a script from a line, runs it, and writes its status.
"""

import json
import os
import runpy
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping

PYTHON = sys.executable  # as it is before it is escaped for a shell
KILLED = 137  # the status of a process whose run is gone, as a shell gives it for kill -9


class ScriptProcesses:
    """At most `most` processes; a script waits until one of them is free. Threads may share it."""

    def __init__(self, most: int) -> None:
        self._idle: list[subprocess.Popen[str]] = []
        self._pipe, self._held = os.pipe()  # neither is passed on to what this process starts, except in _start
        self._lock = threading.Lock()
        self._free = threading.Semaphore(most)

    def run(self, script: str, env: Mapping[str, str]) -> None:
        """Run a script. Raises CalledProcessError if it fails, or if its process ends.

        env: environment variables of the process, if it has to be started.
        """
        with self._free:
            with self._lock:
                process = self._idle.pop() if self._idle else None
            process = process or self._start(env)
            status = self._ask(process, script)
            if status is None:
                raise subprocess.CalledProcessError(process.wait() or 1, [PYTHON, script])
            with self._lock:
                self._idle.append(process)
        if status:
            raise subprocess.CalledProcessError(status, [PYTHON, script])

    def close(self) -> None:
        """End the processes. One is started again if another script is to run."""
        with self._lock:
            idle, self._idle = self._idle, []
        for process in idle:
            process.communicate()  # the end of its input

    def _start(self, env: Mapping[str, str]) -> subprocess.Popen[str]:
        command, pipe = [PYTHON, __file__, str(self._pipe)], subprocess.PIPE
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=env, pass_fds=[self._pipe])

    def _ask(self, process: subprocess.Popen[str], script: str) -> int | None:
        """The status of the script; None if the process has ended."""
        assert process.stdin
        assert process.stdout
        try:
            process.stdin.write(f"{json.dumps(script)}\n")
            process.stdin.flush()
        except BrokenPipeError:
            return None
        answer = process.stdout.readline()
        return int(answer) if answer else None


def run_script(path: str) -> int:
    """Run a script as `python path` does, in this process, and return its status."""
    before = list(sys.path)
    try:
        runpy.run_path(path, run_name="__main__")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except Exception:
        traceback.print_exc()
        return 1
    finally:
        sys.path[:] = before
    return 0


def end_with_run(pipe: int) -> None:
    """End this process when nothing holds the other end of the pipe any more; also within a script."""

    def watch() -> None:
        os.read(pipe, 1)
        os._exit(KILLED)

    threading.Thread(target=watch, daemon=True).start()


def main() -> None:
    """Answer until there is no more input. What scripts print goes to standard error."""
    end_with_run(int(sys.argv.pop()))
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback
    here = os.path.dirname(__file__)  # noqa: PTH120 - Python puts this text into sys.path
    sys.path[:] = [path for path in sys.path if path != here]  # modules of the engine room have names of their own
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        for line in sys.stdin:
            print(run_script(json.loads(line)), file=answers, flush=True)


if __name__ == "__main__":
    main()
