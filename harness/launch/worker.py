"""A warm parent: a process that imports one framework once and forks a child for every launch.

Started as ``python -P -m levelfield.harness.launch.worker FD`` by `harness.launch.local`, with the framework's
environment and core mask already in force; it touches no device itself. It talks in JSON lines over the socket FD:

    harness → parent   the modules to import, then one job a line
    parent → harness   what was imported; then for each job the child's pid, and how the child ended

A child writes its result to the job's `result` file. Its output goes through a pipe to the parent, which keeps the
end of it in the job's `log`: nobody can fill the disk by printing. When the harness goes away the socket closes, and
the parent kills its child and ends.

On Linux the parent adopts whatever a child leaves behind, in whatever session it hides, and ends it; and a child dies
with its parent.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.util
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import time
import traceback
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter

from levelfield.adapters.choices import Replication, TimedPrecision
from levelfield.harness.measure.loaded import loaded
from levelfield.harness.measure.rank_group import RankFailed, Ranks, shares, together
from levelfield.harness.records.cell import Cell, LaunchKind
from levelfield.harness.records.record import Failure
from levelfield.harness.system import processes as process
from levelfield.harness.system.clocks import Guard, clock, monotonic
from levelfield.harness.system.console import show_anything

LONGEST_LOG = 1 << 20  # bytes of a child's output on the disk at any time
MOST_OUTPUT = 256 << 20  # bytes; who prints more is killed
GUARD = Guard()  # of the clocks, before anything foreign is imported


class Job(BaseModel):
    """What a child is to do with one adapter, and where its result and its output go."""

    module: str
    qualname: str
    runtime: str  # ``module:Class``
    distributions: tuple[str, ...] = ()  # whose versions and files are read when it is done
    core: int | None = None  # pin the child to this one
    memory: int | None = None  # bytes of data that the child may add to what it was forked with
    result: Path
    log: Path

    @property
    def ranks(self) -> int:
        """Processes that do it together."""
        return 1

    @property
    def processes(self) -> int:
        """That are forked for it: where there are several ranks, one more waits for them."""
        return 1 if self.ranks == 1 else 1 + self.ranks


class LaunchJob(Job):
    what: LaunchKind
    cell: Cell
    seed: int
    seconds: float
    every: int = 1
    data: Path
    salt: int = 0  # of the epochs that are looked at
    seen: Path | None = None  # where what was seen of a speed launch goes

    @property
    def ranks(self) -> int:
        return self.cell.replicas if self.cell.replication == "ranks" else 1


class CertifyJob(Job):
    what: Literal["certify"] = "certify"
    mode: str
    device: str
    precision: TimedPrecision = "float32"
    threads: int
    replicas: int = 1
    replication: Replication | None = None
    quick: bool
    needs: frozenset[str] | None
    distribution: str | None = None  # that a plug-in is of

    @property
    def ranks(self) -> int:
        return self.replicas if self.replication == "ranks" else 1


class PeakJob(Job):
    """Measure what the device can do with the runtime of an adapter; see `harness.measure.peak`."""

    what: Literal["peak"] = "peak"
    device: str
    precision: TimedPrecision
    threads: int


class ScriptJob(Job):
    """Call the function `run` of a file of Python with `arguments`, where launches of the adapter are made too."""

    what: Literal["script"] = "script"
    file: Path
    arguments: list[str]


AnyJob = LaunchJob | CertifyJob | PeakJob | ScriptJob
_JOBS: TypeAdapter[AnyJob] = TypeAdapter(AnyJob)


def main(fd: int) -> None:
    channel = socket.socket(fileno=fd)
    lines = channel.makefile("r", encoding="utf-8")

    def say(**message: Any) -> None:
        channel.sendall(json.dumps(message).encode() + b"\n")

    show_anything()  # what an adapter prints may be of any language
    process.adopt_orphans()
    process.be_first_to_go()
    wake, woken = socket.socketpair()
    woken.setblocking(False)
    signal.set_wakeup_fd(woken.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)

    setup = json.loads(lines.readline())
    sys.path.extend(setup["paths"])
    say(**_import(setup["runtime"], setup["modules"], setup["preload"]))
    while line := lines.readline():
        job = _JOBS.validate_json(line)
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _child(job, writer, [channel.fileno(), wake.fileno(), woken.fileno(), reader])
        os.close(writer)
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)  # the child does so too: whoever comes first
        say(pid=pid)
        with Output(reader, job.log) as output:
            code = _wait(pid, channel, wake, output)
        if code is None:
            return
        say(code=code, flood=output.flood)


def _import(runtime: str, modules: list[str], preload: bool) -> dict[str, Any]:
    """Import the runtime and the adapters; seconds for all, and per module the error that it raised."""
    from levelfield.adapters.runtime import load

    errors: dict[str, str | None] = {}
    start = clock()
    for module in modules:
        try:
            load(runtime)
            importlib.import_module(module)
            errors[module] = None
        except BaseException as error:  # a broken framework may raise anything, SystemExit included
            traceback.print_exc()
            errors[module] = process.reason(error, _source(module))
    seconds = clock() - start
    if preload and None in errors.values():
        load(runtime).preload()
    gc.collect()
    gc.freeze()  # children share these pages, their collector leaves them alone
    return {"seconds": seconds, "errors": errors}


def _source(module: str) -> str | None:
    """The file of a module that cannot be imported."""
    with contextlib.suppress(Exception):
        spec = importlib.util.find_spec(module)
        return None if spec is None else spec.origin
    return None


class Output:
    """The reading end of a child's output; the end of what comes is kept in `log`, which stays small."""

    def __init__(self, reader: int, log: Path) -> None:
        os.set_blocking(reader, False)
        self.reader, self.seen = reader, 0
        self.log = os.open(log, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        self.size = os.fstat(self.log).st_size

    def __enter__(self) -> Output:
        return self

    def __exit__(self, *_: object) -> None:
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


def _wait(pid: int, channel: socket.socket, wake: socket.socket, output: Output) -> int | None:
    """The child's exit code (negative: its signal), or None when the harness went away meanwhile."""
    with selectors.DefaultSelector() as selector:
        selector.register(channel, selectors.EVENT_READ)
        selector.register(wake, selectors.EVENT_READ)
        selector.register(output.reader, selectors.EVENT_READ)
        while True:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                _kill_group(pid)
                _end_descendants()
                while not output.flood and output.take():
                    pass
                return os.waitstatus_to_exitcode(status)
            for key, _ in selector.select():
                if key.fileobj is wake:
                    wake.recv(4096)
                elif key.fileobj == output.reader:
                    if not output.take():  # closed by the child
                        selector.unregister(output.reader)
                    elif output.flood:
                        selector.unregister(output.reader)
                        _kill_group(pid)
                else:  # the harness says nothing while a child runs: it is gone
                    _kill_group(pid)
                    _end_descendants()
                    return None


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _end_descendants() -> None:
    """Kill and reap whatever a child has left behind. Orphans are adopted: no children, no descendants."""
    end = monotonic() + 5.0
    while monotonic() < end:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        for pid in _children():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
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


def _child(job: AnyJob, output: int, inherited: list[int]) -> None:
    """Make the launch, write its result, and leave without the parent's clean-up."""
    code = 1
    try:
        os.setpgid(0, 0)
        process.die_with_parent()
        for fd in inherited:
            os.close(fd)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        _write(job.result, _work(job) | {"loaded": loaded(job.distributions)})
        code = 0
    except BaseException as error:  # everything that an adapter may raise becomes a failed record
        with contextlib.suppress(OSError):
            _write(job.result, _failure(error, job.module))
        traceback.print_exc()  # last: the adapter may have closed the output
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


def _failure(error: BaseException, module: str) -> dict[str, Any]:
    if isinstance(error, RankFailed):
        return {"error": str(error), "failure": error.failure}
    kind: Failure = "memory" if isinstance(error, MemoryError) else "exception"
    source = getattr(sys.modules.get(module), "__file__", None)
    return {"error": process.reason(error, source), "failure": kind}


def _work(job: AnyJob) -> dict[str, Any]:
    if job.ranks == 1:
        if job.memory is not None:
            process.limit_memory(job.memory)
        if job.core is not None and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {job.core})
        return _alone(job)
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
    threads = job.cell.threads if isinstance(job, LaunchJob) else 1
    found: list[dict[str, Any]] = together(partial(_alone, job), shares(cores, job.ranks, threads), job.memory)
    if isinstance(job, CertifyJob):
        from levelfield.harness.certify.examine import merged

        return merged(found)
    return found[0]


