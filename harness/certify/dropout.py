"""Dropout, which no two frameworks draw alike: read from single steps of SGD on one sample.

With one sample, the gradient of a kernel is the outer product of its input and of its bias' gradient, so that a row's
change over the bias' change is what the layer before put out: zero for a dropped unit, activation / (1 − p) for a
kept one. Once the masks are read, the reference repeats the step with them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from levelfield.adapters.adapter import Adapter, Precision
from levelfield.adapters.numpy.manual import NumpyManual
from levelfield.harness.certify.cases import Case
from levelfield.harness.certify.observe import (
    COARSE,
    FLOAT32_FLOOR,
    FLOAT64_TOLERANCE,
    SAFETY,
    Recorder,
    Subject,
    Trace,
    comparable,
    flat,
    observe,
)
from levelfield.harness.certify.rounded import UNIT, VARIANTS, Rounded, Rounding
from levelfield.harness.certify.trajectory import distance, judge, kinds, require, twin
from levelfield.harness.records.certificate import Check
from levelfield.tasks.mlp import Layer

# Each scale is a quotient of two differences of weights, of which float32 knows some four digits
SCALE_TOLERANCE = {"float32": 1e-3, "float64": 1e-8, "tf32": 16 * UNIT["tf32"], "bfloat16": 16 * UNIT["bfloat16"]}
# Standard deviations of the binomial: beyond 5 by chance once in two million certificates
PLAUSIBLE = 5.0


@dataclass(frozen=True)
class Masks:
    """What one step's dropout did: for each hidden layer which units it kept, and by what it scaled those."""

    kept: list[np.ndarray]
    scales: list[np.ndarray]


