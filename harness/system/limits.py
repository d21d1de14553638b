"""Errors that are a limit of this process reached: which limit, and how it is raised."""

from __future__ import annotations

import errno
import resource

from levelfield.harness.system import control_groups
from levelfield.tasks.errors import UserError

_FILES = (errno.EMFILE, errno.ENFILE)
_PROCESSES = (errno.EAGAIN, errno.ENOMEM)
# What the loader says of a library for which there is no room
_UNMAPPED = ("failed to map segment", "cannot allocate memory", "Cannot allocate memory")


def reached(error: BaseException) -> UserError | None:
    """One error for the user where `error` says that files, threads, processes or memory have run out."""
    number = error.errno if isinstance(error, OSError) else None
    if number in _FILES:
        return UserError(
            f"too many open files: this process may have {_shown(resource.RLIMIT_NOFILE)} (ulimit -n)",
            "raise the limit: ulimit -n 256",
        )
    threads = isinstance(error, RuntimeError) and "can't start new thread" in str(error)
    unmapped = isinstance(error, ImportError) and any(words in str(error) for words in _UNMAPPED)
    memory = isinstance(error, MemoryError) or unmapped
    if threads or number in _PROCESSES or memory:
        what = "memory could be had" if memory else "thread or process could be started"
        return UserError(f"no more {what}; limits: {', '.join(_limits())}", "raise the limit that is too low")
    return None


def _limits() -> list[str]:
    """The limits of processes and memory that are set, as the shell names them."""
    found = [
        f"{name} {_shown(which, unit)} (ulimit -{flag})"
        for name, which, unit, flag in (
            ("address space", resource.RLIMIT_AS, 1024, "v"),
            ("data", resource.RLIMIT_DATA, 1024, "d"),
            ("processes", resource.RLIMIT_NPROC, 1, "u"),
        )
        if resource.getrlimit(which)[0] != resource.RLIM_INFINITY
    ]

    group = [
        control_groups.parse_bytes(control_groups.read(level / "pids.max")) for level in control_groups.levels("pids")
    ]
    found += [f"processes of the control group {min(tasks)}"] if (tasks := [n for n in group if n is not None]) else []
    if (memory := control_groups.memory_limit()) is not None:
        found.append(f"memory of the control group {memory / 1e6:,.0f} MB")
    return found or ["none that this system shows"]


def _shown(which: int, unit: int = 1) -> str:
    soft = resource.getrlimit(which)[0]
    size = "any number" if soft == resource.RLIM_INFINITY else f"{soft // unit:,}"
    return f"{size} kB" if unit == 1024 else size
