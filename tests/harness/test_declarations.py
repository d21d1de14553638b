"""What is declared once means the same everywhere: in a suite, a cell, an adapter's setting, the command line."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from levelfield.adapters import choices
from levelfield.adapters.registry import find
from levelfield.harness.cli.arguments import parse
from levelfield.harness.plan import suite
from levelfield.harness.plan.launches import Surroundings, plan, setting
from levelfield.harness.records.cell import Cell
from levelfield.tasks import registry
from levelfield.tasks.early_stopping import EarlyStopping
from levelfield.tasks.errors import UserError
from levelfield.tasks.mlp import MLP, Activation, Model
from levelfield.tasks.recipe import Optimizer, Recipe

KEBAB = str.maketrans("_", "-")
IRIS = registry.load("iris")
ADAPTERS = find().adapters
SHARES = st.floats(0, 1, exclude_max=True)
POSITIVE = st.floats(0, exclude_min=True, allow_infinity=False)
NOT_NEGATIVE = st.floats(0, allow_infinity=False)
MODELS = st.builds(
    Model,
    hidden=st.lists(st.integers(1, 40), max_size=3).map(tuple),
    activation=st.sampled_from(get_args(Activation)),
    dropout=SHARES,
    l2=NOT_NEGATIVE,
)
RECIPES = st.builds(
    Recipe,
    optimizer=st.sampled_from(get_args(Optimizer)),
    learning_rate=POSITIVE,
    momentum=SHARES,
    beta1=SHARES,
    beta2=SHARES,
    epsilon=POSITIVE,
    weight_decay=NOT_NEGATIVE,
    batch_size=st.integers(1, 2**31 - 1),
    epochs=st.integers(1, 1_000_000),
    early_stopping=st.none()
    | st.builds(EarlyStopping, patience=st.integers(0, 99), min_delta=NOT_NEGATIVE, restore_best=st.booleans()),
)


def toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k.translate(KEBAB)} = {toml(v)}" for k, v in value.items() if v is not None) + "}"
    return json.dumps(list(value) if isinstance(value, tuple) else value)


def suite_of(model: dict[str, object], recipe: dict[str, object]) -> suite.Suite:
    text = f"""
name = "mine"
models.m = {toml(model)}
recipes.r = {toml(recipe)}
[[speed]]
task = "iris"
model = "m"
recipe = "r"
adapters = "numpy-manual"
"""
    return suite.parse(text, Path("mine.toml"))


def cell_of(read: suite.Suite) -> Cell:
    return plan(read, Surroundings(ADAPTERS, {"iris": IRIS}, cores=2))[0].cell


@settings(max_examples=60, deadline=None)
@given(MODELS, RECIPES)
def test_a_suite_a_cell_and_an_adapter_have_the_model_and_recipe_that_were_declared(model, recipe):
    read = suite_of(dataclasses.asdict(model), dataclasses.asdict(recipe))
    assert read.models == {"m": model}
    assert read.recipes == {"r": recipe}
    cell = Cell.model_validate_json(cell_of(read).model_dump_json())
    given_to_it = setting(cell, IRIS, seed=0)
    assert {f.name: getattr(given_to_it.recipe, f.name) for f in dataclasses.fields(Recipe)} == vars(recipe)
    assert given_to_it.model == MLP(
        (4, *model.hidden, 3), activation=model.activation, dropout=model.dropout, l2=model.l2
    )


def test_a_table_without_keys_has_the_defaults_of_the_declaration():
    cell = cell_of(suite_of({}, {}))
    assert cell.model.on(4, 3) == MLP((4, 3))
    assert vars(cell.recipe) == vars(Recipe()) | {"name": "r"}
    assert suite_of({}, {"early_stopping": {}}).recipes["r"].early_stopping == EarlyStopping()


@pytest.mark.parametrize(("name", "value"), [("batch_size", 0), ("learning_rate", 0.0), ("beta1", 1.0), ("epochs", 0)])
def test_the_bounds_of_a_suite_are_those_of_a_record(name, value):
    cell = cell_of(suite_of({}, {}))
    with pytest.raises(UserError, match=name.translate(KEBAB)):
        suite_of({}, {name: value})
    with pytest.raises(ValidationError, match=name):
        Cell.model_validate(json.loads(cell.model_dump_json()) | {"recipe": vars(cell.recipe) | {name: value}})


@pytest.mark.parametrize(
    ("option", "choice"),
    [
        (["certify", "--matmul-precision"], choices.TimedPrecision),
        (["certify", "--replication"], choices.Replication),
        (["run", "--track"], choices.Track),
    ],
)
def test_the_command_line_takes_what_a_cell_holds_and_nothing_else(option, choice):
    for value in get_args(choice):
        parse([*option, value])
    with pytest.raises(UserError, match="float65"):
        parse([*option, "float65"])
