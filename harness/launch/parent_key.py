"""Which warm parent makes a launch or a certificate: one for each framework, device, number of threads, environment."""

from __future__ import annotations

import zlib
from typing import NamedTuple

from levelfield.adapters.registry import AdapterInfo
from levelfield.harness.plan.launches import CertificateSubject
from levelfield.harness.records.cell import Cell


class Key(NamedTuple):
    """What a warm parent is for."""

    framework: str
    backend: str | None
    device: str
    threads: int
    environment: str
    replicas: int = 1  # that need cores, or accelerators, of their own
    plugin: str | None = None  # the module of a plug-in: nobody shares a process with foreign code
    lane: int = 0  # of several parents that are otherwise alike


def parent_key(info: AdapterInfo, wanted: Cell | CertificateSubject, cores: int) -> Key:
    """Of the warm parent that makes a launch or a certificate, on a host with so many cores."""
    timed = isinstance(wanted, Cell) and wanted.kind == "speed"
    threads = wanted.threads if isinstance(wanted, Cell) and timed else cores
    own = wanted.device != "cpu" or (timed and wanted.replication == "ranks")
    key = key_of(info, wanted.device, threads, wanted.environment, wanted.replicas if own else 1)
    if isinstance(wanted, Cell) and wanted.kind == "learning" and info.framework == "numpy":
        return key._replace(lane=zlib.crc32(wanted.id.encode()) % cores)  # a small parent: studies keep all cores busy
    return key


def key_of(info: AdapterInfo, device: str, threads: int, environment: str, replicas: int = 1) -> Key:
    """Of the warm parent for an adapter, with so many threads on one device or several."""
    plugin = None if info.builtin else info.module
    return Key(info.framework, info.backend, device, threads, environment, replicas, plugin)
