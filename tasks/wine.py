"""Wine: three growers of one region told apart by the chemistry of their wines. Small, and nearly linear."""

from __future__ import annotations

from levelfield.tasks.task import Task, make_task

NAME = "wine"
SOURCE = "Wine recognition (Forina et al., 1991), scikit-learn's copy: 178 wines, 13 chemical analyses, 3 growers"
LICENCE = "CC BY 4.0 (UCI Machine Learning Repository)"


def load(seed: int = 0) -> Task:
    """All 178 samples; `seed` chooses the splits."""
    from sklearn.datasets import load_wine

    data = load_wine()
    return make_task(NAME, data.data, data.target, source=SOURCE, licence=LICENCE, seed=seed)
