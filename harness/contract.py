"""Whether an adapter keeps its contract while it is used: what it returns, and how it calls its watch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tasks.mlp import MLP, Layer


class BrokenContract(Exception):
    """An adapter does not do what `adapters.adapter.Adapter` asks; the message says what it did instead."""


def check_logits(logits: object, samples: int, outputs: int) -> np.ndarray:
    """`logits`, if they are what `predict` must return; raises BrokenContract."""
    _check_array("predict", f"{samples} samples and {outputs} outputs", logits, (samples, outputs))
    assert isinstance(logits, np.ndarray)
    return logits


def check_weights(layers: Sequence[Layer], model: MLP) -> None:
    """Raises BrokenContract unless `layers` are what `get_weights` must return."""
    if len(layers) != len(model.shapes):
        raise BrokenContract(f"get_weights returned {len(layers)} layers of {len(model.shapes)}")
    for i, ((kernel, bias), (n, m)) in enumerate(zip(layers, model.shapes, strict=True)):
        _check_array("get_weights", f"the kernel of layer {i}", kernel, (n, m))
        _check_array("get_weights", f"the bias of layer {i}", bias, (m,))


def _check_array(method: str, what: str, array: object, shape: tuple[int, ...]) -> None:
    if not isinstance(array, np.ndarray):
        found = f"a {type(array).__module__}.{type(array).__qualname__}"
    elif array.shape != shape:
        found = f"shape {array.shape}"
    elif not np.issubdtype(array.dtype, np.floating):
        found = f"numbers of type {array.dtype}"
    else:
        return
    raise BrokenContract(f"{method} returned {found} for {what}: it must be a NumPy array of floats of shape {shape}")


class Calls:
    """Sees to it that `fit` calls its watch as the contract says."""

    def __init__(self) -> None:
        self.placed, self.epochs, self.goes_on = False, 0, True

    def ready(self) -> None:
        self.placed = True

    def epoch_end(self, epoch: int) -> None:
        if not self.placed:
            raise BrokenContract("fit ended an epoch before it had called ready")
        if not self.goes_on:
            raise BrokenContract(f"fit went on after epoch_end had answered False to epoch {self.epochs - 1}")
        if epoch != self.epochs:
            raise BrokenContract(f"fit called epoch_end({epoch}), epoch {self.epochs} was due")
        self.epochs += 1

    def returned(self, asked: int) -> None:
        if self.goes_on and self.epochs < asked:
            raise BrokenContract(f"fit returned after {self.epochs} epochs, it was asked for {asked}")
