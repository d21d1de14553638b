"""Launches that are alive at the same time take turns: one trains, all others are stopped.

On a virtual machine, epochs of one program were seen to switch between two speeds, half as much apart, within tenths of
a second: its neighbours' doing, probably. Launches one after the other meet that by chance, turns of some milliseconds
meet it alike, so that their ratio says more (duet benchmarking: Bulej et al. 2020, whose pairs run at the same time on
cores of their own).

This is the launch's side. The other side, which gives the turns and stops whoever has none, is `harness.launch.block`.
"""

from __future__ import annotations

import os
import select
import struct
from pathlib import Path
from statistics import median
from typing import Literal, NamedTuple, Protocol, Self

from levelfield.harness.probes.probe import Window
from levelfield.harness.records.record import Turn
from levelfield.harness.system.clocks import monotonic

# Seconds at the beginning of a turn whose epochs only warm up. Two threads of PyTorch were seen to need them: an epoch
# of 9.5 ms took 15 ms at first and 11 to 13 after that
WARM = 0.015
TURN = 0.025  # seconds after that, at least, of the epochs that count
LONG = 0.05  # seconds of the shortest epoch of a launch that needs none before it to warm up
LAST = 2  # epochs of the last turn
LEAST_EPOCHS = 3  # of a window, however long they take

# What a launch is told to do: take a turn; train on for as long as its steady epochs are to be watched; end.
Command = Literal["turn", "window", "end"]
_BYTES: dict[bytes, Command] = {b"t": "turn", b"w": "window", b"e": "end"}
_WRITTEN = {command: byte for byte, command in _BYTES.items()}
_OVER = struct.Struct("ddd")  # when a window began and ended, or twice 0; the epoch of a turn, or 0


class Said(NamedTuple):
    """By a launch that has done what it was told: when its `window`, if it was one, began and ended; of its turn, if it
    was one, the median `epoch` in seconds that counts."""

    window: Window | None
    epoch: float | None


class Commands(Protocol):
    """Where a launch is told what to do next."""

    def next(self, done: Said) -> Command:
        """Says that what it was told before is done, and waits for what comes now."""


class Alone:
    """Of a launch that takes no turns: a window, and the end."""

    def __init__(self) -> None:
        self._left: list[Command] = ["end", "window"]

    def next(self, done: Said) -> Command:
        return self._left.pop()


def pipes(stem: Path) -> list[Path]:
    """Of a `Line`: on one the launch is told what to do, on the other it says that this is over."""
    return [stem.with_suffix(end) for end in (".told", ".over")]


class Line:
    """Two named pipes between a launch and whoever tells it what to do, which outlive either end."""

    def __init__(self, stem: Path) -> None:
        # Opened for both, a pipe neither waits for the other end nor ends with it
        self._paths = pipes(stem)
        self.told, self.over = (os.open(path, os.O_RDWR) for path in self._paths)

    @classmethod
    def make(cls, stem: Path) -> Self:
        """The side of whoever tells, which is the first. Raises OSError where there is no room."""
        for path in pipes(stem):
            os.mkfifo(path)
        return cls(stem)

    def tell(self, command: Command) -> None:
        os.write(self.told, _WRITTEN[command])

    def heard(self) -> Said:
        """Take the word that it is done, which is there."""
        begin, end, epoch = _OVER.unpack(os.read(self.over, _OVER.size))
        return Said(Window(begin, end) if end else None, epoch or None)

    def next(self, done: Said) -> Command:
        """The launch's side, see `Commands`."""
        os.write(self.over, _OVER.pack(*(done.window or (0.0, 0.0)), done.epoch or 0.0))
        select.select([self.told], [], [])
        return _BYTES[os.read(self.told, 1)]

    def remove(self) -> None:
        for pipe, path in zip((self.told, self.over), self._paths, strict=True):
            os.close(pipe)
            path.unlink(missing_ok=True)


class Turns:
    """What a launch does when it is told: the turns it has taken, and whether the one it has is over.

    The first epoch belongs to none; nor do those of the last one, after which it ends.
    """

    def __init__(self, commands: Commands, seconds: float) -> None:
        """`seconds` of a window."""
        self.commands, self.seconds = commands, seconds
        self.taken: list[Turn] = []
        self.window: Turn | None = None
        self.command: Command | None = None
        self.first = self.warm = 0
        self.epochs: list[float] = []  # since it was told
        self.trained = 0.0
        self._shortest = float("inf")  # of all epochs: one that waited for something does not make a launch long
        self._began = 0.0

    @property
    def count(self) -> int:
        return len(self.epochs)

    def add(self, took: float) -> bool:
        """An epoch of so many seconds has ended; whether what it was told to do is done."""
        self.epochs.append(took)
        self.trained += took
        self._shortest = min(self._shortest, took)
        match self.command:
            case None:
                return True
            case "turn":
                if not self.warm and self.trained >= WARM and self._shortest < LONG:
                    self.warm, self.trained = self.count, 0.0
                    return False
                return self.trained >= TURN
            case "window":
                return self.trained >= self.seconds and self.count >= LEAST_EPOCHS
            case "end":
                return self.count >= LAST

    def left(self, took: float) -> float:
        """Seconds until the last epoch ends, as far as it is known: it is near only when it was told to end."""
        if self.command == "end":
            return (LAST - self.count) * took
        return float("inf")

    def next(self, watched: Window | None = None) -> Command:
        """Note what is done, and wait for what comes now; `watched`: when a window, if it was one, began and ended."""
        epoch = None
        if self.command is not None:
            turn = Turn(first=self.first, epochs=self.count, warm=self.warm, began=self._began)
            if self.command == "window":
                self.window = turn
            else:
                self.taken.append(turn)
                epoch = median(self.epochs[self.warm :])
            self.first += self.count
        self.command = self.commands.next(Said(watched, epoch))
        self.epochs, self.warm, self.trained, self._began = [], 0, 0.0, monotonic()
        return self.command
