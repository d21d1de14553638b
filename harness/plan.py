"""From a suite to the launches to make: pure, nothing is started and no framework is imported."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from adapters.adapter import Setting, facts, unsupported
from adapters.registry import AdapterInfo
from harness.environments import DEFAULT, Environment, own
from harness.record import Cell, LaunchKind
from harness.suite import Learning, Part, Speed, Suite
from tasks.errors import UserError, unknown
from tasks.mlp import MLP
from tasks.recipe import Recipe
from tasks.task import Task

_LARGEST_PARAMETERS = 500_000_000  # 2 GB in float32, before gradients and optimizer state
LARGEST_PLAN = 200_000
_LAUNCH_BYTES = 600  # of a planned launch, as measured


@dataclass(frozen=True)
class Launch:
    """One measurement to make. `skip` is the reason why it cannot be made, in which case it is only recorded."""

    cell: Cell
    block: int
    seed: int
    seconds: float  # of steady epochs, in speed launches
    skip: str | None = None
    unsupported: bool = False  # by the adapter's own declaration, as opposed to something that is not installed

    @property
    def id(self) -> str:
        return f"{self.cell.id}#{self.block}"


class Subject(NamedTuple):
    """What a certificate is for."""

    adapter: str
    mode: str
    device: str
    environment: str = "default"


@dataclass(frozen=True)
class Selection:
    """What the command line narrows a suite to; empty means all."""

    adapters: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()
    blocks: int | None = None
    seeds: int | None = None
    threads: int | None = None


@dataclass(frozen=True)
class Surroundings:
    """What there is to plan with: adapters, loaded tasks, cores of this process, interpreters."""

    adapters: Mapping[str, AdapterInfo]
    tasks: Mapping[str, Task]
    cores: int
    environments: Mapping[str, Environment] = field(default_factory=lambda: {DEFAULT: own()})


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


def setting(cell: Cell, task: Task, seed: int) -> Setting:
    """What the adapter of a cell is built with."""
    return Setting(
        model=mlp(cell, task),
        recipe=Recipe(**cell.recipe.model_dump(exclude={"name"})),
        kind=task.kind,
        mode=cell.mode,
        device=cell.device,
        threads=cell.threads,
        seed=seed,
    )


def mlp(cell: Cell, task: Task) -> MLP:
    widths = (task.features, *cell.model.hidden, task.outputs)
    return MLP(widths, cell.model.activation, cell.model.dropout, cell.model.l2)


def has_compiler() -> bool:
    """Whether torch.compile will find the C++ compiler that it needs on a CPU."""
    return any(shutil.which(name) for name in ("g++", "c++", "clang++"))


def _learning(suite: Suite, part: Learning, there: Surroundings, selection: Selection) -> Iterator[Launch]:
    cells = [(cell, _skip(cell, there)) for cell in _cells(suite, part, "learning", there, selection, threads=1)]
    for seed in range(selection.seeds or part.seeds):
        for cell, (skip, limited) in cells:
            yield Launch(cell, seed, suite.seed + seed, 0.0, skip, limited)


def _speed(suite: Suite, part: Speed, there: Surroundings, selection: Selection) -> Iterator[Launch]:
    threads = selection.threads or (there.cores if part.threads == "all" else part.threads)
    if threads > there.cores:
        raise UserError(
            f"{threads} threads are asked for, this process may use {there.cores} cores", f"--threads {there.cores}"
        )
    most = selection.blocks or part.blocks
    for cell in _cells(suite, part, "speed", there, selection, threads):
        skip, limited = _skip(cell, there)
        for block in range(min(most, part.dear.get(cell.mode, most))):
            yield Launch(cell, block, suite.seed + block, part.seconds, skip, limited)


def _skip(cell: Cell, there: Surroundings) -> tuple[str | None, bool]:
    """Why a cell cannot be measured, and whether that is the adapter's declaration; refuses what is too large."""
    info, task = there.adapters[cell.adapter], there.tasks[cell.task]
    network = mlp(cell, task)
    if network.parameters > _LARGEST_PARAMETERS:
        need = 4 * network.parameters / 2**30
        raise UserError(
            f"models.{cell.model.name}: {network.parameters:,} parameters on task {cell.task!r} need {need:,.0f} GiB",
            f"at most {_LARGEST_PARAMETERS:,} parameters: make 'hidden' smaller",
        )
    if (missing := info.missing(there.environments[cell.environment].installed)) is not None:
        return missing, False
    limit = unsupported(info.limits, facts(setting(cell, task, seed=0), compiler=has_compiler()))
    return limit, limit is not None


