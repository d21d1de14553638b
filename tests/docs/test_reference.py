"""docs/reference.md is what the code says, and its examples work."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import reference
import suite_keys

from levelfield.harness.plan import suite

BASE = 'name = "mine"\n'
MODEL = "[models.m]\n"
RECIPE = "[recipes.r]\n"
NAMES = 'task = "iris"\nmodel = "m"\nrecipe = "r"\n'
ENVIRONMENT = '[environments.older]\npython = "p"\n'
TABLES = {  # table → its keys, and the suite before and after one of them
    "suite": (suite_keys.SUITE, "", MODEL + RECIPE + "[[learning]]\n" + NAMES),
    "environment": (suite_keys.ENVIRONMENT, "[environments.older]\n", MODEL + RECIPE + "[[learning]]\n" + NAMES),
    "model": (suite_keys.MODEL, MODEL, RECIPE + "[[learning]]\n" + NAMES),
    "recipe": (suite_keys.RECIPE, MODEL + RECIPE, "[[learning]]\n" + NAMES),
    "early-stopping": (
        suite_keys.EARLY_STOPPING,
        MODEL + RECIPE + "[recipes.r.early-stopping]\n",
        "[[learning]]\n" + NAMES,
    ),
    "part": (suite_keys.PART, ENVIRONMENT + MODEL + RECIPE + "[[learning]]\n", NAMES),
    "speed": (suite_keys.SPEED, MODEL + RECIPE + "[[speed]]\n", NAMES),
    "learning": (suite_keys.LEARNING, MODEL + RECIPE + "[[learning]]\n", NAMES),
}
EXAMPLES = [(table, name) for table, (keys, _, _) in TABLES.items() for name in keys]


def test_the_page_is_what_the_code_says() -> None:
    current = reference.PAGE.read_text(encoding="utf-8") == reference.text()
    assert current, "run: python tests/docs/reference.py"


@pytest.mark.parametrize(("table", "name"), EXAMPLES, ids=["-".join(example) for example in EXAMPLES])
def test_the_example_of_a_key_is_read(table: str, name: str) -> None:
    keys, before, after = TABLES[table]
    example = keys[name].example
    if table == "suite" and name in (
        "models",
        "recipes",
        "tasks",
        "environments",
        "speed",
        "learning",
    ):  # tables: behind the names
        text = BASE + after + example
    else:
        rest = re.sub(rf"^{name} = .*\n", "", after, flags=re.MULTILINE) if table == "part" else after
        named = "" if name == "name" else BASE
        text = named + before + example + "\n" + rest
    assert tomllib.loads(example)
    suite.parse(text, Path("mine.toml"))  # refuses a key that its table does not have


def test_every_variable_that_the_product_reads_is_there() -> None:
    text = reference.PAGE.read_text(encoding="utf-8")
    root = reference.PAGE.parents[1]
    read = {
        name
        for room in ("tasks", "adapters", "harness", "reports")
        for path in (root / room).rglob("*.py")
        for name in re.findall(r"\bLEVELFIELD_[A-Z]+\b", path.read_text(encoding="utf-8"))
    }
    assert read
    assert {name for name in read if f"| `{name}` |" not in text} == set()
