"""The one exception that is meant for the user: what is wrong, and a hint that can be followed."""

from __future__ import annotations

from collections.abc import Iterable


class UserError(Exception):
    """Bad input: shown as two lines (``error: …`` and ``hint: …``), never as a traceback."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def unknown(what: str, name: str, known: Iterable[str], listing: str = "") -> UserError:
    """The error for an unknown `name`, answered with the nearest known ones."""
    import difflib  # only here: whoever asks for help does not wait for it

    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if near:
        hint = "did you mean " + " or ".join(repr(n) for n in near) + "?"
        hint += f" ({listing})" if listing else ""
    else:
        hint = f"known: {', '.join(names) or 'none'}"
    return UserError(f"unknown {what} {name!r}", hint)
