"""One ``levelfield run`` from its arguments to its records."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from levelfield.adapters.registry import AdapterInfo, find
from levelfield.harness.launch.hosts import Launcher
from levelfield.harness.launch.local import LocalLauncher
from levelfield.harness.plan import devices, environments, suite
from levelfield.harness.plan.launches import LARGEST_PLAN, Launch, Selection, Surroundings, device_of, devices_of, plan
from levelfield.harness.plan.plan_text import print_plan
from levelfield.harness.records import store
from levelfield.harness.records.certificate import Certificate
from levelfield.harness.records.record import Record, Run
from levelfield.harness.run import certify_first, data, peaks
from levelfield.harness.run.outcome import Outcome, resume_command, summarise
from levelfield.harness.run.progress import Progress, duration
from levelfield.harness.run.resume import changes, left
from levelfield.harness.run.schedule import carry_out
from levelfield.harness.run.stop_rule import Goal
from levelfield.harness.system import machine, variables
from levelfield.harness.system.machine import Machine
from levelfield.harness.system.stop import Stop
from levelfield.tasks.errors import UserError

if TYPE_CHECKING:
    from levelfield.harness.launch.ray import Cluster

MOST_BLOCKS = 1000  # where a budget or a precision decides


def run(options: argparse.Namespace, command: str, begun: Run | None = None) -> Outcome:
    """Carry out `options`, which `command` would repeat; of a run that goes on, `begun` is the head whose suite is
    meant, wherever its file is now.

    Whatever is raised, the run's folder is unlocked again, and all that was started is ended.
    """
    if begun is None:
        chosen, text = suite.read(options.suite)
    else:
        where = None if begun.suite_folder is None else options.resume / begun.suite_folder
        chosen, text = suite.of_run(begun.suite, begun.suite_text, where), begun.suite_text
    registry = find()
    chosen = suite.passing(chosen, dict(options.env))
    for problem in registry.problems:
        print(f"warning: {problem}", file=sys.stderr)
    parts = (*chosen.speed, *chosen.learning)
    registry.check([*options.adapter, chosen.baseline, *(name for part in parts for name in part.adapters)])
    with ExitStack() as stack:
        cluster = connect(options.launcher)
        if cluster is not None:
            stack.callback(cluster.close)
        there, planned = _planned(options, chosen, registry.adapters, cluster)
        data.tell(there.tasks, options.quiet)
        if not planned:
            print("nothing selected: no cell of the suite fits the options", file=sys.stderr)
            return Outcome(5)
        if options.dry_run and options.resume is None:
            print_plan(planned)
            return Outcome(0)
        here = machine.describe(options.anonymous)
        before, launches = None, planned
        if options.resume is not None:
            if not options.dry_run:
                kept = store.Store(options.resume)
                stack.callback(kept.close)
            before = store.read(options.resume)
            head = go_on(before, planned, there, text, here, options)
            launches = left(planned, before.records, here if cluster is None else None, options.cold)
        if options.dry_run:
            print_plan(launches)
            return Outcome(0)
        dropped = environments.not_passed_on(registry.adapters, dict(options.env))
        for warning in dropped:
            print(f"warning: {warning}", file=sys.stderr)
        if before is None:
            kept, head = begin(options, command, chosen, there, text, here, dropped)
            stack.callback(kept.close)
        head = head.model_copy(
            update={
                "planned": sum(not launch.skip for launch in planned),
                "at_most": bool(options.budget or chosen.budget or options.precision),
                "ended": None,
            }
        )
        kept.write_head(head)
        return _carry_out(options, chosen, there, cluster, kept, head, here, before, planned, launches)


def _planned(
    options: argparse.Namespace,
    chosen: suite.Suite,
    adapters: Mapping[str, AdapterInfo],
    cluster: Cluster | None,
) -> tuple[Surroundings, list[Launch]]:
    """What there is to plan with, and all launches of the run."""
    selection = Selection(
        tuple(options.adapter),
        tuple(options.task),
        tuple(options.mode),
        tuple(options.track),
        options.blocks,
        options.seeds,
        options.threads,
        options.device,
        options.matmul_precision,
        options.full,
    )
    tasks = data.load_tasks(chosen, selection, options.data_dir)
    cores = len(machine.cores()) if cluster is None else cluster.cores
    distributions = {name for info in adapters.values() for name in info.distributions}
    interpreters = environments.find(chosen.environments, distributions)
    without = {}  # a cluster's hosts say themselves what they have
    if cluster is None:
        wanted_devices = {
            device
            for part in (*chosen.learning, *chosen.speed)
            for device in devices_of(device_of(part, selection), max(part.replicas))
        }
        without = devices.lacking(wanted_devices, adapters, interpreters, selection.adapters)
    there = Surroundings(adapters, tasks, cores, interpreters, without)
    if options.precision or options.budget:
        cells = len(plan(chosen, there, replace(selection, blocks=1, seeds=1)))
        most = min(MOST_BLOCKS, LARGEST_PLAN // max(cells, 1))
        selection = replace(selection, blocks=options.blocks or most)
    return there, plan(chosen, there, selection)


def _carry_out(
    options: argparse.Namespace,
    chosen: suite.Suite,
    there: Surroundings,
    cluster: Cluster | None,
    kept: store.Store,
    head: Run,
    here: Machine,
    before: store.Contents | None,
    planned: Sequence[Launch],
    launches: Sequence[Launch],
) -> Outcome:
    """Certify, measure peaks, make the `launches`, and tell what came of it."""
    stop, adapters = Stop(), there.adapters
    budget = options.budget or chosen.budget
    goal = Goal(launches, head.baseline, adapters, budget, options.precision, elastic=not options.budget)
    for record in before.records if before else ():
        goal.remember(record)
    for warning in machine.limits() if cluster is None else ():
        print(f"warning: {warning}", file=sys.stderr)

    def finished(launch: Launch, record: Record) -> None:
        kept.append(record)
        goal.add(record)
        progress.finished(launch, record)

    with (
        interruptible(stop, resume_command(kept.folder)),
        open_launcher(cluster, options, chosen, there, launches, here) as launcher,
    ):
        lanes = sum(len(host.cores) for host in launcher.hosts)
        progress = Progress(launches, lanes, len(launcher.hosts), options.quiet, goal.left)
        if not options.no_certify:
            wanted = certify_first.needed(launches, there.tasks)
            if wanted and not options.quiet:
                modes = "mode" if len(wanted) == 1 else "modes"
                print(f"certifying {len(wanted)} {modes} of adapters, where not done before", file=sys.stderr)
            for certificate in certify_first.obtain(
                wanted,
                adapters,
                there.environments,
                launcher.hosts,
                stop,
                quick=True,
                made=report_certificate(options.quiet),
            ):
                kept.append_certificate(certificate)
        if chosen.peaks:
            peaks.measure(launcher.hosts, launches, adapters, kept, before.peaks if before else [], stop, options.quiet)
        carry_out(launches, launcher.hosts, finished, stop, goal.reached)
    progress.close()
    interrupted = stop.asked.is_set()
    kept.write_head(head.model_copy(update={"ended": "interrupted" if interrupted else "complete"}))
    took = duration(progress.elapsed())
    outcome = summarise(kept.folder, took, planned, interrupted, not options.no_certify)
    outcome.lines += [goal.hopeless] if goal.hopeless else []
    return outcome


def connect(where: str) -> Cluster | None:
    """The cluster that ``--launcher`` means, None for this machine. Raises UserError when it cannot be reached."""
    if where == "local":
        return None
    try:
        from levelfield.harness.launch import ray
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise UserError("--launcher ray needs Ray, which is not installed", "pip install 'levelfield[ray]'") from None
    return ray.Cluster(where.removeprefix("ray").removeprefix("://"))


def open_launcher(
    cluster: Cluster | None,
    options: argparse.Namespace,
    chosen: suite.Suite,
    there: Surroundings,
    launches: Sequence[Launch],
    here: Machine,
) -> Launcher:
    """What makes the launches, on this machine or on the hosts of a cluster."""
    if cluster is not None:
        how = {name: getattr(options, name) for name in ("cold", "anonymous", "no_probes")}
        return cluster.launcher(chosen, there, launches, **how)
    return LocalLauncher(
        there.adapters,
        there.tasks,
        here,
        machine.cores(),
        chosen.time_limit,
        options.cold,
        there.environments,
        suite.size(chosen.memory_limit, machine.memory()),
        probes=not options.no_probes,
    )


def begin(
    options: argparse.Namespace,
    command: str,
    chosen: suite.Suite,
    there: Surroundings,
    text: str,
    here: Machine,
    dropped: Sequence[str],
) -> tuple[store.Store, Run]:
    """A new run's folder with its head."""
    folder = options.output or store.new_folder(chosen.name)
    baseline, warnings = choose_baseline(chosen.baseline, there.adapters)
    own_files = bool(chosen.tasks or chosen.environments)
    head = Run(
        name=folder.name,
        suite=options.suite,
        summary=chosen.summary,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        baseline=baseline,
        plan_seed=chosen.seed,
        machine=here,
        warnings=[*warnings, *dropped, *machine.warnings()],
        suite_text=text,
        suite_folder=os.path.relpath(Path(chosen.file).resolve().parent, folder.resolve()) if own_files else None,
        study=chosen.study,
        tasks={name: data.facts(task) for name, task in there.tasks.items()},
    )
    return store.Store.create(folder, head), head


