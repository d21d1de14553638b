"""What the page compares: entries, and the workloads on which they are comparable."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from levelfield.adapters.choices import Precision, Replication
from levelfield.adapters.runtime import compiles
from levelfield.harness.records.cell import Cell, LaunchKind, NamedModel, NamedRecipe
from levelfield.harness.records.record import Record, Run
from levelfield.harness.system.machine import MachineType
from levelfield.tasks.replay import Replay
from levelfield.tasks.variant import UNVARIED, Variant

# Modes whose own word says too little or too much; the others are told by it
MODE_WORDS = {"default": "", "steps-per-execution": "16 steps"}


@dataclass(frozen=True, order=True)
class Entry:
    """One line of a comparison: an adapter in one mode, fed in one way, in one environment (with the variables that
    were passed on, see `Cell.surroundings`)."""

    adapter: str
    mode: str
    feed: str = "resident"
    environment: str = "default"
    framework: str = field(default="", compare=False)
    backend: str | None = field(default=None, compare=False)
    api: str = field(default="", compare=False)
    tells_feed: bool = field(default=False, compare=False)  # fed in two ways on one workload: see `telling_feeds`

    @classmethod
    def of(cls, cell: Cell) -> Entry:
        return cls(cell.adapter, cell.mode, cell.feed, cell.surroundings, cell.framework, cell.backend, cell.api)

    @property
    def name(self) -> str:
        """The adapter, short."""
        return self.adapter.replace("tensorflow", "tf")

    @property
    def label(self) -> str:
        """The one name of a cell, everywhere: ``keras-tf``, ``keras-tf 16 steps``, ``torch-nn compile``."""
        told = [self.name, MODE_WORDS.get(self.mode, self.mode)]
        told += [self.feed] if self.tells_feed else []
        told += [self.environment] if self.environment != "default" else []
        return " ".join(word for word in told if word)

    @property
    def family(self) -> str:
        """The framework that does the arithmetic."""
        return self.backend or self.framework

    @property
    def about(self) -> str:
        """Its framework, with that which does the arithmetic, and its API."""
        return f"{self.framework}{f' on {self.backend}' if self.backend else ''} · {self.api}"

    @property
    def compiled(self) -> bool:
        return compiles(self.mode, self.family)


def telling_feeds(entries: Iterable[Entry]) -> dict[Entry, Entry]:
    """The entries of one workload; those that differ in the feed alone say it in their label."""
    own = list(entries)
    ways = Counter(replace(e, feed="") for e in own)
    return {e: replace(e, tells_feed=ways[replace(e, feed="")] > 1) for e in own}


@dataclass(frozen=True)
class Workload:
    """What entries must share to be compared: the problem, the model, the recipe, the track and the resources.

    `cold`: timed in processes of their own. Forked launches are another comparison, never part of one interval.
    `machine`: the type of machine, where it is another one than the run's own.
    """

    kind: LaunchKind
    task: str
    model: NamedModel
    recipe: NamedRecipe
    track: str
    device: str
    threads: int
    cold: bool = False
    precision: Precision = "float32"
    variant: Variant = UNVARIED
    machine: MachineType | None = None
    replicas: int = 1
    replication: Replication | None = None
    replays: Replay | None = None

    @classmethod
    def of(cls, record: Record, run: Run) -> Workload:
        cell = record.cell
        cold = record.cold and cell.kind == "speed"  # what is learnt does not depend on it
        machine = record.machine.type if record.machine.type != run.machine.type else None
        where = (cell.track, cell.device, cell.threads, cold, cell.precision, cell.variant, machine)
        several = (cell.replicas, cell.replication, cell.replays)
        return cls(cell.kind, cell.task, cell.model, cell.recipe, *where, *several)

    @property
    def label(self) -> str:
        told = [self.task, self.model.name] + ([self.variant.label] if self.variant.label else [])
        return " · ".join(told)

    @property
    def where(self) -> str:
        """How sentences about it begin."""
        over = f" over {self.replicas} {self.replication}" if self.replicas > 1 else ""
        return f"{'On' if self.track == 'matched' else 'By default, on'} {self.label}{over}"

    @property
    def share_cores(self) -> bool:
        """As `harness.records.record.Cell.share_cores`."""
        return self.replicas > 1 and self.replication == "devices" and self.device == "cpu"

    @property
    def over(self) -> str:
        """What its batches are split over, where that is more than one."""
        if self.replicas == 1:
            return ""
        return f"{self.replicas} {self.replication}{' on the same cores' if self.share_cores else ''}"

    @property
    def resources(self) -> str:
        threads = f"{self.device}, {self.threads} thread{'' if self.threads == 1 else 's'}"
        threads += f", {self.over}" if self.over else ""
        threads += f", {self.precision}" if self.precision != "float32" else ""
        return threads + (", cold launches" if self.cold else "") + (f", on {self.machine}" if self.machine else "")

    @property
    def full(self) -> str:
        return f"{self.label} · {self.recipe.name}, {self.track}, {self.resources}"

    @property
    def order(self) -> tuple[Any, ...]:
        where = (
            self.track != "matched",
            self.device,
            self.threads,
            self.cold,
            self.precision != "float32",
            self.precision,
            self.machine or (),
            self.replicas,
            self.replication or "",
        )
        # Data as they are before variants of them: the first is drawn at the head of a section
        return (*where, bool(self.variant.label), self.task, self.model.name, self.recipe.name, str(self.variant))
