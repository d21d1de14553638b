"""Ranks: several processes that carry out one job together, each pinned to cores of its own.

They are forked after the framework's import and before it touches a device, and find torchrun's variables in their
environment. The process that forks them waits, and computes nothing: whichever way a rank ends, it ends the others and
has one reason to tell.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from operator import itemgetter
from typing import IO, Any, NamedTuple

from levelfield.harness.records.record import Failure
from levelfield.harness.system import control_groups, processes

# Seconds after a rank has failed: another one, which it perhaps only noticed to be gone, may be still ending
GRACE = 0.3


class RankFailed(Exception):
    """A rank ended without a result; the message says which, and how. `failure` is of what kind."""

    def __init__(self, reason: str, failure: Failure) -> None:
        super().__init__(reason)
        self.failure = failure


class Ranks:
    """This process as one of several, and its lines to the others."""

    def __init__(self, rank: int, shares: Sequence[Sequence[int]], lines: Sequence[Connection]) -> None:
        """`lines`: of rank 0 one to each other rank, in their order; of the others the one to rank 0."""
        self.rank, self.shares, self.lines = rank, shares, lines

    @property
    def family(self) -> int:
        """The process below which all of them are."""
        return os.getppid()

    @property
    def cores(self) -> int:
        """That they have together."""
        return len({core for share in self.shares for core in share})

    def gather(self, value: Any) -> list[Any]:
        """What each rank gave here, in their order, for all of them; returns when the last one has given its own."""
        if self.rank:
            self.lines[0].send(value)
            return list(self.lines[0].recv())
        found = [value, *(line.recv() for line in self.lines)]
        for line in self.lines:
            line.send(found)
        return found


def shares(cores: Sequence[int], ranks: int, threads: int) -> list[list[int]]:
    """The cores of each rank, as many as it has threads; disjoint, where there are enough."""
    return [[cores[(rank * threads + i) % len(cores)] for i in range(threads)] for rank in range(ranks)]


def together(work: Callable[[Ranks], Any], shares: Sequence[Sequence[int]], memory: int | None = None) -> list[Any]:
    """What `work` returns, as JSON can tell it, in one process for each share of the cores. Raises RankFailed.

    `memory`: bytes that all of them together may add to what they were forked with.
    """
    lines = [Pipe() for _ in shares[1:]]
    told = [tempfile.TemporaryFile() for _ in shares]  # noqa: SIM115 - closed with this process
    os.environ |= {"WORLD_SIZE": str(len(shares)), "LOCAL_WORLD_SIZE": str(len(shares)), "MASTER_ADDR": "127.0.0.1"}
    running: dict[int, int] = {}  # process → rank
    kills = control_groups.memory_kills()
    with _held_port() as port:
        os.environ["MASTER_PORT"] = str(port)
        for rank in range(len(shares)):
            pid = os.fork()
            if pid == 0:
                _rank(work, rank, shares, lines, told[rank], None if memory is None else memory // len(shares))
            running[pid] = rank
        for line in (end for pair in lines for end in pair):
            line.close()
        return _outcome(running, told, kills)


@contextmanager
def _held_port() -> Iterator[int]:
    """A free port that nobody else gets meanwhile, and that rank 0 can listen at.

    It stays bound here, and is never listened at: with both options of reuse, as frameworks set them too, the system
    lets a process of the same user listen beside it, and gives it to nobody who asks for any port.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "SO_REUSEPORT"):
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("127.0.0.1", 0))
        yield int(holder.getsockname()[1])


def _rank(
    work: Callable[[Ranks], Any],
    rank: int,
    shares: Sequence[Sequence[int]],
    lines: Sequence[tuple[Connection, Connection]],
    told: IO[bytes],
    memory: int | None,
) -> None:
    """Do the work, tell what came of it, and leave without any clean-up; never returns."""
    code = 1
    try:
        processes.die_with_parent()
        mine = [first for first, _ in lines] if rank == 0 else [lines[rank - 1][1]]
        for end in (end for pair in lines for end in pair if end not in mine):
            end.close()  # a line breaks when its other end is open nowhere
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, shares[rank])
        if memory is not None:
            processes.limit_memory(memory)
        os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
        ranks = Ranks(rank, shares, mine)
        _tell(told, result=work(ranks))
        ranks.gather(None)  # nobody leaves while another one may still need it
        code = 0
    except BaseException as error:  # whatever an adapter may raise
        kind = "memory" if isinstance(error, MemoryError) else "exception"
        with suppress(OSError):
            _tell(told, error=processes.reason(error), failure=kind, at=time.monotonic())
        traceback.print_exc()
    finally:
        processes.leave(code)


def _tell(told: IO[bytes], **what: Any) -> None:
    told.truncate(0)
    told.seek(0)
    told.write(json.dumps(what).encode())
    told.flush()


class _End(NamedTuple):
    """How a rank ended: with a result, or with a failure, `at` seconds of the monotonic clock."""

    result: Any = None
    failed: RankFailed | None = None
    at: float = 0.0


def _outcome(running: dict[int, int], told: Sequence[IO[bytes]], kills: int | None) -> list[Any]:
    """Wait for all; soon after one has failed, end the others. Raises RankFailed for the one that failed first.

    `kills`: those for want of memory that there were before.
    """
    names = [f"rank {rank} of {len(told)}" for rank in range(len(told))]
    ends: dict[int, _End] = {}
    until: float | None = None  # when those that are still there are ended
    while running:
        pid, status = os.waitpid(-1, 0 if until is None else os.WNOHANG)
        if pid:
            rank = running.pop(pid)
            noticed = until is not None
            ends[rank] = _told(names[rank], told[rank]) or _untold(names[rank], status, noticed, kills)
            if ends[rank].failed and until is None:
                until = time.monotonic() + GRACE
        elif until is not None and time.monotonic() > until:
            break
        else:
            time.sleep(0.01)
    for pid, rank in running.items():
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        ends[rank] = _told(names[rank], told[rank]) or _End()
    failures = [(end.at, end.failed) for end in ends.values() if end.failed is not None]
    if failures:
        raise min(failures, key=itemgetter(0))[1]
    return [ends[rank].result for rank in range(len(told))]


def _told(name: str, told: IO[bytes]) -> _End | None:
    """The end that a rank has told of itself; how it leaves after its result does not matter: some runtimes end it when
    another one is gone."""
    told.seek(0)
    try:
        what: dict[str, Any] = json.loads(told.read())
    except ValueError:  # it died before it had told anything, or while it did
        return None
    if "error" in what:
        return _End(failed=RankFailed(f"{name}: {what['error']}", what["failure"]), at=what["at"])
    return _End(what["result"])


def _untold(name: str, status: int, noticed: bool, kills: int | None) -> _End:
    """The end of a rank that told nothing. It was ended, and the others noticed, so it comes first; but some runtimes
    abort when another rank is gone, whose end was `noticed` before."""
    code = os.waitstatus_to_exitcode(status)
    how, kind = control_groups.ended(code, kills)
    at = float("inf") if noticed and code == -signal.SIGABRT else 0.0
    return _End(failed=RankFailed(f"{name} {how}", kind), at=at)
