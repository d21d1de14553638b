"""A task made harder on purpose: fewer samples, wrong labels, noisy inputs, or one of several disjoint training splits.

Everything is drawn with a seed, so that the same variant and seed always give the same data. Features stay as the whole
training split standardised them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from annotated_types import Ge, Interval

from levelfield.tasks.numbers import Real
from levelfield.tasks.task import Split, Task

Share = Annotated[Real, Interval(gt=0, le=1)]
LabelNoise = Annotated[Real, Interval(ge=0, lt=1)]
InputNoise = Annotated[Real, Ge(0)]


@dataclass(frozen=True)
class Variant:
    """`share` of the training samples; `label_noise`: share of the training labels that another class replaces;
    `input_noise`: deviation of normal noise on the features of all splits; number `part` of `parts` disjoint splits
    of the training samples."""

    share: Share = 1.0
    label_noise: LabelNoise = 0.0
    input_noise: InputNoise = 0.0
    part: int = 0
    parts: int = 1

    @property
    def label(self) -> str:
        """What differs from the task itself; empty for nothing."""
        told = [f"{100 * self.share:g} % of the samples"] if self.share < 1 else []
        told += [f"{100 * self.label_noise:g} % of the labels flipped"] if self.label_noise else []
        told += [f"input noise {self.input_noise:g}"] if self.input_noise else []
        told += [f"part {self.part + 1} of {self.parts}"] if self.parts > 1 else []
        return ", ".join(told)


UNVARIED = Variant()


def vary(task: Task, variant: Variant, seed: int) -> Task:
    """The variant of `task` that `seed` determines. Smaller shares are parts of larger ones."""
    if variant == UNVARIED:
        return task
    rows = np.random.default_rng([seed, 0x5A3]).permutation(len(task.train.x))
    rows = rows[variant.part :: variant.parts]
    rows = np.sort(rows[: max(1, round(variant.share * len(rows)))])
    x, y = task.train.x[rows], task.train.y[rows]
    if variant.label_noise:
        y = _flipped(y, variant.label_noise, task.outputs, np.random.default_rng([seed, 0xF11]))
    noise = np.random.default_rng([seed, 0x4015E])

    def noisy(x: np.ndarray) -> np.ndarray:
        if not variant.input_noise:
            return x
        return (x + variant.input_noise * noise.normal(size=x.shape)).astype(np.float32)

    return replace(
        task,
        train=Split(noisy(x), y),
        validation=Split(noisy(task.validation.x), task.validation.y),
        test=Split(noisy(task.test.x), task.test.y),
    )


def _flipped(y: np.ndarray, share: float, classes: int, rng: np.random.Generator) -> np.ndarray:
    """Exactly that share (rounded) of the labels, each replaced by one of the other classes, drawn evenly."""
    wrong = rng.permutation(len(y))[: round(share * len(y))]
    flipped = y.copy()
    flipped[wrong] = (y[wrong] + rng.integers(1, classes, len(wrong))) % classes
    return flipped
