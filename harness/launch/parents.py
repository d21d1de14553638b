"""A pool of warm parents: each started when a job first needs it, and kept for the next jobs of its kind."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from levelfield.adapters.registry import AdapterInfo
from levelfield.adapters.runtime import environment as set_by_us
from levelfield.adapters.runtime import place
from levelfield.harness.launch.jobs import Job, LaunchJob
from levelfield.harness.launch.learner import Learner
from levelfield.harness.launch.parent_key import Key, key_of
from levelfield.harness.launch.warm_parent import Ending, ParentDied, Running, Setup, WarmParent
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

    Jobs of different keys may run at the same time. Of those of one key only one runs, the others are stopped.
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

    def run(self, job: Job, key: Key) -> Done:
        """Have a job done by the warm parent of `key`; whatever goes wrong is its failure. Raises UserError where there
        is no room.

        Another seed of a cell is made by the child that made the last one, if there is one (see
        `harness.launch.learner`).
        """
        if (learner := self.learners.pop(key, None)) is not None:
            if learner.takes(job) and (done := self._by(learner, key, partial(learner.go_on, job))).failure is None:
                return done
            learner.close()
        if isinstance(job, LaunchJob) and job.lasts:
            return self._learner(job, key)
        doing = self.begin(job, key)
        return doing if isinstance(doing, Done) else doing.ended()

    def _learner(self, job: LaunchJob, key: Key) -> Done:
        """Have a job done by a child that then waits for another seed."""
        with readably():
            learner = Learner(job)
        doing = self.begin(job, key)
        done = doing if isinstance(doing, Done) else self._by(learner, key, partial(learner.begin, doing))
        if done.failure is not None:
            learner.close()
        return done

    def _by(self, learner: Learner, key: Key, work: Callable[[], Done]) -> Done:
        """What the work of a learner comes to; it is kept, unless that failed."""
        try:
            done = work()
        except BaseException:
            learner.close()
            raise
        if done.failure is None:
            self.learners[key] = learner
        return done

    def begin(self, job: Job, key: Key, *, compiled: Path | None = None) -> Doing | Done:
        """Start a job, and its parent where there is none; what it came to, where it could not be started. Raises
        UserError where there is no room.

        `compiled` is where the job keeps what it compiles.
        """
        if key in self.broken:
            return self.broken[key]
        parent: WarmParent | None = None
        try:
            with readably():
                job.log.touch()
            if key not in self.alive:
                self.alive[key] = self._start(job, key)
            parent = self.alive[key]
            if (error := parent.errors.get(self.adapters[job.adapter].module)) is not None:
                done = Done(failure=Ending(f"cannot be imported: {error}", "import"), log=_tail(parent.log))
                return _tidied(job, done)
            with readably():
                return Doing(self, job, key, parent, parent.begin(job, compiled))
        except (ParentDied, TimeoutError) as error:
            if self.closed:
                raise  # the job did not fail, it was given up
            return _tidied(job, self._lost(job, key, error, parent))

    def end(self, key: Key) -> None:
        """End the parent of `key`, if there is one; the next job starts another one."""
        if (learner := self.learners.pop(key, None)) is not None:
            learner.close()
        if (parent := self.alive.pop(key, None)) is not None:
            parent.close()

    def end_all_but(self, needed: Collection[Key]) -> None:
        for key in self.alive.keys() - set(needed):
            self.end(key)

    def close(self) -> None:
        """End them, whatever they are doing: who waits for a job gets ParentDied or TimeoutError."""
        self.closed = True
        for parent in list(self.alive.values()):
            parent.close()
        while self.learners:
            self.learners.popitem()[1].close()

    def _lost(self, job: Job, key: Key, error: ParentDied | TimeoutError, parent: WarmParent | None) -> Done:
        """The parent has died under a job, or while it was started (None): then it is not tried again."""
        log = _tail(self._log(key)) + _tail(job.log)
        if parent is None or self.alive.get(key) is parent:
            self.end(key)
        reason = str(error) if isinstance(error, ParentDied) else "the warm parent did not answer in time"
        kind: Failure = "import" if parent is None else "parent"
        if isinstance(error, ParentDied) and error.failure is not None:
            kind = error.failure
        done = Done(failure=Ending(reason, kind), log=log[-LOG_TAIL:])
        if parent is None:
            self.broken[key] = done
        return done

    def _start(self, job: Job, key: Key) -> WarmParent:
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
            cores=self.cores[: key.threads * key.replicas],
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


class Doing:
    """A job under way in a child of a warm parent."""

    def __init__(self, pool: WarmParents, job: Job, key: Key, parent: WarmParent, running: Running) -> None:
        self.pool, self.job, self.key, self.parent, self.running = pool, job, key, parent, running
        self.seconds = 0.0  # that it ran, as far as it was waited for

    @property
    def pid(self) -> int:
        return self.running.pid

    def so_far(self) -> Done:
        """What it came to, though its child lives on."""
        return _tidied(self.job, self._done(None))

    def go_on(self, job: Job) -> None:
        """The child has another job now."""
        self.job, self.seconds = job, 0.0

    def give_up(self) -> None:
        """End the child, if it has not ended."""
        self.running.kill()
        self.running.places.remove()

    def ended(self) -> Done:
        """Wait for the end."""
        done = self.wait(None)
        assert done is not None
        return done

    def wait(self, word: int | None) -> Done | None:
        """Until there is something to read at the file `word`; what it came to, where it ends before."""
        begin = time.monotonic()
        try:
            ending = self.running.wait(self.pool.seconds, self.seconds, self.pool.memory, word)
        except (ParentDied, TimeoutError) as error:
            self.running.places.remove()
            if self.pool.closed:
                raise  # the job did not fail, it was given up
            return _tidied(self.job, self.pool._lost(self.job, self.key, error, self.parent))
        finally:
            self.seconds += time.monotonic() - begin
        if self.running.answer is None:
            return None
        self.running.places.remove()
        return _tidied(self.job, self._done(ending))

    def _done(self, failure: Ending | None) -> Done:
        job = self.job
        result = json.loads(job.result.read_text()) if job.result.exists() else {}
        loaded = {name: Loaded(*about) for name, about in result.pop("loaded", {}).items()}
        if "error" in result:
            failure = Ending(result.pop("error"), result.pop("failure"))
        if failure is None and not result:
            failure = Ending("ended with exit code 0 and without a result", "no result")
        if failure is None and (why := self.pool._others_loaded(job.adapter, self.key.environment, loaded)) is not None:
            failure = Ending(why, "import")
        return Done(result, failure, _tail(job.log) if failure else "", self.parent.import_seconds, loaded)


def _tidied(job: Job, done: Done) -> Done:
    """Remove the files of a job that is over."""
    job.log.unlink(missing_ok=True)
    job.result.unlink(missing_ok=True)
    return done


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
