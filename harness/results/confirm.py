"""``levelfield compare BASE NEW --confirm``: what looks slower across two runs is measured again, in turns.

Two runs lie apart in time, and a drift of the machine between them counts as a change. In a duel of both environments
it does not. A duel needs here and now what each run was made with: an interpreter that has the versions of its records
and the code of its certificates. Where that cannot be had, it is an error: a gate that could not look must not pass.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from levelfield.adapters.registry import Registry
from levelfield.harness.judge.statistics import LEAST_BLOCKS, Verdict
from levelfield.harness.plan import environments, suite
from levelfield.harness.plan.environments import DEFAULT, Environment
from levelfield.harness.plan.launches import Launch, Selection, Surroundings
from levelfield.harness.plan.suite import EnvironmentTable, Suite
from levelfield.harness.records.cell import Cell
from levelfield.harness.records.certificate import Certificate
from levelfield.harness.records.store import Contents
from levelfield.harness.results.compare_runs import Change, RunComparison, machine_differences
from levelfield.harness.run import duel
from levelfield.harness.run.data import load_tasks
from levelfield.harness.run.duel import SECONDS, LaunchFailed, Pair, Side
from levelfield.harness.run.options import RunOptions
from levelfield.harness.run.prepare import read_suite
from levelfield.harness.system import machine, variables
from levelfield.harness.system.variables import shown
from levelfield.tasks.errors import UserError
from levelfield.tasks.task import Task

SIDES = ("base", "new")


@dataclass(frozen=True)
class RunSide:
    """One of two runs; `name` is one of SIDES. `python`: the interpreter that was given for it, if one was."""

    name: str
    stored: Contents
    python: Path | None = None

    @property
    def folder(self) -> Path:
        return Path(self.stored.run.folder or ".")

    def refused(self, why: str, needs: str = "with what the run was made with") -> UserError:
        return UserError(
            f"the {self.name} run cannot be measured again: {why}",
            f"--environment {self.name}=PYTHON, the interpreter of an environment {needs}",
        )

    def interpreter(self, environment: str) -> Path:
        """Of a cell's environment. Raises UserError where it is not known, or not there."""
        run = self.stored.run
        named = None if environment == DEFAULT else self._suite().environments[environment].python
        path = self.python or named or (None if run.python is None else self.folder.resolve() / run.python)
        if path is None:
            raise self.refused(f"{self.folder} does not say which interpreter made it")
        path = Path(os.path.abspath(path))
        if not path.is_file():
            raise self.refused(f"its interpreter {path} is not there")
        return path

    def _suite(self) -> Suite:
        run = self.stored.run
        return suite.of_run(run.suite, run.suite_text, self.folder / (run.suite_folder or "."))

    def cell(self, like: Cell) -> Cell:
        """Its own of what the comparison calls `like`: perhaps under other variables."""
        own = [record.cell for record in self.stored.records]
        return like if like in own else next(cell for cell in own if cell.bare == like.bare)

    def environment(self, cell: Cell, registry: Registry) -> Environment:
        """What the launches of a cell are made in again. Raises UserError where versions are not those of the run."""
        info, python = registry.get(cell.adapter), self.interpreter(cell.environment)
        asked = EnvironmentTable(python=python, env=dict(cell.variables))
        found = environments.find({self.name: asked}, info.distributions)[self.name]
        there = info.versions(found.installed)
        records = [r for r in self.stored.records if r.cell == cell and r.status == "ok"]
        now = variables.kept(os.environ, found.passed)
        if records[-1].kept != now:
            raise UserError(
                f"the {self.name} run cannot be measured again: a launch gets {shown(tuple(now.items())) or 'nothing'} "
                f"of this machine's variables, it got {shown(tuple(records[-1].kept.items())) or 'nothing'}",
                "set them as they were",
            )
        measured = {name: version for record in records for name, version in record.versions.items()}
        other = [name for name in sorted(measured) if there.get(name) != measured[name]]
        if other:
            wanted = " ".join(f"{name}=={measured[name]}" for name in other)
            has = ", ".join(f"{name} {there.get(name, '(absent)')}" for name in other)
            raise self.refused(f"{cell.adapter} was timed with {wanted}, and {python} has {has}", f"with {wanted}")
        return found

    def check_code(self, cell: Cell, now: Certificate) -> None:
        """Raises UserError where the adapter is not certified, or is not the code that was certified for the run."""
        if not now.passed:
            failed = ", ".join(now.failed) or "nothing could be checked"
            raise self.refused(f"{now.label} is not certified: {failed}")
        about = (now.adapter, now.mode, now.device, now.precision, now.versions)
        then = [
            c.fingerprint
            for c in self.stored.certificates
            if (c.adapter, c.mode, c.device, c.precision, c.versions) == about
        ]
        if then and now.fingerprint not in then:
            python = self.interpreter(cell.environment)
            raise self.refused(
                f"{cell.adapter} there ({python}), or levelfield's certifier, is other code than the run was made with",
                "where that code is installed: each side in an environment of its own, and the same levelfield in both",
            )


