"""The model every adapter implements: a multi-layer perceptron, specified once.

For a batch x (n, widths[0]) each hidden layer computes ``dropout(activation(x @ kernel + bias))`` and the last one
``x @ kernel + bias``: the logits. Dropout is inverted (kept values are divided by 1 − p) and absent in evaluation.

The loss of a batch is the mean over its samples of the softmax cross-entropy on logits, or for regression the mean
over samples and outputs of the squared error (without ½). ``l2 · Σ kernel²`` over all kernels is added to it, over
no biases.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal, NamedTuple

import numpy as np
from annotated_types import Ge, Interval, MaxLen

from levelfield.tasks.numbers import Real, Whole

Activation = Literal["relu", "tanh", "sigmoid"]
Width = Annotated[Whole, Interval(ge=1, le=10**15)]  # what does not fit into memory is refused by the plan


class Layer(NamedTuple):
    """One dense layer: `kernel` (inputs, outputs) and `bias` (outputs,)."""

    kernel: np.ndarray
    bias: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Units:
    """What is the same in every layer of a network, whatever its width."""

    activation: Activation = "relu"
    dropout: Annotated[Real, Interval(ge=0, lt=1)] = 0.0
    l2: Annotated[Real, Ge(0)] = 0.0


@dataclass(frozen=True, kw_only=True)
class Model(Units):
    """An MLP before its task is known: `hidden` widths only."""

    hidden: Annotated[tuple[Width, ...], MaxLen(1000)] = ()

    def on(self, features: int, outputs: int) -> MLP:
        """The network for a task with so many features and outputs."""
        widths = (features, *self.hidden, outputs)
        return MLP(widths, activation=self.activation, dropout=self.dropout, l2=self.l2)


@dataclass(frozen=True)
class MLP(Units):
    """Layer `widths` from the features to the outputs; two widths are a single-layer network."""

    widths: tuple[int, ...]

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """(inputs, outputs) of every layer."""
        return list(pairwise(self.widths))

    @property
    def parameters(self) -> int:
        return sum(n * m + m for n, m in self.shapes)

    def flops(self, batch: int) -> int:
        """Floating-point operations of one training step's matrix products.

        Forward 2·batch·n·m per layer; backward twice that, less the gradient with respect to the data.
        """
        products = [2 * batch * n * m for n, m in self.shapes]
        return 3 * sum(products) - products[0]

    def bytes(self, batch: int, itemsize: int = 4, state: int = 0) -> int:
        """Least memory traffic of one training step in bytes, each array counted once where it is read or written.

        Forward and backward read the parameters, the update reads and writes them and reads the gradients that
        backward wrote; it reads and writes `state` arrays of the optimizer of the parameters' size besides (see
        `tasks.recipe.STATE`). Activations are written once and read twice.
        """
        activations = batch * sum(self.widths)
        return itemsize * ((6 + 2 * state) * self.parameters + 3 * activations)

    def initial_weights(self, seed: int) -> list[Layer]:
        """Canonical initial weights: Glorot-uniform kernels (Glorot & Bengio, 2010), zero biases, float32.

        They are drawn in float64 and cast once, so that every precision starts from the same numbers.
        """
        rng = np.random.default_rng([seed, 0x1417])
        layers = []
        for n, m in self.shapes:
            bound = np.sqrt(6.0 / (n + m))
            kernel = rng.uniform(-bound, bound, size=(n, m)).astype(np.float32)
            layers.append(Layer(kernel, np.zeros(m, np.float32)))
        return layers


def copy_layers(layers: Iterable[Layer]) -> list[Layer]:
    return [Layer(np.array(layer.kernel), np.array(layer.bias)) for layer in layers]
