"""Who spends the time of a step, and what one adapter does that another does not: profiles, reduced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from levelfield.adapters.runtime import place
from levelfield.harness.explain.rungs import Side
from levelfield.harness.judge.statistics import Interval
from levelfield.harness.launch.block import Participant
from levelfield.harness.launch.local import LocalHost
from levelfield.harness.measure.profile import Caller, Profile, Profiled
from levelfield.harness.plan.launches import Launch

DEAREST = 10  # callers, and differences of counts
Kind = Literal["dispatch", "kernels", "data", "waiting", "rest"]


@dataclass(frozen=True)
class Spent:
    """Seconds of a step by `kinds`; without `kernels` where nothing told them apart from dispatch, for the reason
    `unwatched`. `hidden`: seconds of kernels on other threads, beside what this one did.

    `step` is what they add up to: that of the same launch while nobody looked. `timed`: the same in turns, if that is
    known. `factors`: way of looking → by how much it slowed the step down.
    """

    kinds: Mapping[Kind, float]
    callers: tuple[Caller, ...]
    step: float
    timed: Interval | None
    factors: Mapping[str, float]
    unwatched: str | None = None
    hidden: float = 0.0

    @property
    def off(self) -> float:
        """Seconds by which the kinds are more than the timed step; 0 within its interval."""
        if self.timed is None or self.timed.low <= self.step <= self.timed.high:
            return 0.0
        return self.step - self.timed.estimate


@dataclass(frozen=True)
class Count:
    """How often both do something in a step."""

    name: str
    own: float
    other: float


def look(host: LocalHost, side: Side, trace: Path | None = None) -> Profile | str:
    """The profile of a launch of its own, or why there is none. `trace`: a folder for the traces."""
    stem = f"{side.info.name}-{side.cell.mode}"
    to = host.folder / f"profile-{stem}.json"
    wrap = Profiled(runtime=place(side.info), to=to, trace=None if trace is None else trace / stem)
    launch = Launch(side.cell, 0, seed=0, seconds=0.0, baseline=True)
    (record,) = host.together([Participant(launch, (wrap,))])
    if not to.exists():  # else it was seen whole, whatever became of the launch
        return record.reason or record.status
    return Profile.model_validate_json(to.read_text(encoding="utf-8"))


def spent(profile: Profile, timed: Interval | None) -> Spent:
    """Kernels are taken from dispatch where they ran on the thread that trains, else from its waiting; so is what it
    waits inside a call."""
    step = profile.plain.step
    of = {kind: profile.kinds.get(kind, 0.0) * step for kind in ("dispatch", "data", "waiting", "rest")}
    kinds: dict[Kind, float] = {"dispatch": of["dispatch"]}
    hidden = 0.0
    if profile.unwatched is None:
        own = min(profile.kernels, of["dispatch"])
        waits = min(profile.waits, of["dispatch"] - own)
        of["waiting"] += waits
        beside = min(profile.beside, of["waiting"])
        kinds = {"dispatch": of["dispatch"] - own - waits, "kernels": own + beside}
        of["waiting"] -= beside
        hidden = profile.beside - beside
    kinds |= {"data": of["data"], "waiting": of["waiting"], "rest": of["rest"]}
    looks = {
        "sampling": profile.sampled,
        "counting calls": profile.counted,
        "the framework's profiler": profile.watched,
    }
    factors = {name: one.step / profile.plain.step for name, one in looks.items() if one is not None}
    return Spent(kinds, tuple(profile.callers[:DEAREST]), step, timed, factors, profile.unwatched, hidden)


def more(own: Spent, other: Spent) -> list[tuple[Kind, float]]:
    """Seconds that one spends more than the other, by kind, the largest first. Kernels are dispatch unless both tell
    them apart."""
    both = "kernels" in own.kinds and "kernels" in other.kinds
    ours, theirs = (dict(one.kinds) if both else _merged(one.kinds) for one in (own, other))
    return sorted(((kind, ours[kind] - theirs[kind]) for kind in ours), key=lambda item: -item[1])


def _merged(kinds: Mapping[Kind, float]) -> dict[Kind, float]:
    merged: dict[Kind, float] = {kind: seconds for kind, seconds in kinds.items() if kind != "kernels"}
    return merged | {"dispatch": kinds["dispatch"] + kinds.get("kernels", 0.0)}


def totals(own: Profile, other: Profile) -> list[Count]:
    """Of calls and operations, as far as both were counted."""
    found = [
        Count("calls of Python functions", own.python_calls, other.python_calls),
        Count("calls of functions below Python", sum(own.c_names.values()), sum(other.c_names.values())),
    ]
    if own.unwatched is None and other.unwatched is None:
        of = [[one for one in profile.operations.values()] for profile in (own, other)]
        found.append(Count("operations of the framework", *(sum(one.count for one in ones) for ones in of)))
        kernels = (sum(one.count for one in ones if one.kernel) for ones in of)
        found.append(Count("of these kernels", *kernels))
    return found


def differences(own: Profile, other: Profile) -> list[Count]:
    """What one does more often than the other, the largest differences first: operations of the framework, where both
    were watched, else functions below Python."""
    watched = own.unwatched is None and other.unwatched is None
    ours, theirs = (_counts(profile, watched) for profile in (own, other))
    found = [Count(name, ours.get(name, 0.0), theirs.get(name, 0.0)) for name in {**ours, **theirs}]
    found.sort(key=lambda one: (-abs(one.own - one.other), one.name))
    return [one for one in found if round(one.own, 1) != round(one.other, 1)][:DEAREST]


def _counts(profile: Profile, watched: bool) -> dict[str, float]:
    return {name: one.count for name, one in profile.operations.items()} if watched else profile.c_names