def _alone(job: AnyJob, ranks: Ranks | None = None) -> dict[str, Any]:
    """The work of one process, which may be one of several `ranks`."""
    if isinstance(job, ScriptJob):
        return runpy.run_path(str(job.file))["run"](job.arguments)
    adapter = getattr(importlib.import_module(job.module), job.qualname)
    if isinstance(job, CertifyJob):
        from levelfield.harness.certify.examine import certify

        certificate = certify(
            adapter,
            job.mode,
            device=job.device,
            precision=job.precision,
            threads=job.threads,
            replicas=job.replicas,
            replication=job.replication,
            quick=job.quick,
            needs=job.needs,
            ranks=ranks,
            distribution=job.distribution,
        )
        return certificate.model_dump(mode="json")

    from levelfield.adapters.runtime import load

    if isinstance(job, PeakJob):
        from levelfield.harness.measure import disturbance, peak
        from levelfield.harness.records.peak import PeakSubject

        before = disturbance.snapshot()
        trials = peak.measure(load(job.runtime), PeakSubject(job.device, job.precision, job.threads))
        disturbed = disturbance.between(before, disturbance.snapshot(), os.cpu_count() or 1)
        return {
            "trials": [trial.model_dump(mode="json") for trial in trials],
            "contaminated": disturbance.verdict(disturbed),
        }

    from levelfield.harness.measure import protocol
    from levelfield.harness.plan import launches
    from levelfield.tasks.task import Task
    from levelfield.tasks.variant import vary

    task = vary(Task.load(job.data), job.cell.variant, job.seed)
    setting = launches.setting(job.cell, task, job.seed)
    how = protocol.Learning(job.cell.recipe.early_stopping, job.every, predictions=job.cell.variant.parts > 1)
    result = protocol.launch(job.what, adapter, load(job.runtime), setting, task, job.seconds, how, ranks, job.salt)
    if (seen := result.pop("seen", None)) is not None:
        result["clock_changed"] = GUARD.changed()
        if job.seen is not None:
            seen.save(job.seen)  # type: ignore[attr-defined]
    return result


def _write(path: Path, result: dict[str, Any]) -> None:
    """Whole or not at all."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(result), encoding="utf-8")
    partial.replace(path)


if __name__ == "__main__":
    main(int(sys.argv[1]))
