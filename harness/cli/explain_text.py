"""What ``levelfield explain`` found, as lines for a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from levelfield.harness.explain.rungs import Side
from levelfield.harness.explain.spent import COMPILED, Spent, differences, more, spent, totals, untold
from levelfield.harness.judge.statistics import Interval
from levelfield.harness.measure.profile import Profile
from levelfield.harness.records.explanation import LadderTimes
from levelfield.harness.system.console import columns
from levelfield.harness.system.numbers import counted
from levelfield.reports.findings.explained import Unit, causes
from levelfield.reports.findings.text import fixed, percent


def text(
    side: Side, other: Side | None, work: str, ladder: LadderTimes, looked: Mapping[str, Profile | str]
) -> list[str]:
    """`looked` holds a profile, or why there is none, by the label of each side."""
    against = f" against {other.label}" if other else ""
    threads = side.cell.threads
    how = "one thread, in turns on one core" if threads == 1 else f"{threads} threads, in turns on {threads} cores"
    lines = [f"{side.label}{against}: {work}, {how}"]
    lines += ["", *ladder_lines(side, other, ladder)]
    for one in filter(None, (side, other)):
        if (profile := looked.get(one.label)) is not None:
            # As a run on the matched track times it
            rung = ladder.of("other" if one is other else "step" if one.resident else "loader")
            lines += ["", *profile_lines(one, profile, None if rung is None else rung.step)]
    own, base = (looked.get(one.label) if one else None for one in (side, other))
    if isinstance(own, Profile) and isinstance(base, Profile) and other is not None:
        lines += [
            "",
            by_kind(side, other, spent(own, None), spent(base, None)),
            "",
            *count_lines(side, other, own, base),
        ]
    return lines


def profile_lines(side: Side, profile: Profile | str, timed: Interval | None) -> list[str]:
    """Who spends a step, what it adds up to, and the dearest callers."""
    if isinstance(profile, str):
        return [f"{side.label} was not looked at: {profile}"]
    found = spent(profile, timed)
    unit = Unit(max(found.step, *found.kinds.values()))
    rows = [
        (f"  {name}", f"{unit.number(seconds)} {unit.name}", percent(seconds / found.step))
        for name, seconds in found.kinds.items()
    ]
    lines = [f"Who spends a step of {side.label}", *columns(rows), f"  {adds_up(found, unit)}"]
    slower = ", ".join(f"{name} {factor:.2f}" for name, factor in found.factors.items())
    lines.append(f"  looking at it took times as long: {slower}")
    if found.unwatched is not None:
        lines.append(f"  kernels are part of dispatch: {found.unwatched}")
    if found.hidden:
        lines.append(f"  besides {unit.number(found.hidden)} {unit.name} of kernels on other threads, beside all this")
    callers = [(f"  {percent(one.share)}", one.kind, one.name) for one in found.callers]
    return [*lines, f"The dearest callers, of {profile.samples} samples", *columns(callers)]


def adds_up(found: Spent, unit: Unit) -> str:
    total = f"adds up to {unit.number(found.step)} {unit.name}"
    if found.timed is None:
        return f"{total}; the step was not timed in turns"
    if not found.off:
        return f"{total}, within the timed {unit.span(found.timed)}"
    word = "more" if found.off > 0 else "less"
    why = "it is another launch, which took no turns"
    return f"{total}, {unit.number(abs(found.off))} {unit.name} {word} than the timed {unit.span(found.timed)}: {why}"


def by_kind(side: Side, other: Side, own: Spent, base: Spent) -> str:
    """The two kinds by which the steps differ most."""
    unit = Unit(max(own.step, base.step))
    parts = " and ".join(f"{unit.signed(seconds)} {unit.name} of {kind}" for kind, seconds in more(own, base)[:2])
    return f"While nobody looked, {side.label} spent {parts} a step beside {other.label}."


def count_lines(side: Side, other: Side, own: Profile, base: Profile) -> list[str]:
    """What one does and the other does not, in a step."""
    head = ("  in a step", side.label, other.label)
    counts = [*totals(own, base), *differences(own, base)]
    rows = [(f"  {one.name}", *(shown(one.name, value) for value in (one.own, one.other))) for one in counts]
    lines = [f"What {side.label} does and {other.label} does not", *columns([head, *rows])]
    return [*lines, *(line for sides in ((side, own), (other, base)) for line in untold_lines(*sides))]


def shown(name: str, value: float | None) -> str:
    """Whole where it is a matter of the whole launch."""
    return "—" if value is None else fixed(value, 0 if name in COMPILED else 1)


def untold_lines(side: Side, profile: Profile) -> list[str]:
    """A line for each reason why something was not counted."""
    by_reason: dict[str, list[str]] = {}
    for name, why in untold(profile).items():
        by_reason.setdefault(why, []).append(name)
    return [f"  not counted of {side.label}: {', '.join(names)}: {why}" for why, names in by_reason.items()]


def ladder_lines(side: Side, other: Side | None, ladder: LadderTimes) -> list[str]:
    """A line for each rung, what makes up the difference, and what is missing, with why."""
    missing = [f"  not timed: {label}: {why}" for label, why in ladder.missing.items()]
    if not ladder.rungs:
        return ["No ladder: no block has all of its rungs", *missing]
    steps = [one.step.estimate for one in ladder.rungs]
    unit = Unit(max(steps), min(steps))
    rows = [("  rung", "a step", "more than the rung above")]
    for one in ladder.rungs:
        rows.append((f"  {one.what}", unit.span(one.step), "" if one.more is None else unit.more(one.more)))
    lines = [f"The ladder ({counted(ladder.blocks, 'block')})", *columns(rows), *missing]
    if len(ladder.rungs) > 1:
        lines.append(f"  adds up: {sum_of(ladder, unit)}")
    if ladder.added is not None:
        lines += ["", causes(side.label, None if other is None else other.label, ladder)]
    return lines


def sum_of(ladder: LadderTimes, unit: Unit) -> str:
    """The lowest rung and all differences, written out."""
    parts = [unit.number(ladder.rungs[0].step.estimate)]
    for one in ladder.rungs[1:]:
        assert one.more is not None
        parts.append(f"{'−' if one.more.estimate < 0 else '+'} {unit.number(abs(one.more.estimate))}")
    return f"{' '.join(parts)} = {unit.number(ladder.rungs[-1].step.estimate)} {unit.name}"
