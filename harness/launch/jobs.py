"""What a child of a warm parent is to do, as one line of JSON (see `harness.launch.worker`)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, TypeAdapter

from levelfield.adapters.choices import Precision, Replication
from levelfield.harness.measure.wrap import Wrap
from levelfield.harness.records.cell import Cell, LaunchKind


class Job(BaseModel):
    """What a child is to do with one adapter, and where its result and its output go."""

    adapter: str  # its name
    module: str
    qualname: str
    runtime: str  # ``module:Class``
    distributions: tuple[str, ...] = ()  # whose versions and files are read when it is done
    core: int | None = None  # pin the child to this one
    lasts: bool = False  # whether its child goes on with other seeds, see `harness.launch.learner`
    memory: int | None = None  # bytes of data that the child may add to what it was forked with
    result: Path
    log: Path

    @property
    def ranks(self) -> int:
        """Processes that do it together."""
        return 1

    @property
    def processes(self) -> int:
        """That are forked for it: where there are several ranks, one more waits for them."""
        return 1 if self.ranks == 1 else 1 + self.ranks


class LaunchJob(Job):
    what: LaunchKind
    cell: Cell
    seed: int
    seconds: float
    every: int = 1
    data: Path
    salt: int = 0  # of the epochs that are looked at
    seen: Path | None = None  # where what was seen of a speed launch goes
    wrap: tuple[Wrap, ...] = ()  # around its training, the innermost first
    line: Path | None = None  # on which it is told its turns, see `harness.measure.turns.Line`; None: it takes none
    predict: bool = True  # whether prediction is timed

    @property
    def ranks(self) -> int:
        return self.cell.replicas if self.cell.replication == "ranks" else 1


class CertifyJob(Job):
    what: Literal["certify"] = "certify"
    mode: str
    device: str
    precision: Precision = "float32"
    threads: int
    replicas: int = 1
    replication: Replication | None = None
    quick: bool
    needs: frozenset[str] | None
    distribution: str | None = None  # that a plug-in is of

    @property
    def ranks(self) -> int:
        return self.replicas if self.replication == "ranks" else 1


class PeakJob(Job):
    """Measure what the device can do with the runtime of an adapter; see `harness.measure.peak`."""

    what: Literal["peak"] = "peak"
    device: str
    precision: Precision
    threads: int


class ScriptJob(Job):
    """Call the function `run` of a file of Python with `arguments`, where launches of the adapter are made too."""

    what: Literal["script"] = "script"
    file: Path
    arguments: list[str]


AnyJob = LaunchJob | CertifyJob | PeakJob | ScriptJob
_JOBS: TypeAdapter[AnyJob] = TypeAdapter(AnyJob)


def read(line: str) -> AnyJob:
    """The job that was written as `line`."""
    return _JOBS.validate_json(line)
