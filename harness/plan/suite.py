"""A suite: which launches to make, as TOML, validated. An example of one stands in docs/run.md."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
)

from levelfield.adapters.choices import DEVICE_KINDS, Precision, Replication, TimedPrecision, Track
from levelfield.harness.records.cell import NamedModel, NamedRecipe, Replicas
from levelfield.harness.records.record import StudyName
from levelfield.harness.system import variables
from levelfield.tasks.early_stopping import EarlyStopping
from levelfield.tasks.errors import UserError, unknown
from levelfield.tasks.mlp import Model
from levelfield.tasks.numbers import Real, Whole
from levelfield.tasks.recipe import Recipe
from levelfield.tasks.replay import Replay
from levelfield.tasks.tables.spec import TableSpec
from levelfield.tasks.variant import InputNoise, LabelNoise, Share, Variant

SUITES = Path(__file__).parent / "suites"
DEVICE = rf"^(cpu|({'|'.join(DEVICE_KINDS[1:])}):[0-9]{{1,3}})$"
_LARGEST_FILE = 1_000_000  # bytes; a suite is written by hand


def _kebab(name: str) -> str:
    return name.replace("_", "-")


class Table(BaseModel):
    """Keys are written with hyphens, unknown ones are refused."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=_kebab, populate_by_name=True, allow_inf_nan=False
    )


# Names become parts of file names
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")]
Seed = Annotated[Whole, Field(ge=0, le=2**31 - 1)]
_alone = BeforeValidator(lambda v: (v,) if isinstance(v, str) else v)
Names = Annotated[tuple[str, ...], _alone, Field(min_length=1)]
Device = Annotated[str, Field(pattern=DEVICE)]
Precisions = Annotated[tuple[TimedPrecision, ...], _alone, Field(min_length=1)]
AllPrecisions = Annotated[tuple[Precision, ...], _alone, Field(min_length=1)]
LONGEST = 1e7  # seconds


def seconds(text: str) -> float:
    """``90s``, ``10m``, ``1.5h`` or a bare number of seconds. Raises ValueError."""
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    number, unit = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1.0)
    value = float(number) * unit
    if not 0 < value <= LONGEST:
        raise ValueError("a duration must be more than 0, and not years")
    return value


def _interpreter(value: Any) -> Any:
    return {"python": value} if isinstance(value, str) else value