def _cells(
    suite: Suite, part: Part, kind: LaunchKind, there: Surroundings, selection: Selection, threads: int
) -> list[Cell]:
    return [
        Cell(
            kind=kind,
            task=task,
            model=suite.model(model),
            recipe=suite.recipe(recipe),
            adapter=info.name,
            framework=info.framework,
            backend=info.backend,
            api=info.api,  # type: ignore[arg-type]
            mode=mode,
            feed=info.feed,
            threads=threads,
            environment=environment,
        )
        for task in _tasks(part, selection)
        for model in part.model
        for recipe in part.recipe
        for info in _adapters(part, there, selection)
        for mode in _modes(info, part, selection)
        for environment in part.environments
    ]


def _modes(info: AdapterInfo, part: Part, selection: Selection) -> Sequence[str]:
    if selection.modes:
        return [mode for mode in info.modes if mode in selection.modes]
    if part.modes == "all":
        return info.modes
    if part.modes == "default":
        return info.modes[:1]
    return [mode for mode in info.modes if mode in part.modes]


def _tasks(part: Part, selection: Selection) -> list[str]:
    return [task for task in part.task if not selection.tasks or task in selection.tasks]


def _adapters(part: Part, there: Surroundings, selection: Selection) -> list[AdapterInfo]:
    return [
        info
        for info in there.adapters.values()
        if ("*" in part.adapters or info.name in part.adapters)
        and (not selection.adapters or info.name in selection.adapters)
    ]


def _check_size(suite: Suite, there: Surroundings, selection: Selection) -> None:
    """Count before anything is built."""

    def cells(part: Part) -> int:
        modes = sum(len(_modes(info, part, selection)) for info in _adapters(part, there, selection))
        return len(_tasks(part, selection)) * len(part.model) * len(part.recipe) * len(part.environments) * modes

    total = sum(cells(part) * (selection.blocks or part.blocks) for part in suite.speed)
    total += sum(cells(part) * (selection.seeds or part.seeds) for part in suite.learning)
    if total > LARGEST_PLAN:
        need = total * _LAUNCH_BYTES / 2**30
        raise UserError(
            f"{suite.file}: {total:,} launches are asked for; their plan alone needs {need:,.1f} GiB",
            f"at most {LARGEST_PLAN:,}: fewer blocks, seeds or names, or several suites",
        )


def _check(suite: Suite, adapters: Mapping[str, AdapterInfo], selection: Selection) -> None:
    modes = {mode for info in adapters.values() for mode in info.modes}

    def check(where: str, what: str, given: Iterable[str], known: Iterable[str]) -> None:
        for name in given:
            if name not in known:
                error = unknown(what, name, known, "levelfield list adapters")
                raise UserError(f"{where}: {error.message}", error.hint)

    check("--adapter", "adapter", selection.adapters, adapters)
    check("--mode", "mode", selection.modes, modes)
    check(f"{suite.file}: baseline", "adapter", [suite.baseline], adapters)
    parts: list[tuple[str, Part]] = [("speed", p) for p in suite.speed] + [("learning", p) for p in suite.learning]
    for kind, part in parts:
        check(f"{suite.file}: {kind}.adapters", "adapter", (name for name in part.adapters if name != "*"), adapters)
        if not isinstance(part.modes, str):
            check(f"{suite.file}: {kind}.modes", "mode", part.modes, modes)
        if isinstance(part, Speed):
            check(f"{suite.file}: {kind}.dear", "mode", part.dear, modes)
    tasks = {name for _, part in parts for name in part.task}
    for name in selection.tasks:
        if name not in tasks:
            raise unknown("task of this suite", name, tasks)
