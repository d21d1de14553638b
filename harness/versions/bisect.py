"""Which release became slower? A search by halves, in which a release that cannot be decided is stepped around."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from levelfield.harness.judge.statistics import Interval
from levelfield.tasks.errors import UserError, unknown

Word = Literal["slower", "not slower", "undecided"]
# Of several answers together, the first that is among them
WORDS: tuple[Word, ...] = ("slower", "undecided", "not slower")


@dataclass(frozen=True)
class Step:
    """What was found of a release against the first one: `ratio` of their times, and why if nothing was decided."""

    release: str
    word: Word
    ratio: Interval | None = None
    reason: str = ""


@dataclass(frozen=True)
class Found:
    """`steps` in the order in which they were taken. `before` is the last release that is not slower, and `slower` the
    first that is, as far as the steps could tell; of those `between` them nothing could be decided."""

    steps: tuple[Step, ...]
    before: str
    slower: str | None
    between: tuple[str, ...] = ()

    @property
    def exact(self) -> bool:
        return self.slower is not None and not self.between


def word(ratio: Interval | None, by: float) -> Word:
    """Whether a release takes more than 1 + `by` times as long as the first: the whole interval must say so."""
    if ratio is None or ratio.low <= 1 + by <= ratio.high:
        return "undecided"
    return "slower" if ratio.low > 1 + by else "not slower"


def span(known: Sequence[str], first: str, last: str) -> list[str]:
    """The releases from `first` to `last`, of all that are `known` in their order: a build of a release that is itself
    among them (``2.13.0+cpu``) is no other one. Raises UserError."""
    for release in (first, last):
        if release not in known:
            raise unknown("release", release, known, "the search needs two releases that pip lists")
    begin, end = known.index(first), known.index(last)
    if begin >= end:
        raise UserError(f"{first} is not older than {last}", "name the older release first")
    public = {release for release in known if "+" not in release}
    between = [release for release in known[begin + 1 : end] if release.partition("+")[0] not in public - {release}]
    return [first, *between, last]


def most_steps(releases: int) -> int:
    """That a search among so many takes where each can be decided."""
    return 1 + (releases - 2).bit_length()


def search(releases: Sequence[str], ask: Callable[[str], Step]) -> Found:
    """The first of `releases`, in their order, that is slower than the very first one.

    The last one is asked first: unless it is slower, there is nothing to search for. Assumed is that once slower the
    releases stay so; where they do not, one of the places at which they became slower is found.
    """
    steps = [ask(releases[-1])]
    if steps[0].word != "slower":
        return Found(tuple(steps), releases[0], None)
    good, bad, undecided = 0, len(releases) - 1, set[int]()
    while left := [place for place in range(good + 1, bad) if place not in undecided]:
        middle = left[len(left) // 2]
        steps.append(step := ask(releases[middle]))
        if step.word == "slower":
            bad = middle
        elif step.word == "not slower":
            good = middle
        else:
            undecided.add(middle)
    return Found(tuple(steps), releases[good], releases[bad], tuple(releases[good + 1 : bad]))
