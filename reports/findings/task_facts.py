"""What is known of a run's tasks: their features and classes, what was inferred, and what guessing reaches."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

from levelfield.harness.records.record import Run
from levelfield.reports.findings.text import NARROW, fixed, listing, significant

MOST = 30  # names of features, and classes, that are shown


def warnings(run: Run) -> list[str]:
    """Of the tables that a user's own tasks were made from."""
    return [f"task {name}: {warning}" for name, about in run.tasks.items() for warning in _texts(about, "warnings")]


def facts(run: Run) -> list[tuple[str, str]]:
    """(what, text) of every own task: its features by name, its classes with their samples, how it was read."""
    found = []
    for name, about in sorted(run.tasks.items()):
        columns, classes = _texts(about, "columns"), about.get("classes")
        if columns:
            more = int(about.get("features", 0)) - min(len(columns), MOST)
            shown = ", ".join(columns[:MOST]) + (f" and {more} more" if more > 0 else "")
            found.append((f"{name}: features", shown))
        if isinstance(classes, Mapping) and classes:
            counted = [f"{label} {count}" for label, count in classes.items()]
            found.append((f"{name}: classes, samples", listing(counted, most=MOST)))
        if said := _texts(about, "said"):
            found.append((f"{name}: how it was read", "; ".join(said)))
        if (value := guess(about)) is not None:
            found.append((f"{name}: guessing", guessing(about, value)))
    return found


def guess(about: Mapping[str, Any], split: str = "test") -> float | None:
    """What the most frequent class, or the mean, of the training split reaches on another one."""
    values = about.get("guess")
    value = values.get(split) if isinstance(values, Mapping) else None
    return float(value) if isinstance(value, int | float) and isfinite(value) else None


def guessing(about: Mapping[str, Any], value: float) -> str:
    """``always naming the most frequent class reaches 77.8 % of the test split``."""
    if about.get("kind") == "classification":
        return f"always naming the most frequent class reaches {fixed(100 * value, 1)}{NARROW}% of the test split"
    return f"always saying the training mean has a test loss of {significant(value, 4)}"


def _texts(about: Mapping[str, Any], key: str) -> list[str]:
    found = about.get(key)
    return [str(one) for one in found] if isinstance(found, list | tuple) else []
