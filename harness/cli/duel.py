"""One ``levelfield duel`` from its arguments to its verdict."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from statistics import median

from levelfield.adapters.registry import AdapterInfo, Registry, find
from levelfield.harness.plan import environments, suite
from levelfield.harness.plan.environments import DEFAULT, own
from levelfield.harness.plan.launches import Launch, Selection, Surroundings, plan
from levelfield.harness.plan.suite import Suite
from levelfield.harness.records.cell import Cell
from levelfield.harness.run import duel
from levelfield.harness.run.data import load_tasks
from levelfield.harness.run.duel import THREADS, LaunchFailed, Pair, Side
from levelfield.harness.system import machine, variables
from levelfield.harness.system.console import teller, warn
from levelfield.harness.system.numbers import counted
from levelfield.tasks.errors import UserError, unknown


def run(options: argparse.Namespace) -> int:
    """Duel and print; 0 with a verdict, 1 without one, 130 when it was stopped, with what the pairs until then say."""
    registry = find()
    given = variables.passed(dict(options.env))
    warn(registry.problems)
    names = [parse(text, registry) for text in (options.first, options.second)]
    chosen, surroundings, planned = speed_work(options, registry.adapters, names, THREADS)
    launches = workload(planned, names, options.workload)
    task = surroundings.tasks[launches[0].cell.task]
    tell = teller(options.quiet)
    first, second = (Side(info, launch.cell) for (info, _), launch in zip(names, launches, strict=True))
    warn(environments.not_passed_on(registry.adapters, dict(options.env)))
    tell("certifying both, where not done before")
    if failed := duel.unproved(launches, surroundings):
        print(f"not judged, because not certified: {', '.join(failed)} (levelfield certify shows why)", file=sys.stderr)
        return 1
    pairs: list[Pair] = []
    stopped = False
    here = machine.describe(True)
    try:
        with duel.ground(first, second, task, here, chosen.time_limit, surroundings.environments) as host:
            how = {"budget": options.budget, "precision": options.precision, "most": options.pairs}
            for pairs in duel.meet(host, first, second, **how):
                tell(duel.progress(pairs))
    except LaunchFailed as error:
        print(f"not judged: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        stopped = True
    found = duel.verdict(pairs, options.threshold)
    sides = [f"{launch.cell.adapter} ({launch.cell.mode})" for launch in launches]
    if options.json:
        facts = {"first": sides[0], "second": sides[1], "workload": named(launches[0].cell), "threads": THREADS}
        about = {
            "machine": here.model_dump(mode="json"),
            "variables": variables.kept(os.environ, given) | dict(given),
            "pairs": [{"first": pair.first, "second": pair.second} for pair in pairs],
        }
        print(json.dumps(facts | asdict(found) | about, indent=1))
    else:
        print("\n".join(text(sides, named(launches[0].cell), pairs, found)))
    return 130 if stopped else 1 if found.ratio is None else 0


def parse(text: str, registry: Registry) -> tuple[AdapterInfo, str]:
    """``ADAPTER`` or ``ADAPTER:MODE``; without a mode it is the adapter's first."""
    name, colon, mode = text.partition(":")
    info = registry.get(name)
    if colon and mode not in info.every_mode:
        raise unknown(f"mode of {name}", mode, info.every_mode, "levelfield list adapters")
    return info, mode or info.modes[0]


def speed_work(
    options: argparse.Namespace,
    adapters: Mapping[str, AdapterInfo],
    sides: Sequence[tuple[AdapterInfo, str]],
    threads: int,
) -> tuple[Suite, Surroundings, list[Launch]]:
    """The speed launches of these sides in the suite that is asked for, with all that they were planned with."""
    chosen, _ = suite.read(options.suite or "default")
    # Whoever names no suite means the main work of the default one
    chosen = chosen.model_copy(update={"learning": (), "speed": chosen.speed if options.suite else chosen.speed[:1]})
    # Whoever names a mode means it, whether the suite has it or not
    selection = Selection(tuple(info.name for info, _ in sides), mode=tuple(mode for _, mode in sides), threads=threads)
    tasks = load_tasks(chosen, selection, options.data_dir)
    where = {DEFAULT: own(variables.passed(dict(options.env)))}
    surroundings = Surroundings(adapters, tasks, len(machine.cores()), where)
    return chosen, surroundings, plan(chosen, surroundings, selection)


def named(cell: Cell) -> str:
    """The work of a cell, whoever does it; where and how precisely, if not as usual."""
    unusual = [cell.device] * (cell.device != "cpu") + [cell.precision] * (cell.precision != "float32")
    return " ".join([cell.task, cell.model.name, cell.recipe.name, *unusual])


def workload(
    launches: Sequence[Launch], sides: Sequence[tuple[AdapterInfo, str]], part: str | None
) -> tuple[Launch, Launch]:
    """The speed launches of both sides on the one workload whose name is, or holds, `part`, of a suite's plan.

    Raises UserError where there is none, or a side cannot take part.
    """
    found: dict[str, list[Launch]] = {}
    for launch in launches:
        cell = launch.cell
        alike = cell.track == "matched" and cell.replicas == 1 and cell.environment == DEFAULT
        if cell.kind == "speed" and alike and launch.block == 0:
            found.setdefault(named(cell), []).append(launch)
    pairs = dict(_with_both(found, sides))
    hint = "levelfield list suites, and --suite"
    if not pairs:
        wanted = " and ".join(dict.fromkeys(f"{info.name} ({mode})" for info, mode in sides))
        raise UserError(f"the suite has no speed cells of {wanted} on the same work", hint)
    matching = [str(part)] if part in pairs else [name for name in pairs if part is None or part in name]
    if not matching:
        raise unknown("workload", str(part), pairs, hint)
    if len(matching) > 1:
        raise UserError(f"the suite has {len(matching)} workloads: {', '.join(sorted(matching))}", "--workload NAME")
    for launch in pairs[matching[0]]:
        if launch.skip:
            raise UserError(f"{launch.cell.adapter} ({launch.cell.mode}) cannot take part: {launch.skip}")
    return pairs[matching[0]]


def _with_both(
    found: Mapping[str, Sequence[Launch]], sides: Sequence[tuple[AdapterInfo, str]]
) -> Iterator[tuple[str, tuple[Launch, Launch]]]:
    for name, launches in found.items():
        by_side = {(launch.cell.adapter, launch.cell.mode): launch for launch in launches}
        first, second = (by_side.get((info.name, mode)) for info, mode in sides)
        if first is not None and second is not None:
            yield name, (first, second)


def text(sides: Sequence[str], work: str, pairs: Sequence[Pair], found: duel.Verdict) -> list[str]:
    """What was found, for a terminal."""
    lines = [f"{sides[0]} against {sides[1]}: {work}, one thread, in turns on one core"]
    if found.ratio is None:
        return [*lines, found.reason]
    r, word = found.ratio, found.word + (", materially" if found.material else "")
    first, second = (1e3 * median(values) for values in zip(*((p.first, p.second) for p in pairs), strict=True))
    return [
        *lines,
        f"{r.estimate:.3f} ({r.low:.3f} to {r.high:.3f}) × the time, {counted(r.n, 'pair')}: {word}; {found.reason}",
        f"a steady epoch, median: {first:.3g} ms against {second:.3g} ms",
    ]
