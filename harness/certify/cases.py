"""Cases: small problems on which an adapter is held against the float64 reference, and how near it must come.

A case is drawn at random and kept only where the float64 run shows that single precision can follow it: no input of a
ReLU within 1e-4 of its kink; with Adam no gradient (other than an exact zero) below 1e-5, where its quotient m̂ / √v̂
blows rounding up; no weight that runs away. All constants of a recipe are sums of few powers of two, so that a
framework that casts them through float32 has the same numbers in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from levelfield.adapters.adapter import Precision, Setting, Track, storage
from levelfield.adapters.numpy.manual import NumpyManual
from levelfield.harness.certify.rounded import UNIT
from levelfield.tasks.mlp import MLP, Layer
from levelfield.tasks.recipe import BatchOrder, Recipe
from levelfield.tasks.task import Kind, Split

# How near an input of a ReLU may come to its kink: a rounding error must not flip a unit
KINK: dict[Precision, float] = {"float32": 1e-4, "tf32": 4 * UNIT["tf32"], "bfloat16": 4 * UNIT["bfloat16"]}
SMALL_GRADIENT = 1e-5
LARGE_WEIGHT = 100.0
ATTEMPTS = 500

Undo = Callable[[Sequence[Layer]], list[Layer]]


@dataclass(frozen=True)
class Case:
    """A model, a recipe and the data to train it on, all from one seed."""

    title: str
    kind: Kind
    model: MLP
    recipe: Recipe
    samples: int
    partial: bool
    seed: int
    one_hot: bool = False
    track: Track = "matched"

    @property
    def order(self) -> BatchOrder:
        return BatchOrder(self.samples, self.recipe.batch_size, self.recipe.epochs, self.seed, self.partial)

    @property
    def split(self) -> Split:
        """`x` (samples, features): normal deviates, or the unit vectors; `y`: classes or normal deviates.

        Made anew each time, so that no adapter can change what another one gets.
        """
        rng = np.random.default_rng([self.seed, 1])
        features, outputs = self.model.widths[0], self.model.widths[-1]
        if self.one_hot:
            x = np.eye(self.samples, features, dtype=np.float32)
        else:
            x = rng.normal(size=(self.samples, features)).astype(np.float32)
        if self.kind == "classification":
            return Split(x, rng.integers(0, outputs, self.samples))
        return Split(x, rng.normal(size=(self.samples, outputs)).astype(np.float32))

    def weights(self, precision: Precision) -> list[Layer]:
        """Glorot-uniform kernels, and biases that are not zero, with every digit that their type has."""
        rng = np.random.default_rng([self.seed, 2])
        layers = []
        for n, m in self.model.shapes:
            bound = np.sqrt(6.0 / (n + m))
            kernel, bias = rng.uniform(-bound, bound, (n, m)), rng.uniform(-0.5, 0.5, m)
            layers.append(Layer(kernel.astype(storage(precision)), bias.astype(storage(precision))))
        return layers

    def setting(self, mode: str, precision: Precision, device: str = "cpu", threads: int = 1, seed: int = 0) -> Setting:
        return Setting(self.model, self.recipe, self.kind, mode, device, threads, precision, seed, self.track)

    def named(self, precision: Precision) -> str:
        widths = "–".join(map(str, self.model.widths))
        return f"{self.title} ({widths}, batch {self.recipe.batch_size}), {precision}"


class Probe(NumpyManual):
    """The float64 reference, watching how near it comes to where single precision cannot follow."""

    nearest_kink = np.inf
    smallest_gradient = np.inf

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[list[np.ndarray], list[np.ndarray]]:
        values, factors = super().forward(x, training)
        if self.model.activation == "relu":
            for h, kernel, bias in zip(values[:-2], self.parameters[:-2:2], self.parameters[1:-2:2], strict=True):
                self.nearest_kink = min(self.nearest_kink, float(np.abs(h @ kernel + bias).min()))
        return values, factors

    def gradients(self, x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
        gradients = super().gradients(x, y)
        sizes = np.abs(np.concatenate([g.ravel() for g in gradients]))
        self.smallest_gradient = min(self.smallest_gradient, float(sizes[sizes > 0].min(initial=np.inf)))
        return gradients


class Silent:
    """A watch that lets training run to its end."""

    def ready(self) -> None:
        pass

    def epoch_end(self, epoch: int) -> bool:
        return True


def followable(case: Case, precision: Precision = "float32") -> bool:
    """Whether this precision can follow the float64 run of this case."""
    probe = Probe(case.setting("eager", "float64"))
    probe.set_weights(case.weights("float32"))
    with np.errstate(over="ignore", invalid="ignore"):
        probe.predict(case.split.x)
        probe.fit(case.split, case.order, Silent())
        probe.predict(case.split.x)
    if not all(np.abs(parameter).max() <= LARGE_WEIGHT for parameter in probe.parameters):
        return False
    steady = probe.smallest_gradient >= SMALL_GRADIENT or not case.recipe.optimizer.startswith("adam")
    return steady and probe.nearest_kink >= KINK[precision]


def choose(draw: Callable[[np.random.Generator], Case], *seed: int, good: Callable[[Case], bool] = followable) -> Case:
    """The first good case of the sequence that `seed` determines."""
    for attempt in range(ATTEMPTS):
        case = draw(np.random.default_rng([*seed, attempt]))
        if good(case):
            return case
    raise ValueError(f"none of {ATTEMPTS} drawn cases will do, the last one was {case}")


def relabelled(case: Case, weights: Sequence[Layer], rng: np.random.Generator) -> tuple[np.ndarray, list[Layer], Undo]:
    """The same mathematics with features and hidden units in another order, so that sums round differently.

    Returns the data, the weights, and what brings weights back to the order of the case.
    """
    *inner, last = case.model.widths
    orders = [*(rng.permutation(width) for width in inner), np.arange(last)]
    layers = [Layer(k[orders[i]][:, orders[i + 1]], b[orders[i + 1]]) for i, (k, b) in enumerate(weights)]
    back = [np.argsort(order) for order in orders]

    def undo(moved: Sequence[Layer]) -> list[Layer]:
        return [Layer(k[back[i]][:, back[i + 1]], b[back[i + 1]]) for i, (k, b) in enumerate(moved)]

    return case.split.x[:, orders[0]], layers, undo
