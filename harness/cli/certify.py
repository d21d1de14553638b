"""One ``levelfield certify`` from its arguments to its table."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from textwrap import indent
from threading import Event

from levelfield.adapters.adapter import Precision, Replication, Setting
from levelfield.adapters.limits import refusal
from levelfield.adapters.registry import AdapterInfo, Registry, find
from levelfield.harness.launch.local import LocalHost
from levelfield.harness.plan import devices, environments
from levelfield.harness.plan.environments import DEFAULT, own
from levelfield.harness.plan.launches import CertificateSubject, devices_of, has_compiler
from levelfield.harness.records.certificate import Certificate, Check
from levelfield.harness.run import certify_first
from levelfield.harness.run.certify_first import TIME_LIMIT, Request
from levelfield.harness.system import machine, variables
from levelfield.harness.system.console import teller, warn
from levelfield.tasks.errors import unknown
from levelfield.tasks.mlp import MLP
from levelfield.tasks.recipe import Recipe


def run(options: argparse.Namespace) -> int:
    """Certify and print; 0 when all passed, 1 when one failed, 5 when none was selected."""
    registry = find()
    warn([*registry.problems, *registry.remarks])
    adapters, here = registry.adapters, {DEFAULT: own(variables.passed(dict(options.env)))}
    check_names(options, registry)
    without = devices.lacking(devices_of(options.device, options.replicas), adapters, here, options.adapter)
    wanted, left_out = choose(adapters, options, without)
    for reason in left_out:
        print(reason, file=sys.stderr)
    if not wanted:
        print("nothing selected: no adapter has such a mode and is installed", file=sys.stderr)
        return 5
    warn(environments.not_passed_on(adapters, dict(options.env)))
    request = Request(dict.fromkeys(wanted, frozenset()), adapters, here, options.quick, not options.cached)
    with LocalHost(adapters, {}, machine.describe(True), machine.cores(), TIME_LIMIT, environments=here) as host:
        tell = teller(options.quiet)
        found = certify_first.obtain(request, [host], Event(), lambda one: tell(f"examined: {one.label}"))
    for certificate in found:
        print(certificate.model_dump_json() if options.json else line(certificate))
        if not certificate.passed and not options.json:
            print("\n".join(failures(certificate, options.verbose)))
    return 0 if all(certificate.passed for certificate in found) else 1


def check_names(options: argparse.Namespace, registry: Registry) -> None:
    """Raises UserError for an adapter, or a mode, that there is not."""
    for name in options.adapter:
        registry.get(name)
    modes = {mode for info in registry.adapters.values() for mode in info.every_mode}
    for name in options.mode:
        if name not in modes:
            raise unknown("mode", name, modes, "levelfield list adapters")


def choose(
    adapters: Mapping[str, AdapterInfo], options: argparse.Namespace, without: Mapping[tuple[str, str, str], str]
) -> tuple[list[CertificateSubject], list[str]]:
    """What can be certified of what `options` ask for, and a line for everything that cannot.

    `without` is that of `harness.plan.launches.Surroundings`.
    """
    wanted: list[CertificateSubject] = []
    left_out: list[str] = []
    for info in adapters.values():
        if options.adapter and info.name not in options.adapter:
            continue
        if (missing := info.missing()) is not None:
            left_out.append(f"skipped: {info.name}: {missing}")
            continue
        for mode in info.every_mode:
            if options.mode and mode not in options.mode:
                continue
            if (reason := without.get((DEFAULT, info.runtime, options.device))) is not None:
                left_out.append(f"skipped: {info.name} ({mode}): {reason}")
                continue
            for way in replications(info, options.replicas, options.replication):
                how = (options.matmul_precision, options.replicas, way)
                if (reason := unsupported_mode(info, mode, options.device, *how)) is not None:
                    left_out.append(f"unsupported: {info.name} ({mode}): {reason}")
                else:
                    passed = variables.passed(dict(options.env))
                    wanted.append(CertificateSubject(info.name, mode, options.device, DEFAULT, *how, passed))
    return wanted, left_out


def replications(info: AdapterInfo, replicas: int, asked: Replication | None) -> Sequence[Replication | None]:
    """How this adapter is to make the replicas: as asked, by default in each of its ways."""
    return (None,) if replicas == 1 else (asked,) if asked else info.replication or ("devices",)


def unsupported_mode(
    info: AdapterInfo,
    mode: str,
    device: str = "cpu",
    precision: Precision = "float32",
    replicas: int = 1,
    replication: Replication | None = None,
) -> str | None:
    """Why this adapter cannot run in this mode here, not even the plainest network, or None."""
    plain = Setting(MLP((4, 8, 3)), Recipe("sgd", batch_size=replicas), mode=mode, device=device, precision=precision)
    plain = replace(plain, replicas=replicas, replication=replication)
    return refusal(info, plain, compiler=has_compiler())


def failures(certificate: Certificate, verbose: bool) -> list[str]:
    """A line for each check that failed; if `verbose` behind it the traceback of what was raised, each once."""
    lines, shown = [], set()
    for check in certificate.checks:
        if check.passed is not False:
            continue
        lines.append("    " + failure(check))
        if verbose and check.traceback and check.traceback not in shown:
            shown.add(check.traceback)
            lines.append(indent(check.traceback.rstrip(), "        "))
    return lines


def failure(check: Check) -> str:
    """What failed, where, why, and by how much."""
    size = "" if check.tolerance is None else f" ({check.deviation:.1e}, at most {check.tolerance:.1e})"
    return f"{check.name}, {check.case}: {check.reason or ''}{size}"


def line(certificate: Certificate) -> str:
    """One line of the table: counts, and the quantity that is nearest its bound, or furthest from it."""
    counts = {state: sum(check.passed is state for check in certificate.checks) for state in (True, False, None)}
    worst = max(
        (check for check in certificate.worst.values() if check.tolerance),
        key=lambda check: (check.deviation or 0.0) / (check.tolerance or 1.0),
        default=None,
    )
    nearest = f", {_distance(worst)}" if worst else ""
    verdict = "certified" if certificate.passed else f"NOT certified ({', '.join(certificate.failed)})"
    return (
        f"{certificate.label}: {verdict}; {counts[True]} passed, {counts[False]} failed, "
        f"{counts[None]} not applicable{nearest}"
    )


def _distance(check: Check) -> str:
    if check.passed:
        return f"nearest {check.name}: {check.deviation:.1e} of {check.tolerance:.1e}"
    return f"furthest off {check.name}: {check.deviation:.1e}, at most {check.tolerance:.1e}"
