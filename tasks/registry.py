"""The tasks that come with levelfield. Importing this module imports no data library; loading a task does."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from levelfield.tasks.errors import unknown

if TYPE_CHECKING:
    from levelfield.tasks.task import Task

_TASKS = {
    "iris": ("levelfield.tasks.iris", "three species of flowers, 4 features, 150 samples"),
    "digits": ("levelfield.tasks.digits", "handwritten digits of 8×8 pixels, 64 features, 1,797 samples"),
    "digits-half": (
        "levelfield.tasks.digits_half",
        "digits, split to judge half a point of accuracy, 64 features, 1,797 samples, 719 for the test",
    ),
    "mnist": (
        "levelfield.tasks.mnist",
        "handwritten digits of 28×28 pixels, 784 features, 70,000 samples; downloaded once",
    ),
    "wine": ("levelfield.tasks.wine", "three growers of wine, 13 features, 178 samples"),
    "breast-cancer": ("levelfield.tasks.breast_cancer", "malignant or benign tumours, 30 features, 569 samples"),
    "blobs": ("levelfield.tasks.blobs", "two clouds of points in the plane, 2 features, 1,000 samples"),
    "five-points": ("levelfield.tasks.five_points", "a regression on five points, 1 feature, 15 samples"),
    "iris-whole": (
        "levelfield.tasks.iris_whole",
        "iris as others published figures of it, nothing set aside, 4 features, 150 samples",
    ),
    "digits-whole": (
        "levelfield.tasks.digits_whole",
        "digits as others published figures of it, nothing set aside, 64 features, 1,797 samples",
    ),
    "mnist-filters": (
        "levelfield.tasks.mnist_filters",
        "mnist as others published figures of it, 784 features, 70,000 samples, 49,000 for the test; downloaded once",
    ),
    "mnist-whole": (
        "levelfield.tasks.mnist_whole",
        "mnist with no validation split, for published figures, 784 features, 70,000 samples; downloaded once",
    ),
    "clouds": (
        "levelfield.tasks.clouds",
        "ten clouds of points, 256 features, 2,560 samples; to sweep batch sizes and widths",
    ),
}


def names() -> list[str]:
    """The names of all tasks, in the order in which they are listed."""
    return list(_TASKS)


def describe() -> dict[str, str]:
    """Name → one line about the task."""
    return {name: line for name, (_, line) in _TASKS.items()}


def load(name: str, *, data_dir: Path | None = None, seed: int = 0) -> Task:
    """The task called `name`, split by `seed`; `data_dir` is where the files of MNIST are or shall be.

    Raises UserError for an unknown name, and when a task's files can be neither found nor fetched.
    """
    if name not in _TASKS:
        raise unknown("task", name, _TASKS, "levelfield list tasks")
    module, _ = _TASKS[name]
    files = {"data_dir": data_dir} if name.startswith("mnist") else {}
    task: Task = importlib.import_module(module).load(seed, **files)
    return task
