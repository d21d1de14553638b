"""The whole examination: what is done in which effort, and what was found."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from levelfield.adapters.registry import AdapterInfo
from levelfield.harness.doctor import against_itself, cold, half, overhead, probed, product, startup
from levelfield.harness.doctor.against_itself import Trial
from levelfield.harness.doctor.cold import Agreement
from levelfield.harness.doctor.conditions import Condition, conditions, others
from levelfield.harness.doctor.half import HalfBusy
from levelfield.harness.doctor.overhead import Overhead
from levelfield.harness.doctor.probed import Probed
from levelfield.harness.doctor.product import Product
from levelfield.harness.doctor.series import TASK, Bench
from levelfield.harness.doctor.share import TimeShare, time_share
from levelfield.harness.doctor.startup import Startup
from levelfield.harness.records import store
from levelfield.harness.system import machine
from levelfield.harness.system.machine import Machine
from levelfield.harness.system.numbers import counted
from levelfield.tasks import registry as task_registry
from levelfield.tasks.errors import UserError

PARTS = (
    "start",
    "half",
    "product",
    "probed",
    "itself",
    "neighbour",
    "duel",
    "overhead",
    "cold",
    "time",
)  # in the order they are measured


@dataclass(frozen=True)
class Effort:
    """What is measured, on which adapters, and how much.

    `seconds` of steady epochs in a launch, `steady` in one that takes turns with a script.
    """

    name: str
    parts: tuple[str, ...]
    itself: tuple[str, ...]
    overhead: tuple[str, ...] | None  # None: all
    probed: tuple[str, ...]
    cold: tuple[str, ...] | None = None  # None: one adapter of each framework
    blocks: int = 100
    noisy: int = 120  # blocks of the series with a neighbour
    pairs: int = 40
    turns: int = 100  # pairs in turns with a plain script at most; most need a dozen
    duels: int = 20  # pairs of each delay
    cold_pairs: int = 10
    starts: int = 10
    seconds: float = 0.2
    steady: float = 0.4  # few seconds give few turns, and a pair costs its start too
    budget: float | None = None  # seconds for all
    all_modes: bool = False


TOLD = ("numpy-manual", "torch-autograd", "jax-grad")  # the adapters whose sensitivity has a bar of its own
_QUICK = ("start", "half", "itself", "duel", "overhead", "time")
EFFORTS = {
    "quick": Effort("quick", _QUICK, TOLD[:1], TOLD[:1], TOLD[:1], seconds=0.1, budget=45.0),
    "normal": Effort("normal", (*_QUICK, "product", "probed"), TOLD[:2], TOLD, TOLD[:1], steady=1.2, budget=300.0),
    "full": Effort(
        "full",
        PARTS,
        TOLD,
        None,
        TOLD,
        blocks=80,
        seconds=0.15,
        steady=2.4,
        budget=34 * 60.0,
        all_modes=True,
    ),
}
# Seconds that a launch takes in all, about: what the parts of a budget are weighed by
_LAUNCH = {"torch": 0.5, "jax": 1.0, "flax": 1.7, "tensorflow": 0.8, "keras": 1.6, "lightning": 0.7}
_CHEAP, _COMPILED, _COLD = 0.4, 4.0, 8.0
# Pairs in turns with a plain script until the bar can be read: it is narrower where epochs are short
_USUAL, _MANY, _SHORT = 12, 30, ("numpy", "jax")


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
    agreements: list[Agreement]
    startups: list[Startup]
    half_busy: list[HalfBusy]
    probed: list[Probed]
    products: list[Product]
    time_share: TimeShare | str | None  # or why there is none; None: not looked at
    took: float
    stopped: bool = False  # before everything was measured


@dataclass(frozen=True)
class Part:
    """Something to measure: what is told before, its weight in the budget (0: its time is fixed), and how."""

    title: str
    weight: float
    measure: Callable[[Callable[[], bool]], None]


def examine(
    effort: Effort, adapters: Mapping[str, AdapterInfo], threads: int | None, tell: Callable[[str], None]
) -> Examination:
    """Look, measure, replay, in about `effort.budget` seconds; `tell` is given a line before each part.

    An interrupt ends the measuring: what was measured before it is the result.
    """
    start = time.monotonic()
    cores = machine.cores()
    threads = threads or len(cores)
    if threads > len(cores):
        raise UserError(
            f"{threads} threads are asked for, this process may use {counted(len(cores), 'core')}", "--threads 1"
        )
    bench = Bench(task_registry.load(TASK), machine.describe(True), cores, threads, effort.seconds)
    tell("looking at the machine")
    found = Examination(
        effort=effort.name,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=bench.machine,
        threads=threads,
        frameworks=_frameworks(adapters),
        conditions=[*conditions(cores=cores), others(1.0, len(cores))],
        trials=[],
        overheads=[],
        agreements=[],
        startups=[],
        half_busy=[],
        probed=[],
        products=[],
        time_share=_newest_share() if "time" in effort.parts else None,
        took=0.0,
    )
    work = parts(effort, adapters, bench, found)
    time_of = Parts(start + effort.budget if effort.budget else None, sum(part.weight for part in work))
    stopped = False
    try:
        for part in work:
            tell(part.title)
            part.measure(time_of.next(part.weight))
    except KeyboardInterrupt:
        stopped = True
    # Of these some adapters may be measured again on another day, so that each tells its own
    when = f"{found.date[:10]}, {short(found.machine.commit)}"
    return replace(
        found,
        overheads=[replace(row, measured=when) for row in found.overheads],
        agreements=[replace(row, measured=when) for row in found.agreements],
        took=time.monotonic() - start,
        stopped=stopped,
    )


def short(commit: str | None) -> str:
    """How tables name it."""
    if commit is None:
        return "as installed"
    revision, _, changes = commit.partition("+")
    return revision[:12] + (" with uncommitted changes" if changes else "")


def parts(effort: Effort, adapters: Mapping[str, AdapterInfo], bench: Bench, found: Examination) -> list[Part]:
    """What is measured in this effort, in order; each adds to the lists of `found`."""
    work: list[Part] = []

    def add(title: str, weight: float, into: list[Any], measure: Callable[[Callable[[], bool]], Any]) -> None:
        work.append(Part(title, weight, lambda enough: into.append(measure(enough))))

    def wanted(part: str, names: Sequence[str]) -> Sequence[str]:
        return names if part in effort.parts else ()

    if "start" in effort.parts:
        start = partial(startup.measure, effort.starts)
        work.append(Part("the command's start", 0.0, lambda enough: found.startups.extend(start())))
    if "half" in effort.parts:
        add("a loop that is busy for half of the time", 0.0, found.half_busy, lambda enough: half.measure())
    if "product" in effort.parts:
        title = "a matrix product against the peak of all frameworks"
        add(title, 0.0, found.products, lambda enough: product.measure(bench, adapters))
    for name in wanted("probed", effort.probed):
        add(
            f"{name}: probes on against off",
            2 * effort.pairs * _launch_seconds(adapters[name]),
            found.probed,
            partial(probed.measure, bench, adapters[name], effort.pairs),
        )
    for name in wanted("itself", effort.itself):
        add(
            f"{name} against itself, and slowed down by 1, 2 and 5 %",
            (2 + len(against_itself.DELAYS)) * effort.blocks * _launch_seconds(adapters[name]),
            found.trials,
            partial(against_itself.measure, bench, adapters[name], False, effort.blocks),
        )
    for name in wanted("neighbour", effort.itself):
        add(
            f"{name} against itself with a neighbour",
            (against_itself.TOGETHER + 1) * effort.noisy * _launch_seconds(adapters[name]),
            found.trials,
            partial(against_itself.measure, bench, adapters[name], True, effort.noisy),
        )
    for name in wanted("duel", effort.itself):
        add(
            f"{name} against itself in turns, and slowed down by 1, 2 and 5 %",
            2 * (1 + len(against_itself.DELAYS)) * effort.duels * _launch_seconds(adapters[name]),
            found.trials,
            partial(against_itself.in_turns, bench, adapters[name], effort.duels),
        )
    builtin = [name for name, info in adapters.items() if info.builtin]
    for name in wanted("overhead", builtin if effort.overhead is None else effort.overhead):
        info = adapters[name]
        for mode in info.modes if effort.all_modes else info.modes[:1]:
            usual = _MANY if info.framework in _SHORT else _USUAL
            add(
                f"{name} ({mode}) against a plain script",
                2 * usual * (effort.steady + (_COMPILED if mode == "compile" else _launch_seconds(info))),
                found.overheads,
                partial(overhead.measure, bench, info, mode, effort.turns, effort.steady),
            )
    for name in wanted("cold", _one_of_each(adapters) if effort.cold is None else effort.cold):
        add(
            f"{name}: warm against cold launches",
            effort.cold_pairs * (_COLD + _launch_seconds(adapters[name])),
            found.agreements,
            partial(cold.measure, bench, adapters[name], effort.cold_pairs),
        )
    return work


def _launch_seconds(info: AdapterInfo) -> float:
    return _LAUNCH.get(info.framework, _CHEAP)


def _one_of_each(adapters: Mapping[str, AdapterInfo]) -> list[str]:
    """The first adapter of every framework, and of every backend of one that has several."""
    first = {(info.framework, info.backend): info.name for info in reversed(list(adapters.values())) if info.builtin}
    return [name for name in adapters if name in first.values()]


class Parts:
    """Divides the time until `end` among parts by weight; what a part leaves over goes to those after it."""

    def __init__(self, end: float | None, weight: float) -> None:
        self.end, self.weight = end, weight

    def next(self, weight: float) -> Callable[[], bool]:
        """Whether the time of the next part is over; never without an end."""
        if self.end is None:
            return lambda: False
        now = time.monotonic()
        until = now + ((self.end - now) * weight / self.weight if weight else 0.0)
        self.weight -= weight
        return lambda: time.monotonic() >= until


def _frameworks(adapters: Mapping[str, AdapterInfo]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for info in adapters.values():
        versions = info.versions()
        found |= {name: versions.get(name) for name in info.distributions}
    return found


def _newest_share() -> TimeShare | str:
    """Of the newest run of the default suite."""
    try:
        contents = store.read(store.newest("default"))
    except UserError as error:
        return error.message
    run = contents.run
    return time_share(run.name, contents.records, run.suite, run.started) or f"run {run.name} has no speed launch"


def choose(effort: Effort, names: Sequence[str], only: Sequence[str] = ()) -> Effort:
    """The same effort on other adapters; of its parts these alone, and then each to its end."""
    if only:
        effort = replace(effort, parts=tuple(only), budget=None)
    if names:
        chosen = tuple(names)
        effort = replace(effort, itself=chosen, overhead=chosen, cold=chosen, probed=chosen)
    return effort
