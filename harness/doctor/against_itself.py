"""An adapter against itself: under another label, and slowed down by known delays."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from statistics import median

from levelfield.adapters.registry import AdapterInfo
from levelfield.harness.doctor import replay, series
from levelfield.harness.doctor.neighbour import neighbour
from levelfield.harness.doctor.series import RECIPE, Bench, Series, cell
from levelfield.harness.judge.statistics import LEAST_BLOCKS, Interval, paired_ratio
from levelfield.harness.measure.delay import Delay
from levelfield.harness.run.duel import THREADS, LaunchFailed, Side

DELAYS = (0.01, 0.02, 0.05)  # of the adapter's own step
WINDOWS = (8, 12, 20, 40)  # pairs
PRECISION = 0.02  # at which runs without a delay stop
CALIBRATION = 5  # launches
TOGETHER = 4  # labels that a trial with a neighbour compares with the baseline at once, all the same adapter


@dataclass(frozen=True)
class Comparison:
    """An adapter against itself with `delay` (a share of its step) injected; 0: under another label only.

    The delay is a fixed time, calibrated before the series; `injected` is its share of the step during the series.
    """

    delay: float
    injected: float | None
    ratio: Interval | None
    rates: list[replay.Rates]
    stop: replay.Stop | None
    agree: float | None  # see `replay.neighbours_agree`
    pair_seconds: float


@dataclass(frozen=True)
class Trial:
    """One recorded series and what was replayed from it, or why there is none."""

    adapter: str
    mode: str
    neighbour: bool
    turns: bool = False  # duels (see `harness.run.duel`) instead of a run's launches
    reason: str | None = None
    step_seconds: float | None = None
    launches: int = 0
    disturbed: int = 0
    comparisons: list[Comparison] = field(default_factory=list)
    values: dict[str, dict[int, float]] = field(default_factory=dict)  # label → block → steady epoch, s


def measure(bench: Bench, info: AdapterInfo, noisy: bool, blocks: int, enough: Callable[[], bool]) -> Trial:
    """Record a series of at most `blocks` and replay it; with a neighbour (`noisy`) without delays.

    With a neighbour several labels of the same adapter are compared at once, as a table compares its rows.
    """
    mode = info.modes[0]
    if (missing := info.missing()) is not None:
        return Trial(info.name, mode, noisy, reason=missing)
    delays = {f"{info.name} +0%": 0.0, f"{info.name} again": 0.0}
    if noisy:
        delays |= {f"{info.name} again, {number}": 0.0 for number in range(2, TOGETHER + 1)}
    else:
        delays |= {f"{info.name} +{delay:.0%}": delay for delay in DELAYS}
    baseline, *others = delays
    steps = len(bench.task.train.x) // RECIPE.batch_size

    def labels(step: float) -> dict[str, tuple[Delay]]:
        return {label: (Delay(seconds=delay * step),) for label, delay in delays.items()}

    work = cell(info, mode, bench.threads)
    with bench.launcher({info.name: info}) as host:
        first = series.record(host, bench, work, {baseline: (Delay(seconds=0.0),)}, CALIBRATION, enough)
        epochs = first.values.get(baseline)
        if not epochs:
            reason = first.failure or first.nothing()
            return Trial(info.name, mode, noisy, False, reason, None, first.launches, first.disturbed)
        step = median(epochs.values()) / steps
        with neighbour() if noisy else nullcontext():
            found = series.record(host, bench, work, labels(step), blocks, enough)
    if found.failure is not None:
        return Trial(info.name, mode, noisy, False, found.failure, step, found.launches, found.disturbed)
    together = len(others) if noisy else 1
    comparisons = [
        compare(found, label, baseline, delays[label], delays[label] * step * steps, together) for label in others
    ]
    return Trial(info.name, mode, noisy, False, None, step, found.launches, found.disturbed, comparisons, found.values)


def in_turns(bench: Bench, info: AdapterInfo, pairs: int, enough: Callable[[], bool]) -> Trial:
    """Duels of the adapter with itself, undelayed and with each delay by turns, until `pairs` of each or `enough`."""
    mode = info.modes[0]
    trial = partial(Trial, info.name, mode, neighbour=False, turns=True)
    if (missing := info.missing()) is not None:
        return trial(reason=missing)
    steps = len(bench.task.train.x) // RECIPE.batch_size
    work = cell(info, mode, THREADS)
    found, step = Series(), None

    def side(delay: float) -> Side:
        return Side(info, work, wrap=(Delay(seconds=delay * (step or 0.0)),))

    try:
        with bench.ground(Side(info, work), Side(info, work)) as ground:
            first = [ground.pair(side(0), side(0), block) for block in range(CALIBRATION)]
            epochs = [pair.second for pair in first if pair is not None]
            if not epochs:
                return trial(reason="its launches were over before both had had a turn")
            step = median(epochs) / steps
            for block, delay in product(range(pairs), (0.0, *DELAYS)):
                if enough():
                    break
                pair = ground.pair(side(delay), side(0), block)
                found.add_pair(f"+{delay:.0%}", pair, block)
    except LaunchFailed as error:
        return trial(reason=str(error), launches=found.launches)
    comparisons = [
        compare(found, f"+{delay:.0%}", f"+{delay:.0%} base", delay, delay * step * steps) for delay in (0.0, *DELAYS)
    ]
    return trial(step_seconds=step, launches=found.launches, comparisons=comparisons, values=found.values)


def compare(found: Series, label: str, baseline: str, delay: float, seconds: float, together: int = 1) -> Comparison:
    """What the recorded series says of `label`, with `seconds` more an epoch, against `baseline`.

    It is one of `together` comparisons whose intervals hold together.
    """
    own, base = found.pairs(label, baseline)
    replays = [replay.rates(own, base, pairs, comparisons=together) for pairs in WINDOWS]
    return Comparison(
        delay=delay,
        injected=seconds / median(base) if base else None,
        ratio=paired_ratio(own, base) if len(own) >= LEAST_BLOCKS else None,
        rates=[rates for rates in replays if rates is not None],
        stop=replay.until(own, base, delay or PRECISION),
        agree=replay.neighbours_agree(own, base),
        pair_seconds=found.pair_seconds(label, baseline),
    )
