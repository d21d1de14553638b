"""Launches on the machines of a Ray cluster; the only module that imports Ray, which is an optional extra.

Every node that has the resource ``levelfield`` is a host. One actor there holds the node's only token of it, its CPUs
and its accelerators for as long as the run lasts, so that no two timed launches, of this run or another, ever share
the node. It keeps a `LocalHost` with its warm parents; each learning launch, and each block of speed launches, is a
task of that actor. The data travel through Ray's object store, once to each node.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from levelfield.adapters.registry import AdapterInfo
from levelfield.harness.launch.hosts import HostLost, Stage, silent
from levelfield.harness.launch.parent_key import Key, parent_key
from levelfield.harness.launch.ray_node import Node, Terms, software
from levelfield.harness.plan.launches import CertificateSubject, Launch, Surroundings
from levelfield.harness.plan.suite import Suite
from levelfield.harness.records import peak
from levelfield.harness.records.cell import Cell
from levelfield.harness.records.certificate import Certificate
from levelfield.harness.records.record import Record
from levelfield.harness.system.differing import differing
from levelfield.harness.system.machine import Machine
from levelfield.tasks.errors import UserError

TOKEN = "levelfield"  # noqa: S105 - the resource of which a node declares one
_CONTACT, _START, _CLOSE = 5.0, 120.0, 10.0  # seconds
_HELP = "docs/clusters.md tells how a cluster is set up"


class RayHost:
    """The driver's side of a `Node`."""

    def __init__(
        self,
        actor: Any,
        adapters: Mapping[str, AdapterInfo],
        devices: frozenset[str],
        machine: Machine,
        cores: list[int],
    ) -> None:
        self.actor, self.adapters, self.devices, self.machine, self.cores = actor, adapters, devices, machine, cores
        self.tell: Callable[[Stage], None] = silent

    def offers(self, cell: Cell) -> bool:
        return cell.device.partition(":")[0] in self.devices and cell.cores <= len(self.cores)

    def key(self, wanted: Cell | CertificateSubject) -> Key:
        return parent_key(self.adapters[wanted.adapter], wanted, len(self.cores))

    def launch(self, launch: Launch, core: int | None = None) -> Record:
        return self._do("launch", launch, core)

    def block(self, launches: Sequence[Launch]) -> list[Record]:
        return self._do("block", list(launches))

    def certify(
        self, subject: CertificateSubject, quick: bool, needs: frozenset[str] | None, core: int | None = None
    ) -> Certificate:
        return self._do("certify", subject, quick, needs, core)

    def peak(self, adapter: str, subject: peak.PeakSubject) -> peak.Candidate:
        return self._do("peak", adapter, subject)

    def end_all_but(self, cells: Iterable[Cell]) -> None:
        self._do("end_all_but", list(cells))

    def _do(self, method: str, *arguments: Any) -> Any:
        """What its local launcher answers."""
        return _answer(self.actor.do.remote(method, *arguments))


def _answer(asked: Any, timeout: float | None = None) -> Any:
    """What an actor answers; what it raised is raised here."""
    try:
        return ray.get(asked, timeout=timeout)
    except RayTaskError as error:
        raise error.cause from None
    except RayActorError as error:
        raise HostLost(str(error)) from None


@dataclass(frozen=True)
class Member:
    """A node of the cluster that can be a host."""

    id: str
    name: str
    cpus: int
    resources: dict[str, float]  # accelerators and the token

    @property
    def devices(self) -> frozenset[str]:
        return frozenset({"cpu", *(name.lower() for name in ("GPU", "TPU") if self.resources.get(name))})


class Cluster:
    """The connection to a running cluster. `address` is that of ``ray start``; empty for the one of this machine."""

    def __init__(self, address: str) -> None:
        """Raises UserError when there is no such cluster, or none of its nodes can be a host."""
        address = address or os.environ.get("RAY_ADDRESS", "auto")
        _contact(address)
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        try:
            ray.init(address, log_to_driver=False, logging_level=logging.CRITICAL)
        except (RayError, ConnectionError, RuntimeError, ValueError) as error:
            first = str(error).strip().splitlines()[0]
            raise UserError(f"no connection to the Ray cluster {address}: {first}", _HELP) from None
        self.members = [_member(node) for node in ray.nodes() if node["Alive"] and node["Resources"].get(TOKEN)]
        if not self.members:
            ray.shutdown()
            raise UserError(
                f"no node of the Ray cluster {address} has the resource {TOKEN!r}",
                f"""ray start --resources '{{"{TOKEN}": 1}}' on every node that shall make launches""",
            )

    def close(self) -> None:
        """End the connection, as `RayLauncher` does at its own end."""
        ray.shutdown()

    @property
    def cores(self) -> int:
        """Of the smallest host: what a suite's "all" threads are."""
        return min(member.cpus for member in self.members)

    def launcher(
        self,
        chosen: Suite,
        surroundings: Surroundings,
        launches: Iterable[Launch],
        *,
        cold: bool,
        anonymous: bool,
        no_probes: bool,
    ) -> RayLauncher:
        uses = frozenset((launch.cell.adapter, launch.cell.environment) for launch in launches if not launch.skip)
        limits = (chosen.time_limit, chosen.memory_limit, cold, anonymous, not no_probes)
        terms = Terms(*limits, chosen.environments, uses)
        return RayLauncher(self.members, surroundings, terms)


