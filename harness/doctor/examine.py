"""The whole examination: what is done in which effort, and what was found."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from statistics import median

from adapters.adapter import facts, unsupported
from adapters.registry import AdapterInfo
from harness import machine, plan, store
from harness.doctor import overhead, replay, series
from harness.doctor.delay import delayed
from harness.doctor.neighbour import neighbour
from harness.doctor.overhead import Overhead
from harness.doctor.series import RECIPE, Series
from harness.doctor.share import TimeShare, time_share
from harness.doctor.surroundings import Condition, conditions, others
from harness.launch.local import LocalLauncher
from harness.record import Machine
from harness.statistics import LEAST_BLOCKS, Interval, paired_ratio
from tasks import registry as task_registry
from tasks.errors import UserError
from tasks.task import Task

DELAYS = (0.01, 0.02, 0.05)
WINDOWS = (8, 12, 20, 40)  # pairs
CALIBRATION = 5  # launches
TIME_LIMIT = 120.0  # seconds a launch may take
AGAIN = "again"


@dataclass(frozen=True)
class Effort:
    """How much is measured. `seconds` of steady epochs in a launch; `dear` pairs in modes that are slow to start."""

    name: str
    series: tuple[str, ...]
    overhead: tuple[str, ...] | None  # None: all that are installed, in all modes
    blocks: int
    pairs: int
    dear: int
    seconds: float
    budget: float | None  # seconds for all
    neighbour: bool = False


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
    "full": Effort("full", ("numpy-manual", "torch-autograd", "jax-grad"), None, 200, 40, 8, 0.2, None, neighbour=True),
}


@dataclass(frozen=True)
class Comparison:
    """An adapter against itself with `delay` (a share of its step) injected; 0: under another label only."""

    delay: float
    ratio: Interval | None
    rates: list[replay.Rates]
    stop: replay.Stop | None
    agree: float | None  # see `replay.neighbours_agree`
    pair_seconds: float


@dataclass(frozen=True)
class Trial:
    """One recorded series and what was replayed from it, or why there is none."""

    adapter: str
    mode: str
    neighbour: bool
    reason: str | None = None
    step_seconds: float | None = None
    launches: int = 0
    disturbed: int = 0
    comparisons: list[Comparison] = field(default_factory=list)
    values: dict[str, dict[int, float]] = field(default_factory=dict)  # label → block → steady epoch, s


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
    """Look, measure, replay; `tell` is given a line before each part. Takes about `effort.budget` seconds."""
    start = time.monotonic()
    own = machine.cores()
    threads = threads or len(own)
    if threads > len(own):
        raise UserError(f"{threads} threads are asked for, this process may use {len(own)} cores", "--threads 1")
    task = task_registry.load(series.TASK)
    described = machine.describe(True)
    tell("looking at the machine")
    found = [*conditions(cores=own), others(1.0, len(own))]

    trials: list[Callable[[Deadline], Trial]] = []
    for name in effort.series:
        for noisy in (False, True) if effort.neighbour else (False,):
            trials.append(_trial_later(effort, adapters[name], task, described, own, threads, noisy, tell))
    overheads: list[Callable[[Deadline], Overhead]] = []
    for info in adapters.values():
        if info.builtin and (effort.overhead is None or info.name in effort.overhead):
            for mode in info.modes if effort.overhead is None else info.modes[:1]:
                overheads.append(_overhead_later(effort, info, mode, task, described, own, threads, tell))
    clock = Parts(start + effort.budget if effort.budget else None, 3 * len(trials) + len(overheads))
    tried = [work(clock.next(3)) for work in trials]
    compared = [work(clock.next(1)) for work in overheads]
    return Examination(
        effort=effort.name,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=described,
        threads=threads,
        frameworks=_frameworks(adapters),
        conditions=found,
        trials=tried,
        overheads=compared,
        time_share=_newest_share(),
        took=time.monotonic() - start,
    )


Deadline = Callable[[], bool]


class Parts:
    """Divides the time until `end` among parts by weight; what a part leaves over goes to those after it."""

    def __init__(self, end: float | None, weight: int) -> None:
        self.end, self.weight = end, weight

    def next(self, weight: int) -> Deadline:
        """Whether the time of the next part is over; never without an end."""
        if self.end is None:
            return lambda: False
        now = time.monotonic()
        until = now + (self.end - now) * weight / self.weight
        self.weight -= weight
        return lambda: time.monotonic() >= until


def compare(found: Series, label: str, baseline: str, delay: float) -> Comparison:
    """What the recorded series says of `label` against `baseline`."""
    own, base = found.pairs(label, baseline)
    replays = [replay.rates(own, base, pairs) for pairs in WINDOWS]
    return Comparison(
        delay=delay,
        ratio=paired_ratio(own, base) if len(own) >= LEAST_BLOCKS else None,
        rates=[rates for rates in replays if rates is not None],
        stop=replay.until(own, base, delay or DELAYS[1]),
        agree=replay.neighbours_agree(own, base),
        pair_seconds=found.pair_seconds(label, baseline),
    )


def _trial_later(
    effort: Effort,
    info: AdapterInfo,
    task: Task,
    described: Machine,
    cores: list[int],
    threads: int,
    noisy: bool,
    tell: Callable[[str], None],
) -> Callable[[Deadline], Trial]:
    mode = info.modes[0]

    def trial(enough: Deadline) -> Trial:
        why_not = info.missing() or (None if not enough() else "the time for it was over")
        if why_not is not None:
            return Trial(info.name, mode, noisy, why_not)
        tell(f"{info.name} against itself{' with a neighbour' if noisy else ', and slowed down by 1, 2 and 5 %'}")
        twin = replace(info, name=f"{info.name} {AGAIN}")
        delays = () if noisy else DELAYS
        known = {info.name: info, twin.name: twin}
        # Known from the start, so that the warm parent imports what makes them
        known |= {_label(info, d): delayed(info, _label(info, d), 0.0) for d in delays}
        with LocalLauncher(known, {task.name: task}, described, cores, TIME_LIMIT) as launcher:
            first = series.record(launcher, [info], mode, threads, CALIBRATION, effort.seconds, enough)
            epochs = first.values.get(info.name, {})
            if not epochs:
                return Trial(
                    info.name, mode, noisy, first.failure or "every launch was disturbed", disturbed=first.launches
                )
            step = median(epochs.values()) / (len(task.train.x) // RECIPE.batch_size)
            known |= {_label(info, d): delayed(info, _label(info, d), d * step) for d in delays}
            with neighbour() if noisy else nullcontext():
                found = series.record(
                    launcher, list(known.values()), mode, threads, effort.blocks, effort.seconds, enough
                )
        if found.failure is not None:
            return Trial(info.name, mode, noisy, found.failure, step, found.launches, found.disturbed)
        labels = [(twin.name, 0.0)] + [(_label(info, d), d) for d in delays]
        comparisons = [compare(found, label, info.name, delay) for label, delay in labels]
        return Trial(info.name, mode, noisy, None, step, found.launches, found.disturbed, comparisons, found.values)

    return trial


def _overhead_later(
    effort: Effort,
    info: AdapterInfo,
    mode: str,
    task: Task,
    described: Machine,
    cores: list[int],
    threads: int,
    tell: Callable[[str], None],
) -> Callable[[Deadline], Overhead]:
    def work(enough: Deadline) -> Overhead:
        known = facts(plan.setting(series.cell(info, mode, threads), task, 0), compiler=plan.has_compiler())
        why_not = info.missing() or unsupported(info.limits, known)
        why_not = why_not or (None if not enough() else "the time for it was over")
        if why_not is not None:
            return Overhead(info.name, mode, why_not)
        tell(f"{info.name} ({mode}) against a plain script")
        pairs = effort.dear if mode == "compile" else effort.pairs
        with LocalLauncher({info.name: info}, {task.name: task}, described, cores, TIME_LIMIT) as launcher:
            return overhead.measure(launcher, info, mode, threads, pairs, effort.seconds, enough)

    return work


def _label(info: AdapterInfo, delay: float) -> str:
    return f"{info.name} +{delay:.0%}"


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
