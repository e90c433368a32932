"""A real browser for the tests of pages: Debian's Chromium, driven by Playwright (`make test-browser`)."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
LONGEST_WAIT = 8
"""Seconds."""
_WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
"""


def chromium_path() -> str:
    """The system's Chromium; `make test-browser` installs it."""
    found = os.environ.get("EDITLOOP_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise FileNotFoundError("there is no chromium: `apt-get install --no-install-recommends chromium`")
    return found


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser without a window. Its sandbox needs a kernel that a container does not always give."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class OpenPage:
    """A page from disk in a browser, with everything that went wrong in it and everything that it asked for."""

    page: Any
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def open(self, path: Path, address: str = "") -> None:
        """Opens a file; `address` is what stands behind its name, from `#` on."""
        self.page.goto(f"{path.resolve().as_uri()}{address}")

    def until(self, script: str, argument: object = None) -> None:
        """Waits until a function of JavaScript says yes. (Playwright's own way needs eval, which the pages forbid.)"""
        last = time.monotonic() + LONGEST_WAIT
        while not self.page.evaluate(script, argument):
            assert time.monotonic() < last, f"not within {LONGEST_WAIT} s: {script}"
            self.page.wait_for_timeout(20)

    @property
    def violations(self) -> list[str]:
        """Directives of the Content-Security-Policy that something in the page has run against."""
        found: list[str] = self.page.evaluate("window.violations")
        return found

    @property
    def ids(self) -> list[str]:
        """Ids of the cards in the document, as they stand on the screen."""
        script = "nodes => nodes.map(node => [node.getBoundingClientRect(), node.querySelector('code').textContent])"
        placed = self.page.locator(".card").evaluate_all(script)
        return [name for box, name in sorted(placed, key=lambda entry: (round(entry[0]["y"]), entry[0]["x"]))]

    @property
    def count(self) -> str:
        """The sentence that says how many cards pass the filters."""
        text: str = self.page.locator("#count").inner_text()
        return text


@contextmanager
def opened_in(browser: Any, **settings: Any) -> Iterator[OpenPage]:
    """A new tab that keeps what goes wrong in it."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, **settings)
    page = context.new_page()
    page.set_default_timeout(1000 * LONGEST_WAIT)
    page.add_init_script(_WATCH)
    shown = OpenPage(page)
    page.on("pageerror", lambda error: shown.errors.append(str(error)))
    page.on("request", lambda request: shown.requests.append(request.url))
    yield shown
    context.close()
