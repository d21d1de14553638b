"""Carry out a plan: learning launches side by side, speed launches alone; every one of them becomes a record."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Protocol

from harness.disturbance import MOST_REPEATS
from harness.lanes import Stop, side_by_side
from harness.plan import Launch
from harness.record import Cell, Record


class Launcher(Protocol):
    """What carries out launches."""

    cores: list[int]

    def key(self, cell: Cell) -> Hashable:
        """Launches with the same key cannot be made at the same time."""

    def launch(self, launch: Launch, core: int | None = None, attempt: int = 0) -> Record: ...


def carry_out(
    launches: Sequence[Launch],
    launcher: Launcher,
    finished: Callable[[Launch, Record], None],
    stop: Stop,
    enough: Callable[[], bool] = lambda: False,
) -> None:
    """Make all launches in order. `finished` is called for each record, from several threads in the learning part.

    A speed launch that was disturbed is repeated at once, at most `disturbance.MOST_REPEATS` times. `enough` is asked
    before each block of speed launches but the first.
    """
    side_by_side(
        [launch for launch in launches if launch.cell.kind == "learning"],
        key=lambda launch: launcher.key(launch.cell),
        work=lambda launch, core: finished(launch, launcher.launch(launch, core)),
        cores=launcher.cores,
        stop=stop,
    )
    block: int | None = None
    for launch in launches:
        if launch.cell.kind != "speed":
            continue
        if block is not None and launch.block != block and enough():
            return
        block = launch.block
        for attempt in range(1 + MOST_REPEATS):
            if stop.asked.is_set():
                return
            record = launcher.launch(launch, attempt=attempt)
            finished(launch, record)
            if record.contaminated is None:
                break
