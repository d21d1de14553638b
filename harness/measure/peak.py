"""What a device can do, measured: the best matrix product and the best memory traffic of the installed frameworks.

A peak belongs to the state of the machine, so it is measured in every run, once for each device, precision and number
of threads that its speed cells use. It takes the best of all frameworks, selected or not: the libraries differ by a
factor of two, and a share of the peak must not depend on who else takes part.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import ModuleType
from typing import Literal, NamedTuple, Protocol

from levelfield.adapters import runtimes
from levelfield.adapters.adapter import Setting
from levelfield.adapters.registry import AdapterInfo
from levelfield.harness.judge.roofline import Ceiling
from levelfield.harness.launch.work_queue import Stop
from levelfield.harness.plan.launches import Launch
from levelfield.harness.records.quantity import Frozen, Measured, Quantity, Unavailable
from levelfield.harness.records.record import MachineType, Precision
from levelfield.tasks.mlp import MLP
from levelfield.tasks.recipe import Recipe

ARITHMETIC = ("numpy", "torch", "tensorflow", "jax")  # distributions whose products are tried
PRODUCTS = {"cpu": (1024, 2048), "other": (4096, 8192)}  # rows of the square matrices
ADDITIONS = {"cpu": 2**24, "other": 2**28}  # elements: larger than any cache
LEAST, STEADY = 3, 4  # repeats at least; repeats in a row that bring nothing new
GAIN = 0.005  # what counts as new: half a percent faster than the best before
SECONDS = 0.4  # for the repeats of one operation
PATIENCE = 5.0  # seconds of one product: what takes longer is arithmetic in software, of which less is tried

Operation = Literal["product", "addition"]


class Subject(NamedTuple):
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
    def subject(self) -> Subject:
        return Subject(self.device, self.precision, self.threads)

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


def best_of(peaks: Iterable[Peak], subject: Subject, machine: MachineType) -> Peak | None:
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


class Measurer(Protocol):
    """What measures on behalf of a run: a launcher."""

    def peak(self, adapter: str, subject: Subject) -> Candidate: ...


def wanted(launches: Iterable[Launch], there: Iterable[Peak] = ()) -> list[Subject]:
    """The peaks that the speed cells of these launches are held against, less those that are `there`."""
    cells = dict.fromkeys(launch.cell for launch in launches if launch.cell.kind == "speed" and not launch.skip)
    subjects = dict.fromkeys(Subject(cell.device, cell.precision, cell.threads) for cell in cells)
    known = {peak.subject for peak in there}
    return [subject for subject in subjects if subject not in known]


def askable(adapters: Mapping[str, AdapterInfo]) -> dict[str, str]:
    """Framework → an installed adapter through which its runtime is reached, the framework's own before others."""
    found: dict[str, str] = {}
    for info in sorted(adapters.values(), key=lambda info: info.backend is not None):
        if info.builtin and info.runtime in ARITHMETIC and info.missing() is None:
            found.setdefault(info.runtime, info.name)
    return found


def obtain(
    subjects: Iterable[Subject], adapters: Mapping[str, AdapterInfo], measurer: Measurer, stop: Stop
) -> Iterator[Peak]:
    """One peak after the other, each complete; none once an end was asked for."""
    for subject in subjects:
        candidates = []
        for adapter in askable(adapters).values():
            if stop.asked.is_set():
                return
            candidates.append(measurer.peak(adapter, subject))
        date = datetime.now(UTC).isoformat(timespec="seconds")
        yield Peak(**subject._asdict(), date=date, candidates=tuple(candidates))


def measure(runtime: ModuleType, subject: Subject, clock: Callable[[], float] = time.perf_counter) -> list[Trial]:
    """All trials of one framework; runs in the worker."""
    setting = Setting(
        MLP((1, 1)),
        Recipe(),
        device=subject.device,
        threads=subject.threads,
        precision=subject.precision,
    )
    runtime.configure(setting)
    kind = "cpu" if setting.kind_of_device == "cpu" else "other"
    itemsize = 2 if runtimes.operands(subject.precision) == "bfloat16" else 4
    sizes: list[tuple[Operation, int]] = [("product", n) for n in PRODUCTS[kind]]
    trials: list[Trial] = []
    for operation, size in (*sizes, ("addition", ADDITIONS[kind])):
        if operation == "product" and trials and trials[-1].seconds_at(size) > PATIENCE:
            continue
        call = runtime.product(setting, size) if operation == "product" else runtime.addition(setting, size)
        trials.append(
            Trial(operation=operation, size=size, seconds=tuple(repeat(call, SECONDS, clock)), itemsize=itemsize)
        )
    return trials


def repeat(call: Callable[[], object], seconds: float, clock: Callable[[], float]) -> list[float]:
    """The times of `call`, after one to warm up: `LEAST`, then more until they get no better or `seconds` are over.

    One is enough where the one to warm up took longer than `PATIENCE`.
    """
    start = clock()
    call()
    warm = clock()
    least = LEAST if warm - start <= PATIENCE else 1
    times: list[float] = []
    end = warm + seconds
    while len(times) < least or (clock() < end and not steady(times)):
        start = clock()
        call()
        times.append(clock() - start)
    return times


def steady(times: Sequence[float]) -> bool:
    """Whether the last `STEADY` repeats were no better than the best before them."""
    return len(times) > STEADY and min(times[-STEADY:]) >= (1 - GAIN) * min(times[:-STEADY])
