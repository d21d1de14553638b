"""Launches on this machine, each in a child of a warm parent (see `harness.worker`)."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from adapters.registry import AdapterInfo
from harness.certify.certificate import Certificate, Check, fingerprint
from harness.environments import DEFAULT, Environment, own
from harness.launch.parent import ParentDied, WarmParent
from harness.plan import Launch, Subject
from harness.record import Cell, Machine, Record
from harness.worker import CertifyJob, Job, LaunchJob
from tasks.task import Task

LOG_TAIL = 4000  # characters of a failed launch's output that its record keeps


class Key(NamedTuple):
    """What a warm parent is for."""

    framework: str
    backend: str | None
    device: str
    threads: int
    environment: str
    plugin: str | None = None  # the module of a plug-in: nobody shares a process with foreign code


@dataclass(frozen=True)
class Done:
    """What came of a job: its result, or why there is none with the end of the log."""

    result: dict[str, Any] = field(default_factory=dict)
    failure: str | None = None
    log: str = ""
    import_seconds: float | None = None


class LocalLauncher:
    """Makes launches one at a time per warm parent; a context manager that ends every process it started.

    Warm parents are started when first needed, one for each framework, backend, device and number of threads.
    """

    def __init__(
        self,
        adapters: Mapping[str, AdapterInfo],
        tasks: Mapping[str, Task],
        machine: Machine,
        cores: list[int],
        time_limit: float,
        cold: bool = False,
        environments: Mapping[str, Environment] | None = None,
    ) -> None:
        self.adapters, self.machine, self.cores, self.time_limit = adapters, machine, cores, time_limit
        self.cold = cold
        self.environments = environments or {DEFAULT: own()}
        self.parents: dict[Key, WarmParent] = {}
        self.broken: dict[Key, Done] = {}  # those that did not survive their imports
        self.closed = False
        self.folder = Path(tempfile.mkdtemp(prefix="levelfield-"))
        self.data = {name: self.folder / f"{name}.npz" for name in tasks}
        for name, task in tasks.items():
            task.save(self.data[name])

    def __enter__(self) -> LocalLauncher:
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True
        for parent in list(self.parents.values()):
            parent.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def key(self, cell: Cell) -> Key:
        """Launches with the same key share a warm parent, and so cannot be made at the same time."""
        threads = len(self.cores) if cell.kind == "learning" else cell.threads
        return self._key(cell.adapter, cell.device, threads, cell.environment)

    def launch(self, launch: Launch, core: int | None = None, attempt: int = 0) -> Record:
        """Make one launch, pinned to `core` if one is given, and return its record whatever happens."""
        started = datetime.now(UTC).isoformat(timespec="milliseconds")
        begin = time.monotonic()
        if launch.skip:
            status = "unsupported" if launch.unsupported else "skipped"
            return self._record(launch, attempt, started, status=status, reason=launch.skip)
        job = LaunchJob(
            **self._common(launch.cell.adapter, launch.id),
            what=launch.cell.kind,
            cell=launch.cell,
            seed=launch.seed,
            seconds=launch.seconds,
            core=core,
            data=self.data[launch.cell.task],
        )
        done = self._carry_out(job, launch.cell.adapter, self.key(launch.cell))
        wall = time.monotonic() - begin
        if self.cold and (parent := self.parents.pop(self.key(launch.cell), None)) is not None:
            parent.close()
        phases = {} if done.import_seconds is None else {"import": done.import_seconds}
        if done.failure is not None:
            return self._record(
                launch,
                attempt,
                started,
                status="failed",
                reason=done.failure,
                log=done.log,
                wall_seconds=wall,
                phases=phases,
            )
        phases |= done.result.pop("phases")
        return self._record(launch, attempt, started, status="ok", wall_seconds=wall, phases=phases, **done.result)

    def certify(
        self, subject: Subject, quick: bool, needs: frozenset[str] | None = None, core: int | None = None
    ) -> Certificate:
        """Certify one adapter in one mode; a certifier that cannot finish gives a certificate that says so."""
        info = self.adapters[subject.adapter]
        job = CertifyJob(
            **self._common(subject.adapter, f"certify-{subject.adapter}-{subject.mode}"),
            mode=subject.mode,
            device=subject.device,
            threads=1 if core is not None else len(self.cores),
            quick=quick,
            needs=needs,
            core=core,
        )
        done = self._carry_out(job, subject.adapter, self.certify_key(subject))
        if done.failure is None:
            return Certificate.model_validate(done.result)
        return Certificate(
            adapter=subject.adapter,
            mode=subject.mode,
            device=subject.device,
            threads=job.threads,
            quick=quick,
            seed=0,
            proves=(),
            checks=(Check(name="runs", case="the certification", passed=False, reason=done.failure),),
            versions=info.versions(self.environments[subject.environment].installed),
            date=datetime.now(UTC).isoformat(timespec="seconds"),
            fingerprint=fingerprint(info.source),
        )

    def certify_key(self, subject: Subject) -> Key:
        """As `key`: certifications share the warm parents of the launches."""
        return self._key(subject.adapter, subject.device, len(self.cores), subject.environment)

    def _key(self, adapter: str, device: str, threads: int, environment: str) -> Key:
        info = self.adapters[adapter]
        plugin = None if info.builtin else info.module
        return Key(info.framework, info.backend, device, threads, environment, plugin)

    def _common(self, adapter: str, name: str) -> dict[str, Any]:
        info, stem = self.adapters[adapter], name.replace("/", "_")
        return {
            "module": info.module,
            "qualname": info.qualname,
            "runtime": info.runtime,
            "result": self.folder / f"{stem}.json",
            "log": self.folder / f"{stem}.log",
        }

    def _carry_out(self, job: Job, adapter: str, key: Key) -> Done:
        """Have a job done by the warm parent of `key`; whatever goes wrong is its failure."""
        if key in self.broken:
            return self.broken[key]
        job.log.touch()
        parent = self.parents.get(key)
        try:
            if parent is None:
                parent = self.parents[key] = self._start(adapter, key)
            if (error := parent.errors.get(job.module)) is not None:
                return Done(failure=f"cannot be imported: {error}", log=_tail(parent.log))
            failure = parent.run(job, self.time_limit)
            result = json.loads(job.result.read_text()) if job.result.exists() else {}
            failure = result.pop("error", failure)
            if failure is None and not result:
                failure = "ended with exit code 0 and without a result"
            return Done(result, failure, _tail(job.log) if failure else "", parent.import_seconds)
        except (ParentDied, TimeoutError) as error:
            if self.closed:
                raise  # the launch did not fail, it was given up
            log = _tail(self._parent_log(key)) + _tail(job.log)
            if (dead := self.parents.pop(key, None)) is not None:
                dead.close()
            reason = str(error) if isinstance(error, ParentDied) else "the warm parent did not answer in time"
            done = Done(failure=reason, log=log[-LOG_TAIL:])
            if parent is None:
                self.broken[key] = done
            return done
        finally:
            job.log.unlink(missing_ok=True)
            job.result.unlink(missing_ok=True)

    def _start(self, adapter: str, key: Key) -> WarmParent:
        info = self.adapters[adapter]
        family = [
            i for i in self.adapters.values() if self._key(i.name, key.device, key.threads, key.environment) == key
        ]
        installed = self.environments[key.environment].installed
        modules = sorted({i.module for i in family if not i.missing(installed)})
        if self.cold:
            modules = [info.module]
        cores, log = self.cores[: key.threads], self._parent_log(key)
        python = self.environments[key.environment].python
        return WarmParent(info, modules, key.device, key.threads, cores, log, preload=not self.cold, python=python)

    def _parent_log(self, key: Key) -> Path:
        return self.folder / ("parent-" + "-".join(str(part) for part in key).replace(":", "") + ".log")

    def _record(self, launch: Launch, attempt: int, started: str, **measured: Any) -> Record:
        return Record(
            cell=launch.cell,
            seed=launch.seed,
            block=launch.block,
            attempt=attempt,
            cold=self.cold,
            started=started,
            versions=self.adapters[launch.cell.adapter].versions(self.environments[launch.cell.environment].installed),
            machine=self.machine,
            **measured,
        )


def _tail(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - LOG_TAIL))
            return file.read(LOG_TAIL).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
