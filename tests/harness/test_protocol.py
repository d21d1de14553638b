"""What happens inside a launch: phases, batches, evaluation, and what voids it."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from levelfield.adapters.adapter import Setting
from levelfield.adapters.numpy.manual import NumpyManual
from levelfield.adapters.registry import find
from levelfield.adapters.runtime import PLAIN, load
from levelfield.harness.launch.local import LocalHost
from levelfield.harness.measure import learning, protocol
from levelfield.harness.measure.steady import Steady
from levelfield.harness.measure.turns import LAST, LEAST_EPOCHS, Alone, Turns
from levelfield.harness.plan import suite
from levelfield.harness.plan.launches import Surroundings, has_compiler, plan
from levelfield.harness.system import machine
from levelfield.tasks import registry, score
from levelfield.tasks.mlp import MLP
from levelfield.tasks.recipe import Recipe

IRIS = registry.load("iris")  # 104 samples to train on: six batches of 16 and one of 8
MODEL = MLP((4, 8, 3))


def setting(**recipe: object) -> Setting:
    known = {"optimizer": "momentum", "learning_rate": 0.05, "batch_size": 16, "epochs": 3}
    return Setting(MODEL, Recipe(**{**known, **recipe}), mode="eager")  # type: ignore[arg-type]


class Noted(NumpyManual):
    """Notes the sizes of everything that it computes with."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.trained: list[int] = []
        self.predicted: list[int] = []
        noted.append(self)

    def gradients(self, x, y):
        self.trained.append(len(x))
        return super().gradients(x, y)

    def predict(self, x):
        self.predicted.append(len(x))
        return super().predict(x)


noted: list[Noted] = []


def launch(kind: str, adapter: type[NumpyManual] = Noted, task=IRIS, seconds: float = 0.0, **recipe: object):
    return protocol.launch(kind, adapter, load(PLAIN), setting(**recipe), task, seconds)  # type: ignore[arg-type]


# Learning


def test_a_learning_launch_keeps_the_partial_batch_and_evaluates_every_epoch():
    result = launch("learning")
    assert noted[-1].trained == [16, 16, 16, 16, 16, 16, 8] * 3
    assert result["steps_per_epoch"] == 7
    assert [scores["epoch"] for scores in result["epochs"]] == [0, 1, 2, 3]
    assert result["final"] == result["epochs"][-1]
    assert result["parameters"] == 4 * 8 + 8 + 8 * 3 + 3
    assert result["train_samples"] == 104


def test_scores_are_those_of_the_current_weights_on_each_split():
    result = launch("learning")
    model = noted[-1]
    for name in ("train", "validation", "test"):
        split = getattr(IRIS, name)
        logits = NumpyManual.predict(model, split.x)
        assert result["final"][name]["loss"] == pytest.approx(score.loss(logits, split.y, "classification"))
        assert result["final"][name]["accuracy"] == score.accuracy(logits, split.y, "classification")


def test_evaluation_before_training_is_that_of_the_canonical_weights():
    model = NumpyManual(setting())
    model.set_weights(MODEL.initial_weights(0))
    expected = learning.evaluate(model.predict, IRIS, 0)
    assert launch("learning")["epochs"][0] == expected.model_dump()


def test_large_splits_are_evaluated_in_chunks(monkeypatch):
    monkeypatch.setattr(learning, "CHUNK", 10)
    result = launch("learning", epochs=1)
    assert max(noted[-1].predicted) == 10
    assert sum(noted[-1].predicted) == 2 * 150
    monkeypatch.undo()
    assert launch("learning", epochs=1)["final"]["train"]["loss"] == pytest.approx(result["final"]["train"]["loss"])


def test_the_same_seed_gives_the_same_losses_and_another_seed_others():
    one, again = launch("learning"), launch("learning")
    assert one["epochs"] == again["epochs"]
    other = protocol.launch(
        "learning", NumpyManual, load(PLAIN), Setting(MODEL, setting().recipe, mode="eager", seed=1), IRIS, 0.0
    )
    assert other["epochs"][0] != one["epochs"][0]


