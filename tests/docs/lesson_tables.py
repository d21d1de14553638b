"""Write the tables of docs/lesson.md from runs of its suites: ``python tests/docs/lesson_tables.py RUN…``."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas

import levelfield
from levelfield.harness.records import store

PAGE = Path(__file__).resolve().parents[2] / "docs" / "lesson.md"
TASKS = {"iris": "Iris", "digits-half": "digits", "mnist": "MNIST"}


def best(epochs: pandas.DataFrame) -> pandas.DataFrame:
    """By task and model, at the lowest validation loss of each training: median epoch, mean gap and test accuracy."""
    lowest = epochs.loc[epochs.groupby(["task", "model", "adapter", "seed"]).validation_loss.idxmin()]
    lowest = lowest.assign(gap=lowest.validation_loss - lowest.train_loss)
    named = {"epoch": ("epoch", "median"), "gap": ("gap", "mean"), "accuracy": ("test_accuracy", "mean")}
    return lowest.groupby(["task", "model"]).agg(**named)


def table(folder: Path) -> str:
    """Of one run, with its date and commit."""
    run, found = store.read(folder).run, best(levelfield.load(folder).epochs)
    lines = ["| task | network | best epoch | gap in loss | test accuracy |", "| --- | --- | ---: | ---: | ---: |"]
    for task in run.tasks:
        for model in ("single-layer", "multi-layer"):
            row = found.loc[task, model]
            lines.append(f"| {TASKS[task]} | {model} | {row.epoch:.0f} | {row.gap:.4f} | {row.accuracy:.4f} |")
    return "\n".join([*lines, "", f"Measured on {run.started[:10]} at {(run.machine.commit or 'unknown')[:7]}.", ""])


def written(page: str, name: str, told: str) -> str:
    """The page with this table between its marks. Raises ValueError where it has no such marks."""
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    if begin not in page or end not in page:
        raise ValueError(f"no {begin.strip()} … {end} on the page")
    return re.sub(f"{begin}.*?{end}", lambda _: begin + told + end, page, flags=re.DOTALL)


def main(folders: Sequence[Path]) -> None:
    page = PAGE.read_text(encoding="utf-8")
    for folder in folders:
        page = written(page, Path(store.read(folder).run.suite).stem, table(folder))
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main([Path(folder) for folder in sys.argv[1:]])
