"""What a section hands to the page: sentences, figures and the tables behind them.

A section is one module in `reports/sections` and one template of the same name. The module has ``ORDER``, ``TITLE``,
``SHORT`` (for the navigation) and ``section(evidence) -> Section``; the prose, "how to read it" and "what it does not
show", is the template's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from reports.findings import Entry, Workload


@dataclass(frozen=True)
class Picture:
    name: str
    svg: Markup
    caption: str = ""


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


@dataclass(frozen=True)
class Column:
    label: str
    detail: str = ""
    numeric: bool = True


@dataclass(frozen=True)
class Table:
    """The first column names the line."""

    name: str
    caption: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    folded: bool = False  # behind a heading that opens it


@dataclass(frozen=True)
class Section:
    """`missing`: in one line, why this run has nothing to show here, and how to get it."""

    sentences: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()
    missing: str | None = None
    notes: tuple[str, ...] = ()
    extra: Any = None

    @property
    def finding(self) -> str:
        return self.sentences[0] if self.sentences else self.missing or ""


def text(value: object, *, detail: str = "", tone: str = "", hint: str = "") -> Value:
    shown = str(value)
    return Value(shown, shown.casefold(), detail, tone, hint)


def number(shown: str, value: float | None, *, detail: str = "", tone: str = "", hint: str = "") -> Value:
    return Value(shown, value, detail, tone, hint)


def absent(reason: str = "", shown: str = "—") -> Value:
    return Value(shown, None, reason, "absent")


def facets(entry: Entry, workload: Workload | None = None, status: str = "") -> dict[str, str]:
    found = {"framework": entry.family, "api": entry.api, "mode": entry.mode}
    if workload:
        found["task"] = workload.task
    if status:
        found["status"] = status
    return found


MOST_PICTURES = 8  # a page of a hundred figures is read by nobody; the tables hold everything


def drawn(total: int) -> tuple[str, ...]:
    """The note that a section adds when it does not draw every workload."""
    return (
        ()
        if total <= MOST_PICTURES
        else (f"The first {MOST_PICTURES} of {total} workloads are drawn; the table holds all.",)
    )
