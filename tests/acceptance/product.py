"""A matrix product of known size, measured twice: does it read as (nearly) all of its own peak?

The peak is measured as a run does, the best of all frameworks and sizes. Then the framework and size that gave it are
launched once more, and the median of its repeats is taken through the accounting that every cell goes through.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from threading import Event

from effort import Effort

from levelfield.adapters.registry import AdapterInfo, find
from levelfield.harness.doctor.examine import Step
from levelfield.harness.doctor.series import Bench
from levelfield.harness.judge import roofline
from levelfield.harness.records.peak import Candidate, Peak, PeakSubject
from levelfield.harness.records.quantity import Unavailable
from levelfield.harness.run import peaks

LEAST_SHARE = 0.90


@dataclass(frozen=True)
class Product:
    """`peak` in FLOP/s and where it comes from, `share` of it that the second launch reads; or why there is none."""

    reason: str | None = None
    source: str = ""
    peak: float | None = None
    share: float | None = None

    @property
    def holds(self) -> bool | None:
        return None if self.share is None else self.share >= LEAST_SHARE


def measure(bench: Bench, adapters: Mapping[str, AdapterInfo]) -> Product:
    """Of float32 on the CPU, with as many threads as everything else that the doctor measures."""
    subject = PeakSubject("cpu", "float32", bench.threads)
    with bench.launcher(adapters) as launcher:
        found = next(peaks.obtain([subject], adapters, launcher, Event()))
        if isinstance(flops := found.flops, Unavailable):
            return Product(flops.reason)
        framework, _ = fastest(found)
        return judge(found, launcher.peak(peaks.askable(adapters)[framework], subject))


def fastest(found: Peak) -> tuple[str, int]:
    """The framework and size of the best product, where there is one."""
    products = [(t.rate, c.framework, t.size) for c in found.candidates for t in c.trials if t.operation == "product"]
    return max(products)[1:]


def judge(found: Peak, again: Candidate) -> Product:
    """The second launch's median product, as a share of the peak."""
    flops = found.flops
    if isinstance(flops, Unavailable):
        return Product(flops.reason)
    best = fastest(found)
    own = [t for t in again.trials if (again.framework, t.size) == best and t.operation == "product"]
    if not own:
        return Product(again.reason or "the second launch did not repeat it")
    size = own[0].size
    work = roofline.Work(flops=2 * size**3, bytes=3 * size**2 * own[0].itemsize)
    share = roofline.share(roofline.achieved(work, median(own[0].seconds)), flops)
    assert not isinstance(share, Unavailable)
    return Product(None, flops.source, flops.value, share.value)


class MatrixProduct:
    name = "product"

    def plan(self, effort: Effort, adapters: Mapping[str, AdapterInfo]) -> list[Step]:
        return [Step(self, "a matrix product against the peak of all frameworks", 0.0)]

    def measure(self, bench: Bench, step: Step, enough: Callable[[], bool]) -> list[Product]:
        return [measure(bench, find().adapters)]
