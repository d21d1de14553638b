"""One ``levelfield certify`` from its arguments to its table."""

from __future__ import annotations

import argparse
import sys

from adapters.adapter import Setting, facts, unsupported
from adapters.registry import AdapterInfo, find
from harness import certificates, machine
from harness.certify.certificate import Certificate, Check
from harness.environments import DEFAULT, own
from harness.lanes import Stop
from harness.launch.local import LocalLauncher
from harness.plan import Subject, has_compiler
from tasks.errors import unknown
from tasks.mlp import MLP
from tasks.recipe import Recipe

TIME_LIMIT = 1200.0  # seconds for one adapter in one mode; torch.compile takes minutes


def run(options: argparse.Namespace) -> int:
    """Certify and print; 0 when all passed, 1 when one failed, 5 when none was selected."""
    registry = find()
    for problem in registry.problems:
        print(f"warning: {problem}", file=sys.stderr)
    for name in options.adapter:
        if name not in registry.adapters:
            raise unknown("adapter", name, registry.adapters, "levelfield list adapters")
    modes = {mode for info in registry.adapters.values() for mode in info.modes}
    for name in options.mode:
        if name not in modes:
            raise unknown("mode", name, modes, "levelfield list adapters")

    wanted: dict[Subject, frozenset[str]] = {}  # all that can be proved
    for info in registry.adapters.values():
        if options.adapter and info.name not in options.adapter:
            continue
        if (missing := info.missing()) is not None:
            print(f"skipped: {info.name}: {missing}", file=sys.stderr)
            continue
        for mode in info.modes:
            if options.mode and mode not in options.mode:
                continue
            if (reason := unsupported_mode(info, mode)) is not None:
                print(f"unsupported: {info.name} ({mode}): {reason}", file=sys.stderr)
                continue
            wanted[Subject(info.name, mode, options.device)] = frozenset()
    if not wanted:
        print("nothing selected: no adapter has such a mode and is installed", file=sys.stderr)
        return 5

    def made(certificate: Certificate) -> None:
        if not options.quiet:
            verdict = "certified" if certificate.passed else "NOT certified"
            print(f"{certificate.adapter} ({certificate.mode}): {verdict}", file=sys.stderr)

    with LocalLauncher(registry.adapters, {}, machine.describe(True), machine.cores(), TIME_LIMIT) as launcher:
        found = certificates.obtain(
            wanted,
            registry.adapters,
            {DEFAULT: own()},
            launcher,
            Stop(),
            quick=options.quick,
            made=made,
            fresh=not options.cached,
        )
    for certificate in found:
        print(certificate.model_dump_json() if options.json else line(certificate))
        if not certificate.passed and not options.json:
            for check in certificate.checks:
                if check.passed is False:
                    print("    " + failure(check))
    return 0 if all(certificate.passed for certificate in found) else 1


def unsupported_mode(info: AdapterInfo, mode: str) -> str | None:
    """Why this adapter cannot run in this mode here, not even the plainest network, or None."""
    plain = Setting(MLP((4, 8, 3)), Recipe(), mode=mode)
    return unsupported(info.limits, facts(plain, compiler=has_compiler()))


def failure(check: Check) -> str:
    """What failed, where, why, and by how much."""
    size = "" if check.tolerance is None else f" ({check.deviation:.1e}, at most {check.tolerance:.1e})"
    return f"{check.name}, {check.case}: {check.reason or ''}{size}"


def line(certificate: Certificate) -> str:
    """One line of the table: counts, and the quantity that came nearest to its tolerance."""
    counts = {state: sum(check.passed is state for check in certificate.checks) for state in (True, False, None)}
    worst = max(
        (check for check in certificate.worst.values() if check.tolerance),
        key=lambda check: (check.deviation or 0.0) / (check.tolerance or 1.0),
        default=None,
    )
    nearest = f", nearest {worst.name}: {worst.deviation:.1e} of {worst.tolerance:.1e}" if worst else ""
    verdict = "certified" if certificate.passed else f"NOT certified ({', '.join(certificate.failed)})"
    return (
        f"{certificate.adapter} ({certificate.mode}): {verdict}; {counts[True]} passed, {counts[False]} failed, "
        f"{counts[None]} not applicable{nearest}"
    )
