"""What a training step asks of its device, and which limit of the device its time comes near to.

The model of Williams, Waterman and Patterson ("Roofline", CACM 2009): a step of F operations that moves B bytes takes
at least max(F / P, B / W), with P the peak of the matrix product and W the bandwidth of main memory, both as measured
(see `harness.measure.peak`). F and B follow from the model alone, so they are the same for every framework: F counts
the products of the matrices and nothing else, B counts each array once where it is read or written (see `MLP`).

The regime is an inference from these two bounds: a step that takes more than `DISPATCH` times the larger of them is
held up by neither, but by calls, dispatch and what its framework does besides; otherwise the larger bound names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from levelfield.harness.judge.statistics import Interval
from levelfield.harness.records.cell import Cell
from levelfield.harness.records.peak import Ceiling, Work
from levelfield.harness.records.quantity import Estimated, Quantity, Unavailable
from levelfield.tasks.recipe import STATE

DISPATCH = 4.0  # times the larger bound: below a quarter of what could be attained, neither roof is the reason
ITEMSIZE = 4  # bytes; parameters, state and activations are float32 in every precision

Regime = Literal["dispatch-bound", "memory-bound", "compute-bound", "between regimes"]


def work(cell: Cell, task: Mapping[str, Any]) -> Work | None:
    """Of a full batch of `cell`; `task` has ``features`` and ``outputs``, as a run's head does, else None."""
    features, outputs = task.get("features"), task.get("outputs")
    if not (isinstance(features, int) and isinstance(outputs, int)):
        return None
    model, batch = cell.model.on(features, outputs), cell.recipe.batch_size
    return Work(model.flops(batch), model.bytes(batch, ITEMSIZE, STATE[cell.recipe.optimizer]))


def achieved(work: Work | None, step: float | None) -> Quantity:
    """FLOP/s of a step that takes `step` seconds."""
    if work is None:
        return Unavailable(reason="the run does not tell the features and outputs of its task")
    if step is None:
        return Unavailable(reason="no clean step time")
    return Estimated(value=work.flops / step, unit="FLOP/s", source="FLOPs of the model's products ÷ steady step")


def share(achieved: Quantity, peak: Quantity) -> Quantity:
    """Of the measured peak, both in FLOP/s."""
    for quantity in (achieved, peak):
        if isinstance(quantity, Unavailable):
            return quantity
    assert not isinstance(achieved, Unavailable)
    assert not isinstance(peak, Unavailable)
    return Estimated(value=achieved.value / peak.value, unit="1", source=f"{achieved.source} ÷ peak ({peak.source})")


def rate(amount: float, step: Interval) -> Interval:
    """`amount` a second, from the interval of the seconds that it takes: the ends change places."""
    return Interval(amount / step.estimate, amount / step.high, amount / step.low, step.n, step.confidence)


def regime(work: Work, step: Interval, ceiling: Ceiling) -> Regime:
    """Which limit a step comes near to. Where the ends of its interval disagree: between regimes."""
    least = ceiling.least_seconds(work)
    slow = [seconds > DISPATCH * least for seconds in (step.low, step.high)]
    if all(slow):
        return "dispatch-bound"
    if any(slow):
        return "between regimes"
    return "compute-bound" if work.intensity >= ceiling.ridge else "memory-bound"
