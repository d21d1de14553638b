"""One ``levelfield run`` from its arguments to its records."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from levelfield.adapters.registry import AdapterInfo, find
from levelfield.harness.cli.certify import named
from levelfield.harness.launch.hosts import Host, HostLost, Launcher
from levelfield.harness.launch.local import LocalLauncher
from levelfield.harness.launch.work_queue import Stop
from levelfield.harness.measure import peak
from levelfield.harness.plan import devices, environments, suite
from levelfield.harness.plan.launches import LARGEST_PLAN, Launch, Selection, Surroundings, device_of, plan
from levelfield.harness.plan.launches import devices as devices_of
from levelfield.harness.records import store
from levelfield.harness.records.certificate import Certificate
from levelfield.harness.records.record import Machine, Record, Run
from levelfield.harness.run import certify_first
from levelfield.harness.run.progress import Progress, duration
from levelfield.harness.run.resume import changes, left
from levelfield.harness.run.schedule import carry_out
from levelfield.harness.run.stop_rule import Goal
from levelfield.harness.system import machine, variables
from levelfield.tasks import registry as task_registry
from levelfield.tasks import table
from levelfield.tasks.errors import UserError, unknown
from levelfield.tasks.task import Task

if TYPE_CHECKING:
    from levelfield.harness.launch.ray import Cluster

MOST_BLOCKS = 1000  # where a budget or a precision decides


@dataclass
class Outcome:
    """What the command line reports; `folder` is None when nothing was run."""

    code: int
    folder: Path | None = None
    lines: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


def run(options: argparse.Namespace) -> Outcome:
    chosen, text = suite.read(options.suite)
    registry = find()
    chosen = suite.passing(chosen, dict(options.env))
    for problem in registry.problems:
        print(f"warning: {problem}", file=sys.stderr)
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
    tasks = load_tasks(chosen, selection, options.data_dir)
    cluster = connect(options.launcher)
    cores = len(machine.cores()) if cluster is None else cluster.cores
    budget = options.budget or chosen.budget
    distributions = {name for info in registry.adapters.values() for name in info.distributions}
    interpreters = environments.find(chosen.environments, distributions)
    without = {}  # a cluster's hosts say themselves what they have
    if cluster is None:
        wanted_devices = {
            device
            for part in (*chosen.learning, *chosen.speed)
            for device in devices_of(device_of(part, selection), max(part.replicas))
        }
        without = devices.lacking(wanted_devices, registry.adapters, interpreters, selection.adapters)
    there = Surroundings(registry.adapters, tasks, cores, interpreters, without)
    if options.precision or options.budget:
        cells = len(plan(chosen, there, replace(selection, blocks=1, seeds=1)))
        most = min(MOST_BLOCKS, LARGEST_PLAN // max(cells, 1))
        selection = replace(selection, blocks=options.blocks or most)
    launches = plan(chosen, there, selection)
    if not launches:
        print("nothing selected: no cell of the suite fits the options", file=sys.stderr)
        return Outcome(5)
    if options.dry_run:
        print_plan(launches)
        return Outcome(0)

    dropped = environments.not_passed_on(registry.adapters, dict(options.env))
    if options.resume is not None:
        kept, head, before, peaks = go_on(options, launches, there, text)
        launches = left(launches, before, head.machine if cluster is None else None)
    else:
        kept, head = begin(options, chosen, there, text, dropped)
        before, peaks = [], []
    for warning in dropped:
        print(f"warning: {warning}", file=sys.stderr)

    stop = Stop()
    goal = Goal(launches, head.baseline, registry.adapters, budget, options.precision, elastic=not options.budget)
    for record in before:
        goal.remember(record)
    resume = f"levelfield run --resume {shlex.quote(str(kept.folder))}"

    def finished(launch: Launch, record: Record) -> None:
        kept.append(record)
        goal.add(record)
        progress.finished(launch, record)

    with (
        interruptible(stop, resume),
        open_launcher(cluster, options, chosen, there, launches, head.machine) as launcher,
    ):
        lanes = sum(len(host.cores) for host in launcher.hosts)
        progress = Progress(launches, lanes, len(launcher.hosts), options.quiet, goal.left)
        if not options.no_certify:
            wanted = certify_first.needed(launches, tasks)
            if wanted and not options.quiet:
                print(f"certifying {len(wanted)} adapters in their modes, where not done before", file=sys.stderr)
            for certificate in certify_first.obtain(
                wanted,
                registry.adapters,
                interpreters,
                launcher.hosts,
                stop,
                quick=True,
                made=report_certificate(options.quiet),
            ):
                kept.append_certificate(certificate)
        if chosen.peaks:
            measure_peaks(launcher.hosts, launches, registry.adapters, kept, peaks, stop, options.quiet)
        carry_out(launches, launcher.hosts, finished, stop, goal.reached)
    progress.close()
    kept.close()
    return summarise(kept.folder, duration(progress.elapsed()), resume if stop.asked.is_set() else None)


def measure_peaks(
    hosts: Sequence[Host],
    launches: Sequence[Launch],
    adapters: Mapping[str, AdapterInfo],
    kept: store.Store,
    before: Sequence[peak.Peak],
    stop: Stop,
    quiet: bool,
) -> None:
    """What one host of each type of machine can do, where that was not measured `before`."""
    for type_, host in {host.machine.type: host for host in reversed(hosts)}.items():
        known = [one for one in before if one.machine in (None, str(type_))]
        subjects = peak.wanted(launches, known)
        if subjects and not quiet:
            print("measuring what the device can do", file=sys.stderr)
        with suppress(HostLost):  # the launches will notice
            for measured in peak.obtain(subjects, adapters, host, stop):
                kept.append_peak(measured.model_copy(update={"machine": str(type_)}))
            if subjects:
                host.end_all_but([launch.cell for launch in launches])


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
    options: argparse.Namespace, chosen: suite.Suite, there: Surroundings, text: str, dropped: Sequence[str]
) -> tuple[store.Store, Run]:
    """A new run's folder with its head."""
    folder = options.output or store.new_folder(chosen.name)
    baseline, warnings = choose_baseline(chosen.baseline, there.adapters)
    head = Run(
        name=folder.name,
        suite=options.suite,
        summary=chosen.summary,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command(options),
        baseline=baseline,
        plan_seed=chosen.seed,
        machine=machine.describe(options.anonymous),
        warnings=[*warnings, *dropped, *machine.warnings()],
        suite_text=text,
        study=chosen.study,
        tasks={name: facts(task) for name, task in there.tasks.items()},
    )
    return store.Store.create(folder, head), head


