"""Tables in a document: what stands between two marks is rendered anew, the rest is written by hand."""

from __future__ import annotations

from pathlib import Path

from levelfield.tasks.errors import UserError


def put(document: Path, text: str, mark: str) -> None:
    """Put `text` between ``<!-- mark -->`` and ``<!-- end of mark -->``, each on a line of its own."""
    old = _read(document)
    document.write_text(between(old, text, mark, str(document)), encoding="utf-8")


def check(document: Path, mark: str) -> None:
    """Raises UserError where the document cannot be read, or has no such marks."""
    between(_read(document), "", mark, str(document))


def between(old: str, new: str, mark: str, name: str) -> str:
    """`old`, the contents of the document `name`, with `new` between its marks."""
    start, end = f"<!-- {mark} -->", f"<!-- end of {mark} -->"
    before, first, rest = old.partition(start)
    _, last, after = rest.partition(end)
    if not first or not last:
        raise UserError(f"{name}: has no place for it", f"put {start} and {end} on lines of their own")
    return f"{before}{start}\n{new.strip()}\n{end}{after}"


def _read(document: Path) -> str:
    try:
        return document.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{document}: {error.strerror}", "give a document that holds the marks") from None
