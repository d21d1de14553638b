"""Which devices each framework sees, asked in a process of its own; and why it does not see the others."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from levelfield.adapters import registry
from levelfield.adapters.choices import DEVICE_KINDS
from levelfield.adapters.registry import AdapterInfo
from levelfield.adapters.runtime import place
from levelfield.harness.plan.environments import Environment, own
from levelfield.harness.system import folders, paths, variables
from levelfield.harness.system.folders import Temporary
from levelfield.harness.system.variables import Passed
from levelfield.tasks.errors import UserError

LIMIT = 300.0  # seconds for one framework
_ASK = """
import json, sys
from levelfield.adapters import runtime
sys.path.extend(sys.argv[2:])
print()
print(json.dumps(runtime.load(sys.argv[1]).devices()))
"""

Seen = dict[str, list[str] | str]  # kind of device → names of those that are seen, or why none is


def seen(info: AdapterInfo, environment: Environment) -> Seen:
    """What the runtime of an adapter sees; where it is absent or broken, that is the reason for every kind."""
    runtime, foreign = info.runtime, [] if info.builtin else [str(info.root)]
    if environment.installed(runtime) is None:
        return dict.fromkeys(DEVICE_KINDS, f"{runtime} is not installed")
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    try:
        with Temporary() as temporary:
            folders.make(temporary.path)
            ours = quiet | folders.folders(temporary.path)
            answer = subprocess.run(
                paths.program(_ASK, place(info), *foreign, python=environment.python),
                capture_output=True,
                text=True,
                timeout=LIMIT,
                env=variables.build(os.environ, ours, environment.passed),
                stdin=subprocess.DEVNULL,
            )
    except subprocess.TimeoutExpired:
        return dict.fromkeys(DEVICE_KINDS, f"{runtime} did not answer within {LIMIT:g} s")
    if answer.returncode:
        last = (answer.stderr.strip().splitlines() or [f"exit code {answer.returncode}"])[-1]
        return dict.fromkeys(DEVICE_KINDS, f"{runtime} cannot be asked: {last[:300]}")
    found: Seen = json.loads(answer.stdout.splitlines()[-1])
    return found


def rows(passed: Passed = ()) -> list[dict[str, Any]]:
    """For each framework that computes and each kind of device: what it sees, or why it sees none."""
    adapters = registry.find().adapters.values()
    asked = {info.runtime: info for info in adapters if info.builtin or info.runtime_class}
    names = sorted(asked)
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(partial(seen, environment=own(passed)), [asked[name] for name in names]))
    return [
        {
            "framework": name,
            "device": kind,
            "seen": isinstance(answer[kind], list),
            "about": answer[kind] if isinstance(answer[kind], str) else ", ".join(answer[kind]),
        }
        for name, answer in zip(names, found, strict=True)
        for kind in DEVICE_KINDS
    ]


def lacking(
    devices: Iterable[str],
    adapters: Mapping[str, AdapterInfo],
    environments: Mapping[str, Environment],
    chosen: Collection[str] = (),
) -> dict[tuple[str, str, str], str]:
    """(environment, runtime, device) → why it is not there. The CPU is, and no one is asked.

    Raises UserError when no framework of the `chosen` adapters (default: all) sees one of the devices.
    """
    wanted = sorted(set(devices) - {"cpu"})
    if not wanted:
        return {}
    asked = {info.runtime: info for info in adapters.values() if not chosen or info.name in chosen}
    pairs = [(environment, name) for environment in environments for name in sorted(asked)]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda pair: seen(asked[pair[1]], environments[pair[0]]), pairs))
    reasons: dict[tuple[str, str, str], str] = {}
    for device in wanted:
        kind, _, number = device.partition(":")
        for (environment, name), answer in zip(pairs, found, strict=True):
            there = answer[kind]
            if isinstance(there, str):
                reasons[environment, name, device] = there
            elif int(number) >= len(there):
                reasons[environment, name, device] = f"{name} sees {len(there)} of kind {kind}, counted from 0"
        own_reasons = [reasons.get((environment, name, device)) for environment, name in pairs]
        if all(own_reasons):
            told = "; ".join(dict.fromkeys(reason for reason in own_reasons if reason))
            raise UserError(f"no framework here sees {device}: {told}", "levelfield list devices")
    return reasons
