"""One ``levelfield versions`` from its arguments to its table, its picture and the release that became slower."""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from levelfield.adapters.registry import AdapterInfo, Registry, find
from levelfield.harness.cli.run_options import command
from levelfield.harness.plan import suite
from levelfield.harness.records import store
from levelfield.harness.records.cell import Cell
from levelfield.harness.results.export import write
from levelfield.harness.run import session
from levelfield.harness.run.options import RunOptions
from levelfield.harness.system.console import columns, teller, warn
from levelfield.harness.system.numbers import counted
from levelfield.harness.versions import bisect, built, installer, suite_text, wanted
from levelfield.harness.versions.bisect import Found, Step
from levelfield.harness.versions.built import Built
from levelfield.tasks.errors import UserError, unknown

if TYPE_CHECKING:
    from levelfield.reports.findings.versions import Row

USAGE = "levelfield versions torch 2.9.1 2.13.0"
INTERRUPTED = 130
MOST_BLOCKS = 40  # of a step of the search; it ends before, once its interval is narrow enough
Page = Callable[[Path], object]


def run(options: argparse.Namespace, page: Page) -> int:
    """List, remove, or measure and print. `page` writes the report of a run's folder."""
    if options.list or options.remove is not None:
        if options.package is not None:
            raise UserError("--list and --remove take no package", "levelfield versions --list")
        return _list(options.json) if options.list else _remove(options.remove)
    if options.package is None or len(options.versions) < 2:
        raise UserError("versions needs a package and two versions of it at least", USAGE)
    package = wanted.package(options.package)
    versions = [wanted.read(package, word) for word in options.versions]
    if len({one.name for one in versions}) < len(versions):
        raise UserError("a version is named twice", USAGE)
    registry = find()
    warn(registry.problems)
    using = Using(options, package, adapters_of(package, options.adapter, registry), page)
    return _bisect(using, versions) if options.bisect else _compare(using, versions)


class Using:
    """What all runs of one command have in common."""

    def __init__(self, options: argparse.Namespace, package: str, adapters: Sequence[AdapterInfo], page: Page) -> None:
        self.options, self.package, self.page = options, package, page
        self.tell = teller(options.quiet)
        self.needs = sorted({name for info in adapters for name in info.distributions})
        self.installer = installer.choose(options.installer)
        chosen, _ = suite.read(options.suite or "default")
        chosen = chosen if options.suite else suite_text.short(chosen)
        self.suite = suite_text.with_adapters(chosen, package, [info.name for info in adapters])
        modes = {mode for info in adapters for mode in info.modes}
        for mode in options.mode:
            if mode not in modes:
                raise unknown("mode", mode, modes, "levelfield list adapters")
        self.folder: Path = options.output or store.new_folder(f"versions-{package.lower()}")
        if any(self.folder.glob("run.json")) or any(self.folder.glob("*/run.json")):
            raise UserError(f"{self.folder} holds a run already", "choose another folder with -o")
        self.code = 0

    def environment(self, version: wanted.Wanted) -> Built:
        """Raises UserError where it cannot be built."""
        if self.options.verbose:
            return built.obtain(version, self.needs, self.installer, self.tell, self.tell)
        with passing(self.options.quiet) as said:
            return built.obtain(version, self.needs, self.installer, self.tell, said)

    def measure(
        self,
        folder: Path,
        environments: Sequence[Built],
        margin: float,
        *,
        blocks: int | None,
        precision: float | None,
        only: Cell | None = None,
        comparisons: int = 1,
    ) -> list[Row]:
        """Time these beside each other, on the work of one cell `only` if there is one, in a new folder, which keeps
        the suite's text; and find what they say: of so many `comparisons` the intervals hold together."""
        chosen = suite_text.under(self.suite, {one.name: one.python for one in environments})
        chosen = chosen if only is None else suite_text.narrowed(chosen, only)
        path = folder / "versions.toml"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{folder}: {error.strerror}", "choose another folder with -o") from None
        write(suite_text.text(chosen).encode(), path)
        asked = RunOptions(
            suite=str(path),
            mode=tuple(self.options.mode),
            device=self.options.device,
            threads=self.options.threads,
            blocks=blocks,
            budget=self.options.budget,
            precision=precision,
            data_dir=self.options.data_dir,
            output=folder,
            quiet=self.options.quiet,
        )
        outcome = session.run(asked, command(asked), None, self.page)
        if outcome.folder is None:
            raise UserError("no step can be timed: no adapter has what is asked for", "levelfield list adapters")
        for line in outcome.lines:
            self.tell(line)
        self.code = max(self.code, outcome.code)
        self.tell(f"report: {self.page(folder)}")
        from levelfield.reports import versions as shown
        from levelfield.reports.findings import certificates, evidence
        from levelfield.reports.findings import versions as findings

        stored = store.read(folder)
        proofs = [certificates.summary(one) for one in stored.certificates]
        found = evidence.gather(stored.run, stored.records, certificates=proofs)
        rows = findings.find(
            found, [one.name for one in environments], margin, 1 - (1 - evidence.CONFIDENCE) / comparisons
        )
        if (drawn := shown.picture(rows, self.package, stored.run)) is not None:
            write(drawn, folder / "versions.svg")
            self.tell(f"picture: {folder / 'versions.svg'}")
        return rows


