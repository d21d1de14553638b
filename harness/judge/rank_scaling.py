"""What several ranks are worth: speed-up and efficiency over one rank, from paired blocks.

The speed-up is how many times more samples a second are trained, and the efficiency is the speed-up for each rank:
1 is ideal. With T the seconds of a step,

* strong scaling: the same batch on n ranks, speed-up T₁/Tₙ, efficiency T₁/(n Tₙ)
* weak scaling: a batch n times as large on n ranks, speed-up n T₁/Tₙ, efficiency T₁/Tₙ
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import inf
from typing import Literal, NamedTuple

from levelfield.harness.judge import statistics
from levelfield.harness.judge.statistics import Blocks, Interval, Key, Verdict
from levelfield.harness.records.cell import Cell

Kind = Literal["strong", "weak"]


class Counterpart(NamedTuple):
    """The cell on one rank against which one on several is held."""

    kind: Kind
    several: Cell
    one: Cell


@dataclass(frozen=True)
class Steps:
    """Seconds of a step, by block, on one rank and on several."""

    kind: Kind
    replicas: int
    one: Blocks
    several: Blocks


@dataclass(frozen=True)
class Scaling:
    """Both intervals are None where no block has both; `verdict` is on the time of a sample, several against one."""

    speedup: Interval | None
    efficiency: Interval | None
    verdict: Verdict


def counterparts(cells: Iterable[Cell]) -> list[Counterpart]:
    """Every timed cell on several ranks with what it can be held against; one that has both is there twice."""
    timed = [cell for cell in cells if cell.kind == "speed"]
    alone = {_unnamed(cell): cell for cell in timed if cell.replicas == 1}
    found = []
    for cell in timed:
        if cell.replication != "ranks":
            continue
        strong = _unnamed(cell.alone)
        batch, rest = divmod(strong.recipe.batch_size, cell.replicas)
        weak = strong.model_copy(update={"recipe": replace(strong.recipe, batch_size=batch)})
        if strong in alone:
            found.append(Counterpart("strong", cell, alone[strong]))
        if not rest and weak in alone:
            found.append(Counterpart("weak", cell, alone[weak]))
    return found


def scale(steps: Mapping[Key, Steps], margin: float = 0.03) -> dict[Key, Scaling]:
    """The scaling of each; the intervals of all that are judged hold together with 95 %.

    Those with fewer than `LEAST_BLOCKS` blocks in common are *not judged* and do not count.
    """
    verdicts = statistics.judge_family({key: _times_of(own) for key, own in steps.items()}, 0.95, margin, few=True)
    return {key: _scaling(own, verdicts[key]) for key, own in steps.items()}


def _times_of(own: Steps) -> tuple[list[float], list[float]]:
    """Of the same number of samples on several ranks and on one, block by block."""
    more = own.replicas if own.kind == "weak" else 1
    several, one = statistics.in_common(own.several, own.one)
    return [seconds / more for seconds in several], one


def _scaling(own: Steps, verdict: Verdict) -> Scaling:
    if (time := verdict.ratio) is None:
        return Scaling(None, None, statistics.judge(None, verdict.margin))
    return Scaling(_over(1.0, time), _over(1 / own.replicas, time), verdict)


def _over(x: float, i: Interval) -> Interval:
    low, high = (x / limit if limit > 0 else inf for limit in (i.high, i.low))
    return Interval(x / i.estimate, low, high, i.n, i.confidence)


def _unnamed(cell: Cell) -> Cell:
    """Recipes of one size may have any name."""
    return cell.model_copy(update={"recipe": replace(cell.recipe, name="")})
