"""The bars that this project sets itself, and whether what was found clears them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from levelfield.harness.doctor import replay
from levelfield.harness.doctor.against_itself import Trial
from levelfield.harness.doctor.overhead import LONG_EPOCH, MOST_DIFFERENCE, MOST_RATIO, Overhead
from levelfield.harness.doctor.replay import Rates
from levelfield.harness.doctor.share import TimeShare
from levelfield.harness.doctor.startup import BARS, Startup
from levelfield.harness.system.paths import ROOT

Word = Literal["holds", "does not hold", "open"]

SOAK = ROOT / "docs" / "reliability" / "soak.json"
RESOLVED = ("numpy-manual", "torch-autograd", "jax-grad")  # within RESOLVED_SECONDS; the others within MOST_PAIRS
RESOLUTION, RESOLVED_SECONDS, MOST_PAIRS = 0.02, 60.0, 40
MOST_FALSE = 0.05
MOST_WALL, LEAST_MEASURED, LEAST_CORE = 360.0, 0.60, 0.30
MOST_SCHEDULING, MOST_SLOWER = 0.020, 1.5  # seconds a launch; cost of the last launches to the first's


@dataclass(frozen=True)
class Bar:
    """One row: what is asked, what was found, the word that follows, and the part of the doctor that gives it."""

    row: str
    bar: str
    found: str
    word: Word
    part: str


def bars(
    overheads: Sequence[Overhead],
    trials: Sequence[Trial],
    share: TimeShare | str | None,
    startups: Sequence[Startup],
    soak: Path = SOAK,
) -> list[Bar]:
    """Rows 1 to 6; *open* where the numbers do not decide, or were not measured."""
    return [
        _overhead(overheads),
        _resolved(trials),
        _others(overheads),
        _false(trials),
        _time(share),
        _start(startups),
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
    return Bar("1", bar, found, _all(words.values()), "overhead")


def _resolved(trials: Sequence[Trial]) -> Bar:
    bar = f"a difference of {RESOLUTION:.0%} resolved at 95 % within {RESOLVED_SECONDS:g} s of a pair, in turns, by "
    bar += ", ".join(RESOLVED)
    found = {name: _seconds(name, trials) for name in RESOLVED}
    text = "; ".join(f"{name} {text}" for name, (_, text) in found.items())
    return Bar("2a", bar, text, _all(word for word, _ in found.values()), "duel")


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
    return Bar("2b", bar, found, _all(words.values()), "overhead")


def _seconds(name: str, trials: Sequence[Trial]) -> tuple[Word, str]:
    """From the stop at that precision: by the 90th percentile it holds, by the median it does not."""
    for trial in trials:
        for comparison in trial.comparisons:
            stop = comparison.stop
            if trial.adapter != name or not trial.turns or comparison.delay != RESOLUTION or stop is None:
                continue
            if stop.pairs is None or stop.pairs_90 is None or stop.slower is None:
                return "does not hold", "not within its series"
            typical, late = stop.pairs * comparison.pair_seconds, stop.pairs_90 * comparison.pair_seconds
            word: Word = "open"
            if late <= RESOLVED_SECONDS and stop.stopped.share >= 0.9:
                word = "holds"
            elif typical > RESOLVED_SECONDS:
                word = "does not hold"
            return word, f"after {typical:.0f} s (90 %: {late:.0f} s), found by then in {stop.slower.share:.0%}"
    return "open", "was not measured"


def _false(trials: Sequence[Trial]) -> Bar:
    bar = f"an adapter against itself, simultaneous, with a neighbour: at most {MOST_FALSE:.0%} false verdicts"
    noisy = [rates for trial in trials if trial.neighbour for rates in together(trial)[:1]]
    if not noisy:
        return Bar("3", bar, "no series with a neighbour was recorded", "open", "neighbour")
    worth = sum(rates.called.independent for rates in noisy)
    share = sum(rates.called.share * rates.called.independent for rates in noisy) / worth
    low, high = replay.wilson(share * worth, worth)
    word: Word = "holds" if high <= MOST_FALSE else "does not hold" if low > MOST_FALSE else "open"
    pairs = " or ".join(str(pairs) for pairs in sorted({rates.pairs for rates in noisy}))
    found = (
        f"{share:.1%} ({low:.1%} to {high:.1%}) of comparisons over {pairs} pairs, worth {worth:.0f} independent ones"
    )
    return Bar("3", bar, found, word, "neighbour")


def together(trial: Trial) -> list[Rates]:
    """What the comparisons of the same with the same say in one trial, by the length of the windows."""
    same = [comparison for comparison in trial.comparisons if comparison.delay == 0]
    lengths = sorted({rates.pairs for comparison in same for rates in comparison.rates})
    return [replay.pool([r for c in same for r in c.rates if r.pairs == pairs]) for pairs in lengths]


def _time(share: TimeShare | str | None) -> Bar:
    bar = (
        f"the default suite on two cores: at most {MOST_WALL / 60:g} minutes, at least {LEAST_MEASURED:.0%} of it in "
        f"measured phases and {LEAST_CORE:.0%} in steady epochs and prediction"
    )
    if not isinstance(share, TimeShare):
        return Bar("4", bar, f"not measured, because {share}" if share else "not measured", "open", "time")
    measured, core = share.measured / share.span, share.core / share.span
    found = f"run {share.run}: {share.span / 60:.1f} minutes, {measured:.0%}, {core:.0%}"
    if share.suite != "default":
        return Bar("4", bar, f"{found}; it is of suite {share.suite}", "open", "time")
    holds = share.span <= MOST_WALL and measured >= LEAST_MEASURED and core >= LEAST_CORE
    return Bar("4", bar, found, _word(holds), "time")


def _start(startups: Sequence[Startup]) -> Bar:
    bar = (
        " and ".join(f"`levelfield {name}` within {most:g}" for name, most in BARS.items()) + " bare interpreter starts"
    )
    if not startups:
        return Bar("5", bar, "not measured", "open", "start")
    found = "; ".join(f"{s.command} {s.ratio.estimate:.1f} ({s.ratio.low:.1f} to {s.ratio.high:.1f})" for s in startups)
    return Bar("5", bar, found, _all([_word(s.holds) for s in startups]), "start")


def _cost(soak: Path) -> Bar:
    bar = f"scheduling costs at most {1e3 * MOST_SCHEDULING:g} ms a launch with 10,000 planned, and is flat"
    if not soak.is_file():
        return Bar("6", bar, f"not measured: `make soak` writes {soak.name}, in the source checkout", "open", "soak")
    stored = json.loads(soak.read_text(encoding="utf-8"))
    kinds = stored["scheduling"].values()
    planned = min(kind["planned"] for kind in kinds)
    slowest = max(kind["slowest half-thousand, seconds a launch"] for kind in kinds)
    slower = max(kind["scheduling, seconds of CPU a launch"]["ratio"] for kind in kinds)
    found = f"{1e3 * slowest:.1f} ms in the slowest half-thousand of {planned:,}; the last 500 cost {slower:.2f} × the "
    found += f"first's CPU time (`make soak`, {stored['date'][:10]})"
    if planned < 10_000:
        return Bar("6", bar, found, "open", "soak")
    return Bar("6", bar, found, _word(slowest <= MOST_SCHEDULING and slower <= MOST_SLOWER), "soak")


def _word(holds: bool | None) -> Word:
    return "open" if holds is None else "holds" if holds else "does not hold"


def _all(words: Iterable[Word]) -> Word:
    found = set(words)
    if "does not hold" in found:
        return "does not hold"
    return "holds" if found == {"holds"} else "open"
