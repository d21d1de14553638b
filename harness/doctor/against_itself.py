"""An adapter against itself: under another label, and slowed down by known delays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from statistics import median

from levelfield.harness.doctor import replay, series
from levelfield.harness.doctor.examine import AdapterStep
from levelfield.harness.doctor.neighbour import neighbour
from levelfield.harness.doctor.replay import Share
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
class FalseVerdicts:
    """How often runs of so many `pairs` tell the same apart: `called` in the tool's words, with its margin, and
    `differs` where the interval alone excludes 1.

    With a `precision` the runs go on until their interval is as narrow, after so many pairs in the median.
    """

    pairs: float
    differs: Share
    called: Share | None = None
    precision: float | None = None


@dataclass(frozen=True)
class Same:
    """The same under two labels or more, over a whole series; `agree` is that of `replay.neighbours_agree`."""

    ratio: Interval | None
    launches: int
    disturbed: int
    agree: float | None
    runs: list[FalseVerdicts]


@dataclass(frozen=True)
class After:
    """In which share of the runs of so many `pairs` a delay was found, on the side where the truth lies."""

    pairs: int
    found: Share


@dataclass(frozen=True)
class Stopped:
    """Runs that go on until their interval is as narrow as the delay: `within` the series so many of them stop.

    `pairs` and `seconds` are the median over these, `_90` the 90th percentile; `found` is the delay in such a share.
    """

    within: Share
    pairs: float
    pairs_90: float
    seconds: float
    seconds_90: float
    found: Share


@dataclass(frozen=True)
class Slowed:
    """An adapter against itself with `delay` (a share of its step) injected; of 0, what is found is false.

    The delay is a fixed time, calibrated before the series; `injected` is its share of the step during the series.
    """

    delay: float
    injected: float | None
    ratio: Interval | None
    after: list[After]
    stop: Stopped | None  # None: none of them stops


@dataclass(frozen=True)
class Trial:
    """One recorded series of a part and what was replayed from it, or why there is none."""

    part: str
    adapter: str
    mode: str
    reason: str | None = None
    step_seconds: float | None = None
    same: Same | None = None
    delays: list[Slowed] = field(default_factory=list)
    values: dict[str, dict[int, float]] = field(default_factory=dict)  # label → block → steady epoch, s


def launched(bench: Bench, step: AdapterStep, enough: Callable[[], bool], noisy: bool = False) -> Trial:
    """Record a series of launches as a run makes them, and replay it; with a neighbour (`noisy`) without delays.

    With a neighbour several labels of the same adapter are compared at once, as a table compares its rows.
    """
    info, mode = step.info, step.mode
    trial = partial(Trial, step.part.name, info.name, mode)
    if (missing := info.missing()) is not None:
        return trial(reason=missing)
    baseline = f"{info.name} +0%"
    again = [f"{info.name} again" + (f", {n}" if n else "") for n in range(TOGETHER if noisy else 1)]
    slowed = {} if noisy else {f"{info.name} +{delay:.0%}": delay for delay in DELAYS}
    delays = {baseline: 0.0} | dict.fromkeys(again, 0.0) | slowed

    def labels(epoch: float) -> dict[str, tuple[Delay]]:
        return {label: (Delay(seconds=delay * epoch / _steps(bench)),) for label, delay in delays.items()}

    work = cell(info, mode, bench.threads)
    with bench.launcher({info.name: info}) as host:
        first = series.record(host, bench, work, {baseline: (Delay(seconds=0.0),)}, CALIBRATION, enough)
        epochs = first.values.get(baseline)
        if not epochs:
            return trial(reason=first.failure or first.nothing())
        epoch = median(epochs.values())
        with neighbour() if noisy else nullcontext():
            found = series.record(host, bench, work, labels(epoch), step.pairs, enough)
    if found.failure is not None:
        return trial(reason=found.failure, step_seconds=epoch / _steps(bench))
    return trial(
        step_seconds=epoch / _steps(bench),
        same=same(found, again, baseline),
        delays=[slowed_down(found, label, baseline, delay, delay * epoch) for label, delay in slowed.items()],
        values=found.values,
    )


def in_turns(bench: Bench, step: AdapterStep, enough: Callable[[], bool]) -> Trial:
    """Duels of the adapter with itself, undelayed and with each delay by turns, until `step.pairs` of each or
    `enough`."""
    info = step.info
    trial = partial(Trial, step.part.name, info.name, step.mode)
    if (missing := info.missing()) is not None:
        return trial(reason=missing)
    work = cell(info, step.mode, THREADS)
    found, epoch = Series(), 0.0

    def side(delay: float) -> Side:
        return Side(info, work, wrap=(Delay(seconds=delay * epoch / _steps(bench)),))

    try:
        with bench.ground(Side(info, work), Side(info, work)) as ground:
            first = [ground.pair(side(0), side(0), block) for block in range(CALIBRATION)]
            epochs = [pair.second for pair in first if pair is not None]
            if not epochs:
                return trial(reason="its launches were over before both had had a turn")
            epoch = median(epochs)
            for block, delay in product(range(step.pairs), (0.0, *DELAYS)):
                if enough():
                    break
                found.add_pair(f"+{delay:.0%}", ground.pair(side(delay), side(0), block), block)
    except LaunchFailed as error:
        return trial(reason=str(error))
    return trial(
        step_seconds=epoch / _steps(bench),
        delays=[slowed_down(found, f"+{d:.0%}", f"+{d:.0%} base", d, d * epoch) for d in (0.0, *DELAYS)],
        values=found.values,
    )


def same(found: Series, labels: Sequence[str], baseline: str) -> Same:
    """What the recorded series says of the same adapter under other `labels`, whose intervals hold together."""
    recorded = [found.pairs(label, baseline) for label in labels]
    runs = []
    for pairs in WINDOWS:
        if judged := replay.family_rates(recorded, pairs):
            pooled = replay.pool(judged)
            runs.append(FalseVerdicts(float(pairs), pooled.differs, pooled.called))
    own, base = recorded[0]
    stop = replay.until(own, base, PRECISION)
    if stop is not None and stop.pairs is not None and stop.differs is not None:
        runs.append(FalseVerdicts(stop.pairs, stop.differs, None, PRECISION))
    return Same(_ratio(own, base), found.launches, found.disturbed, replay.neighbours_agree(own, base), runs)


def slowed_down(found: Series, label: str, baseline: str, delay: float, seconds: float) -> Slowed:
    """What the recorded series says of `label`, with `seconds` more an epoch, against `baseline`."""
    own, base = found.pairs(label, baseline)
    rates = [replay.rates(own, base, pairs) for pairs in WINDOWS]
    return Slowed(
        delay=delay,
        injected=seconds / median(base) if base else None,
        ratio=_ratio(own, base),
        after=[After(one.pairs, one.slower if delay else one.differs) for one in rates if one is not None],
        stop=_stopped(replay.until(own, base, delay or PRECISION), delay, found.pair_seconds(label, baseline)),
    )


def _stopped(stop: replay.Stop | None, delay: float, pair_seconds: float) -> Stopped | None:
    if stop is None or stop.pairs is None or stop.pairs_90 is None or stop.slower is None or stop.differs is None:
        return None
    seconds, seconds_90 = stop.pairs * pair_seconds, stop.pairs_90 * pair_seconds
    found = stop.slower if delay else stop.differs
    return Stopped(stop.stopped, stop.pairs, stop.pairs_90, seconds, seconds_90, found)


def _ratio(own: Sequence[float], base: Sequence[float]) -> Interval | None:
    return paired_ratio(own, base) if len(own) >= LEAST_BLOCKS else None


def _steps(bench: Bench) -> int:
    """Of an epoch."""
    return len(bench.task.train.x) // RECIPE.batch_size
