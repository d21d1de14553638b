"""Untimed work side by side: one lane a core, and never two pieces with the same key at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable
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
    def __init__(self, waiting: list[Piece], key: Callable[[Piece], Hashable]) -> None:
        self.waiting, self.key = waiting, key
        self.busy: set[Hashable] = set()
        self.changed = threading.Condition()

    def take(self) -> Piece | None:
        """The first piece whose key is free; waits for one, None at the end."""
        with self.changed:
            while self.waiting:
                for piece in self.waiting:
                    if self.key(piece) not in self.busy:
                        self.waiting.remove(piece)
                        self.busy.add(self.key(piece))
                        return piece
                self.changed.wait()
            return None

    def give_back(self, piece: Piece) -> None:
        with self.changed:
            self.busy.discard(self.key(piece))
            self.changed.notify_all()

    def drop(self) -> None:
        with self.changed:
            self.waiting.clear()
            self.changed.notify_all()
