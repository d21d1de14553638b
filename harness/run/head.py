"""The head of a run: of one that begins, and of one that goes on."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from levelfield.adapters.registry import AdapterInfo, Installed, version
from levelfield.harness.plan.environments import DEFAULT
from levelfield.harness.plan.launches import baseline_of
from levelfield.harness.records.record import Run
from levelfield.harness.records.store import Contents
from levelfield.harness.run import data
from levelfield.harness.run.prepare import Prepared
from levelfield.harness.run.resume import changes
from levelfield.harness.system import machine, variables
from levelfield.tasks.errors import UserError


def begin(prepared: Prepared, folder: Path, command: str, warnings: Sequence[str] = ()) -> Run:
    """The head of a new run in `folder`, which `command` would repeat."""
    suite, surroundings = prepared.suite, prepared.surroundings
    base = baseline_of(prepared.planned)
    environment = DEFAULT if base is None else base.environment
    installed = surroundings.environments[environment].installed
    baseline, about_baseline = choose_baseline(suite.baseline, prepared.adapters, installed)
    own_files = bool(suite.tasks or suite.environments)
    here = folder.resolve()
    return Run(
        name=folder.name,
        suite=str(prepared.options.suite),
        summary=suite.summary,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        baseline=baseline,
        baseline_environment=environment,
        plan_seed=suite.seed,
        machine=prepared.machine,
        warnings=[*about_baseline, *warnings, *machine.warnings()],
        suite_text=prepared.text,
        suite_folder=os.path.relpath(Path(suite.file).resolve().parent, here) if own_files else None,
        # Links are not followed: that of a virtual environment is what makes it one
        python=None if prepared.options.anonymous else os.path.relpath(sys.executable, here),
        study=suite.study,
        tasks={name: data.facts(task) for name, task in surroundings.tasks.items()},
    )


def go_on(prepared: Prepared, before: Contents) -> Run:
    """The head of a run that goes on; changes are refused, or marked in its warnings, and so is another host."""
    options = prepared.options
    changed = changes(before, prepared, variables.kept(os.environ) if options.launcher == "local" else None)
    if changed and not options.allow_changes:
        raise UserError(
            f"{before.run.folder} was begun under other conditions: {'; '.join(changed)}",
            "restore them, begin a new run, or add --allow-changes: the report will say so",
        )
    marked = [f"Resumed after a change: {change}." for change in changed]
    was, now = before.run.machine.host, prepared.machine.host
    if was != now and None not in (was, now):
        marked.append(f"Gone on with on {now}; it was begun on {was}.")
    warnings = list(dict.fromkeys([*before.run.warnings, *marked]))
    return before.run.model_copy(update={"warnings": warnings})


def choose_baseline(
    wanted: str, adapters: Mapping[str, AdapterInfo], installed: Installed = version
) -> tuple[str, list[str]]:
    """The suite's baseline, or the first low-level adapter that is `installed`, with a warning that says so."""
    if (missing := adapters[wanted].missing(installed)) is None:
        return wanted, []
    others = [info.name for info in adapters.values() if info.api == "low" and info.missing(installed) is None]
    chosen = others[0] if others else wanted
    return chosen, [f"The suite's baseline {wanted} {missing}. {chosen} stands in for it."]
