"""The whole examination: what is done in which effort, and what was found."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from levelfield.adapters.registry import AdapterInfo
from levelfield.harness.doctor.conditions import Condition, conditions, others
from levelfield.harness.doctor.parts import PARTS, Part
from levelfield.harness.doctor.series import TASK, Bench
from levelfield.harness.system import machine
from levelfield.harness.system.machine import Machine
from levelfield.harness.system.numbers import counted
from levelfield.tasks import registry as task_registry
from levelfield.tasks.errors import UserError

if TYPE_CHECKING:
    from levelfield.harness.doctor.against_itself import Trial


@dataclass(frozen=True)
class Effort:
    """What is measured, on which adapters, and how much: `seconds` of steady epochs in a launch, `budget` for all."""

    name: str
    parts: tuple[str, ...]
    adapters: tuple[str, ...]
    seconds: float = 0.2
    budget: float | None = None


TYPICAL = ("numpy-manual", "torch-autograd", "jax-grad")
EFFORTS = {
    "quick": Effort("quick", ("itself",), TYPICAL[:1], seconds=0.1, budget=45.0),
    "normal": Effort("normal", ("itself",), TYPICAL[:2], budget=300.0),
    "full": Effort("full", tuple(PARTS), TYPICAL, seconds=0.15, budget=34 * 60.0),
}
# Seconds that a launch takes in all, about, with the imports of a parent: what the steps of a budget are weighed by
_LAUNCH = {"torch": 2.4, "jax": 1.4, "flax": 2.5, "tensorflow": 2.3, "keras": 2.0, "lightning": 2.1}
_CHEAP = 0.8


@dataclass(frozen=True)
class Step:
    """One thing to measure: what is told before, and the seconds that it takes about, by which a budget is divided.

    0 seconds: its time is fixed, and no budget ends it.
    """

    part: Part
    title: str
    seconds: float


@dataclass(frozen=True)
class AdapterStep(Step):
    """Of an adapter in a mode, in at most so many `pairs` (blocks)."""

    info: AdapterInfo
    mode: str
    pairs: int


@dataclass(frozen=True)
class Examination:
    effort: str
    date: str
    machine: Machine
    threads: int
    frameworks: dict[str, str | None]  # distribution → version, None where it is missing
    conditions: list[Condition]
    trials: list[Trial]
    took: float
    stopped: bool = False  # before everything was measured


def examine(
    effort: Effort, adapters: Mapping[str, AdapterInfo], threads: int | None, tell: Callable[[str], None]
) -> Examination:
    """Look, measure, replay, in about `effort.budget` seconds; `tell` is given a line before each step.

    An interrupt ends the measuring: what was measured before it is the result.
    """
    start = time.monotonic()
    bench = prepare(threads, effort.seconds)
    tell("looking at the machine")
    looked = [*conditions(cores=bench.cores), others(1.0, len(bench.cores))]
    trials, stopped = [], False
    chosen = [PARTS[name] for name in PARTS if name in effort.parts]
    try:
        for _, trial in measured(chosen, effort, adapters, bench, tell, start):
            trials.append(trial)
    except KeyboardInterrupt:
        stopped = True
    return Examination(
        effort=effort.name,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=bench.machine,
        threads=bench.threads,
        frameworks=frameworks(adapters),
        conditions=looked,
        trials=trials,
        took=time.monotonic() - start,
        stopped=stopped,
    )


def prepare(threads: int | None, seconds: float) -> Bench:
    """Where launches of so many seconds are made. Raises UserError for more threads than there are cores."""
    cores = machine.cores()
    threads = threads or len(cores)
    if threads > len(cores):
        raise UserError(
            f"{threads} threads are asked for, this process may use {counted(len(cores), 'core')}", "--threads 1"
        )
    return Bench(task_registry.load(TASK), machine.describe(True), cores, threads, seconds)


def measured(
    parts: Iterable[Part],
    effort: Effort,
    adapters: Mapping[str, AdapterInfo],
    bench: Bench,
    tell: Callable[[str], None],
    start: float,
) -> Iterator[tuple[AdapterStep, Trial]]:
    """Each step with its result, as they come; `start` is when the budget began, on the monotonic clock."""
    steps = [step for part in parts for step in part.plan(effort, adapters)]
    time_of = Shares(start + effort.budget if effort.budget else None, sum(step.seconds for step in steps))
    for step in steps:
        tell(step.title)
        yield step, step.part.measure(bench, step, time_of.next(step.seconds))


class Shares:
    """Divides the time until `end` among steps by weight; what a step leaves over goes to those after it."""

    def __init__(self, end: float | None, weight: float) -> None:
        self.end, self.weight = end, weight

    def next(self, weight: float) -> Callable[[], bool]:
        """Whether the time of the next step is over; never without an end."""
        if self.end is None:
            return lambda: False
        now = time.monotonic()
        until = now + ((self.end - now) * weight / self.weight if weight else 0.0)
        self.weight -= weight
        return lambda: time.monotonic() >= until


def launch_seconds(info: AdapterInfo) -> float:
    """What a launch takes in all, about."""
    return _LAUNCH.get(info.framework, _CHEAP)


def frameworks(adapters: Mapping[str, AdapterInfo]) -> dict[str, str | None]:
    """The distributions of all adapters with their versions, None where one is missing."""
    found: dict[str, str | None] = {}
    for info in adapters.values():
        versions = info.versions()
        found |= {name: versions.get(name) for name in info.distributions}
    return found


def choose(effort: Effort, names: Sequence[str], only: Sequence[str] = ()) -> Effort:
    """The same effort on other adapters; of its parts these alone, and then each to its end."""
    if only:
        effort = replace(effort, parts=tuple(only), budget=None)
    return replace(effort, adapters=tuple(names)) if names else effort