def go_on(
    options: argparse.Namespace, launches: Sequence[Launch], there: Surroundings, text: str
) -> tuple[store.Store, Run, list[Record], list[peak.Peak]]:
    """The folder, head, records and peaks of a run to be resumed; changes are refused, or marked in its head."""
    kept = store.Store(options.resume)
    before = store.read(options.resume)
    changed = changes(
        before,
        launches,
        suite_text=text,
        tasks={name: facts(task) for name, task in there.tasks.items()},
        machine=machine.describe(True),
        adapters=there.adapters,
        environments=there.environments,
        kept=variables.kept(os.environ) if options.launcher == "local" else None,
    )
    if changed and not options.allow_changes:
        raise UserError(
            f"{options.resume} was begun under other conditions: {'; '.join(changed)}",
            "restore them, begin a new run, or add --allow-changes: the report will say so",
        )
    head = before.run
    if changed:
        marked = [f"Resumed after a change: {change}." for change in changed]
        head = head.model_copy(update={"warnings": [*head.warnings, *marked]})
        kept.write_head(head)
    return kept, head, before.records, before.peaks


def report_certificate(quiet: bool) -> Callable[[Certificate], None]:
    """A line for each certificate that was made; failures are told even when quiet."""

    def tell(certificate: Certificate) -> None:
        what = named(certificate)
        if not certificate.passed:
            failed = ", ".join(certificate.failed) or "nothing could be checked"
            print(f"not certified: {what}: {failed}", file=sys.stderr)
        elif not quiet:
            print(f"certified: {what}", file=sys.stderr)

    return tell


