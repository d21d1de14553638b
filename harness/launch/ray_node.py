"""What runs on a host of a cluster: a local launcher that answers from afar. Nothing here imports Ray."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from levelfield.adapters.registry import AdapterInfo, find
from levelfield.harness.certify.fingerprint import fingerprint
from levelfield.harness.launch.local import LocalHost
from levelfield.harness.plan import environments
from levelfield.harness.plan.environments import Environment
from levelfield.harness.plan.suite import EnvironmentTable, size
from levelfield.harness.system import machine
from levelfield.harness.system.machine import Machine
from levelfield.tasks.errors import UserError
from levelfield.tasks.task import Task

Uses = frozenset[tuple[str, str]]  # adapter, environment


@dataclass(frozen=True)
class Terms:
    """What holds for all launches of a run. `memory` as the suite has it, for a share is one of the host's own."""

    seconds: float
    memory: str
    cold: bool
    anonymous: bool
    probes: bool
    environments: Mapping[str, EnvironmentTable]
    uses: Uses


class Node:
    """What runs on a host, as a Ray actor."""

    def begin(
        self, tasks: Mapping[str, Task], terms: Terms, name: str, cpus: int
    ) -> tuple[Machine, list[int], int, dict[str, str], list[str]]:
        """Its machine, the cores that launches use, what Ray adds to their niceness, the software they use, and what of
        the host's variables they do not get."""
        added = _undo_niceness()
        cores = machine.cores()[:cpus]
        if len(cores) < cpus:
            raise UserError(f"{name} declares {cpus} CPUs, and may use {len(cores)}", "ray start --num-cpus")
        adapters = find().adapters
        interpreters = environments.find(
            terms.environments, {name for info in adapters.values() for name in info.distributions}
        )
        here = machine.describe(terms.anonymous).model_copy(update={"cores": cpus})
        if here.host is not None:
            here = here.model_copy(update={"host": name})
        self.launcher = LocalHost(
            adapters,
            tasks,
            here,
            cores,
            terms.seconds,
            terms.cold,
            interpreters,
            size(terms.memory, machine.memory()),
            probes=terms.probes,
        )
        dropped = environments.not_passed_on(adapters, {})
        return here, cores, added, software(terms.uses, adapters, interpreters), dropped

    def do(self, method: str, *arguments: Any) -> Any:
        """What this method of the local launcher does."""
        return getattr(self.launcher, method)(*arguments)

    def close(self) -> None:
        self.launcher.__exit__()


def _undo_niceness() -> int:
    """Ray gives its workers a niceness of 15, and whatever they start inherits it. Only root may take that back.

    Returns how much is left of it. A niceness belongs to a thread, and each of an actor's threads starts processes.
    """
    usual = os.getpriority(os.PRIO_PROCESS, os.getppid())  # the raylet's
    with contextlib.suppress(OSError):
        for thread in Path("/proc/self/task").iterdir():
            os.setpriority(os.PRIO_PROCESS, int(thread.name), usual)
    return os.getpriority(os.PRIO_PROCESS, 0) - usual


def software(
    uses: Uses, adapters: Mapping[str, AdapterInfo], interpreters: Mapping[str, Environment]
) -> dict[str, str]:
    """Versions and sources by name: what must be the same on every host."""
    found: dict[str, str] = {}
    for adapter, environment in sorted(uses):
        if (info := adapters.get(adapter)) is not None:
            found |= {f"{n} for {adapter}": v for n, v in info.versions(interpreters[environment].installed).items()}
            found[f"the source of {adapter}, or the specification"] = fingerprint(info.source, info.distribution)
    return found
