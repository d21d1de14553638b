"""Record series of blocks: launches under several labels, as a run makes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from levelfield.adapters.registry import AdapterInfo
from levelfield.harness.judge.statistics import in_common
from levelfield.harness.launch.block import Participant
from levelfield.harness.launch.local import LocalHost
from levelfield.harness.plan.launches import Launch
from levelfield.harness.records.cell import Cell, NamedModel, NamedRecipe
from levelfield.harness.records.record import Record, steady_epoch
from levelfield.harness.run.duel import Side
from levelfield.harness.system.machine import Machine
from levelfield.harness.system.numbers import counted
from levelfield.tasks.task import Task

TASK = "digits"
MODEL = NamedModel(name="multi-layer", hidden=(128,))
# At 0.05 hidden units die out, and their momentum ends in subnormal numbers: docs/statistics.md
RECIPE = NamedRecipe(name="momentum", optimizer="momentum", learning_rate=0.01, batch_size=32, epochs=10)
TIME_LIMIT = 120.0  # seconds a launch may take


@dataclass(frozen=True)
class Bench:
    """Where and on what launches are made; `seconds` of steady epochs in each."""

    task: Task
    machine: Machine
    cores: list[int]
    threads: int
    seconds: float

    def launcher(self, adapters: Mapping[str, AdapterInfo]) -> LocalHost:
        return LocalHost(adapters, {self.task.name: self.task}, self.machine, self.cores, TIME_LIMIT)


@dataclass
class Series:
    """Of each label the median steady epoch in seconds by block.

    `wall`: seconds that all launches of a label took, by block; `short`: launches that had too few turns.
    """

    values: dict[str, dict[int, float]] = field(default_factory=dict)
    wall: dict[str, dict[int, float]] = field(default_factory=dict)
    launches: int = 0
    short: int = 0
    failure: str | None = None

    def add(self, label: str, record: Record) -> None:
        self.launches += 1
        wall = self.wall.setdefault(label, {})
        wall[record.block] = wall.get(record.block, 0.0) + record.wall_seconds
        if record.status != "ok" or record.unproved:
            self.failure = record.unproved or record.reason or record.status
        elif record.contaminated is not None:
            self.short += 1
        else:
            self.values.setdefault(label, {})[record.block] = steady_epoch(record)

    def nothing(self) -> str:
        """Why it holds no value."""
        return (
            f"all of {counted(self.launches, 'launch')} had too few turns"
            if self.launches
            else "the time for it was over"
        )

    def pairs(self, label: str, baseline: str) -> tuple[list[float], list[float]]:
        """The values of both in the blocks that have both."""
        return in_common(self.values.get(label, {}), self.values.get(baseline, {}))

    def pair_seconds(self, label: str, baseline: str) -> float:
        """What a pair of launches costs: the mean over blocks."""
        own, base = self.wall.get(label, {}), self.wall.get(baseline, {})
        blocks = own.keys() & base.keys()
        return sum(own[b] + base[b] for b in blocks) / max(len(blocks), 1)


def cell(info: AdapterInfo, mode: str, threads: int) -> Cell:
    """The doctor's work: digits, 64–128–10, batches of 32, momentum."""
    return Cell(
        kind="speed",
        task=TASK,
        model=MODEL,
        recipe=RECIPE,
        adapter=info.name,
        framework=info.framework,
        backend=info.backend,
        api=info.api,  # type: ignore[arg-type]
        mode=mode,
        threads=threads,
    )


def record(
    host: LocalHost,
    bench: Bench,
    sides: Mapping[str, Side],
    blocks: int,
    enough: Callable[[], bool],
    first: int = 0,
) -> Series:
    """Blocks of all `sides` by label, the first of which is the baseline, until `blocks` or `enough`; ends at the first
    failure.

    Each label has a parent of its own, as two frameworks would. Blocks count from `first`, so that a series can be
    continued.
    """
    found = Series()
    for block in range(first, first + blocks):
        if enough():
            break
        participants = []
        for lane, side in enumerate(sides.values()):
            launch = Launch(side.cell, block, seed=block, seconds=bench.seconds, baseline=lane == 0)
            participants.append(Participant(launch, side.wrap, lane))
        for label, made in zip(sides, host.together(participants), strict=True):
            found.add(label, made)
        if found.failure is not None:
            break
    return found
