"""One Chromium for the whole folder, and the factory of runs and records on the path."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

CHROMIUM = os.environ.get("LEVELFIELD_CHROMIUM", "/usr/bin/chromium")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A headless browser. Without one: skipped here, a failure where CI is set."""
    if shutil.which(CHROMIUM) is None:
        message = f"no browser at {CHROMIUM} (apt install chromium, or set LEVELFIELD_CHROMIUM)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Visit:
    """A page opened from a file, with everything that it said and asked for."""

    def __init__(self, browser: Any, path: Path, fragment: str, **context: Any) -> None:
        self.context = browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | context))
        self.context.set_default_timeout(10_000)
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.said.append(f"dialog {dialog.message}"), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri() + fragment)


@pytest.fixture
def visit(chromium: Any, tmp_path: Path) -> Iterator[Callable[..., Visit]]:
    """`visit(html, fragment="", **context)`: open the text as a file."""
    visits: list[Visit] = []

    def open_page(html: str, fragment: str = "", **context: Any) -> Visit:
        path = tmp_path / f"page-{len(visits)}.html"
        path.write_text(html, encoding="utf-8")
        visits.append(Visit(chromium, path, fragment, **context))
        return visits[-1]

    yield open_page
    for opened in visits:
        opened.context.close()


@pytest.fixture(scope="session")
def violations() -> Callable[[Visit], list[tuple[str, str, int]]]:
    """What axe finds on a page: rule, first element, number of elements."""

    def run(visited: Visit) -> list[tuple[str, str, int]]:
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(visited.page).response["violations"]
        return [(v["id"], v["nodes"][0]["html"][:120], len(v["nodes"])) for v in found]

    return run
