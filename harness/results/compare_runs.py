"""``levelfield compare BASE NEW``: did the same cells become faster or slower from one run to another?

Launches of two runs are not pairs in time, as the blocks of one run are. Launch i of the one is set against launch i
of the other, which is valid for independent launches, only less sharp; a drift of the machine between the runs is not
cancelled, and the output says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from levelfield.harness.judge import statistics
from levelfield.harness.judge.statistics import Verdict
from levelfield.harness.records.cell import Cell
from levelfield.harness.records.record import Record, Run
from levelfield.harness.results.proved import Place, judged, step_times
from levelfield.harness.system.differing import differing
from levelfield.harness.system.machine import Machine, MachineType
from levelfield.harness.system.numbers import counted
from levelfield.tasks.errors import UserError


@dataclass(frozen=True)
class Change:
    """One cell in both runs; `verdict` speaks of the new run's step time against the base's.

    `across`: what the two runs said, where the verdict is that of launches in turns (see `harness.results.confirm`).
    """

    cell: Cell
    verdict: Verdict
    cold: bool = False
    across: Verdict | None = None

    @property
    def fails(self) -> bool:
        """Whether a gate does for it."""
        return self.verdict.word == "slower" and self.verdict.material


@dataclass(frozen=True)
class Lost:
    """A cell that has times in the base, and whose launches in the new run failed, were not made, or do not count."""

    cell: Cell
    how: Literal["failed", "not made", "disturbed"]
    launches: int  # of which so many
    of: int
    reason: str

    def __str__(self) -> str:
        part = "" if self.launches == self.of else f" ({self.launches} of {counted(self.of, 'launch')})"
        return f"{self.how} in the new run{part}: {self.reason}"


@dataclass(frozen=True)
class RunComparison:
    changes: list[Change]
    only_base: list[Cell]  # never planned in the new run, or not come to
    only_new: list[Cell]
    differences: list[str]  # of machine, versions and variables, one line each
    lost: list[Lost] = field(default_factory=list)

    @property
    def broken(self) -> list[Lost]:
        """What a gate must not pass, whatever is said of the other cells."""
        return [one for one in self.lost if one.how != "disturbed"]

    @property
    def again(self) -> list[Change]:
        """What was measured again."""
        return [change for change in self.changes if change.across]

    @property
    def undecided(self) -> list[Cell]:
        """Of which nothing could be told."""
        open_ = [c.cell for c in self.changes if c.verdict.word not in DECIDED]
        return [*open_, *(one.cell for one in self.lost if one.how == "disturbed" and one.cell not in open_)]

    @property
    def decided(self) -> str:
        """How many cells have a verdict, and how small a slowdown would have been seen."""
        cells = {change.cell for change in self.changes} | {one.cell for one in self.lost}
        number = sum(change.verdict.word in DECIDED for change in self.changes)
        told = f"decided {number} of {len(cells)}; "
        shown = sorted(
            (1 + v.margin) * v.ratio.estimate / v.ratio.low - 1
            for v in (change.verdict for change in self.changes)
            if v.word != "not judged" and v.ratio is not None and v.ratio.low > 0
        )
        if not shown:
            return told + "no slowdown could have been shown: no cell has enough clean launches in both runs"
        told += f"the smallest slowdown that this could have shown is {shown[0]:.1%}"
        return told + (f", in the widest interval {shown[-1]:.1%}" if len(shown) > 1 else "")


def compare(
    base: tuple[Run, Sequence[Record]], new: tuple[Run, Sequence[Record]], margin: float, force: bool
) -> RunComparison:
    """Raises UserError when the runs come from different machines and `force` is not set."""
    machines = machine_differences(base[0].machine, new[0].machine)
    if machines and not force:
        raise UserError(
            "the runs come from different machines: " + "; ".join(machines), "--force compares all the same"
        )
    old_times, new_times = _paired(*(step_times(judged(records)) for _, records in (base, new)))
    common = [key for key in old_times if key in new_times]
    lost = _lost(base[1], new[1], old_times)
    verdicts = statistics.judge_pairs({key: (new_times[key], old_times[key]) for key in common}, margin=margin)
    changes = [Change(key[0], verdict, key[1]) for key, verdict in verdicts.items()]
    return RunComparison(
        changes,
        [key[0] for key in old_times if key not in new_times and key not in lost],
        [cell for cell, cold in new_times if (cell, cold) not in old_times],
        [
            *machines,
            *_launch_differences(old_times, new_times),
            *_version_differences(base[1], new[1]),
            *_variable_differences(base[1], new[1]),
        ],
        list(lost.values()),
    )


Times = dict[Place, dict[int, float]]  # → block → seconds a step
DECIDED = ("faster", "slower", "tied")


def _paired(base: Times, new: Times) -> tuple[Times, Times]:
    """Both, where a cell of the base of which the new run has the like under other variables is called as there: what
    differs is then named, as other versions are."""
    like: dict[Place, list[Place]] = {}
    for cell, cold in new:
        like.setdefault((cell.bare, cold), []).append((cell, cold))
    alike = Counter((cell.bare, cold) for cell, cold in base)

    def called(cell: Cell, cold: bool) -> Place:
        bare = cell.bare, cold
        there = like.get(bare, [])
        return there[0] if (cell, cold) not in new and len(there) == 1 and alike[bare] == 1 else (cell, cold)

    return {called(*key): times for key, times in base.items()}, new


def _lost(base: Sequence[Record], new: Sequence[Record], timed: Times) -> dict[Place, Lost]:
    """Of the cells that are `timed` in the base those of which more launches fail in the new run, or none counts."""
    failures = Counter((r.cell, r.cold) for r in base if r.status == "failed")
    launches: dict[Place, list[Record]] = {}
    for record in new:
        launches.setdefault((record.cell, record.cold), []).append(record)
    found = {}
    for key in timed:
        own = launches.get(key, [])
        failed = [r for r in own if r.status == "failed"]
        absent = [r for r in own if r.status in ("skipped", "unsupported")]
        void = [r for r in own if r.status == "ok" and r.contaminated]
        if len(failed) > failures[key]:
            found[key] = Lost(key[0], "failed", len(failed), len(own), failed[-1].reason or "no reason was recorded")
        elif absent and len(absent) == len(own):
            found[key] = Lost(key[0], "not made", len(own), len(own), absent[-1].reason or "no reason was recorded")
        elif void and len(void) == len(own):
            found[key] = Lost(key[0], "disturbed", len(own), len(own), "every launch was disturbed")
    return found


def machine_differences(base: Machine, new: Machine) -> list[str]:
    """What makes two machines different ones, a line each; the host's name does not."""
    pairs = zip(MachineType._fields, base.type, new.type, strict=True)
    return [f"{name}: {one} / {other}" for name, one, other in pairs if one != other]


