"""The tasks of a run: loaded, told, and what the records say about them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from levelfield.harness.plan import suite
from levelfield.harness.plan.launches import Selection
from levelfield.harness.system.console import warn
from levelfield.tasks import registry, score
from levelfield.tasks.errors import unknown
from levelfield.tasks.task import Task

MOST_NAMES = 200  # of features that are written down


def load_tasks(chosen: suite.Suite, selection: Selection, data_dir: Path | None) -> dict[str, Task]:
    """The tasks that the suite and the selection name."""
    wanted = dict.fromkeys(name for part in (*chosen.learning, *chosen.speed) for name in part.task)
    for name in selection.task:
        if name not in wanted:
            raise unknown("task of this suite", name, wanted)
    loaded = {}
    for name in wanted:
        if selection.task and name not in selection.task:
            continue
        if name in chosen.tasks:
            from levelfield.tasks import table  # what reads tables takes a second to import

            loaded[name] = table.load(name, chosen.tasks[name])
        else:
            loaded[name] = registry.load(name, data_dir=data_dir)
    return loaded


def tell(tasks: Mapping[str, Task], quiet: bool) -> None:
    """What was inferred, dropped and encoded of own files, once; warnings even when quiet."""
    for name, task in tasks.items():
        if task.about.said and not quiet:
            print(f"task {name}: {'; '.join(task.about.said)}", file=sys.stderr)
        warn(f"task {name}: {warning}" for warning in task.about.warnings)


def facts(task: Task) -> dict[str, Any]:
    """What the report says about a task."""
    samples = {split: len(getattr(task, split).x) for split in ("train", "validation", "test")}
    about: dict[str, Any] = {
        "source": task.source,
        "licence": task.licence,
        "kind": task.kind,
        "features": task.features,
        "outputs": task.outputs,
        "samples": samples,
        "digest": task.digest(),
        "guess": score.guess(task),
    }
    if task.about.features:
        about["columns"] = list(task.about.features[:MOST_NAMES])
        about["label"] = task.about.label
        about["said"] = list(task.about.said)
        about["warnings"] = list(task.about.warnings)
        about["classes"] = task.about.classes
    return about
