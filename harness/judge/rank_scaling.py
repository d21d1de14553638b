"""What several ranks are worth: speed-up and efficiency over one rank, from paired blocks.

The speed-up is how many times more samples a second are trained, and the efficiency is the speed-up for each rank:
1 is ideal. With T the seconds of a step,

* strong scaling: the same batch on n ranks, speed-up T₁/Tₙ, efficiency T₁/(n Tₙ)
* weak scaling: a batch n times as large on n ranks, speed-up n T₁/Tₙ, efficiency T₁/Tₙ
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, TypeVar

from levelfield.harness.judge import statistics
from levelfield.harness.judge.statistics import Blocks, Interval, Verdict
from levelfield.harness.records.cell import Cell

Kind = Literal["strong", "weak"]
Key = TypeVar("Key", bound=Hashable)


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


def scale(
    steps: Mapping[Key, Steps],
    *,
    confidence: float = 0.95,
    margin: float = 0.03,
    least_blocks: int = statistics.LEAST_BLOCKS,
) -> dict[Key, Scaling]:
    """The scaling of each; the intervals of all that are judged hold together with `confidence`.

    Those with fewer than `least_blocks` blocks in common are *not judged* and do not count.
    """
    common = {key: sorted(own.one.keys() & own.several.keys()) for key, own in steps.items()}
    judged = sum(len(blocks) >= least_blocks for blocks in common.values())
    each = statistics.shared_confidence(judged, confidence)
    return {key: _scaling(own, common[key], each, margin, least_blocks) for key, own in steps.items()}


def _scaling(own: Steps, blocks: list[int], confidence: float, margin: float, least: int) -> Scaling:
    if not blocks:
        return Scaling(None, None, statistics.judge(None, margin))
    more = own.replicas if own.kind == "weak" else 1  # samples of a step, against one rank
    one, several = [own.one[b] for b in blocks], [own.several[b] / more for b in blocks]
    speedup = statistics.paired_ratio(one, several, confidence)
    time = statistics.paired_ratio(several, one, confidence)
    verdict = statistics.judge(time, margin)
    if len(blocks) < least:
        verdict = Verdict("not judged", False, time, margin, f"n = {len(blocks)}, not judged")
    return Scaling(speedup, _times(speedup, 1 / own.replicas), verdict)


def _times(i: Interval, factor: float) -> Interval:
    return Interval(i.estimate * factor, i.low * factor, i.high * factor, i.n, i.confidence)


def _unnamed(cell: Cell) -> Cell:
    """Recipes of one size may have any name."""
    return cell.model_copy(update={"recipe": replace(cell.recipe, name="")})
