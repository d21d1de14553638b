"""Which certificates a run needs, those kept from earlier runs that still hold, and the making of the rest."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Hashable, Iterable, Mapping
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from adapters.registry import AdapterInfo
from harness.certify.certificate import Certificate, fingerprint, needs, valid
from harness.environments import Environment
from harness.lanes import Stop, side_by_side
from harness.plan import Launch, Subject
from tasks.task import Task

Needs = Mapping[Subject, frozenset[str]]  # what must be proved of each, in the words of `certificate.needs`


class Certifier(Protocol):
    """What makes certificates: a launcher."""

    cores: list[int]

    def certify_key(self, subject: Subject) -> Hashable: ...

    def certify(
        self, subject: Subject, quick: bool, needs: frozenset[str] | None, core: int | None = None
    ) -> Certificate: ...


def needed(launches: Iterable[Launch], tasks: Mapping[str, Task]) -> dict[Subject, frozenset[str]]:
    """What must be certified before these launches may take part in a verdict."""
    found: dict[Subject, frozenset[str]] = {}
    for cell in dict.fromkeys(launch.cell for launch in launches if not launch.skip):
        m, kind = cell.model, tasks[cell.task].kind
        words = needs(cell.recipe.optimizer, m.activation, len(m.hidden), m.dropout, m.l2, kind)
        subject = Subject(cell.adapter, cell.mode, cell.device, cell.environment)
        found[subject] = found.get(subject, frozenset()) | words
    return found


def folder() -> Path:
    """Where certificates are kept between runs: ``LEVELFIELD_CACHE``, else the user's cache."""
    import pooch

    return Path(os.environ.get("LEVELFIELD_CACHE") or pooch.os_cache("levelfield")) / "certificates"


def kept(
    subject: Subject, words: Iterable[str], info: AdapterInfo, versions: dict[str, str], quick: bool
) -> Certificate | None:
    """The certificate of an earlier run, if it is there and still holds; a full one serves where quick is asked."""
    for form in (False, True) if quick else (False,):
        try:
            certificate = Certificate.model_validate_json(_path(subject, info, form).read_bytes())
        except (OSError, ValidationError):
            continue
        if valid(certificate, fingerprint(info.source), versions, tuple(words)) is None:
            return certificate
    return None


def keep(certificate: Certificate, subject: Subject, info: AdapterInfo) -> None:
    """Write a certificate for later runs; a cache that cannot be written is done without."""
    path = _path(subject, info, certificate.quick)
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
    launcher: Certifier,
    stop: Stop,
    *,
    quick: bool,
    made: Callable[[Certificate], None],
    fresh: bool = False,
) -> list[Certificate]:
    """A certificate, passed or not, for every subject; `made` is called for each that had to be made anew.

    The quick form proves what is needed and no more; the full one proves everything.
    """
    found: dict[Subject, Certificate] = {}
    missing: list[Subject] = []
    for subject, words in wanted.items():
        info = adapters[subject.adapter]
        versions = info.versions(interpreters[subject.environment].installed)
        certificate = None if fresh else kept(subject, words, info, versions, quick)
        if certificate is None:
            missing.append(subject)
        else:
            found[subject] = certificate

    def work(subject: Subject, core: int) -> None:
        certificate = launcher.certify(subject, quick, wanted[subject] or None if quick else None, core)
        found[subject] = certificate
        if certificate.passed:
            keep(certificate, subject, adapters[subject.adapter])
        made(certificate)

    side_by_side(missing, launcher.certify_key, work, launcher.cores, stop)
    return [found[subject] for subject in wanted if subject in found]


def _path(subject: Subject, info: AdapterInfo, quick: bool) -> Path:
    """One file for each adapter, mode, device and place of its source, so that checkouts do not overwrite another's."""
    place = hashlib.sha256(str(info.source).encode()).hexdigest()[:8]
    form = "quick" if quick else "full"
    name = "-".join((subject.adapter, subject.mode, subject.device.replace(":", ""), subject.environment, form, place))
    return folder() / f"{name}.json"
