"""From records to what the page speaks about: entries, workloads, and one comparison of entries per workload.

Everything here is a pure function of the run and its records. Nothing is averaged away before the statistics: the
unit is the launch, its value the median steady epoch divided by the steps of an epoch.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Literal

from levelfield.adapters.adapter import Literals
from levelfield.harness.judge import statistics
from levelfield.harness.judge.statistics import Interval, Verdict
from levelfield.harness.judge.tiers import tiers
from levelfield.harness.records.explanation import Explanation
from levelfield.harness.records.peak import Peak
from levelfield.harness.records.record import Record, Run, step_seconds
from levelfield.harness.results.proved import NOT_PROVED, judged
from levelfield.reports.findings import intervals, task_facts
from levelfield.reports.findings.certificates import Certificate
from levelfield.reports.findings.entries import Entry, Workload, telling_feeds
from levelfield.reports.findings.text import count, listing
from levelfield.tasks.errors import unknown

CONFIDENCE = 0.95
MARGIN = 0.03

DISTURBED = "every launch was disturbed"

Outcome = Literal["ok", "not proved while timed", "disturbed", "failed", "unsupported", "skipped", "not certified"]

# The mode in which a framework computes when nobody asks for another: its compiled one, where it has one.
USUAL_MODES = {"tensorflow": "graph", "jax": "jit", "flax": "jit"}


@dataclass(frozen=True)
class Place:
    """What the launches of one cell came to. `reason` is that of the last launch that gave no number."""

    entry: Entry
    workload: Workload
    counts: Mapping[str, int]
    reason: str | None
    certified: bool | None  # None: certificates are not part of this run
    disturbed: int = 0  # launches that are ok, but whose times are void
    unproved: str | None = None  # why the times of all launches are void: see `harness.results.proved`
    steps: Mapping[int, float] = field(default_factory=dict)  # block -> seconds per steady step
    interval: Interval | None = None  # of the median step over launches
    verdict: Verdict | None = None  # against the baseline; None for the baseline itself, and without one
    tier: int | None = None

    @property
    def outcome(self) -> Outcome:
        if self.counts.get("ok"):
            if self.unproved:
                return NOT_PROVED
            if self.disturbed and not self.steps:
                return "disturbed"
            return "not certified" if self.certified is False else "ok"
        return next(s for s in ("failed", "unsupported", "skipped") if self.counts.get(s))  # type: ignore[return-value]

    def paired(self, other: Place) -> tuple[list[float], list[float]]:
        """Seconds of a step of both, in the blocks that both have."""
        blocks = sorted(self.steps.keys() & other.steps.keys())
        return [self.steps[b] for b in blocks], [other.steps[b] for b in blocks]

    @property
    def launches(self) -> int:
        return sum(self.counts.values())

    @property
    def ratio(self) -> Interval | None:
        """To the baseline, where it is judged: from too few blocks it would be false precision."""
        return self.verdict.ratio if self.verdict and self.verdict.word != "not judged" else None

    @property
    def word(self) -> str:
        return self.verdict.word if self.verdict else "not judged"


@dataclass(frozen=True)
class Comparison:
    """All entries on one workload, by tier and estimate; those without a number last."""

    workload: Workload
    places: tuple[Place, ...]
    baseline: Entry | None
    why_unjudged: str | None = None  # when nothing here has a verdict

    @property
    def measured(self) -> tuple[Place, ...]:
        return tuple(p for p in self.places if p.interval)

    @property
    def judged(self) -> tuple[Place, ...]:
        return tuple(p for p in self.places if p.verdict and p.verdict.word != "not judged")

    @property
    def base(self) -> Place | None:
        return self.place(self.baseline)

    def place(self, entry: Entry | None) -> Place | None:
        return next((p for p in self.places if p.entry == entry), None)

    @property
    def tiers(self) -> dict[int, list[Place]]:
        result: dict[int, list[Place]] = defaultdict(list)
        for place in self.places:
            if place.tier is not None:
                result[place.tier].append(place)
        return dict(sorted(result.items()))


@dataclass(frozen=True)
class Evidence:
    """Everything the sections may draw on."""

    run: Run
    records: tuple[Record, ...]  # as given
    latest: tuple[Record, ...]  # the last record of every launch
    baseline: Entry | None
    speed: tuple[Comparison, ...]
    learning: tuple[tuple[Workload, dict[Entry, tuple[Record, ...]]], ...]  # the launches of each entry, ok or not
    certificates: tuple[Certificate, ...] | None = None
    adapters: Mapping[str, Literals] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)
    peaks: tuple[Peak, ...] = ()
    explained: tuple[Explanation, ...] = ()

    @property
    def baseline_label(self) -> str:
        return self.baseline.label if self.baseline else self.run.baseline

    def speed_records(self, workload: Workload, entry: Entry) -> list[Record]:
        """The launches whose times count."""
        return [r for r in self._by_place.get((workload, entry), ()) if counts(r)]

    def certified(self, launches: Sequence[Record]) -> bool | None:
        """Whether a certificate is held for these launches of one cell; None where none were looked for."""
        last = launches[-1]
        workload, entry = Workload.of(last, self.run), Entry.of(last.cell)
        return holds_certificate(entry, workload, self.certificates, launches)

    _by_place: Mapping[tuple[Workload, Entry], tuple[Record, ...]] = field(default_factory=dict, repr=False)


def gather(
    run: Run,
    records: Sequence[Record],
    *,
    baseline: str | None = None,
    certificates: Iterable[Certificate] | None = None,
    adapters: Mapping[str, Literals] | None = None,
    sources: Mapping[str, str] | None = None,
    scripts: Mapping[str, str] | None = None,
    peaks: Sequence[Peak] = (),
    explained: Sequence[Explanation] = (),
) -> Evidence:
    """Everything that the records say.

    `baseline`: ``adapter`` or ``adapter:mode`` instead of the run's. `certificates`: None where none were looked for;
    else entries without a held one take no part in verdicts. `adapters`: adapter → its modes, notes and limits;
    `sources`: its source text; `scripts`: the script that a user of its framework would write. `peaks`: what the run's
    devices can do. `explained`: what pairs of the framework tax are made of.
    Raises UserError when an explicitly named baseline occurs in no record.
    """
    latest = tuple(judged(last_of_each_launch(records), run.tasks, peaks))
    adapters = adapters or {}
    entries = sorted({Entry.of(r.cell) for r in latest})
    named = find_baseline(baseline or run.baseline, entries, adapters, run.baseline_environment)
    if baseline and named is None:
        raise unknown("baseline", baseline, {e.adapter for e in entries} | {f"{e.adapter}:{e.mode}" for e in entries})
    held = None if certificates is None else tuple(certificates)
    places: dict[tuple[Workload, Entry], list[Record]] = defaultdict(list)
    for record in latest:
        places[Workload.of(record, run), Entry.of(record.cell)].append(record)
    by_workload: dict[Workload, dict[Entry, tuple[Record, ...]]] = defaultdict(dict)
    for (workload, entry), launches in sorted(places.items(), key=lambda item: item[0][1]):
        by_workload[workload][entry] = tuple(launches)
    for workload, own in by_workload.items():
        told = telling_feeds(own)
        by_workload[workload] = {told[entry]: launches for entry, launches in own.items()}
    ordered = sorted(by_workload, key=lambda w: w.order)
    return Evidence(
        run=run,
        records=tuple(records),
        latest=latest,
        baseline=named,
        speed=tuple(compare_speed(w, by_workload[w], named, held) for w in ordered if w.kind == "speed"),
        learning=tuple((w, by_workload[w]) for w in ordered if w.kind == "learning"),
        certificates=held,
        adapters=adapters,
        sources=sources or {},
        scripts=scripts or {},
        peaks=tuple(peaks),
        explained=tuple(explained),
        _by_place={key: tuple(value) for key, value in places.items()},
    )


def last_of_each_launch(records: Iterable[Record]) -> tuple[Record, ...]:
    """One record per launch: a launch that was repeated (resumed, voided) counts with its last record."""
    by_launch: dict[tuple[str, bool], Record] = {}
    for record in records:
        by_launch[record.place] = record
    return tuple(sorted(by_launch.values(), key=lambda r: (r.cell.id, r.cold, r.block)))


def find_baseline(
    name: str, entries: Sequence[Entry], adapters: Mapping[str, Literals], environment: str = "default"
) -> Entry | None:
    """The entry meant by ``adapter`` or ``adapter:mode``; of an adapter alone its first mode.

    In this `environment`, wherever it was launched there.
    """
    adapter, _, mode = name.partition(":")
    own = [e for e in entries if e.adapter == adapter and (not mode or e.mode == mode)]
    if not own:
        return None
    first = list(adapters[adapter].modes) if adapter in adapters else []
    usual = [USUAL_MODES.get(own[0].family, "eager"), "eager", "default"]
    ranks = {m: rank for rank, m in reversed(list(enumerate([*first, *usual])))}
    return min(
        own,
        key=lambda e: (
            e.environment.partition(", ")[0] != environment,
            e.feed != "resident",
            ranks.get(e.mode, inf),
            e,
        ),
    )


def baseline_among(entries: Sequence[Entry], baseline: Entry | None) -> Entry | None:
    """The baseline as it occurs on one workload: the idiomatic track may feed it in another way."""
    if baseline is None or baseline in entries:
        return baseline
    return next((e for e in sorted(entries) if replace(e, feed=baseline.feed) == baseline), baseline)


def holds_certificate(
    entry: Entry, workload: Workload, certificates: Sequence[Certificate] | None, launches: Sequence[Record] = ()
) -> bool | None:
    """Whether one is held for these `launches`: a certificate is void for other versions and variables than it was
    made with, and on another type of machine."""
    if certificates is None:
        return None
    where = (workload.device, workload.precision, workload.replicas, workload.replication)
    own = [c for c in certificates if (c.adapter, c.mode) == (entry.adapter, entry.mode) and c.subject == where]
    used = launches[-1].versions if launches else {}
    if launches:
        last = launches[-1]
        own = [c for c in own if c.machine in (None, str(last.machine.type)) and c.variables == last.in_force]
        own = [c for c in own if c.environment == last.cell.environment]
    return any(c.held and all(used.get(name, version) == version for name, version in c.versions.items()) for c in own)


def place_of(
    workload: Workload, entry: Entry, launches: Sequence[Record], certificates: Sequence[Certificate] | None
) -> Place:
    steps = {r.block: s for r in launches if (s := step_seconds(r)) is not None}
    poor = [r for r in launches if r.status != "ok"]
    disturbed = sum(is_disturbed(r) for r in launches)
    reason = (poor[-1].reason or f"{poor[-1].status}, and no reason was recorded") if poor else None
    unproved = next((r.unproved for r in launches if r.status == "ok" and r.unproved), None)
    if unproved:
        reason = unproved
    elif not steps and disturbed:
        reason = DISTURBED if disturbed == len(launches) else f"{disturbed} disturbed, the others: {reason}"
    elif not poor and not steps and workload.kind == "speed":
        reason = "no steady epoch was recorded"
    return Place(
        entry,
        workload,
        Counter(r.status for r in launches),
        reason,
        holds_certificate(entry, workload, certificates, launches),
        disturbed,
        unproved,
        steps,
        intervals.median_of(list(steps.values())) if steps else None,
    )


def too_few(blocks: int) -> Verdict:
    """That of two cells with fewer common blocks than a verdict needs."""
    reason = f"{blocks} common blocks, {statistics.LEAST_BLOCKS} needed"
    return Verdict("not judged", False, None, MARGIN, reason)


def why_void(place: Place) -> str | None:
    """Why a timed cell takes part in no verdict; None where it does."""
    if place.outcome == "ok" and place.steps:
        return None
    return "not certified" if place.certified is False and place.steps else str(place.reason or place.outcome)


def is_disturbed(record: Record) -> bool:
    """A timed launch that is ok and was proved, and whose times are void."""
    timed = record.status == "ok" and record.cell.kind == "speed"
    return timed and bool(record.contaminated) and not record.unproved


def counts(record: Record) -> bool:
    """Whether its times do."""
    return record.status == "ok" and not record.contaminated and not record.unproved


def compare_speed(
    workload: Workload,
    launches: Mapping[Entry, Sequence[Record]],
    baseline: Entry | None,
    certificates: Sequence[Certificate] | None,
) -> Comparison:
    """Verdicts and tiers of one workload. Uncertified entries are shown and take no part."""
    places = [place_of(workload, entry, own, certificates) for entry, own in launches.items()]
    taking_part = {p.entry: p.steps for p in places if p.steps and p.certified is not False}
    baseline = baseline_among([p.entry for p in places], baseline)
    base = next((p for p in places if p.entry == baseline), None)
    why = None
    if base is None:
        why = "the baseline has no launch on this workload"
    elif base.entry not in taking_part:
        uncertified = base.certified is False
        why = "the baseline is not certified" if uncertified else "no launch of the baseline gave a clean time"
        if base.unproved:
            why = f"the baseline was {NOT_PROVED}: {base.unproved}"
        if base.outcome == "unsupported":
            why += f": {base.reason}"
    verdicts: dict[Entry, Verdict] = {}
    tier: dict[Entry, int] = {}
    if base is not None and why is None:
        verdicts = statistics.compare(taking_part, base.entry, confidence=CONFIDENCE, margin=MARGIN)
        if any(v.word != "not judged" for v in verdicts.values()):
            groups = tiers(taking_part, base.entry, confidence=CONFIDENCE)
            tier = {entry: number for number, group in enumerate(groups, start=1) for entry in group}
        else:
            least = statistics.LEAST_BLOCKS
            why = f"a verdict needs {least} blocks in common with the baseline" if verdicts else "it stands alone"
    done = [replace(p, verdict=verdicts.get(p.entry), tier=tier.get(p.entry)) for p in places]
    done.sort(key=lambda p: (p.tier or inf, p.interval.estimate if p.interval else inf, p.entry))
    return Comparison(workload, tuple(done), baseline, why)


def outcome_counts(evidence: Evidence) -> dict[str, int]:
    """Launches by status; of the successful ones how many are disturbed, and how many lack a certificate."""
    counts: Counter[str] = Counter(r.status for r in evidence.latest)
    counts[NOT_PROVED] = sum(r.status == "ok" and bool(r.unproved) for r in evidence.latest)
    counts["disturbed"] = sum(is_disturbed(r) for r in evidence.latest)
    if evidence.certificates is not None:
        lacking = [p for c in evidence.speed for p in c.places if p.certified is False]
        counts["not certified"] = sum(p.counts.get("ok", 0) for p in lacking)
        for workload, own in evidence.learning:
            for entry, launches in own.items():
                if not holds_certificate(entry, workload, evidence.certificates, launches):
                    counts["not certified"] += sum(r.status == "ok" for r in launches)
    return dict(counts)


def warnings(evidence: Evidence) -> list[str]:
    """All that a reader is warned of, before anything else."""
    return [*evidence.run.warnings, *task_facts.warnings(evidence.run), *disturbances(evidence)]


def disturbances(evidence: Evidence) -> list[str]:
    """What a reader must be told of launches whose times are void: how many of which cells."""
    told = []
    own: Counter[str] = Counter()
    for comparison in evidence.speed:
        for place in comparison.places:
            if place.outcome == NOT_PROVED:
                told.append(f"{place.entry.label} was {NOT_PROVED} and takes no part: {place.reason}.")
            own[place.entry.label] += place.disturbed
    if own := +own:
        cells = listing([f"{label} ({n})" for label, n in sorted(own.items(), key=lambda i: (-i[1], i[0]))], most=6)
        told.append(
            f"{count(own.total(), 'launch')} disturbed, set aside: the machine left too few turns for them. {cells}."
        )
    return told
