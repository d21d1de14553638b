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
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import IO, Any

from levelfield.harness.records.record import Failure
from levelfield.harness.system import control_groups, processes

GRACE = (
    0.3  # seconds after a rank has failed: another one, which it perhaps only noticed to be gone, may be still ending
)


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
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


def _tell(told: IO[bytes], **what: Any) -> None:
    told.truncate(0)
    told.seek(0)
    told.write(json.dumps(what).encode())
    told.flush()


def _read(told: IO[bytes]) -> dict[str, Any]:
    told.seek(0)
    try:
        found: dict[str, Any] = json.loads(told.read())
    except ValueError:  # it died before it had told anything, or while it did
        return {}
    return found


def _outcome(running: dict[int, int], told: Sequence[IO[bytes]], kills: int | None) -> list[Any]:
    """Wait for all; soon after one has failed, end the others. Raises RankFailed for the one that failed first.

    `kills`: those for want of memory that there were before.
    """
    count = len(running)
    results: dict[int, Any] = {}
    failed: list[tuple[float, RankFailed]] = []
    end: float | None = None

    def note(rank: int, status: int | None) -> None:
        what = _read(told[rank])
        if "result" in what:  # how it leaves afterwards does not matter: some runtimes end it when another one is gone
            results[rank] = what["result"]
        elif "error" in what:
            failed.append((what["at"], RankFailed(f"rank {rank} of {count}: {what['error']}", what["failure"])))
        elif status is not None:
            # It was ended, and the others noticed. But some runtimes abort when another rank is gone
            when = float("inf") if failed and os.waitstatus_to_exitcode(status) == -signal.SIGABRT else 0.0
            failed.append((when, _ended(f"rank {rank} of {count}", os.waitstatus_to_exitcode(status), kills)))

    while running:
        pid, status = os.waitpid(-1, os.WNOHANG if failed else 0)
        if pid:
            note(running.pop(pid), status)
            if failed and end is None:
                end = time.monotonic() + GRACE
        elif end is not None and time.monotonic() > end:
            break
        else:
            time.sleep(0.01)
    for pid, rank in running.items():
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        note(rank, None)
    if failed:
        raise min(failed, key=lambda one: one[0])[1]
    return [results[rank] for rank in range(count)]


def _ended(name: str, code: int, kills: int | None) -> RankFailed:
    if code < 0:
        short = control_groups.short_of_memory(kills) if code == -signal.SIGKILL else None
        return RankFailed(f"{name} ended by {signal.Signals(-code).name}{short or ''}", "memory" if short else "signal")
    return RankFailed(f"{name} ended with exit code {code}", "exit")