def test_training_that_diverges_stops_at_once_and_fails():
    with (
        pytest.raises(FloatingPointError, match=r"training loss is (nan|inf) after epoch \d"),
        np.errstate(all="ignore"),
    ):
        launch("learning", learning_rate=1e30, epochs=50)
    assert len(noted[-1].trained) < 7 * 50


# Speed


def test_a_speed_launch_drops_the_partial_batch():
    result = launch("speed")
    assert set(noted[-1].trained) == {16}
    assert result["steps_per_epoch"] == 6
    epochs = len(noted[-1].trained) // 6
    assert len(result["epoch_seconds"]) == epochs - 1  # the first epoch is a phase of its own
    assert result["phases"]["first_epoch"] > 0


def test_a_speed_launch_has_a_least_number_of_steady_epochs_and_goes_on_for_its_seconds():
    shortest = launch("speed", seconds=0.0)
    assert shortest["window"]["epochs"] == LEAST_EPOCHS
    assert len(shortest["epoch_seconds"]) == LEAST_EPOCHS + LAST
    longer = launch("speed", seconds=0.1)
    assert sum(longer["epoch_seconds"][: longer["window"]["epochs"]]) >= 0.1
    assert longer["window"]["epochs"] > LEAST_EPOCHS


def test_prediction_is_timed_at_recorded_batch_sizes():
    result = launch("speed")
    assert list(result["predict_seconds"]) == ["1", "23", "32", "1024"]  # 23: the whole test split
    for times in result["predict_seconds"].values():
        assert 3 <= len(times) <= protocol.PREDICT_CALLS
        assert all(seconds > 0 for seconds in times)
    assert {1, 23, 32, 1024} <= set(noted[-1].predicted)


def test_every_phase_has_its_clock():
    assert set(launch("speed")["phases"]) == {"build", "place", "first_epoch", "predict", "evaluate", "proof"}
    assert set(launch("learning")["phases"]) == {"build"}


def test_clocks_stop_before_and_start_after_what_the_harness_does_between_epochs(monkeypatch):
    now = [0.0]

    class Plain:
        """A runtime whose count of compilations takes an hour."""

        @staticmethod
        def compilations():
            now[0] += 3600
            return None

    class Model:
        """Whose queued work takes two seconds to finish."""

        def synchronize(self):
            now[0] += 2

        def get_weights(self):
            now[0] += 100  # looking is not timed either
            return MODEL.initial_weights(0)

    monkeypatch.setattr(protocol, "clock", lambda: now[0])
    turns = Turns(Alone(), 1000.0)
    watch = protocol.SpeedWatch(Model(), Plain, turns, Steady(load(PLAIN), setting()))  # type: ignore[arg-type]
    now[0] += 10
    watch.ready()
    for epoch in range(3):
        now[0] += 5
        watch.epoch_end(epoch)
    assert watch.place == 12
    assert watch.epochs == [7, 7, 7]


def test_a_batch_larger_than_the_training_split_is_refused_in_speed_launches():
    with pytest.raises(ValueError, match=r"batch size 105 is larger than the training split \(104 samples\)"):
        launch("speed", batch_size=105)
    assert launch("learning", batch_size=105)["steps_per_epoch"] == 1


def test_regression_is_evaluated_by_its_squared_error_and_has_no_accuracy():
    from levelfield.tasks.task import make_task

    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 4))
    task = make_task("line", x, x @ [1.0, 2.0, 3.0, 4.0], kind="regression", source="drawn by a test", licence="CC0")
    regression = Setting(MLP((4, 1)), Recipe("sgd", 0.05, batch_size=8, epochs=5), kind="regression", mode="eager")
    result = protocol.launch("learning", NumpyManual, load(PLAIN), regression, task, 0.0)
    losses = [scores["train"]["loss"] for scores in result["epochs"]]
    assert losses == sorted(losses, reverse=True)
    assert result["final"]["train"]["accuracy"] is None
    assert all(math.isfinite(loss) for loss in losses)


