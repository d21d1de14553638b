"""How a text file seems to be written, from its first lines. What is found is proposed to the user, never applied."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from levelfield.tasks.tables.spec import TableSpec

LINES = 200  # that are looked at
SEPARATORS = (",", ";", "\t", "|", " ")
GAPS = ("", "?", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "#N/A", "<NA>")
"""Cells that mean that a value is missing, where the suite does not say otherwise. ``None`` is a word as well."""
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
DOTS = re.compile(r"[+-]?\d{1,3}(\.\d{3})+(,\d+)?")
COMMAS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")

Rows = list[list[str]]


def cells(lines: Sequence[str], separator: str, quote: str = '"') -> Rows:
    """Each line's cells, without the blanks around them; no row for an empty line. Damaged quotes are no error."""
    if separator == " ":
        return [line.split() for line in lines if line.strip()]
    reader = csv.reader(lines, delimiter=separator, quotechar=quote, skipinitialspace=True)
    try:
        return [[cell.strip() for cell in row] for row in reader if row]
    except csv.Error:
        return []


def propose(text: str, given: TableSpec, separator: str) -> dict[str, Any]:
    """Keys that would read `text`, the beginning of a file, where the `given` ones would not; in the suite's words."""
    lines = text.splitlines()[:LINES]
    found: dict[str, Any] = {}
    quote = given.quote
    best = _separator(lines, quote)
    if best is not None and best != separator and _share(lines, separator, quote)[0] < _share(lines, best, quote)[0]:
        found["separator"] = separator = best
    rows = cells(lines[given.skip_lines :], separator, quote)
    if (titles := _titles(rows)) and given.header is not False:
        found["skip-lines"] = given.skip_lines + titles
        rows = rows[titles:]
    if quote == '"' and _quoted(rows[1:], "'"):
        found["quote"] = "'"
        rows = cells(lines[found.get("skip-lines", given.skip_lines) :], separator, "'")
    if given.header is None and rows and looks_like_data(rows[0], rows[1:]):
        found["header"] = False
    found |= {key: value for key, value in numbers(rows[1:]).items() if getattr(given, key) != value}
    return found


def _separator(lines: Sequence[str], quote: str) -> str | None:
    """The one that gives the most lines the same number of cells, more than one."""
    best = max(SEPARATORS, key=lambda sign: _share(lines, sign, quote))
    return best if _share(lines, best, quote)[0] > 0 else None


def _share(lines: Sequence[str], separator: str, quote: str) -> tuple[float, int]:
    """How many of the lines have the usual number of cells, and −place: an earlier separator wins."""
    counts = Counter(len(row) for row in cells(lines, separator, quote))
    if not counts:
        return 0.0, 0
    usual, share = counts.most_common(1)[0]
    place = SEPARATORS.index(separator) if separator in SEPARATORS else 0
    return (share / counts.total() if usual > 1 else 0.0), -place


def _titles(rows: Rows) -> int:
    """How many rows at the top have one cell with content, where those below have several."""
    filled = [sum(map(bool, row)) for row in rows]
    usual = Counter(filled).most_common(1)[0][0] if filled else 0
    top = next((i for i, count in enumerate(filled) if count > 1), 0)
    return top if usual > 1 and len(rows) > top + 1 else 0


def _quoted(rows: Rows, quote: str) -> bool:
    """Whether all cells of some column stand in such quotes."""
    return any(in_quotes(column, quote) for column in zip(*rows, strict=False))


def in_quotes(values: Sequence[str], quote: str) -> bool:
    return bool(values) and all(len(v) > 1 and v[0] == v[-1] == quote for v in values)


def looks_like_data(names: Sequence[str], rows: Rows) -> bool:
    """Whether half of the names are numbers or occur among their own column's values.

    Not so for scikit-learn's own headers, which begin with the numbers of samples and features; and whole numbers that
    grow from column to column are names, as those of pixels and years are.
    """
    if len(names) > 2 and names[1] == str(len(names) - 1) and names[0].isdecimal() and int(names[0]) >= len(rows):
        return False
    whole = [int(name) for name in names if name.isdecimal() and len(name) < 20]
    counted = len(whole) > 1 and all(a < b for a, b in pairwise(whole))
    columns = [{row[i] for row in rows if i < len(row)} for i in range(len(names))]
    odd = sum(
        not (counted and name.isdecimal())
        and bool(NUMBER.fullmatch(name) or name in GAPS[1:] or (name and name in column))
        for name, column in zip(names, columns, strict=True)
    )
    return bool(rows) and 2 * odd >= len(names) and odd > 0


def more_headers(rows: Rows) -> list[int]:
    """Which rows below the header have no number where those that follow have some: they look like headers too."""
    numeric = [sum(bool(NUMBER.fullmatch(cell)) for cell in row) for row in rows]
    top = next((i for i, count in enumerate(numeric) if count), 0)
    rest = numeric[top:]
    return [i for i in range(top) if any(rows[i])] if len(rest) > 2 * top and all(rest) else []


def numbers(rows: Rows) -> dict[str, str]:
    """`decimal` and `thousands` as some columns of numbers need them."""
    found: dict[str, str] = {}
    for column in zip(*rows, strict=False):
        values = [cell for cell in column if cell not in GAPS]
        if not values or all(NUMBER.fullmatch(v) for v in values):
            continue
        if all(NUMBER.fullmatch(v) or (COMMAS.fullmatch(v) and v[0] != "0") for v in values):
            found.setdefault("thousands", ",")
        elif all(NUMBER.fullmatch(v) or COMMA.fullmatch(v) or DOTS.fullmatch(v) for v in values):
            if any("," in v for v in values):
                found["decimal"] = ","
            if any(DOTS.fullmatch(v) and ("," in v or v.count(".") > 1) for v in values):
                found["thousands"] = "."
    return found
