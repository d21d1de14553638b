"""What ``make soak`` found, line by line with its bar: the same in docs/results/reliability.md, in row 6 of
docs/trust.md, and in the exit code of the soak itself.

Scheduling is all that the harness does for a launch outside its child. Its CPU time has to be flat. With the writing to
the disk, which waits for whoever else uses it, no half-thousand of launches may cost more than the bar; how that grows
is shown and not judged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

PLANNED = 10_000
MOST = 0.020  # seconds of scheduling a launch
MOST_GROWTH = 1.10  # of memory, from the first tenth to the last
MOST_SLOWER = 1.5  # of the time between launches and of CPU time, the last to the first: this machine is shared
CPU = "scheduling, seconds of CPU a launch"
DISK = "scheduling, seconds a launch with the disk's"
SLOWEST = "slowest half-thousand, seconds a launch"
BAR = (
    f"scheduling with {PLANNED:,} launches planned: at most {1e3 * MOST:g} ms a launch with the disk's, in the slowest "
    f"half-thousand; and flat, the last 500 at most {MOST_SLOWER:g} × the CPU time of the first"
)


@dataclass(frozen=True)
class Line:
    """One figure: a single one is `first`. `holds` is None where it is not judged."""

    what: str
    first: float
    last: float | None = None
    bar: str = "not judged"
    holds: bool | None = None

    @property
    def ratio(self) -> float | None:
        return None if self.last is None else self.last / self.first


def lines(soak: dict[str, Any]) -> list[Line]:
    """Of the contents of soak.json."""
    found = [_judged(name, row) for name, row in soak["long run"].items() if isinstance(row, dict)]
    return found + [line for kind, row in soak["scheduling"].items() for line in _scheduling(kind, row)]


def _judged(name: str, row: dict[str, float]) -> Line:
    first, last = row["first"], row["last"]
    if name.endswith("files"):
        return Line(name, first, last, "no more", last <= first)
    most = MOST_GROWTH if name.endswith("MB") else MOST_SLOWER
    return Line(name, first, last, f"at most {most:g}", last <= most * first)


def _scheduling(kind: str, row: dict[str, Any]) -> Iterator[Line]:
    for name, value in row.items():
        what = f"{row['planned']:,} {kind} launches planned: {name}"
        if name == CPU:
            growth = value["last"] <= MOST_SLOWER * value["first"]
            yield Line(what, value["first"], value["last"], f"at most {MOST_SLOWER:g}", growth)
        elif name == SLOWEST:
            yield Line(what, value, None, f"at most {1e3 * MOST:g} ms", value <= MOST)
        elif isinstance(value, dict):
            yield Line(what, value["first"], value["last"])
        elif name != "planned":
            yield Line(what, value)


@dataclass(frozen=True)
class Scheduling:
    """The worst over the kinds of launches; `holds` is None where fewer were planned than the bar asks for."""

    holds: bool | None
    text: str


def scheduling(soak: dict[str, Any]) -> Scheduling:
    """Of the contents of soak.json."""
    kinds = soak["scheduling"].values()
    planned = min(kind["planned"] for kind in kinds)
    slowest = max(kind[SLOWEST] for kind in kinds)
    slower, disk = (max(kind[name]["last"] / kind[name]["first"] for kind in kinds) for name in (CPU, DISK))
    text = f"{1e3 * slowest:.1f} ms in the slowest half-thousand of {planned:,}; the last 500 cost {slower:.2f} × the "
    text += (
        f"first's CPU time, and with the disk's {disk:.2f} ×, which is not judged (`make soak`, {soak['date'][:10]})"
    )
    judged = [line.holds for kind, row in soak["scheduling"].items() for line in _scheduling(kind, row)]
    return Scheduling(False not in judged if planned >= PLANNED else None, text)
