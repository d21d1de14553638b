"""Digits as scikit-learn's example of training curves has it: all samples are trained on, and nothing is set aside."""

from __future__ import annotations

from levelfield.tasks.digits import LICENCE, SOURCE
from levelfield.tasks.task import Task
from levelfield.tasks.whole import whole

NAME = "digits-whole"


def load(seed: int = 0) -> Task:
    """All 1,797 samples, in their order; nothing is drawn."""
    from sklearn.datasets import load_digits

    data = load_digits()
    return whole(NAME, data.data, data.target, SOURCE, LICENCE)
