"""docs/results/explained.md from what was measured: nothing of it is computed elsewhere, and nothing is read back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import hypot
from typing import Any

from levelfield.harness.doctor.tables import short
from levelfield.harness.explain.spent import Count, differences, more, spent, totals, untold
from levelfield.harness.judge.statistics import Interval
from levelfield.harness.measure.profile import Profile
from levelfield.harness.records.explanation import LadderTimes
from levelfield.harness.system.numbers import counted
from levelfield.reports.findings.explained import Unit, causes
from levelfield.reports.findings.text import fixed, percent


@dataclass(frozen=True)
class Experiment:
    """A copy of an adapter with one change, which takes away what the ladder of `original` gives to its step."""

    original: str  # name of the pair
    without: str
    change: str


EXPERIMENTS = {
    "experiment": Experiment(
        original="flax-nnx",
        without="its traversal",
        change="""\
At each call `nnx.jit` takes network and optimizer apart in Python, and puts them together again. The profile above
spends the step on that. The mode [`split-merge`](../fast-modes.md) is the adapter with one change: `jax.jit` of a
function of their states, taken apart once. Network, optimizer, data and order stay.
""",
    ),
    "experiment-trainer": Experiment(
        original="torch-lightning",
        without="its Trainer",
        change="""\
For each batch the Trainer goes through its loop, its hooks and its progress in Python. The profile above spends the
step on that. The mode [`fabric`](../fast-modes.md) is the adapter with one change: Lightning's Fabric sets network and
optimizer up, and a few lines of Python are the loop. Network, optimizer, data and order stay.
""",
    ),
}
HEAD = """# What five differences are made of

<!-- written by tests/acceptance/explained.py from docs/results/explained/ -->

For anyone who wonders what a higher API, or compiling, costs in a step and why. {when}

    make explained                              # measures what is missing, then writes this page
    make explained EXPLAINED=--again            # measures all anew, a quarter of an hour

