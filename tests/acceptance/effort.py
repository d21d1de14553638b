"""How much is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from levelfield.harness.doctor import examine
from levelfield.harness.doctor.examine import TYPICAL

SECONDS = 0.15  # of steady epochs in a launch, where a part does not say otherwise


@dataclass(frozen=True)
class Effort(examine.Effort):
    """On the `named` adapters, or if there are none, on those that each part is for."""

    named: tuple[str, ...] = ()


def choose(parts: Sequence[str], named: Sequence[str] = (), budget: float | None = None) -> Effort:
    """These parts; `budget` in seconds for all of them."""
    return Effort("acceptance", tuple(parts), tuple(named) or TYPICAL, SECONDS, budget, tuple(named))