# Recompilation, in a real framework

RECOMPILES = """
import numpy as np
from {module} import {base}

class ChangesItsShapes({base}):
    name = "late-{adapter}"
    framework = "{framework}"
    api = "low"
    modes = ("{mode}",)

    def fit(self, train, order, watch):
        class Watch:
            ready = staticmethod(watch.ready)

            @staticmethod
            def epoch_end(epoch):
                go_on = watch.epoch_end(epoch)
                if epoch == 1:
                    {again}
                return go_on

        super().fit(train, order, Watch)
"""
AGAIN = {  # a step with another shape, in the words of each framework
    ("jax-grad", "jit"): "self.train(train.x, train.y, self.state, np.arange(5))",
    ("torch-nn", "compile"): (
        "import torch; self.loss(torch.tensor(train.x[:5], dtype=self.dtype), torch.tensor(train.y[:5])).backward()"
    ),
    ("tensorflow-tape", "graph"): "self.train(train.x[:5].astype('float32'), train.y[:5])",
}


@pytest.mark.frameworks
@pytest.mark.parametrize(("adapter", "mode"), AGAIN)
def test_a_launch_that_recompiles_after_its_first_epoch_is_void(adapter, mode, install, tiny, tmp_path, monkeypatch):
    info = find().adapters[adapter]
    if (missing := info.missing()) is not None:
        pytest.skip(missing)
    if mode == "compile" and not has_compiler():
        pytest.skip("there is no C++ compiler here")
    text = RECOMPILES.format(
        module=info.module, base=info.qualname, adapter=adapter, framework=info.framework, mode=mode,
        again=AGAIN[adapter, mode],
    )  # fmt: skip
    install(tmp_path, {"late": "late:ChangesItsShapes"}, {"late.py": text})
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    adapters = find().adapters
    names = f'adapters = ["late-{adapter}", "{adapter}"]\nmodes = ["{mode}"]'
    text = tiny(speed=f"{names}\nblocks = 1\nthreads = 1\nseconds = 0.0001", time_limit=120)
    launches = plan(suite.parse(text, Path("mine.toml")), Surroundings(adapters, {"flowers": IRIS}, 1))
    with LocalHost(adapters, {"flowers": IRIS}, machine.describe(True), machine.cores(), 120.0) as launcher:
        records = {one.cell.adapter: launcher.launch(one) for one in launches}
    assert records[adapter].status == "ok", records[adapter].log
    late = records[f"late-{adapter}"]
    assert late.status == "failed"
    assert "recompiled after its first epoch" in late.reason, late.log
    assert late.epoch_seconds == []


TORCH = """
import torch
from levelfield.adapters.torch.runtime import TorchRuntime

runtime = TorchRuntime()
double = torch.compile(lambda x: 2 * x, backend="eager", dynamic=False)
counts = [runtime.compilations()]
for size in (3, 3, 4):
    double(torch.ones(size))
    counts.append(runtime.compilations())
print(counts)
"""
TENSORFLOW = """
import tensorflow as tf
from levelfield.adapters.tensorflow.runtime import TensorFlowRuntime

runtime = TensorFlowRuntime()
double = tf.function(lambda x: 2 * x)
counts = [runtime.compilations()]
for size in (3, 3, 4):
    double(tf.ones(size))
    counts.append(runtime.compilations())
print(counts)
"""


@pytest.mark.frameworks
@pytest.mark.parametrize(("adapter", "program"), [("torch-nn", TORCH), ("tensorflow-tape", TENSORFLOW)])
def test_every_new_shape_counts_as_a_compilation_and_an_old_one_does_not(adapter, program):
    if (missing := find().adapters[adapter].missing()) is not None:
        pytest.skip(missing)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert done.returncode == 0, done.stderr
    none, first, again, other = json.loads(done.stdout.splitlines()[-1])
    assert first > none
    assert again == first
    assert other > again
