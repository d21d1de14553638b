"""``levelfield run --explain``: after the blocks, what each pair of the framework tax is made of."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from threading import Event

from levelfield.harness.explain.ladder import SECONDS, Climb
from levelfield.harness.explain.rungs import Side, rungs, whole_batches
from levelfield.harness.explain.spent import look, spending
from levelfield.harness.judge.statistics import LEAST_BLOCKS_TO_STOP
from levelfield.harness.plan.launches import Launch
from levelfield.harness.records.cell import Cell
from levelfield.harness.records.explanation import Explanation
from levelfield.harness.records.store import Contents, Store
from levelfield.harness.run.duel import ground, unproved
from levelfield.harness.run.prepare import Prepared

BLOCKS = LEAST_BLOCKS_TO_STOP
Pair = tuple[Cell, Cell]
Find = Callable[[Contents], Sequence[Pair]]  # the pairs of the tax, in what a run's folder holds


def explain(pairs: Sequence[Pair], prepared: Prepared, kept: Store, stop: Event) -> None:
    """One pair after the other, each whole or not at all."""
    for number, (cell, against) in enumerate(pairs, 1):
        if stop.is_set():
            return
        if not prepared.options.quiet:
            names = " against ".join(f"{one.adapter} ({one.mode})" for one in (cell, against))
            print(f"explaining pair {number} of {len(pairs)}: {names}", file=sys.stderr)
        if (found := _pair(cell, against, prepared, stop)) is not None:
            kept.append(found)


def _pair(cell: Cell, against: Cell, prepared: Prepared, stop: Event) -> Explanation | None:
    side, other = (Side(prepared.adapters[one.adapter], one) for one in (cell, against))
    task = whole_batches(prepared.surroundings.tasks[cell.task], cell.recipe.batch_size)
    climb = Climb(rungs(side, other, task))
    if not prepared.options.no_certify:
        launches = [Launch(one, 0, seed=0, seconds=SECONDS) for one in dict.fromkeys(rung.cell for rung in climb.left)]
        if failed := unproved(launches, prepared.surroundings):
            print(f"not explained, because not certified: {', '.join(failed)}", file=sys.stderr)
            return None
    limit, where = prepared.suite.time_limit, prepared.surroundings.environments
    with ground(side, other, task, prepared.machine, limit, where) as host:
        for number in range(BLOCKS):
            if stop.is_set():
                return None
            climb.block(host, number)
        ladder = climb.ladder
        if ladder.added is None:
            missing = "; ".join(f"{label}: {why}" for label, why in ladder.missing.items())
            print(f"not explained: {missing or 'no block has all rungs'}", file=sys.stderr)
            return None
        own, base = (spending(look(host, one)) for one in (side, other))
    date = datetime.now(UTC).isoformat(timespec="seconds")
    return Explanation(cell=cell, against=against, date=date, ladder=ladder, own=own, other=base)
