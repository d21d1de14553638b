"""From a suite to the launches to make: pure, nothing is started and no framework is imported."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from levelfield.adapters.adapter import Setting
from levelfield.adapters.choices import Precision, Replication, TimedPrecision, Track
from levelfield.adapters.limits import refusal
from levelfield.adapters.registry import AdapterInfo
from levelfield.adapters.runtime import compiles
from levelfield.harness.plan.environments import DEFAULT, Environment, own
from levelfield.harness.plan.suite import LearningPart, Part, SpeedPart, Suite, check_known
from levelfield.harness.records.cell import Cell, LaunchKind
from levelfield.harness.system.numbers import counted
from levelfield.harness.system.variables import Passed
from levelfield.tasks.errors import UserError
from levelfield.tasks.task import Task

_LARGEST_PARAMETERS = 500_000_000  # 2 GB in float32, before gradients and optimizer state
LARGEST_PLAN = 200_000
_LAUNCH_BYTES = 600  # of a planned launch, as measured
MANY_BLOCKS = 8


@dataclass(frozen=True)
class Launch:
    """One measurement to make. `skip` is the reason why it cannot be made, in which case it is only recorded."""

    cell: Cell
    block: int
    seed: int
    seconds: float  # of steady epochs, in speed launches
    every: int = 1  # epochs between two evaluations, in learning launches
    skip: str | None = None
    unsupported: bool = False  # by the adapter's own declaration, as opposed to something that is not installed
    fresh: bool = False  # nothing that an earlier launch compiled is on the disk
    whole: bool = False  # its start, prediction and use of the device are measured too, while nothing else runs
    baseline: bool = False  # others are compared with it, and take their turns beside it

    @property
    def id(self) -> str:
        return f"{self.cell.id}#{self.block}"


class Starts(NamedTuple):
    """In `fresh` of the first blocks start-up, prediction and the use of the device are measured too, and everything is
    compiled anew. Launches after these find what the last one compiled: of cells that compile, all that is measured
    again, until there are `whole` such blocks."""

    fresh: int
    whole: int


def starts(blocks: int) -> Starts:
    """Of a run of so many blocks: a start from an empty cache may take half a minute, and an interval needs three."""
    return Starts(3, 6) if blocks >= MANY_BLOCKS else Starts(1, 2)


class CertificateSubject(NamedTuple):
    """What a certificate is for."""

    adapter: str
    mode: str
    device: str
    environment: str = "default"
    precision: Precision = "float32"
    replicas: int = 1
    replication: Replication | None = None
    variables: Passed = ()


@dataclass(frozen=True)
class Selection:
    """What the command line narrows a suite to, by the names of its options; empty or None: as the suite says."""

    adapter: tuple[str, ...] = ()
    task: tuple[str, ...] = ()
    mode: tuple[str, ...] = ()
    track: tuple[Track, ...] = ()
    device: str | None = None
    matmul_precision: TimedPrecision | None = None
    threads: int | None = None
    blocks: int | None = None
    seeds: int | None = None
    full: bool = False  # the larger number of seeds, where a suite has two


@dataclass(frozen=True)
class Surroundings:
    """What there is to plan with: adapters, loaded tasks, cores of this process, interpreters, and devices.

    `without`: (environment, runtime, device) → why that framework cannot compute on that device.
    """

    adapters: Mapping[str, AdapterInfo]
    tasks: Mapping[str, Task]
    cores: int
    environments: Mapping[str, Environment] = field(default_factory=lambda: {DEFAULT: own()})
    without: Mapping[tuple[str, str, str], str] = field(default_factory=dict)


def plan(suite: Suite, there: Surroundings, selection: Selection = Selection()) -> list[Launch]:
    """All launches, learning first; each block of speed launches holds every cell once, in random order.

    The order is drawn with the suite's seed. All launches of a block share their seed, so that blocks are pairs.
    """
    _check(suite, there.adapters, selection)
    _check_size(suite, there, selection)
    launches = [launch for part in suite.learning for launch in _learning(suite, part, there, selection)]
    blocks: dict[int, list[Launch]] = {}
    for part in suite.speed:
        for launch in _speed(suite, part, there, selection):
            blocks.setdefault(launch.block, []).append(launch)
    shuffle = random.Random(suite.seed)  # noqa: S311 - an order, not a secret
    for block in sorted(blocks):
        shuffle.shuffle(blocks[block])
        launches += blocks[block]
    unique = {launch.id: launch for launch in launches}  # two tables may ask for the same cell
    return list(unique.values())


def baseline_of(launches: Iterable[Launch]) -> Cell | None:
    """The suite's baseline: in the default environment, or in the first of those that are timed if it is not among
    them; and likewise in the first of its modes that is timed."""
    return next((launch.cell for launch in launches if launch.baseline), None)


def setting(cell: Cell, task: Task, seed: int) -> Setting:
    """What the adapter of a cell is built with."""
    return Setting(
        model=cell.model.on(task.features, task.outputs),
        recipe=cell.recipe,
        kind=task.kind,
        mode=cell.mode,
        device=cell.device,
        threads=cell.threads,
        precision=cell.precision,
        seed=seed,
        track=cell.track,
        replicas=cell.replicas,
        replication=cell.replication,
        replays=cell.replays,
    )


def partial_batch(cell: Cell, task: Task) -> int:
    """Samples of the last batch of an epoch, where it is not whole; speed launches leave it out."""
    return len(task.train.x) % cell.recipe.batch_size if cell.kind == "learning" else 0


def has_compiler() -> bool:
    """Whether torch.compile will find the C++ compiler that it needs on a CPU."""
    return any(shutil.which(name) for name in ("g++", "c++", "clang++"))


def _learning(suite: Suite, part: LearningPart, there: Surroundings, selection: Selection) -> Iterator[Launch]:
    cells = [(cell, _skip(cell, there)) for cell in _cells(suite, part, "learning", there, selection)]
    varied = [
        (cell.model_copy(update={"variant": variant}), skip) for cell, skip in cells for variant in part.variants()
    ]
    for seed in range(_seeds(part, selection)):
        for cell, (skip, limited) in varied:
            yield Launch(cell, seed, suite.seed + seed, 0.0, skip=skip, unsupported=limited, every=part.every)


def _seeds(part: LearningPart, selection: Selection) -> int:
    return selection.seeds or (part.full_seeds if selection.full else None) or part.seeds


def _threads(part: Part, there: Surroundings, selection: Selection, way: Replication) -> int:
    """Of one process. Ranks divide all cores among as many as there are at most: fewer have no more each, so that one
    rank computes on the same share of the machine as each of several."""
    if not isinstance(part, SpeedPart):
        return 1
    ranks = max(part.replicas) if way == "ranks" else 1
    threads = selection.threads or (max(1, there.cores // ranks) if part.threads == "all" else part.threads)
    if threads > there.cores:
        raise UserError(
            f"{threads} threads are asked for, this process may use {counted(there.cores, 'core')}",
            f"--threads {there.cores}",
        )
    return threads


def _speed(suite: Suite, part: SpeedPart, there: Surroundings, selection: Selection) -> Iterator[Launch]:
    most = selection.blocks or part.blocks
    fresh, whole = starts(most)
    home = DEFAULT if DEFAULT in part.environments else part.environments[0]
    for cell in _cells(suite, part, "speed", there, selection):
        skip, limited = _skip(cell, there)
        info = there.adapters[cell.adapter]
        first = _modes(info, part, selection)[0]
        measured = 0 if not part.start_up else whole if compiles(cell.mode, info.runtime) else fresh
        for block in range(most):
            yield Launch(
                cell,
                block,
                suite.seed + block,
                part.seconds,
                skip=skip,
                unsupported=limited,
                fresh=block < fresh,
                whole=block < measured,
                baseline=cell.adapter == suite.baseline and cell.environment == home and cell.mode == first,
            )


def _skip(cell: Cell, there: Surroundings) -> tuple[str | None, bool]:
    """Why a cell cannot be measured, and whether that is the adapter's declaration; refuses what is too large."""
    info, task = there.adapters[cell.adapter], there.tasks[cell.task]
    network = cell.model.on(task.features, task.outputs)
    if network.parameters > _LARGEST_PARAMETERS:
        need = 4 * network.parameters / 2**30
        raise UserError(
            f"models.{cell.model.name}: {network.parameters:,} parameters on task {cell.task!r} need {need:,.0f} GiB",
            f"at most {_LARGEST_PARAMETERS:,} parameters: make 'hidden' smaller",
        )
    if cell.replays and task.kind == "regression":
        raise UserError(
            f"learning.replays: task {cell.task!r} is a regression", f"of {cell.replays} only classifiers are replayed"
        )
    if (missing := info.missing(there.environments[cell.environment].installed)) is not None:
        return missing, False
    limit = refusal(info, setting(cell, task, seed=0), compiler=has_compiler(), partial=partial_batch(cell, task))
    if limit is not None:
        return limit, True
    if cell.replication == "ranks" and (cell.cores if cell.kind == "speed" else cell.replicas) > there.cores:
        return (
            f"{cell.replicas} ranks need cores of their own, this process may use {counted(there.cores, 'core')}",
            False,
        )
    absent = (
        there.without.get((cell.environment, info.runtime, device)) for device in devices_of(cell.device, cell.replicas)
    )
    return next(filter(None, absent), None), False


