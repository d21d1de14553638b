"""Which certificates a run needs, those kept from earlier runs that still hold, and the making of the rest."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import NamedTuple

from pydantic import ValidationError

from levelfield.adapters.registry import AdapterInfo
from levelfield.adapters.runtime import TORCH_COMPILES
from levelfield.harness.certify.fingerprint import fingerprint
from levelfield.harness.launch.hosts import Host
from levelfield.harness.launch.work_queue import Lane, side_by_side
from levelfield.harness.plan.environments import Environment
from levelfield.harness.plan.launches import CertificateSubject, Launch, partial_batch
from levelfield.harness.records.certificate import Certificate, needs, valid
from levelfield.harness.system import folders, variables
from levelfield.harness.system.machine import MachineType
from levelfield.tasks.task import Task

TIME_LIMIT = 1200.0  # seconds for one adapter in one mode; torch.compile takes minutes


class Piece(NamedTuple):
    """One certificate to obtain."""

    subject: CertificateSubject
    machine: MachineType


@dataclass(frozen=True)
class Request:
    """Which certificates are needed: of each subject what must be proved, in the words of `certificate.needs`.

    The quick form proves what is needed and no more; the full one proves everything. If `fresh`, none that was kept
    from an earlier run will do.
    """

    wanted: Mapping[CertificateSubject, frozenset[str]]
    adapters: Mapping[str, AdapterInfo]
    environments: Mapping[str, Environment]
    quick: bool = True
    fresh: bool = False

    def kept(self, piece: Piece) -> Certificate | None:
        """The certificate of an earlier run, if one will do and still holds; a full one serves where quick is asked."""
        if self.fresh:
            return None
        subject, machine = piece.subject, str(piece.machine)
        info = self.adapters[subject.adapter]
        about = (subject.device, subject.precision, subject.replicas, subject.replication)
        versions = info.versions(self.environments[subject.environment].installed)
        software = (fingerprint(info.source, info.distribution), versions)
        in_force = dict(subject.variables) | variables.kept(os.environ, subject.variables)
        for quick in (False, True) if self.quick else (False,):
            try:
                found = Certificate.model_validate_json(_path(subject, info, quick, machine).read_bytes())
            except (OSError, ValidationError):
                continue
            same = (found.device, found.precision, found.replicas, found.replication) == about
            if same and valid(found, *software, tuple(self.wanted[subject]), in_force) is None:
                return found
        return None

    def make(self, piece: Piece, lane: Lane) -> Certificate:
        """A new one, which is kept for later runs if it passed."""
        subject = piece.subject
        least = self.wanted[subject] or None if self.quick else None
        certificate = lane.host.certify(subject, self.quick, least, lane.core)
        if certificate.passed:
            keep(certificate, subject, self.adapters[subject.adapter])
        return certificate


def needed(launches: Iterable[Launch], tasks: Mapping[str, Task]) -> dict[CertificateSubject, frozenset[str]]:
    """What must be certified before these launches may take part in a verdict."""
    found: dict[CertificateSubject, frozenset[str]] = {}
    for cell in dict.fromkeys(launch.cell for launch in launches if not launch.skip):
        task = tasks[cell.task]
        uneven = any(size % cell.replicas for size in (cell.recipe.batch_size, partial_batch(cell, task)))
        words = needs(cell.model, cell.recipe.optimizer, task.kind, cell.track, uneven)
        where = (cell.device, cell.environment, cell.precision, cell.replicas, cell.replication, cell.variables)
        subject = CertificateSubject(cell.adapter, cell.mode, *where)
        found[subject] = found.get(subject, frozenset()) | words
    return found


def keep(certificate: Certificate, subject: CertificateSubject, info: AdapterInfo) -> None:
    """Write a certificate for later runs; a cache that cannot be written is done without."""
    path = _path(subject, info, certificate.quick, certificate.machine)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folders.write(path, certificate.model_dump_json().encode() + b"\n")
    except OSError:
        return


def obtain(
    request: Request, hosts: Sequence[Host], stop: Event, report: Callable[[Certificate], None] = lambda _: None
) -> list[Certificate]:
    """A certificate, passed or not, for every subject on every type of machine among the hosts; `report` is called for
    each that had to be made anew."""
    types = dict.fromkeys(host.machine.type for host in hosts)
    pieces = [Piece(subject, machine) for subject in request.wanted for machine in types]
    found = {piece: certificate for piece in pieces if (certificate := request.kept(piece)) is not None}

    def work(piece: Piece, lane: Lane) -> None:
        found[piece] = request.make(piece, lane)
        report(found[piece])

    side_by_side(
        # The longest first, or torch.compile's are made at the end, one after the other, while other cores have nothing
        sorted(
            (piece for piece in pieces if piece not in found),
            key=lambda piece: piece.subject.mode not in TORCH_COMPILES,
        ),
        lambda piece: (hosts[0].key(piece.subject), piece.machine),
        work,
        [Lane(host, core) for host in hosts for core in host.cores],
        stop,
        fits=lambda piece, host: host.machine.type == piece.machine,
    )
    return [found[piece] for piece in pieces if piece in found]


def _path(subject: CertificateSubject, info: AdapterInfo, quick: bool, machine: str | None) -> Path:
    """One file for each adapter, mode, device, precision, replicas, type of machine, variables and place of its source:
    checkouts overwrite no other's."""
    passed = f"\n{subject.variables}" if subject.variables else ""
    place = hashlib.sha256(f"{info.source}\n{machine}{passed}".encode()).hexdigest()[:8]
    form = "quick" if quick else "full"
    where = [subject.device.replace(":", ""), subject.precision, subject.environment]
    where += [f"x{subject.replicas}", str(subject.replication)] if subject.replicas > 1 else []
    name = "-".join((subject.adapter, subject.mode, *where, form, place))
    return folders.cache() / "certificates" / f"{name}.json"
