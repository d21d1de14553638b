"""Early stopping, one implementation for every adapter: when to stop, and which snapshot was the best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge
from pydantic import Strict

from levelfield.tasks.numbers import Real, Whole


@dataclass(frozen=True)
class EarlyStopping:
    """Stop after `patience` evaluations in a row without a validation loss more than `min_delta` below the best one.

    The least validation loss so far counts as best. A patience of 0 stops like 1: at the first that is no better.
    On the idiomatic track the framework's own defaults stand in for these numbers.
    """

    patience: Annotated[Whole, Ge(0)] = 5
    min_delta: Annotated[Real, Ge(0)] = 0.0
    restore_best: Annotated[bool, Strict()] = True


class Stopper:
    """One training's state: feed it every validation loss in order."""

    def __init__(self, rule: EarlyStopping) -> None:
        self.rule = rule
        self.best = float("inf")
        self.waited = 0

    def improves(self, loss: float) -> bool:
        """Whether this is the best so far by more than `min_delta`; NaN never is."""
        if loss < self.best - self.rule.min_delta:
            self.best, self.waited = loss, 0
            return True
        self.waited += 1
        return False

    @property
    def stops(self) -> bool:
        return self.waited >= max(self.rule.patience, 1)
