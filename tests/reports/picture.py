"""Take the picture of a report's top that README shows:  python tests/reports/picture.py RUN docs/report.png

Builds the report of the run's folder anew and photographs its first 1200 × 1100 pixels in Chromium, in the light
theme. Run it on a quiet run of the default suite, with the `test` extra installed.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from levelfield.harness.cli import main as cli

WIDTH, HEIGHT = 1200, 1100
CHROMIUM = os.environ.get("LEVELFIELD_CHROMIUM", "/usr/bin/chromium")


def take(browser: Any, run: Path, picture: Path) -> None:
    """Write the PNG. Raises RuntimeError when the run has no report."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.html"
        if cli.main(["report", str(run), "-o", str(report)]) != cli.OK:
            raise RuntimeError(f"{run} gave no report")
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto(report.as_uri())
        page.screenshot(path=picture)
        page.close()


def main(run: Path, picture: Path) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        take(browser, run, picture)
        browser.close()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python tests/reports/picture.py RUN PICTURE.png")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
