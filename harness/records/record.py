"""What is written down: a cell is a place in the comparison, a record is all that one launch of it measured.

Records are appended to ``records.jsonl`` and never rewritten; whatever is derived can be derived again from them.
"""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from levelfield.harness.records.early_stopping import EarlyStopping
from levelfield.harness.records.quantity import Frozen, Quantity
from levelfield.harness.system.folders import Cache
from levelfield.harness.system.variables import Passed, shown
from levelfield.tasks.variant import UNVARIED, Variant

SCHEMA = 3  # what an older one means is in `harness.records.migrate`

# What every program that reads an export can hold
Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Precision = Literal["float32", "tf32", "bfloat16"]
Track = Literal["matched", "idiomatic"]
Replication = Literal["devices", "ranks"]
Study = Literal["five-points", "capacity", "samples", "noise", "regularisation", "bias-variance"]
LaunchKind = Literal["speed", "learning"]
Status = Literal["ok", "failed", "unsupported", "skipped"]
# How a launch failed: raised, could not be imported, left with an exit code or by a signal, took too long, used or
# asked for too much memory, printed too much, lost its warm parent, or ended well without a result
Failure = Literal["exception", "import", "exit", "signal", "time", "memory", "output", "parent", "no result"]


# What was there when a launch began, of a framework that keeps on the disk what it has compiled


class Model(Frozen):
    """An MLP before its task is known: `hidden` widths only."""

    name: str
    hidden: tuple[Whole, ...] = ()
    activation: Literal["relu", "tanh", "sigmoid"] = "relu"
    dropout: float = 0.0
    l2: float = 0.0


class RecipeSpec(Frozen):
    """A named `tasks.recipe.Recipe`."""

    name: str
    optimizer: Literal["sgd", "momentum", "nesterov", "adam", "adamw"]
    learning_rate: float
    momentum: float = 0.9
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.01
    batch_size: Whole = 32
    epochs: Whole = 10
    early_stopping: EarlyStopping | None = None


