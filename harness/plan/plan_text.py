"""A plan as lines of text, for ``run --dry-run``."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence

from levelfield.harness.plan.launches import Launch
from levelfield.harness.system.numbers import counted


def print_plan(launches: Sequence[Launch]) -> None:
    """One line a cell on stdout, with the number of its launches or the reason why there are none."""
    named = ((f"{launch.cell.kind:8} {launch.cell.line}", launch.skip or "") for launch in launches)
    counts: Counter[tuple[str, str]] = Counter(named)
    for (what, skip), count in sorted(counts.items()):
        print(f"{what}: {f'skipped: {skip}' if skip else counted(count, 'launch')}")
    made = sum(1 for launch in launches if not launch.skip)
    print(f"{counted(made, 'launch')}, {len(launches) - made} skipped", file=sys.stderr)
