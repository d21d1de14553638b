"""MNIST as scikit-learn's example of a network's weights on it has it: three images of ten are trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from levelfield.tasks import mnist
from levelfield.tasks.task import Split, Task

NAME = "mnist-filters"
TEST = 0.7


def load(seed: int = 0, *, data_dir: Path | None = None) -> Task:
    """Images between 0 and 1, float64, shuffled and cut as the example does it, whatever `seed` is.

    It has no validation split: a hundred test images stand in its place, and nothing is decided by them.
    """
    from sklearn.model_selection import train_test_split

    images, labels = mnist.pooled(data_dir)
    x, test_x, y, test_y = train_test_split(images, labels.astype(np.int64), random_state=0, test_size=TEST)
    train, test = (Split(pixels / 255.0, classes) for pixels, classes in ((x, y), (test_x, test_y)))
    validation = Split(test.x[:100], test.y[:100])
    return Task(NAME, "classification", train, validation, test, 10, mnist.SOURCE, mnist.LICENCE)
