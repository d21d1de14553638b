"""The contract between the harness and a framework: five literals and six methods.

The harness owns the clocks, the seeds, the splits, the batch order, the evaluation and early stopping; an adapter owns
only the framework's way of doing the arithmetic. The literals are read from the source, without importing it, so they
must be written as plain constants in the class body. An adapter's module needs nothing of ours but this one: the types
of the specification that the methods speak of can be imported from here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import numpy as np

from tasks.mlp import MLP, Layer
from tasks.recipe import BatchOrder, Recipe
from tasks.task import Kind, Split

Api = Literal["low", "high", "mixed"]
Feed = Literal["resident", "loader"]
Precision = Literal["float32", "float64"]


@dataclass(frozen=True)
class Setting:
    """Everything an adapter needs to know before it sees data."""

    model: MLP
    recipe: Recipe
    kind: Kind = "classification"
    mode: str = ""
    device: str = "cpu"
    threads: int = 1
    precision: Precision = "float32"
    seed: int = 0


class Watch(Protocol):
    """How an adapter tells the harness where it is; what happens inside is not training time."""

    def ready(self) -> None:
        """The data are placed on the device and training starts now."""

    def epoch_end(self, epoch: int) -> bool:
        """An epoch's last step has been dispatched. False: stop training.

        Inside, `get_weights`, `predict` and `synchronize` are legal; `set_weights` is not.
        """


class Adapter(ABC):
    """One framework through one of its APIs.

    name       as users type it
    framework  the distribution that gives the API
    backend    the distribution that does the arithmetic, where it is another one; names the runtime
    api        ``low``: tensors and gradients; ``high``: the framework's own training loop; ``mixed``
    modes      how it executes, in the framework's own words; the first is the default
    feed       how data reach it: ``resident``, as arrays on the device, or ``loader``, batch by batch from the host
    limits     what it cannot do: each entry maps facts of a setting (see `facts`) to the values that it does not
               support, and ``because`` to the reason, which must be a fact about the framework
    notes      what a reader of its results must know, one sentence each
    packages   further distributions that it imports
    """

    name: ClassVar[str]
    framework: ClassVar[str]
    backend: ClassVar[str | None] = None
    api: ClassVar[Api]
    modes: ClassVar[tuple[str, ...]]
    feed: ClassVar[Feed] = "resident"
    limits: ClassVar[tuple[dict[str, Any], ...]] = ()
    notes: ClassVar[tuple[str, ...]] = ()
    packages: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def __init__(self, setting: Setting) -> None:
        """Build the model and the optimizer. The harness has called the runtime's `configure` before."""

    @abstractmethod
    def set_weights(self, layers: Sequence[Layer]) -> None:
        """Take kernels (in, out) and biases (out,), float32 or float64; they are copied."""

    @abstractmethod
    def get_weights(self) -> list[Layer]:
        """Copies of the current weights as NumPy arrays."""

    @abstractmethod
    def fit(self, train: Split, order: BatchOrder, watch: Watch) -> None:
        """Train on `train` in the given order, all epochs in this one call, from the weights as they are."""

    @abstractmethod
    def predict(self, x: np.ndarray) -> np.ndarray:
        """Logits (n, outputs) as a NumPy array, in evaluation mode, by one call of the framework."""

    @abstractmethod
    def synchronize(self) -> None:
        """Return when all work that `fit` has queued is done."""


def facts(setting: Setting, *, compiler: bool) -> dict[str, Any]:
    """What `limits` may speak of."""
    return {
        "mode": setting.mode,
        "optimizer": setting.recipe.optimizer,
        "activation": setting.model.activation,
        "dropout": setting.model.dropout > 0,
        "l2": setting.model.l2 > 0,
        "kind": setting.kind,
        "outputs": setting.model.widths[-1],
        "hidden": len(setting.model.widths) - 2,
        "device": setting.device.partition(":")[0],
        "precision": setting.precision,
        "compiler": compiler,
    }


def unsupported(limits: Sequence[dict[str, Any]], known: dict[str, Any]) -> str | None:
    """The reason why a setting with these facts is not supported, or None."""
    for limit in limits:
        conditions = {key: value for key, value in limit.items() if key != "because"}
        if all(known[key] in (value if isinstance(value, tuple) else (value,)) for key, value in conditions.items()):
            return str(limit["because"])
    return None
