"""Which rungs the ladder from bare arithmetic to an adapter with its defaults has, and why others are missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from levelfield.adapters.limits import refusal
from levelfield.adapters.registry import AdapterInfo
from levelfield.adapters.runtime import place
from levelfield.harness.measure.instead import Instead
from levelfield.harness.measure.wrap import Wrap
from levelfield.harness.plan import launches
from levelfield.harness.records.cell import Cell
from levelfield.harness.records.explanation import RungName
from levelfield.tasks.task import Split, Task


@dataclass(frozen=True)
class Side:
    """An adapter on some work of the matched track; `wrap` is around the training of its launches."""

    info: AdapterInfo
    cell: Cell
    wrap: tuple[Wrap, ...] = ()

    @property
    def label(self) -> str:
        return f"{self.info.name} ({self.cell.mode})"

    @property
    def resident(self) -> bool:
        """Whether its matched training takes batches that are on the device already."""
        return self.info.feed == "resident"


@dataclass(frozen=True)
class Rung:
    """What is timed: the launches of `cell`, with `wrap` around their training; or why it cannot be, `missing`."""

    name: RungName
    label: str  # what it is, in words
    cell: Cell
    wrap: tuple[Wrap, ...] = ()
    missing: str | None = None


def rungs(side: Side, other: Side | None, task: Task) -> list[Rung]:
    """From the bottom to the top: the arithmetic through the runtime of `other`, its matched step, then `side`'s step,
    the same with its loader, and with its defaults. Without `other`, of `side` alone."""
    base = other or side
    runtime = place(base.info)
    arithmetic = Instead(does="arithmetic", runtime=runtime)
    label = f"the products and sums of a step, called through {base.info.runtime}"
    found = [Rung("arithmetic", label, base.cell, (arithmetic,))]
    if other is not None:
        behind = "" if other.resident else ", with its loader"
        found.append(Rung("other", f"{other.label}: its step{behind}", other.cell))
    return [*found, _step(side), _loader(side, task), _defaults(side, task)]


def _step(side: Side) -> Rung:
    """A class that states its feed as a loader may have a way round it, which only its process knows."""
    wrap = () if side.resident else (Instead(does="placed", runtime=place(side.info)),)
    return Rung("step", f"{side.label}: its step, data on the device", side.cell, wrap)


def _loader(side: Side, task: Task) -> Rung:
    label = f"{side.label}: with its loader"
    if not side.resident:
        return Rung("loader", label, side.cell)
    if side.info.documented_feed == "resident":
        return Rung("loader", label, side.cell, missing="its documentation trains from arrays on the device")
    wrap = (Instead(does="loader", runtime=place(side.info)),)
    return Rung("loader", label, side.cell, wrap, missing=_refused(side, task))


def _defaults(side: Side, task: Task) -> Rung:
    return Rung("defaults", f"{side.label}: with its defaults", _idiomatic(side), missing=_refused(side, task))


def _idiomatic(side: Side) -> Cell:
    return side.cell.model_copy(update={"track": "idiomatic", "feed": side.info.documented_feed})


def _refused(side: Side, task: Task) -> str | None:
    setting = launches.setting(_idiomatic(side), task, seed=0)
    return refusal(side.info, setting, compiler=launches.has_compiler())


def counterpart(info: AdapterInfo, adapters: Iterable[AdapterInfo]) -> AdapterInfo | None:
    """The low-level API of the framework that does the arithmetic of `info`, as far as it is installed."""
    if info.api == "low":
        return None
    native = (one for one in adapters if one.framework == one.runtime == info.runtime and one.api == "low")
    return next((one for one in native if one.missing() is None), None)


def whole_batches(task: Task, batch: int) -> Task:
    """The same without the training samples that fill no batch, which loaders keep: all rungs make the same steps."""
    samples = len(task.train.x) // batch * batch
    return replace(task, train=Split(task.train.x[:samples], task.train.y[:samples])) if samples else task
