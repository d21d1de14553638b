"""Carry out a plan: learning launches side by side, speed launches alone; every one of them becomes a record."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from harness.plan import Launch
from harness.record import Cell, Record


class Launcher(Protocol):
    """What carries out launches."""

    cores: list[int]

    def key(self, cell: Cell) -> tuple[Any, ...]:
        """Launches with the same key cannot be made at the same time."""

    def launch(self, launch: Launch, core: int | None = None) -> Record: ...


class Stop:
    """Set when the user asks for an end; launches under way finish first."""

    def __init__(self) -> None:
        self.asked = threading.Event()


@dataclass
class Queue:
    """Launches that lanes take from, never two with the same key at a time."""

    waiting: list[Launch]
    launcher: Launcher

    def __post_init__(self) -> None:
        self.busy: set[tuple[Any, ...]] = set()
        self.changed = threading.Condition()

    def take(self) -> Launch | None:
        """The first launch whose key is free; waits for one, None at the end."""
        with self.changed:
            while self.waiting:
                for launch in self.waiting:
                    if self.launcher.key(launch.cell) not in self.busy:
                        self.waiting.remove(launch)
                        self.busy.add(self.launcher.key(launch.cell))
                        return launch
                self.changed.wait()
            return None

    def give_back(self, launch: Launch) -> None:
        with self.changed:
            self.busy.discard(self.launcher.key(launch.cell))
            self.changed.notify_all()

    def drop(self) -> None:
        with self.changed:
            self.waiting.clear()
            self.changed.notify_all()


def carry_out(
    launches: Sequence[Launch], launcher: Launcher, finished: Callable[[Launch, Record], None], stop: Stop
) -> None:
    """Make all launches in order. `finished` is called once for each, from several threads in the learning part."""
    learning = [launch for launch in launches if launch.cell.kind == "learning"]
    speed = [launch for launch in launches if launch.cell.kind == "speed"]
    _side_by_side(learning, launcher, finished, stop)
    for launch in speed:
        if stop.asked.is_set():
            return
        finished(launch, launcher.launch(launch))


def _side_by_side(
    launches: list[Launch], launcher: Launcher, finished: Callable[[Launch, Record], None], stop: Stop
) -> None:
    """One lane a core, each pinned to its own."""
    queue = Queue(list(launches), launcher)
    errors: list[BaseException] = []

    def lane(core: int) -> None:
        try:
            while (launch := queue.take()) is not None:
                try:
                    finished(launch, launcher.launch(launch, core))
                finally:
                    queue.give_back(launch)
                if stop.asked.is_set():
                    queue.drop()
        except BaseException as error:  # carried to the main thread
            errors.append(error)
            queue.drop()

    lanes = [threading.Thread(target=lane, args=(core,), daemon=True) for core in launcher.cores]
    for thread in lanes:
        thread.start()
    for thread in lanes:
        while thread.is_alive():
            thread.join(1.0)  # wakes for Ctrl-C
    if errors:
        raise errors[0]
