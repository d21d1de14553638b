"""A launch whose steady steps are looked at, and what was seen of it; in which ways, see `harness.measure.looking`.

All is looked at before the first epoch is told to the harness. Nothing of such a launch is a verdict's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import Field

from levelfield.adapters.adapter import Adapter, Setting
from levelfield.adapters.runtime import Runtime, load
from levelfield.harness.measure import looking
from levelfield.harness.measure.train_in_ranks import Led
from levelfield.harness.records.quantity import Measured, Quantity, Unavailable
from levelfield.harness.system import folders
from levelfield.harness.system.clocks import clock
from levelfield.harness.system.frozen import Frozen


class Look(Frozen):
    """A way of looking: how many epochs, and the median step among them in seconds."""

    epochs: int
    step: float


class Caller(Frozen):
    """A function, and the share of the samples in which it was the innermost one."""

    name: str
    kind: looking.Kind
    share: float


class Operations(Frozen):
    """Those of one name: how many, and seconds of their own, in one step."""

    count: float
    seconds: float
    kernel: bool  # computes or moves data, where others only arrange


class Compilations(Frozen):
    """What the framework compiled: from the beginning of the training to the end of its first epoch, and in all steady
    epochs that were looked at, however many these were."""

    first: int
    steady: int


class Profile(Frozen):
    """What was seen. Calls, operations, bytes and seconds are of one step; `unwatched`: why there are no operations.

    `allocated` and `copied` as in `adapters.runtime.Seen`; `compilations` is None where nothing is compiled.

    `kernels`: seconds of kernels on the thread that trains, and `beside` on others at the same time; `waits`: seconds
    that it waits for others below Python, inside a call.
    """

    plain: Look
    sampled: Look
    counted: Look
    watched: Look | None = None
    unwatched: str | None = None
    samples: int
    kinds: dict[looking.Kind, float]  # shares
    callers: list[Caller]
    python_calls: float
    c_names: dict[str, float]
    operations: dict[str, Operations] = Field(default_factory=dict)
    kernels: float = 0.0
    beside: float = 0.0
    waits: float = 0.0
    allocated: Quantity
    copied: Quantity
    compilations: Compilations | None = None


class Profiled(Frozen):
    """A launch that is looked at before its first epoch is told; what was seen is written to `to` as a `Profile`.

    `trace`: the beginning of the names of the files in Chrome's format, ``-python.json`` and ``-framework.json``.
    """

    what: Literal["profile"] = "profile"
    runtime: str  # module:Class
    to: Path
    trace: Path | None = None

    @property
    def proves(self) -> bool:
        """Its epochs are not counted as the reference's are."""
        return False

    @contextmanager
    def around(self, model: Adapter, watch: Led, setting: Setting, steps: int) -> Iterator[Led]:
        yield Looking(watch, model, load(self.runtime), steps, self)


class Looking:
    """Passes the first epoch on when everything was looked at, and then all others."""

    def __init__(self, watch: Led, model: Adapter, runtime: Runtime, steps: int, job: Profiled) -> None:
        self.watch, self.model, self.runtime, self.steps, self.job = watch, model, runtime, steps, job
        self.warm, self.plain = looking.Way(looking.WARM), looking.Way(looking.LOOK)
        self.sampled, self.counted = looking.Sampled(looking.SAMPLE), looking.Counted(looking.LOOK)
        self.watched = looking.Watched(runtime, job.trace or job.to)
        ways = [self.warm, self.plain, self.sampled, self.counted, self.watched]
        self.left = [*ways, looking.Traced(job.trace)] if job.trace is not None else ways
        self.hidden = 0  # epochs that were not passed on
        self.begin = 0.0
        self.compiled = [runtime.compilations()]  # before the training, after its first epoch, and at the end

    def ready(self) -> None:
        self.watch.ready()

    def epoch_end(self, epoch: int) -> bool:
        if self.left:
            self.model.synchronize()
            if self._goes_on(clock() - self.begin):
                if not self.hidden:
                    self.compiled.append(self.runtime.compilations())
                self.hidden += 1
                self.begin = clock()
                self.left[0].resume()
                return True
            self.compiled.append(self.runtime.compilations())
            folders.write(self.job.to, self._profile().model_dump_json().encode())
        return self.watch.epoch_end(epoch - self.hidden)

    def resume(self) -> None:
        self.watch.resume()

    def _goes_on(self, took: float) -> bool:
        """An epoch has ended after so many seconds; whether another one is to be looked at."""
        if self.hidden:  # the first epoch of all is not
            way = self.left[0]
            way.pause()
            way.times.append(took)
            if way.over:
                way.end()
                self.left.pop(0)
        return bool(self.left)

    def _profile(self) -> Profile:
        def look(way: looking.Way) -> Look:
            return Look(epochs=len(way.times), step=way.step(self.steps))

        return Profile(
            plain=look(self.plain),
            sampled=look(self.sampled),
            counted=look(self.counted),
            watched=None if self.watched.why else look(self.watched),
            unwatched=self.watched.why,
            samples=self.sampled.samples,
            kinds=self.sampled.shares(),
            callers=[Caller(name=name, kind=kind, share=share) for name, kind, share in self.sampled.callers()],
            python_calls=self.counted.python_calls(self.steps),
            c_names=self.counted.c_names(self.steps),
            operations={
                name: Operations(
                    count=len(ones) / self.steps,
                    seconds=sum(one.seconds for one in ones) / self.steps,
                    kernel=ones[0].kind == "kernel",
                )
                for name, ones in self.watched.by_name().items()
            },
            kernels=self.watched.kernels(self.steps, main=True),
            beside=self.watched.kernels(self.steps, main=False),
            waits=self.watched.waits(self.steps),
            allocated=self._told(self.watched.seen.allocated, "B"),
            copied=self._told(self.watched.seen.copied, "1"),
            compilations=self._compilations(),
        )

    def _told(self, found: tuple[int, str] | str, unit: str) -> Measured | Unavailable:
        """What the profiler counted in its one epoch, of a step."""
        if (why := self.watched.why) is not None or isinstance(found, str):
            return Unavailable(reason=why or str(found))
        return Measured(value=found[0] / self.steps, unit=unit, source=found[1])

    def _compilations(self) -> Compilations | None:
        before, first, end = self.compiled
        if before is None or first is None or end is None:
            return None
        return Compilations(first=first - before, steady=end - first)
