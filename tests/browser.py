"""Chromium, as a reader has it, opens the pages that the workflow makes."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, Request, sync_playwright

from tests import debian


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless browser; the test is skipped where there is none."""
    program = shutil.which("google-chrome") or debian.program("chromium", "chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, path: Path, **options: object) -> Iterator[Page]:
    """A page from a file, in a browser without a network.

    When the test is through with it there must have been no error, no dialog, and no request but for files beside it.
    """
    folder = path.parent.as_uri() + "/"
    context = browser.new_context(offline=True, accept_downloads=True, **options)  # type: ignore[arg-type]
    page = context.new_page()
    faults: list[str] = []

    def said(message: ConsoleMessage) -> None:
        if message.type == "error":
            faults.append(f"console: {message.text}")

    def asked(request: Request) -> None:
        # What a page makes of its own contents has an address too.
        if not request.url.startswith((folder, "blob:", "data:")):
            faults.append(f"request: {request.url}")

    def spoke(dialog: Dialog) -> None:
        faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    page.on("console", said)
    page.on("pageerror", lambda error: faults.append(f"error: {error}"))
    page.on("request", asked)
    page.on("dialog", spoke)
    page.goto(path.as_uri())
    yield page
    context.close()
    assert faults == []
