"""Whether an adapter keeps its contract while it is used: what it returns, and how it calls its watch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from levelfield.adapters.adapter import Setting
from levelfield.adapters.runtime import COMPILERS, Runtime
from levelfield.tasks.mlp import MLP, Layer


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


def check_placement(parts: dict[str, int], setting: Setting) -> None:
    """Raises BrokenContract unless what `placement` told is an equal part of a batch on each device of this process.

    Equal as far as the batch can be split so. Work that was all done on one device, or by each device alike, is not.
    """
    size, replicas = setting.recipe.batch_size, setting.replicas
    equal = all(size // replicas <= part <= -(-size // replicas) for part in parts.values())
    if len(parts) != setting.devices or not equal:
        told = ", ".join(f"{part} on {device}" for device, part in parts.items()) or "none anywhere"
        raise BrokenContract(
            f"the work was not distributed over {replicas} {setting.replication}: "
            f"of a batch of {size} samples, this process computed {told}"
        )


def check_agreement(parts: Sequence[dict[str, int]], weights: Sequence[str], setting: Setting) -> None:
    """Raises BrokenContract unless ranks, each with an equal part of a batch, made a whole one and trained one network.

    `parts`, `weights`: the placement and a digest of the weights of each rank.
    """
    computed, size = sum(part for rank in parts for part in rank.values()), setting.recipe.batch_size
    if computed != size:
        raise BrokenContract(f"of a batch of {size} samples, {len(parts)} ranks together computed {computed}")
    if len(set(weights)) > 1:
        raise BrokenContract(f"the {len(weights)} ranks ended with different weights")


def programs(runtime: Runtime, mode: str) -> int | None:
    """How many programs were compiled so far, where the mode names a compiler and the runtime counts them."""
    return runtime.programs() if mode in COMPILERS else None


def check_compiled(runtime: Runtime, mode: str, before: int | None) -> None:
    """Raises BrokenContract where nothing was compiled since the `programs` were counted."""
    if before is not None and programs(runtime, mode) == before:
        raise BrokenContract(f"nothing was compiled, so that what ran was not the mode {mode!r}")


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
