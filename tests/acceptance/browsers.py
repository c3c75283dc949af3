"""Chromium without a window, driven from a thread of its own.

Playwright keeps an event loop running in its thread, and Django refuses its ORM where one runs. So what a
test does in the browser is a function that is handed over; what it asks the database stays where it is.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest
from playwright.sync_api import Page, Response, Route, sync_playwright

T = TypeVar("T")

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# What a careful site sends: nothing inline, nothing from elsewhere.
STRICT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SECONDS = 90.0  # of a machine with much else to do; nothing waits for longer than it must


class Browser:
    """One page under a strict content security policy; `complaints` says what broke it."""

    def __init__(self, page: Page, thread: Executor, address: str) -> None:
        self.complaints: list[str] = []
        self._page = page
        self._thread = thread
        self._address = address

    def do(self, steps: Callable[[Page], T]) -> T:
        """Run some steps with the page, once it has loaded with its styles, and give what they give."""

        def loaded() -> T:
            self._page.wait_for_load_state()
            return steps(self._page)

        return self._thread.submit(loaded).result(SECONDS)

    def watch(self) -> None:
        """Send the policy, and keep what the page complains of."""
        self._page.set_default_timeout(SECONDS * 1_000)
        self._page.on("console", self._hear)
        self._page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self._page.route("**/admin/**", self._send_policy)

    def _hear(self, message: object) -> None:
        text, kind = str(getattr(message, "text", "")), getattr(message, "type", "")
        if (
            kind == "error" and "status of" not in text
        ):  # a refusal that a test asks for is no fault
            self.complaints.append(text)

    def _send_policy(self, route: Route) -> None:
        if route.request.resource_type != "document" or route.request.method != "GET":
            route.continue_()
            return
        answer = route.fetch(max_redirects=0)
        route.fulfill(
            response=answer, headers={**answer.headers, "content-security-policy": STRICT}
        )

    def log_in(self, name: str) -> None:
        """Log in with the name as the password."""

        def steps(page: Page) -> None:
            page.goto(f"{self._address}/admin/login/?next=/admin/aion/run/")
            page.fill("#id_username", name)
            page.fill("#id_password", name)
            page.click("[type=submit]")

        self.do(steps)

    def open(self, path: str) -> Response:
        """Open a page of the site."""
        answer = self.do(lambda page: page.goto(self._address + path))
        assert answer is not None
        return answer

    def text(self) -> str:
        """What the page says."""
        return self.do(lambda page: page.inner_text("#content"))

    def overflow(self, width: int) -> int:
        """By how many pixels the page is wider than a screen of this width."""

        def steps(page: Page) -> int:
            page.set_viewport_size({"width": width, "height": 800})
            return int(
                page.evaluate(
                    "document.documentElement.scrollWidth - document.documentElement.clientWidth"
                )
            )

        return self.do(steps)


@contextlib.contextmanager
def chromium(address: str, directory: Path) -> Iterator[Browser]:
    """Start Chromium, or skip the test where there is none."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("needs Chromium (on Debian: apt install chromium)")
    with ThreadPoolExecutor(1) as thread:
        playwright = thread.submit(lambda: sync_playwright().start()).result(SECONDS)
        try:
            context = thread.submit(
                lambda: playwright.chromium.launch_persistent_context(
                    directory, executable_path=program, args=FLAGS, headless=True
                )
            ).result(SECONDS)
            try:
                browser = Browser(context.pages[0], thread, address)
                thread.submit(browser.watch).result(SECONDS)
                yield browser
            finally:
                thread.submit(context.close).result(SECONDS)
        finally:
            thread.submit(playwright.stop).result(SECONDS)
