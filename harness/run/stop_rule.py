"""When a run has blocks enough: its budget of time is spent, or the intervals are narrow enough.

The stop looks at widths only, never at a verdict: stopping when something became significant would find differences
that are not there.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence

from levelfield.adapters.registry import AdapterInfo
from levelfield.harness.judge.statistics import LEAST_BLOCKS, precision_reached
from levelfield.harness.plan.environments import DEFAULT
from levelfield.harness.plan.launches import Launch, baseline_of
from levelfield.harness.records.record import Record, step_seconds

PATIENCE = 12  # blocks in a row that gave nothing, before a precision is given up

Entry = tuple[str, str, str]  # adapter, mode, environment


def efforts(launches: Sequence[Launch], lanes: int) -> dict[int, float]:
    """What each block of speed launches costs, in launches that have the host to themselves while they start and end;
    of others as many as there are `lanes` do that at a time."""
    found: dict[int, float] = defaultdict(float)
    for launch in launches:
        if launch.cell.kind == "speed" and not launch.skip:
            found[launch.block] += 1.0 if launch.whole else 1.0 / lanes
    return found


class StopRule:
    """`budget` in seconds of speed launches and `precision` as a share; None: no such goal.

    An `elastic` budget, a suite's own, always reaches for the `LEAST_BLOCKS` of a verdict: it was chosen on another
    machine, and a run that judges nothing is time lost. A user's own is kept.
    """

    def __init__(
        self,
        launches: Sequence[Launch],
        baseline: str,
        adapters: Mapping[str, AdapterInfo],
        budget: float | None,
        precision: float | None,
        elastic: bool = False,
        clock: Callable[[], float] = time.monotonic,
        lanes: int = 1,
    ) -> None:
        """`lanes`: launches that a host starts side by side."""
        base = baseline_of(launches)
        where = (adapters[baseline].modes[0], DEFAULT) if base is None else (base.mode, base.environment)
        self.baseline: Entry = (baseline, *where)
        self.budget, self.precision, self.elastic, self.clock = budget, precision, elastic, clock
        self.begin: float | None = None
        self.blocks: set[int] = set()
        self.times: dict[tuple[object, ...], dict[Entry, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
        planned = Counter(launch.cell.id for launch in launches)
        most = max(planned.values(), default=0)
        self.fruitless = 0  # blocks in a row without a clean time of the baseline and of another one
        self.fewer = {cell for cell, blocks in planned.items() if blocks < most}
        self.effort = efforts(launches, lanes)
        self.ahead = deque(sorted(self.effort))  # blocks, the next one first
        self.effort_ahead = self.effort_in_all = sum(self.effort.values())
        self.pace = 0.0  # seconds that an effort of 1 took in the last block
        self.until = 0.0  # seconds spent when that was done

    def start(self) -> None:
        """The first block is about to begin."""
        self.begin = self.clock()

    def add(self, record: Record) -> None:
        """Take note of a record of this session, of a block that is done; learning launches do not count."""
        if record.cell.kind != "speed":
            return
        if record.block not in self.blocks:
            self._made(record.block)
            self.fruitless += 1
        self.remember(record)
        if self._pairs(record.block):
            self.fruitless = 0

    def remember(self, record: Record) -> None:
        """Take note of what a record measured, whenever it was made."""
        cell, step = record.cell, step_seconds(record)
        if step is not None and cell.id not in self.fewer:
            self.times[cell.workload][cell.adapter, cell.mode, cell.environment][record.block] = step

    def _made(self, block: int) -> None:
        self.blocks.add(block)
        effort, spent = self.effort.get(block, 0.0), self._spent()
        self.pace, self.until = (spent - self.until) / (effort or 1.0), spent
        self.effort_ahead -= effort
        while self.ahead and self.ahead[0] in self.blocks:
            self.ahead.popleft()

    @property
    def took(self) -> float:
        """Seconds that the next block will take, by what the last one took."""
        return self.pace * self._next_effort()

    def remaining(self) -> float | None:
        """Seconds that speed launches will take from now on, if no precision ends them before: by the blocks that were
        made; before the first one a budget says what they all take. None: nothing does."""
        made = self.effort_in_all - self.effort_ahead
        if not self.ahead:
            return 0.0
        if made:
            pace = self.until / made
        elif self.budget is not None:
            pace = self.budget / self.effort_ahead
        else:
            return None
        under_way = min(self._spent() - self.until, pace * self._next_effort())
        ahead = pace * self.effort_ahead
        if self.budget is not None and made:
            ahead = min(ahead, self._left(self.until, self.budget))  # no more blocks are begun than fit into it
        if self.budget is not None and not self.elastic:
            return min(max(ahead - under_way, 0.0), self._left(self._spent(), self.budget))
        return max(ahead - under_way, 0.0)

    def _next_effort(self) -> float:
        return self.effort[self.ahead[0]] if self.ahead else 0.0

    def left(self) -> float | None:
        """Seconds of the budget that are left; None without a budget."""
        return None if self.budget is None else self._left(self._spent(), self.budget)

    def _left(self, spent: float, budget: float) -> float:
        left = budget - spent
        lacking = max(LEAST_BLOCKS - len(self.blocks), 0) if self.elastic else 0
        return max(left, lacking * self.took, 0.0)

    def reached(self) -> bool:
        """Whether another block would be one too many: it would not fit the budget, or is not needed."""
        left = self.left()
        if left is not None and left < self.took:
            return True
        return self.precision is not None and (self.hopeless is not None or self._precise(self.precision))

    @property
    def hopeless(self) -> str | None:
        """Why more blocks would not lead to the precision that is asked for: none of the last ones gave a pair."""
        if self.precision is None or self.fruitless < PATIENCE:
            return None
        return (
            f"given up: {PATIENCE} blocks in a row without a clean time of the baseline and of another one; "
            f"± {self.precision:.2g} was not reached"
        )

    def _pairs(self, block: int) -> bool:
        """Whether this block has a clean time of the baseline and of another one on some workload."""
        return any(
            block in table.get(self.baseline, {}) and sum(block in own for own in table.values()) > 1
            for table in self.times.values()
        )

    def _spent(self) -> float:
        return self.clock() - self.begin if self.begin is not None else 0.0

    def _precise(self, precision: float) -> bool:
        tables = [{name: blocks for name, blocks in table.items() if blocks} for table in self.times.values()]
        tables = [table for table in tables if self.baseline in table and len(table) > 1]
        return bool(tables) and all(precision_reached(table, self.baseline, precision) for table in tables)
