"""Who spends a step: kinds that add up to it, the dearest callers, counts, and traces that other tools read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from levelfield.adapters.adapter import Setting
from levelfield.adapters.chrome import own_seconds
from levelfield.adapters.numpy.manual import NumpyManual
from levelfield.adapters.numpy.runtime import NumpyRuntime
from levelfield.adapters.runtime import OURS, Operation, Seen, load
from levelfield.harness.explain.spent import BYTES, COMPILED, COPIES, differences, more, spent, totals, untold
from levelfield.harness.judge.statistics import Interval
from levelfield.harness.measure import looking
from levelfield.harness.measure.profile import Compilations, Look, Looking, Operations, Profile, Profiled
from levelfield.harness.records.quantity import Measured, Unavailable
from levelfield.tasks.mlp import MLP
from levelfield.tasks.recipe import BatchOrder, Recipe
from levelfield.tasks.task import Split

PACKAGES = "/somewhere/lib/python3.11/site-packages/"


def profile(**about) -> Profile:
    plain = Look(epochs=2, step=1.0)
    usual = {"plain": plain, "sampled": plain, "counted": plain, "samples": 100, "callers": []}
    untold = Unavailable(reason="why")
    counts = {"python_calls": 1.0, "c_names": {}, "allocated": untold, "copied": untold}
    return Profile(**usual | counts | {"kinds": {"dispatch": 1.0}, "unwatched": "why"} | about)


# Samples


def told(*files_and_names: tuple[str, str]) -> tuple[str, str]:
    """What is told of a stack of functions, the outermost first."""
    sampled, found = looking.Sampled(1.0), []
    call = lambda: found.append(sampled._told(sys._getframe(1)))  # noqa: E731
    for file, name in reversed(files_and_names):
        scope = {"call": call}
        exec(compile(f"def {name}():\n    call()", file, "exec"), scope)
        call = scope[name]
    call()
    return found[0]


@pytest.mark.parametrize(
    ("stack", "kind"),
    [
        ([("adapters/torch/nn.py", "fit"), ("torch/nn/modules/linear.py", "forward")], "dispatch"),
        ([("adapters/torch/nn.py", "fit"), ("torch/utils/data/dataloader.py", "__next__")], "data"),
        ([("torch/utils/data/_utils/fetch.py", "fetch"), ("torch/_tensor.py", "stack")], "data"),
        ([("adapters/jax/grad.py", "synchronize"), ("jax/_src/api.py", "block_until_ready")], "waiting"),
        ([("torch/utils/data/dataloader.py", "get"), ("threading.py", "wait")], "waiting"),
        ([("keras/src/trainers/data_adapters/array_data_adapter.py", "get"), ("keras/src/tree.py", "map")], "data"),
    ],
)
def test_the_kind_of_a_sample_is_that_of_its_stack(stack, kind):
    assert told(*((PACKAGES + file, name) for file, name in stack))[1] == kind


def test_a_function_is_named_with_its_place_in_its_package():
    assert told((PACKAGES + "torch/nn/modules/linear.py", "forward"))[0] == "forward (torch/nn/modules/linear.py)"


def test_what_the_harness_does_around_the_training_makes_no_data():
    harness = str(Path(looking.__file__).resolve().parent / "loader.py")
    assert told((harness, "outer"), (PACKAGES + "torch/nn/functional.py", "linear"))[1] == "dispatch"
    assert told((harness, "outer"))[1] == "rest"


def test_shares_are_of_all_samples():
    sampled = looking.Sampled(1.0)
    sampled.weights = {("a", "data"): 1.0, ("b", "dispatch"): 2.0, ("c", "dispatch"): 1.0}
    assert sampled.shares() == {"data": 0.25, "dispatch": 0.75}
    assert sampled.callers()[0] == ("b", "dispatch", 0.5)


# The launch


class Told:
    def __init__(self, epochs: int) -> None:
        self.epochs, self.seen = epochs, []

    def ready(self):
        self.seen.append("ready")

    def epoch_end(self, epoch):
        self.seen.append(epoch)
        return epoch + 1 < self.epochs


@pytest.fixture
def looked(look_at):
    return look_at(NumpyRuntime())


@pytest.fixture
def look_at(tmp_path, monkeypatch):
    """Looks at a training of the numpy adapter, two steps an epoch, whatever the runtime that is asked."""
    for name in ("WARM", "LOOK", "SAMPLE"):
        monkeypatch.setattr(looking, name, 0.0)
    return partial(_look_at, tmp_path)


def _look_at(tmp_path, runtime):
    setting = Setting(MLP((4, 8, 3)), Recipe("momentum", batch_size=8, epochs=100), mode="eager")
    model = NumpyManual(setting)
    model.set_weights(setting.model.initial_weights(0))
    rng = np.random.default_rng(0)
    train = Split(rng.normal(size=(16, 4)).astype(np.float32), rng.integers(0, 3, 16))
    watch = Told(2)
    job = Profiled(runtime="", to=tmp_path / "found.json", trace=tmp_path / "numpy")
    model.fit(train, BatchOrder(16, 8, 100, 0), Looking(watch, model, runtime, 2, job))
    return watch, Profile.model_validate_json(job.to.read_text()), tmp_path


def test_the_harness_is_told_of_no_epoch_that_was_looked_at(looked):
    watch, found, _ = looked
    assert watch.seen == ["ready", 0, 1]
    assert found.plain.epochs == found.sampled.epochs == found.counted.epochs == looking.LEAST
    assert sys.getprofile() is None


def test_every_call_of_a_step_is_counted(looked):
    _, found, _ = looked
    # gradients, forward, slope and update of each step, and what NumPy calls in Python
    assert found.python_calls >= 4


def test_where_no_profiler_is_known_the_reason_is_told(looked):
    _, found, _ = looked
    assert found.watched is None
    assert found.unwatched == "levelfield knows no profiler of this framework"
    assert "kernels" not in spent(found, None).kinds


def test_the_trace_is_chromes_and_its_events_lie_within_each_other(looked):
    *_, folder = looked
    events = json.loads((folder / "numpy-python.json").read_text())["traceEvents"]
    assert {one["ph"] for one in events} == {"X"}
    names = [one["name"] for one in events]
    assert names.count("NumpyManual.update (adapters/numpy/manual.py)") == 2
    assert sum(seconds for _, seconds in own_seconds(events)) <= max(one["ts"] + one["dur"] for one in events) / 1e6


# Bytes, copies and compilations


class Compiling(NumpyRuntime):
    """Has two compilations before the training, three in its first epoch, and one in each later one."""

    def __init__(self) -> None:
        self.calls = 0

    def compilations(self) -> int | None:
        self.calls += 1
        return [2, 5, 13][self.calls - 1]

    @contextmanager
    def watched(self, trace: Path) -> Iterator[Seen]:
        found = Seen()
        yield found
        found.allocated, found.copied = (96, "the allocator"), "one memory"


def test_bytes_are_of_a_step_and_compilations_of_the_first_epoch_or_of_later_ones(look_at):
    _, found, _ = look_at(Compiling())
    assert found.allocated == Measured(value=48, unit="B", source="the allocator")
    assert found.copied == Unavailable(reason="one memory")
    assert found.compilations == Compilations(first=3, steady=8)


def test_who_compiles_nothing_has_no_compilations(looked):
    _, found, _ = looked
    assert found.compilations is None
    assert found.allocated == Unavailable(reason="levelfield knows no profiler of this framework")


def seen_by(runtime: str, folder: Path, work: Callable[[], object]) -> Seen:
    with load(OURS[runtime]).watched(folder / "trace.json") as found:
        for _ in range(5):
            work()
    return found


@pytest.mark.frameworks
def test_torch_tells_what_it_allocates(tmp_path):
    import torch

    a, b = torch.ones(32, 64), torch.ones(64, 10)
    found = seen_by("torch", tmp_path, lambda: a @ b)
    assert found.allocated == (5 * 4 * 32 * 10, "[memory] of torch.profiler")
    assert "same memory" in found.copied
    assert {one.name for one in found.operations} >= {"aten::mm"}
    assert "[memory]" not in {one.name for one in found.operations}


SMALL_PRODUCTS = """
import json, sys
from pathlib import Path
import tensorflow as tf
from levelfield.adapters.runtime import OURS, load
a, b = tf.ones((32, 64)), tf.ones((64, 10))
with load(OURS["tensorflow"]).watched(Path(sys.argv[1])) as found:
    for _ in range(5):
        tf.matmul(a, b)
