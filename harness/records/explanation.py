"""What the framework tax of a pair is made of, as ``levelfield run --explain`` found it: see `harness.explain`.

Explanations are appended to ``explained.jsonl``, one line a pair. Times are in seconds.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from levelfield.harness.records.cell import Cell
from levelfield.harness.records.quantity import Interval, Quantity
from levelfield.harness.system.frozen import Frozen

RungName = Literal["arithmetic", "other", "step", "loader", "defaults"]
Kind = Literal["dispatch", "kernels", "data", "waiting", "rest"]


class RungTime(Frozen):
    """A rung of a ladder: a `step`, and how many seconds `more` than on the rung below it."""

    rung: RungName
    what: str = Field(description="in words")
    step: Interval
    more: Interval | None = Field(None, description="none on the lowest rung")


class LadderTimes(Frozen):
    """Rungs from the lowest one: its step and all differences add up to the highest step."""

    rungs: tuple[RungTime, ...]
    missing: dict[str, str] = Field(description="what a rung is, in words → why it was not timed")
    blocks: int = Field(description="that have all rungs")
    added: Interval | None = Field(
        description="what a run on the matched track times more than the other one, or else than the arithmetic"
    )
    causes: tuple[RungName, ...] = Field(description="the rungs that make up `added`, the dearest first")

    def of(self, name: str) -> RungTime | None:
        """The rung of this name, where it was timed."""
        return next((one for one in self.rungs if one.rung == name), None)


class Spending(Frozen):
    """Who spends a step of one side, while nobody looked; kinds add up to `step`."""

    step: float
    kinds: dict[Kind, float]
    unwatched: str | None = Field(None, description="why kernels are part of dispatch, where they are")
    allocated: Quantity = Field(description="bytes in a step")
    copied: Quantity = Field(description="copies between host and device in a step")
    compiled_first: int | None = Field(None, description="compilations until the first epoch ended")
    compiled_steady: int | None = Field(None, description="compilations in all steady epochs that were looked at")


class Explanation(Frozen):
    """One pair. `own` and `other` are who spends a step of each, or why that was not seen."""

    cell: Cell
    against: Cell
    date: str
    ladder: LadderTimes
    own: Spending | str
    other: Spending | str

    @property
    def pair(self) -> tuple[Cell, Cell]:
        return self.cell, self.against
