"""What a device can do, as it was measured: the best matrix product and the best memory traffic of the frameworks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from levelfield.adapters.choices import Precision
from levelfield.harness.records.quantity import Measured, Quantity, Unavailable
from levelfield.harness.system.frozen import Frozen
from levelfield.harness.system.machine import MachineType

Operation = Literal["product", "addition"]


@dataclass(frozen=True)
class Work:
    """Of one training step: floating-point operations of its matrix products, and least bytes of traffic."""

    flops: int
    bytes: int

    @property
    def intensity(self) -> float:
        """FLOP per byte."""
        return self.flops / self.bytes


@dataclass(frozen=True)
class Ceiling:
    """Of a device: FLOP/s of its best matrix product, bytes/s of main memory."""

    flops: float
    bandwidth: float

    @property
    def ridge(self) -> float:
        """FLOP per byte where the two bounds meet."""
        return self.flops / self.bandwidth

    def attainable(self, intensity: float) -> float:
        """FLOP/s under both roofs."""
        return min(self.flops, intensity * self.bandwidth)

    def least_seconds(self, work: Work) -> float:
        return max(work.flops / self.flops, work.bytes / self.bandwidth)


class PeakSubject(NamedTuple):
    """What a peak is for."""

    device: str
    precision: Precision
    threads: int


class Trial(Frozen):
    """One operation of one framework, in one size: `seconds` of every repeat, after one to warm up."""

    operation: Operation
    size: int
    seconds: tuple[float, ...]
    itemsize: int

    @property
    def rate(self) -> float:
        """Of its fastest repeat: FLOP/s of a product (2 n³), bytes/s of an addition (two arrays read, one written).

        As in STREAM, only what the program asks for counts. A CPU that reads a line of memory before it writes it
        (write-allocate) moves a third more: the true bandwidth may be up to 4/3 of this, and the ridge as much lower.
        """
        amount = 2 * self.size**3 if self.operation == "product" else 3 * self.size * self.itemsize
        return amount / min(self.seconds)

    def seconds_at(self, size: int) -> float:
        """What a product of that size would take at this rate."""
        return 2 * size**3 / self.rate


class Candidate(Frozen):
    """One framework's trials, or the reason why there are none."""

    framework: str
    version: str | None
    trials: tuple[Trial, ...] = ()
    reason: str | None = None
    contaminated: str | None = None  # by the rules of `harness.measure.disturbance`: what it reads is too low then


class Peak(Frozen):
    """All that was tried on one device; what it can do is the best of it."""

    device: str
    precision: Precision
    threads: int
    date: str
    candidates: tuple[Candidate, ...]
    machine: str | None = None  # the type of the one it was measured on, see `harness.records.record.MachineType`

    @property
    def subject(self) -> PeakSubject:
        return PeakSubject(self.device, self.precision, self.threads)

    @property
    def flops(self) -> Quantity:
        """FLOP/s of the best matrix product."""
        return self._best("product", "FLOP/s")

    @property
    def bandwidth(self) -> Quantity:
        """Bytes/s between the device and its main memory, of the best addition."""
        return self._best("addition", "B/s")

    @property
    def disturbed(self) -> str | None:
        """What disturbed a framework while it was asked, the first there is: the peak may be too low."""
        return next((c.contaminated for c in self.candidates if c.contaminated), None)

    @property
    def ceiling(self) -> Ceiling | None:
        flops, bandwidth = self.flops, self.bandwidth
        if isinstance(flops, Unavailable) or isinstance(bandwidth, Unavailable):
            return None
        return Ceiling(flops.value, bandwidth.value)

    def _best(self, operation: Operation, unit: str) -> Quantity:
        tried = [(t.rate, t.size, c) for c in self.candidates for t in c.trials if t.operation == operation]
        if not tried:
            reasons = [f"{c.framework}: {c.reason}" for c in self.candidates if c.reason]
            return Unavailable(reason="; ".join(reasons) or "no installed framework could be asked")
        value, size, who = max(tried, key=lambda entry: entry[0])
        what = f"{size} × {size} product" if operation == "product" else f"addition of {size:,} elements"
        return Measured(value=value, unit=unit, source=f"{what}, {who.framework} {who.version or ''}".rstrip())


NO_PEAK = Unavailable(reason="this run measured no peak of this device, precision and number of threads")


def best_of(peaks: Iterable[Peak], subject: PeakSubject, machine: MachineType) -> Peak | None:
    """The peak that a cell is held against on such a machine: all runs of one machine together.

    Arithmetic and memory traffic are each the best of any run. What a framework read while it was disturbed counts
    only where it was never asked undisturbed.
    """
    own = [p for p in peaks if p.subject == subject and p.machine in (None, str(machine)) and p.ceiling]
    if not own:
        return None
    candidates = [candidate for peak in own for candidate in peak.candidates]
    calm = {c.framework for c in candidates if c.trials and not c.contaminated}
    counted = tuple(c for c in candidates if not c.contaminated or c.framework not in calm)
    return own[-1].model_copy(update={"candidates": counted})
