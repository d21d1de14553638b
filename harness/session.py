"""One ``levelfield run`` from its arguments to its records."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from adapters.registry import AdapterInfo, find
from harness import certificates, environments, machine, store, suite
from harness.certify.certificate import Certificate
from harness.goal import Goal
from harness.lanes import Stop
from harness.launch.local import LocalLauncher
from harness.plan import LARGEST_PLAN, Launch, Selection, Surroundings, plan
from harness.progress import Progress, duration
from harness.record import Record, Run
from harness.resume import changes
from harness.schedule import carry_out
from tasks import registry as task_registry
from tasks import table
from tasks.errors import UserError, unknown
from tasks.task import Task

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
    for problem in registry.problems:
        print(f"warning: {problem}", file=sys.stderr)
    selection = Selection(
        tuple(options.adapter), tuple(options.task), tuple(options.mode), options.blocks, options.seeds, options.threads
    )
    tasks = load_tasks(chosen, selection, options.data_dir)
    cores = machine.cores()
    budget = options.budget or chosen.budget
    distributions = {name for info in registry.adapters.values() for name in info.distributions}
    interpreters = environments.find(chosen.environments, distributions)
    there = Surroundings(registry.adapters, tasks, len(cores), interpreters)
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

    if options.resume is not None:
        kept, head, before = go_on(options, launches, there, text)
        done = {record.launch_id for record in before if record.status != "skipped"}
        launches = [launch for launch in launches if launch.id not in done]
    else:
        kept, head = begin(options, chosen, there, text)
        before = []

    stop = Stop()
    goal = Goal(launches, head.baseline, registry.adapters, budget, options.precision)
    for record in before:
        goal.remember(record)
    progress = Progress(launches, lanes=len(cores), quiet=options.quiet, budget_left=goal.left)
    resume = f"levelfield run --resume {shlex.quote(str(kept.folder))}"

    def finished(launch: Launch, record: Record) -> None:
        kept.append(record)
        goal.add(record)
        progress.finished(launch, record)

    with (
        interruptible(stop, resume),
        LocalLauncher(
            registry.adapters,
            tasks,
            head.machine,
            cores,
            chosen.time_limit,
            options.cold,
            interpreters,
            suite.size(chosen.memory_limit, machine.memory()),
        ) as launcher,
    ):
        if not options.no_certify:
            wanted = certificates.needed(launches, tasks)
            if wanted and not options.quiet:
                print(f"certifying {len(wanted)} adapters in their modes, where not done before", file=sys.stderr)
            for certificate in certificates.obtain(
                wanted,
                registry.adapters,
                interpreters,
                launcher,
                stop,
                quick=True,
                made=report_certificate(options.quiet),
            ):
                kept.append_certificate(certificate)
        carry_out(launches, launcher, finished, stop, goal.reached)
    progress.close()
    kept.close()
    return summarise(kept.folder, duration(progress.elapsed()), resume if stop.asked.is_set() else None)


def begin(options: argparse.Namespace, chosen: suite.Suite, there: Surroundings, text: str) -> tuple[store.Store, Run]:
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
        warnings=warnings + machine.warnings(),
        suite_text=text,
        tasks={name: facts(task) for name, task in there.tasks.items()},
    )
    return store.Store.create(folder, head), head


def go_on(
    options: argparse.Namespace, launches: Sequence[Launch], there: Surroundings, text: str
) -> tuple[store.Store, Run, list[Record]]:
    """The folder, head and records of a run to be resumed; changes since then are refused, or marked in its head."""
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
    return kept, head, before.records


def report_certificate(quiet: bool) -> Callable[[Certificate], None]:
    """A line for each certificate that was made; failures are told even when quiet."""

    def tell(certificate: Certificate) -> None:
        what = f"{certificate.adapter} ({certificate.mode})"
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
        ("--threads", options.threads),
        ("--blocks", options.blocks),
        ("--seeds", options.seeds),
        ("--data-dir", options.data_dir),
    ):
        words += [flag, str(value)] if value is not None else []
    words += ["--budget", f"{options.budget:g}s"] if options.budget else []
    words += ["--precision", f"{100 * options.precision:g}%"] if options.precision else []
    words += [f"--{flag.replace('_', '-')}" for flag in ("cold", "no_certify", "anonymous") if getattr(options, flag)]
    return shlex.join(words)


def print_plan(launches: Sequence[Launch]) -> None:
    """One line a cell on stdout, with the number of its launches or the reason why there are none."""
    counts: Counter[tuple[str, str]] = Counter()
    for launch in launches:
        cell = launch.cell
        what = f"{cell.kind:8} {cell.task} {cell.model.name} {cell.recipe.name} {cell.adapter} ({cell.mode})"
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