class Replay(NumpyManual):
    """The reference, which keeps the units that it is told to keep."""

    masks: list[np.ndarray]

    def gradients(self, x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
        self.random = _Given(self.masks)  # type: ignore[assignment]
        return super().gradients(x, y)


class RoundedReplay(Replay, Rounded):
    """The same with rounded products."""


class _Given:
    """Stands in for the random generator: below every rate where a unit is kept, above where it is dropped."""

    def __init__(self, masks: list[np.ndarray]) -> None:
        self.masks = iter(masks)

    def random(self, shape: tuple[int, ...]) -> np.ndarray:
        return np.where(next(self.masks), 0.0, 1.0).reshape(shape)


def read_masks(case: Case, before: list[Layer], after: list[Layer]) -> Masks:
    """From the weights before and after one SGD step on one sample (sigmoid: no activation is zero by itself)."""
    h = case.split.x.astype(np.float64)
    keep = 1 - case.model.dropout
    kept, scales = [], []
    for layer, (old, new) in zip(before[:-1], list(zip(before, after, strict=True))[1:], strict=True):
        z = h @ np.asarray(layer.kernel, np.float64) + layer.bias
        activation = (1 + np.tanh(z / 2)) / 2
        rows = np.asarray(new.kernel, np.float64) - old.kernel
        bias = np.asarray(new.bias, np.float64) - old.bias
        column = int(np.abs(bias).argmax())
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = rows[:, column] / bias[column] / activation[0]
        mask = np.any(rows != 0, axis=1)
        kept.append(mask)
        scales.append(scale[mask])
        h = activation * mask / keep
    return Masks(kept, scales)


def dropout(subject: Subject, case: Case, precision: Precision) -> list[Check]:
    """Masks, their share and scale, the whole step, none in evaluation; and the same again from a second build."""
    name = case.named(precision)
    adapter = subject.build(case, precision)
    trace = observe(adapter, case, precision)
    shape = kinds(trace, case, precision)
    if not shape.passed or len(trace.epochs) != case.recipe.epochs:
        return [shape]
    return [
        shape,
        *evaluation(adapter, trace, case, precision, name),
        *steps(trace, case, precision, name),
        *twin(subject, subject.build(case, precision), trace, case, precision),
    ]


def steps(trace: Trace, case: Case, precision: Precision, name: str) -> list[Check]:
    """What the steps of one training show; the batch is one sample."""
    keep = 1 - case.model.dropout
    pairs = list(pairwise([trace.start, *trace.epochs]))
    masks = [read_masks(case, before, after) for before, after in pairs]
    kept = np.concatenate([mask for m in masks for mask in m.kept])
    scales = np.concatenate([scale for m in masks for scale in m.scales])
    off = max(
        distance(flat(repeated(case, m, before)), flat(after)) for m, (before, after) in zip(masks, pairs, strict=True)
    )
    rounding = max(
        (
            distance(flat(repeated(case, m, before, kind)), flat(repeated(case, m, before)))
            for m, (before, _) in zip(masks, pairs, strict=True)
            for kind in VARIANTS.get(precision, ())
        ),
        default=0.0,
    )
    whole = [np.concatenate(m.kept) for m in masks]
    same = [np.array_equal(a, b) for a, b in pairwise(whole)]
    same += [np.array_equal(a, b) for m in masks for a, b in pairwise(m.kept)]
    scaled = np.median(scales) if scales.size else np.nan
    return [
        plausible("dropout share", name, kept, keep, "units were kept"),
        judge(
            "dropout scale",
            name,
            float(np.abs(scales * keep - 1).max(initial=0.0)),
            SCALE_TOLERANCE[precision],
            f"kept units are scaled by {scaled:.4g} and the like, not by 1/(1 − p) = {1 / keep:.4g}",
        ),
        judge(
            "dropout step",
            name,
            off,
            FLOAT64_TOLERANCE if precision == "float64" else SAFETY * max(FLOAT32_FLOOR, rounding),
            "the reference with the same masks makes another step",
        ),
        judge("dropout masks differ", name, sum(same), 0, "successive steps or layers share one mask"),
    ]


def plausible(quantity: str, name: str, flags: np.ndarray, expected: float, what: str) -> Check:
    """How many standard deviations of the binomial the count of `flags` is from what is expected."""
    deviation = abs(flags.sum() - flags.size * expected) / np.sqrt(flags.size * expected * (1 - expected))
    return judge(quantity, name, deviation, PLAUSIBLE, f"{flags.mean():.1%} of {flags.size} {what}, not {expected:.1%}")


def repeated(case: Case, masks: Masks, before: list[Layer], kind: type[Rounding] | None = None) -> list[Layer]:
    """The reference's weights after one step from `before` with these masks; `kind` rounds its products."""
    once = replace(case, recipe=replace(case.recipe, epochs=1))
    replay = Replay(once.setting("eager", "float64"))
    if kind is not None:
        replay = RoundedReplay(once.setting("eager", "float32"), kind)
    replay.masks = masks.kept
    replay.set_weights(before)
    recorder = Recorder(replay)
    replay.fit(case.split, once.order, recorder)
    return recorder.weights[0]


def evaluation(adapter: Adapter, trace: Trace, case: Case, precision: Precision, name: str) -> list[Check]:
    """No dropout in predict, before training and after it."""
    model = NumpyManual(case.setting("eager", "float64"))
    off = distance(np.asarray(adapter.predict(case.split.x)), trace.after)
    for weights, logits in ((trace.start, trace.before), (trace.epochs[-1], trace.after)):
        model.set_weights(weights)
        right = comparable(model.predict(case.split.x), case)
        off = max(off, distance(comparable(logits, case), right))
    reason = "predict does not give the logits of the whole network"
    return [judge("no dropout in evaluation", name, off, COARSE[precision], reason)]


def masks_per_sample(subject: Subject, case: Case, precision: Precision) -> list[Check]:
    """A row of the last kernel stays only where all samples dropped the unit: pⁿ where each of n has its mask."""
    name = case.named(precision)
    trace = observe(subject.build(case, precision), case, precision)
    kernels = [trace.start[-1].kernel, *(epoch[-1].kernel for epoch in trace.epochs)]
    still = np.concatenate([np.all(after == before, axis=1) for before, after in pairwise(kernels)])
    what = "units were dropped for all samples of a batch"
    return [plausible("dropout masks per sample", name, still, case.model.dropout**case.samples, what)]


def seeds_differ(subject: Subject, case: Case, precision: Precision) -> list[Check]:
    """Another seed draws other masks: replicates that differ in their seed are replicates."""
    traces = [observe(subject.build(case, precision, seed), case, precision) for seed in (1, 2)]
    first, second = (flat(trace.epochs[0]) for trace in traces)
    reason = "two seeds give the same masks"
    return [require("dropout seeds", case.named(precision), not np.array_equal(first, second), reason)]
