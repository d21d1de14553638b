"""Ctrl-C in a run."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType


@contextmanager
def interruptible(stop: Event, resume: str) -> Iterator[None]:
    """The first Ctrl-C lets the launches under way finish, the second ends them.

    In a thread that is not the program's first, signals are the program's own affair.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        # In one piece: other threads write there too, and the command has a line to itself
        print(f"\nstopping after the launches under way; go on later with: {resume}\n", end="", file=sys.stderr)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
