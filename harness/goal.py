"""When a run has blocks enough: its budget of time is spent, or the intervals are narrow enough.

The stop looks at widths only, never at a verdict: stopping when something became significant would find differences
that are not there.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from adapters.registry import AdapterInfo
from harness.plan import Launch
from harness.record import Record
from harness.statistics import precision_reached
from harness.tables import step_seconds

Entry = tuple[str, str]  # adapter, mode


class Goal:
    """`budget` in seconds of speed launches and `precision` as a share; None: no such goal."""

    def __init__(
        self,
        launches: Sequence[Launch],
        baseline: str,
        adapters: Mapping[str, AdapterInfo],
        budget: float | None,
        precision: float | None,
    ) -> None:
        self.baseline: Entry = (baseline, adapters[baseline].modes[0])
        self.budget, self.precision = budget, precision
        self.begin: float | None = None
        self.blocks: set[int] = set()
        self.times: dict[tuple[str, ...], dict[Entry, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
        planned = Counter(launch.cell.id for launch in launches)
        most = max(planned.values(), default=0)
        self.dear = {cell for cell, blocks in planned.items() if blocks < most}

    def add(self, record: Record) -> None:
        """Take note of a record of this session; learning launches do not count."""
        if record.cell.kind != "speed":
            return
        if self.begin is None:
            self.begin = time.monotonic() - record.wall_seconds
        self.blocks.add(record.block)
        self.remember(record)

    def remember(self, record: Record) -> None:
        """Take note of what a record measured, whenever it was made."""
        cell, step = record.cell, step_seconds(record)
        if step is not None and cell.id not in self.dear:
            self.times[cell.workload][cell.adapter, cell.mode][record.block] = step

    def left(self) -> float | None:
        """Seconds of the budget that are left; None without a budget."""
        if self.budget is None:
            return None
        return max(self.budget - (time.monotonic() - self.begin if self.begin is not None else 0.0), 0.0)

    def reached(self) -> bool:
        """Whether another block would be one too many: it would not fit the budget, or is not needed."""
        left = self.left()
        if self.budget is not None and left is not None and left < (self.budget - left) / max(len(self.blocks), 1):
            return True
        return self.precision is not None and self._precise(self.precision)

    def _precise(self, precision: float) -> bool:
        tables = [{name: blocks for name, blocks in table.items() if blocks} for table in self.times.values()]
        tables = [table for table in tables if self.baseline in table and len(table) > 1]
        return bool(tables) and all(
            precision_reached({_name(e): b for e, b in table.items()}, _name(self.baseline), precision)
            for table in tables
        )


def _name(entry: Entry) -> str:
    return f"{entry[0]} ({entry[1]})"
