"""Random correct configurations, and what the certifier says of an adapter on them.

As a script: ``python tests/certify/false_alarms.py ADAPTER MODE=COUNT …`` in a process of its own prints a JSON object
with what failed in each mode and how near to its tolerance the worst quantity came.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from functools import partial
from typing import get_args

import numpy as np

from levelfield.adapters import runtime
from levelfield.adapters.adapter import Adapter, Precision
from levelfield.adapters.registry import find
from levelfield.harness.certify.cases import Case, choose
from levelfield.harness.certify.observe import Subject
from levelfield.harness.certify.sketches import recipe
from levelfield.harness.certify.trajectory import trajectory
from levelfield.harness.records.certificate import Check
from levelfield.tasks.mlp import MLP, Activation
from levelfield.tasks.recipe import Optimizer


def draw(rng: np.random.Generator, optimizers: tuple[str, ...] = get_args(Optimizer)) -> Case:
    """Any optimizer, activation, loss, penalty, depth, width and batch; one step an epoch or several."""
    optimizer = optimizers[rng.integers(len(optimizers))]
    activation = get_args(Activation)[rng.integers(3)]
    hidden = int(rng.integers(0, 5))
    kind = "regression" if rng.random() < 0.4 else "classification"
    outputs = int(rng.integers(1, 5)) if kind == "regression" else int(rng.integers(2, 7))
    widths = (int(rng.integers(1, 17)), *(int(rng.integers(2, 17)) for _ in range(hidden)), outputs)
    l2 = float(2.0 ** -rng.integers(5, 10)) if rng.random() < 0.4 else 0.0
    batch = int(rng.integers(1, 17))
    several = bool(rng.random() < 0.5)
    rate = 2.0 ** -float(rng.integers(7, 11) if optimizer.startswith("adam") else rng.integers(1, 8))
    epsilon = 2.0 ** -float(rng.choice([10, 20, 27]))
    return Case(
        title=f"random, {optimizer}, {activation}, {kind}{', L2' if l2 else ''}, rate {rate:g}, epsilon {epsilon:.0e}",
        kind=kind,  # type: ignore[arg-type]
        model=MLP(widths, activation=activation, l2=l2),
        recipe=recipe(optimizer, batch, 3 if several else 10, rate, epsilon),  # type: ignore[arg-type]
        samples=int(rng.integers(batch, 3 * batch + 1)) if several else batch + int(rng.integers(0, batch)),
        partial=several,
        seed=int(rng.integers(2**31)),
    )


def examine(subject: Subject, precision: Precision, count: int, seed: int) -> list[Check]:
    """All checks of `count` random cases that the adapter supports."""
    checks: list[Check] = []
    number = 0
    while count:
        number += 1
        case = choose(partial(draw), seed, number)
        if subject.unsupported(case, precision) is None:
            checks += trajectory(subject, case, precision)
            count -= 1
    return checks


def main(name: str, counts: dict[str, int]) -> None:
    info = find().adapters[name]
    os.environ.update(runtime.environment(info.framework, info.backend, "cpu", 1))
    adapter: type[Adapter] = getattr(importlib.import_module(info.module), info.qualname)
    found = {}
    for mode, count in counts.items():
        subject = Subject(adapter, mode)
        checks = examine(subject, "float32", count - count // 4 if subject.precise else count, seed=0)
        checks += examine(subject, "float64", count // 4, seed=1) if subject.precise else []
        strain = [(c.deviation or 0) / c.tolerance for c in checks if c.tolerance]
        failed = [f"{c.name}, {c.case}: {c.deviation} of {c.tolerance}" for c in checks if c.passed is False]
        found[mode] = {"checks": len(checks), "failed": failed, "strain": max(strain)}
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], {mode: int(count) for mode, count in (word.split("=") for word in sys.argv[2:])})