Every rung does a little more than the one above, and all are timed in turns. Who spends a step is told by a launch of
its own, which took no turns. [How to read it](../compare.md#where-the-time-of-a-step-goes)
"""


def text(found: Mapping[str, Mapping[str, Any]]) -> str:
    """The whole page, from the files by name."""
    if not found:
        return HEAD.format(when="Nothing was measured yet.")
    parts = [HEAD.format(when=_when(list(found.values())))]
    parts += [_pair(one) for name, one in found.items() if name not in EXPERIMENTS]
    parts += [
        _experiment(asked, found[name], found.get(asked.original))
        for name, asked in EXPERIMENTS.items()
        if name in found
    ]
    return "\n".join(parts)


def _when(found: Sequence[Mapping[str, Any]]) -> str:
    days = sorted({one["date"][:10] for one in found})
    commits = sorted({short(one["machine"]["commit"]) for one in found})
    machines = sorted({f"{one['machine']['cpu']}, {counted(one['machine']['cores'], 'core')}" for one in found})
    return (
        f"Measured on {' and '.join(days)} by `make explained` with levelfield {', '.join(commits)}, "
        f"on {'; '.join(machines)}."
    )


def _table(rows: Iterable[Sequence[str]]) -> list[str]:
    head, *others = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return ["| " + " | ".join(row) + " |" for row in (head, ["---"] + ["---:"] * (len(head) - 1), *others)]


def _pair(one: Mapping[str, Any]) -> str:
    own, other = one["adapter"], one["against"]
    lines = [f"## {own} against {other}", "", f"    {one['command']}", "", *_ladder(one), ""]
    profiles = [_profile(one, name) for name in (own, other)]
    for name, profile in zip((own, other), profiles, strict=True):
        if isinstance(profile, str):
            lines += [f"{name} was not looked at: {profile}.", ""]
    if not any(isinstance(profile, str) for profile in profiles):
        ours, theirs = (profile for profile in profiles if isinstance(profile, Profile))
        lines += [*_spent(one, ours, theirs), "", *_counts(one, ours, theirs), ""]
    return "\n".join(lines)


def _profile(one: Mapping[str, Any], label: str) -> Profile | str:
    found = one["profiles"].get(label, "it was stopped before")
    return found if isinstance(found, str) else Profile.model_validate(found)


def _ladder(one: Mapping[str, Any]) -> list[str]:
    ladder = LadderTimes.model_validate(one["ladder"])
    unit = Unit.of(ladder)
    lines = [causes(one["adapter"], one["against"], ladder), ""] if ladder.added else []
    rows = [("rung", "a step", "more than the rung above")]
    rows += [(rung.what, unit.span(rung.step), unit.more(rung.more) if rung.more else "") for rung in ladder.rungs]
    lines += _table(rows)
    signs = (
        f"{'−' if r.more.estimate < 0 else '+'} {unit.number(abs(r.more.estimate))}" for r in ladder.rungs if r.more
    )
    total = ladder.rungs[-1].step.estimate
    sums = f"{unit.number(ladder.rungs[0].step.estimate)} {' '.join(signs)} = {unit.number(total)} {unit.name}"
    how = f"{one['workload']}, {counted(ladder.blocks, 'block')}, {counted(one['threads'], 'thread')}"
    lines += ["", f"It adds up: {sums}. {how}."]
    return [*lines, *(f"Not timed: {what}: {why}." for what, why in ladder.missing.items())]


def _timed(one: Mapping[str, Any], label: str) -> Interval | None:
    """The step of a side as a run on the matched track times it."""
    ladder = LadderTimes.model_validate(one["ladder"])
    if label == one["against"]:
        rung = ladder.of("other")
    else:
        matched = [rung for rung in ladder.rungs if rung.rung in ("step", *ladder.causes)]
        rung = matched[-1] if matched else None
    return None if rung is None else rung.step


def _spent(one: Mapping[str, Any], own: Profile, other: Profile) -> list[str]:
    labels = (one["adapter"], one["against"])
    sides = [spent(p, _timed(one, label)) for p, label in zip((own, other), labels, strict=True)]
    unit = Unit(max(side.step for side in sides))
    kinds = [kind for kind in ("dispatch", "kernels", "data", "waiting", "rest") if any(kind in s.kinds for s in sides)]
    rows: list[tuple[str, ...]] = [("who spends it", *labels)]
    for kind in kinds:
        cells = (
            f"{unit.number(side.kinds[kind])} {unit.name} ({percent(side.kinds[kind] / side.step)})"
            if kind in side.kinds
            else "part of dispatch"
            for side in sides
        )
        rows.append((kind, *cells))
    rows.append(("together", *(f"{unit.number(side.step)} {unit.name}" for side in sides)))
    rows.append(("timed in turns", *(unit.span(side.timed) if side.timed else "not timed" for side in sides)))
    first, second = more(*sides)[:2]
    parts = (f"{unit.signed(seconds)} {unit.name} of {kind}" for kind, seconds in (first, second))
    return [
        f"While nobody looked, {labels[0]} spent {' and '.join(parts)} a step beside {labels[1]}.",
        "",
        *_table(rows),
    ]


def _counts(one: Mapping[str, Any], own: Profile, other: Profile) -> list[str]:
    rows: list[tuple[str, ...]] = [("in a step, or as it says", one["adapter"], one["against"])]
    rows += [_count(each) for each in (*totals(own, other), *differences(own, other)[:5])]
    lines = _table(rows)
    for label, profile in ((one["adapter"], own), (one["against"], other)):
        lines += [f"* Not counted of {label}, {name}: {why}." for name, why in untold(profile).items()]
    at = next((i for i, line in enumerate(lines) if line.startswith("* ")), len(lines))
    return [*lines[:at], *([""] if at < len(lines) else []), *lines[at:]]


def _count(one: Count) -> tuple[str, ...]:
    decimals = 0 if one.name.startswith("compilations") else 1
    return (one.name, *("—" if value is None else fixed(value, decimals) for value in (one.own, one.other)))


def _experiment(asked: Experiment, one: Mapping[str, Any], original: Mapping[str, Any] | None) -> str:
    """Whether one change takes away what the original's ladder and profile say that it costs."""
    lines = [f"## An experiment: {one['against']} without {asked.without}", "", f"    {one['command']}", ""]
    lines += [asked.change]
    ladder = LadderTimes.model_validate(one["ladder"])
    if ladder.added is not None:
        lines += [*_fell(ladder, ladder.added, asked.original, original), ""]
    lines += [*_ladder_table(one), ""]
    own, other = (_profile(one, name) for name in (one["adapter"], one["against"]))
    if isinstance(own, Profile) and isinstance(other, Profile):
        lines += [*_spent(one, own, other), "", *_counts(one, own, other), ""]
    return "\n".join(lines)


def _fell(ladder: LadderTimes, added: Interval, name: str, original: Mapping[str, Any] | None) -> list[str]:
    unit = Unit.of(ladder)
    word = "shorter" if added.estimate < 0 else "longer"
    told = f"the step is {unit.number(abs(added.estimate))}{unit.half(added)} {unit.name} {word}"
    rung = None if original is None else LadderTimes.model_validate(original["ladder"]).of("step")
    if rung is None or rung.more is None:
        return [f"Found: {told}. What was predicted is not known: {name} was not measured."]
    mine, fell, most = Unit(rung.step.estimate), -added.estimate, rung.more
    half = hypot((added.high - added.low) / 2, fell * (most.high - most.low) / 2 / most.estimate) / most.estimate
    return [
        f"Predicted: without it a step is {mine.span(most)} shorter. The ladder of {name} gives that to its step.",
        "",
        f"Found: {told}. The change takes away {percent(fell / most.estimate)} ± {percent(half)} of that.",
    ]


def _ladder_table(one: Mapping[str, Any]) -> list[str]:
    """Without the sentence on causes: of a copy that is faster they are no causes."""
    lines = _ladder(one)
    return lines[lines.index("") + 1 :] if one["ladder"]["added"] else lines