def _duration(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return seconds(value)
        except ValueError:
            raise ValueError("write a duration as 90s, 10m or 1.5h") from None
    return value


def size(text: str, total: int) -> int:
    """Bytes: ``500MB``, ``4GB``, or a share of `total` as ``80%``. Raises ValueError."""
    units = {"%": total / 100, "MB": 1e6, "GB": 1e9}
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?(%|MB|GB)", text)
    if found is None:
        raise ValueError("write an amount of memory as 500MB, 4GB, or 80% of the machine's")
    value = int(float(found[1]) * units[found[2]])
    if value < 1e6:
        raise ValueError("an amount of memory must be at least 1MB")
    return value


def _size(text: str) -> str:
    size(text, 2**40)
    return text


Size = Annotated[str, AfterValidator(_size)]
Duration = Annotated[Real, BeforeValidator(_duration), Field(gt=0, le=LONGEST)]


def _passable(env: dict[str, str]) -> dict[str, str]:
    if wrong := [found for item in env.items() if (found := variables.problem(*item)) is not None]:
        raise ValueError("; ".join(wrong[0]))
    return env


class EnvironmentTable(Table):
    """An interpreter, by default the own one, and variables that its workers get."""

    python: Path | None = None
    env: Annotated[dict[str, str], AfterValidator(_passable)] = Field(default_factory=dict)


class Part(Table):
    """What `[[speed]]` and `[[learning]]` have in common; lists are multiplied out."""

    task: Names
    model: Names
    recipe: Names
    adapters: Names = ("*",)
    environments: Names = ("default",)
    modes: Literal["all", "default", "guides"] | tuple[str, ...] = "default"
    track: Annotated[tuple[Track, ...], _alone, Field(min_length=1)] = ("matched",)
    device: Device = "cpu"
    precision: AllPrecisions = ("float32",)
    replicas: tuple[Replicas, ...] = Field((1,), min_length=1, description="over which each batch is split")
    replication: Annotated[tuple[Replication, ...], _alone, Field(min_length=1)] = Field(
        get_args(Replication), description="how several are made: each of these ways that an adapter has"
    )


class SpeedPart(Part):
    """`seconds` of turns in each of `blocks` launches."""

    modes: Literal["all", "default", "guides"] | tuple[str, ...] = "all"
    precision: Precisions = ("float32",)
    blocks: Whole = Field(6, ge=1, le=10_000)
    threads: Literal["all"] | Annotated[Whole, Field(ge=1)] = "all"
    seconds: Real = Field(0.3, gt=0, le=3600)
    start_up: Annotated[bool, Field(strict=True)] = Field(
        True, description="in the first blocks also time start-up and prediction, and watch the device"
    )


class LearningPart(Part):
    """`samples` to `parts` make variants of the data, see `tasks.variant`; lists are multiplied out."""

    seeds: Whole = Field(1, ge=1, le=10_000)
    full_seeds: Whole | None = Field(None, ge=1, le=10_000, description="with --full")
    every: Whole = Field(1, ge=1, description="epochs between two evaluations")
    samples: Annotated[tuple[Share, ...], Field(min_length=1)] = (1.0,)
    label_noise: Annotated[tuple[LabelNoise, ...], Field(min_length=1)] = (0.0,)
    input_noise: Annotated[tuple[InputNoise, ...], Field(min_length=1)] = (0.0,)
    parts: Whole = Field(1, ge=1, le=100, description="disjoint training splits, a fit on each")
    replays: Replay | None = Field(None, description="whose initial weights and orders are used, see `tasks.replay`")

    def variants(self) -> list[Variant]:
        return [
            Variant(*each, part, self.parts)
            for each in product(self.samples, self.label_noise, self.input_noise)
            for part in range(self.parts)
        ]


class Suite(Table):
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    summary: str = ""
    baseline: str = "torch-autograd"
    study: StudyName | None = None
    seed: Seed = 0
    budget: Duration | None = Field(
        None, description="of time for speed launches, more for three blocks; then blocks are only a maximum"
    )
    time_limit: Real = Field(300.0, gt=0, le=LONGEST, description="seconds a launch may take")
    memory_limit: Size = Field("80%", description="what a launch may add to its warm parent's memory: 500MB, 4GB, 80%")
    peaks: Annotated[bool, Field(strict=True)] = Field(True, description="measure what the device can do, some 10 s")
    environments: dict[Name, Annotated[EnvironmentTable, BeforeValidator(_interpreter)]] = Field(
        default_factory=dict, description="name → interpreter, or a table with python and env"
    )
    tasks: dict[Name, TableSpec] = Field(default_factory=dict)
    models: dict[Name, Model] = Field(default_factory=dict)
    recipes: dict[Name, Recipe] = Field(default_factory=dict)
    speed: tuple[SpeedPart, ...] = ()
    learning: tuple[LearningPart, ...] = ()
    _file: Path = PrivateAttr(Path("the suite"))

    @property
    def file(self) -> Path:
        """Where it was read from, for messages."""
        return self._file

    def model(self, name: str) -> NamedModel:
        return NamedModel(name=name, **vars(self.models[name]))

    def recipe(self, name: str) -> NamedRecipe:
        return NamedRecipe(name=name, **vars(self.recipes[name]))


def names() -> list[str]:
    """Of the suites that come with levelfield."""
    return sorted(path.stem for path in SUITES.glob("*.toml"))


def read(name_or_file: str) -> tuple[Suite, str]:
    """The suite and its text. Raises UserError that names file, key and what would be right."""
    path = Path(name_or_file)
    if path.suffix != ".toml" and not os.path.isfile(path):
        if name_or_file not in names():
            raise unknown("suite", name_or_file, names(), "levelfield list suites, or a path to a .toml file")
        path = SUITES / f"{name_or_file}.toml"
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise UserError(f"{path}: larger than {_LARGEST_FILE:,} bytes", "a suite is a short TOML file")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"{path}: {error.strerror}", "give the path of a suite file, or a name of 'levelfield list suites'"
        ) from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not UTF-8 text", "save the suite as UTF-8") from None
    return parse(text, path), text


def of_run(name: str, text: str, folder: Path | None) -> Suite:
    """The suite that a run was begun with, from its head; `folder`: where the files that it names are."""
    path = Path(name)
    if path.suffix != ".toml":
        path = SUITES / f"{name}.toml"
    return parse(text, path if folder is None else folder / path.name)


