"""Progress on stderr, redrawn between launches only: a refreshing thread would take a core from the measurement."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence

from harness.plan import Launch
from harness.record import Record


class Progress:
    """One line a launch, or one line redrawn on a terminal, with an estimate of the time left."""

    def __init__(
        self,
        launches: Sequence[Launch],
        lanes: int,
        quiet: bool = False,
        budget_left: Callable[[], float | None] = lambda: None,
        plain: bool | None = None,
    ) -> None:
        self.budget_left = budget_left
        self.left = {launch.id: launch for launch in launches if not launch.skip}
        self.total, self.done, self.lanes, self.quiet = len(self.left), 0, lanes, quiet
        terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("CI")
        self.plain = not terminal if plain is None else plain
        self.seen: dict[tuple[str, ...], list[float]] = defaultdict(list)
        self.start = time.monotonic()
        self._lock = threading.Lock()

    def finished(self, launch: Launch, record: Record) -> None:
        with self._lock:
            cell = launch.cell
            if launch.skip:
                return
            if self.left.pop(launch.id, None) is not None:
                self.done += 1
            for key in ((cell.id,), (cell.kind, cell.adapter), (cell.kind,)):
                self.seen[key].append(record.wall_seconds)
            if self.quiet:
                return
            what = f"{cell.kind} {cell.task} {cell.model.name} {cell.adapter} ({cell.mode})"
            state = record.contaminated or record.status
            line = f"[{self.done}/{self.total}] {what}: {state}, {duration(self.remaining())} left"
            if record.status == "failed":
                self._print(f"{what}: failed: {record.reason}", keep=True)
            self._print(line, keep=self.plain)

    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.start

    def remaining(self) -> float:
        """Seconds, from the launches already seen; those of a kind not seen yet count as the mean of all."""
        everything = [s for key, values in self.seen.items() if len(key) == 1 for s in values]
        overall = sum(everything) / max(len(everything), 1)
        speed = learning = 0.0
        for launch in self.left.values():
            cell = launch.cell
            for key in ((cell.id,), (cell.kind, cell.adapter), (cell.kind,)):
                if values := self.seen.get(key):
                    expected = sum(values) / len(values)
                    break
            else:
                expected = overall
            if cell.kind == "learning":
                learning += expected
            else:
                speed += expected
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
