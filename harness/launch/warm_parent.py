"""The harness' side of a warm parent: start it, give it jobs, stop and continue them, end it.

The other side is `harness.launch.worker`.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from levelfield.harness.launch.child import MOST_OUTPUT
from levelfield.harness.launch.jobs import Job
from levelfield.harness.records.record import Failure
from levelfield.harness.system import control_groups, memory, paths, processes, variables
from levelfield.harness.system.folders import JobPlaces, Places
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
    """A child under way: it runs, or is stopped with all that it has started. Of the children of one parent only one
    runs at a time."""

    def __init__(self, parent: WarmParent, pid: int, places: JobPlaces, base: int) -> None:
        """`base`: bytes of memory that it was forked with."""
        self.parent, self.pid, self.places, self.base = parent, pid, places, base
        self.answer: Mapping[str, Any] | None = None  # how it ended, as the parent told

    def stop(self) -> None:
        """Nothing of it runs until `resume`, no thread that would spin beside others."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.places.lead()
        self._signal(signal.SIGCONT)

    def wait(
        self, limit: float, spent: float = 0.0, most_memory: int | None = None, word: int | None = None
    ) -> Ending | None:
        """Until it ends, for at most `limit` seconds of which some are `spent`. None when it ended well, else how it
        ended; None too, without an `answer`, when there is something to read at the file `word`. Raises ParentDied.

        The child and all that it starts may use `most_memory` bytes more than it was forked with, looked at twice a
        second. Ranks share the parent's pages as the child does.
        """
        end = time.monotonic() + limit - spent
        while self.answer is None:
            look = end if most_memory is None else min(end, time.monotonic() + _LOOK_EVERY)
            try:
                answer = self.parent._hear(look, word)
            except TimeoutError:
                if time.monotonic() >= end:
                    return self._killed(f"took longer than its limit of {limit:g} s and was killed", "time")
                if most_memory is not None and (used := self._memory()) > most_memory:
                    return self._killed(
                        f"used {used / 1e6:,.0f} MB of memory, its limit is {most_memory / 1e6:,.0f} MB", "memory"
                    )
                continue
            except ParentDied:
                self.kill()
                raise
            if answer is None:
                return None
            self.parent._note(answer)
        return self.parent.ending(self.answer)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _killed(self, reason: str, failure: Failure) -> Ending:
        self.kill()
        while self.answer is None:
            self.parent._note(self.parent._hear(time.monotonic() + 10.0) or {})
        return Ending(reason, failure)

    def _memory(self) -> int:
        """Bytes in use by it and by all of the parent's that is of no other child."""
        others = {pid for pid in self.parent.running if pid != self.pid}
        below = set(memory.descendants(self.parent.process.pid)) - others
        for other in others:
            below -= set(memory.descendants(other))
        return sum(memory.resident(pid) for pid in below) - self.base

    def _signal(self, number: int) -> None:
        if self.answer is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)


class WarmParent:
    """The harness' side of one `harness.launch.worker` process."""

    def __init__(self, setup: Setup, log: Path, places: Places) -> None:
        """Start it and wait for its imports. Raises ParentDied when it does not survive them."""
        self.log, self.places = log, places
        self.kills = control_groups.memory_kills()  # before: whoever is killed later is one of this parent's
        ours, theirs = socket.socketpair()
        # Pinned before the framework is imported: the one control that all of them obey
        with theirs, log.open("ab") as output, processes.pinned(setup.cores):
            self.process = subprocess.Popen(
                paths.module("levelfield.harness.launch.worker", str(theirs.fileno()), python=setup.python),
                pass_fds=[theirs.fileno(), *([] if places.fd is None else [places.fd])],
                env=variables.build(os.environ, {**setup.variables, **places.variables}, setup.passed),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for the harness, which ends its parents itself
            )
        self.channel = ours
        self.buffer = b""
        self.running: dict[int, Running] = {}
        try:
            self._say({name: getattr(setup, name) for name in ("runtime", "modules", "preload", "paths")})
            hello = self._hear(time.monotonic() + _IMPORT_LIMIT) or {}
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
        places = self.places.job(compiled)
        places.lead()
        base = memory.resident(self.process.pid)
        self._say(job.model_dump(mode="json"))
        while "pid" not in (answer := self._hear(time.monotonic() + 10.0) or {}):
            self._note(answer)
        child = self.running[answer["pid"]] = Running(self, answer["pid"], places, base * job.processes)
        return child

    def _note(self, answer: Mapping[str, Any]) -> None:
        """A child has ended."""
        self.running.pop(answer["ended"]).answer = answer

    def close(self) -> None:
        """End the parent, and its children if there are any; remove their folders."""
        for child in list(self.running.values()):
            child.kill()
        self.channel.close()
        try:
            self.process.wait(2.0)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.places.remove()

    def _say(self, message: Mapping[str, Any]) -> None:
        try:
            self.channel.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            raise self._death() from None

    def ending(self, answer: Mapping[str, Any]) -> Ending | None:
        """How a child ended, None if well."""
        code = answer["code"]
        if answer.get("flood"):
            return Ending(f"printed more than {MOST_OUTPUT >> 20} MiB and was killed", "output")
        return Ending(*self._ended(code)) if code else None

    def _hear(self, end: float, word: int | None = None) -> dict[str, Any] | None:
        """The next line; None when there is something to read at `word` first. Sleeps meanwhile.

        Raises TimeoutError at `end` on the monotonic clock, ParentDied when there is no next line.
        """
        while b"\n" not in self.buffer:
            if self.channel.fileno() < 0:
                raise self._death()
            both = select.poll()
            for file in [self.channel.fileno(), *([] if word is None else [word])]:
                both.register(file, select.POLLIN)
            ready = [file for file, _ in both.poll(1e3 * max(end - time.monotonic(), 0.0))]
            if word in ready:
                return None
            if not ready:
                raise TimeoutError
            try:
                data = self.channel.recv(65536)
            except ConnectionError:
                data = b""
            if not data:
                raise self._death()
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\n")
        found: dict[str, Any] = json.loads(line)
        return found

    def _death(self) -> ParentDied:
        try:
            code = self.process.wait(2.0)
        except subprocess.TimeoutExpired:
            return ParentDied("the warm parent closed its channel")
        how, kind = self._ended(code)
        return ParentDied(f"the warm parent {how}", "memory" if kind == "memory" else None)

    def _ended(self, code: int) -> tuple[str, Failure]:
        """How it or a child of it ended, and of what kind that is; no kill is told twice."""
        how, kind = control_groups.ended(code, self.kills)
        self.kills = control_groups.memory_kills() if kind == "memory" else self.kills
        return how, kind
