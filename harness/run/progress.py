"""Progress on stderr, redrawn between launches only: a refreshing thread would take a core from the measurement."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from levelfield.harness.judge.statistics import Verdict, compare
from levelfield.harness.launch.hosts import Stage
from levelfield.harness.plan.launches import Launch
from levelfield.harness.records.record import Record
from levelfield.harness.run.live import LivePage

if TYPE_CHECKING:
    from rich.live import Live

Entry = tuple[str, str, str]  # adapter, mode, environment
Keys = tuple[tuple[str, ...], ...]


def _keys(launch: Launch) -> Keys:
    """By whose seconds a learning launch is judged, the most alike first; of a timed one, nobody's."""
    cell = launch.cell
    return ((cell.id,), (cell.kind, cell.adapter), (cell.kind,)) if cell.kind == "learning" else ()


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
    """One line a launch; on a terminal a few lines redrawn: block, time, and who is ahead so far.

    `ranking` gives the lines of the latter; `live` is the page that is written while the run goes on.
    """

    def __init__(
        self,
        launches: Sequence[Launch],
        lanes: int,
        quiet: bool = False,
        timing: Callable[[], float | None] = lambda: None,
        plain: bool | None = None,
    ) -> None:
        """`lanes`: learning launches that are made side by side; `timing` estimates the seconds that speed launches
        will take, None where it cannot."""
        self.timing = timing
        self.left = {launch.id: _keys(launch) for launch in launches if not launch.skip}
        self.cells = Counter(self.left.values())  # of those that are left: the estimate must not cost more with each
        self.total, self.done, self.lanes, self.quiet = len(self.left), 0, lanes, quiet
        terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("CI")
        self.plain = not terminal if plain is None else plain
        self.seen: dict[tuple[str, ...], Mean] = defaultdict(Mean)
        self.most_blocks = len({launch.block for launch in launches if launch.cell.kind == "speed"})
        self.blocks: set[int] = set()
        self.begin = time.monotonic()
        self.ranking: Callable[[], list[str]] = list
        self.live: LivePage | None = None
        self.display: Live | None = None
        self._lock = threading.Lock()

    def finished(self, launch: Launch, record: Record) -> None:
        with self._lock:
            if not launch.skip:
                self._count(launch, record)
                if not self.quiet:
                    self._tell(launch, record)
            if self.live is not None:
                self.live.finished(launch, self.remaining() or 0.0)

    def stage(self, stage: Stage) -> None:
        """How far the block is that is being made; what is not a terminal is told twice."""
        with self._lock:
            if self.quiet or (self.plain and not stage.half):
                return
            block = f"block {len(self.blocks) + 1} of at most {self.most_blocks}"
            if self.plain:
                print(f"{block}, {stage}{self._left(', ')}", file=sys.stderr, flush=True)
            else:
                self._draw("", [" · ".join([block, *self._times()]), str(stage), *self.ranking()])

    def _count(self, launch: Launch, record: Record) -> None:
        keys = self.left.pop(launch.id, None)
        if keys is not None:
            self.done += 1
            self.cells[keys] -= 1
        for key in _keys(launch):
            self.seen[key].add(record.wall_seconds)
        if launch.cell.kind == "speed":
            self.blocks.add(launch.block)

    def _tell(self, launch: Launch, record: Record) -> None:
        cell = launch.cell
        what = f"{cell.kind} {cell.task} {cell.model.name} {cell.adapter} ({cell.how})"
        state = f"not proved: {record.unproved}" if record.unproved else record.contaminated or record.status
        failed = f"{what}: failed: {record.reason}" if record.status == "failed" else ""
        if self.plain:
            for line in (failed, f"[{self.done}/{self.total}] {what}: {state}{self._left(', ')}"):
                if line:
                    print(line, file=sys.stderr, flush=True)
            return
        blocks = [f"block {len(self.blocks)} of at most {self.most_blocks}"] if self.blocks else []
        self._draw(failed, [" · ".join([*blocks, *self._times()]), f"{what}: {state}", *self.ranking()])

    def _times(self) -> list[str]:
        spent = f"{duration(time.monotonic() - self.begin)} elapsed"
        left = self._left()
        return [f"launch {self.done} of {self.total}", spent, *([left] if left else [])]

    def _left(self, before: str = "") -> str:
        """What it will take, after `before`; empty where nothing is known of that."""
        left = self.remaining()
        return "" if left is None else f"{before}{duration(left)} left"

    def _draw(self, kept: str, lines: Sequence[str]) -> None:
        """Lines that replace those drawn before, under one that stays."""
        from rich.console import Console
        from rich.live import Live
        from rich.text import Text

        if self.display is None:
            self.display = Live(console=Console(stderr=True), auto_refresh=False, transient=True)
            self.display.start()
        if kept:
            self.display.console.print(Text(kept))
        self.display.update(Text("\n".join(lines), no_wrap=True, overflow="ellipsis"), refresh=True)

    def remaining(self) -> float | None:
        """Seconds, of learning launches by those already seen; None where nothing is known of timed ones."""
        learning = 0.0
        for keys, left in self.cells.items():
            learning += left * next((self.seen[key].value for key in keys if key in self.seen), 0.0)
        speed = self.timing()
        return None if speed is None else speed + learning / self.lanes

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self.display is not None:
            self.display.stop()


def ranking(times: Mapping[tuple[object, ...], Mapping[Entry, Mapping[int, float]]], baseline: Entry) -> list[str]:
    """Who is ahead so far on the workload with most entries, the fastest first, a line each.

    `times`: workload → entry → block → seconds. A ratio without blocks enough for a verdict is not shown.
    """
    table = max((t for t in times.values() if baseline in t), key=len, default={})
    found = compare(table, baseline) if table else {}
    judged = {entry: v.ratio.estimate for entry, v in found.items() if v.ratio and v.word != "not judged"}
    order = sorted([*judged, baseline], key=lambda entry: judged.get(entry, 1.0)) if judged else []
    lines = [f"  {_name(entry)}: {'baseline' if entry == baseline else _against(found[entry])}" for entry in order]
    waiting = len(found) - len(judged)
    return lines + ([f"  not judged yet: {waiting} of {len(found)}"] if waiting else [])


def _name(entry: Entry) -> str:
    adapter, mode, environment = entry
    return " ".join([adapter, mode, *([environment] if environment != "default" else [])])


def _against(verdict: Verdict) -> str:
    """``9.05 × faster (8.7–9.4)``, the way round in which it reads; others by their ratio of times."""
    ratio = verdict.ratio
    assert ratio is not None
    size, low, high = ratio.estimate, ratio.low, ratio.high
    if verdict.word == "faster":
        size, low, high = 1 / size, 1 / high, 1 / low
    if verdict.word in ("faster", "slower"):
        return f"{size:.3g} × {verdict.word} ({low:.3g}–{high:.3g})"
    return f"{verdict.word} ({low:.3g}–{high:.3g} × its time)"


def duration(seconds: float) -> str:
    """As a person writes it: ``4m02s``, ``12s``."""
    whole = round(seconds)
    return f"{whole // 60}m{whole % 60:02d}s" if whole >= 60 else f"{whole}s"
