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
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


class Visit:
    """A page opened from a file, with everything that it said and asked for."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.said: list[str] = []
        self.asked: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", self._error)
        page.on("dialog", self._dialog)
        page.on("request", self._request)

    def _console(self, message: Any) -> None:
        self.said.append(message.text)

    def _error(self, error: Any) -> None:
        self.said.append(str(error))

    def _dialog(self, dialog: Any) -> None:
        self.said.append(f"dialog {dialog.message}")
        dialog.dismiss()

    def _request(self, request: Any) -> None:
        self.asked.append(request.url)

    def leave(self) -> None:
        listeners = (self._console, self._error, self._dialog, self._request)
        for event, listener in zip(("console", "pageerror", "dialog", "request"), listeners, strict=True):
            self.page.remove_listener(event, listener)


class Tabs:
    """Pages that are used again: making one costs a second of CPU, and a page from a file leaves nothing behind."""

    def __init__(self, browser: Any) -> None:
        self.browser = browser
        self.contexts: dict[bool, Any] = {}
        self.idle: dict[bool, list[Any]] = {True: [], False: []}

    def take(self, javascript: bool) -> Any:
        if self.idle[javascript]:
            return self.idle[javascript].pop()
        if javascript not in self.contexts:
            context = self.browser.new_context(java_script_enabled=javascript, reduced_motion="reduce")
            context.set_default_timeout(10_000)
            self.contexts[javascript] = context
        return self.contexts[javascript].new_page()

    def give_back(self, page: Any, javascript: bool) -> None:
        page.goto("about:blank")
        self.idle[javascript].append(page)


@pytest.fixture(scope="session")
def tabs(chromium: Any) -> Tabs:
    return Tabs(chromium)


@pytest.fixture
def visit(tabs: Tabs, tmp_path: Path) -> Iterator[Callable[..., Visit]]:
    """`visit(html, fragment="", width=1280, scheme="light", media="screen", javascript=True)`: the text as a file."""
    visits: list[tuple[Visit, bool]] = []

    def open_page(
        html: str,
        fragment: str = "",
        *,
        width: int = 1280,
        scheme: str = "light",
        media: str = "screen",
        javascript: bool = True,
    ) -> Visit:
        path = tmp_path / f"page-{len(visits)}.html"
        path.write_text(html, encoding="utf-8")
        page = tabs.take(javascript)
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(media=media, color_scheme=scheme, reduced_motion="reduce")
        visited = Visit(page)
        visits.append((visited, javascript))
        page.goto(path.as_uri() + fragment)
        return visited

    yield open_page
    for visited, javascript in visits:
        visited.leave()
        tabs.give_back(visited.page, javascript)


@pytest.fixture(scope="session")
def violations() -> Callable[[Visit], list[tuple[str, str, int]]]:
    """What axe finds on a page: rule, first element, number of elements."""

    def run(visited: Visit) -> list[tuple[str, str, int]]:
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(visited.page).response["violations"]
        return [(v["id"], v["nodes"][0]["html"][:120], len(v["nodes"])) for v in found]

    return run


@pytest.fixture(scope="session")
def full_page() -> str:
    """The page of `full_records`: building it takes seconds, so all tests that only look at it share it."""
    import report_factory as factory

    from levelfield.reports.page import html as page

    return page.build(
        factory.make_run(),
        factory.full_records(),
        sources=factory.SOURCES,
        peaks=factory.PEAKS,
        explained=factory.EXPLAINED,
    )


@pytest.fixture(scope="session")
def small_page() -> str:
    """Something in every section, and few rows."""
    import report_factory as factory

    from levelfield.reports.page import html as page

    return page.build(
        factory.make_run(),
        factory.few_records(),
        sources=factory.SOURCES,
        certificates=factory.CERTIFICATES,
        explained=factory.EXPLAINED[:1],
    )
