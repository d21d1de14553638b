"""An examination's tables in a document: what is measured again replaces what stood there, and nothing else.

The document is its own store. Rows of adapters that were not measured again are read from it, and count for the bars.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from levelfield.harness.doctor.cold import Agreement
from levelfield.harness.doctor.examine import Examination
from levelfield.harness.doctor.overhead import Overhead
from levelfield.harness.doctor.tables import AGREE, HOLDS, TITLES, all_bars, as_markdown, bar_cells, cpu, sections
from levelfield.harness.judge.statistics import Interval, shared_confidence
from levelfield.harness.system.machine import Machine
from levelfield.tasks.errors import UserError

START, END = "<!-- doctor -->", "<!-- end of doctor -->"

R = TypeVar("R", Overhead, Agreement)


def check(document: Path, machine: Machine) -> None:
    """Raises UserError unless the document has the marks, and between them nothing of another machine or broken."""
    old = _between(_read(document), str(document))
    if TITLES["machine"] in old and f"* {cpu(machine)}, " not in old:
        hint = f"empty the lines between {START} and {END} to start anew"
        raise UserError(f"{document}: holds what was measured on another machine, this is {cpu(machine)}", hint)
    for title, read in ((TITLES["overhead"], _overhead), (TITLES["cold"], _agreement)):
        try:
            for row in _table(_blocks(old).get(title, "")):
                read(row)
        except (KeyError, ValueError) as error:
            hint = "mend the row, or remove the section to measure it anew"
            raise UserError(f"{document}: the table of {title!r} cannot be read ({error})", hint) from None


def write(found: Examination, document: Path) -> None:
    """Put what was measured between the marks of `document`; what was not keeps its older table, or row, and date."""
    old = _read(document)
    between = merge(_between(old, str(document)), found)
    document.write_text(text_between(old, between, START, END, str(document)), encoding="utf-8")


def merge(old: str, found: Examination) -> str:
    """The sections of `found`, and those of `old` that it does not replace; so too the rows of the bars."""
    kept = _blocks(old)
    found = replace(
        found,
        overheads=_together(kept.get(TITLES["overhead"], ""), _overhead, found.overheads),
        agreements=_together(kept.get(TITLES["cold"], ""), _agreement, found.agreements),
    )
    for section in sections(found):
        if section.title == TITLES["bars"]:
            section = replace(section, rows=_bar_rows(found, kept.get(section.title, "")))
        if section.found or section.title not in kept:
            kept[section.title] = as_markdown(section)
    return "\n\n".join(kept[title] for title in TITLES.values() if title in kept) + "\n"


def _blocks(text: str) -> dict[str, str]:
    """The sections of Markdown by their titles."""
    blocks = f"\n{text}".split("\n### ")[1:]
    return {block.partition("\n")[0]: f"### {block.strip()}" for block in blocks}


def _together(old: str, read: Callable[[dict[str, str]], R], new: Sequence[R]) -> list[R]:
    """The rows of a part that was measured again, in some adapters at least: a failure replaces no number."""
    if not new:
        return []
    rows = {(row.adapter, row.mode): row for row in map(read, _table(old))}
    for row in new:
        key = row.adapter, row.mode
        if row.ratio is not None or key not in rows:
            rows[key] = row
    return list(rows.values())


def _table(block: str) -> list[dict[str, str]]:
    """The rows of a section's table by the names of its columns."""
    header, *rows = [cells for line in block.splitlines() if (cells := _cells(line))] or [()]
    return [dict(zip(header, row, strict=True)) for row in rows]


def _overhead(row: dict[str, str]) -> Overhead:
    pairs = int(row["pairs"])
    return Overhead(
        adapter=row["adapter"],
        mode=row["mode"],
        epoch_seconds=float(row["epoch, ms"]) / 1e3,
        ratio=_interval(row["ratio"], pairs),
        extra=_interval(row["more, µs an epoch"], pairs, 1e-6),
        pairs_to_2_percent=None if row["pairs to ± 2 %"] == "more" else float(row["pairs to ± 2 %"]),
        holds=_key(HOLDS, row["holds"]),
        measured=row.get("measured", ""),
    )


def _agreement(row: dict[str, str]) -> Agreement:
    return Agreement(
        adapter=row["adapter"],
        mode=row["mode"],
        ratio=_interval(row["steady epochs, warm / cold"], int(row["pairs"])),
        import_seconds=float(row["a cold import, s"]),
        agree=_key(AGREE, row["word"]),
        measured=row.get("measured", ""),
    )


def _key(words: dict[bool | None, str], word: str) -> bool | None:
    return {value: key for key, value in words.items()}[word]


def _interval(cell: str, n: int, unit: float = 1.0) -> Interval:
    """From ``1.001 (0.991 to 1.012)``."""
    estimate, low, high = (unit * float(number) for number in re.findall(r"-?(?:inf|[\d.]+)", cell))
    return Interval(estimate, low, high, n, shared_confidence(1))


def _bar_rows(found: Examination, old: str) -> list[tuple[str, ...]]:
    """Of each bar the row of the part that was measured now, else the one that `old` has."""
    parts = {part for part in ("neighbour", "duel", "overhead", "time", "start") if _measured(found, part)} | {"soak"}
    older = {cells[0]: cells for line in old.splitlines() if (cells := _cells(line))}
    return [bar_cells(bar) if bar.part in parts else older.get(bar.row, bar_cells(bar)) for bar in all_bars(found)]


def _measured(found: Examination, part: str) -> bool:
    titles = [section.title for section in sections(found) if section.found]
    return TITLES[part] in titles


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in line.strip().strip("|").split("|")) if line.startswith("| ") else ()


def _read(document: Path) -> str:
    try:
        return document.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{document}: {error.strerror}", "give a document that holds the marks") from None


def _between(old: str, name: str) -> str:
    """What stands between the doctor's marks of `old`, the contents of the document `name`."""
    text_between(old, "", START, END, name)
    return old.partition(START)[2].partition(END)[0]


def text_between(old: str, new: str, start: str, end: str, name: str) -> str:
    """`old`, the contents of the document `name`, with `new` between two marks."""
    before, first, rest = old.partition(start)
    _, last, after = rest.partition(end)
    if not first or not last:
        raise UserError(f"{name}: has no place for it", f"put {start} and {end} on lines of their own")
    return f"{before}{start}\n{new.strip()}\n{end}{after}"
