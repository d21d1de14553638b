"""The whole examination: what is done in which effort, and what was found."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from adapters.registry import AdapterInfo
from harness import machine, store
from harness.doctor import overhead, trial
from harness.doctor.overhead import Overhead
from harness.doctor.series import TASK, Bench
from harness.doctor.share import TimeShare, time_share
from harness.doctor.surroundings import Condition, conditions, others
from harness.doctor.trial import Trial
from harness.record import Machine
from tasks import registry as task_registry
from tasks.errors import UserError


@dataclass(frozen=True)
class Effort:
    """How much is measured. `seconds` of steady epochs in a launch; `dear` pairs in modes that are slow to start."""

    name: str
    series: tuple[str, ...]
    overhead: tuple[str, ...] | None  # None: all
    blocks: int
    pairs: int
    dear: int
    seconds: float
    budget: float | None  # seconds for all
    neighbour: bool = False
    all_modes: bool = False


EFFORTS = {
    "quick": Effort("quick", ("numpy-manual",), ("numpy-manual",), 400, 40, 5, 0.1, 45.0),
    "normal": Effort(
        "normal",
        ("numpy-manual", "torch-autograd"),
        ("numpy-manual", "torch-autograd", "jax-grad"),
        400,
        40,
        5,
        0.2,
        300.0,
    ),
    "full": Effort(
        "full",
        ("numpy-manual", "torch-autograd", "jax-grad"),
        None,
        200,
        40,
        8,
        0.2,
        None,
        neighbour=True,
        all_modes=True,
    ),
}


@dataclass(frozen=True)
class Examination:
    effort: str
    date: str
    machine: Machine
    threads: int
    frameworks: dict[str, str | None]  # distribution → version, None where it is missing
    conditions: list[Condition]
    trials: list[Trial]
    overheads: list[Overhead]
    time_share: TimeShare | str  # or why there is none
    took: float


def examine(
    effort: Effort, adapters: Mapping[str, AdapterInfo], threads: int | None, tell: Callable[[str], None]
) -> Examination:
    """Look, measure, replay, in about `effort.budget` seconds; `tell` is given a line before each part."""
    start = time.monotonic()
    cores = machine.cores()
    threads = threads or len(cores)
    if threads > len(cores):
        raise UserError(f"{threads} threads are asked for, this process may use {len(cores)} cores", "--threads 1")
    bench = Bench(task_registry.load(TASK), machine.describe(True), cores, threads, effort.seconds)
    tell("looking at the machine")
    found = [*conditions(cores=cores), others(1.0, len(cores))]
    trials = [
        (adapters[name], noisy) for name in effort.series for noisy in ((False, True) if effort.neighbour else (False,))
    ]
    compared = [
        (info, mode)
        for info in adapters.values()
        if (info.builtin if effort.overhead is None else info.name in effort.overhead)
        for mode in (info.modes if effort.all_modes else info.modes[:1])
    ]
    parts = Parts(start + effort.budget if effort.budget else None, 3 * len(trials) + len(compared))
    tried = []
    for info, noisy in trials:
        tell(f"{info.name} against itself{' with a neighbour' if noisy else ', and slowed down by 1, 2 and 5 %'}")
        tried.append(trial.measure(bench, info, noisy, effort.blocks, parts.next(3)))
    overheads = []
    for info, mode in compared:
        tell(f"{info.name} ({mode}) against a plain script")
        pairs = effort.dear if mode == "compile" else effort.pairs
        overheads.append(overhead.measure(bench, info, mode, pairs, parts.next(1)))
    return Examination(
        effort=effort.name,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=bench.machine,
        threads=threads,
        frameworks=_frameworks(adapters),
        conditions=found,
        trials=tried,
        overheads=overheads,
        time_share=_newest_share(),
        took=time.monotonic() - start,
    )


class Parts:
    """Divides the time until `end` among parts by weight; what a part leaves over goes to those after it."""

    def __init__(self, end: float | None, weight: int) -> None:
        self.end, self.weight = end, weight

    def next(self, weight: int) -> Callable[[], bool]:
        """Whether the time of the next part is over; never without an end."""
        if self.end is None:
            return lambda: False
        now = time.monotonic()
        until = now + (self.end - now) * weight / self.weight
        self.weight -= weight
        return lambda: time.monotonic() >= until


def _frameworks(adapters: Mapping[str, AdapterInfo]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for info in adapters.values():
        versions = info.versions()
        found |= {name: versions.get(name) for name in info.distributions}
    return found


def _newest_share() -> TimeShare | str:
    try:
        contents = store.read(store.newest())
    except UserError as error:
        return error.message
    return time_share(contents.run.name, contents.records) or f"run {contents.run.name} has no speed launch"


def choose(effort: Effort, names: Sequence[str]) -> Effort:
    """The same effort on other adapters."""
    return replace(effort, series=tuple(names), overhead=tuple(names)) if names else effort