def again(
    found: RunComparison,
    sides: Sequence[RunSide],
    options: RunOptions,
    registry: Registry,
    *,
    margin: float,
    budget: float,
    tell: Callable[[str], None],
) -> RunComparison:
    """The same with the verdicts of duels where cells looked slower, each of `budget` seconds, or of three pairs.

    `sides` are the base and the new run, `options` those that the new one was made with. Raises UserError where a cell
    cannot be measured again.
    """
    new = sides[1].stored.run
    for side in sides:
        side.interpreter(DEFAULT)
    if other := machine_differences(new.machine, machine.describe(True)):
        raise UserError(
            f"the new run cannot be measured again: it was made on another machine: {'; '.join(other)}",
            "--confirm on the machine that made it",
        )
    suspects = [change for change in found.changes if change.fails]
    if not suspects:
        return found
    chosen, _ = read_suite(options, new)
    tasks = load_tasks(chosen, Selection(task=tuple({c.cell.task for c in suspects})), options.data_dir)
    _check_data(sides, tasks)
    told: dict[tuple[Cell, bool], Verdict] = {}
    for change in suspects:
        assert change.verdict.ratio is not None
        tell(f"again, in turns: {change.cell.line}, ×{change.verdict.ratio.estimate:.3f} across the runs")
        pairs = _meet(change, sides, tasks, registry, chosen.time_limit, margin / 3, budget, tell)
        verdict = duel.verdict(pairs, margin)
        if verdict.ratio is None:
            raise UserError(
                f"{change.cell.line} could not be judged again: its launches had too few turns",
                "a machine that is less busy",
            )
        told[change.cell, change.cold] = verdict
    return replace(found, changes=[_replaced(change, told.get((change.cell, change.cold))) for change in found.changes])


def _replaced(change: Change, verdict: Verdict | None) -> Change:
    return change if verdict is None else replace(change, verdict=verdict, across=change.verdict)


def _check_data(sides: Sequence[RunSide], tasks: Mapping[str, Task]) -> None:
    for side in sides:
        for name, task in tasks.items():
            was = side.stored.run.tasks.get(name, {}).get("digest")
            if was not in (None, task.digest()):
                raise UserError(
                    f"the {side.name} run cannot be measured again: the data of task {name} have changed since",
                    "restore the file that it was made with",
                )


def _meet(
    change: Change,
    sides: Sequence[RunSide],
    tasks: Mapping[str, Task],
    registry: Registry,
    limit: float,
    precision: float,
    budget: float,
    tell: Callable[[str], None],
) -> list[Pair]:
    """Pairs of launches of the new side and the base, in turns, both certified before."""
    cells = [side.cell(change.cell) for side in sides]
    named = {side.name: side.environment(cell, registry) for side, cell in zip(sides, cells, strict=True)}
    own = [cell.model_copy(update={"environment": name}) for name, cell in zip(named, cells, strict=True)]
    info = registry.get(change.cell.adapter)
    launches = [Launch(cell, 0, 0, SECONDS) for cell in own]
    there = Surroundings(registry.adapters, tasks, len(machine.cores()), {DEFAULT: environments.own(), **named})
    tell("certifying both, where not done before")
    # What is kept was found by this interpreter's copy of the code; another interpreter may have another copy
    fresh = any(environment.python != sys.executable for environment in named.values())
    for side, cell, proof in zip(sides, cells, duel.proofs(launches, there, fresh), strict=True):
        side.check_code(cell, proof)
    base, new = (Side(info, cell) for cell in own)
    pairs: list[Pair] = []
    task, here = tasks[change.cell.task], machine.describe(True)
    try:
        with duel.ground(new, base, task, here, limit, there.environments, change.cold) as host:
            for pairs in duel.meet(host, new, base, budget=budget, precision=precision, least=LEAST_BLOCKS):
                tell(duel.progress(pairs))
    except LaunchFailed as error:
        raise UserError(f"{change.cell.line} could not be measured again: {error}", "levelfield show NEW") from None
    return pairs
