"""Iris: three species of flowers told apart by four lengths. One species is linearly separable, two are not."""

from __future__ import annotations

from levelfield.tasks.task import Task, make_task

NAME = "iris"
SOURCE = "Fisher's Iris (1936), scikit-learn's copy: 150 flowers, 4 measurements in cm, 3 species"
LICENCE = "CC BY 4.0 (UCI Machine Learning Repository)"


def load(seed: int = 0) -> Task:
    """All 150 samples; `seed` chooses the splits."""
    from sklearn.datasets import load_iris

    data = load_iris()
    return make_task(NAME, data.data, data.target, source=SOURCE, licence=LICENCE, seed=seed)