@contextmanager
def passing(quiet: bool) -> Iterator[Callable[[str], None]]:
    """What is said is shown in a line of the terminal, each over the last; nowhere else."""
    if quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    width = shutil.get_terminal_size().columns - 1
    try:
        yield lambda line: print(f"\r\x1b[K{line.strip()[:width]}\r", end="", file=sys.stderr, flush=True)
    finally:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def adapters_of(package: str, asked: Sequence[str], registry: Registry) -> list[AdapterInfo]:
    """Those that are asked for; by default those whose framework the package is, else those that need it."""
    if asked:
        return [registry.get(name) for name in dict.fromkeys(asked)]
    names = {wanted.normal(package), wanted.normal(package).removesuffix("-cpu")}
    there = [info for info in registry.adapters.values() if info.builtin] or list(registry.adapters.values())
    own = [info for info in there if wanted.normal(info.framework) in names]
    own = own or [info for info in there if names & {wanted.normal(name) for name in info.distributions}]
    if not own:
        raise UserError(f"no adapter computes with {package}", "name one with --adapter: levelfield list adapters")
    return own


def _compare(using: Using, versions: Sequence[wanted.Wanted]) -> int:
    options = using.options
    environments = [using.environment(one) for one in versions]
    how = {"blocks": options.blocks, "precision": options.precision}
    rows = using.measure(using.folder, environments, options.threshold, **how)
    differ = built.differences(environments)
    if options.json:
        from levelfield.reports.findings.versions import as_json

        about = {one.name: one.about.model_dump(mode="json") for one in environments}
        facts = {"run": str(using.folder), "environments": about, "differences": differ, "rows": as_json(rows)}
        print(json.dumps(facts, indent=1))
    else:
        from levelfield.reports import versions as shown

        print("\n".join(shown.text(rows, using.package)))
        if differ:
            print("\nOther packages that differ, in the same order:")
            print("\n".join(f"  {line}" for line in differ))
    judged = any(p.verdict is not None and p.verdict.word != "not judged" for row in rows for p in row.points)
    return using.code or (0 if judged else 1)


def _bisect(using: Using, versions: Sequence[wanted.Wanted]) -> int:
    options = using.options
    ends = [one.release for one in versions]
    if len(ends) != 2 or ends[0] is None or ends[1] is None:
        raise UserError("--bisect needs two releases", f"{USAGE} --bisect slower:3%")
    releases = bisect.span(installer.releases(using.package), ends[0], ends[1])
    using.tell(f"{counted(len(releases), 'release')}: {', '.join(releases)}")
    first = using.environment(versions[0])
    search = Search(using, first, releases)
    found = bisect.search(releases, search.ask)
    if options.json:
        print(json.dumps(asdict(found) | {"what": search.what, "runs": str(using.folder)}, indent=1))
    else:
        print("\n".join(text(using.package, search.what, found, options.bisect)))
    return using.code or (0 if found.slower is not None else 1)


