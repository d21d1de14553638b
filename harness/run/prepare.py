"""From what a run is asked for to its plan: the suite, the data, and what there is to plan with. Nothing is started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from levelfield.adapters.registry import AdapterInfo, find
from levelfield.harness.plan import devices, environments, suite
from levelfield.harness.plan.launches import LARGEST_PLAN, Launch, Surroundings, devices_of, plan
from levelfield.harness.plan.suite import Suite
from levelfield.harness.records.record import Run
from levelfield.harness.run import data
from levelfield.harness.run.options import RunOptions
from levelfield.harness.system import machine
from levelfield.harness.system.console import warn
from levelfield.harness.system.machine import Machine

if TYPE_CHECKING:
    from levelfield.harness.launch.ray import Cluster

MOST_BLOCKS = 1000  # where a budget or a precision decides


@dataclass(frozen=True)
class Prepared:
    """A run as it is planned: `suite` as it was read from `text`, `planned` all launches that it shall have."""

    options: RunOptions
    suite: Suite
    text: str
    surroundings: Surroundings
    planned: list[Launch]
    cluster: Cluster | None = None

    @cached_property
    def machine(self) -> Machine:
        """That plans, and that makes the launches unless there is a cluster. Asks git, so a dry run does without."""
        return machine.describe(self.options.anonymous)

    @property
    def adapters(self) -> Mapping[str, AdapterInfo]:
        return self.surroundings.adapters

    @property
    def budget(self) -> float | None:
        """Seconds of speed launches."""
        return self.options.budget or self.suite.budget


def read_suite(options: RunOptions, begun: Run | None) -> tuple[Suite, str]:
    """The suite that is asked for, or that a run was `begun` with, and its text."""
    if begun is None:
        assert options.suite is not None
        return suite.read(options.suite)
    assert options.resume is not None
    where = None if begun.suite_folder is None else options.resume / begun.suite_folder
    return suite.of_run(begun.suite, begun.suite_text, where), begun.suite_text


def prepare(options: RunOptions, chosen: Suite, text: str, cluster: Cluster | None) -> Prepared:
    """The plan of a run of the `chosen` suite, which was read from `text`."""
    registry = find()
    warn(registry.problems)
    parts = (*chosen.speed, *chosen.learning)
    registry.check([*options.adapter, chosen.baseline, *(name for part in parts for name in part.adapters)])
    chosen = suite.passing(chosen, dict(options.env))
    surroundings = look_around(options, chosen, registry.adapters, cluster)
    selection = options
    if options.precision or options.budget:
        cells = len(plan(chosen, surroundings, replace(options, blocks=1, seeds=1)))
        most = min(MOST_BLOCKS, LARGEST_PLAN // max(cells, 1))
        selection = replace(options, blocks=options.blocks or most)
    planned = plan(chosen, surroundings, selection)
    return Prepared(options, chosen, text, surroundings, planned, cluster)


def look_around(
    options: RunOptions, chosen: Suite, adapters: Mapping[str, AdapterInfo], cluster: Cluster | None
) -> Surroundings:
    """What there is to plan with; of devices what this machine has, while a cluster's hosts say that themselves."""
    tasks = data.load_tasks(chosen, options, options.data_dir)
    distributions = {name for info in adapters.values() for name in info.distributions}
    interpreters = environments.find(chosen.environments, distributions)
    if cluster is not None:
        return Surroundings(adapters, tasks, cluster.cores, interpreters)
    wanted = {
        device
        for part in (*chosen.learning, *chosen.speed)
        for device in devices_of(options.device or part.device, max(part.replicas))
    }
    without = devices.lacking(wanted, adapters, interpreters, options.adapter)
    return Surroundings(adapters, tasks, len(machine.cores()), interpreters, without)
