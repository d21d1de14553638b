"""What a ladder says in words: times with the same decimals beside each other, and what a difference is made of."""

from __future__ import annotations

from math import floor, inf, log10

from levelfield.harness.judge.statistics import Interval
from levelfield.harness.records.explanation import LadderTimes
from levelfield.reports.findings.text import fixed, percent, unit_for

PARTS = {"other": "the step of the other", "step": "its step", "loader": "its loader", "defaults": "its defaults"}


class Unit:
    """Times beside each other, with the same unit and the same decimals: sums stay sums."""

    def __init__(self, longest: float, shortest: float = 0.0) -> None:
        """Of these seconds, the longest has three digits, the shortest two, with at most three behind the point."""
        self.scale, self.name = unit_for(longest)
        least = 2 - floor(log10(max(longest / self.scale, 1.0)))
        self.decimals = max(0, least, min(3, 1 - floor(log10(shortest / self.scale))) if shortest > 0 else 0)

    @classmethod
    def of(cls, ladder: LadderTimes) -> Unit:
        """For all steps of a ladder."""
        steps = [one.step.estimate for one in ladder.rungs]
        return cls(max(steps), min(steps))

    def number(self, seconds: float) -> str:
        return fixed(seconds / self.scale, self.decimals)

    def signed(self, seconds: float) -> str:
        return f"{'−' if seconds < 0 else '+'}{self.number(abs(seconds))}"

    def half(self, found: Interval) -> str:
        """Of an interval, behind its sign; nothing where one value gave none."""
        half = (found.high - found.low) / 2
        return "" if half == inf else f" ± {self.number(half)}"

    def span(self, found: Interval) -> str:
        return f"{self.number(found.estimate)}{self.half(found)} {self.name}"

    def more(self, found: Interval) -> str:
        return f"{self.signed(found.estimate)}{self.half(found)} {self.name}"


def causes(name: str, other: str | None, ladder: LadderTimes) -> str:
    """What the difference between both is made of, the two dearest parts; `ladder` must say how large it is."""
    added = ladder.added
    assert added is not None
    unit = Unit.of(ladder)
    than = other if other and ladder.of("other") else ladder.rungs[0].what
    word = "more" if added.estimate >= 0 else "less"
    amount = f"{unit.number(abs(added.estimate))}{unit.half(added)} {unit.name}"
    head = f"{name} takes {amount} {word} a step than {than}"
    dearest = [rung for cause in ladder.causes[:2] if (rung := ladder.of(cause)) is not None]
    if len(dearest) < 2:
        return f"{head}, and all of it is {PARTS[dearest[0].rung]}."
    parts = [f"{unit.more(one.more)} ({_share(one.more, added)}) are {PARTS[one.rung]}" for one in dearest if one.more]
    return f"{head}: {', '.join(parts)}."


def _share(part: Interval, whole: Interval) -> str:
    return percent(part.estimate / whole.estimate) if whole.estimate else "?"