print(json.dumps([found.allocated, found.copied, [one.name for one in found.operations]]))
"""


@pytest.mark.frameworks
@pytest.mark.parametrize("onednn", ["0", "1"])
def test_tensorflow_tells_what_it_allocates_or_why_not_all_of_it_is_told(tmp_path, onednn):
    """oneDNN's allocator, which some CPUs get, keeps small blocks to itself: then there is no number, and no 0."""
    command = [sys.executable, "-P", "-c", SMALL_PRODUCTS, str(tmp_path / "trace.json")]
    env = os.environ | {"TF_ENABLE_ONEDNN_OPTS": onednn}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    allocated, copied, operations = json.loads(done.stdout.splitlines()[-1])
    if onednn == "0" or not isinstance(allocated, str):
        assert allocated == [5 * 4 * 32 * 10, "MemoryAllocation of TensorFlow's profiler"]
    else:
        assert "TF_ENABLE_ONEDNN_OPTS=0" in allocated
    assert copied[0] == 0
    assert not any(name.startswith("Memory") for name in operations)


@pytest.mark.frameworks
def test_tensorflow_tells_what_it_takes_from_numpy(tmp_path):
    import tensorflow as tf

    host, b = np.ones((32, 64), np.float32), tf.ones((64, 10))
    assert seen_by("tensorflow", tmp_path, lambda: tf.matmul(tf.constant(host), b)).copied[0] == 5


