"""What is seen of an adapter from outside: its weights after each epoch, its logits, and what it told the watch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from itertools import product
from typing import Any

import numpy as np

from levelfield.adapters.adapter import Adapter, Precision, Replication, Setting
from levelfield.adapters.limits import refusal, unsupported
from levelfield.adapters.numpy.manual import NumpyManual
from levelfield.adapters.runtime import Runtime, load, place
from levelfield.harness.certify.cases import Case, relabelled
from levelfield.harness.certify.rounded import UNIT, VARIANTS, Rounded
from levelfield.harness.measure.rank_group import Ranks
from levelfield.harness.plan.launches import has_compiler
from levelfield.tasks import score
from levelfield.tasks.mlp import Layer
from levelfield.tasks.task import Split

SAFETY = 4.0
ENVELOPE_RUNS = 4
FLOAT64_TOLERANCE = 1e-10
FLOAT32_FLOOR = 2.0**-22
SHORT_RUN = 10  # steps
# For predictions where the fault that is looked for would show in the first digits
COARSE = {"float32": 1e-4, "float64": FLOAT64_TOLERANCE, "tf32": 32 * UNIT["tf32"], "bfloat16": 32 * UNIT["bfloat16"]}


@dataclass(frozen=True)
class Subject:
    """The adapter under test, and where and how it runs."""

    adapter: type[Adapter]
    mode: str
    device: str = "cpu"
    threads: int = 1
    precision: Precision = "float32"
    replicas: int = 1
    replication: Replication | None = None
    ranks: Ranks | None = None  # this process among them, where the replicas are ranks

    @property
    def runtime(self) -> Runtime:
        return load(place(self.adapter))

    @property
    def precise(self) -> bool:
        """Whether, beside float32, the framework computes in float64 here, be it only some of its arithmetic."""
        here: dict[str, Any] = {"precision": "float64", "mode": self.mode, "device": self.device.partition(":")[0]}
        here |= {"replicas": self.replicas, "replication": self.replication}
        return self.precision == "float32" and unsupported(self.adapter.limits, here) is None

    @property
    def repeats(self) -> bool:
        """Whether the same computation gives the same bits. On accelerators frameworks add in no fixed order, nor do
        more than two replicas."""
        return self.device == "cpu" and self.replicas <= 2

    @property
    def dear(self) -> bool:
        """Whether every build is compiled as C++, which takes seconds."""
        return any("compiler" in limit and self.mode in _values(limit, "mode") for limit in self.adapter.limits)

    def unsupported(self, case: Case, precision: Precision) -> str | None:
        partial = case.samples % case.recipe.batch_size if case.partial else 0
        return refusal(self.adapter, self.setting(case, precision), compiler=has_compiler(), partial=partial)

    def setting(self, case: Case, precision: Precision, seed: int = 0) -> Setting:
        alone = case.setting(self.mode, precision, self.device, self.threads, seed)
        return replace(alone, replicas=self.replicas, replication=self.replication)

    def build(self, case: Case, precision: Precision, seed: int = 0) -> Adapter:
        setting = self.setting(case, precision, seed)
        self.runtime.configure(setting)
        return self.adapter(setting)


def _values(limit: dict[str, Any], key: str) -> tuple[Any, ...]:
    value = limit.get(key, ())
    return value if isinstance(value, tuple) else (value,)


@dataclass
class Recorder:
    """A watch that keeps the weights after each epoch; False after `stop_after` epochs."""

    adapter: Adapter
    stop_after: int | None = None
    disturb: np.ndarray | None = None
    events: list[str | int] = field(default_factory=list)
    weights: list[list[Layer]] = field(default_factory=list)

    def ready(self) -> None:
        self.events.append("ready")

    def epoch_end(self, epoch: int) -> bool:
        self.events.append(epoch)
        self.adapter.synchronize()
        if self.disturb is not None:
            self.adapter.predict(self.disturb)
        self.weights.append(self.adapter.get_weights())
        return self.stop_after is None or len(self.weights) < self.stop_after


@dataclass(frozen=True)
class Trace:
    """One training from outside. `before` and `after` are predictions for the training data."""

    start: list[Layer]
    before: np.ndarray
    epochs: list[list[Layer]]
    after: np.ndarray
    events: list[str | int]


def observe(adapter: Adapter, case: Case, precision: Precision, split: Split | None = None) -> Trace:
    """Set the weights of the case, predict, train to the end, predict."""
    split = split or case.split
    adapter.set_weights(case.weights(precision))
    start, before = adapter.get_weights(), adapter.predict(split.x)
    recorder = Recorder(adapter)
    adapter.fit(split, case.order, recorder)
    return Trace(start, before, recorder.weights, adapter.predict(split.x), recorder.events)


@lru_cache(maxsize=256)
def reference(case: Case, precision: Precision) -> Trace:
    """The float64 run of NumPy from the weights that an adapter gets at `precision`."""
    return observe(NumpyManual(case.setting("eager", "float64")), case, precision)


def flat(layers: list[Layer]) -> np.ndarray:
    """All parameters in one float64 vector."""
    return np.concatenate([np.asarray(a, np.float64).ravel() for layer in layers for a in layer])


def comparable(logits: np.ndarray, case: Case) -> np.ndarray:
    """Log-probabilities, since logits are defined up to a constant per sample; outputs of a regression as they are."""
    return score.log_softmax(logits) if case.kind == "classification" else np.asarray(logits, np.float64)


def quantities(trace: Trace, case: Case) -> dict[str, np.ndarray]:
    """What two traces are compared by, each by its largest absolute difference."""
    recipe, steps = case.recipe, case.order.steps
    found = {
        "logits": comparable(trace.before, case),
        "loss": np.array(score.loss(trace.before, case.split.y, case.kind)),
        "logits after training": comparable(trace.after, case),
    }
    if steps == 1:
        first, last = flat(trace.epochs[0]), flat(trace.epochs[-1])
        if recipe.optimizer in ("sgd", "momentum"):  # without a velocity yet, the first step is the gradient
            found["gradients"] = (flat(trace.start) - first) / recipe.learning_rate
        found[f"{recipe.optimizer} after 1 step"] = first
        found[f"{recipe.optimizer} after {len(trace.epochs)} steps"] = last
    else:
        found[f"{recipe.optimizer} after {len(trace.epochs)} epochs"] = flat(trace.epochs[-1])
    return found


def runs(precision: Precision) -> list[Callable[[Setting], NumpyManual]]:
    """NumPy's float32, or for lower precisions all ways of rounding its products."""
    return [partial(Rounded, kind=kind) for kind in VARIANTS[precision]] if precision in VARIANTS else [NumpyManual]


