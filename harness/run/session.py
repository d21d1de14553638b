"""One ``levelfield run`` from its options to its records, step by step."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from levelfield.harness.launch.hosts import Host
from levelfield.harness.launch.local import LocalHost
from levelfield.harness.plan import environments, suite
from levelfield.harness.plan.launches import Launch
from levelfield.harness.records import store
from levelfield.harness.records.certificate import Certificate
from levelfield.harness.records.peak import Peak
from levelfield.harness.records.record import Record, Run
from levelfield.harness.records.store import Contents, Store
from levelfield.harness.run import certify_first, data, explained, head, peaks
from levelfield.harness.run.certify_first import Request
from levelfield.harness.run.interrupt import interruptible
from levelfield.harness.run.live import LivePage
from levelfield.harness.run.options import RunOptions
from levelfield.harness.run.outcome import Outcome, resume_command, summarise
from levelfield.harness.run.prepare import Prepared, prepare, read_suite
from levelfield.harness.run.progress import Progress, duration, ranking
from levelfield.harness.run.resume import left
from levelfield.harness.run.schedule import carry_out
from levelfield.harness.run.stop_rule import StopRule
from levelfield.harness.system import machine
from levelfield.harness.system.console import warn
from levelfield.harness.system.numbers import counted
from levelfield.tasks.errors import UserError

if TYPE_CHECKING:
    from levelfield.harness.launch.ray import Cluster, RayLauncher


def run(
    options: RunOptions,
    command: str,
    begun: Run | None = None,
    page: Callable[[Path], object] | None = None,
    pairs: explained.Find | None = None,
) -> Outcome:
    """Carry out `options`, which `command` would repeat; of a run that goes on, `begun` is the head whose suite is
    meant, wherever its file is now. `page` writes the report of a run's folder: it is called now and then.
    `pairs` finds what ``--explain`` explains.

    Whatever is raised, the run's folder is unlocked again, and all that was started is ended.
    """
    chosen, text = read_suite(options, begun)
    if options.explain and options.launcher != "local":
        raise UserError("--explain explains on this machine only", "leave --launcher or --explain out")
    with connected(options.launcher) as cluster:
        prepared = prepare(options, chosen, text, cluster)
        data.tell(prepared.surroundings.tasks, options.quiet)
        if not prepared.planned:
            print("nothing selected: no cell of the suite fits the options", file=sys.stderr)
            return Outcome(5)
        if options.dry_run:
            before = None if options.resume is None else store.read(options.resume)
            print_plan(prepared.planned if before is None else gone_on(prepared, before).launches)
            return Outcome(0)
        with opened(prepared, command) as (kept, work):
            session = Session(prepared, work, kept, page)
            with interruptible(session.stop, resume_command(kept.folder)):
                with open_launcher(prepared, work) as launcher:
                    session.certify(launcher.hosts)
                    session.peaks(launcher.hosts)
                    session.measure(launcher.hosts)
                if options.explain and pairs is not None:
                    session.explain(pairs)
            return session.summarise()


def print_plan(launches: Sequence[Launch]) -> None:
    """One line a cell on stdout, with the number of its launches or the reason why there are none."""
    named = ((f"{launch.cell.kind:8} {launch.cell.line}", launch.skip or "") for launch in launches)
    for (what, skip), count in sorted(Counter(named).items()):
        print(f"{what}: {f'skipped: {skip}' if skip else counted(count, 'launch')}")
    made = sum(1 for launch in launches if not launch.skip)
    print(f"{counted(made, 'launch')}, {len(launches) - made} skipped", file=sys.stderr)


@dataclass(frozen=True)
class Work:
    """What is left to do, and what was done before in a run that goes on."""

    head: Run
    launches: Sequence[Launch]
    records: Sequence[Record] = ()
    peaks: Sequence[Peak] = ()


def gone_on(prepared: Prepared, before: Contents) -> Work:
    """What is left of a run that has got as far as `before`. Raises UserError where conditions have changed."""
    again = head.go_on(prepared, before)
    launches = left(prepared.planned, before.records, prepared.options.cold)
    return Work(again, launches, before.records, before.peaks)


@contextmanager
def opened(prepared: Prepared, command: str) -> Iterator[tuple[Store, Work]]:
    """The run's folder, locked: a new one, or that of a run that goes on."""
    options = prepared.options
    dropped = environments.not_passed_on(prepared.adapters, dict(options.env))
    warn(dropped)
    if options.resume is not None:
        with Store(options.resume) as kept:
            yield kept, gone_on(prepared, store.read(options.resume))
        return
    folder = options.output or store.new_folder(prepared.suite.name)
    new = head.begin(prepared, folder, command, dropped)
    with Store.create(folder, new) as kept:
        yield kept, Work(new, prepared.planned)


