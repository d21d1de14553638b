"""How much memory processes use, cheaply enough to be asked while something is timed."""

from __future__ import annotations

import contextlib
import os
from functools import cache
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")


def resident(pid: int) -> int:
    """Bytes of physical memory of one process; 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except FileNotFoundError:
        if Path("/proc/self/statm").exists():
            return 0
    except (OSError, ValueError, IndexError):
        return 0
    import psutil  # where there is no /proc

    try:
        return psutil.Process(pid).memory_info().rss
    except psutil.Error:
        return 0


def descendants(pid: int) -> list[int]:
    """The processes below one, without itself."""
    if _told_by_system():
        found, ask = [], [pid]
        while ask:
            below = children(ask.pop())
            found += below
            ask += below
        return found
    return _told_by_psutil(pid, recursive=True)


def children(pid: int) -> list[int]:
    """Those that one has started itself, and that have not been waited for."""
    if not _told_by_system():
        return _told_by_psutil(pid, recursive=False)
    found: list[int] = []
    with contextlib.suppress(OSError):  # gone meanwhile
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(word) for word in (task / "children").read_text().split()]
    return found


@cache
def _told_by_system() -> bool:
    return Path("/proc/self/task").exists() and Path(f"/proc/self/task/{os.getpid()}/children").exists()


def _told_by_psutil(pid: int, recursive: bool) -> list[int]:
    import psutil

    try:
        return [process.pid for process in psutil.Process(pid).children(recursive=recursive)]
    except psutil.Error:
        return []
