"""How a learning launch is evaluated, and when it stops. Runs in the worker; nothing here is timed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from levelfield.adapters.adapter import Adapter, Setting
from levelfield.harness.measure.adapter_checks import Calls, check_logits
from levelfield.harness.records.record import EpochScores, Score
from levelfield.tasks import score
from levelfield.tasks.early_stopping import EarlyStopping, Stopper
from levelfield.tasks.mlp import Layer
from levelfield.tasks.task import Split, Task

CHUNK = 4096  # samples that one predict call gets at most, in evaluation
CURVE = 101  # points of a fitted curve


def evaluate(predict: Callable[[np.ndarray], np.ndarray], task: Task, epoch: int) -> EpochScores:
    """Scores of the current weights on all three splits."""

    def of(split: Split) -> Score:
        chunks = [split.x[i : i + CHUNK] for i in range(0, len(split.x), CHUNK)]
        logits = np.concatenate([check_logits(predict(x), len(x), task.outputs) for x in chunks])
        unit = task.label[1] ** 2  # a regression's loss is told in the label's own unit
        loss = score.loss(logits, split.y, task.kind) * unit
        return Score(loss=loss, accuracy=score.accuracy(logits, split.y, task.kind))

    return EpochScores(epoch=epoch, train=of(task.train), validation=of(task.validation), test=of(task.test))


def fitted_curve(predict: Callable[[np.ndarray], np.ndarray], task: Task) -> list[tuple[float, float]]:
    """(feature, prediction) at equal distances over the range of all splits of a task with one feature."""
    x = np.concatenate([task.train.x, task.validation.x, task.test.x])
    places = np.linspace(x.min(), x.max(), CURVE, dtype=np.float32)[:, None]
    y = check_logits(predict(places), CURVE, 1)
    centre, scale = task.label
    return [
        (round(float(a), 4), round(float(b) * scale + centre, 4)) for a, b in zip(places[:, 0], y[:, 0], strict=True)
    ]


def check_finite(scores: EpochScores) -> None:
    if not np.isfinite(scores.train.loss):
        raise FloatingPointError(f"the training loss is {scores.train.loss} after epoch {scores.epoch}")


@dataclass(frozen=True)
class Learning:
    """How a learning launch is made: when to stop, epochs between two evaluations, and whether predictions are kept."""

    stopping: EarlyStopping | None = None
    every: int = 1
    predictions: bool = False


def stopping(adapter: type[Adapter], setting: Setting, asked: EarlyStopping | None) -> EarlyStopping | None:
    """As the recipe asks; where it asks for any, the idiomatic track has the framework's own, if there is one."""
    if asked is None or setting.track == "matched":
        return asked
    return None if adapter.stopping is None else EarlyStopping(**adapter.stopping)


class LearningWatch:
    """Evaluates the initial weights, every so many epochs, and the last; nothing is timed.

    With early stopping it keeps the best snapshot, for `restore` to put back when `fit` has returned.
    """

    def __init__(self, model: Adapter, task: Task, epochs: int, how: Learning) -> None:
        self.model, self.task, self.last, self.every = model, task, epochs, how.every
        self.calls = Calls()
        self.epochs = [evaluate(model.predict, task, 0)]
        self.stopper = Stopper(how.stopping) if how.stopping else None
        self.best: tuple[int, list[Layer]] | None = None

    def ready(self) -> None:
        self.calls.ready()

    def resume(self) -> None:
        pass

    def epoch_end(self, epoch: int) -> bool:
        self.calls.epoch_end(epoch)
        done = epoch + 1
        if done % self.every and done != self.last:
            return True
        self.model.synchronize()
        scores = evaluate(self.model.predict, self.task, done)
        self.epochs.append(scores)
        self.calls.goes_on = bool(np.isfinite(scores.train.loss))
        if self.stopper is not None:
            if self.stopper.improves(scores.validation.loss):
                self.best = done, self.model.get_weights()
            self.calls.goes_on &= not self.stopper.stops
        return self.calls.goes_on

    def restore(self) -> EpochScores:
        """The scores of the weights that the model is left with."""
        if self.stopper is None or self.best is None or not self.stopper.rule.restore_best:
            return self.epochs[-1]
        epoch, weights = self.best
        self.model.set_weights(weights)
        self.model.synchronize()
        return evaluate(self.model.predict, self.task, epoch)