def _cells(suite: Suite, part: Part, kind: LaunchKind, there: Surroundings, selection: Selection) -> list[Cell]:
    return [
        Cell(
            kind=kind,
            task=task,
            model=suite.model(model),
            recipe=suite.recipe(recipe),
            adapter=info.name,
            framework=info.framework,
            backend=info.backend,
            api=info.api,
            mode=mode,
            feed=info.feed if track == "matched" else info.documented_feed,
            track=track,
            device=selection.device or part.device,
            threads=_threads(part, there, selection, way),
            environment=environment,
            precision=precision,
            replicas=replicas,
            replication=way if replicas > 1 else None,
            replays=part.replays if isinstance(part, LearningPart) else None,
            variables=there.environments[environment].passed,
        )
        for task in _tasks(part, selection)
        for model in part.model
        for recipe in part.recipe
        for info in _adapters(part, there, selection)
        for mode in _modes(info, part, selection)
        for track in _tracks(part, selection)
        for environment in part.environments
        for precision in _precisions(part, selection)
        for way in _ways(info, part)
        for replicas in part.replicas
    ]


def _ways(info: AdapterInfo, part: Part) -> Sequence[Replication]:
    """In which an adapter makes the replicas of a part; one that it has not, to be refused, where it has none."""
    if part.replicas == (1,):
        return ("devices",)
    return [way for way in part.replication if way in info.replication] or part.replication[:1]