def parse(text: str, path: Path) -> Suite:
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # the first also for integers of thousands of digits
        raise UserError(f"{path}: not valid TOML: {error}", "see toml.io for the syntax") from None
    try:
        suite = Suite.model_validate(data)
    except ValidationError as error:
        raise _readable(error, path) from None
    suite._file = path
    _check_names(suite, path)
    folder = path.resolve().parent
    own = {name: task.beside(folder) for name, task in suite.tasks.items()}
    found = {
        name: one if one.python is None else one.model_copy(update={"python": folder / one.python})
        for name, one in suite.environments.items()
    }
    return suite.model_copy(update={"tasks": own, "environments": found})


def passing(suite: Suite, env: Mapping[str, str]) -> Suite:
    """The same with variables of the command line for the workers of all its environments; they outweigh its own."""
    if not env:
        return suite
    asked = {"default": EnvironmentTable()} | suite.environments
    found = {name: one.model_copy(update={"env": one.env | dict(env)}) for name, one in asked.items()}
    return suite.model_copy(update={"environments": found})


def _readable(error: ValidationError, path: Path) -> UserError:
    """The first of pydantic's errors, in the suite's own words."""
    first = error.errors()[0]
    parts = [str(part) if str(part).isprintable() else repr(part) for part in first["loc"]]
    where = ".".join(parts) or "the suite"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        nearest = unknown("key", str(first["loc"][-1]), _keys(first["loc"][:-1]))
        return UserError(f"{path}: {where}: unknown key{more}", nearest.hint)
    if first["type"] == "missing":
        return UserError(f"{path}: {where}: is missing{more}", f"add the key {parts[-1]!r}")
    if parts[-1:] == ["[key]"]:
        named = ".".join(parts[:-1])
        return UserError(f"{path}: {named}: is not a name{more}", "at most 40 letters, digits, '.', '_' or '-'")
    given = repr(first["input"])
    given = given if len(given) <= 60 else given[:57] + "..."
    right = "it should be a table" if first["type"] in ("model_type", "dataclass_type") else first["msg"]
    return UserError(f"{path}: {where} = {given}{more}", re.sub(r"^\w+ should", "it should", right))


def _keys(location: tuple[int | str, ...]) -> list[str]:
    """Those of the table that is there."""
    models: dict[str, type[BaseModel]] = {
        "tasks": TableSpec,
        "environments": EnvironmentTable,
        "speed": SpeedPart,
        "learning": LearningPart,
    }
    declared = {"models": Model, "recipes": Recipe, "early-stopping": EarlyStopping}
    where = str(location[2 if len(location) > 2 and location[0] == "recipes" else 0]) if location else ""
    if where in declared:
        return [_kebab(field.name) for field in fields(declared[where])]
    return [_kebab(name) for name in models.get(where, Suite).model_fields]


def check_known(where: str, what: str, given: Iterable[str], known: Iterable[str], listing: str = "") -> None:
    """Raises UserError where one of the names that are `given` is not among those that are `known`."""
    for name in given:
        if name not in known:
            error = unknown(what, name, known, listing)
            raise UserError(f"{where}: {error.message}", error.hint)


def _check_names(suite: Suite, path: Path) -> None:
    from levelfield.tasks import registry

    if not suite.speed and not suite.learning:
        raise UserError(f"{path}: nothing to do", "add a [[speed]] or a [[learning]] table")
    if taken := set(suite.tasks) & set(registry.names()):
        name = min(taken)
        raise UserError(
            f"{path}: tasks.{name}: is the name of a task that comes with levelfield", "choose another name"
        )
    tables: list[tuple[str, Any]] = [("speed", p) for p in suite.speed] + [("learning", p) for p in suite.learning]
    for kind, part in tables:
        check_known(f"{path}: {kind}.task", "task", part.task, [*registry.names(), *suite.tasks])
        check_known(f"{path}: {kind}.model", "model", part.model, suite.models)
        check_known(f"{path}: {kind}.recipe", "recipe", part.recipe, suite.recipes)
        if kind == "learning" and part.replays:
            _check_replayed(suite, part, path)
        known = ["default", *suite.environments]
        check_known(f"{path}: {kind}.environments", "environment", part.environments, known)


def _check_replayed(suite: Suite, part: LearningPart, path: Path) -> None:
    """What is replayed is one training, which ends as it ended."""
    if part.track != ("matched",) or part.replicas != (1,):
        raise UserError(
            f"{path}: learning.replays: is on the matched track and on one device",
            "leave out track and replicas, or replays",
        )
    if stopped := [name for name in part.recipe if suite.recipes[name].early_stopping]:
        raise UserError(
            f"{path}: learning.replays: the recipe {stopped[0]!r} has early-stopping",
            f"leave early-stopping out: training ends as in {part.replays}",
        )
