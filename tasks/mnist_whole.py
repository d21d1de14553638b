"""MNIST as the first lessons of frameworks have it: all 60,000 images are trained on, and the official test is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from levelfield.tasks import mnist
from levelfield.tasks.task import Split, Task

NAME = "mnist-whole"


def load(seed: int = 0, *, data_dir: Path | None = None) -> Task:
    """Images between 0 and 1, float32; nothing is drawn.

    It has no validation split: a hundred test images stand in its place, and nothing is decided by them.
    """
    images, labels = mnist.pooled(data_dir)
    x, y = images.astype(np.float32) / np.float32(255), labels.astype(np.int64)
    learning = mnist.OFFICIAL.train_labels.shape[0]
    train, test = Split(x[:learning], y[:learning]), Split(x[learning:], y[learning:])
    validation = Split(test.x[:100], test.y[:100])
    return Task(NAME, "classification", train, validation, test, 10, mnist.SOURCE, mnist.LICENCE)
