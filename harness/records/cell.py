"""A cell: one place in the comparison, task × model × recipe × adapter × mode and where and how it runs."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal

from annotated_types import Interval

from levelfield.adapters.choices import Api, Feed, Precision, Replication, Track
from levelfield.harness.system.frozen import Frozen
from levelfield.harness.system.variables import Passed, shown
from levelfield.tasks.mlp import Model
from levelfield.tasks.numbers import Whole
from levelfield.tasks.recipe import Recipe
from levelfield.tasks.replay import Replay
from levelfield.tasks.variant import UNVARIED, Variant

LaunchKind = Literal["speed", "learning"]
Replicas = Annotated[Whole, Interval(ge=1, le=1024)]


@dataclass(frozen=True, kw_only=True)
class NamedModel(Model):
    name: str


@dataclass(frozen=True, kw_only=True)
class NamedRecipe(Recipe):
    name: str


class Cell(Frozen):
    """One place in the comparison. Two launches with the same cell measure the same thing."""

    kind: LaunchKind
    task: str
    model: NamedModel
    recipe: NamedRecipe
    adapter: str
    framework: str
    backend: str | None
    api: Api
    mode: str
    feed: Feed = "resident"
    track: Track = "matched"
    device: str = "cpu"
    threads: Whole = 1
    environment: str = "default"
    precision: Precision = "float32"  # float64 where it learns only
    variant: Variant = UNVARIED
    replicas: Replicas = 1
    replication: Replication | None = None  # how, where there are several; `threads` are those of each rank
    replays: Replay | None = None  # whose initial weights and orders it learns from
    variables: Passed = ()  # of the environment that the user passed on, see `harness.system.variables`

    @cached_property
    def id(self) -> str:
        """Short and stable: the readable parts and a hash of everything; of one device, without variables and replays,
        as before there were any."""
        plain = {"replicas", "replication"} if self.replicas == 1 else set()
        plain |= {name for name in ("variables", "replays") if not getattr(self, name)}
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
    def line(self) -> str:
        """As a line for the terminal names it."""
        return f"{self.task} {self.model.name} {self.recipe.name} {self.adapter} ({self.how})"

    @property
    def bare(self) -> Cell:
        """The same with no variable passed on."""
        return self.model_copy(update={"variables": ()})

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
        where = (self.track, self.device, self.threads, self.precision, self.replicas, self.replication)
        return (*problem, *where, self.replays)
