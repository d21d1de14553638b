"""Digits: handwritten digits of 8×8 pixels, the stand-in for MNIST that needs no download.

Like MNIST, the images are standardised as a whole, by the mean and the deviation over all training pixels.
"""

from __future__ import annotations

from levelfield.tasks.task import DEFAULT_SPLITS, Splits, Task, make_task

NAME = "digits"
SOURCE = (
    "Optical Recognition of Handwritten Digits (Alpaydin & Kaynak, 1998), scikit-learn's copy of its test part: "
    "1,797 images of 8×8 pixels, 10 classes"
)
LICENCE = "CC BY 4.0 (UCI Machine Learning Repository)"


def load(seed: int = 0, name: str = NAME, splits: Splits = DEFAULT_SPLITS) -> Task:
    """All 1,797 samples, 270 of them for the test; `seed` chooses the splits."""
    from sklearn.datasets import load_digits

    data = load_digits()
    return make_task(
        name, data.data, data.target, source=SOURCE, licence=LICENCE, splits=splits, seed=seed, scaling="whole"
    )
