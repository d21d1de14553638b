"""Which certificates a run needs, those kept from earlier runs that still hold, and the making of the rest."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from levelfield.adapters.registry import AdapterInfo
from levelfield.harness.certify.fingerprint import fingerprint
from levelfield.harness.launch.hosts import Host
from levelfield.harness.launch.work_queue import Lane, side_by_side
from levelfield.harness.plan.environments import Environment
from levelfield.harness.plan.launches import CertificateSubject, Launch, partial_batch
from levelfield.harness.records.certificate import Certificate, needs, valid
from levelfield.harness.system import variables
from levelfield.harness.system.machine import MachineType
from levelfield.harness.system.stop import Stop
from levelfield.tasks.task import Task


class Piece(NamedTuple):
    """One certificate to obtain."""

    subject: CertificateSubject
    machine: MachineType


Needs = Mapping[CertificateSubject, frozenset[str]]  # what must be proved of each, in the words of `certificate.needs`


def needed(launches: Iterable[Launch], tasks: Mapping[str, Task]) -> dict[CertificateSubject, frozenset[str]]:
    """What must be certified before these launches may take part in a verdict."""
    found: dict[CertificateSubject, frozenset[str]] = {}
    for cell in dict.fromkeys(launch.cell for launch in launches if not launch.skip):
        m, task = cell.model, tasks[cell.task]
        uneven = any(size % cell.replicas for size in (cell.recipe.batch_size, partial_batch(cell, task)))
        how = (cell.recipe.optimizer, m.activation, len(m.hidden), m.dropout, m.l2)
        words = needs(*how, task.kind, cell.track, uneven)
        where = (cell.device, cell.environment, cell.precision, cell.replicas, cell.replication, cell.variables)
        subject = CertificateSubject(cell.adapter, cell.mode, *where)
        found[subject] = found.get(subject, frozenset()) | words
    return found


def folder() -> Path:
    """Where certificates are kept between runs: ``LEVELFIELD_CACHE``, else the user's cache."""
    import pooch

    return Path(os.environ.get("LEVELFIELD_CACHE") or pooch.os_cache("levelfield")) / "certificates"


def kept(
    subject: CertificateSubject,
    words: Iterable[str],
    info: AdapterInfo,
    versions: dict[str, str],
    quick: bool,
    machine: str,
) -> Certificate | None:
    """The certificate of an earlier run on such a machine, if it is there and still holds; a full one serves where
    quick is asked."""
    for form in (False, True) if quick else (False,):
        try:
            certificate = Certificate.model_validate_json(_path(subject, info, form, machine).read_bytes())
        except (OSError, ValidationError):
            continue
        about = (certificate.device, certificate.precision, certificate.replicas, certificate.replication)
        if about != (subject.device, subject.precision, subject.replicas, subject.replication):
            continue
        in_force = dict(subject.variables) | variables.kept(os.environ, subject.variables)
        if valid(certificate, fingerprint(info.source, info.distribution), versions, tuple(words), in_force) is None:
            return certificate
    return None


def keep(certificate: Certificate, subject: CertificateSubject, info: AdapterInfo) -> None:
    """Write a certificate for later runs; a cache that cannot be written is done without."""
    path = _path(subject, info, certificate.quick, certificate.machine)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}")
        partial.write_text(certificate.model_dump_json() + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError:
        return


def obtain(
    wanted: Needs,
    adapters: Mapping[str, AdapterInfo],
    interpreters: Mapping[str, Environment],
    hosts: Sequence[Host],
    stop: Stop,
    *,
    quick: bool,
    made: Callable[[Certificate], None],
    fresh: bool = False,
) -> list[Certificate]:
    """A certificate, passed or not, for every subject on every type of machine among the hosts; `made` is called for
    each that had to be made anew.

    The quick form proves what is needed and no more; the full one proves everything.
    """
    types = list(dict.fromkeys(host.machine.type for host in hosts))
    found: dict[Piece, Certificate] = {}
    missing: list[Piece] = []
    for piece in (Piece(subject, machine) for subject in wanted for machine in types):
        subject = piece.subject
        info = adapters[subject.adapter]
        versions = info.versions(interpreters[subject.environment].installed)
        words = wanted[subject]
        certificate = None if fresh else kept(subject, words, info, versions, quick, str(piece.machine))
        if certificate is None:
            missing.append(piece)
        else:
            found[piece] = certificate

    # The longest first, or torch.compile's are made at the end, one after the other, while the other cores have nothing
    missing.sort(key=lambda piece: piece.subject.mode != "compile")

    def work(piece: Piece, lane: Lane) -> None:
        subject = piece.subject
        certificate = lane.host.certify(subject, quick, wanted[subject] or None if quick else None, lane.core)
        found[piece] = certificate
        if certificate.passed:
            keep(certificate, subject, adapters[subject.adapter])
        made(certificate)

    side_by_side(
        missing,
        lambda piece: (hosts[0].key(piece.subject), piece.machine),
        work,
        [Lane(host, core) for host in hosts for core in host.cores],
        stop,
        fits=lambda piece, host: host.machine.type == piece.machine,
    )
    return [
        found[Piece(subject, machine)] for subject in wanted for machine in types if Piece(subject, machine) in found
    ]


def _path(subject: CertificateSubject, info: AdapterInfo, quick: bool, machine: str | None) -> Path:
    """One file for each adapter, mode, device, precision, replicas, type of machine, variables and place of its source:
    checkouts overwrite no other's."""
    passed = f"\n{subject.variables}" if subject.variables else ""
    place = hashlib.sha256(f"{info.source}\n{machine}{passed}".encode()).hexdigest()[:8]
    form = "quick" if quick else "full"
    where = [subject.device.replace(":", ""), subject.precision, subject.environment]
    where += [f"x{subject.replicas}", str(subject.replication)] if subject.replicas > 1 else []
    name = "-".join((subject.adapter, subject.mode, *where, form, place))
    return folder() / f"{name}.json"
