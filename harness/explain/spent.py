"""Who spends the time of a step, and what one adapter does that another does not: profiles, reduced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from levelfield.adapters.runtime import place
from levelfield.harness.explain.rungs import Side
from levelfield.harness.judge.statistics import Interval
from levelfield.harness.launch.block import Participant
from levelfield.harness.launch.local import LocalHost
from levelfield.harness.measure.profile import Caller, Profile, Profiled
from levelfield.harness.plan.launches import Launch
from levelfield.harness.records.explanation import Kind, Spending
from levelfield.harness.records.quantity import Unavailable

DEAREST = 10  # callers, and differences of counts


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
    """How often both do something in a step; None where that was not counted, see `untold`."""

    name: str
    own: float | None
    other: float | None


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


def spending(profile: Profile | str) -> Spending | str:
    """For what is written down."""
    if isinstance(profile, str):
        return profile
    found, compiled = spent(profile, None), profile.compilations
    return Spending(
        step=found.step,
        kinds=dict(found.kinds),
        unwatched=found.unwatched,
        allocated=profile.allocated,
        copied=profile.copied,
        compiled_first=None if compiled is None else compiled.first,
        compiled_steady=None if compiled is None else compiled.steady,
    )


def more(own: Spent, other: Spent) -> list[tuple[Kind, float]]:
    """Seconds that one spends more than the other, or less, by kind, the largest first. Kernels are dispatch unless
    both tell them apart."""
    both = "kernels" in own.kinds and "kernels" in other.kinds
    ours, theirs = (dict(one.kinds) if both else _merged(one.kinds) for one in (own, other))
    return sorted(((kind, ours[kind] - theirs[kind]) for kind in ours), key=lambda item: -abs(item[1]))


def _merged(kinds: Mapping[Kind, float]) -> dict[Kind, float]:
    merged: dict[Kind, float] = {kind: seconds for kind, seconds in kinds.items() if kind != "kernels"}
    return merged | {"dispatch": kinds["dispatch"] + kinds.get("kernels", 0.0)}


BYTES, COPIES = "bytes allocated", "copies between host and device"
COMPILED = ("compilations, in all until the first epoch ends", "compilations, in all steady epochs that were looked at")


def totals(own: Profile, other: Profile) -> list[Count]:
    """Of calls, operations, bytes and copies in a step, and of compilations."""
    ours, theirs = _totals(own), _totals(other)
    return [Count(name, value, theirs[name]) for name, value in ours.items()]


def _totals(profile: Profile) -> dict[str, float | None]:
    compiled, watched = profile.compilations, profile.unwatched is None
    operations = profile.operations.values()
    return {
        "calls of Python functions": profile.python_calls,
        "calls of functions below Python": sum(profile.c_names.values()),
        "operations of the framework": sum(one.count for one in operations) if watched else None,
        "of these kernels": sum(one.count for one in operations if one.kernel) if watched else None,
        BYTES: None if isinstance(profile.allocated, Unavailable) else profile.allocated.value,
        COPIES: None if isinstance(profile.copied, Unavailable) else profile.copied.value,
        COMPILED[0]: None if compiled is None else compiled.first,
        COMPILED[1]: None if compiled is None else compiled.steady,
    }


def untold(profile: Profile) -> dict[str, str]:
    """What was not counted → why."""
    found = {"operations": profile.unwatched} if profile.unwatched is not None else {}
    for name, quantity in ((BYTES, profile.allocated), (COPIES, profile.copied)):
        if isinstance(quantity, Unavailable):
            found[name] = quantity.reason
    return found | ({} if profile.compilations else {"compilations": "it compiles nothing, as far as levelfield knows"})


def differences(own: Profile, other: Profile) -> list[Count]:
    """What one does more often than the other, the largest differences first: operations of the framework, where both
    were watched, else functions below Python."""
    watched = own.unwatched is None and other.unwatched is None
    ours, theirs = (_counts(profile, watched) for profile in (own, other))
    found = [(name, ours.get(name, 0.0), theirs.get(name, 0.0)) for name in {**ours, **theirs}]
    found.sort(key=lambda one: (-abs(one[1] - one[2]), one[0]))
    return [Count(*one) for one in found if round(one[1], 1) != round(one[2], 1)][:DEAREST]


def _counts(profile: Profile, watched: bool) -> dict[str, float]:
    return {name: one.count for name, one in profile.operations.items()} if watched else profile.c_names
