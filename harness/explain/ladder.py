"""The ladder that adds up: each rung timed in turns with all others, and how much longer it takes than the one below.

A block's value of a rung is the median of its steady steps. Means over the blocks are compared, since they add up as
medians do not: the differences of all rungs and the lowest rung are the highest one, to the last digit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from levelfield.harness.explain.rungs import Rung
from levelfield.harness.judge.statistics import (
    LEAST_BLOCKS_TO_STOP,
    Interval,
    mean_difference,
    mean_interval,
    shared_confidence,
)
from levelfield.harness.launch.block import Participant
from levelfield.harness.launch.local import LocalHost
from levelfield.harness.plan.launches import Launch
from levelfield.harness.records.explanation import LadderTimes, RungName, RungTime
from levelfield.harness.records.record import Record, step_seconds

SECONDS = 0.5  # of turns in a launch


@dataclass
class Climb:
    """The rungs that are measured, block by block."""

    rungs: Sequence[Rung]
    missing: dict[str, str] = field(default_factory=dict)
    values: list[dict[RungName, float]] = field(default_factory=list)  # of each block, seconds of a step

    def __post_init__(self) -> None:
        self.missing |= {one.label: one.missing for one in self.rungs if one.missing is not None}

    @property
    def left(self) -> list[Rung]:
        """Those that can be timed, as far as is known."""
        return [one for one in self.rungs if one.label not in self.missing]

    def block(self, host: LocalHost, number: int) -> None:
        """Launches of all rungs in turns. A rung whose launch fails, or does other work, is missing from then on."""
        due = self.left
        made = host.together([self._participant(one, due, number) for one in due])
        for rung, record in zip(due, made, strict=True):
            if (why := _void(record)) is not None:
                self.missing[rung.label] = why
        pairs = zip(due, made, strict=True)
        found = {rung.name: seconds for rung, one in pairs if (seconds := step_seconds(one)) is not None}
        self.values.append(found)

    def _participant(self, rung: Rung, due: Sequence[Rung], number: int) -> Participant:
        # Where memory makes waves, each has the first of those that train
        base = next((one for one in due if one.name != "arithmetic"), due[0])
        launch = Launch(rung.cell, number, seed=number, seconds=SECONDS, baseline=rung is base)
        return Participant(launch, rung.wrap, group="ladder")

    @property
    def ladder(self) -> LadderTimes:
        """What the blocks until now say."""
        return ladder(self.left, self.values, self.missing)

    def decided(self, precision: float) -> bool:
        """Whether each difference is known to ±`precision` of the longest step, whatever it is."""
        found = self.ladder
        if found.blocks < LEAST_BLOCKS_TO_STOP:
            return False
        longest = max(one.step.estimate for one in found.rungs)
        widths = [(one.more.high - one.more.low) / 2 for one in found.rungs if one.more is not None]
        return all(width <= precision * longest for width in widths)


def ladder(
    rungs: Sequence[Rung], values: Sequence[Mapping[RungName, float]], missing: Mapping[str, str]
) -> LadderTimes:
    """From the `values` of each block; a block without one of the `rungs` does not count."""
    whole = [one for one in values if all(rung.name in one for rung in rungs)]
    if not whole:
        return LadderTimes(rungs=(), missing=dict(missing), blocks=0, added=None, causes=())
    of = {rung.name: [one[rung.name] for one in whole] for rung in rungs}
    confidence = shared_confidence(len(rungs))  # one difference fewer, and the sum of some of them

    def more(own: Rung, than: Rung) -> Interval:
        return mean_difference(of[own.name], of[than.name], confidence)

    found = [
        RungTime(
            rung=rung.name,
            what=rung.label,
            step=mean_interval(of[rung.name]),
            more=more(rung, rungs[place - 1]) if place else None,
        )
        for place, rung in enumerate(rungs)
    ]
    base = next((place for place, one in enumerate(rungs) if one.name == "other"), 0)
    top = max((place for place, one in enumerate(rungs) if _is_matched(one)), default=0)
    dearest = sorted(found[base + 1 : top + 1], key=lambda one: -one.more.estimate if one.more else 0.0)
    return LadderTimes(
        rungs=tuple(found),
        missing=dict(missing),
        blocks=len(whole),
        added=more(rungs[top], rungs[base]) if top > base else None,
        causes=tuple(one.rung for one in dearest),
    )


def _is_matched(rung: Rung) -> bool:
    """Whether it is part of what a run on the matched track times: neither a loader that only the documentation
    uses, nor the defaults."""
    return rung.name != "defaults" and not any(getattr(wrap, "does", "") == "loader" for wrap in rung.wrap)


def _void(record: Record) -> str | None:
    """Why a rung cannot be timed; too few turns are a matter of one block."""
    if record.status != "ok":
        return record.reason or record.status
    return f"not proved while timed: {record.unproved}" if record.unproved else None