class RayLauncher:
    """An actor on every member; a context manager that ends them."""

    def __init__(self, members: Sequence[Member], surroundings: Surroundings, terms: Terms) -> None:
        """Raises UserError when a host has other software than this machine, or none can be had."""
        self.hosts: list[RayHost] = []
        self.actors = [_actor(member) for member in members]
        try:
            self._begin(members, surroundings, terms)
        except BaseException:
            self.__exit__()
            raise

    def _begin(self, members: Sequence[Member], surroundings: Surroundings, terms: Terms) -> None:
        data = ray.put(dict(surroundings.tasks))
        asked = [
            actor.begin.remote(data, terms, member.name, member.cpus)
            for actor, member in zip(self.actors, members, strict=True)
        ]
        ray.wait(asked, num_returns=len(asked), timeout=_START)
        ours = software(terms.uses, surroundings.adapters, surroundings.environments)
        for actor, member, begun in zip(self.actors, members, asked, strict=True):
            try:
                about, cores, added, theirs, dropped = _answer(begun, timeout=0.1)
            except (HostLost, GetTimeoutError) as error:
                why = "was lost" if isinstance(error, HostLost) else "is taken by another run, or does not answer"
                print(f"warning: the host {member.name} {why}; going on without it", file=sys.stderr)
                continue
            _check_same(member.name, ours, theirs)
            for told in dropped:
                print(f"warning: on {member.name} {told}", file=sys.stderr)
            if added > 0:
                why = "start its node with RAY_worker_niceness=0 in the environment"
                print(f"warning: launches on {member.name} have a niceness of {added} more: {why}", file=sys.stderr)
            self.hosts.append(RayHost(actor, surroundings.adapters, member.devices, about, cores))
        if not self.hosts:
            raise UserError("no host of the Ray cluster can be had", "see 'ray status'; " + _HELP)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        closing = [actor.close.remote() for actor in self.actors]
        ray.wait(closing, num_returns=len(closing), timeout=_CLOSE)
        for actor in self.actors:
            ray.kill(actor)
        ray.shutdown()


def _actor(member: Member) -> Any:
    where = NodeAffinitySchedulingStrategy(member.id, soft=False)
    held = {name: amount for name, amount in member.resources.items() if name != "GPU"}
    return (
        ray.remote(Node)
        .options(
            num_cpus=member.cpus,
            num_gpus=member.resources.get("GPU", 0),
            resources=held,
            scheduling_strategy=where,
            max_concurrency=member.cpus + 2,  # its lanes, and `close`
        )
        .remote()
    )


def _member(node: Mapping[str, Any]) -> Member:
    resources = {name: node["Resources"][name] for name in (TOKEN, "GPU", "TPU") if node["Resources"].get(name)}
    name = node["NodeName"] if node["NodeName"] != node["NodeManagerAddress"] else node["NodeManagerHostname"]
    return Member(node["NodeID"], name, max(int(node["Resources"].get("CPU", 0)), 1), resources)


def _contact(address: str) -> None:
    """Raises UserError when nobody listens there: Ray itself would try for a minute."""
    host, colon, port = address.rpartition(":")
    if not colon:
        return
    try:
        socket.create_connection((host, int(port)), _CONTACT).close()
    except (OSError, ValueError, OverflowError) as error:
        raise UserError(f"nobody answers at {address}: {error}", "give the address that 'ray start' printed") from None


def _check_same(host: str, ours: Mapping[str, str], theirs: Mapping[str, str]) -> None:
    if differ := differing(ours, theirs, "absent"):
        name, here, there = differ[0]
        more = f", and {len(differ) - 1} more differ" if len(differ) > 1 else ""
        raise UserError(
            f"the host {host} has other software: {name} is {there}, here it is {here}{more}",
            "install the same levelfield and the same versions on every node and here",
        )
