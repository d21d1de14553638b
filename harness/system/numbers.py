"""Numbers as a person writes them."""

from __future__ import annotations


def counted(number: int, thing: str) -> str:
    """``1 core``, ``2 cores``, ``1,200 launches``."""
    plural = f"{thing}es" if thing.endswith("ch") else f"{thing}s"
    return f"{number:,} {thing if number == 1 else plural}"
