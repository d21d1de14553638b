"""Untimed work side by side: one lane a core, and never two pieces with the same key at a time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from operator import itemgetter
from typing import Generic, TypeVar

Piece = TypeVar("Piece")


class Stop:
    """Set when the user asks for an end; what is under way finishes first."""

    def __init__(self) -> None:
        self.asked = threading.Event()


def side_by_side(
    pieces: Iterable[Piece],
    key: Callable[[Piece], Hashable],
    work: Callable[[Piece, int], None],
    cores: list[int],
    stop: Stop,
) -> None:
    """Call ``work(piece, core)`` for every piece, from as many threads as there are cores.

    An exception of `work` ends all lanes after what they have under way, and is raised here.
    """
    queue = _Queue(list(pieces), key)
    errors: list[BaseException] = []

    def lane(core: int) -> None:
        try:
            while (piece := queue.take()) is not None:
                try:
                    work(piece, core)
                finally:
                    queue.give_back(piece)
                if stop.asked.is_set():
                    queue.drop()
        except BaseException as error:  # carried to the caller's thread
            errors.append(error)
            queue.drop()

    lanes = [threading.Thread(target=lane, args=(core,), daemon=True) for core in cores]
    for thread in lanes:
        thread.start()
    for thread in lanes:
        while thread.is_alive():
            thread.join(1.0)  # wakes for Ctrl-C
    if errors:
        raise errors[0]


class _Queue(Generic[Piece]):
    """One line a key, so that a long wait of one kind costs the others nothing."""

    def __init__(self, waiting: list[Piece], key: Callable[[Piece], Hashable]) -> None:
        self.key = key
        self.lines: dict[Hashable, deque[tuple[int, Piece]]] = {}
        for place, piece in enumerate(waiting):
            self.lines.setdefault(key(piece), deque()).append((place, piece))
        self.busy: set[Hashable] = set()
        self.changed = threading.Condition()

    def take(self) -> Piece | None:
        """The first piece whose key is free; waits for one, None at the end."""
        with self.changed:
            while self.lines:
                free = [(line[0][0], key) for key, line in self.lines.items() if key not in self.busy]
                if free:
                    _, key = min(free, key=itemgetter(0))
                    _, piece = self.lines[key].popleft()
                    if not self.lines[key]:
                        del self.lines[key]
                    self.busy.add(key)
                    return piece
                self.changed.wait()
            return None

    def give_back(self, piece: Piece) -> None:
        with self.changed:
            self.busy.discard(self.key(piece))
            self.changed.notify_all()

    def drop(self) -> None:
        with self.changed:
            self.lines.clear()
            self.changed.notify_all()
