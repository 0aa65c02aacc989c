"""Firefox, by its own remote control (Marionette): Playwright's build of it cannot be had everywhere, Debian's can."""

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests import debian

PREFERENCES = {
    "network.dns.disabled": True,  # a page that asks a server gets nothing
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "ui.systemUsesDarkTheme": 0,
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Firefox:
    """A connection to a browser. Messages are JSON with their length before them."""

    def __init__(self, port: int) -> None:
        for _ in range(300):
            with suppress(OSError):
                self.socket = socket.create_connection(("127.0.0.1", port), timeout=120)
                break
            time.sleep(0.1)
        self.stream = self.socket.makefile("rb")
        self.number = 0
        self._read()  # it says who it is
        self.ask("WebDriver:NewSession", {"capabilities": {}})

    def _read(self) -> Any:
        length = b""
        while (letter := self.stream.read(1)) != b":":
            length += letter
        return json.loads(self.stream.read(int(length)))

    def ask(self, command: str, parameters: dict[str, Any]) -> Any:
        self.number += 1
        body = json.dumps([0, self.number, command, parameters]).encode()
        self.socket.sendall(b"%d:%b" % (len(body), body))
        _, _, error, result = self._read()
        assert error is None, error
        return result

    def open(self, address: str) -> None:
        self.ask("WebDriver:Navigate", {"url": address})

    def run(self, script: str) -> Any:
        """The value of an expression, awaited."""
        code = "const done = arguments[0]; Promise.resolve().then(async () => done(await (" + script + ")));"
        return self.ask("WebDriver:ExecuteAsyncScript", {"script": code, "args": []})["value"]

    def wait(self, condition: str) -> None:
        for _ in range(600):
            if self.run(condition):
                return
            time.sleep(0.1)
        raise AssertionError(condition)


@contextmanager
def firefox(profile: Path) -> Iterator[Firefox]:
    """A headless browser with a profile of its own; the test is skipped where there is none."""
    program = debian.program("firefox-esr", "firefox-esr")
    port = free_port()
    profile.mkdir()
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()]
    lines.append(f'user_pref("marionette.port", {port});')
    (profile / "user.js").write_text("\n".join(lines))
    command = [program, "--headless", "--marionette", "--no-remote", "--profile", str(profile)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield Firefox(port)
    finally:
        process.terminate()
        process.wait(30)
