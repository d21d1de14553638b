"""Launches on this machine, each in a child of a warm parent (see `harness.launch.worker`)."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Self

from levelfield.adapters.registry import AdapterInfo
from levelfield.adapters.runtime import place
from levelfield.harness.certify.fingerprint import fingerprint
from levelfield.harness.certify.timed_proof import Prover
from levelfield.harness.launch.parent_key import Key, key_of, parent_key
from levelfield.harness.launch.warm_parent import Ending, ParentDied, WarmParent
from levelfield.harness.launch.worker import CertifyJob, Job, LaunchJob, PeakJob
from levelfield.harness.measure.loaded import Loaded
from levelfield.harness.plan.environments import DEFAULT, Environment, own
from levelfield.harness.plan.launches import CertificateSubject, Launch
from levelfield.harness.probes.client import Sampled, Sampling
from levelfield.harness.probes.probe import Watched
from levelfield.harness.records import peak
from levelfield.harness.records.cell import Cell
from levelfield.harness.records.certificate import Certificate, Check
from levelfield.harness.records.record import Failure, Record
from levelfield.harness.system import folders, limits, variables
from levelfield.harness.system.folders import Places, Temporary
from levelfield.harness.system.machine import Machine
from levelfield.tasks.errors import UserError
from levelfield.tasks.task import Task

LOG_TAIL = 4000  # characters of a failed launch's output that its record keeps


@dataclass(frozen=True)
class Done:
    """What came of a job: its result, or why there is none with the end of the log."""

    result: dict[str, Any] = field(default_factory=dict)
    failure: Ending | None = None
    log: str = ""
    import_seconds: float | None = None
    sampled: Sampled | None = None  # of a speed launch
    loaded: Mapping[str, Loaded] = field(default_factory=dict)  # distribution → what the child had of it


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
        memory_limit: int | None = None,
        probes: bool = True,
    ) -> None:
        """`time_limit` in seconds and `memory_limit` in bytes hold for each launch; without `probes` nothing is sampled
        beside speed launches. Raises UserError when the folder for temporary files cannot take the data."""
        self.memory_limit = memory_limit
        self.adapters, self.machine, self.cores, self.time_limit = adapters, machine, cores, time_limit
        self.cold = cold
        self.environments = environments or {DEFAULT: own()}
        self.parents: dict[Key, WarmParent] = {}
        self.broken: dict[Key, Done] = {}  # those that did not survive their imports
        self.roots: dict[Key, str] = {}  # the folders of each parent, the next one of a key has the same
        self.closed = False
        self._jobs = itertools.count()
        self.prover = Prover(tasks)
        with _readably():
            self.temporary = Temporary()
            self.folder = self.temporary.path
            self.data = {name: self.folder / f"{name}.npz" for name in tasks}
            for name, task in tasks.items():
                task.save(self.data[name])
        self.sampling = Sampling(self.folder / "sampler.log", None if probes else "sampling was switched off")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True
        for parent in list(self.parents.values()):
            parent.close()
        self.sampling.close()
        self.temporary.close()

    @property
    def hosts(self) -> Sequence[LocalLauncher]:
        """It is its own only host."""
        return [self]

    def offers(self, cell: Cell) -> bool:
        """Everything: what is not here, the plan or the launch itself says."""
        return True

    def key(self, wanted: Cell | CertificateSubject) -> Key:
        """Launches and certificates with the same key share a warm parent, and cannot be made at the same time."""
        return parent_key(self.adapters[wanted.adapter], wanted, len(self.cores))

    def launch(self, launch: Launch, core: int | None = None, attempt: int = 0) -> Record:
        """Make one launch, pinned to `core` if one is given, and return its record whatever happens.

        The launches of a timed cell share a cache of compiled code on the disk, which a `fresh` one finds emptied; its
        repeats, made for its steady epochs, do not.
        """
        started = datetime.now(UTC).isoformat(timespec="milliseconds")
        begin = time.monotonic()
        if launch.skip:
            status = "unsupported" if launch.unsupported else "skipped"
            return self._record(launch, attempt, started, status=status, reason=launch.skip)
        job = LaunchJob(
            **self._common(launch.cell.adapter, launch.id, launch.cell.device, launch.cell.replicas),
            what=launch.cell.kind,
            cell=launch.cell,
            seed=launch.seed,
            seconds=launch.seconds,
            every=launch.every,
            core=None if launch.cell.replication == "ranks" else core,
            data=self.data[launch.cell.task],
            salt=self.prover.salt,
            seen=self.folder / f"{launch.id.replace('/', '_')}.npz",
        )
        compiled = self._compiled(launch, attempt)
        filled = compiled is not None and folders.is_filled(compiled)
        done = self._carry_out(job, launch.cell.adapter, self.key(launch.cell), compiled)
        wall = time.monotonic() - begin
        cache = None if compiled is None else folders.met(filled, folders.is_filled(compiled))
        if self.cold and (parent := self.parents.pop(self.key(launch.cell), None)) is not None:
            parent.close()
        phases = {} if done.import_seconds is None else {"import": done.import_seconds}
        if done.failure is not None:
            return self._record(
                launch,
                attempt,
                started,
                status="failed",
                failure=done.failure.failure,
                reason=str(done.failure),
                log=done.log,
                wall_seconds=wall,
                cache=cache,
                phases=phases,
                **_software(done.loaded),
            )
        phases |= done.result.pop("phases")
        if done.sampled is not None:
            done.result["utilisation"] |= done.sampled.utilisation
            done.result["busy"] = done.sampled.busy
        self._prove(job, done.result, phases, wall)
        measured = {"wall_seconds": wall, "cache": cache, "phases": phases}
        about = _software(done.loaded)
        return self._record(launch, attempt, started, status="ok", **measured, **done.result, **about)

    def _compiled(self, launch: Launch, attempt: int) -> Path | None:
        """The folder for what a timed launch compiles, which those of its cell share, and nobody else."""
        if launch.cell.kind != "speed":
            return None
        folder = self.folder / "compiled" / launch.cell.id.replace("/", "_")
        if launch.fresh and attempt == 0:
            shutil.rmtree(folder, ignore_errors=True)
        return folder

    def _prove(self, job: LaunchJob, result: dict[str, Any], phases: dict[str, float], wall: float) -> None:
        """Whether the timed work was done, see `harness.certify.timed_proof`; what it cost is a phase of its own."""
        if job.what == "learning":
            return self.prover.learnt(job.cell, result)
        assert job.seen is not None
        proof = self.prover.prove(job.cell, job.seed, result | {"phases": phases}, job.seen, wall)
        job.seen.unlink(missing_ok=True)
        result.pop("clock_changed", None)
        phases["proof"] += proof.seconds
        result |= {"unproved": proof.unproved, "proof": proof.checked}

    def certify(
        self, subject: CertificateSubject, quick: bool, needs: frozenset[str] | None = None, core: int | None = None
    ) -> Certificate:
        """Certify one adapter in one mode; a certifier that cannot finish gives a certificate that says so."""
        info = self.adapters[subject.adapter]
        if subject.replication == "ranks":  # which need a core each
            core = None
        job = CertifyJob(
            **self._common(
                subject.adapter,
                f"certify-{subject.adapter}-{subject.mode}-{subject.precision}-{subject.replicas}-{subject.replication}",
                subject.device,
                subject.replicas,
            ),
            mode=subject.mode,
            device=subject.device,
            precision=subject.precision,
            threads=1 if core is not None or subject.replication == "ranks" else len(self.cores),
            replicas=subject.replicas,
            replication=subject.replication,
            quick=quick,
            needs=needs,
            core=core,
            distribution=info.distribution,
        )
        done = self._carry_out(job, subject.adapter, self.key(subject))
        in_force = dict(subject.variables) | variables.kept(os.environ, subject.variables)
        if done.failure is None:
            about = {"machine": str(self.machine.type), "variables": in_force}
            return Certificate.model_validate(done.result | about)
        return Certificate(
            adapter=subject.adapter,
            mode=subject.mode,
            device=subject.device,
            precision=subject.precision,
            threads=job.threads,
            replicas=subject.replicas,
            replication=subject.replication,
            quick=quick,
            seed=0,
            proves=(),
            checks=(
                Check(
                    name="runs",
                    case="the certification",
                    passed=False,
                    reason=self._unnamed(str(done.failure)),
                    traceback=self._unnamed(done.log) or None,
                ),
            ),
            versions=info.versions(self.environments[subject.environment].installed),
            date=datetime.now(UTC).isoformat(timespec="seconds"),
            fingerprint=fingerprint(info.source, info.distribution),
            machine=str(self.machine.type),
            variables=in_force,
        )

    def peak(self, adapter: str, subject: peak.PeakSubject) -> peak.Candidate:
        """What the framework behind `adapter` gets out of the device, or why that cannot be measured."""
        info = self.adapters[adapter]
        name = f"peak-{info.runtime}-{subject.device}-{subject.precision}-{subject.threads}"
        job = PeakJob(**self._common(adapter, name, subject.device), **subject._asdict())
        done = self._carry_out(job, adapter, key_of(info, subject.device, subject.threads, DEFAULT))
        reason = None if done.failure is None else self._unnamed(str(done.failure))
        return peak.Candidate(
            framework=info.runtime,
            version=info.versions().get(info.runtime),
            trials=done.result.get("trials", ()),
            reason=reason,
            contaminated=done.result.get("contaminated"),
        )

    def end_all_but(self, cells: Iterable[Cell]) -> None:
        """End the warm parents that none of these cells' launches will use; in cold runs all of them."""
        needed = set() if self.cold else {self.key(cell) for cell in cells}
        for key in self.parents.keys() - needed:
            self.parents.pop(key).close()

    def _common(self, adapter: str, name: str, device: str, replicas: int = 1) -> dict[str, Any]:
        # Numbered, so that no two jobs share a file, whatever else they have in common
        info, stem = self.adapters[adapter].of(replicas), f"{next(self._jobs)}-{name.replace('/', '_')}"
        return {
            "module": info.module,
            "qualname": info.qualname,
            "runtime": place(info),
            "distributions": info.distributions,
            "result": self.folder / f"{stem}.json",
            "log": self.folder / f"{stem}.log",
            # a driver of an accelerator maps much more than it uses
            "memory": self.memory_limit if device == "cpu" else None,
        }

    def _carry_out(self, job: Job, adapter: str, key: Key, compiled: Path | None = None) -> Done:
        """Have a job done by the warm parent of `key`; whatever goes wrong is its failure."""
        if key in self.broken:
            return self.broken[key]
        with _readably():
            job.log.touch()
        parent = self.parents.get(key)
        try:
            if parent is None:
                parent = self.parents[key] = self.start(adapter, key)
            if (error := parent.errors.get(self.adapters[adapter].module)) is not None:
                return Done(failure=Ending(f"cannot be imported: {error}", "import"), log=_tail(parent.log))
            timed = isinstance(job, LaunchJob) and job.what == "speed"
            started = partial(self._sample, key) if timed else None
            if timed:
                self.sampling.open()
            with _readably():
                failure = parent.run(job, self.time_limit, self.memory_limit, started, compiled)
            result = json.loads(job.result.read_text()) if job.result.exists() else {}
            there = {name: Loaded(*about) for name, about in result.pop("loaded", {}).items()}
            sampled = self.sampling.stop(result.pop("window", None)) if timed else None
            if "error" in result:
                failure = Ending(result.pop("error"), result.pop("failure"))
            if failure is None and not result:
                failure = Ending("ended with exit code 0 and without a result", "no result")
            if failure is None and (why := self._others_loaded(adapter, key.environment, there)) is not None:
                failure = Ending(why, "import")
            return Done(result, failure, _tail(job.log) if failure else "", parent.import_seconds, sampled, there)
        except (ParentDied, TimeoutError) as error:
            if self.closed:
                raise  # the launch did not fail, it was given up
            log = _tail(self._parent_log(key)) + _tail(job.log)
            if (dead := self.parents.pop(key, None)) is not None:
                dead.close()
            reason = str(error) if isinstance(error, ParentDied) else "the warm parent did not answer in time"
            kind: Failure = "import" if parent is None else "parent"
            if isinstance(error, ParentDied) and error.failure is not None:
                kind = error.failure
            done = Done(failure=Ending(reason, kind), log=log[-LOG_TAIL:])
            if parent is None:
                self.broken[key] = done
            return done
        finally:
            job.log.unlink(missing_ok=True)
            job.result.unlink(missing_ok=True)

    def _others_loaded(self, adapter: str, environment: str, there: Mapping[str, Loaded]) -> str | None:
        """Why a launch did not run on what its environment has, if it did not."""
        stated = self.adapters[adapter].versions(self.environments[environment].installed)
        for name, about in there.items():
            if about.version != stated.get(name):
                where = f" ({about.place})" if about.place else ""
                has = stated.get(name, "none")
                return f"it ran on {name} {about.version}{where}, but the environment {environment!r} has {has}"
        return None

    def _sample(self, key: Key, pid: int) -> None:
        cores = min(key.threads * key.replicas, len(self.cores))
        self.sampling.start(Watched(pid, key.device, cores, family=key.replicas > 1))

    def start(self, adapter: str, key: Key) -> WarmParent:
        """A warm parent as `key` says; the caller ends it, or keeps it in `parents`."""
        info = self.adapters[adapter]
        alike = key._replace(lane=0)
        shared = (key.device, key.threads, key.environment, key.replicas)
        family = [i for i in self.adapters.values() if key_of(i, *shared) == alike]
        installed = self.environments[key.environment].installed
        modules = sorted({i.module for i in family if not i.missing(installed)})
        if self.cold:
            modules = [info.module]
        cores, log = self.cores[: key.threads * key.replicas], self._parent_log(key)
        environment = self.environments[key.environment]
        root = self.folder / self.roots.setdefault(key, f"p{len(self.roots)}")
        with _readably():
            places = Places(root, self.temporary.fd)
        return WarmParent(
            info,
            modules,
            key.device,
            key.threads,
            cores,
            log,
            places,
            preload=not self.cold,
            python=environment.python,
            replicas=key.replicas,
            passed=environment.passed,
            foreign=variables.on_path(os.environ, [i.root for i in self.adapters.values() if not i.builtin]),
        )

    def _parent_log(self, key: Key) -> Path:
        return self.folder / ("parent-" + "-".join(str(part) for part in key).replace(":", "") + ".log")

    def _unnamed(self, text: str) -> str:
        """Without the name of this host, when the user asked for that."""
        name = socket.gethostname()
        return text if self.machine.host is not None or len(name) < 3 else text.replace(name, "(host)")

    def _record(self, launch: Launch, attempt: int, started: str, **measured: Any) -> Record:
        for key in ("reason", "log"):
            if measured.get(key):
                measured[key] = self._unnamed(measured[key])
        environment = self.environments[launch.cell.environment]
        measured.setdefault("versions", self.adapters[launch.cell.adapter].versions(environment.installed))
        return Record(
            cell=launch.cell,
            seed=launch.seed,
            block=launch.block,
            attempt=attempt,
            cold=self.cold,
            started=started,
            kept=variables.kept(os.environ, launch.cell.variables),
            machine=self.machine,
            **measured,
        )


def _software(there: Mapping[str, Loaded]) -> dict[str, dict[str, str]]:
    """Fields of a record, as far as a launch got to tell what it had loaded."""
    if not there:
        return {}
    return {
        "versions": {name: about.version for name, about in there.items()},
        "files": {name: about.place for name, about in there.items() if about.place},
    }


@contextlib.contextmanager
def _readably() -> Iterator[None]:
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