def devices_of(first: str, replicas: int) -> list[str]:
    """Those that so many replicas use: on the CPU itself, of accelerators the `first` and those that follow it."""
    kind, _, number = first.partition(":")
    return [f"{kind}:{int(number) + i}" for i in range(replicas)] if number else [first]


def _precisions(part: Part, selection: Selection) -> Sequence[Precision]:
    return [selection.matmul_precision] if selection.matmul_precision else part.precision


def _modes(info: AdapterInfo, part: Part, selection: Selection) -> Sequence[str]:
    if selection.mode:
        return [mode for mode in info.every_mode if mode in selection.mode]
    if part.modes == "all":
        return info.modes
    if part.modes == "default":
        return info.modes[:1]
    if part.modes == "guides":
        return tuple(dict.fromkeys((info.modes[0], *info.fast_modes)))
    return [mode for mode in info.every_mode if mode in part.modes]


def _tracks(part: Part, selection: Selection) -> list[Track]:
    return [track for track in part.track if not selection.track or track in selection.track]


def _tasks(part: Part, selection: Selection) -> list[str]:
    return [task for task in part.task if not selection.task or task in selection.task]


def _adapters(part: Part, there: Surroundings, selection: Selection) -> list[AdapterInfo]:
    return [
        info
        for info in there.adapters.values()
        if ("*" in part.adapters or info.name in part.adapters)
        and (not selection.adapter or info.name in selection.adapter)
    ]


def _check_size(suite: Suite, there: Surroundings, selection: Selection) -> None:
    """Count before anything is built."""

    def cells(part: Part) -> int:
        entries = sum(
            len(_modes(info, part, selection)) * len(_ways(info, part)) for info in _adapters(part, there, selection)
        )
        places = len(_tasks(part, selection)) * len(_tracks(part, selection)) * len(part.environments)
        choices = len(_precisions(part, selection)) * len(part.model) * len(part.recipe) * len(part.replicas)
        return places * choices * entries

    total = sum(cells(part) * (selection.blocks or part.blocks) for part in suite.speed)
    total += sum(cells(part) * _seeds(part, selection) * len(part.variants()) for part in suite.learning)
    if total > LARGEST_PLAN:
        need = total * _LAUNCH_BYTES / 2**30
        raise UserError(
            f"{suite.file}: {total:,} launches are asked for; their plan alone needs {need:,.1f} GiB",
            f"at most {LARGEST_PLAN:,}: fewer blocks, seeds or names, or several suites",
        )


def _check(suite: Suite, adapters: Mapping[str, AdapterInfo], selection: Selection) -> None:
    modes = {mode for info in adapters.values() for mode in info.every_mode}
    check = partial(check_known, listing="levelfield list adapters")
    check("--adapter", "adapter", selection.adapter, adapters)
    check("--mode", "mode", selection.mode, modes)
    check(f"{suite.file}: baseline", "adapter", [suite.baseline], adapters)
    parts: list[tuple[str, Part]] = [("speed", p) for p in suite.speed] + [("learning", p) for p in suite.learning]
    for kind, part in parts:
        check(f"{suite.file}: {kind}.adapters", "adapter", (name for name in part.adapters if name != "*"), adapters)
        if not isinstance(part.modes, str):
            check(f"{suite.file}: {kind}.modes", "mode", part.modes, modes)
