"""How much memory processes use, cheaply enough to be asked while something is timed."""

from __future__ import annotations

import contextlib
import os
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
    if Path("/proc/self/task").exists() and Path(f"/proc/self/task/{os.getpid()}/children").exists():
        found, ask = [], [pid]
        while ask:
            with contextlib.suppress(OSError):  # gone meanwhile
                for task in Path(f"/proc/{ask.pop()}/task").iterdir():
                    below = [int(word) for word in (task / "children").read_text().split()]
                    found += below
                    ask += below
        return found
    import psutil

    try:
        return [process.pid for process in psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return []
