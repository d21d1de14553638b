"""One ``levelfield preview`` from its arguments to its page."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace

from levelfield.adapters.adapter import Setting
from levelfield.adapters.limits import refusal
from levelfield.adapters.registry import AdapterInfo, Registry, find
from levelfield.harness.plan.launches import has_compiler
from levelfield.harness.preview import chips, compiler
from levelfield.harness.preview.chips import GIB, Chip
from levelfield.harness.preview.preview import Preview, Program
from levelfield.harness.system.console import warn
from levelfield.harness.system.numbers import counted
from levelfield.tasks.errors import unknown
from levelfield.tasks.mlp import MLP
from levelfield.tasks.recipe import Recipe

FEATURES, OUTPUTS, BATCH = 784, 10, 64  # as MNIST has them


def run(options: argparse.Namespace) -> int:
    """Compile and print; 0 when all compile and hold, 1 when one does not, 5 when none was selected."""
    chip = chips.named(options.chip)
    registry = find()
    warn(registry.problems)
    wanted, left_out = choose(chip, registry, options)
    for line in left_out:
        print(line, file=sys.stderr)
    if not wanted:
        print("nothing selected: nothing that is installed can be compiled for this chip so", file=sys.stderr)
        return 5
    held = True
    for info, setting in wanted:
        if not options.quiet:
            print(f"compiling {info.name} ({setting.mode}) for {chip.name}", file=sys.stderr)
        found = compiler.compiled(chip, info, setting)
        held = held and not found.faults
        print(found.model_dump_json() if options.json else "\n".join(text(found)), flush=True)
        if options.verbose and found.trace:
            print(found.trace, file=sys.stderr)
    return 0 if held else 1


def choose(
    chip: Chip, registry: Registry, options: argparse.Namespace
) -> tuple[list[tuple[AdapterInfo, Setting]], list[str]]:
    """What can be compiled of what `options` ask for, and a line for everything that cannot."""
    modes = {mode for info in registry.adapters.values() for mode in info.modes}
    for name in options.mode:
        if name not in modes:
            raise unknown("mode", name, modes, "levelfield list adapters")
    chip.topology(options.replicas)  # refuses what no host has, before anything is compiled
    asked = [registry.get(name) for name in options.adapter]
    wanted: list[tuple[AdapterInfo, Setting]] = []
    left_out: list[str] = []
    for info in asked or [one for one in registry.adapters.values() if one.runtime in compiler.COMPILES]:
        if info.runtime not in compiler.COMPILES:
            reason = f"nothing compiles {info.runtime} for a chip that is not here"
            left_out.append(f"unsupported: {info.name}: {reason}; levelfield knows how for JAX")
            continue
        if (missing := compiler.lacking(chip, info)) is not None:
            left_out.append(f"skipped: {info.name}: {missing}")
            continue
        for mode in [mode for mode in info.modes if not options.mode or mode in options.mode]:
            setting = asked_for(options, mode)
            if (limit := unsupported(chip, info, setting)) is not None:
                left_out.append(f"unsupported: {info.name} ({mode}): {limit}")
            else:
                wanted.append((info, setting))
    return wanted, left_out


def asked_for(options: argparse.Namespace, mode: str) -> Setting:
    """How the adapter trains on the CPU while its calls are kept."""
    several = options.replicas > 1
    return Setting(
        MLP((FEATURES, *options.hidden, OUTPUTS)),
        Recipe("momentum", batch_size=BATCH),
        mode=mode,
        precision=options.matmul_precision,
        replicas=options.replicas,
        replication="devices" if several else None,
    )


def unsupported(chip: Chip, info: AdapterInfo, setting: Setting) -> str | None:
    """Why the adapter does not do this on such a chip. That levelfield lets a process see one chip of a TPU is no
    reason here: nothing is run."""
    one = replace(setting, device=f"{chip.kind}:0", replicas=1, replication=None)
    several = replace(setting, device="gpu:0")
    return refusal(info, one, compiler=has_compiler()) or refusal(info, several, compiler=has_compiler())


def text(found: Preview) -> list[str]:
    """What was found, for a terminal."""
    s = found.subject
    over = f" on {s.replicas} devices" if s.replicas > 1 else ""
    word = "compiles" if found.compiles else "does NOT compile"
    by = ", ".join(f"{name} {version}" for name, version in found.versions.items())
    lines = [
        f"{s.adapter} ({s.mode}) {s.precision}{over}: {word} for {s.chip}; {s.work}; nothing was run",
        f"    by {by}",
    ]
    for one in found.programs:
        if not one.error:
            lines += [f"    {line}" for line in _program(one, found)]
    if found.compilations is not None and (eager := found.compilations - _functions(found.programs)) > 0:
        lines.append(f"    besides, {counted(eager, 'compilation')} of single operations, which are not previewed")
    return [*lines, *(f"    FAULT: {fault}" for fault in found.faults)]


def _functions(programs: Sequence[Program]) -> int:
    return sum(one.variant == programs[0].variant for one in programs)


def _program(one: Program, found: Preview) -> list[str]:
    same: dict[bool | None, str] = {
        True: "the same as on the CPU, where it is certified",
        False: "NOT the same as on the CPU",
    }
    lines = [
        f"{one.function} ({one.variant}): StableHLO {one.stablehlo[:12]}, {same.get(one.same, 'TF32: not on a CPU')}"
    ]
    told = "; ".join(f"{n} in {kind}" for kind, n in one.products.items())
    left = ", ".join(f"{n} {words}" for words, n in one.left.items())
    lines.append(f"    products: {told or 'none'} ({left})")
    if one.instructions:
        lines.append(f"    instructions: {', '.join(f'{n:,} {kind}' for kind, n in one.instructions.items())}")
    if one.needs is not None:
        lines.append(f"    memory: {one.needs / 1e6:,.1f} MB of {found.memory / GIB:,.0f} GiB")
    lines.append(f"    copies: the largest {one.copied / 1e6:,.1f} MB" if one.copied else "    copies: none")
    exchanged = ", ".join(f"{n} {words}" for words, n in one.collectives.items())
    lines.append(f"    collectives: {exchanged or 'none'}; with the host: {', '.join(one.host) or 'none'}")
    if one.cycles:
        shares = ", ".join(f"{kind} {share:.0%}" for kind, share in one.cycles.items())
        lines.append(f"    estimated cycles, no time: {shares}")
    return lines
