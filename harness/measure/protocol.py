"""What is done, and timed, inside one launch. Runs in the worker; clocks start and stop on a synchronised device."""

from __future__ import annotations

import gc
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np

from levelfield.adapters.adapter import Adapter, Setting
from levelfield.adapters.runtime import Runtime
from levelfield.harness.measure import disturbance, replay, train_in_ranks
from levelfield.harness.measure.adapter_checks import Calls, check_compiled, check_logits, check_weights, programs
from levelfield.harness.measure.learning import (
    CHUNK,
    Learning,
    LearningWatch,
    check_finite,
    evaluate,
    fitted_curve,
    stopping,
)
from levelfield.harness.measure.looks import Looks
from levelfield.harness.measure.rank_group import Ranks
from levelfield.harness.measure.steady import Steady
from levelfield.harness.measure.turns import Alone, Commands, Turns
from levelfield.harness.measure.wrap import Wrap
from levelfield.harness.probes.probe import Window
from levelfield.harness.records.cell import LaunchKind
from levelfield.harness.system.clocks import Pair, clock
from levelfield.tasks import score
from levelfield.tasks.recipe import BatchOrder
from levelfield.tasks.replay import step_order
from levelfield.tasks.task import Task

MOST_EPOCHS = 1_000_000
PREDICT_BATCHES = (1, 32, 1024)
PREDICT_SECONDS = 0.03  # for each batch size, at most PREDICT_CALLS calls
PREDICT_CALLS = 100


def launch(
    kind: LaunchKind,
    adapter: type[Adapter],
    runtime: Runtime,
    setting: Setting,
    task: Task,
    seconds: float,
    learning: Learning | None = None,
    ranks: Ranks | None = None,
    salt: int = 0,
    wrap: Sequence[Wrap] = (),
    commands: Commands | None = None,
    predict: bool = True,
) -> dict[str, object]:
    """Make one launch; the result holds the measured fields of a `Record`. Of several ranks, that of the first.

    That of a speed launch has besides ``seen``, for the proof that it did its work (see `harness.measure.looks`, where
    `salt` is used). It does what `commands` tell, by default one window of `seconds`; `predict`: whether prediction is
    timed at the end. `wrap` is what goes around its training, the innermost first.
    Raises BrokenContract where several replicas were asked for and the work was not distributed over them.
    On the idiomatic track the initial weights and the order of the samples are the framework's own.
    """
    if kind == "speed":  # SpeedWatch decides when there are enough
        setting = replace(setting, recipe=replace(setting.recipe, epochs=MOST_EPOCHS))
    runtime.configure(setting)
    compiled = programs(runtime, setting.mode)
    steady = Steady(runtime, setting, ranks)
    start = clock()
    model = adapter(setting)
    if setting.track == "matched":
        model.set_weights(replay.initial_weights(setting))
    model.synchronize()
    build = clock() - start
    if ranks is not None and ranks.rank:
        return _follow(kind, model, setting, task, ranks)
    if kind == "speed":
        turns = Turns(commands or Alone(), seconds)
        result = _speed(model, runtime, setting, task, turns, steady, ranks, salt, wrap, predict)
    else:
        result = _learning(model, setting, task, learning or Learning(), ranks, wrap)
    check_compiled(runtime, setting.mode, compiled)
    phases = result["phases"]
    assert isinstance(phases, dict)
    phases["build"] = build
    known = {"parameters": setting.model.parameters, "train_samples": len(task.train.x)}
    return result | known | {"runtime": runtime.in_force(setting) | (train_in_ranks.cores(ranks) if ranks else {})}


def _follow(kind: LaunchKind, model: Adapter, setting: Setting, task: Task, ranks: Ranks) -> dict[str, object]:
    """The part of every rank but the first: train along."""
    watch = train_in_ranks.Following(model, ranks)
    model.fit(task.train, given_order(setting, len(task.train.x), partial=kind == "learning"), watch)
    watch.calls.returned(setting.recipe.epochs)
    train_in_ranks.placement(model, setting, ranks)
    train_in_ranks.cores(ranks)
    return {}


def _fit(
    model: Adapter,
    setting: Setting,
    task: Task,
    order: BatchOrder | None,
    watch: SpeedWatch | LearningWatch,
    ranks: Ranks | None,
    wrap: Sequence[Wrap],
) -> dict[str, object]:
    """Train; of several replicas, the result's placement."""
    outer: Any = watch
    with ExitStack() as stack:
        for wrapper in reversed(wrap):
            count = steps(setting, order, len(task.train.x))
            outer = stack.enter_context(wrapper.around(model, outer, setting, count))
        model.fit(task.train, order, outer if ranks is None else train_in_ranks.Leading(outer, ranks))
    watch.calls.returned(setting.recipe.epochs if order is None else order.epochs)
    return {"placement": train_in_ranks.placement(model, setting, ranks)} if setting.replicas > 1 else {}


def given_order(setting: Setting, samples: int, *, partial: bool) -> BatchOrder | None:
    """What `fit` is told; None on the idiomatic track."""
    if setting.track == "idiomatic":
        return None
    return BatchOrder(samples, setting.recipe.batch_size, setting.recipe.epochs, setting.seed, partial)


