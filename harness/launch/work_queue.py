"""Work side by side on one or more hosts: a lane makes one piece at a time, and is on one host."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from operator import itemgetter
from threading import Event
from typing import Generic, NamedTuple, TypeVar

from levelfield.harness.launch.hosts import Host, HostLost
from levelfield.tasks.errors import UserError

Piece = TypeVar("Piece")


class Lane(NamedTuple):
    """`core` is the one that its work is pinned to, None for all of the host."""

    host: Host
    core: int | None


def side_by_side(
    pieces: Iterable[Piece],
    key: Callable[[Piece], Hashable],
    work: Callable[[Piece, Lane], None],
    lanes: Sequence[Lane],
    stop: Event,
    *,
    fits: Callable[[Piece, Host], bool] = lambda piece, host: True,
    enough: Callable[[], bool] = lambda: False,
) -> None:
    """Call ``work(piece, lane)`` for every piece, each lane in a thread of its own.

    Pieces with the same key are never made at a time on one host, and are alike in which hosts they fit. A piece whose
    host is lost is made again on another one. `enough` is asked after each piece. An exception of `work` ends all lanes
    after what they have under way, and is raised here. Raises UserError when pieces are left that fit no host.
    """
    queue = _Queue(list(pieces), key, fits, [lane.host for lane in lanes])
    errors: list[BaseException] = []

    def run(lane: Lane) -> None:
        try:
            while (piece := queue.take(lane.host)) is not None:
                try:
                    work(piece, lane)
                except HostLost:
                    queue.give_back(piece, lane.host, again=True)
                    return
                except BaseException:
                    queue.drop()
                    queue.give_back(piece, lane.host)  # others wait for what is under way
                    raise
                if stop.is_set() or enough():
                    queue.drop()
                queue.give_back(piece, lane.host)
        except BaseException as error:  # carried to the caller's thread
            errors.append(error)
        finally:
            queue.leave(lane.host)

    if len(lanes) == 1:
        run(lanes[0])  # no thread that wakes up while something is timed
    else:
        threads = [threading.Thread(target=run, args=(lane,), daemon=True) for lane in lanes]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(1.0)  # wakes for Ctrl-C
    if errors:
        raise errors[0]
    if queue.lines and not stop.is_set():
        raise UserError(
            "no host is left that can make the rest of the launches",
            "see which hosts are up, and what they offer; then go on with levelfield run --resume RUN",
        )


class _Queue(Generic[Piece]):
    """One line a key, so that a long wait of one kind costs the others nothing."""

    def __init__(
        self,
        waiting: list[Piece],
        key: Callable[[Piece], Hashable],
        fits: Callable[[Piece, Host], bool],
        hosts: list[Host],
    ) -> None:
        """`hosts`: one for each lane."""
        self.key, self.fits, self.hosts = key, fits, hosts
        self.lines: dict[Hashable, deque[tuple[int, Piece]]] = {}
        for place, piece in enumerate(waiting):
            self.lines.setdefault(key(piece), deque()).append((place, piece))
        self.busy: set[tuple[int, Hashable]] = set()
        self.dropped = False
        self.changed = threading.Condition()

    def take(self, host: Host) -> Piece | None:
        """The first piece that fits and whose key is free on this host; waits for one, None at the end."""
        with self.changed:
            while self.lines or self.busy:  # what is under way may come back
                mine = [(line[0], key) for key, line in self.lines.items() if self.fits(line[0][1], host)]
                if not mine and not self.busy and not self._anyone_else():
                    return None
                free = [(place, key) for (place, _), key in mine if (id(host), key) not in self.busy]
                if free:
                    _, key = min(free, key=itemgetter(0))
                    _, piece = self.lines[key].popleft()
                    if not self.lines[key]:
                        del self.lines[key]
                    self.busy.add((id(host), key))
                    return piece
                self.changed.wait()
            return None

    def _anyone_else(self) -> bool:
        """Whether a piece that waits fits a host that is there: that one may be lost with it."""
        return any(self.fits(line[0][1], host) for line in self.lines.values() for host in self.hosts)

    def leave(self, host: Host) -> None:
        """A lane of this host has ended."""
        with self.changed:
            self.hosts.remove(host)
            self.changed.notify_all()

    def give_back(self, piece: Piece, host: Host, again: bool = False) -> None:
        """A piece is done, or to be made `again`, before all others of its key."""
        with self.changed:
            key = self.key(piece)
            self.busy.discard((id(host), key))
            if again and not self.dropped:
                self.lines.setdefault(key, deque()).appendleft((-1, piece))
            self.changed.notify_all()

    def drop(self) -> None:
        with self.changed:
            self.dropped = True
            self.lines.clear()
            self.changed.notify_all()
