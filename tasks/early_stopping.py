"""Early stopping, one implementation for every adapter: when to stop, and which snapshot was the best."""

from __future__ import annotations

from pydantic import Field

from levelfield.harness.system.frozen import Frozen


class EarlyStopping(Frozen):
    """Stop after `patience` evaluations in a row without a validation loss more than `min_delta` below the best one.

    The least validation loss so far counts as best. A patience of 0 stops like 1: at the first that is no better.
    """

    patience: int = Field(5, ge=0)
    min_delta: float = Field(0.0, ge=0)
    restore_best: bool = True


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
