"""What is installed, read from the folders that installers leave beside each distribution's files.

``importlib.metadata`` tells the same, and takes twice as long to import as Python to start: ``levelfield list`` would
wait for it.
"""

from __future__ import annotations

import os
import re
import sys
from functools import cache


def version(distribution: str) -> str | None:
    """Of an installed distribution; None where it is absent."""
    found = _folders(_places())
    for name in (_normal(distribution), f"{_normal(distribution)}-cpu"):  # TensorFlow's CPU build has its own name
        if name in found:
            return _version(found[name])
    return None


def offers(group: str) -> bool:
    """Whether any distribution has entry points of this group."""
    words = f"[{group}]".encode()
    return any(_mentions(os.path.join(folder, "entry_points.txt"), words) for folder in _folders(_places()).values())


def _places() -> tuple[tuple[str, int], ...]:
    """The folders on the path, and when each was last changed: what is installed meanwhile is seen."""
    places = [place or "." for place in sys.path]
    return tuple((place, os.stat(place).st_mtime_ns) for place in places if _readable(place))


@cache
def _folders(places: tuple[tuple[str, int], ...]) -> dict[str, str]:
    """Normalised name of a distribution → the folder (or file) with its metadata, the first on the path."""
    found: dict[str, str] = {}
    for place, _ in places:
        for name in sorted(os.listdir(place)):
            if name.endswith((".dist-info", ".egg-info")):
                found.setdefault(_normal(name.rpartition(".")[0].partition("-")[0]), os.path.join(place, name))
    return found


def _version(folder: str) -> str | None:
    for file in (os.path.join(folder, "METADATA"), os.path.join(folder, "PKG-INFO"), folder):
        try:
            with open(file, encoding="utf-8", errors="replace") as lines:
                return next((line[8:].strip() for line in lines if line.lower().startswith("version:")), None)
        except OSError:
            continue
    return None


def _mentions(path: str, words: bytes) -> bool:
    try:
        with open(path, "rb") as file:
            return words in file.read()
    except OSError:
        return False


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _readable(place: str) -> bool:
    return os.path.isdir(place) and os.access(place, os.R_OK | os.X_OK)
