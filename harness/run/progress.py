"""Progress on stderr, redrawn between launches only: a refreshing thread would take a core from the measurement."""

from __future__ import annotations

import os
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from levelfield.harness.plan.launches import Launch
from levelfield.harness.records.record import Record

Keys = tuple[tuple[str, ...], ...]


def _keys(launch: Launch) -> Keys:
    """By whose seconds a launch is judged, the most alike first; the last is its kind."""
    cell = launch.cell
    return ((cell.id,), (cell.kind, cell.adapter), (cell.kind,))


@dataclass
class Mean:
    count: int = 0
    total: float = 0.0

    def add(self, value: float) -> None:
        self.count += 1
        self.total += value

    @property
    def value(self) -> float:
        return self.total / max(self.count, 1)


class Progress:
    """One line a launch, or one line redrawn on a terminal, with an estimate of the time left."""

    def __init__(
        self,
        launches: Sequence[Launch],
        lanes: int,
        hosts: int = 1,
        quiet: bool = False,
        budget_left: Callable[[], float | None] = lambda: None,
        plain: bool | None = None,
    ) -> None:
        self.budget_left = budget_left
        self.left = {launch.id: _keys(launch) for launch in launches if not launch.skip}
        self.cells = Counter(self.left.values())  # of those that are left: the estimate must not cost more with each
        self.total, self.done, self.lanes, self.hosts, self.quiet = len(self.left), 0, lanes, hosts, quiet
        terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("CI")
        self.plain = not terminal if plain is None else plain
        self.seen: dict[tuple[str, ...], Mean] = defaultdict(Mean)
        self._lock = threading.Lock()

    def finished(self, launch: Launch, record: Record) -> None:
        with self._lock:
            cell = launch.cell
            if launch.skip:
                return
            keys = self.left.pop(launch.id, None)
            if keys is not None:
                self.done += 1
                self.cells[keys] -= 1
            for key in ((), *_keys(launch)):
                self.seen[key].add(record.wall_seconds)
            if self.quiet:
                return
            what = f"{cell.kind} {cell.task} {cell.model.name} {cell.adapter} ({cell.how})"
            state = f"not proved: {record.unproved}" if record.unproved else record.contaminated or record.status
            line = f"[{self.done}/{self.total}] {what}: {state}, {duration(self.remaining())} left"
            if record.status == "failed":
                self._print(f"{what}: failed: {record.reason}", keep=True)
            self._print(line, keep=self.plain)

    def remaining(self) -> float:
        """Seconds, from the launches already seen; those of a kind not seen yet count as the mean of all."""
        speed = learning = 0.0
        for keys, left in self.cells.items():
            means = (self.seen[key].value for key in (*keys, ()) if key in self.seen)
            expected = left * next(means, 0.0)
            if keys[-1] == ("learning",):
                learning += expected
            else:
                speed += expected
        speed /= self.hosts
        budget = self.budget_left()
        return (speed if budget is None else min(speed, budget)) + learning / self.lanes

    def close(self) -> None:
        if not self.plain and not self.quiet:
            self._print("", keep=False)

    def _print(self, line: str, keep: bool) -> None:
        if self.plain:
            print(line, file=sys.stderr, flush=True)
        else:
            width = os.get_terminal_size(sys.stderr.fileno()).columns
            print("\r\033[K" + line[: width - 1], end="\n" if keep else "", file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """As a person writes it: ``4m02s``, ``12s``."""
    whole = round(seconds)
    return f"{whole // 60}m{whole % 60:02d}s" if whole >= 60 else f"{whole}s"
