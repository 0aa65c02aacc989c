"""Python processes that are forked from a server, which has imported what they need.

To import the engine, the libraries and our modules takes longer than many a run, or than what one of its processes
does.
"""

import fcntl
import os
import runpy
import shlex
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import FileIO
from multiprocessing import connection, forkserver, reduction, resource_tracker
from pathlib import Path
from typing import Any

PYTHON = sys.executable  # as it is before the engine room escapes it for a shell
ROOT = Path(__file__).parents[1]
OURS = {ROOT, ROOT / "workflow" / "scripts"}  # a checkout has its own
FREE = 200  # descriptors from here on are not in use
SERVER: Any = forkserver._forkserver
TRACKER: Any = resource_tracker._resource_tracker
SERVER.set_forkserver_preload(["tests.preloaded"])
PATH = [path for path in sys.path if path]  # before a checkout is added
_checkout: list[str] = []  # of a process that was forked: the folder whose modules it has


class WarmPopen(subprocess.Popen[Any]):
    """A subprocess.Popen that forks a Python from the server, where that gives what a new one gives.

    In such a process subprocess.Popen is this one, too. It is no child of the process that starts it.
    """

    _status: FileIO | None = None  # says how it ended; None if it is an ordinary child

    def _execute_child(self, args: Any, executable: Any, preexec_fn: Any, *others: Any) -> None:
        """Start it. The arguments are those of Python 3.11 to 3.13."""
        _, pass_fds, folder, env, _, _, shell, stdin, write_in, read_out, stdout, read_err, stderr, *rest = others
        start_new_session, process_group = rest[-2:]
        command = _command(args, shell)
        if command is None or executable or preexec_fn or process_group != -1:
            super()._execute_child(args, executable, preexec_fn, *others)  # type: ignore[misc]
            return
        moved, arguments = command
        streams = [own if given == -1 else given for own, given in enumerate((stdin, stdout, stderr))]
        task = Task(
            arguments,
            os.path.join(os.getcwd(), folder or "", moved),  # noqa: PTH109, PTH118 - texts are enough
            dict(os.environ if env is None else env),
            [0, 1, 2, *pass_fds],
            start_new_session,
            _checkout[0] if _checkout else str(folder),
        )
        reads, writes = SERVER.connect_to_new_process([*streams, *pass_fds])
        self._status = FileIO(reads)
        with os.fdopen(writes, "wb") as pipe:
            reduction.dump({"sys_path": [str(ROOT), *PATH]}, pipe)
            reduction.dump(task, pipe)
        self.pid = forkserver.read_signed(reads)
        self._child_created = True
        self._close_pipe_fds(stdin, write_in, read_out, stdout, read_err, stderr)  # type: ignore[attr-defined]

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        """Its id and how it ended, as os.waitpid has them."""
        if self._status is None:
            return super()._try_wait(wait_flags)  # type: ignore[misc,no-any-return]
        if wait_flags == os.WNOHANG and not connection.wait([self._status.fileno()], 0):
            return 0, 0
        code = forkserver.read_signed(self._status.fileno())
        return self.pid, code << 8 if code >= 0 else -code

    def _wait(self, timeout: float | None) -> int:
        if self._status is not None and self.returncode is None and timeout is not None:
            timeout = 9.0 if connection.wait([self._status.fileno()], timeout) else 0.0
        return super()._wait(timeout)  # type: ignore[misc,no-any-return]

    def _internal_poll(self, *arguments: Any, **named: Any) -> int | None:
        if self._status is None:
            return super()._internal_poll(*arguments, **named)  # type: ignore[misc,no-any-return]
        lock = self._waitpid_lock  # type: ignore[attr-defined]
        if self.returncode is None and lock.acquire(blocking=False):
            try:
                if self.returncode is None and (found := self._try_wait(os.WNOHANG))[0]:
                    self._handle_exitstatus(found[1])  # type: ignore[attr-defined]
            finally:
                lock.release()
        return self.returncode


def _command(args: Any, shell: bool) -> tuple[str, list[str]] | None:
    """The folder that a command changes to, and the arguments of its Python; None if that has to be a new one."""
    if not shell:
        words = [args] if isinstance(args, str) else list(map(os.fspath, args))
    elif isinstance(args, str):
        lexer = shlex.shlex(args, posix=True, punctuation_chars=True)
        lexer.whitespace_split, lexer.commenters = True, ""
        words = list(lexer)
    else:
        return None
    moved = words[1] if words[:1] == ["cd"] and words[2:3] == ["&&"] else ""
    words = words[3:] if moved else words
    if words[:1] != [PYTHON] or (shell and any(set(word) <= set("();<>|&") for word in words)):
        return None
    known = words[1:3] in (["-m", "snakemake"], ["-P", "-c"]) or "".join(words[1:2]).endswith(".py")
    return (moved, words[1:]) if known else None


def _out_of_the_way(number: int) -> int:
    """Give a descriptor a number that no process asks for."""
    moved = fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, FREE)
    os.close(number)
    return moved


@dataclass
class Task:
    """What a forked process does: what Python does with these arguments."""

    arguments: list[str]
    folder: str
    env: Mapping[str, str]
    descriptors: Sequence[int]  # the numbers that those which were sent have to have
    start_new_session: bool
    checkout: str

    def _bootstrap(self, _: int) -> int:
        """What multiprocessing calls in the process that was forked. Returns its status."""
        self._take_descriptors()
        if self.start_new_session:
            os.setsid()
        os.environ.clear()
        os.environ.update(self.env)
        time.tzset()
        os.chdir(self.folder)
        SERVER.ensure_running = lambda: None
        _checkout[:] = [self.checkout]
        subprocess.Popen = WarmPopen  # type: ignore[misc]
        added = [path for path in self.env.get("PYTHONPATH", "").split(os.pathsep) if path]
        sys.path[:] = [*added, *(path for path in sys.path if Path(path).resolve() not in OURS)]
        from tests.preloaded import forget_ours_unless_same

        forget_ours_unless_same(Path(self.checkout))
        try:
            self._run()
        except SystemExit as end:
            if end.code is not None and not isinstance(end.code, int):
                print(end.code, file=sys.stderr)
            return end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            traceback.print_exc()
            return 1
        finally:
            threading._shutdown()  # type: ignore[attr-defined]
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
        return 0

    def _take_descriptors(self) -> None:
        """Give the descriptors that were sent their numbers, which the server's may have."""
        SERVER._forkserver_alive_fd, TRACKER._fd = map(_out_of_the_way, (SERVER._forkserver_alive_fd, TRACKER._fd))
        sent = [_out_of_the_way(number) for number in SERVER.get_inherited_fds()]
        for number, descriptor in zip(self.descriptors, sent, strict=True):
            os.dup2(descriptor, number)
            os.close(descriptor)
        sys.stdin = os.fdopen(0, closefd=False)
        sys.stdout, sys.stderr = (
            os.fdopen(number, "w", buffering=1, errors="backslashreplace", closefd=False) for number in (1, 2)
        )

    def _run(self) -> None:
        first, *rest = self.arguments
        if first == "-m":
            from snakemake.cli import main

            sys.path.insert(0, self.folder)
            sys.argv = rest
            main(rest[1:])
        elif first == "-P":
            sys.argv = ["-c", *rest[2:]]
            exec(rest[1], {"__name__": "__main__"})
        else:
            sys.path.insert(0, str(Path(first).parent))
            sys.argv = self.arguments
            runpy.run_path(first, run_name="__main__")
