"""An adapter against itself: under another label, and slowed down by known delays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from statistics import median

from levelfield.harness.doctor import replay, series
from levelfield.harness.doctor.examine import AdapterStep
from levelfield.harness.doctor.neighbour import neighbour
from levelfield.harness.doctor.replay import Share
from levelfield.harness.doctor.series import RECIPE, Bench, Series, cell
from levelfield.harness.judge.statistics import LEAST_BLOCKS, Interval, paired_ratio
from levelfield.harness.measure.delay import Delay
from levelfield.harness.run.duel import Side

DELAYS = (0.01, 0.02, 0.05)  # of the adapter's own step
WINDOWS = (LEAST_BLOCKS, 8, 12, 20, 40)  # pairs; the first is a default run's
PRECISION = 0.02  # at which runs without a delay stop
CALIBRATION = 5  # blocks
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
    """The same under two labels or more, over a whole series. `short`: launches that had too few turns; `agree` is that
    of `replay.neighbours_agree`."""

    ratio: Interval | None
    launches: int
    short: int
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
    """An adapter against itself with `delay` (a share of its step) injected.

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
    work = cell(info, mode, bench.threads)

    def side(seconds: float) -> Side:
        """With so many more in an epoch."""
        return Side(info, work, (Delay(seconds=seconds / _steps(bench)),))

    with bench.launcher({info.name: info}) as host:
        first = series.record(host, bench, {baseline: side(0.0)}, CALIBRATION, enough)
        epochs = first.values.get(baseline)
        if not epochs:
            return trial(reason=first.failure or first.nothing())
        epoch = median(epochs.values())
        with neighbour() if noisy else nullcontext():
            sides = {label: side(delay * epoch) for label, delay in delays.items()}
            found = series.record(host, bench, sides, step.pairs, enough)
    if found.failure is not None:
        return trial(reason=found.failure, step_seconds=epoch / _steps(bench))
    return trial(
        step_seconds=epoch / _steps(bench),
        same=same(found, again, baseline),
        delays=[slowed_down(found, label, baseline, delay, delay * epoch) for label, delay in slowed.items()],
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
    if stop is not None:
        runs.append(FalseVerdicts(stop.pairs, stop.differs, None, PRECISION))
    return Same(_ratio(own, base), found.launches, found.short, replay.neighbours_agree(own, base), runs)


def slowed_down(found: Series, label: str, baseline: str, delay: float, seconds: float) -> Slowed:
    """What the recorded series says of `label`, with `seconds` more an epoch, against `baseline`."""
    own, base = found.pairs(label, baseline)
    rates = [replay.rates(own, base, pairs) for pairs in WINDOWS]
    return Slowed(
        delay=delay,
        injected=seconds / median(base) if base else None,
        ratio=_ratio(own, base),
        after=[After(one.pairs, one.slower) for one in rates if one is not None],
        stop=_stopped(replay.until(own, base, delay), found.pair_seconds(label, baseline)),
    )


def _stopped(stop: replay.Stop | None, pair_seconds: float) -> Stopped | None:
    if stop is None:
        return None
    seconds, seconds_90 = stop.pairs * pair_seconds, stop.pairs_90 * pair_seconds
    return Stopped(stop.stopped, stop.pairs, stop.pairs_90, seconds, seconds_90, stop.slower)


def _ratio(own: Sequence[float], base: Sequence[float]) -> Interval | None:
    return paired_ratio(own, base) if len(own) >= LEAST_BLOCKS else None


def _steps(bench: Bench) -> int:
    """Of an epoch."""
    return len(bench.task.train.x) // RECIPE.batch_size
