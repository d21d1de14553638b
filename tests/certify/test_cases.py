"""Cases that single precision can follow, the order that is read from learning, and correct adapters that pass."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from levelfield.adapters import runtime
from levelfield.adapters.numpy.manual import NumpyManual
from levelfield.adapters.registry import AdapterInfo, find
from levelfield.harness.certify.behaviour import synchronize
from levelfield.harness.certify.cases import Probe, Silent, choose, relabelled
from levelfield.harness.certify.catalogue import Item, plan
from levelfield.harness.certify.dropout import read_masks
from levelfield.harness.certify.observe import Subject, flat, observe, reference, tolerances
from levelfield.harness.certify.order import read_epoch
from levelfield.harness.certify.sketches import Steps, drawn, masks, one_hot
from levelfield.harness.certify.trajectory import distance
from levelfield.harness.plan.launches import has_compiler

ROOT = Path(__file__).parents[2]


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


false_alarms = load(Path(__file__).parent / "false_alarms.py")


COMPARED = [i for i in plan(Subject(NumpyManual, "eager"), quick=False, needs=None) if i.examine is not synchronize]


@pytest.mark.parametrize("item", COMPARED, ids=lambda i: f"{i.examine.__name__}-{i.precision}")
def test_no_case_comes_near_a_kink_or_a_small_adam_gradient(item: Item) -> None:
    case = item.draw(0)
    probe = Probe(case.setting("eager", "float64"))
    probe.set_weights(case.weights("float32"))
    probe.fit(case.split, case.order, Silent())
    assert probe.nearest_kink >= 1e-4
    assert probe.smallest_gradient >= 1e-5 or not case.recipe.optimizer.startswith("adam")


def test_constants_of_recipes_are_exact_in_float32() -> None:
    for item in plan(Subject(NumpyManual, "eager"), quick=False, needs=None):
        recipe = item.draw(0).recipe
        constants = recipe.learning_rate, recipe.momentum, recipe.beta1, recipe.beta2, recipe.epsilon
        assert all(float(np.float32(c)) == c for c in (*constants, recipe.weight_decay, item.draw(0).model.l2))


def test_a_case_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    assert drawn(Steps(1), 3) == drawn(Steps(1), 3)
    assert drawn(Steps(1), 3) != drawn(Steps(1), 4) != drawn(Steps(2), 4)
    assert np.array_equal(drawn(Steps(1), 3).split.x, drawn(Steps(1), 3).split.x)


def test_no_two_sketches_share_a_seed_by_which_their_data_would_be_alike() -> None:
    items = plan(Subject(NumpyManual, "eager"), quick=False, needs=None)
    seeds: dict[object, int] = {i.sketch: i.sketch.seed for i in items if i.sketch != one_hot(8, track="idiomatic")}
    assert len(set(seeds.values())) == len(seeds)


def test_relabelled_units_compute_the_same() -> None:
    case = drawn(Steps(1, activation="tanh", hidden=2))
    x, layers, undo = relabelled(case, case.weights("float64"), np.random.default_rng(0))
    moved, plain = (NumpyManual(case.setting("eager", "float64")) for _ in range(2))
    moved.set_weights(layers)
    plain.set_weights(case.weights("float64"))
    assert distance(moved.predict(x), plain.predict(case.split.x)) < 1e-14
    assert distance(flat(undo(layers)), flat(case.weights("float64"))) == 0


def test_float32_tolerances_lie_far_below_what_a_fault_of_one_per_mille_changes() -> None:
    case = drawn(Steps(1))
    moved = np.abs(flat(reference(case, "float32").epochs[0]) - flat(case.weights("float32"))).max()
    assert tolerances(case, "float32")["sgd after 1 step"] < 1e-3 * moved / 20


def test_the_batches_of_every_epoch_are_read_from_the_weights() -> None:
    case = drawn(one_hot(1))
    trace = observe(NumpyManual(case.setting("eager", "float32")), case, "float32")
    layers = [trace.start[0], *(epoch[0] for epoch in trace.epochs)]
    for epoch, (before, after) in enumerate(pairwise(layers)):
        assert read_epoch(case, before, after) == [set(b.tolist()) for b in case.order.batches(epoch)]


def test_masks_read_from_a_step_are_those_that_were_drawn() -> None:
    case = drawn(masks(1))
    adapter = NumpyManual(case.setting("eager", "float64", seed=5))
    trace = observe(adapter, case, "float64")
    random = np.random.default_rng(5)
    for before, after in pairwise([trace.start, *trace.epochs]):
        for mask in read_masks(case, before, after).kept:
            assert np.array_equal(mask, random.random((1, 48))[0] < 0.75)


@pytest.mark.slow
def test_two_hundred_random_right_configurations_raise_no_alarm() -> None:
    subject = Subject(NumpyManual, "eager")
    checks = false_alarms.examine(subject, "float32", 200, seed=2)
    assert len(checks) > 1000
    assert [check for check in checks if check.passed is False] == []


def test_a_sequence_without_a_case_that_can_be_followed_is_an_error() -> None:
    with pytest.raises(ValueError, match="none of 500"):
        choose(partial(false_alarms.draw), 0, good=lambda case: False)


SUBJECTS = [info for info in find().adapters.values() if info.builtin and info.name != "numpy-manual"]


@pytest.mark.frameworks
@pytest.mark.slow
@pytest.mark.parametrize("info", SUBJECTS, ids=lambda info: info.name)
def test_random_right_configurations_raise_no_alarm_in_any_framework(info: AdapterInfo) -> None:
    if info.missing():
        pytest.skip(f"{info.name} {info.missing()}")
    counts = {mode: 4 if mode == info.modes[0] else 2 for mode in info.modes if mode != "compile" or has_compiler()}
    environment = os.environ | runtime.environment(info.framework, info.backend, "cpu", 1) | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parent / "false_alarms.py"), info.name]
        + [f"{mode}={count}" for mode, count in counts.items()],
        capture_output=True,
        text=True,
        timeout=1800,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert {mode: result["failed"] for mode, result in found.items()} == {mode: [] for mode in counts}
    assert all(result["checks"] >= 5 * counts[mode] for mode, result in found.items())


EARLY = """
import sys
from levelfield.adapters import runtime
from levelfield.adapters.jax import grad as jax_grad
from levelfield.harness.certify.observe import Subject
from levelfield.harness.certify.behaviour import synchronize
from levelfield.harness.certify.sketches import wide, drawn

class Early(jax_grad.JaxGrad):
    def synchronize(self):
        pass

case = drawn(wide(6, 384, 256))
for adapter in (jax_grad.JaxGrad, Early):
    print(all(check.passed for check in synchronize(Subject(adapter, sys.argv[1]), case, "float32")))
"""


@pytest.mark.frameworks
@pytest.mark.parametrize("mode", ["jit", "scan"])
def test_jax_which_queues_its_work_is_seen_to_wait_and_seen_not_to(mode: str) -> None:
    environment = os.environ | runtime.environment("jax", None, "cpu", 1) | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", EARLY, mode], capture_output=True, text=True, timeout=600, env=environment, check=False
    )
    assert done.stdout.split() == ["True", "False"], f"{done.stdout}\n{done.stderr[-2000:]}"
