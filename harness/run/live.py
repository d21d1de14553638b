"""The page of a run that is not over: written anew after blocks, for a small share of the run's time."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence

from levelfield.harness.plan.launches import Launch

SHARE = 0.02  # of a run's time at most that its page may take while it goes on
FIRST = 5.0  # seconds that a first page is taken to cost: it imports what draws


class LivePage:
    """`write` makes the page; it is called between blocks only, so that no timed launch trains meanwhile.

    A first page may count on the time that is left. A page that fails is warned of and ends the live page, not the
    run. Times are in seconds of `clock`.
    """

    def __init__(
        self, launches: Sequence[Launch], write: Callable[[], object], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.open = Counter(launch.block for launch in launches if launch.cell.kind == "speed")
        self.write, self.clock, self.begin = write, clock, clock()
        self.spent, self.cost, self.failed = 0.0, FIRST, False

    def finished(self, launch: Launch, left: float) -> None:
        """A launch is done, and all of its block where it is timed; `left`: seconds that the run may still take."""
        if launch.cell.kind == "speed":
            self.open[launch.block] -= 1
            if self.open[launch.block]:
                return
        begun = self.clock()
        whole = begun - self.begin + (0.0 if self.spent else left)
        if self.failed or self.spent + self.cost > SHARE * whole:
            return
        try:
            self.write()
        except Exception as error:
            self.failed = True
            print(f"warning: no page while the run goes on: {error}", file=sys.stderr)
        self.cost = self.clock() - begun
        self.spent += self.cost
