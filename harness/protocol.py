"""What is done, and timed, inside one launch. Runs in the worker; clocks start and stop on a synchronised device."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from types import ModuleType

import numpy as np

from adapters.adapter import Adapter, Setting
from harness import disturbance
from harness.contract import Calls, check_logits, check_weights
from harness.record import EpochScores, LaunchKind, Score
from tasks import score
from tasks.recipe import BatchOrder
from tasks.task import Split, Task

CHUNK = 4096  # samples that one predict call gets at most, in evaluation
LEAST_EPOCHS = 3  # steady epochs of a speed launch, however long they take
MOST_EPOCHS = 100_000
PREDICT_BATCHES = (1, 32, 1024)
PREDICT_SECONDS = 0.03  # for each batch size, at most PREDICT_CALLS calls
PREDICT_CALLS = 100

clock = time.perf_counter


def launch(
    kind: LaunchKind, adapter: type[Adapter], runtime: ModuleType, setting: Setting, task: Task, seconds: float
) -> dict[str, object]:
    """Make one launch; the result holds the measured fields of a `harness.record.Record`."""
    runtime.configure(setting)
    start = clock()
    model = adapter(setting)
    model.set_weights(setting.model.initial_weights(setting.seed))
    model.synchronize()
    build = clock() - start
    result = _speed(model, runtime, setting, task, seconds) if kind == "speed" else _learning(model, setting, task)
    phases = result["phases"]
    assert isinstance(phases, dict)
    phases["build"] = build
    return result | {"parameters": setting.model.parameters, "train_samples": len(task.train.x)}


def evaluate(predict: Callable[[np.ndarray], np.ndarray], task: Task, epoch: int) -> EpochScores:
    """Scores of the current weights on all three splits."""

    def of(split: Split) -> Score:
        chunks = [split.x[i : i + CHUNK] for i in range(0, len(split.x), CHUNK)]
        logits = np.concatenate([check_logits(predict(x), len(x), task.outputs) for x in chunks])
        return Score(loss=score.loss(logits, split.y, task.kind), accuracy=score.accuracy(logits, split.y, task.kind))

    return EpochScores(epoch=epoch, train=of(task.train), validation=of(task.validation), test=of(task.test))


def check_finite(scores: EpochScores) -> None:
    if not np.isfinite(scores.train.loss):
        raise FloatingPointError(f"the training loss is {scores.train.loss} after epoch {scores.epoch}")


class SpeedWatch:
    """Times every epoch, until there are enough steady ones. Made just before `fit` is called."""

    def __init__(self, model: Adapter, runtime: ModuleType, seconds: float) -> None:
        self.model, self.runtime, self.seconds = model, runtime, seconds
        self.calls = Calls()
        self.epochs: list[float] = []
        self.place = 0.0
        self.first_compilations: int | None = None
        self.before = disturbance.snapshot()
        self.start = self.steady_start = clock()

    def ready(self) -> None:
        self.model.synchronize()
        self.calls.ready()
        now = clock()
        self.place, self.start = now - self.start, now

    def epoch_end(self, epoch: int) -> bool:
        self.model.synchronize()
        self.epochs.append(clock() - self.start)
        self.calls.epoch_end(epoch)
        if epoch == 0:
            gc.collect()  # what tracing left behind belongs to the first epoch
            self.first_compilations = self.runtime.compilations()
            self.before = disturbance.snapshot()
            self.steady_start = clock()
        self.start = clock()
        self.calls.goes_on = len(self.epochs) <= LEAST_EPOCHS or self.start - self.steady_start < self.seconds
        return self.calls.goes_on


def _speed(model: Adapter, runtime: ModuleType, setting: Setting, task: Task, seconds: float) -> dict[str, object]:
    order = BatchOrder(len(task.train.x), setting.recipe.batch_size, MOST_EPOCHS, setting.seed, partial=False)
    if order.steps == 0:
        raise ValueError(
            f"batch size {setting.recipe.batch_size} is larger than the training split ({len(task.train.x)} samples)"
        )
    watch = SpeedWatch(model, runtime, seconds)
    model.fit(task.train, order, watch)
    watch.calls.returned(order.epochs)
    if runtime.compilations() != watch.first_compilations:
        raise RuntimeError("recompiled after its first epoch: the steady epochs are void")
    start = clock()
    predictions = {str(n): _predict_times(model, n, task) for n in _batches(task)}
    predicted = clock()
    disturbed = disturbance.between(watch.before, disturbance.snapshot(), os.cpu_count() or 1)
    final = evaluate(model.predict, task, len(watch.epochs))
    check_finite(final)
    return {
        "phases": {
            "place": watch.place,
            "first_epoch": watch.epochs[0],
            "predict": predicted - start,
            "evaluate": clock() - predicted,
        },
        "steps_per_epoch": order.steps,
        "epoch_seconds": watch.epochs[1:],
        "predict_seconds": predictions,
        "disturbance": disturbed,
        "contaminated": disturbance.verdict(disturbed),
        "final": final.model_dump(),
    }


def _batches(task: Task) -> list[int]:
    """Batch sizes for prediction: the fixed ones, and the whole test split as far as one call may take it."""
    return sorted({*PREDICT_BATCHES, min(len(task.test.x), CHUNK)})


def _predict_times(model: Adapter, batch: int, task: Task) -> list[float]:
    x = np.resize(task.train.x, (batch, task.features))  # repeats samples where there are too few
    for _ in range(2):
        check_logits(model.predict(x), batch, task.outputs)  # compiles for this shape
    times: list[float] = []
    end = clock() + PREDICT_SECONDS
    while len(times) < 3 or (clock() < end and len(times) < PREDICT_CALLS):
        start = clock()
        model.predict(x)
        times.append(clock() - start)
    return times


class LearningWatch:
    """Evaluates after every epoch; nothing is timed."""

    def __init__(self, model: Adapter, task: Task) -> None:
        self.model, self.task = model, task
        self.calls = Calls()
        self.epochs = [evaluate(model.predict, task, 0)]

    def ready(self) -> None:
        self.calls.ready()

    def epoch_end(self, epoch: int) -> bool:
        self.calls.epoch_end(epoch)
        self.model.synchronize()
        scores = evaluate(self.model.predict, self.task, epoch + 1)
        self.epochs.append(scores)
        self.calls.goes_on = bool(np.isfinite(scores.train.loss))
        return self.calls.goes_on


def _learning(model: Adapter, setting: Setting, task: Task) -> dict[str, object]:
    recipe = setting.recipe
    order = BatchOrder(len(task.train.x), recipe.batch_size, recipe.epochs, setting.seed, partial=True)
    check_weights(model.get_weights(), setting.model)
    watch = LearningWatch(model, task)
    model.fit(task.train, order, watch)
    watch.calls.returned(order.epochs)
    last = watch.epochs[-1]
    check_finite(last)
    return {
        "phases": {},
        "steps_per_epoch": order.steps,
        "epochs": [scores.model_dump() for scores in watch.epochs],
        "final": last.model_dump(),
    }
