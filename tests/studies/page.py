"""Write docs/results/studies.md and its figures from runs of the studies: python tests/studies/page.py RUN..."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from levelfield.harness.records import store
from levelfield.harness.records.record import Run
from levelfield.reports.findings.certificates import summary
from levelfield.reports.findings.evidence import gather
from levelfield.reports.page import figure
from levelfield.reports.page.blocks import Picture
from levelfield.reports.sections import studies

DOCS = Path(__file__).resolve().parents[2] / "docs" / "results"
OPENING = """# Studies: what makes the generalisation gap

For anyone who asks what opens and closes the gap between training and new data, and whether the framework matters.
Each study is an untimed suite: `levelfield run NAME`, with `--full` for more seeds. Runs of the commands below were
turned into this page by `python tests/studies/page.py RUN...`, with all adapters and the default seeds. The report of
such a run has the same figure with its table, and says how to read it.
"""
CLOSING = """## What is tested

* `pytest tests/harness/test_study_directions.py`: more wrong labels, noisier inputs, more capacity, fewer samples open
  the gap; L2, dropout and early stopping, each alone and all together, narrow it; with width bias falls, and variance
  rises and then falls. On fixed seeds, each with a 95 % interval that excludes zero.
* `pytest tests/harness/test_bias_variance.py`: the estimators agree with a case that has a closed form, and with the
  identities that define them.
* `pytest tests/harness/test_five_points.py`: the line and the network have the errors of the lesson in every adapter
  that learns a regression, and from forty seeds, by `levelfield run five-points --full`.
* `pytest tests/reports/test_study.py`: a change or a turn is told only where the intervals support it.

What you get by default, and whether that generalises differently: [defaults](defaults.md).
"""
COLOURS = {"--ink": "#1a1a1a", "--muted": "#5a5b5c", "--line": "#d2d3d4", "--paper": "#ffffff"}


def made(run: Run) -> str:
    """When, and by which levelfield."""
    return f"{run.started[:10]}, commit {(run.machine.commit or 'unknown')[:7]}"


def draw(picture: Picture, name: str) -> str:
    """Its file in ``docs/results/``, which is written."""
    svg = re.sub(r"var\((--\w+)\)", lambda m: COLOURS[m[1]], picture.draw())
    path = DOCS / f"{name}.svg"
    path.parent.mkdir(exist_ok=True)
    path.write_text(svg + "\n", encoding="utf-8")
    return f"{name}.svg"


def main(folders: list[Path]) -> None:
    lines = [OPENING]
    for folder in folders:
        stored = store.read(folder)
        with figure.style():
            found = studies.section(
                gather(stored.run, stored.records, certificates=[summary(c) for c in stored.certificates])
            )
            lines += [
                f"## {stored.run.study}",
                "",
                stored.run.summary,
                "",
                f"`{stored.run.command}`, {made(stored.run)}",
                "",
            ]
            lines += [f"* {sentence}" for sentence in found.sentences]
            without = {
                (record.cell.adapter, record.reason): f"* {record.status}: {record.cell.adapter}: {record.reason}"
                for record in stored.records
                if record.status != "ok"
            }
            lines += without.values()
            for block in found.blocks:
                if isinstance(block, Picture):
                    told = " ".join(filter(None, (block.caption, block.key)))
                    lines += [
                        "",
                        f"![{block.caption}]({draw(block, f'studies/{stored.run.study}-{block.name}')})",
                        "",
                        told,
                    ]
            lines.append("")
    (DOCS / "studies.md").write_text("\n".join([*lines, CLOSING]), encoding="utf-8")


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
