"""What two tables of words differ in."""

from __future__ import annotations

from collections.abc import Mapping


def differing(one: Mapping[str, str], other: Mapping[str, str], absent: str) -> list[tuple[str, str, str]]:
    """In the order of the names: each whose values differ, with both; `absent` in place of one that is not there."""
    names = [name for name in sorted(one.keys() | other.keys()) if one.get(name) != other.get(name)]
    return [(name, one.get(name, absent), other.get(name, absent)) for name in names]