@pytest.mark.frameworks
def test_jax_tells_what_it_takes_from_numpy_but_on_the_cpu_not_what_it_allocates(tmp_path):
    import jax
    import jax.numpy as jnp

    double = jax.jit(lambda x: 2 * x)
    host = np.ones((32, 64), np.float32)
    there = jax.block_until_ready(double(jnp.asarray(host)))
    double(host)
    assert seen_by("jax", tmp_path, lambda: double(host)).copied[0] == 5
    found = seen_by("jax", tmp_path, lambda: double(there))
    assert found.copied[0] == 0
    assert found.allocated == "XLA's allocator on the CPU tells its profiler nothing"


# Traces

lengths = st.lists(st.integers(1, 50), min_size=1, max_size=20)


@given(lengths, lengths)
def test_own_seconds_are_all_of_the_time(outer, inner):
    """Events one after the other, the first of which holds the `inner` ones: together as long as the outer ones."""
    events, at = [], 0
    outer = [outer[0] + sum(inner), *outer[1:]]
    for length in outer:
        events.append({"ph": "X", "name": "outer", "ts": at, "dur": length, "tid": 1})
        at += length
    at = 0
    for length in inner:
        events.append({"ph": "X", "name": "inner", "ts": at, "dur": length, "tid": 1})
        at += length
    found = own_seconds([*events, {"ph": "M", "name": "thread_name"}])
    assert sum(seconds for _, seconds in found) == pytest.approx(sum(outer) / 1e6)
    assert sum(seconds for one, seconds in found if one["name"] == "inner") == pytest.approx(sum(inner) / 1e6)


# What is told

shares = st.floats(0, 1)


