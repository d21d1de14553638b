"""What is printed shall arrive on any terminal: what its encoding lacks is replaced, never an error."""

from __future__ import annotations

import codecs
import sys
import unicodedata
from collections.abc import Callable, Iterable, Sequence

_PLAIN = str.maketrans(
    {
        "·": "-",
        "–": "-",
        "—": "-",
        "−": "-",
        "±": "+/-",
        "×": "x",
        "…": "...",
        "→": "->",
        "≈": "~",
        "≤": "<=",
        "≥": ">=",
    }
    | {"▲": "+", "▼": "-", "•": "*", "µ": "u", "‘": "'", "’": "'", "“": '"', "”": '"', "\u00a0": " ", "\u202f": " "}
)
_BYTES = range(0xDC80, 0xDD00)  # how Python keeps the bytes of a file's name that are no text


def show_anything() -> None:
    """From now on nothing printed to stdout or stderr raises because it cannot be encoded."""
    codecs.register_error("levelfield", _replace)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)  # a notebook's has none, and takes everything
        if reconfigure is not None:
            reconfigure(errors="levelfield")


def _replace(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    first = error.object[error.start]
    if ord(first) in _BYTES:
        return bytes([ord(first) - 0xDC00]), error.start + 1
    plain = first.translate(_PLAIN)
    return plain if plain.isascii() else "?", error.start + 1


def warn(lines: Iterable[str]) -> None:
    """Told on stderr, however quiet a command is to be."""
    for line in lines:
        print(f"warning: {line}", file=sys.stderr)


def teller(quiet: bool) -> Callable[[str], None]:
    """What tells a line on stderr at once; nothing if `quiet`."""

    def tell(line: str) -> None:
        if not quiet:
            print(line, file=sys.stderr, flush=True)

    return tell


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of columns, padded to the width that a terminal shows; the last column is left as it is."""
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _width(cell: str) -> int:
    if cell.isascii():
        return len(cell)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in cell)
