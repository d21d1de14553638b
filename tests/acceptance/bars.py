"""The bars that this project sets itself, and whether what was found clears them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import costs
from measurements import Measurements
from overhead import LONG_EPOCH, MOST_DIFFERENCE, MOST_RATIO, Overhead
from share import TimeShare
from startup import BARS, Startup

from levelfield.harness.doctor import replay
from levelfield.harness.doctor.against_itself import Trial
from levelfield.harness.judge.statistics import LEAST_BLOCKS_TO_STOP

Word = Literal["holds", "does not hold", "open"]

RESOLVED = ("numpy-manual", "torch-autograd", "jax-grad")  # within RESOLVED_SECONDS; the others within MOST_PAIRS
RESOLUTION, RESOLVED_SECONDS, MOST_PAIRS = 0.02, 60.0, 40
MOST_FALSE = 0.05
MOST_WALL, LEAST_MEASURED, LEAST_CORE = 360.0, 0.60, 0.30


@dataclass(frozen=True)
class Bar:
    """One row: what is asked, what was found, and the word that follows."""

    row: str
    bar: str
    found: str
    word: Word


def bars(found: Measurements, soak: dict[str, Any] | None) -> list[Bar]:
    """Rows 1 to 6; *open* where the numbers do not decide, or were not measured. `soak` is what ``make soak`` found."""
    overheads = found.results("overhead")
    return [
        _overhead(overheads),
        _resolved(found.results("duel")),
        _others(overheads),
        _false(found.results("neighbour")),
        _time(found.results("time")),
        _start(found.results("start")),
        _cost(soak),
    ]


def _overhead(overheads: Sequence[Overhead]) -> Bar:
    words = {f"{row.adapter} ({row.mode})": _word(row.holds) for row in overheads}
    counts = [f"{sum(word == kind for word in words.values())} {kind}" for kind in ("holds", "open", "does not hold")]
    failed = [name for name, word in words.items() if word == "does not hold"]
    found = f"of {len(words)} adapters and modes: {', '.join(counts)}" + (f" ({', '.join(failed)})" if failed else "")
    bar = (
        f"a steady step against a plain script: at most {MOST_RATIO:g} × where an epoch lasts {1e3 * LONG_EPOCH:g} ms "
        f"or more, else at most {1e6 * MOST_DIFFERENCE:g} µs an epoch more"
    )
    return Bar("1", bar, found, _all(words.values()))


def _resolved(trials: Sequence[Trial]) -> Bar:
    bar = f"a difference of {RESOLUTION:.0%} resolved at 95 % within {RESOLVED_SECONDS:g} s of a pair, in turns, by "
    bar += ", ".join(RESOLVED)
    found = {name: _seconds(name, trials) for name in RESOLVED}
    text = "; ".join(f"{name} {text}" for name, (_, text) in found.items())
    return Bar("2a", bar, text, _all(word for word, _ in found.values()))


def _others(overheads: Sequence[Overhead]) -> Bar:
    bar = f"… and within {MOST_PAIRS} pairs, in turns, by the others"
    rest = {row.adapter: row for row in reversed(overheads) if row.adapter not in RESOLVED}  # the first mode of each
    words: dict[str, Word] = {}
    for name, row in sorted(rest.items()):
        within = row.pairs_to_2_percent is not None and row.pairs_to_2_percent <= MOST_PAIRS
        measured = row.ratio is not None and row.ratio.n >= MOST_PAIRS
        words[name] = "holds" if within else "does not hold" if measured else "open"
    late = [name for name, word in words.items() if word != "holds"]
    found = f"{len(rest) - len(late)} of {len(rest)}" + (f", not {', '.join(late)}" if late else "")
    return Bar("2b", bar, found, _all(words.values()))


def _seconds(name: str, trials: Sequence[Trial]) -> tuple[Word, str]:
    """From the stop at that precision: by the 90th percentile it holds, by the median it does not."""
    delays = [delay for trial in trials if trial.adapter == name for delay in trial.delays]
    for delay in (one for one in delays if one.delay == RESOLUTION):
        if delay.ratio is None or delay.ratio.n < LEAST_BLOCKS_TO_STOP:
            continue
        if (stop := delay.stop) is None:
            return "does not hold", "not within its series"
        word: Word = "open"
        if stop.seconds_90 <= RESOLVED_SECONDS and stop.within.share >= 0.9:
            word = "holds"
        elif stop.seconds > RESOLVED_SECONDS:
            word = "does not hold"
        late = f"90 %: {stop.seconds_90:.0f} s"
        return word, f"after {stop.seconds:.0f} s ({late}), found by then in {stop.found.share:.0%}"
    return "open", "was not measured"


def _false(trials: Sequence[Trial]) -> Bar:
    bar = f"an adapter against itself, simultaneous, with a neighbour: at most {MOST_FALSE:.0%} false verdicts"
    series = [[run for run in trial.same.runs if run.called] for trial in trials if trial.same is not None]
    shortest = [(runs[0].pairs, runs[0].called) for runs in series if runs]
    noisy = [(pairs, called) for pairs, called in shortest if called is not None]
    if not noisy:
        return Bar("3", bar, "no series with a neighbour was recorded", "open")
    worth = sum(called.independent for _, called in noisy)
    share = sum(called.share * called.independent for _, called in noisy) / worth
    low, high = replay.wilson(share * worth, worth)
    word: Word = "holds" if high <= MOST_FALSE else "does not hold" if low > MOST_FALSE else "open"
    pairs = " or ".join(f"{pairs:g}" for pairs in sorted({pairs for pairs, _ in noisy}))
    found = (
        f"{share:.1%} ({low:.1%} to {high:.1%}) of comparisons over {pairs} pairs, worth {worth:.0f} independent ones"
    )
    return Bar("3", bar, found, word)


def _time(shares: Sequence[TimeShare]) -> Bar:
    bar = (
        f"the default suite on two cores: at most {MOST_WALL / 60:g} minutes, at least {LEAST_MEASURED:.0%} of it in "
        f"measured phases and {LEAST_CORE:.0%} in steady epochs and prediction"
    )
    for share in shares:
        if share.reason is not None:
            return Bar("4", bar, f"not measured, because {share.reason}", "open")
        measured, core = share.measured / share.span, share.core / share.span
        found = f"run {share.run}: {share.span / 60:.1f} minutes, {measured:.0%}, {core:.0%}"
        if share.suite != "default":
            return Bar("4", bar, f"{found}; it is of suite {share.suite}", "open")
        holds = share.span <= MOST_WALL and measured >= LEAST_MEASURED and core >= LEAST_CORE
        return Bar("4", bar, found, _word(holds))
    return Bar("4", bar, "not measured", "open")


def _start(startups: Sequence[Startup]) -> Bar:
    bar = (
        " and ".join(f"`levelfield {name}` within {most:g}" for name, most in BARS.items()) + " bare interpreter starts"
    )
    if not startups:
        return Bar("5", bar, "not measured", "open")
    found = "; ".join(f"{s.command} {s.ratio.estimate:.1f} ({s.ratio.low:.1f} to {s.ratio.high:.1f})" for s in startups)
    return Bar("5", bar, found, _all([_word(s.holds) for s in startups]))


def _cost(soak: dict[str, Any] | None) -> Bar:
    """What docs/results/reliability.md shows line by line."""
    if soak is None:
        return Bar("6", costs.BAR, "not measured: `make soak`", "open")
    found = costs.scheduling(soak)
    return Bar("6", costs.BAR, found.text, _word(found.holds))


def _word(holds: bool | None) -> Word:
    return "open" if holds is None else "holds" if holds else "does not hold"


def _all(words: Iterable[Word]) -> Word:
    found = set(words)
    if "does not hold" in found:
        return "does not hold"
    return "holds" if found == {"holds"} else "open"
