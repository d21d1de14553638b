"""A cell: one place in the comparison, task × model × recipe × adapter × mode and where and how it runs."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field

from levelfield.harness.records.early_stopping import EarlyStopping
from levelfield.harness.system.frozen import Frozen
from levelfield.harness.system.variables import Passed, shown
from levelfield.tasks.variant import UNVARIED, Variant

# What every program that reads an export can hold
Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Precision = Literal["float32", "tf32", "bfloat16"]
Track = Literal["matched", "idiomatic"]
Replication = Literal["devices", "ranks"]
LaunchKind = Literal["speed", "learning"]


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
        """As it stands in brackets behind the adapter's name: the mode, and all that differs from the usual."""
        usual = (("matched", self.track), ("cpu", self.device), ("float32", self.precision))
        unusual = [value for usually, value in (*usual, ("default", self.surroundings)) if value != usually]
        return ", ".join([self.mode, *([self.over] if self.over else []), *unusual])

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
