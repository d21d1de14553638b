"""The tasks that come with levelfield. Importing this module imports no data library; loading a task does."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from levelfield.tasks.errors import unknown

if TYPE_CHECKING:
    from levelfield.tasks.task import Task

# Each has a module of its name, with underscores
_TASKS = {
    "iris": "three species of flowers, 4 features, 150 samples",
    "digits": "handwritten digits of 8×8 pixels, 64 features, 1,797 samples",
    "digits-half": "digits, split to judge half a point of accuracy, 64 features, 1,797 samples, 719 for the test",
    "mnist": "handwritten digits of 28×28 pixels, 784 features, 70,000 samples; downloaded once",
    "wine": "three growers of wine, 13 features, 178 samples",
    "breast-cancer": "malignant or benign tumours, 30 features, 569 samples",
    "blobs": "two clouds of points in the plane, 2 features, 1,000 samples",
    "five-points": "a regression on five points, 1 feature, 15 samples",
    "iris-whole": "iris as others published figures of it, nothing set aside, 4 features, 150 samples",
    "digits-whole": "digits as others published figures of it, nothing set aside, 64 features, 1,797 samples",
    "mnist-filters": "mnist as others published figures of it, 784 features, 70,000 samples, 49,000 for the test; "
    "downloaded once",
    "mnist-whole": "mnist with no validation split, for published figures, 784 features, 70,000 samples; "
    "downloaded once",
    "clouds": "ten clouds of points, 256 features, 2,560 samples; to sweep batch sizes and widths",
}


def names() -> list[str]:
    """The names of all tasks, in the order in which they are listed."""
    return list(_TASKS)


def describe() -> dict[str, str]:
    """Name → one line about the task."""
    return dict(_TASKS)


def load(name: str, *, data_dir: Path | None = None, seed: int = 0) -> Task:
    """The task called `name`, split by `seed`; `data_dir` is where the files of MNIST are or shall be.

    Raises UserError for an unknown name, and when a task's files can be neither found nor fetched.
    """
    if name not in _TASKS:
        raise unknown("task", name, _TASKS, "levelfield list tasks")
    files = {"data_dir": data_dir} if name.startswith("mnist") else {}
    module = importlib.import_module(f"levelfield.tasks.{name.replace('-', '_')}")
    task: Task = module.load(seed, **files)
    return task
