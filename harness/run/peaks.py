"""The peaks of a run: which are needed, and who is asked for them.

A peak belongs to the state of the machine, so it is measured in every run, once for each device, precision and number
of threads that its speed cells use. It takes the best of all frameworks, selected or not: the libraries differ by a
factor of two, and a share of the peak must not depend on who else takes part.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from threading import Event

from levelfield.adapters.registry import AdapterInfo
from levelfield.harness.launch.hosts import Host, HostLost
from levelfield.harness.plan.launches import Launch
from levelfield.harness.records.peak import Peak, PeakSubject
from levelfield.harness.records.store import Store

ARITHMETIC = ("numpy", "torch", "tensorflow", "jax")  # distributions whose products are tried


def wanted(launches: Iterable[Launch], measured: Iterable[Peak] = ()) -> list[PeakSubject]:
    """The peaks that the speed cells of these launches are held against, less those that were `measured`."""
    cells = dict.fromkeys(launch.cell for launch in launches if launch.cell.kind == "speed" and not launch.skip)
    subjects = dict.fromkeys(PeakSubject(cell.device, cell.precision, cell.threads) for cell in cells)
    done = {peak.subject for peak in measured}
    return [subject for subject in subjects if subject not in done]


def askable(adapters: Mapping[str, AdapterInfo]) -> dict[str, str]:
    """Framework → an installed adapter through which its runtime is reached, the framework's own before others."""
    found: dict[str, str] = {}
    for info in sorted(adapters.values(), key=lambda info: info.backend is not None):
        if info.builtin and info.runtime in ARITHMETIC and info.missing() is None:
            found.setdefault(info.runtime, info.name)
    return found


def obtain(
    subjects: Iterable[PeakSubject], adapters: Mapping[str, AdapterInfo], host: Host, stop: Event
) -> Iterator[Peak]:
    """One peak after the other, each complete; none once an end was asked for."""
    for subject in subjects:
        candidates = []
        for adapter in askable(adapters).values():
            if stop.is_set():
                return
            candidates.append(host.peak(adapter, subject))
        date = datetime.now(UTC).isoformat(timespec="seconds")
        yield Peak(**subject._asdict(), date=date, candidates=tuple(candidates))


def measure(
    hosts: Sequence[Host],
    launches: Sequence[Launch],
    adapters: Mapping[str, AdapterInfo],
    kept: Store,
    before: Sequence[Peak],
    stop: Event,
    quiet: bool,
) -> None:
    """What one host of each type of machine can do, where that was not measured `before`."""
    for type_, host in {host.machine.type: host for host in reversed(hosts)}.items():
        known = [one for one in before if one.machine in (None, str(type_))]
        subjects = wanted(launches, known)
        if subjects and not quiet:
            print("measuring what the device can do", file=sys.stderr)
        with suppress(HostLost):  # the launches will notice
            for measured in obtain(subjects, adapters, host, stop):
                kept.append(measured.model_copy(update={"machine": str(type_)}))
            if subjects:
                host.end_all_but([launch.cell for launch in launches])
