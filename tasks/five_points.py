"""Five points: the smallest regression that a network of seven parameters overfits.

The least-squares line has a training error of 5.3 and a validation error of 5.1; a 1-2-1 tanh network goes through all
five training points and has a validation error near 20, from each of the seeds 0 to 39.
``python tests/studies/find_five_points.py 1`` found these numbers.
"""

from __future__ import annotations

import numpy as np

from levelfield.tasks.task import Task, assemble

NAME = "five-points"
SOURCE = "made for this purpose: five points each to train, to validate and to test"
LICENCE = "none needed: generated"

X = (0.43, 2.65, 3.18, 4.31, 6.33, 3.39, 5.4, 6.65, 7.18, 8.66, 1.36, 4.6, 5.85, 7.7, 8.72)
Y = (-1.82, 1.31, 4.18, 1.05, -2.1, 1.83, 2.7, 3.3, 1.84, 2.53, 0.31, -0.65, 1.45, 0.18, 4.89)


def load(seed: int = 0) -> Task:
    """The same points and the same splits always, in the order of `X` and `Y`."""
    train, validation, test = np.arange(15).reshape(3, 5)
    return assemble(
        NAME,
        np.array(X)[:, None],
        np.array(Y),
        train,
        validation,
        test,
        kind="regression",
        source=SOURCE,
        licence=LICENCE,
    )
