"""The contract between the harness and a framework: a few literals and six methods.

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

from levelfield.adapters.choices import Api, Feed, Precision, Replication, Track
from levelfield.tasks.mlp import MLP, Layer
from levelfield.tasks.recipe import BatchOrder, Recipe
from levelfield.tasks.task import Kind, Split

# What holds for every adapter, as `Adapter.limits`
LIMITS: tuple[dict[str, Any], ...] = (
    {"precision": "tf32", "device": ("cpu", "tpu"), "because": "TF32 exists on NVIDIA GPUs only"},
    {"device": "tpu", "replication": ("devices", "ranks"), "because": "levelfield shows a process one chip of a TPU"},
    {
        "track": "idiomatic",
        "replication": ("devices", "ranks"),
        "because": "several devices are compared on the matched track only",
    },
)


def storage(precision: Precision) -> Literal["float32", "float64"]:
    """The type that parameters, optimizer state, logits and loss have."""
    return "float64" if precision == "float64" else "float32"


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
    track: Track = "matched"
    replicas: int = 1
    replication: Replication | None = None  # how, where there are several

    @property
    def dtype(self) -> Literal["float32", "float64"]:
        """Of parameters, optimizer state, logits and loss."""
        return storage(self.precision)

    @property
    def devices(self) -> int:
        """On which one process computes: 1, or one a replica."""
        return self.replicas if self.replication == "devices" else 1

    @property
    def kind_of_device(self) -> str:
        """``cpu``, ``gpu`` or ``tpu``. Its number is settled before: a process sees only those that it is to use."""
        return self.device.partition(":")[0]


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
    defaults   what the framework does where nobody tells it otherwise, name → value: what the idiomatic track trains
               with. Without them, that track is unsupported
    stopping   how the framework's own early stopping behaves by default: ``patience`` (epochs), ``min_delta`` (of the
               validation loss), ``restore_best``; None where it has none
    documented_feed  the feed of the loader that its documentation uses, on the idiomatic track
    replication  the ways in which it trains on several devices, see `placement`; without one, it does not
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
    defaults: ClassVar[dict[str, str]] = {}
    stopping: ClassVar[dict[str, Any] | None] = None
    documented_feed: ClassVar[Feed] = "loader"
    replication: ClassVar[tuple[Replication, ...]] = ()

    @abstractmethod
    def __init__(self, setting: Setting) -> None:
        """Build the model and the optimizer. The harness has called the runtime's `configure` before.

        On the idiomatic track with the framework's own initial weights, drawn with `setting.seed`, and the optimizer
        constants that it has by default; name, learning rate and momentum are the recipe's on both tracks.
        """

    @abstractmethod
    def set_weights(self, layers: Sequence[Layer]) -> None:
        """Take kernels (in, out) and biases (out,), float32 or float64; they are copied."""

    @abstractmethod
    def get_weights(self) -> list[Layer]:
        """Copies of the current weights as NumPy arrays."""

    @abstractmethod
    def fit(self, train: Split, order: BatchOrder | None, watch: Watch) -> None:
        """Train on `train`, all epochs in this one call, from the weights as they are.

        In the given order; or, where `order` is None (the idiomatic track), for the recipe's number of epochs with the
        loader that the framework's documentation uses, shuffled as it is there. Each epoch visits every sample once.
        """

    @abstractmethod
    def predict(self, x: np.ndarray) -> np.ndarray:
        """Logits (n, outputs) as a NumPy array, in evaluation mode, by one call of the framework."""

    @abstractmethod
    def synchronize(self) -> None:
        """Return when all work that `fit` has queued is done."""

    def placement(self) -> dict[str, int]:
        """Where the last whole batch of `fit` was computed: device → samples of it, asked of the framework.

        Only for adapters with a `replication`, and asked only where `setting.replicas` is more than 1: then batches and
        their order are those of one device, each batch is split over the replicas, and the gradients are averaged over
        its samples. Of ``devices``, all; of ``ranks``, what this process computed. An answer that is not read from
        where the batch really was makes the check worthless.
        """
        raise NotImplementedError(f"{type(self).__name__} does not tell where it computes")


def facts(setting: Setting, *, compiler: bool, partial: int = 0) -> dict[str, Any]:
    """What `limits` may speak of; `partial` samples are in the last batch of an epoch, where it is not whole."""
    sizes = (setting.recipe.batch_size, partial)
    return {
        "mode": setting.mode,
        "optimizer": setting.recipe.optimizer,
        "activation": setting.model.activation,
        "dropout": setting.model.dropout > 0,
        "l2": setting.model.l2 > 0,
        "kind": setting.kind,
        "outputs": setting.model.widths[-1],
        "hidden": len(setting.model.widths) - 2,
        "device": setting.kind_of_device,
        "precision": setting.precision,
        "compiler": compiler,
        "track": setting.track,
        "replicas": setting.replicas,
        "replication": setting.replication,
        "uneven": any(size % setting.replicas for size in sizes),
    }


class Declared(Protocol):
    """An adapter's class, or the literals that the registry has read of it."""

    @property
    def limits(self) -> tuple[dict[str, Any], ...]: ...
    @property
    def defaults(self) -> dict[str, str]: ...
    @property
    def replication(self) -> tuple[Replication, ...]: ...


def refusal(adapter: Declared, setting: Setting, *, compiler: bool, partial: int = 0) -> str | None:
    """Why an adapter does not support a setting, or None; `partial` as in `facts`."""
    if setting.track == "idiomatic" and not adapter.defaults:
        return "it does not state the defaults of its framework"
    reason = unsupported(adapter.limits, facts(setting, compiler=compiler, partial=partial))
    if reason is None and setting.replication is not None:
        if setting.replication not in adapter.replication:
            return f"it has no training on several {setting.replication}"
        if setting.recipe.batch_size < setting.replicas:
            return f"a batch of {setting.recipe.batch_size} cannot be split over {setting.replicas} replicas"
    return reason


def unsupported(limits: Sequence[dict[str, Any]], known: dict[str, Any]) -> str | None:
    """The reason why a setting is not supported by these facts of it, or None; limits that speak of others are left."""
    for limit in (*limits, *LIMITS):
        conditions = {key: value for key, value in limit.items() if key != "because"}
        if conditions.keys() <= known.keys() and all(
            known[key] in (value if isinstance(value, tuple) else (value,)) for key, value in conditions.items()
        ):
            return str(limit["because"])
    return None