class Search:
    """Asks of a release whether a step became slower in it. What is searched for is the entry that the first answer,
    about the last release, shows to be slower; where there are several, the one of which that is clearest."""

    def __init__(self, using: Using, first: Built, releases: Sequence[str]) -> None:
        self.using, self.first, self.releases = using, first, releases
        self.row: Row | None = None
        self.number = 0

    @property
    def what(self) -> str:
        """Whose step."""
        return "" if self.row is None else f"{self.row.label}, {self.row.workload.label}"

    def ask(self, release: str) -> Step:
        """By a run of the first release and this one, in turns."""
        using, by = self.using, self.using.options.bisect
        self.number += 1
        using.tell(f"step {self.number}: {release} against {self.releases[0]}")
        version = wanted.read(using.package, release)
        try:
            other = using.environment(version)
        except UserError as error:
            if self.number == 1:  # without it there is no search
                raise
            return self._told(Step(release, "undecided", reason=error.message))
        rows = using.measure(
            using.folder / f"{self.number}-{release}",
            [self.first, other],
            by,
            blocks=using.options.blocks or MOST_BLOCKS,
            precision=using.options.precision or by / 3,
            only=None if self.row is None else self.row.cell,
            comparisons=bisect.most_steps(len(self.releases)),
        )
        if using.code == INTERRUPTED:
            raise KeyboardInterrupt
        return self._told(self._answer(release, rows))

    def _answer(self, release: str, rows: Sequence[Row]) -> Step:
        by = self.using.options.bisect
        if self.row is not None:
            rows = [row for row in rows if (row.entry, row.workload) == (self.row.entry, self.row.workload)]
        found = [(row, v.ratio) for row in rows if (v := row.points[-1].verdict) and v.word != "not judged" and v.ratio]
        if not found:
            reasons = [point.reason for row in rows for point in row.points if point.reason]
            return Step(release, "undecided", reason=(reasons or ["too few clean blocks"])[0])
        row, ratio = max(found, key=lambda one: one[1].low)
        words = {bisect.word(own, by) for _, own in found}
        word = next(one for one in bisect.WORDS if one in words)
        if self.row is None and word == "slower":
            self.row = row
        return Step(release, word, ratio, "the interval holds the threshold" if word == "undecided" else "")

    def _told(self, step: Step) -> Step:
        self.using.tell(f"step {self.number}: {step.release}: {' '.join(_of_step(step))}")
        return step


def text(package: str, what: str, found: Found, by: float) -> list[str]:
    """What the search found, for the terminal: the answer, and its steps."""
    first, last, share = found.before, found.steps[0], f"{100 * by:g} %"
    if found.slower is None:
        told = (
            "is not slower by more than" if last.word == "not slower" else "cannot be shown to be slower by more than"
        )
        lines = [f"nothing to search for: {package} {last.release} {told} {share}"]
    elif found.exact:
        lines = [f"{package} {found.slower} is the first release that is slower by more than {share}: {what}"]
        lines.append(f"{first} is the last one that is not")
    else:
        among = ", ".join(found.between)
        lines = [f"{package} became slower by more than {share} after {first}, in {found.slower} at the latest: {what}"]
        lines.append(f"nothing could be decided of {among}")
    return [*lines, "", *columns([["release", "ratio", "interval", "verdict"], *map(_row, found.steps)])]


def _row(step: Step) -> list[str]:
    told = _of_step(step)
    return [step.release, *(["-", "-"] if step.ratio is None else told[:2]), told[-1]]


def _of_step(step: Step) -> list[str]:
    word = f"{step.word}: {step.reason}" if step.reason else step.word
    if step.ratio is None:
        return [word]
    return [f"× {step.ratio.estimate:.3f}", f"({step.ratio.low:.3f} to {step.ratio.high:.3f})", word]


def _list(as_json: bool) -> int:
    found = built.kept()
    if as_json:
        rows = [{"folder": str(one.folder), "bytes": one.size, **one.about.model_dump(mode="json")} for one in found]
        print(json.dumps(rows, indent=1))
        return 0
    if not found:
        print(f"no environment in {built.folder()}", file=sys.stderr)
        return 0
    table = [["name", "Python", "built", "size", "requirement"]]
    for one in found:
        about = one.about
        size = f"{one.size / 1e6:,.0f} MB"
        table.append([one.folder.name, about.python, about.built[:10], size, about.requirement])
    print("\n".join(columns(table)))
    print(f"remove one: levelfield versions --remove {shlex.quote(found[0].folder.name)}", file=sys.stderr)
    return 0


def _remove(name: str) -> int:
    for one in built.remove(name):
        print(one.folder)
    return 0
