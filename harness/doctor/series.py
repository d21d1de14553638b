"""Record series of paired blocks: launches of the same work under several labels, as a run makes them."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from statistics import median

from levelfield.adapters.registry import AdapterInfo
from levelfield.harness.launch.local import LocalLauncher
from levelfield.harness.measure.turns import LEAST
from levelfield.harness.plan.launches import Launch
from levelfield.harness.records.cell import Cell, NamedModel, NamedRecipe
from levelfield.harness.records.record import Record
from levelfield.harness.run.duel import SECONDS, Ground, Pair, Side, ground
from levelfield.harness.run.schedule import carry_out
from levelfield.harness.system.machine import Machine
from levelfield.harness.system.numbers import counted
from levelfield.harness.system.stop import Stop
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

    def launcher(self, adapters: Mapping[str, AdapterInfo], cold: bool = False) -> LocalLauncher:
        return LocalLauncher(adapters, {self.task.name: self.task}, self.machine, self.cores, TIME_LIMIT, cold)

    def ground(
        self, first: Side, second: Side, least: int = LEAST, seconds: float = SECONDS
    ) -> AbstractContextManager[Ground]:
        """Where two sides take turns of `least` epochs or more, for `seconds` in all."""
        return ground(first, second, self.task, self.machine, self.cores, TIME_LIMIT, least, seconds)


@dataclass
class Series:
    """Of each label the median steady epoch in seconds by block, undisturbed launches only.

    `wall`: seconds that all launches of a label took, repeats included, by block.
    """

    values: dict[str, dict[int, float]] = field(default_factory=dict)
    wall: dict[str, dict[int, float]] = field(default_factory=dict)
    launches: int = 0
    disturbed: int = 0
    failure: str | None = None

    def add(self, label: str, record: Record) -> None:
        self.launches += 1
        wall = self.wall.setdefault(label, {})
        wall[record.block] = wall.get(record.block, 0.0) + record.wall_seconds
        if record.status != "ok" or record.unproved:
            self.failure = record.unproved or record.reason or record.status
        elif record.contaminated is not None:
            self.disturbed += 1
        else:
            self.values.setdefault(label, {})[record.block] = median(record.epoch_seconds)

    def add_pair(self, label: str, pair: Pair | None, block: int) -> None:
        """A duel: the label's value, and that of "`label` base"."""
        self.launches += 2
        self.wall.setdefault(label, {})[block] = 0.0 if pair is None else pair.wall
        self.wall.setdefault(f"{label} base", {})[block] = 0.0
        if pair is not None:
            self.values.setdefault(label, {})[block] = pair.first
            self.values.setdefault(f"{label} base", {})[block] = pair.second

    def nothing(self) -> str:
        """Why it holds no value."""
        return (
            f"all of {counted(self.launches, 'launch')} were disturbed" if self.launches else "the time for it was over"
        )

    def pairs(self, label: str, baseline: str) -> tuple[list[float], list[float]]:
        """The values of both in the blocks that have both."""
        own, base = self.values.get(label, {}), self.values.get(baseline, {})
        blocks = sorted(own.keys() & base.keys())
        return [own[b] for b in blocks], [base[b] for b in blocks]

    def pair_seconds(self, label: str, baseline: str) -> float:
        """What a pair of launches costs, repeats included: the mean over blocks."""
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
    launcher: LocalLauncher,
    bench: Bench,
    labels: Sequence[AdapterInfo],
    mode: str,
    blocks: int,
    enough: Callable[[], bool],
    first: int = 0,
) -> Series:
    """Launch every label once a block in random order, until `blocks` or `enough`; ends at the first failure.

    Disturbed launches are repeated as in a run. The launcher must know the labels as adapters. Blocks count from
    `first`, so that a series can be continued.
    """
    found, stop, shuffle = Series(), Stop(), random.Random(first)  # noqa: S311 - an order, not a secret

    def finished(launch: Launch, made: Record) -> None:
        found.add(launch.cell.adapter, made)
        if found.failure is not None or enough():
            stop.asked.set()  # what a block lacks then is in no pair

    launches = []
    for block in range(first, first + blocks):
        launches += [
            Launch(cell(info, mode, bench.threads), block, seed=block, seconds=bench.seconds)
            for info in shuffle.sample(labels, len(labels))
        ]
    carry_out(launches, launcher.hosts, finished, stop)
    return found