def _launch_differences(base: Times, new: Times) -> list[str]:
    """Forked and cold launches are not compared with each other."""

    def kinds(times: Times) -> str:
        return " and ".join(sorted({"cold" if cold else "forked" for _, cold in times}))

    return [f"launches: {kinds(base)} / {kinds(new)}"] if base and new and kinds(base) != kinds(new) else []


def _version_differences(base: Sequence[Record], new: Sequence[Record]) -> list[str]:
    was, now = ({name: v for record in records for name, v in record.versions.items()} for records in (base, new))
    return [f"{name}: {one} / {other}" for name, one, other in differing(was, now, "absent")]


def _variable_differences(base: Sequence[Record], new: Sequence[Record]) -> list[str]:
    """Variables that launches got in one run, and not, or with another value, in the other."""

    def values(records: Sequence[Record]) -> dict[str, str]:
        made = [record.in_force for record in records if record.status in ("ok", "failed")]
        names = {name for one in made for name in one}
        return {name: " and ".join(sorted({one.get(name, "not set") for one in made})) for name in names}

    return [f"variable {name}: {was} / {now}" for name, was, now in differing(values(base), values(new), "not set")]


def text(comparison: RunComparison) -> str:
    """For the terminal: a line a cell, ordered by the ratio, then what could not be compared."""
    lines = []
    for change in sorted(comparison.changes, key=lambda c: -(c.verdict.ratio.estimate if c.verdict.ratio else 0.0)):
        ratio = change.verdict.ratio
        span = f"×{ratio.estimate:.3f} ({ratio.low:.3f}–{ratio.high:.3f}), n = {ratio.n}" if ratio else ""
        word = change.verdict.word if ratio else change.verdict.reason
        word += ", materially" if change.verdict.material else ""
        if change.across and change.across.ratio:
            span += f", in turns; across the runs ×{change.across.ratio.estimate:.3f}"
        lines.append(f"{change.cell.line}: {word}  {span}".rstrip())
    lines += [f"{one.cell.line}: {one}" for one in comparison.lost]
    for label, cells in (("only in the base", comparison.only_base), ("only in the new run", comparison.only_new)):
        lines += [f"{label}: {cell.task} {cell.adapter} ({cell.how})" for cell in cells]
    lines += [f"differs: {difference}" for difference in comparison.differences]
    if again := comparison.again:
        confirmed = sum(change.fails for change in again)
        lines.append(f"measured again in turns: {counted(len(again), 'cell')}, {confirmed} confirmed as slower")
    lines.append("The runs were made one after the other: a drift of the machine between them counts as a change.")
    lines.append(comparison.decided)
    return "\n".join(lines) + "\n"
