"""What a launch does instead of an adapter's `fit`, for one rung of the ladder of ``levelfield explain``.

``arithmetic``: the products and sums of each step, called through the runtime, and nothing else; nothing is trained.
``placed``: the adapter's step with its batches on the device, see `adapters.optional.Placed`. ``loader``: its `fit`
with the loader that the framework's documentation uses, all else as on the matched track.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from levelfield.adapters.adapter import Adapter, Setting, Watch
from levelfield.adapters.runtime import Runtime, load
from levelfield.harness.measure.train_in_ranks import Led
from levelfield.harness.system.frozen import Frozen
from levelfield.tasks.mlp import MLP
from levelfield.tasks.recipe import BatchOrder
from levelfield.tasks.task import Split


class Instead(Frozen):
    """`fit` does this instead; `runtime` is ``module:Class`` of the one that the arithmetic is called through."""

    what: Literal["instead"] = "instead"
    does: Literal["arithmetic", "placed", "loader"]
    runtime: str

    @property
    def proves(self) -> bool:
        """Whether the weights are those that the reference would come to."""
        return self.does == "placed"

    @contextmanager
    def around(self, model: Adapter, watch: Led, setting: Setting, steps: int) -> Iterator[Led]:
        fit = model.fit
        kept: list[object] = []  # with the model: what is compiled is counted as long as it lives

        def arithmetic(train: Split, order: BatchOrder | None, watch: Watch) -> None:
            kept.append(bare(load(self.runtime), setting, steps, watch))

        def loader(train: Split, order: BatchOrder | None, watch: Watch) -> None:
            fit(train, None, watch)

        ways: dict[str, Any] = {"arithmetic": arithmetic, "placed": model.fit_placed, "loader": loader}
        setattr(model, "fit", ways[self.does])  # noqa: B010 - a method is replaced
        yield watch


def bare(runtime: Runtime, setting: Setting, steps: int, watch: Watch) -> object:
    """Epochs of `steps` times the arithmetic of one step, until `watch` ends them; the function that makes it."""
    batch = setting.recipe.batch_size
    call = runtime.arithmetic(setting, products(setting.model, batch), sums(setting.model, batch))
    watch.ready()
    for epoch in range(setting.recipe.epochs):
        for _ in range(steps):
            arrays = call()
        runtime.synchronize(arrays)
        if not watch.epoch_end(epoch):
            break
    return call


def products(model: MLP, batch: int) -> list[tuple[int, int, int]]:
    """The matrix products of a training step, (rows, inner, columns) of each: the same as `MLP.flops` counts."""
    forward = [(batch, n, m) for n, m in model.shapes]
    kernels = [(n, batch, m) for n, m in model.shapes]
    data = [(batch, m, n) for n, m in model.shapes[1:]]
    return forward + kernels + data


def sums(model: MLP, batch: int) -> list[tuple[int, int]]:
    """The arrays that a training step sums over its samples: the gradient of each bias, and the loss."""
    return [(batch, m) for _, m in model.shapes] + [(batch, 1)]