def go_on(
    before: store.Contents,
    planned: Sequence[Launch],
    there: Surroundings,
    text: str,
    here: Machine,
    options: argparse.Namespace,
) -> Run:
    """The head of a run that goes on; changes are refused, or marked in its warnings, and so is another host."""
    tasks = {name: data.facts(task) for name, task in there.tasks.items()}
    changed = changes(
        before,
        planned,
        suite_text=text,
        tasks=tasks,
        machine=here,
        adapters=there.adapters,
        environments=there.environments,
        kept=variables.kept(os.environ) if options.launcher == "local" else None,
    )
    if changed and not options.allow_changes:
        raise UserError(
            f"{before.run.folder} was begun under other conditions: {'; '.join(changed)}",
            "restore them, begin a new run, or add --allow-changes: the report will say so",
        )
    was, now = before.run.machine.host, here.host
    marked = [f"Resumed after a change: {change}." for change in changed]
    if was != now and None not in (was, now):
        marked.append(f"Gone on with on {now}; it was begun on {was}.")
    warnings = list(dict.fromkeys([*before.run.warnings, *marked]))
    return before.run.model_copy(update={"warnings": warnings})


def report_certificate(quiet: bool) -> Callable[[Certificate], None]:
    """A line for each certificate that was made; failures are told even when quiet."""

    def tell(certificate: Certificate) -> None:
        what = certificate.label
        if not certificate.passed:
            failed = ", ".join(certificate.failed) or "nothing could be checked"
            print(f"not certified: {what}: {failed}", file=sys.stderr)
        elif not quiet:
            print(f"certified: {what}", file=sys.stderr)

    return tell


def choose_baseline(wanted: str, adapters: Mapping[str, AdapterInfo]) -> tuple[str, list[str]]:
    """The suite's baseline, or the first low-level adapter that is installed, with a warning that says so."""
    if adapters[wanted].missing() is None:
        return wanted, []
    others = [info.name for info in adapters.values() if info.api == "low" and info.missing() is None]
    chosen = others[0] if others else wanted
    return chosen, [f"The suite's baseline {wanted} {adapters[wanted].missing()}. {chosen} stands in for it."]


@contextmanager
def interruptible(stop: Stop, resume: str) -> Iterator[None]:
    """The first Ctrl-C lets the launches under way finish, the second ends them.

    In a thread that is not the program's first, signals are the program's own affair.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.asked.is_set():
            raise KeyboardInterrupt
        stop.asked.set()
        print(f"\nstopping after the launches under way; go on later with: {resume}", file=sys.stderr)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
