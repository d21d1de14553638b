"""What is written down: a cell is a place in the comparison, a record is all that one launch of it measured.

Records are appended to ``records.jsonl`` and never rewritten; whatever is derived can be derived again from them.
"""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA = 2  # what an older one means is in `harness.migrate`

LaunchKind = Literal["speed", "learning"]
Status = Literal["ok", "failed", "unsupported", "skipped"]
# How a launch failed: raised, could not be imported, left with an exit code or by a signal, took too long, used or
# asked for too much memory, printed too much, lost its warm parent, or ended well without a result
Failure = Literal["exception", "import", "exit", "signal", "time", "memory", "output", "parent", "no result"]


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=True, ser_json_inf_nan="constants")


class Model(Frozen):
    """An MLP before its task is known: `hidden` widths only."""

    name: str
    hidden: tuple[int, ...] = ()
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
    batch_size: int = 32
    epochs: int = 10


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
    track: str = "matched"
    device: str = "cpu"
    threads: int = 1
    environment: str = "default"

    @cached_property
    def id(self) -> str:
        """Short and stable: the readable parts and a hash of everything."""
        text = json.dumps(self.model_dump(), sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        return f"{self.kind}/{self.task}/{self.model.name}/{self.adapter}/{self.mode}/{digest}"

    @property
    def workload(self) -> tuple[str, str, str, str]:
        """What cells must share to stand in one comparison, besides device and threads."""
        return (self.kind, self.task, self.model.name, self.recipe.name)


class Score(Frozen):
    """Evaluation of one snapshot in evaluation mode: mean loss and, for classification, accuracy of a split."""

    loss: float
    accuracy: float | None = None


class EpochScores(Frozen):
    """All three splits after `epoch` epochs (0: the initial weights)."""

    epoch: int
    train: Score
    validation: Score
    test: Score


class Machine(Frozen):
    """Where a launch ran. `host` is None when the user asked for anonymity."""

    host: str | None
    system: str
    cpu: str
    cores: int
    memory_bytes: int
    python: str
    commit: str | None


class Record(Frozen):
    """One launch. Times are in seconds on a monotonic clock, with the device synchronised at both ends."""

    schema_version: int = SCHEMA
    cell: Cell
    seed: int = Field(description="of initial weights, batch order and dropout; in speed launches also the block")
    block: int
    status: Status
    reason: str | None = Field(None, description="why it is not ok: one line")
    failure: Failure | None = Field(None, description="of what kind, for failed launches")
    log: str | None = Field(None, description="the end of the worker's output, for failed launches")
    started: str = Field(description="UTC, ISO 8601")
    wall_seconds: float = Field(0.0, description="of the whole launch, start-up and evaluation included")
    attempt: int = Field(0, description="counts the repeats of a speed launch that was disturbed")
    cold: bool = Field(False, description="made in a process of its own, not forked from a warm parent")
    disturbance: dict[str, float] = Field(
        default_factory=dict, description="what else the machine did while it was timed, see harness.disturbance"
    )
    contaminated: str | None = Field(None, description="the rule that voids its times, though it is ok")
    parameters: int | None = None
    train_samples: int | None = None
    steps_per_epoch: int | None = None
    phases: dict[str, float] = Field(
        default_factory=dict, description="import (of the parent process), build, place, first_epoch, predict, evaluate"
    )
    epoch_seconds: list[float] = Field(
        default_factory=list, description="steady epochs of a speed launch, the first epoch not among them"
    )
    predict_seconds: dict[str, list[float]] = Field(
        default_factory=dict, description="by batch size, one value a call, warm"
    )
    epochs: list[EpochScores] = Field(default_factory=list, description="of a learning launch")
    final: EpochScores | None = Field(None, description="scores at the end, for both kinds")
    versions: dict[str, str] = Field(default_factory=dict, description="distribution → version")
    machine: Machine

    @property
    def launch_id(self) -> str:
        return f"{self.cell.id}#{self.block}"


class Run(Frozen):
    """The head of a run directory (``run.json``): what was asked for, and where."""

    schema_version: int = SCHEMA
    name: str
    suite: str
    summary: str
    started: str
    command: str = Field(description="the command that repeats the run")
    baseline: str
    plan_seed: int
    machine: Machine
    warnings: list[str] = Field(default_factory=list, description="on the quality of the data")
    suite_text: str = Field(description="the suite file as it was")
    tasks: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="name → source, licence, kind, features, outputs, samples of each split"
    )
