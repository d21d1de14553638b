"""Breast cancer: malignant or benign, from thirty measures of cell nuclei that are strongly correlated."""

from __future__ import annotations

from levelfield.tasks.task import Task, make_task

NAME = "breast-cancer"
SOURCE = (
    "Breast Cancer Wisconsin (Diagnostic; Wolberg et al., 1993), scikit-learn's copy: 569 tumours, 30 measures of "
    "cell nuclei, 2 classes"
)
LICENCE = "CC BY 4.0 (UCI Machine Learning Repository)"


def load(seed: int = 0) -> Task:
    """All 569 samples; class 0 is malignant, 1 benign. `seed` chooses the splits."""
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    return make_task(NAME, data.data, data.target, source=SOURCE, licence=LICENCE, seed=seed)