def load_tasks(chosen: suite.Suite, selection: Selection, data_dir: Path | None) -> dict[str, Task]:
    """The tasks that the suite and the selection name."""
    wanted = dict.fromkeys(name for part in (*chosen.learning, *chosen.speed) for name in part.task)
    for name in selection.tasks:
        if name not in wanted:
            raise unknown("task of this suite", name, wanted)
    loaded = {}
    for name in wanted:
        if selection.tasks and name not in selection.tasks:
            continue
        if name in chosen.tasks:
            loaded[name] = table.load(name, suite.table_spec(chosen.tasks[name]))
        else:
            loaded[name] = task_registry.load(name, data_dir=data_dir)
    return loaded


def facts(task: Task) -> dict[str, Any]:
    """What the report says about a task."""
    samples = {split: len(getattr(task, split).x) for split in ("train", "validation", "test")}
    return {
        "source": task.source,
        "licence": task.licence,
        "kind": task.kind,
        "features": task.features,
        "outputs": task.outputs,
        "samples": samples,
        "digest": task.digest(),
    }


def choose_baseline(wanted: str, adapters: Mapping[str, AdapterInfo]) -> tuple[str, list[str]]:
    """The suite's baseline, or the first low-level adapter that is installed, with a warning that says so."""
    if adapters[wanted].missing() is None:
        return wanted, []
    others = [info.name for info in adapters.values() if info.api == "low" and info.missing() is None]
    chosen = others[0] if others else wanted
    return chosen, [f"The suite's baseline {wanted} {adapters[wanted].missing()}. {chosen} stands in for it."]


def command(options: argparse.Namespace) -> str:
    """The command that repeats this run."""
    words = ["levelfield", "run", options.suite]
    for flag, values in (("-a", options.adapter), ("-t", options.task), ("--mode", options.mode)):
        words += [word for value in values for word in (flag, value)]
    for flag, value in (
        ("--device", options.device),
        ("--matmul-precision", options.matmul_precision),
        ("--threads", options.threads),
        ("--blocks", options.blocks),
        ("--seeds", options.seeds),
        ("--data-dir", options.data_dir),
        ("--launcher", None if options.launcher == "local" else options.launcher),
    ):
        words += [flag, str(value)] if value is not None else []
    words += [word for name, value in options.env for word in ("--env", f"{name}={value}")]
    words += ["--budget", f"{options.budget:g}s"] if options.budget else []
    words += ["--precision", f"{100 * options.precision:g}%"] if options.precision else []
    words += [
        f"--{flag.replace('_', '-')}"
        for flag in ("cold", "full", "no_certify", "no_probes", "anonymous")
        if getattr(options, flag)
    ]
    return shlex.join(words)


def print_plan(launches: Sequence[Launch]) -> None:
    """One line a cell on stdout, with the number of its launches or the reason why there are none."""
    counts: Counter[tuple[str, str]] = Counter()
    for launch in launches:
        cell = launch.cell
        what = f"{cell.kind:8} {cell.task} {cell.model.name} {cell.recipe.name} {cell.adapter} ({cell.how})"
        counts[what, launch.skip or ""] += 1
    for (what, skip), count in sorted(counts.items()):
        print(f"{what}: {f'skipped: {skip}' if skip else f'{count} launches'}")
    made = sum(1 for launch in launches if not launch.skip)
    print(f"{made} launches, {len(launches) - made} skipped", file=sys.stderr)


def summarise(folder: Path, took: str, resume: str | None) -> Outcome:
    """Counts with reasons, from the records on the disk."""
    records = store.read(folder).records
    counts: Counter[str] = Counter(record.status for record in records)
    parts = [f"{counts['ok']} ok"] + [f"{counts[s]} {s}" for s in ("failed", "unsupported", "skipped") if counts[s]]
    lines = [f"{', '.join(parts)} in {took}"]
    reasons = Counter((r.status, r.cell.adapter, r.reason or "") for r in records if r.status != "ok")
    lines += [f"  {status}: {adapter}: {reason} (×{n})" for (status, adapter, reason), n in sorted(reasons.items())]
    if resume:
        lines.append(f"interrupted; go on with: {resume}")
    code = 130 if resume else 1 if counts["failed"] else 0
    return Outcome(code, folder, lines, dict(counts))


@contextmanager
def interruptible(stop: Stop, resume: str) -> Iterator[None]:
    """The first Ctrl-C lets the launches under way finish, the second ends them."""

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
