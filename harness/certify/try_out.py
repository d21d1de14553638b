"""An adapter trained by hand, in this process: a debugger stops in it, and what it prints is seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from levelfield.adapters import runtime
from levelfield.adapters.adapter import Adapter, Precision, Setting
from levelfield.adapters.limits import refusal
from levelfield.adapters.numpy.manual import NumpyManual
from levelfield.harness.certify.observe import Recorder, flat
from levelfield.harness.certify.trajectory import distance
from levelfield.harness.measure.adapter_checks import Calls, check_logits, check_weights
from levelfield.harness.plan.launches import has_compiler
from levelfield.tasks import registry, score
from levelfield.tasks.errors import UserError
from levelfield.tasks.mlp import MLP, Activation, Layer
from levelfield.tasks.recipe import BatchOrder, Recipe
from levelfield.tasks.task import Task

RECIPE = Recipe("momentum", learning_rate=0.1)


def try_out(
    adapter: type[Adapter],
    task: str = "iris",
    *,
    epochs: int = 3,
    mode: str | None = None,
    hidden: Sequence[int] = (16,),
    activation: Activation = "relu",
    recipe: Recipe = RECIPE,
    precision: Precision = "float32",
    device: str = "cpu",
    seed: int = 0,
) -> Adapter:
    """Train `adapter` as the matched track does, and print the loss after each epoch beside the float64 reference's.

    Nothing is caught or timed. `epochs` replaces the number in the `recipe`. Returns the trained adapter. Raises
    UserError for an unknown task and for what the adapter declares unsupported, BrokenContract where the adapter breaks
    the contract.
    """
    data = registry.load(task)
    model, mode = MLP((data.features, *hidden, data.outputs), activation=activation), mode or adapter.modes[0]
    recipe = replace(recipe, epochs=epochs)
    order = BatchOrder(len(data.train.x), recipe.batch_size, epochs, seed)
    setting = Setting(model, recipe, data.kind, mode, device, precision=precision, seed=seed)
    partial = order.samples % order.batch_size
    if (reason := refusal(adapter, setting, compiler=has_compiler(), partial=partial)) is not None:
        raise UserError(f"{adapter.name} ({mode}) does not support this: {reason}", "try_out has arguments for others")
    widths = "–".join(map(str, model.widths))
    print(f"{adapter.name} ({mode}), {task}, {widths}, {activation}, {recipe.optimizer}, {precision}")
    runtime.load(runtime.place(adapter)).configure(setting)
    trained = adapter(setting)
    trained.set_weights(model.initial_weights(seed))
    watch = Told(trained, model, data, reference(setting, data, order))
    print(f"{'epoch':>5}  {'loss':>10}  {'reference':>10}  weights off by")
    watch.look(0)
    trained.fit(data.train, order, watch)
    watch.calls.returned(epochs)
    return trained


def reference(setting: Setting, task: Task, order: BatchOrder) -> list[tuple[list[Layer], float]]:
    """Weights and training loss of the float64 run, before training and after each epoch."""
    numpy = NumpyManual(replace(setting, precision="float64"))
    recorder = Recorder(numpy)
    start = setting.model.initial_weights(setting.seed)
    numpy.set_weights(start)
    numpy.fit(task.train, order, recorder)
    found = []
    for weights in [start, *recorder.weights]:
        numpy.set_weights(weights)
        found.append((weights, score.loss(numpy.predict(task.train.x), task.train.y, task.kind)))
    return found


class Told:
    """A watch that prints a line at the end of each epoch."""

    def __init__(self, adapter: Adapter, model: MLP, task: Task, right: Sequence[tuple[list[Layer], float]]) -> None:
        self.adapter, self.model, self.task, self.right = adapter, model, task, right
        self.calls = Calls()

    def ready(self) -> None:
        self.calls.ready()

    def epoch_end(self, epoch: int) -> bool:
        self.calls.epoch_end(epoch)
        self.adapter.synchronize()
        self.look(epoch + 1)
        self.calls.goes_on = epoch + 2 < len(self.right)
        return self.calls.goes_on

    def look(self, done: int) -> None:
        weights, train = self.adapter.get_weights(), self.task.train
        check_weights(weights, self.model)
        logits = check_logits(self.adapter.predict(train.x), len(train.x), self.task.outputs)
        loss = score.loss(np.asarray(logits), train.y, self.task.kind)
        due, reference = self.right[done]
        print(f"{done:>5}  {loss:>10.6f}  {reference:>10.6f}  {distance(flat(weights), flat(due)):.1e}")
