"""The harness' side of a warm parent: start it, give it jobs one at a time, end it (see `harness.launch.worker`)."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from levelfield.harness.launch.child import MOST_OUTPUT
from levelfield.harness.launch.jobs import Job
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


@dataclass(frozen=True)
class Setup:
    """What a warm parent is started with."""

    runtime: str
    modules: list[str]  # to import; what that raises is in `WarmParent.errors`
    preload: bool  # what launches will need besides
    paths: list[str]  # in which plug-ins are found
    cores: list[int]
    python: str  # the interpreter
    variables: Mapping[str, str]  # set by us
    passed: Passed  # by the user


class Running:
    """A child under way."""

    def __init__(self, parent: WarmParent, pid: int, places: contextlib.ExitStack, base: int) -> None:
        """`base`: bytes of memory that it was forked with."""
        self.parent, self.pid, self.places, self.base = parent, pid, places, base
        self.ended = False

    def wait(self, limit: float, most_memory: int | None = None, word: int | None = None) -> Ending | None:
        """Until it ends, or there is something to read at the file `word`: then it has not `ended`. None when it ended
        well, else how it ended. Raises ParentDied.

        The child and all that it starts may use `most_memory` bytes more than it was forked with, looked at twice a
        second. Ranks share the parent's pages as the child does.
        """
        parent, used = self.parent, 0

        def too_much() -> bool:
            nonlocal used
            used = sum(memory.resident(pid) for pid in memory.descendants(parent.process.pid)) - self.base
            return used > (most_memory or 0)

        try:
            answer = parent._hear(limit, None if most_memory is None else too_much, word)
        except TooMuch:
            self._kill()
            about = f"used {used / 1e6:,.0f} MB of memory, its limit is {(most_memory or 0) / 1e6:,.0f} MB"
            return Ending(about, "memory")
        except TimeoutError:
            self._kill()
            return Ending(f"took longer than its limit of {limit:g} s and was killed", "time")
        except ParentDied:
            self.ended = True
            parent._kill_child()
            raise
        self.ended = bool(answer)
        return parent.ending(answer) if answer else None

    def close(self) -> None:
        """Kill it, if it has not ended, and remove its folders."""
        with contextlib.suppress(ParentDied, TimeoutError):
            self._kill()
        self.parent.child = None
        self.places.close()

    def _kill(self) -> None:
        if not self.ended:
            self.ended = True
            self.parent._kill_child()
            self.parent._hear(10.0)


class WarmParent:
    """The harness' side of one `harness.launch.worker` process."""

    def __init__(self, setup: Setup, log: Path, places: Places) -> None:
        """Start it and wait for its imports. Raises ParentDied when it does not survive them."""
        self.log, self.places = log, places
        self.kills = control_groups.memory_kills()  # before: whoever is killed later is one of this parent's
        ours, theirs = socket.socketpair()

        def pin() -> None:  # before the framework is imported: the one control that all of them obey
            if hasattr(os, "sched_setaffinity"):
                os.sched_setaffinity(0, setup.cores)

        with theirs, log.open("ab") as output:
            self.process = subprocess.Popen(
                paths.module("levelfield.harness.launch.worker", str(theirs.fileno()), python=setup.python),
                pass_fds=[theirs.fileno(), *([] if places.fd is None else [places.fd])],
                env=variables.build(os.environ, {**setup.variables, **places.variables}, setup.passed),
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
            self._say({name: getattr(setup, name) for name in ("runtime", "modules", "preload", "paths")})
            hello = self._hear(_IMPORT_LIMIT)
        except TimeoutError:
            self.close()
            raise ParentDied(f"importing took longer than {_IMPORT_LIMIT:g} s") from None
        except BaseException:
            self.close()
            raise
        self.import_seconds: float = hello["seconds"]
        self.errors: dict[str, str | None] = hello["errors"]

    def begin(self, job: Job, compiled: Path | None = None) -> Running:
        """Start a job. Raises ParentDied, and OSError where there is no room for its folders.

        What the child compiles for the disk is kept in `compiled`, else in a folder that all jobs of this parent share.
        """
        with contextlib.ExitStack() as places:
            places.enter_context(self.places.job(compiled))
            base = memory.resident(self.process.pid) * job.processes
            self._say(job.model_dump(mode="json"))
            self.child = self._hear(10.0)["pid"]
            return Running(self, self.child, places.pop_all(), base)

    def ending(self, ended: Mapping[str, Any]) -> Ending | None:
        """How a child ended, None if well."""
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

    def _hear(
        self, limit: float, too_much: Callable[[], bool] | None = None, word: int | None = None
    ) -> dict[str, Any]:
        """The next line; sleeps meanwhile, and wakes to ask `too_much`, whose yes is raised as TooMuch.

        Nothing when there is something to read at the file `word` first. Raises TimeoutError after `limit` seconds,
        ParentDied at its end.
        """
        end = time.monotonic() + limit
        while b"\n" not in self.buffer:
            left = max(end - time.monotonic(), 1e-3)
            if (file := self.channel.fileno()) < 0:  # closed meanwhile
                raise self._death()
            either = select.poll()
            for one in (file, *(() if word is None else (word,))):
                either.register(one, select.POLLIN)
            ready = [one for one, _ in either.poll(1e3 * (left if too_much is None else min(left, _LOOK_EVERY)))]
            if word in ready:
                return {}
            if not ready:
                if too_much is None or time.monotonic() >= end:
                    raise TimeoutError
                if too_much():
                    raise TooMuch
                continue
            try:
                data = self.channel.recv(65536)
            except OSError:
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
