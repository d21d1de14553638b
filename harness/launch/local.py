"""This machine as a host: launches, certificates and peaks, each made by a child of a warm parent."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from levelfield.adapters.registry import AdapterInfo
from levelfield.adapters.runtime import place
from levelfield.harness.certify.fingerprint import fingerprint
from levelfield.harness.certify.timed_proof import Prover
from levelfield.harness.launch import block
from levelfield.harness.launch.block import Participant
from levelfield.harness.launch.hosts import Stage, silent
from levelfield.harness.launch.jobs import CertifyJob, LaunchJob, PeakJob
from levelfield.harness.launch.parent_key import Key, key_of, parent_key
from levelfield.harness.launch.parents import Done, WarmParents, readably
from levelfield.harness.launch.rounds import Alive, now
from levelfield.harness.launch.warm_parent import Ending
from levelfield.harness.measure.turns import Line
from levelfield.harness.measure.wrap import Wrap
from levelfield.harness.plan.environments import DEFAULT, Environment, own
from levelfield.harness.plan.launches import CertificateSubject, Launch
from levelfield.harness.probes.client import Sampling
from levelfield.harness.records import peak
from levelfield.harness.records.cell import Cell
from levelfield.harness.records.certificate import Certificate, Check
from levelfield.harness.records.record import Record
from levelfield.harness.system import folders, machine, variables
from levelfield.harness.system.folders import Temporary
from levelfield.harness.system.machine import Machine
from levelfield.tasks.task import Task

ROOM = 0.7  # of the memory that is free, for all launches that are alive together


class LocalHost:
    """Makes launches; a context manager that ends every process it started."""

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
        self.adapters, self.machine, self.cores, self.cold = adapters, machine, cores, cold
        self.environments = environments or {DEFAULT: own()}
        self.memory_limit = memory_limit
        self.tell: Callable[[Stage], None] = silent
        self._jobs = itertools.count()
        self.prover = Prover(tasks)
        with readably():
            self.temporary = Temporary()
            self.folder = self.temporary.path
            self.data = {name: self.folder / f"{name}.npz" for name in tasks}
            for name, task in tasks.items():
                task.save(self.data[name])
        most: dict[str, Any] = {"seconds": time_limit, "memory": memory_limit}
        self.parents = WarmParents(adapters, self.environments, self.temporary, cores, **most, cold=cold)
        self.sampling = Sampling(self.folder / "sampler.log", None if probes else "sampling was switched off")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.parents.close()
        self.sampling.close()
        self.temporary.close()

    @property
    def hosts(self) -> Sequence[LocalHost]:
        """As a launcher it is its own only host."""
        return [self]

    def offers(self, cell: Cell) -> bool:
        """Everything: what is not here, the plan or the launch itself says."""
        return True

    def key(self, wanted: Cell | CertificateSubject) -> Key:
        """Launches and certificates with the same key share a warm parent, and cannot be made at the same time."""
        return parent_key(self.adapters[wanted.adapter], wanted, len(self.cores))

    def launch(self, launch: Launch, core: int | None = None) -> Record:
        """Make one launch, and return its record whatever happens; a learning one pinned to `core` if one is given."""
        if launch.skip:
            return self.skipped(launch)
        if launch.cell.kind == "speed":
            (record,) = self._in_turns([Participant(launch)])
            return record
        started, begin = now(), time.monotonic()
        key, job = self.key(launch.cell), self._job(launch, core=core)
        # Of ours it is known that one seed leaves nothing to the next
        if launch.cell.replicas == 1 and self.adapters[launch.cell.adapter].builtin and not self.cold:
            job = job.model_copy(update={"lasts": True})
        done = self.parents.run(job, key)
        wall = time.monotonic() - begin
        if self.cold:
            self.parents.end(key)
        if done.failure is None:
            self.prover.learnt(job.cell, done.result)
        return self._record(launch, started, done, wall_seconds=wall)

    def block(self, launches: Sequence[Launch]) -> list[Record]:
        """Make speed launches that take turns, and return their records in the same order, whatever happens."""
        return self.together([Participant(launch) for launch in launches])

    def together(self, participants: Sequence[Participant]) -> list[Record]:
        """As `block`, in processes of their own."""
        self.parents.end_all_but(())
        try:
            return self._in_turns(participants)
        finally:
            self.parents.end_all_but(())

    def _in_turns(self, participants: Sequence[Participant]) -> list[Record]:
        if self.cold:
            participants = [replace(one, lane=number) for number, one in enumerate(participants)]
        return block.make(self, participants, ROOM * machine.available())

    def alive(self, launch: Launch, wrap: Sequence[Wrap], lane: int) -> Alive:
        """A launch of a block, to be started. Raises UserError where there is no room for its files."""
        with readably():
            stem = self.folder / f"line{next(self._jobs)}"
            line = Line.make(stem)
        job = self._job(launch, wrap=tuple(wrap), line=stem, predict=launch.whole)
        key = self.key(launch.cell)._replace(lane=lane)
        return Alive(launch, job, key, line, compiled=self._compiled(launch, lane))

    def completed(self, one: Alive) -> Record:
        """The record of a launch of a block that has ended, with whether the timed work was done (see
        `harness.certify.timed_proof`); what the proof cost is a phase of its own."""
        launch, done = one.launch, one.done or Done(failure=Ending("was not made", "no result"))
        measured: dict[str, Any] = {"wall_seconds": one.wall}
        if launch.whole and one.compiled is not None:
            measured["cache"] = folders.met(one.filled, folders.is_filled(one.compiled))
        if one.sampled is not None:
            measured["busy"] = one.sampled.busy
        if done.failure is None:
            assert isinstance(one.job, LaunchJob)
            assert one.job.seen is not None
            result, phases = done.result, done.result["phases"]
            measured["rounds"] = one.rounds
            if one.sampled is not None:
                result["utilisation"] |= one.sampled.utilisation
            if all(wrap.proves for wrap in one.job.wrap):
                proof = self.prover.prove(launch.cell, launch.seed, result, one.job.seen, one.wall)
                phases["proof"] += proof.seconds
                measured |= {"unproved": proof.unproved, "proof": proof.checked}
            one.job.seen.unlink(missing_ok=True)
            result.pop("clock_changed", None)
            if launch.whole:
                phases["import"] = done.import_seconds
            else:
                result["phases"] = {name: phases[name] for name in ("evaluate", "proof")}
        return self._record(launch, one.started, done, **measured)

    def _job(self, launch: Launch, **how: Any) -> LaunchJob:
        cell = launch.cell
        common = self._common(cell.adapter, launch.id, cell.device, cell.replicas, cell.mode)
        return LaunchJob(
            **common,
            what=launch.cell.kind,
            cell=launch.cell,
            seed=launch.seed,
            seconds=launch.seconds,
            every=launch.every,
            data=self.data[launch.cell.task],
            salt=self.prover.salt,
            seen=common["result"].with_suffix(".npz"),
            **how,
        )

    def _compiled(self, launch: Launch, lane: int) -> Path:
        """The folder for what a timed launch compiles, which those of its cell share, and nobody else."""
        folder = self.folder / "compiled" / f"{launch.cell.id.replace('/', '_')}-{lane}"
        if launch.fresh:
            shutil.rmtree(folder, ignore_errors=True)
        return folder

    def certify(
        self, subject: CertificateSubject, quick: bool, needs: frozenset[str] | None = None, core: int | None = None
    ) -> Certificate:
        """Certify one adapter in one mode; a certifier that cannot finish gives a certificate that says so."""
        if subject.replication == "ranks":  # which need a core each
            core = None
        how: dict[str, Any] = {
            "mode": subject.mode,
            "device": subject.device,
            "precision": subject.precision,
            "threads": 1 if core is not None or subject.replication == "ranks" else len(self.cores),
            "replicas": subject.replicas,
            "replication": subject.replication,
            "quick": quick,
        }
        words = (subject.adapter, subject.mode, subject.precision, subject.replicas, subject.replication)
        name = f"certify-{'-'.join(map(str, words))}"
        common = self._common(subject.adapter, name, subject.device, subject.replicas, subject.mode)
        distribution = self.adapters[subject.adapter].distribution
        job = CertifyJob(**common, **how, needs=needs, core=core, distribution=distribution)
        done = self.parents.run(job, self.key(subject))
        about: dict[str, Any] = {
            "environment": subject.environment,
            "machine": str(self.machine.type),
            "variables": dict(subject.variables) | variables.kept(os.environ, subject.variables),
        }
        if done.failure is None:
            return Certificate.model_validate(done.result | about)
        return Certificate(**self._not_finished(subject, done.failure, done.log), **how, **about)

    def _not_finished(self, subject: CertificateSubject, failure: Ending, log: str) -> dict[str, Any]:
        """Of a certificate that could not be made: what it says of the adapter instead of what was examined."""
        info = self.adapters[subject.adapter]
        why: dict[str, Any] = {"reason": self._unnamed(str(failure)), "traceback": self._unnamed(log) or None}
        check = Check(name="runs", case="the certification", passed=False, **why)
        return {
            "adapter": subject.adapter,
            "seed": 0,
            "proves": (),
            "checks": (check,),
            "versions": info.versions(self.environments[subject.environment].installed),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "fingerprint": fingerprint(info.source, info.distribution),
        }

    def peak(self, adapter: str, subject: peak.PeakSubject) -> peak.Candidate:
        """What the framework behind `adapter` gets out of the device, or why that cannot be measured."""
        info = self.adapters[adapter]
        name = f"peak-{info.runtime}-{subject.device}-{subject.precision}-{subject.threads}"
        job = PeakJob(**self._common(adapter, name, subject.device), **subject._asdict())
        done = self.parents.run(job, key_of(info, subject.device, subject.threads, DEFAULT))
        return peak.Candidate(
            framework=info.runtime,
            version=info.versions().get(info.runtime),
            trials=done.result.get("trials", ()),
            reason=None if done.failure is None else self._unnamed(str(done.failure)),
            contaminated=done.result.get("contaminated"),
        )

    def end_all_but(self, cells: Iterable[Cell]) -> None:
        """End the warm parents that none of these cells' launches will use; in cold runs all of them."""
        self.parents.end_all_but(set() if self.cold else {self.key(cell) for cell in cells})

    def _common(
        self, adapter: str, name: str, device: str, replicas: int = 1, mode: str | None = None
    ) -> dict[str, Any]:
        # Numbered, so that no two jobs share a file, whatever else they have in common
        info, stem = self.adapters[adapter].of(replicas, mode), f"{next(self._jobs)}-{name.replace('/', '_')}"
        return {
            "adapter": adapter,
            "module": info.module,
            "qualname": info.qualname,
            "runtime": place(info),
            "distributions": info.distributions,
            "result": self.folder / f"{stem}.json",
            "log": self.folder / f"{stem}.log",
            # a driver of an accelerator maps much more than it uses
            "memory": self.memory_limit if device == "cpu" else None,
        }

    def _unnamed(self, text: str) -> str:
        """Without the name of this host, when the user asked for that."""
        name = socket.gethostname()
        return text if self.machine.host is not None or len(name) < 3 else text.replace(name, "(host)")

    def skipped(self, launch: Launch) -> Record:
        """Of a launch that is not made."""
        status = "unsupported" if launch.unsupported else "skipped"
        return self._record(launch, now(), Done(), status=status, reason=launch.skip)

    def _record(self, launch: Launch, started: str, done: Done, **measured: Any) -> Record:
        measured = {"status": "ok"} | done.result | done.software | measured
        if done.failure is not None:
            why = {"failure": done.failure.failure, "reason": str(done.failure), "log": done.log}
            measured |= {"status": "failed"} | {key: self._unnamed(text) for key, text in why.items()}
        environment = self.environments[launch.cell.environment]
        measured.setdefault("versions", self.adapters[launch.cell.adapter].versions(environment.installed))
        return Record(
            cell=launch.cell,
            seed=launch.seed,
            block=launch.block,
            cold=self.cold,
            started=started,
            kept=variables.kept(os.environ, launch.cell.variables),
            machine=self.machine,
            **measured,
        )
