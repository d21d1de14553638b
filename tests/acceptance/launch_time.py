"""What a launch took, by its turns: which way to say it varies least from block to block, and means the same elsewhere.

    python tests/acceptance/launch_time.py RUN [BESIDE] [--write]

RUN: the folder of a run of three blocks or more, as of ``levelfield run default``. BESIDE: of the same suite, made
beside a process that computes half of the time (``python -P -m levelfield.harness.doctor.neighbour 0.5 0.5``).

Prints a table of ``docs/results/coverage.md``, and with --write puts it there: the standard deviation of a block's
log-ratio to the baseline; and how far a cell's ratio beside the other process is from its ratio without. Both are
medians over all cells.
"""

from __future__ import annotations

import argparse
import math
import sys
from bisect import bisect
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, geometric_mean, median, quantiles, stdev

import document

from levelfield.adapters.registry import find
from levelfield.harness.records import store
from levelfield.harness.records.record import Record, by_turn, steady_epoch
from levelfield.tasks.errors import UserError

DOCUMENT = Path(__file__).parents[2] / "docs" / "results" / "coverage.md"
MARK = "launch time"
NEAR = 2  # turns of the baseline before and after
Way = Callable[[Record, Record], float]  # a launch, and the baseline's beside it → seconds, in whatever unit
Ratios = Mapping[tuple[object, ...], Sequence[float]]  # cell → log-ratio to the baseline, by block


def epochs(record: Record) -> list[float]:
    """Of each turn the median epoch."""
    return [median(own) for own in by_turn(record)]


def beside(record: Record, base: Record) -> float:
    """The median of turns over the baseline's turns around each of them."""
    began, pace = [turn.began for turn in base.turns], epochs(base)
    if record is base:
        return 1.0
    places = [bisect(began, turn.began) for turn in record.turns]
    around = [geometric_mean(pace[max(place - NEAR, 0) : place + NEAR]) for place in places]
    return median(seconds / by for seconds, by in zip(epochs(record), around, strict=True))


def alone(of: Callable[[list[float]], float]) -> Way:
    return lambda record, base: of(epochs(record))


WAYS: dict[str, Way] = {
    "the mean of its turns": alone(fmean),
    "their median": alone(median),
    "their median, each over the baseline's turns around it": beside,
    "their lowest quartile": alone(lambda own: quantiles(own, n=4)[0]),
    "their lowest quintile": alone(lambda own: quantiles(own, n=5)[0]),
    "**the quickest**": lambda record, base: steady_epoch(record),
}


def ratios(records: Sequence[Record], baseline: str, way: Way) -> Ratios:
    """Of the cells that have them in two blocks or more, to the usual mode of the baseline."""
    usual = (baseline, find().adapters[baseline].modes[0])
    blocks: dict[tuple[object, int], list[Record]] = defaultdict(list)
    for one in records:
        if one.cell.kind == "speed" and one.status == "ok" and len(one.turns) > 3:
            blocks[one.cell.workload, one.block].append(one)
    found: dict[tuple[object, ...], list[float]] = defaultdict(list)
    for (workload, _), own in blocks.items():
        base = next((one for one in own if (one.cell.adapter, one.cell.mode) == usual), None)
        for one in own:
            if base is not None and one is not base:
                place = (workload, one.cell.adapter, one.cell.mode)
                found[place].append(math.log(way(one, base) / way(base, base)))
    return {place: values for place, values in found.items() if len(values) > 1}


def spread(found: Ratios) -> float:
    return median(stdev(values) for values in found.values())


def shift(found: Ratios, quiet: Ratios) -> float:
    """How far the ratios of one run are from those of another."""
    both = found.keys() & quiet.keys()
    return median(math.expm1(abs(fmean(found[place]) - fmean(quiet[place]))) for place in both)


def table(runs: Sequence[Path]) -> str:
    read = [store.read(path) for path in runs]
    heads = ["what a launch took", "spread", *(["spread, beside", "ratios shift by"] if len(runs) > 1 else [])]
    lines = [f"| {' | '.join(heads)} |", "|---" + "|---:" * (len(heads) - 1) + "|"]
    for name, way in WAYS.items():
        each = [ratios(one.records, one.run.baseline, way) for one in read]
        shares = [spread(found) for found in each] + ([shift(each[1], each[0])] if len(each) > 1 else [])
        lines.append(f"| {name} | {' | '.join(f'{100 * share:.1f} %' for share in shares)} |")
    cells = len(ratios(read[0].records, read[0].run.baseline, alone(median)))
    return "\n".join([*lines, "", f"{cells} cells."]) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("beside", type=Path, nargs="?")
    parser.add_argument("--write", action="store_true", help=f"into {DOCUMENT.name}")
    options = parser.parse_args()
    text = table([path for path in (options.run, options.beside) if path])
    print(text, end="")
    if options.write:
        document.put(DOCUMENT, text, MARK)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(str(error))
