"""What is written down of a launch: a record is all that it measured.

Records are appended to ``records.jsonl`` and never rewritten; whatever is derived can be derived again from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, prod
from statistics import median
from typing import Any, Literal

from pydantic import Field

from levelfield.harness.records.cell import Cell
from levelfield.harness.records.quantity import Quantity
from levelfield.harness.system.folders import Cache
from levelfield.harness.system.frozen import Frozen
from levelfield.harness.system.machine import Machine
from levelfield.tasks.numbers import Whole

SCHEMA = 6  # of records and heads; runs of another one are not read

StudyName = Literal["five-points", "capacity", "samples", "noise", "regularisation", "bias-variance"]
Status = Literal["ok", "failed", "unsupported", "skipped"]
# How a launch failed: raised, could not be imported, left with an exit code or by a signal, took too long, used or
# asked for too much memory, printed too much, lost its warm parent, or ended well without a result
Failure = Literal["exception", "import", "exit", "signal", "time", "memory", "output", "parent", "no result"]


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


class Turn(Frozen):
    """Steady epochs of a launch that follow each other, while all others of its block were stopped.

    `first` of them in the record's `epoch_seconds`, and how many `epochs`, of which the first `warm` only warm up;
    `began` in seconds on the monotonic clock of its machine.
    """

    first: Whole
    epochs: Whole
    warm: Whole = 0
    began: float


class Record(Frozen):
    """One launch. Times are in seconds on a monotonic clock, with the device synchronised at both ends."""

    schema_version: int = Field(default=SCHEMA, ge=SCHEMA, le=SCHEMA)
    cell: Cell = Field(description="its place in the comparison")
    seed: Whole = Field(description="of initial weights, batch order and dropout; in speed launches also the block")
    block: Whole = Field(description="its number")
    status: Status = Field(description="skipped: something is absent here; unsupported: the adapter says so")
    reason: str | None = Field(None, description="why it is not ok: one line")
    failure: Failure | None = Field(None, description="of what kind, for failed launches")
    log: str | None = Field(None, description="the end of the worker's output, for failed launches")
    started: str = Field(description="UTC, ISO 8601")
    wall_seconds: float = Field(
        0.0, description="of the whole launch, start-up and evaluation included, without the times it was stopped"
    )
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
    parameters: Whole | None = Field(None, description="how many numbers are trained")
    train_samples: Whole | None = Field(None, description="how many there are")
    steps_per_epoch: Whole | None = Field(None, description="updates; a timed epoch leaves out a partial last batch")
    phases: dict[str, float] = Field(
        default_factory=dict,
        description="evaluate and proof; where its start was timed, import (of the parent process), build, place and "
        "first_epoch; where prediction was, predict",
    )
    epoch_seconds: list[float] = Field(
        default_factory=list, description="steady epochs of a speed launch, the first epoch not among them"
    )
    turns: list[Turn] = Field(default_factory=list, description="of its block, whose epochs are compared")
    rounds: Whole | None = Field(
        None, description="of its block, in each of which it had a turn, the baseline several; None: it took no turns"
    )
    pace: float = Field(
        1.0, description="where memory made waves of its block: what the baseline took beside it, over the first wave"
    )
    window: Turn | None = Field(None, description="the epochs in which its use of the device was watched")
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
    running_losses: list[float] = Field(
        default_factory=list,
        description="of a replayed training, after each epoch: the mean over its samples of the loss before each "
        "batch's update, penalty included, see tasks.replay",
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


def by_turn(record: Record) -> list[list[float]]:
    """The seconds of the epochs of each turn that count: not those that warm up."""
    return [record.epoch_seconds[turn.first + turn.warm : turn.first + turn.epochs] for turn in record.turns]


def steady_epoch(record: Record) -> float:
    """Seconds of a steady epoch: the quickest of its turns, of each the median epoch; of a launch that took no turns
    the median of all its steady epochs.

    What else a machine does only slows down, and not all programs alike: see docs/statistics.md. So the quickest turn
    says what a program takes. Who has several in each round would be quicker for that: of it counts what the quickest
    is expected to be if one turn of each round counts.
    """
    turns = [median(own) for own in by_turn(record)]
    if not turns:
        return median(record.epoch_seconds)
    a_round = max(len(turns) // (record.rounds or len(turns)), 1)
    return quickest([turns[begin : begin + a_round] for begin in range(0, len(turns), a_round)]) / record.pace


def quickest(groups: Sequence[Sequence[float]]) -> float:
    """The least of one value of each group, at the mean over all choices."""
    expected, greater = 0.0, 1.0  # the share of choices in which all are greater than the values so far
    for value in sorted(one for group in groups for one in group):
        left = prod(sum(one > value for one in group) / len(group) for group in groups)
        expected, greater = expected + value * (greater - left), left
        if not left:
            break
    return expected


def step_seconds(record: Record) -> float | None:
    """The steady step in seconds of a clean speed launch that was proved, else None; so too where it is no positive
    number."""
    if record.status != "ok" or record.contaminated or record.unproved:
        return None
    if not record.epoch_seconds or not record.steps_per_epoch:
        return None
    value = steady_epoch(record) / record.steps_per_epoch
    return value if isfinite(value) and value > 0 else None


class Run(Frozen):
    """The head of a run directory (``run.json``): what was asked for, and where."""

    schema_version: int = Field(default=SCHEMA, ge=SCHEMA, le=SCHEMA)
    name: str = Field(description="that of its folder")
    suite: str = Field(description="its name, or the path of its file")
    summary: str = Field(description="of the suite")
    started: str = Field(description="UTC, ISO 8601")
    command: str = Field(description="the command that repeats the run")
    baseline: str = Field(description="the adapter that all others are compared with")
    baseline_environment: str = Field("default", description="in which the baseline is timed")
    plan_seed: Whole = Field(description="the `seed` of the suite")
    machine: Machine
    warnings: list[str] = Field(default_factory=list, description="on the quality of the data")
    suite_text: str = Field(description="the suite file as it was")
    study: StudyName | None = Field(None, description="the question that its learning launches answer together")
    planned: Whole | None = Field(default=None, description="launches that shall be made, without those that cannot be")
    at_most: bool = Field(default=False, description="whether a budget or a precision may end it earlier")
    ended: Literal["complete", "interrupted"] | None = Field(default=None, description="None: under way, or killed")
    suite_folder: str | None = Field(
        default=None, description="seen from the run's folder, where the suite names files of its own"
    )
    python: str | None = Field(
        default=None, description="the interpreter that made it, seen from the run's folder; of anonymous runs none"
    )
    folder: str | None = Field(default=None, exclude=True, description="where it was read from; never written down")
    tasks: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="name → source, licence, kind, features, outputs, samples of each split, what guessing reaches; of "
        "own files also names of columns, classes with samples, what was inferred, warnings",
    )