class Session:
    """The steps of one run, in their order; what they make is in its store."""

    def __init__(
        self, prepared: Prepared, work: Work, kept: Store, page: Callable[[Path], object] | None = None
    ) -> None:
        self.prepared, self.work, self.store, self.page = prepared, work, kept, page
        self.options, self.adapters = prepared.options, prepared.adapters
        self.stop, self.start = Event(), time.monotonic()
        planned = sum(not launch.skip for launch in prepared.planned)
        at_most = bool(prepared.budget or self.options.precision)
        self.head = work.head.model_copy(update={"planned": planned, "at_most": at_most, "ended": None})
        kept.write_head(self.head)
        elastic = not self.options.budget
        aim = (prepared.budget, self.options.precision, elastic)
        lanes = prepared.surroundings.cores
        self.rule = StopRule(work.launches, self.head.baseline, self.adapters, *aim, lanes=lanes)
        for record in work.records:
            self.rule.remember(record)
        if prepared.cluster is None:
            warn(machine.limits())

    def certify(self, hosts: Sequence[Host]) -> None:
        """What the launches need to take part in a verdict, where not proved before."""
        if self.options.no_certify:
            return
        surroundings = self.prepared.surroundings
        wanted = certify_first.needed(self.work.launches, surroundings.tasks)
        if wanted and not self.options.quiet:
            print(f"certifying {counted(len(wanted), 'mode')} of adapters, where not done before", file=sys.stderr)
        request = Request(wanted, self.adapters, surroundings.environments)
        report = partial(report_certificate, quiet=self.options.quiet)
        for certificate in certify_first.obtain(request, hosts, self.stop, report):
            self.store.append(certificate)

    def peaks(self, hosts: Sequence[Host]) -> None:
        """What the devices can do, where the suite asks for that."""
        if self.prepared.suite.peaks:
            about = (self.work.launches, self.adapters, self.store, self.work.peaks)
            peaks.measure(hosts, *about, self.stop, self.options.quiet)

    def measure(self, hosts: Sequence[Host]) -> None:
        """The launches."""
        lanes = sum(len(host.cores) for host in hosts)
        progress = Progress(self.work.launches, lanes, self.options.quiet, self.rule.remaining)
        progress.ranking = partial(ranking, self.rule.times, self.rule.baseline)
        if len(hosts) == 1:  # of several, another one may be timing
            hosts[0].tell = progress.stage
        if self.page is not None and len(hosts) == 1:
            progress.live = LivePage(self.work.launches, partial(self.page, self.store.folder))
        finished = partial(self._finished, progress)
        try:
            carry_out(self.work.launches, hosts, finished, self.stop, self.rule.reached, self.rule.start)
        finally:
            progress.close()

    def explain(self, pairs: explained.Find) -> None:
        """The pairs of the framework tax that were not explained before."""
        stored = store.read(self.store.folder)
        done = {one.pair for one in stored.explained}
        left = [pair for pair in pairs(stored) if pair not in done]
        explained.explain(left, self.prepared, self.store, self.stop)

    def _finished(self, progress: Progress, launch: Launch, record: Record) -> None:
        self.store.append(record)
        self.rule.add(record)
        progress.finished(launch, record)

    def summarise(self) -> Outcome:
        """How it ended, in its head and for whoever asked for it."""
        interrupted = self.stop.is_set()
        self.store.write_head(self.head.model_copy(update={"ended": "interrupted" if interrupted else "complete"}))
        took = duration(time.monotonic() - self.start)
        certified = not self.options.no_certify
        outcome = summarise(self.store.folder, took, self.prepared.planned, interrupted, certified)
        outcome.lines += [self.rule.hopeless] if self.rule.hopeless else []
        return outcome


@contextmanager
def connected(where: str) -> Iterator[Cluster | None]:
    """The cluster that ``--launcher`` means, None for this machine. Raises UserError when it cannot be reached."""
    if where == "local":
        yield None
        return
    try:
        from levelfield.harness.launch import ray
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise UserError("--launcher ray needs Ray, which is not installed", "pip install 'levelfield[ray]'") from None
    cluster = ray.Cluster(where.removeprefix("ray").removeprefix("://"))
    try:
        yield cluster
    finally:
        cluster.close()


def open_launcher(prepared: Prepared, work: Work) -> LocalHost | RayLauncher:
    """What makes the launches, on this machine or on the hosts of a cluster."""
    options, chosen, surroundings = prepared.options, prepared.suite, prepared.surroundings
    if prepared.cluster is not None:
        how = {name: getattr(options, name) for name in ("cold", "anonymous", "no_probes")}
        return prepared.cluster.launcher(chosen, surroundings, work.launches, **how)
    return LocalHost(
        surroundings.adapters,
        surroundings.tasks,
        prepared.machine,
        machine.cores(),
        chosen.time_limit,
        options.cold,
        surroundings.environments,
        suite.size(chosen.memory_limit, machine.memory()),
        probes=not options.no_probes,
    )


def report_certificate(certificate: Certificate, quiet: bool) -> None:
    """A line for each certificate that was made; failures are told even when quiet."""
    if not certificate.passed:
        failed = ", ".join(certificate.failed) or "nothing could be checked"
        print(f"not certified: {certificate.label}: {failed}", file=sys.stderr)
    elif not quiet:
        print(f"certified: {certificate.label}", file=sys.stderr)