def steps(setting: Setting, order: BatchOrder | None, samples: int) -> int:
    """In an epoch. A framework's own loader keeps the partial last batch."""
    return -(-samples // setting.recipe.batch_size) if order is None else order.steps


class SpeedWatch:
    """Times every epoch, and passes the turn on. Made just before `fit` is called."""

    def __init__(
        self, model: Adapter, runtime: Runtime, turns: Turns, steady: Steady, seed: int = 0, salt: int = 0
    ) -> None:
        self.model, self.runtime, self.turns, self.steady = model, runtime, turns, steady
        self.looks, self.pair = Looks(model, seed, salt), Pair()
        self.calls = Calls()
        self.epochs: list[float] = []
        self.place = 0.0
        self.first_compilations: int | None = None
        self.before: disturbance.Snapshot | None = None
        self.disturbed: dict[str, float] = {}
        self.start = clock()

    def ready(self) -> None:
        self.model.synchronize()
        self.calls.ready()
        before, now = self.pair.other(), clock()
        self.pair.begin(before, now)
        self.place, self.start = now - self.start, now

    def epoch_end(self, epoch: int) -> bool:
        self.model.synchronize()
        before, now = self.pair.other(), clock()
        self.pair.end(before, now)
        took = now - self.start
        self.epochs.append(took)
        self.calls.epoch_end(epoch)
        over = self.turns.add(took)
        self.looks.after(epoch + 1, took, self.turns.left(took))
        if epoch == 0:
            gc.collect()  # what tracing left behind belongs to the first epoch
            self.first_compilations = self.runtime.compilations()
        if over and self.turns.command == "end":
            self.calls.goes_on = False
        elif over:
            self._next()
        self.resume()
        return self.calls.goes_on

    def _next(self) -> None:
        watched = None if self.before is None else self.end_window()
        if self.turns.next(watched) == "window":
            self.before = disturbance.snapshot(self.steady.family)
            self.steady.begin()

    def end_window(self) -> Window:
        assert self.before is not None
        self.steady.end()
        self.disturbed = disturbance.between(self.before, disturbance.snapshot(self.steady.family), os.cpu_count() or 1)
        self.before = None
        return self.steady.window

    def resume(self) -> None:
        before, self.start = self.pair.other(), clock()
        self.pair.begin(before, self.start)


def _speed(
    model: Adapter,
    runtime: Runtime,
    setting: Setting,
    task: Task,
    turns: Turns,
    steady: Steady,
    ranks: Ranks | None,
    salt: int,
    wrap: Sequence[Wrap],
    predict: bool,
) -> dict[str, object]:
    order = given_order(setting, len(task.train.x), partial=False)
    if order is not None and order.steps == 0:
        raise ValueError(
            f"batch size {setting.recipe.batch_size} is larger than the training split ({len(task.train.x)} samples)"
        )
    watch = SpeedWatch(model, runtime, turns, steady, setting.seed, salt)
    placed = _fit(model, setting, task, order, watch, ranks, wrap)
    if watch.before is not None:  # it ended by MOST_EPOCHS
        watch.end_window()
    if runtime.compilations() != watch.first_compilations:
        raise RuntimeError("recompiled after its first epoch: the steady epochs are void")
    watch.looks.end(len(watch.epochs))
    start = clock()
    predictions = {str(n): _predict_times(model, n, task) for n in _batches(task)} if predict else {}
    predicted = clock()
    final = evaluate(model.predict, task, len(watch.epochs))
    check_finite(final)
    evaluated = clock()
    seen = watch.looks.seen(task.train.x, watch.pair)
    timed = {"predict": predicted - start} if predict else {}
    return placed | {
        "seen": seen,
        "phases": {
            "place": watch.place,
            "first_epoch": watch.epochs[0],
            "evaluate": evaluated - predicted,
            "proof": watch.looks.seconds,
        }
        | timed,
        "steps_per_epoch": steps(setting, order, len(task.train.x)),
        "epoch_seconds": watch.epochs[1:],
        "turns": [turn.model_dump() for turn in turns.taken],
        "window": None if turns.window is None else turns.window.model_dump(),
        "predict_seconds": predictions,
        "utilisation": {name: quantity.model_dump() for name, quantity in steady.found.items()},
        "disturbance": watch.disturbed,
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


def _learning(
    model: Adapter, setting: Setting, task: Task, how: Learning, ranks: Ranks | None, wrap: Sequence[Wrap]
) -> dict[str, object]:
    check_weights(model.get_weights(), setting.model)
    how = replace(how, stopping=stopping(type(model), setting, how.stopping))
    order: BatchOrder | None
    if setting.replays is None:
        order = given_order(setting, len(task.train.x), partial=True)
        watch = LearningWatch(model, task, setting.recipe.epochs, how)
    else:
        order = step_order(setting.model, setting.recipe, len(task.train.x), setting.seed)
        watch = replay.ReplayWatch(model, task, setting, order, how)
    placed = _fit(model, setting, task, order, watch, ranks, wrap)
    check_finite(watch.epochs[-1])
    final = watch.restore()
    kept: dict[str, object] = dict(placed)
    if how.predictions:
        kept["test_log_probabilities"] = score.log_softmax(model.predict(task.test.x)).round(4).tolist()
        kept["test_classes"] = task.test.y.tolist()
    if task.kind == "regression" and task.features == task.outputs == 1:
        kept["curve"] = fitted_curve(model.predict, task)
    if isinstance(watch, replay.ReplayWatch):
        kept["running_losses"] = watch.losses
    return kept | {
        "phases": {},
        "steps_per_epoch": -(-len(task.train.x) // setting.recipe.batch_size),
        "epochs": [scores.model_dump() for scores in watch.epochs],
        "final": final.model_dump(),
    }