class Cell(Frozen):
    """One place in the comparison. Two launches with the same cell measure the same thing."""

    kind: LaunchKind
    task: str
    model: Model
    recipe: RecipeSpec
    adapter: str
    framework: str
    backend: str | None
    api: Literal["low", "high", "mixed"]
    mode: str
    feed: str = "resident"
    track: Track = "matched"
    device: str = "cpu"
    threads: Whole = 1
    environment: str = "default"
    precision: Precision = "float32"
    variant: Variant = UNVARIED
    replicas: Annotated[int, Field(ge=1, le=1024)] = 1
    replication: Replication | None = None  # how, where there are several; `threads` are those of each rank
    variables: Passed = ()  # of the environment that the user passed on, see `harness.system.variables`

    @cached_property
    def id(self) -> str:
        """Short and stable: the readable parts and a hash of everything; of one device and without variables, as before
        there were any."""
        plain = {"replicas", "replication"} if self.replicas == 1 else set()
        plain |= set() if self.variables else {"variables"}
        text = json.dumps(self.model_dump(exclude=plain), sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        several = f"-x{self.replicas}-{self.replication}" if self.replicas > 1 else ""
        return f"{self.kind}/{self.task}/{self.model.name}/{self.adapter}/{self.mode}{several}/{digest}"

    @property
    def cores(self) -> int:
        """That it uses: its threads', for each rank."""
        return self.threads * (self.replicas if self.replication == "ranks" else 1)

    @property
    def alone(self) -> Cell:
        """The same on one device."""
        return self.model_copy(update={"replicas": 1, "replication": None})

    @property
    def over(self) -> str:
        """What its batches are split over, ``2 devices`` or ``2 ranks``; empty for one device."""
        return f"{self.replicas} {self.replication}" if self.replicas > 1 else ""

    @property
    def share_cores(self) -> bool:
        """Whether its replicas do: then their number is no measure of scaling."""
        return self.replicas > 1 and self.replication == "devices" and self.device == "cpu"

    @property
    def how(self) -> str:
        """As it stands in brackets behind the adapter's name: the mode, and what its batches are split over."""
        return f"{self.mode}, {self.over}" if self.over else self.mode

    @property
    def bare(self) -> Cell:
        """The same with no variable passed on."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return Cell(**fields | {"variables": ()})

    @property
    def surroundings(self) -> str:
        """Its environment by name, with the variables that were passed on: ``default``, ``A=1``, ``old-torch, A=1``."""
        if not self.variables:
            return self.environment
        named = [self.environment] if self.environment != "default" else []
        return ", ".join([*named, shown(self.variables)])

    @property
    def workload(self) -> tuple[object, ...]:
        """What cells must share to stand in one comparison."""
        problem = (self.kind, self.task, self.model, self.recipe, self.variant)
        return (*problem, self.track, self.device, self.threads, self.precision, self.replicas, self.replication)


class Score(Frozen):
    """Evaluation of one snapshot in evaluation mode: mean loss and, for classification, accuracy of a split."""

    loss: float
    accuracy: float | None = None


class EpochScores(Frozen):
    """All three splits after `epoch` epochs (0: the initial weights)."""

    epoch: Whole
    train: Score
    validation: Score
    test: Score


class MachineType(NamedTuple):
    """What two machines have in common when their times may stand in one comparison; the host's name is no part."""

    cpu: str
    cores: int
    memory_gib: int  # rounded: of two alike, one may keep a few MB more for itself
    system: str

    def __str__(self) -> str:
        return f"{self.cpu}, {self.cores} core{'' if self.cores == 1 else 's'}, {self.memory_gib} GiB, {self.system}"


class Machine(Frozen):
    """Where a launch ran. `host` is None when the user asked for anonymity."""

    host: str | None
    system: str
    cpu: str
    cores: Whole
    memory_bytes: Whole
    python: str
    commit: str | None
    levelfield: str | None = None  # its version; the commit is known of a checkout only

    @property
    def type(self) -> MachineType:
        return MachineType(self.cpu, self.cores, round(self.memory_bytes / 2**30), self.system)


class Record(Frozen):
    """One launch. Times are in seconds on a monotonic clock, with the device synchronised at both ends."""

    schema_version: int = SCHEMA
    cell: Cell
    seed: Whole = Field(description="of initial weights, batch order and dropout; in speed launches also the block")
    block: Whole
    status: Status
    reason: str | None = Field(None, description="why it is not ok: one line")
    failure: Failure | None = Field(None, description="of what kind, for failed launches")
    log: str | None = Field(None, description="the end of the worker's output, for failed launches")
    started: str = Field(description="UTC, ISO 8601")
    wall_seconds: float = Field(0.0, description="of the whole launch, start-up and evaluation included")
    attempt: Whole = Field(0, description="counts the repeats of a speed launch that was disturbed")
    cold: bool = Field(False, description="made in a process of its own, not forked from a warm parent")
    cache: Cache | None = Field(
        None, description="which one of compiled code on the disk its first epoch met; None: it keeps none there"
    )
    disturbance: dict[str, float] = Field(
        default_factory=dict,
        description="what else the machine did while it was timed, see harness.measure.disturbance",
    )
    contaminated: str | None = Field(None, description="the rule that voids its times, though it is ok")
    unproved: str | None = Field(
        None,
        description="why its times are void: the timed work was not the certified one, see harness.certify.timed_proof",
    )
    proof: dict[str, str] = Field(
        default_factory=dict, description="of a speed launch: what was compared → how far it was off, or why it was not"
    )
    parameters: Whole | None = None
    train_samples: Whole | None = None
    steps_per_epoch: Whole | None = None
    phases: dict[str, float] = Field(
        default_factory=dict,
        description="import (of the parent process), build, place, first_epoch, predict, evaluate; and proof",
    )
    epoch_seconds: list[float] = Field(
        default_factory=list, description="steady epochs of a speed launch, the first epoch not among them"
    )
    predict_seconds: dict[str, list[float]] = Field(
        default_factory=dict, description="by batch size, one value a call, warm"
    )
    runtime: dict[str, str] = Field(
        default_factory=dict,
        description="settings as the framework reports them: device, threads, precision, allocator",
    )
    placement: dict[str, Whole] = Field(
        default_factory=dict, description="of several replicas: device → samples of a whole batch that it computed"
    )
    utilisation: dict[str, Quantity] = Field(
        default_factory=dict,
        description="how the device was used in the steady epochs, by name, see harness.probes",
    )
    busy: list[float] = Field(
        default_factory=list,
        description="share of the core mask that the process kept busy, over equal parts of the steady epochs",
    )
    epochs: list[EpochScores] = Field(default_factory=list, description="of a learning launch")
    final: EpochScores | None = Field(
        None, description="scores of the weights at the end; after early stopping those of the restored snapshot"
    )
    test_log_probabilities: list[list[float]] = Field(
        default_factory=list, description="of a fit on one of several disjoint splits: (samples, classes), 4 decimals"
    )
    test_classes: list[Whole] = Field(default_factory=list, description="the true ones, beside these")
    curve: list[tuple[float, float]] = Field(
        default_factory=list, description="of a regression on one feature: (feature, prediction) over its range"
    )
    versions: dict[str, str] = Field(
        default_factory=dict, description="distribution → version, read where the launch ran if it got that far"
    )
    files: dict[str, str] = Field(
        default_factory=dict, description="distribution → the first file imported of it, below the interpreter's prefix"
    )
    kept: dict[str, str] = Field(
        default_factory=dict,
        description="variables that it got because a machine may need them, see harness.system.variables",
    )
    machine: Machine

    @property
    def in_force(self) -> dict[str, str]:
        """Variables that may have changed what it did, whoever set them: a certificate holds for these only."""
        return {**self.kept, **dict(self.cell.variables)}

    @property
    def launch_id(self) -> str:
        return f"{self.cell.id}#{self.block}"

    @property
    def place(self) -> tuple[str, bool]:
        """What a later record replaces: the same launch, made in the same way."""
        return self.launch_id, self.cold


class Run(Frozen):
    """The head of a run directory (``run.json``): what was asked for, and where."""

    schema_version: int = SCHEMA
    name: str
    suite: str
    summary: str
    started: str
    command: str = Field(description="the command that repeats the run")
    baseline: str
    plan_seed: Whole
    machine: Machine
    warnings: list[str] = Field(default_factory=list, description="on the quality of the data")
    suite_text: str = Field(description="the suite file as it was")
    study: Study | None = Field(None, description="the question that its learning launches answer together")
    planned: Whole | None = Field(default=None, description="launches that shall be made, without those that cannot be")
    at_most: bool = Field(default=False, description="whether a budget or a precision may end it earlier")
    ended: Literal["complete", "interrupted"] | None = Field(default=None, description="None: under way, or killed")
    suite_folder: str | None = Field(
        default=None, description="seen from the run's folder, where the suite names files of its own"
    )
    folder: str | None = Field(default=None, exclude=True, description="where it was read from; never written down")
    tasks: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="name → source, licence, kind, features, outputs, samples of each split"
    )
