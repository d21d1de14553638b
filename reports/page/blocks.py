"""What a section hands to the page: sentences, figures and the tables behind them.

A section is one module in `reports/sections` and one template of the same name. The module has ``ORDER``, ``TITLE``,
``SHORT`` (for the navigation) and ``section(evidence) -> Section``; the prose, "how to read it" and "what it does not
show", is the template's. The page shows the first sentence and the first picture; the rest is folded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from markupsafe import Markup

from levelfield.reports.findings.entries import Entry, Workload
from levelfield.reports.findings.text import capital, count, listing

MOST_PICTURES = 6  # a page of a hundred figures is read by nobody; the tables hold everything
MOST_TABLES = 40  # workloads with a table of their own; past them the page would outgrow its readers and its size

Item = TypeVar("Item")


@dataclass(frozen=True)
class Heading:
    text: str
    kind: str = field(default="heading", init=False)


@dataclass(frozen=True)
class Picture:
    """`caption`: what is drawn; `key`: what its marks mean."""

    name: str
    draw: Callable[[], Markup]  # by the page only: terminal and Markdown have no use for it
    caption: str = ""
    key: str = ""
    kind: str = field(default="picture", init=False)


@dataclass(frozen=True)
class Value:
    """A table cell: what is shown, what it is sorted by (None: missing, always last), and a tone for its verdict."""

    text: str
    sort: float | str | None = None
    detail: str = ""
    tone: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Line:
    values: tuple[Value, ...]
    facets: Mapping[str, str] = field(default_factory=dict)  # what the page filters by

    @classmethod
    def of(cls, entry: Entry, workload: Workload, status: str, *values: Value) -> Line:
        """That of an entry, which its label names."""
        return cls((text(entry.label), *values), facets(entry, workload.task, status))


@dataclass(frozen=True)
class Column:
    label: str
    detail: str = ""
    numeric: bool = True


ENTRY = Column("Adapter · mode", numeric=False)


@dataclass(frozen=True)
class Table:
    """The first column names the line."""

    name: str
    caption: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    kind: str = field(default="table", init=False)


@dataclass(frozen=True)
class Glance:
    """The answer on the first screen: `text`, no sentence of which has more than 20 words, and a small picture."""

    text: str
    picture: Markup | str = ""


SHORT_TABLE = 8  # lines of a table that stands open where a section has no picture


@dataclass(frozen=True)
class Section:
    """`missing`: in one line, why this run has nothing to show here, and the command that measures it."""

    sentences: tuple[str, ...] = ()
    blocks: tuple[Heading | Picture | Table, ...] = ()  # in the order of the page
    missing: str | None = None
    notes: tuple[str, ...] = ()
    extra: Any = None
    pair: tuple[Picture, ...] = ()  # small ones that stand beside each other, instead of a head
    glance: Glance | None = None

    @classmethod
    def of_each(
        cls,
        items: Sequence[Item],
        title: Callable[[Item], str],
        pictures: Callable[[Item, int], Sequence[Picture]],
        tables: Callable[[Item, int], Sequence[Table]],
        most: int = MOST_PICTURES,
        **rest: Any,
    ) -> Section:
        """For every item, mostly a workload, its figures, then their numbers; its title where there are several.

        `rest`: the other fields; a note is added where not every item is drawn.
        """
        blocks: list[Heading | Picture | Table] = []
        for number_, item in enumerate(items[:MOST_TABLES], start=1):
            if len(items) > 1:
                blocks.append(Heading(title(item)))
            blocks += pictures(item, number_) if number_ <= most else ()
            blocks += tables(item, number_)
        notes = tuple(rest.pop("notes", ()))
        if len(items) > most:
            others = "the tables hold all"
            if len(items) > MOST_TABLES:
                others = f"the first {MOST_TABLES} have tables, the records hold all"
            notes = (f"The first {most} of {len(items)} workloads are drawn; {others}.", *notes)
        return cls(blocks=tuple(blocks), notes=notes, **rest)

    @property
    def head(self) -> Picture | Table | None:
        """What the page shows without being asked, where there is no pair."""
        if self.pair:
            return None
        shown = (b for b in self.blocks if isinstance(b, Picture))
        return next(shown, next((t for t in self.tables[:1] if len(t.lines) <= SHORT_TABLE), None))

    @property
    def rest(self) -> tuple[Heading | Picture | Table, ...]:
        return tuple(b for b in self.blocks if b is not self.head)

    @property
    def folded(self) -> str:
        """What the rest holds, in words."""
        kinds = Counter(b.kind for b in self.rest)
        told = [count(len(self.sentences) - 1, "more finding")] if len(self.sentences) > 1 else []
        told += [count(kinds[kind], kind) for kind in ("picture", "table") if kinds[kind]]
        return capital(listing([*told, "how to read it"]))

    @property
    def tables(self) -> tuple[Table, ...]:
        return tuple(b for b in self.blocks if isinstance(b, Table))

    @property
    def finding(self) -> str:
        return self.sentences[0] if self.sentences else self.missing or ""


def text(value: object, *, detail: str = "", tone: str = "") -> Value:
    shown = str(value)
    return Value(shown, shown.casefold(), detail, tone)


def number(shown: str, value: float | None, *, detail: str = "", tone: str = "", hint: str = "") -> Value:
    return Value(shown, value, detail, tone, hint)


def absent(reason: str = "", shown: str = "—") -> Value:
    return Value(shown, None, reason, "absent")


def facets(entry: Entry, task: str = "", status: str = "") -> dict[str, str]:
    known = {name: value for name, value in (("task", task), ("status", status)) if value}
    return {"framework": entry.family, "api": entry.api, "mode": entry.mode, **known}
