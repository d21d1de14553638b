"""Carry out a plan: learning launches side by side, speed launches alone; every one of them becomes a record."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Protocol

from harness.lanes import Stop, side_by_side
from harness.plan import Launch
from harness.record import Cell, Record


class Launcher(Protocol):
    """What carries out launches."""

    cores: list[int]

    def key(self, cell: Cell) -> Hashable:
        """Launches with the same key cannot be made at the same time."""

    def launch(self, launch: Launch, core: int | None = None) -> Record: ...


def carry_out(
    launches: Sequence[Launch], launcher: Launcher, finished: Callable[[Launch, Record], None], stop: Stop
) -> None:
    """Make all launches in order. `finished` is called once for each, from several threads in the learning part."""
    side_by_side(
        [launch for launch in launches if launch.cell.kind == "learning"],
        key=lambda launch: launcher.key(launch.cell),
        work=lambda launch, core: finished(launch, launcher.launch(launch, core)),
        cores=launcher.cores,
        stop=stop,
    )
    for launch in launches:
        if stop.asked.is_set():
            return
        if launch.cell.kind == "speed":
            finished(launch, launcher.launch(launch))