@given(st.lists(shares, min_size=4, max_size=4).filter(sum), *[st.floats(0, 2)] * 3)
def test_the_kinds_add_up_to_the_step(parts, kernels, beside, waits):
    kinds = dict(zip(["dispatch", "data", "waiting", "rest"], (part / sum(parts) for part in parts), strict=True))
    found = spent(profile(kinds=kinds, kernels=kernels, beside=beside, waits=waits, unwatched=None), None)
    assert set(found.kinds) == {"dispatch", "kernels", "data", "waiting", "rest"}
    assert sum(found.kinds.values()) == pytest.approx(found.step)
    assert min(found.kinds.values()) >= 0
    assert found.hidden == pytest.approx(beside + min(kernels, kinds["dispatch"]) - found.kinds["kernels"], abs=1e-9)


def test_how_far_the_kinds_are_from_the_timed_step_is_told():
    def off(low: float, high: float) -> float:
        return spent(profile(), Interval((low + high) / 2, low, high, 5, 0.95)).off

    assert off(0.9, 1.3) == 0
    assert off(0.5, 0.9) == pytest.approx(0.3)
    assert off(1.1, 1.3) == pytest.approx(-0.2)


def test_where_one_cannot_tell_kernels_apart_both_count_them_as_dispatch():
    plain = spent(profile(kinds={"dispatch": 0.5, "data": 0.5}), None)
    watched = spent(profile(kinds={"dispatch": 0.9, "data": 0.1}, kernels=0.4, unwatched=None), None)
    assert watched.kinds["kernels"] == pytest.approx(0.4)
    assert more(watched, plain)[0] == ("dispatch", pytest.approx(0.4))
    assert sum(seconds for _, seconds in more(watched, watched)) == 0


def operations(**counts: float) -> dict[str, Operations]:
    return {name: Operations(count=count, seconds=0.1, kernel=True) for name, count in counts.items()}


def test_what_one_does_and_the_other_does_not_is_told_by_operations_where_both_were_watched():
    own = profile(operations=operations(mm=3, copy=2, add=1), unwatched=None)
    base = profile(operations=operations(mm=3, add=4), unwatched=None)
    assert [(one.name, one.own, one.other) for one in differences(own, base)] == [("add", 1, 4), ("copy", 2, 0)]
    assert [(one.own, one.other) for one in totals(own, base)][2:4] == [(6, 7), (6, 7)]


def test_what_was_not_counted_is_no_number_and_has_a_reason():
    counted = profile(
        unwatched=None,
        allocated=Measured(value=64.0, unit="B", source="some"),
        compilations=Compilations(first=3, steady=0),
    )
    found = {one.name: (one.own, one.other) for one in totals(counted, profile())}
    assert found[BYTES] == (64, None)
    assert found[COPIES] == (None, None)
    assert [found[name] for name in COMPILED] == [(3, None), (0, None)]
    assert untold(counted) == {COPIES: "why"}
    assert set(untold(profile())) == {"operations", BYTES, COPIES, "compilations"}


def test_else_it_is_told_by_functions_below_python():
    found = differences(profile(c_names={"len": 3.0, "isinstance": 9.0}), profile(c_names={"len": 3.0}))
    assert [(one.name, one.own, one.other) for one in found] == [("isinstance", 9.0, 0.0)]


def test_operations_are_told_by_name_and_thread():
    watched = looking.Watched(NumpyRuntime(), Path("trace"))
    watched.seen = Seen(
        [
            Operation("mm", 2.0, "kernel", True),
            Operation("mm", 4.0, "kernel", False),
            Operation("t", 1.0, "wait", True),
        ]
    )
    assert (watched.kernels(2, main=True), watched.kernels(2, main=False)) == (1.0, 2.0)
    assert watched.waits(2) == 0.5
    assert {name: len(ones) for name, ones in watched.by_name().items()} == {"mm": 2, "t": 1}
