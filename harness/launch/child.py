"""A child of a warm parent, seen from both sides: the parent forks, reads, ends and reaps it; the child does one job.

A child writes its result to the job's `result` file. Its output goes through a pipe to the parent, which keeps the
end of it in the job's `log`: nobody can fill the disk by printing.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from levelfield.harness.launch import learner, work
from levelfield.harness.launch.jobs import AnyJob
from levelfield.harness.measure.loaded import loaded
from levelfield.harness.measure.rank_group import RankFailed
from levelfield.harness.records.record import Failure
from levelfield.harness.system import folders, processes
from levelfield.harness.system.clocks import Guard, monotonic

LONGEST_LOG = 1 << 20  # bytes of a child's output on the disk at any time
MOST_OUTPUT = 256 << 20  # bytes; who prints more is killed


class Child:
    """The parent's side of a job that runs in a process, and a process group, of its own."""

    def __init__(self, job: AnyJob, guard: Guard, inherited: Sequence[int]) -> None:
        """Fork it. `inherited` are files of the parent that the child must not hold."""
        reader, writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _do(job, guard, writer, [*inherited, reader])
        os.close(writer)
        with contextlib.suppress(OSError):
            os.setpgid(self.pid, self.pid)  # the child does so too: whoever comes first
        self.output = Output(reader, job.log)

    def ended(self, others: Collection[int]) -> int | None:
        """Its exit code (negative: its signal), once it has ended; whatever it left behind is ended too. `others` are
        children that live on."""
        done, status = os.waitpid(self.pid, os.WNOHANG)
        if not done:
            return None
        self.end(others)
        while not self.output.flood and self.output.take():
            pass
        return os.waitstatus_to_exitcode(status)

    @property
    def files(self) -> list[int]:
        """Of the parent's, for this child."""
        return [self.output.reader, self.output.log]

    def listen(self) -> bool:
        """Take what it has printed. False when nothing more will be taken: it has closed its output, or is killed for
        printing too much."""
        if not self.output.take():
            return False
        if self.output.flood:
            self.kill()
        return not self.output.flood

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def end(self, others: Collection[int] = ()) -> None:
        """Kill it and all that it has started, but not the `others`."""
        self.kill()
        _end_descendants(others)


class Output:
    """The reading end of a child's output; the end of what comes is kept in `log`, which stays small."""

    def __init__(self, reader: int, log: Path) -> None:
        os.set_blocking(reader, False)
        self.reader, self.seen = reader, 0
        self.log = os.open(log, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        self.size = os.fstat(self.log).st_size

    def close(self) -> None:
        os.close(self.reader)
        os.close(self.log)

    @property
    def flood(self) -> bool:
        return self.seen > MOST_OUTPUT

    def take(self) -> bool:
        """Move what is there now. False at the end, or when there is nothing yet."""
        try:
            data = os.read(self.reader, 65536)
        except BlockingIOError:
            return False
        self.seen += len(data)
        if self.size + len(data) > LONGEST_LOG:
            last = os.pread(self.log, 65536, max(0, self.size - 65536))
            os.ftruncate(self.log, 0)
            data, self.size = last + data, 0
        with contextlib.suppress(OSError):  # a full disk costs the log, not the launch
            self.size += os.write(self.log, data)
        return bool(data)


def _do(job: AnyJob, guard: Guard, output: int, inherited: Sequence[int]) -> None:
    """Do the job, write its result, and leave without the parent's clean-up."""
    code = 1
    try:
        os.setpgid(0, 0)
        processes.die_with_parent()
        for fd in inherited:
            os.close(fd)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        for number, each in enumerate(learner.told(job)):
            job = each  # whose failure is told, if it fails
            found = work.do(job, guard, first=number == 0) | {"loaded": loaded(job.distributions)}
            folders.write(job.result, json.dumps(found).encode())
        code = 0
    except BaseException as error:  # everything that an adapter may raise becomes a failed record
        with contextlib.suppress(OSError):
            folders.write(job.result, json.dumps(_failure(error, job.module)).encode())
        traceback.print_exc()  # last: the adapter may have closed the output
    finally:
        processes.leave(code)


def _failure(error: BaseException, module: str) -> dict[str, Any]:
    if isinstance(error, RankFailed):
        return {"error": str(error), "failure": error.failure}
    kind: Failure = "memory" if isinstance(error, MemoryError) else "exception"
    source = getattr(sys.modules.get(module), "__file__", None)
    return {"error": processes.reason(error, source), "failure": kind}


def _end_descendants(others: Collection[int]) -> None:
    """Kill and reap whatever a child has left behind. Orphans are adopted: no children but the `others`, no
    descendants."""
    end = monotonic() + 5.0
    while (left := [pid for pid in _children() if pid not in others]) and monotonic() < end:
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        time.sleep(0.001)


def _children() -> list[int]:
    """The processes whose parent this one is, as far as the system tells."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            # "pid (name) state parent …", where the name may hold anything
            if int(stat.read_text(errors="replace").rpartition(")")[2].split()[1]) == os.getpid():
                found.append(int(stat.parent.name))
    return found
