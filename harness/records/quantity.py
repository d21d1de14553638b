"""A number, how it came about, and its absence. A zero that means "could not look" is a bug."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from levelfield.harness.system.frozen import Frozen


class Measured(Frozen):
    """Read from a counter or a clock. `source` names it as its makers do; `unit` is written out: B, s, W, cores, 1."""

    state: Literal["measured"] = "measured"
    value: float
    unit: str
    source: str


class Estimated(Frozen):
    """Computed from something else, or from a constant in place of a counter; `source` says from what."""

    state: Literal["estimated"] = "estimated"
    value: float
    unit: str
    source: str


class Unavailable(Frozen):
    """Not measured; `reason` is one line for the reader of the report."""

    state: Literal["unavailable"] = "unavailable"
    reason: str


Quantity = Annotated[Measured | Estimated | Unavailable, Field(discriminator="state")]


@dataclass(frozen=True)
class Interval:
    """An estimate from `n` values with limits that hold the true value with probability `confidence`.

    `confidence` is that of this one interval: where several hold together it is higher than that of the table.
    """

    estimate: float
    low: float
    high: float
    n: int
    confidence: float
