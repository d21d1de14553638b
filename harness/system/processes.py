"""What a forked process does to itself: it dies with its parent, is bounded in memory and cores, and tells why it
failed."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NoReturn

_LONGEST_REASON = 500  # characters
_LONGEST_TRACE = 4000  # characters, of its end
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h


def die_with_parent() -> None:
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def be_first_to_go() -> None:
    """Where memory runs short, the system shall kill this process and not the harness, which tells of it."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def leave(code: int) -> NoReturn:
    """End this process, which was forked, without its parent's clean-up."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def reason(error: BaseException, source: str | None = None) -> str:
    """One line that can be stored: what was raised, and by which line of `source`, a file, if it was there."""
    try:
        text = f"{type(error).__name__}: {error}"
    except Exception:
        text = f"{type(error).__name__}, whose message cannot be printed"
    text = text.encode("utf-8", "replace").decode().strip().splitlines()[0][:_LONGEST_REASON]
    return text + (f" ({place})" if (place := raised_in(error, source)) else "")


def raised_in(error: BaseException, source: str | None) -> str | None:
    """``file.py:12, in fit``: the innermost line of `source` that an exception came through."""
    if source is None:
        return None
    own = os.path.realpath(source)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if os.path.realpath(f.filename) == own]
    return f"{os.path.basename(own)}:{frames[-1].lineno}, in {frames[-1].name}" if frames else None


def trace(error: BaseException) -> str:
    """The end of its traceback."""
    return "".join(traceback.format_exception(error))[-_LONGEST_TRACE:]


@contextlib.contextmanager
def pinned(cores: Iterable[int]) -> Iterator[None]:
    """This thread is held to `cores` meanwhile, and so is for good whatever process it starts.

    Code that runs in the child before its program (`preexec_fn`) could hang there beside other threads, and an
    interrupt in the midst of such a fork gets lost.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def hold_to(core: int) -> None:
    """All threads of this process to one core, those that were started on another one too."""
    if hasattr(os, "sched_setaffinity"):
        for thread in Path("/proc/self/task").iterdir():
            with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
                os.sched_setaffinity(int(thread.name), {core})


def limit_memory(more: int) -> None:
    """Let this process add so many bytes of data to what it was forked with (Linux counts private mappings too)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[5])
    except (OSError, ValueError, IndexError):
        return  # elsewhere the harness' watchdog has to do
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = pages * resource.getpagesize() + more
    if hard == resource.RLIM_INFINITY or most < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
