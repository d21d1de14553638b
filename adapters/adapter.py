"""The contract between the harness and a framework: a few literals and six methods.

The harness owns the clocks, the seeds, the splits, the batch order, the evaluation and early stopping; an adapter owns
only the framework's way of doing the arithmetic. This page is what an adapter needs that trains on one device as the
specification says; what it may state or do besides is on a second page, `adapters.optional`.

The literals are read from the source, without importing it: each is a constant written out in the class body, the name
of a constant of its module, or comes from a base class; both may be in another module of the same package. This module
imports no NumPy, so that the registry can ask it which literals there are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from levelfield.adapters.choices import Api, Feed, Precision, Replication, Track
from levelfield.adapters.optional import Idiomatic, OwnRuntime, Placed, Recommended, Several

if TYPE_CHECKING:
    import numpy as np

    from levelfield.tasks.mlp import MLP, Layer
    from levelfield.tasks.recipe import BatchOrder, Recipe
    from levelfield.tasks.replay import Replay
    from levelfield.tasks.task import Kind, Split


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
    replays: Replay | None = None  # whose initial weights and order it is given, where they are not the seed's

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
    """Called by `fit` at two places; time spent in these calls is not training time."""

    def ready(self) -> None:
        """The data are on the device and training starts now. Call it once, before the first step.

        A framework that makes its loader inside its own call calls it from its first callback after that. What came
        before counts as placing data, what comes after as the first epoch; steady epochs hold neither.
        """

    def epoch_end(self, epoch: int) -> bool:
        """The last step of an epoch has been dispatched. If it returns False, `fit` returns.

        Leave a loop that the framework owns by its own flag, or else by an exception of the adapter's own, which `fit`
        catches. Meanwhile the harness may call `get_weights`, `predict` and `synchronize`, but not `set_weights`.
        """


class Literals(Idiomatic, Recommended, Several, Placed, OwnRuntime):
    """What an adapter states of itself.

    name       as users type it
    framework  the distribution that gives the API
    backend    the distribution that does the arithmetic, where it is another one; names the runtime
    api        ``low``: tensors and gradients; ``high``: the framework's own training loop; ``mixed``
    modes      how it executes, in the framework's own words; the first is the default
    feed       how data reach it: ``resident``, as arrays on the device, or ``loader``, batch by batch from the host
    packages   further distributions that it imports
    limits     what it cannot do: each entry maps facts of a setting (see `adapters.limits.Facts`) to the values that it
               does not support, and ``because`` to the reason, which must be a fact about the framework
    notes      what a reader of its results must know, one sentence each
    """

    name: ClassVar[str]
    framework: ClassVar[str]
    backend: ClassVar[str | None] = None
    api: ClassVar[Api]
    modes: ClassVar[tuple[str, ...]]
    feed: ClassVar[Feed] = "resident"
    packages: ClassVar[tuple[str, ...]] = ()
    limits: ClassVar[tuple[dict[str, Any], ...]] = ()
    notes: ClassVar[tuple[str, ...]] = ()


class Adapter(Literals, ABC):
    """One framework through one of its APIs."""

    @abstractmethod
    def __init__(self, setting: Setting) -> None:
        """Build the model and the optimizer. The harness has called the runtime's `configure` before.

        On the idiomatic track with the framework's own initial weights, drawn with `setting.seed`, and the optimizer
        constants that it has by default; name, learning rate and momentum are the recipe's on both tracks.
        """

    @abstractmethod
    def set_weights(self, layers: Sequence[Layer]) -> None:
        """Take kernels (in, out) and biases (out,), float32 or float64; they are copied.

        Called before `fit`, once or several times, and after it; the optimizer's state is left as it is.
        """

    @abstractmethod
    def get_weights(self) -> list[Layer]:
        """The current weights, as copies: NumPy arrays of `setting.dtype`."""

    @abstractmethod
    def fit(self, train: Split, order: BatchOrder | None, watch: Watch) -> None:
        """Train on `train` from the current weights, all epochs in this one call.

        In the given order; or, where `order` is None (the idiomatic track), for the recipe's number of epochs with the
        loader that the framework's documentation uses, shuffled as it is there. Each epoch visits every sample once;
        where a published training is replayed, those of one batch, so that epochs are of two sizes. Called once for
        each adapter that is built. `train` is not to be changed.
        """

    @abstractmethod
    def predict(self, x: np.ndarray) -> np.ndarray:
        """Logits (n, outputs) as a NumPy array of `setting.dtype`, in evaluation mode.

        By one call of the framework, which may make several batches of `x`. It draws nothing that training would draw:
        a data loader may take its seed from a global generator.
        """

    @abstractmethod
    def synchronize(self) -> None:
        """Return when all work that `fit` has queued is done."""
