"""The bars that this project sets itself, and whether what was found clears them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import costs
from blocks import ADAPTERS, MOST_ALONE, MOST_THREADED, Spread
from measurements import Measurements
from overhead import LONG_EPOCH, MOST_DIFFERENCE, MOST_RATIO, Overhead
from share import TimeShare
from startup import BARS, Startup

from levelfield.harness.doctor import replay
from levelfield.harness.doctor.against_itself import Trial

Word = Literal["holds", "does not hold", "open"]

MOST_FALSE = 0.05
MOST_WALL, MOST_HALF = 360.0, 0.03  # seconds; a share


@dataclass(frozen=True)
class Bar:
    """One row: what is asked, what was found, and the word that follows."""

    row: str
    bar: str
    found: str
    word: Word


def bars(found: Measurements, soak: dict[str, Any] | None) -> list[Bar]:
    """Rows 1 to 6; *open* where the numbers do not decide, or were not measured. `soak` is what ``make soak`` found."""
    spreads = found.results("blocks")
    return [
        _overhead(found.results("overhead")),
        _spread("2a", "one thread", MOST_ALONE, [one for one in spreads if one.threads == 1]),
        _spread("2b", "all threads", MOST_THREADED, [one for one in spreads if one.threads > 1]),
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


def _spread(row: str, threads: str, most: float, spreads: Sequence[Spread]) -> Bar:
    bar = f"an adapter against itself, {threads}, with a neighbour: a block's log-ratio has a standard deviation of at "
    bar += f"most {100 * most:g} %"
    noisy = {one.adapter: one for one in spreads if one.beside and one.spread is not None}
    found = "; ".join(f"{name} {percent(one)} in {one.n} blocks" for name, one in noisy.items()) or "was not measured"
    missing: list[Word] = ["open" for name in ADAPTERS if name not in noisy]
    return Bar(row, bar, found, _all([*missing, *(_word(one.holds) for one in noisy.values())]))


def percent(one: Spread) -> str:
    """A standard deviation that was measured, with its interval."""
    assert one.spread is not None
    assert one.low is not None
    assert one.high is not None
    return f"{100 * one.spread:.1f} % ({100 * one.low:.1f} to {100 * one.high:.1f})"


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
        f"the default suite on two cores: at most {MOST_WALL / 60:g} minutes, every timed cell judged, and a median "
        f"half-width of the intervals of at most {100 * MOST_HALF:g} %"
    )
    for share in shares:
        if share.reason is not None:
            return Bar("4", bar, f"not measured, because {share.reason}", "open")
        half = "no interval" if share.half is None else f"± {100 * share.half:.1f} %"
        found = f"{share.span / 60:.1f} minutes, {share.judged} of {share.cells} cells judged, {half}"
        if share.suite != "default":
            return Bar("4", bar, f"{found}; it is of suite {share.suite}", "open")
        sure = share.half is not None and share.half <= MOST_HALF
        return Bar("4", bar, found, _word(share.span <= MOST_WALL and share.judged == share.cells and sure))
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
