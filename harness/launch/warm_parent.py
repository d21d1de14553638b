"""The harness' side of a warm parent: start it, give it jobs one at a time, end it (see `harness.launch.worker`)."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from levelfield.adapters.registry import AdapterInfo
from levelfield.adapters.runtime import environment, place
from levelfield.harness.launch.worker import MOST_OUTPUT, Job
from levelfield.harness.records.record import Failure
from levelfield.harness.system import control_groups, memory, paths, variables
from levelfield.harness.system.folders import Places
from levelfield.harness.system.variables import Passed

_IMPORT_LIMIT = 300.0  # seconds
_LOOK_EVERY = 0.5  # seconds, at the memory of a launch: some 50 µs of another core


class Ending(str):
    """How a child failed to end well, in one line; `failure` is its kind."""

    failure: Failure

    def __new__(cls, reason: str, failure: Failure) -> Ending:
        self = super().__new__(cls, reason)
        self.failure = failure
        return self


class TooMuch(Exception):
    """The child's processes use more memory than they may."""


class ParentDied(Exception):
    """A warm parent ended, or did not answer in time; the message says how.

    `failure` is of what kind, where that is known better than that the parent has died.
    """

    def __init__(self, reason: str, failure: Failure | None = None) -> None:
        super().__init__(reason)
        self.failure = failure


class WarmParent:
    """The harness' side of one `harness.launch.worker` process."""

    def __init__(
        self,
        info: AdapterInfo,
        modules: list[str],
        device: str,
        threads: int,
        cores: list[int],
        log: Path,
        places: Places,
        preload: bool = True,
        python: str = sys.executable,
        replicas: int = 1,
        passed: Passed = (),
        foreign: Sequence[Path] = (),
    ) -> None:
        """`passed` are variables that the user passes on, `foreign` folders in which plug-ins are found."""
        self.log, self.places = log, places
        self.kills = control_groups.memory_kills()  # before: whoever is killed later is one of this parent's
        ours, theirs = socket.socketpair()
        set_by_us = environment(info.framework, info.backend, device, threads, replicas) | places.variables

        def pin() -> None:  # before the framework is imported: the one control that all of them obey
            if hasattr(os, "sched_setaffinity"):
                os.sched_setaffinity(0, cores)

        with theirs, log.open("ab") as output:
            self.process = subprocess.Popen(
                paths.module("levelfield.harness.launch.worker", str(theirs.fileno()), python=python),
                pass_fds=[theirs.fileno(), *([] if places.fd is None else [places.fd])],
                env=variables.build(os.environ, set_by_us, passed),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for the harness, which ends its parents itself
                preexec_fn=pin,
            )
        self.channel = ours
        self.buffer = b""
        self.child: int | None = None
        try:
            setup = {"runtime": place(info), "modules": modules, "preload": preload, "paths": [*map(str, foreign)]}
            self._say(setup)
            hello = self._hear(_IMPORT_LIMIT)
        except TimeoutError:
            self.close()
            raise ParentDied(f"importing took longer than {_IMPORT_LIMIT:g} s") from None
        except BaseException:
            self.close()
            raise
        self.import_seconds: float = hello["seconds"]
        self.errors: dict[str, str | None] = hello["errors"]

    def run(
        self,
        job: Job,
        limit: float,
        most_memory: int | None = None,
        started: Callable[[int], None] | None = None,
        compiled: Path | None = None,
    ) -> Ending | None:
        """Carry out a job; `started` is told the child's pid. None when the child ended well, else how it ended.
        Raises ParentDied, and OSError where there is no room for its folders.

        What the child compiles for the disk is kept in `compiled`, else in a folder that all jobs of this parent share.

        The child and all that it starts may use `most_memory` bytes more than the parent has, looked at twice a second.
        Ranks share the parent's pages as the child does.
        """
        with self.places.job(compiled):
            return self._run(job, limit, most_memory, started)

    def _run(
        self, job: Job, limit: float, most_memory: int | None, started: Callable[[int], None] | None
    ) -> Ending | None:
        base = memory.resident(self.process.pid) * job.processes
        used = 0

        def too_much() -> bool:
            nonlocal used
            used = sum(memory.resident(pid) for pid in memory.descendants(self.process.pid)) - base
            return used > (most_memory or 0)

        self._say(job.model_dump(mode="json"))
        child: int = self._hear(10.0)["pid"]
        self.child = child
        if started is not None:
            started(child)
        try:
            ended = self._hear(limit, None if most_memory is None else too_much)
        except (TimeoutError, TooMuch) as error:
            self._kill_child()
            self._hear(10.0)
            if isinstance(error, TooMuch):
                return Ending(
                    f"used {used / 1e6:,.0f} MB of memory, its limit is {(most_memory or 0) / 1e6:,.0f} MB", "memory"
                )
            return Ending(f"took longer than its limit of {limit:g} s and was killed", "time")
        except ParentDied:
            self._kill_child()
            raise
        finally:
            self.child = None
        code = ended["code"]
        if ended.get("flood"):
            return Ending(f"printed more than {MOST_OUTPUT >> 20} MiB and was killed", "output")
        if code == 0:
            return None
        if code < 0:
            short = self._out_of_memory(-code)
            return Ending(f"ended by {signal.Signals(-code).name}{short or ''}", "memory" if short else "signal")
        return Ending(f"ended with exit code {code}", "exit")

    def close(self) -> None:
        """End the parent, and its child if there is one; remove their folders."""
        self._kill_child()
        self.channel.close()
        try:
            self.process.wait(2.0)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.places.remove()

    def _kill_child(self) -> None:
        if self.child is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.child, signal.SIGKILL)

    def _say(self, message: Mapping[str, Any]) -> None:
        try:
            self.channel.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            raise self._death() from None

    def _hear(self, limit: float, too_much: Callable[[], bool] | None = None) -> dict[str, Any]:
        """The next line; sleeps meanwhile, and wakes to ask `too_much`, whose yes is raised as TooMuch.

        Raises TimeoutError after `limit` seconds, ParentDied at its end.
        """
        end = time.monotonic() + limit
        while b"\n" not in self.buffer:
            left = max(end - time.monotonic(), 1e-3)
            self.channel.settimeout(left if too_much is None else min(left, _LOOK_EVERY))
            try:
                data = self.channel.recv(65536)
            except TimeoutError:
                if too_much is None or time.monotonic() >= end:
                    raise
                if too_much():
                    raise TooMuch from None
                continue
            except ConnectionError:
                data = b""
            if not data:
                raise self._death()
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\n")
        return json.loads(line)

    def _death(self) -> ParentDied:
        try:
            code = self.process.wait(2.0)
        except subprocess.TimeoutExpired:
            return ParentDied("the warm parent closed its channel")
        if code >= 0:
            return ParentDied(f"the warm parent ended with exit code {code}")
        short = self._out_of_memory(-code)
        what = f"the warm parent ended by {signal.Signals(-code).name}{short or ''}"
        return ParentDied(what, "memory" if short else None)

    def _out_of_memory(self, number: int) -> str | None:
        """What to add to a death by this signal where the system has killed for want of memory since the last look."""
        short = control_groups.short_of_memory(self.kills) if number == signal.SIGKILL else None
        self.kills = control_groups.memory_kills() if short else self.kills
        return short
