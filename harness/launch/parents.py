"""A pool of warm parents: each started when a job first needs it, and kept for the next job of its kind."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from levelfield.adapters.registry import AdapterInfo
from levelfield.adapters.runtime import environment as set_by_us
from levelfield.adapters.runtime import place
from levelfield.harness.launch.jobs import Job, LaunchJob
from levelfield.harness.launch.learner import Learner, lasts
from levelfield.harness.launch.parent_key import Key, key_of
from levelfield.harness.launch.warm_parent import Ending, ParentDied, Setup, WarmParent
from levelfield.harness.measure.loaded import Loaded
from levelfield.harness.plan.environments import Environment
from levelfield.harness.records.record import Failure
from levelfield.harness.system import limits, variables
from levelfield.harness.system.folders import Places, Temporary
from levelfield.tasks.errors import UserError

LOG_TAIL = 4000  # characters of a failed job's output that are kept


@dataclass(frozen=True)
class Done:
    """What came of a job: its result, or why there is none with the end of the log."""

    result: dict[str, Any] = field(default_factory=dict)
    failure: Ending | None = None
    log: str = ""
    import_seconds: float | None = None
    loaded: Mapping[str, Loaded] = field(default_factory=dict)  # distribution → what the child had of it

    @property
    def software(self) -> dict[str, dict[str, str]]:
        """Fields of a record, as far as the job got to tell what it had loaded."""
        if not self.loaded:
            return {}
        return {
            "versions": {name: about.version for name, about in self.loaded.items()},
            "files": {name: about.place for name, about in self.loaded.items() if about.place},
        }


class WarmParents:
    """One for each framework, backend, device, number of threads and environment; `close` ends them all.

    Jobs of different keys may run at the same time, those of one key one after the other.
    """

    def __init__(
        self,
        adapters: Mapping[str, AdapterInfo],
        environments: Mapping[str, Environment],
        temporary: Temporary,
        cores: list[int],
        *,
        seconds: float,
        memory: int | None = None,
        cold: bool = False,
    ) -> None:
        """`seconds` and `memory` in bytes are the limits of every job. If `cold` a parent imports what its job needs
        and no more."""
        self.adapters, self.environments = adapters, environments
        self.temporary, self.cores = temporary, cores
        self.seconds, self.memory, self.cold = seconds, memory, cold
        self.alive: dict[Key, WarmParent] = {}
        self.broken: dict[Key, Done] = {}  # those that did not survive their imports
        self.learners: dict[Key, Learner] = {}  # children that may go on with another seed
        self.roots: dict[Key, str] = {}  # the folders of each parent, the next one of a key has the same
        self.closed = False

    def run(
        self,
        job: Job,
        key: Key,
        *,
        cores: list[int] | None = None,
        compiled: Path | None = None,
        started: Callable[[int], None] | None = None,
    ) -> Done:
        """Have a job done by the warm parent of `key`; whatever goes wrong is its failure.

        A parent that has yet to be started is held to `cores`, by default to those of the pool. `compiled` is where
        the job keeps what it compiles, `started` is told its process. Raises UserError where there is no room.
        """
        if key in self.broken:
            return self.broken[key]
        with readably():
            job.log.touch()
        try:
            if key not in self.alive:
                self.alive[key] = self._start(job, key, cores or self.cores)
            return self._done(job, key, compiled, started)
        except (ParentDied, TimeoutError) as error:
            if self.closed:
                raise  # the job did not fail, it was given up
            return self._lost(job, key, error)
        finally:
            job.log.unlink(missing_ok=True)
            job.result.unlink(missing_ok=True)

    def end(self, key: Key) -> None:
        """End the parent of `key`, if there is one; the next job starts another one."""
        if (learner := self.learners.pop(key, None)) is not None:
            learner.close()
        if (parent := self.alive.pop(key, None)) is not None:
            parent.close()

    def end_learners(self) -> None:
        """End the children that wait for another seed: nothing shall sleep beside what is timed."""
        while self.learners:
            self.learners.popitem()[1].close()

    def end_all_but(self, needed: Collection[Key]) -> None:
        for key in self.alive.keys() - set(needed):
            self.end(key)

    def close(self) -> None:
        """End them, whatever they are doing: who waits for a job gets ParentDied or TimeoutError."""
        self.closed = True
        for parent in list(self.alive.values()):
            parent.close()
        self.end_learners()

    def _done(self, job: Job, key: Key, compiled: Path | None, started: Callable[[int], None] | None) -> Done:
        parent = self.alive[key]
        if (error := parent.errors.get(self.adapters[job.adapter].module)) is not None:
            return Done(failure=Ending(f"cannot be imported: {error}", "import"), log=_tail(parent.log))
        with readably():
            failure = self._made(parent, job, key, compiled, started)
        result = json.loads(job.result.read_text()) if job.result.exists() else {}
        loaded = {name: Loaded(*about) for name, about in result.pop("loaded", {}).items()}
        if "error" in result:
            failure = Ending(result.pop("error"), result.pop("failure"))
        if failure is None and not result:
            failure = Ending("ended with exit code 0 and without a result", "no result")
        if failure is None and (why := self._others_loaded(job.adapter, key.environment, loaded)) is not None:
            failure = Ending(why, "import")
        return Done(result, failure, _tail(job.log) if failure else "", parent.import_seconds, loaded)

    def _made(
        self, parent: WarmParent, job: Job, key: Key, compiled: Path | None, started: Callable[[int], None] | None
    ) -> Ending | None:
        """Have a job done, by a child that has made other seeds of it if there is one; how it ended, None if well."""
        if (learner := self.learners.get(key)) is not None:
            if learner.takes(job):
                learner.go_on(job)
                if (failure := learner.wait(self.seconds, self.memory)) is None and not learner.running.ended:
                    return None
                job.result.unlink(missing_ok=True)  # it is made again, in a fresh one
            self.learners.pop(key).close()
        if isinstance(job, LaunchJob) and lasts(job):
            learner = self.learners[key] = Learner(parent, job)
            failure = learner.wait(self.seconds, self.memory)
            if learner.running.ended:
                self.learners.pop(key).close()
            return failure
        running = parent.begin(job, compiled)
        try:
            if started is not None:
                started(running.pid)
            return running.wait(self.seconds, self.memory)
        finally:
            running.close()

    def _lost(self, job: Job, key: Key, error: ParentDied | TimeoutError) -> Done:
        """The parent has died under a job, or while it was started: then it is not tried again."""
        log = _tail(self._log(key)) + _tail(job.log)
        imported = key in self.alive
        self.end(key)
        reason = str(error) if isinstance(error, ParentDied) else "the warm parent did not answer in time"
        kind: Failure = "parent" if imported else "import"
        if isinstance(error, ParentDied) and error.failure is not None:
            kind = error.failure
        done = Done(failure=Ending(reason, kind), log=log[-LOG_TAIL:])
        if not imported:
            self.broken[key] = done
        return done

    def _start(self, job: Job, key: Key, cores: list[int]) -> WarmParent:
        alike, shared = key._replace(lane=0), (key.device, key.threads, key.environment, key.replicas)
        family = [info for info in self.adapters.values() if key_of(info, *shared) == alike]
        environment = self.environments[key.environment]
        modules = {info.module for info in family if not info.missing(environment.installed)}
        root = self.temporary.path / self.roots.setdefault(key, f"p{len(self.roots)}")
        with readably():
            places = Places(root, self.temporary.fd)
        plugins = variables.on_path(os.environ, [info.root for info in self.adapters.values() if not info.builtin])
        setup = Setup(
            runtime=place(self.adapters[job.adapter]),
            modules=[self.adapters[job.adapter].module] if self.cold else sorted(modules),
            preload=not self.cold,
            paths=[str(folder) for folder in plugins],
            cores=cores[: key.threads * key.replicas],
            python=environment.python,
            variables=set_by_us(key.framework, key.backend, key.device, key.threads, key.replicas),
            passed=environment.passed,
        )
        return WarmParent(setup, self._log(key), places)

    def _others_loaded(self, adapter: str, environment: str, loaded: Mapping[str, Loaded]) -> str | None:
        """Why a job did not run on what its environment has, if it did not."""
        stated = self.adapters[adapter].versions(self.environments[environment].installed)
        for name, about in loaded.items():
            if about.version != stated.get(name):
                where = f" ({about.place})" if about.place else ""
                has = stated.get(name, "none")
                return f"it ran on {name} {about.version}{where}, but the environment {environment!r} has {has}"
        return None

    def _log(self, key: Key) -> Path:
        return self.temporary.path / ("parent-" + "-".join(str(part) for part in key).replace(":", "") + ".log")


@contextlib.contextmanager
def readably() -> Iterator[None]:
    """An error of the system, as one for the user."""
    try:
        yield
    except TimeoutError:  # of a process
        raise
    except OSError as error:
        if (limit := limits.reached(error)) is not None:
            raise limit from None
        where = error.filename or tempfile.gettempdir()
        hint = "launches need room for temporary files: set TMPDIR to a folder that has it"
        raise UserError(f"{where}: {error.strerror or error}", hint) from None


def _tail(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - LOG_TAIL))
            return file.read(LOG_TAIL).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
