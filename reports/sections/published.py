"""Figures that others published, and whether this run has the same."""

from __future__ import annotations

from collections.abc import Sequence

from levelfield.reports.findings.evidence import Evidence
from levelfield.reports.findings.published import Row, compare, figures
from levelfield.reports.findings.text import count, listing
from levelfield.reports.page.blocks import Column, Glance, Line, Section, Table, Value, text

ORDER, SHORT, TITLE = 98, "Published", "Published figures, reproduced"
QUESTION = "Do others' published figures come out?"


def section(evidence: Evidence) -> Section:
    rows = compare(evidence, figures())
    if not rows:
        return Section(missing="No published training was replayed: levelfield run published")
    told = sentence(rows)
    return Section(
        sentences=(told, *differences(rows)),
        blocks=(table(rows),),
        notes=tuple(
            dict.fromkeys(f"{s.title}: {s.url}, read on {s.read:%Y-%m-%d}." for s in (r.figure.source for r in rows))
        ),
        glance=Glance(told),
    )


def sentence(rows: Sequence[Row]) -> str:
    """How many figures are the same wherever they were computed; of those of an unknown seed, in how many entries they
    lie inside the interval of one seed."""
    return " ".join(
        told(own)
        for told, own in (
            (_replayed, [row for row in rows if row.interval is None]),
            (_of_one_seed, [row for row in rows if row.interval is not None]),
        )
        if own
    )


def _of_one_seed(rows: Sequence[Row]) -> str:
    inside = sum(row.same for row in rows)
    figures_ = count(len({row.figure for row in rows}), "published figure")
    verb = "lies" if figures_.startswith("1 ") else "lie"
    return f"{figures_} of one seed {verb} inside the interval of one seed in {inside} of {len(rows)} comparisons."


def _replayed(rows: Sequence[Row]) -> str:
    known = list(dict.fromkeys(row.figure for row in rows))
    differing = {row.figure for row in rows if not row.same}
    entries = {member.entry for row in rows for member in row.members}
    computed = [len({m.entry for row in rows if row.figure == one for m in row.members}) for one in known]
    same = len(known) - len(differing)
    told = f"{same} of {count(len(known), 'published figure')} came out the same to the last printed digit"
    if len(entries) == 1:
        return f"{told}, in {next(iter(entries)).label}."
    if min(computed) == max(computed):
        return f"{told}, in each of the {computed[0]} entries that computed them."
    return f"{told}, in every entry that computed them: {min(computed)} to {max(computed)} a figure."


def differences(rows: Sequence[Row]) -> list[str]:
    """A sentence for each figure that came out otherwise, or lies outside of the interval, with the cause."""
    return [
        f"{row.figure.task}, {row.figure.recipe}: {row.figure.what} {row.figure.printed} was published, "
        f"{listing([m.label for m in row.members], most=3)} {'has' if len(row.members) == 1 else 'have'} {row.here}: "
        f"{row.cause}."
        for row in rows
        if not row.same
    ]


def in_words(row: Row) -> Value:
    """Who has the number; of more than two, how many, and who that is in small."""
    names = [member.label for member in row.members]
    if len(names) <= 2:
        return text(listing(names))
    lacking = sum(member.certified is False for member in row.members)
    told = f", {lacking} not certified" if lacking else ""
    return text(f"{len(names)} entries{told}", detail=listing(names, most=len(names)))


def _verdict(row: Row) -> str:
    words = ("yes", "no") if row.interval is None else ("inside", "outside")
    return words[not row.same]


def table(rows: Sequence[Row]) -> Table:
    return Table(
        "published-table",
        "Published, here, the same?",
        (
            Column("Training", numeric=False),
            Column("Figure", numeric=False),
            Column("Published"),
            Column("Here"),
            Column("Same?", numeric=False),
            Column("In", numeric=False),
        ),
        tuple(
            Line(
                (
                    text(f"{row.figure.task}, {row.figure.recipe}"),
                    text(row.figure.what),
                    text(row.figure.printed),
                    text(row.here, detail=f"one seed, by {row.interval.n} seeds" if row.interval else ""),
                    text(_verdict(row), detail=row.cause, tone="" if row.same else "failed"),
                    in_words(row),
                )
            )
            for row in rows
        ),
    )