@lru_cache(maxsize=256)
def tolerances(case: Case, precision: Precision) -> dict[str, float]:
    """How far from the float64 run each quantity may be.

    float64: 1e-10. float32: four times the largest deviation of NumPy's own float32 runs, with features and hidden
    units in several orders, since one run alone may be near by luck; never less than two units in the last place, and
    more where there are more than ten steps to round. tf32, bfloat16: the same, of float32 runs whose products are
    rounded in all the ways of `rounded.VARIANTS`.
    """
    right = quantities(reference(case, precision), case)
    if precision == "float64":
        return dict.fromkeys(right, FLOAT64_TOLERANCE)
    walk = max(
        1.0, (case.recipe.epochs * case.order.steps / SHORT_RUN) ** 0.5
    )  # roundings add up as a random walk does
    floor = {name: walk * FLOAT32_FLOOR * max(1.0, float(np.abs(value).max())) for name, value in right.items()}
    # One number, in which roundings may cancel by luck in every one of the runs
    floor["loss"] = max(floor["loss"], UNIT[precision] * max(1.0, float(right["loss"])))
    if "gradients" in floor:
        floor["gradients"] = floor[f"{case.recipe.optimizer} after 1 step"] / case.recipe.learning_rate
    weights = case.weights("float32")
    for run, make in product(range(ENVELOPE_RUNS), runs(precision)):
        x, layers, undo = relabelled(case, weights, np.random.default_rng([case.seed, 3, run]))
        numpy32 = make(case.setting("eager", "float32"))
        numpy32.set_weights(layers)
        before = numpy32.predict(x)
        recorder = Recorder(numpy32)
        numpy32.fit(Split(x, case.split.y), case.order, recorder)
        epochs = [undo(epoch) for epoch in recorder.weights]
        moved = Trace(weights, before, epochs, numpy32.predict(x), recorder.events)
        for name, value in quantities(moved, case).items():
            floor[name] = max(floor[name], SAFETY * float(np.abs(value - right[name]).max()))
    return floor
