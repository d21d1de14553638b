"""A suite is read as it was meant, or refused with one message that names file, key and what would be right."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from levelfield.adapters.registry import find
from levelfield.harness.plan import suite
from levelfield.harness.plan.launches import Surroundings, plan
from levelfield.harness.system.paths import ROOT
from levelfield.tasks import registry
from levelfield.tasks import table as table_files
from levelfield.tasks.early_stopping import EarlyStopping
from levelfield.tasks.errors import UserError
from levelfield.tasks.mlp import Model
from levelfield.tasks.recipe import Recipe

SMALL = """
name = "mine"
baseline = "numpy-manual"

[models.small]
hidden = [8]

[recipes.plain]
optimizer = "sgd"

[[learning]]
task = "iris"
model = "small"
recipe = "plain"
"""


REPLAYED = 'replays = "scikit-learn"'


def refused(text: str) -> UserError:
    with pytest.raises(UserError) as caught:
        suite.parse(text, Path("mine.toml"))
    assert caught.value.message.startswith("mine.toml: ")
    assert caught.value.hint
    return caught.value


# The suites that come with levelfield


@pytest.mark.parametrize("name", suite.names())
def test_a_shipped_suite_can_be_read_and_planned(name):
    chosen, text = suite.read(name)
    assert chosen.name == name
    assert chosen.summary
    assert tomllib.loads(text)["name"] == name
    named = {task for part in (*chosen.speed, *chosen.learning) for task in part.task}
    assert named <= set(registry.names())
    iris = registry.load("iris")  # the plan needs the shapes of data; those of iris will do for all
    launches = plan(chosen, Surroundings(find().adapters, dict.fromkeys(named, iris), cores=2))
    few = {
        "scaling": {"numpy-manual", "torch-nn", "jax-grad", "tensorflow-tape"},
        "replicas": {"torch-nn", "torch-lightning", "jax-grad"},
        "published-seeds": {"keras-tensorflow", "keras-jax", "torch-nn", "jax-grad"},
    }
    assert {launch.cell.adapter for launch in launches} == few.get(name, set(find().adapters))


def test_the_suites_that_the_pages_name_are_there():
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    named = set(re.findall(r"(?:^|`)levelfield run ([a-z][a-z-]*)[\s`]", text, re.MULTILINE))
    assert {"default", "scaling"} <= named
    assert named <= set(suite.names())


def test_every_batch_size_of_the_scaling_suite_divides_its_training_split():
    chosen, _ = suite.read("scaling")
    samples = len(registry.load("clouds").train.x)
    assert [name for name, recipe in chosen.recipes.items() if samples % recipe.batch_size] == []


# What a suite means


def test_keys_have_hyphens_and_defaults():
    parsed = suite.parse(SMALL.replace("[models", "time-limit = 7\n[models", 1), Path("mine.toml"))
    assert parsed.time_limit == 7
    assert parsed.model("small").hidden == (8,)
    assert parsed.recipe("plain").optimizer == "sgd"
    assert parsed.learning[0].task == ("iris",)
    assert parsed.learning[0].adapters == ("*",)


def test_the_file_of_ones_own_task_lies_relative_to_the_suite(tmp_path):
    (tmp_path / "mine.toml").write_text(
        SMALL.replace('"iris"', '"flowers"') + '\n[tasks.flowers]\nfile = "data/flowers.csv"\nlabel = "species"\n'
    )
    parsed, _ = suite.read(str(tmp_path / "mine.toml"))
    spec = parsed.tasks["flowers"]
    assert spec.file == tmp_path / "data" / "flowers.csv"
    assert spec.label == "species"


@pytest.mark.parametrize(
    ("text", "value"), [("90s", 90), ("10m", 600), ("1.5h", 5400), ("7", 7), (" 7 ", 7), ("1e2s", 100)]
)
def test_durations_are_written_as_people_write_them(text, value):
    assert suite.seconds(text) == value


@pytest.mark.parametrize("text", ["", "s", "0", "-1s", "nan", "inf", "1e308h", "ten", "10 days", "1y"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        suite.seconds(text)


# What is refused


@pytest.mark.parametrize(
    ("old", "new", "where", "hint"),
    [
        ("hidden = [8]", "hiden = [8]", "models.small.hiden: unknown key", "did you mean 'hidden'"),
        ('optimizer = "sgd"', 'optimiser = "sgd"', "recipes.plain.optimiser: unknown key", "'optimizer'"),
        ("[[learning]]", "[[lerning]]", "lerning: unknown key", "'learning'"),
        ('name = "mine"', "", "name: is missing", "add the key 'name'"),
        ('task = "iris"', "", "learning.0.task: is missing", "add the key 'task'"),
        ('task = "iris"', 'task = "irys"', "learning.task: unknown task 'irys'", "'iris'"),
        ('model = "small"', 'model = "smal"', "learning.model: unknown model 'smal'", "'small'"),
        ('recipe = "plain"', 'recipe = "plane"', "learning.recipe: unknown recipe 'plane'", "'plain'"),
        ('"sgd"', '"rmsprop"', "recipes.plain.optimizer = 'rmsprop'", "'sgd'"),
        ("[8]", '"8"', "models.small.hidden = '8'", "it should be a valid tuple"),
        ("[8]", "[8.5]", "models.small.hidden.0 = 8.5", "it should be a valid integer"),
        ("[8]", '["8"]', "models.small.hidden.0 = '8'", "it should be a valid integer"),
        ("[8]", "[true]", "models.small.hidden.0 = True", "it should be a valid integer"),
        ("[8]", "[0]", "models.small.hidden.0 = 0", "it should be greater than or equal to 1"),
        ("[8]", "[-3]", "models.small.hidden.0 = -3", "it should be greater than or equal to 1"),
        ("[8]", "[8]\ndropout = 1.0", "models.small.dropout = 1.0", "it should be less than 1"),
        ("[8]", "[8]\nl2 = nan", "models.small.l2 = nan", "it should be"),
        ("[8]", "[8]\nl2 = inf", "models.small.l2 = inf", "it should be a finite number"),
        ('"sgd"', '"sgd"\nlearning-rate = "0.1"', "recipes.plain.learning-rate = '0.1'", "it should be a valid number"),
        ('"sgd"', '"sgd"\nlearning-rate = 0', "recipes.plain.learning-rate = 0", "it should be greater than 0"),
        ('"sgd"', '"sgd"\nname = "x"', "recipes.plain.name: unknown key", "known: batch-size"),
        ("[recipes.plain]", "[recipes.speed]\nbatch = 8\n[recipes.plain]", "recipes.speed.batch: ", "'batch-size'"),
        ('"sgd"', '"sgd"\nearly-stopping = 3', "recipes.plain.early-stopping = 3", "it should be a table"),
        ('"sgd"', '"sgd"\nearly-stopping = {patient = 3}', "early-stopping.patient: unknown key", "'patience'"),
        ('"sgd"', '"sgd"\nearly-stopping = {patience = -1}', "early-stopping.patience = -1", "equal to 0"),
        ('"iris"', '"iris"\nsamples = [1.5]', "learning.0.samples.0 = 1.5", "less than or equal to 1"),
        ('"iris"', '"iris"\nlabel-noise = [1]', "learning.0.label-noise.0 = 1", "it should be less than 1"),
        ('"iris"', '"iris"\ninput-noise = [-0.5]', "learning.0.input-noise.0 = -0.5", "greater than or equal to 0"),
        ('"sgd"', '"sgd"\nepochs = true', "recipes.plain.epochs = True", "it should be a valid integer"),
        ('"mine"', '"mine"\nseed = -1', "seed = -1", "greater than or equal to 0"),
        ('"mine"', '"mine"\nseed = 99999999999', "seed = 99999999999", "less than or equal to"),
        ('"mine"', '"../mine"', "name = '../mine'", "it should match"),
        ('"mine"', "1979-05-27", "name = datetime.date", "it should be a valid string"),
        ('"mine"', '"mine"\ntime-limit = inf', "time-limit = inf", "it should be"),
        ('"mine"', '"mine"\nbudget = "soon"', "budget = 'soon'", "write a duration as 90s"),
        ("[models.small]", '[models."../../small"]', "models.../../small: is not a name", "letters, digits"),
        ("[models.small]", '[models."a\\nb"]', r"models.'a\nb': is not a name", "letters, digits"),
        ("[models.small]", f"[models.{'a' * 41}]", f"models.{'a' * 41}: is not a name", "at most 40"),
        ("[[learning]]", "[learning]", "learning", "it should be a valid tuple"),
        ("[[learning]]", "[tasks.iris]\nfile='x.csv'\nlabel='y'\n[[learning]]", "tasks.iris: is the name", "another"),
        ('recipe = "plain"', 'recipe = []', "learning.0.recipe = []", "at least 1 item"),
        ('"iris"', '"iris"\nreplays = "weka"', "learning.0.replays = 'weka'", "it should be 'scikit-learn'"),
        ('"iris"', f'"iris"\n{REPLAYED}\ntrack = "idiomatic"', "learning.replays: is on the matched", "track and"),
        ('"iris"', f'"iris"\n{REPLAYED}\nreplicas = [2]', "learning.replays: is on the matched", "replicas"),
        ("\n\n[[learning]]", f"\nearly-stopping={{}}\n\n[[learning]]\n{REPLAYED}", "'plain' has early", "ends as in"),
        ("[[learning]]", f"[[speed]]\n{REPLAYED}", "speed.0.replays: unknown key", "did you mean"),
        ("[[learning]]", '[[speed]]\nprecision = "float64"', "speed.0.precision.0 = 'float64'", "'float32'"),
    ],
)  # fmt: skip
def test_a_mistake_is_answered_with_its_key_and_what_would_be_right(old, new, where, hint):
    assert old in SMALL
    error = refused(SMALL.replace(old, new, 1))
    assert where in error.message
    assert hint in error.hint


def test_several_mistakes_are_counted():
    assert "(and 2 more)" in refused(SMALL.replace("hidden = [8]", "a = 1\nb = 2\nc = 3")).message


def test_a_suite_without_launches_is_refused():
    assert "nothing to do" in refused('name = "idle"').message


@pytest.mark.parametrize(
    "text",
    [
        "name = ",
        "[[[",
        'name = "a"\nname = "b"',
        "\x00",
        "= 1",
        "a.b = 1\na = 2",
        "a = " + "9" * 5000,
        "a = " + "[" * 20_000,
    ],
)
def test_what_is_not_toml_is_refused(text):
    assert "not valid TOML" in refused(text).message


# Files


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent.toml", "No such file"),
        ("folder.toml", "Is a directory"),
        ("folder", "unknown suite 'folder'"),
        ("latin.toml", "is not UTF-8 text"),
        ("large.toml", "larger than"),
        ("smok", "unknown suite 'smok'"),
        ("x" * 5000, "unknown suite"),
        ("x" * 5000 + ".toml", "File name too long"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path, monkeypatch, name, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "folder").mkdir()
    (tmp_path / "latin.toml").write_bytes('name = "Zürich"'.encode("latin-1"))
    with (tmp_path / "large.toml").open("wb") as file:
        os.truncate(file.fileno(), 10**10)
    with pytest.raises(UserError) as caught:
        suite.read(name)
    assert message in caught.value.message
    assert caught.value.hint
    if name == "smok":
        assert "did you mean 'smoke'" in caught.value.hint


# The command line


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("hidden", "hiden"), ["mine.toml: models.small.hiden: unknown key", "did you mean 'hidden'"]),
        (("numpy-manual", "numpy-manuel"), ["mine.toml: baseline: unknown adapter", "did you mean 'numpy-manual'"]),
        (("task =", "adapters = 'torch-n'\ntask ="), ["learning.adapters: unknown adapter 'torch-n'", "'torch-nn'"]),
        (("task =", "modes = ['eeger']\ntask ="), ["mine.toml: learning.modes: unknown mode 'eeger'", "'eager'"]),
        (("[[learning]]", "[[speed]]\ndear = {compile = 2}"), ["mine.toml: speed.0.dear: unknown key"]),
        (("[8]", "[1_000_000_000]"), ["models.small", "8,000,000,003 parameters", "need 30 GiB", "at most"]),
        (("[8]", "[8"), ["mine.toml: not valid TOML"]),
    ],
)
def test_the_command_line_answers_a_bad_suite_with_two_lines_and_exit_code_2(levelfield, change, says):
    assert change[0] in SMALL
    (levelfield.folder / "mine.toml").write_text(SMALL.replace(*change, 1))
    done = levelfield.inside("run", "mine.toml", "--dry-run")
    assert done.returncode == 2
    assert done.stdout == ""
    error, hint = done.stderr.splitlines()
    assert error.startswith("error: ")
    assert hint.startswith("  hint: ")
    for words in says:
        assert words in done.stderr


# Whatever it holds

plainly = settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])

tables = (suite.Suite, suite.TableSpec, suite.SpeedPart, suite.LearningPart)
fields = {key for table in tables for key in table.model_fields}
fields |= {key.name for table in (Model, Recipe, EarlyStopping) for key in dataclasses.fields(table)}
keys = sorted(key.replace("_", "-") for key in fields)
names = st.sampled_from(keys) | st.text(max_size=5)
scalars = (
    st.text(max_size=12)
    | st.integers()
    | st.integers(-(10**400), 10**400)
    | st.floats()
    | st.booleans()
    | st.sampled_from(["iris", "small", "plain", "sgd", "all", "default", "*", "mine.csv", "3d", "\x00", "/", ".."])
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4), max_leaves=12
)


def toml(value: object) -> str:
    """`value` as TOML, everything inline."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return '"' + "".join(f"\\U{ord(c):08x}" for c in value) + '"'
        case float():
            return repr(value)
        case list():
            return "[" + ", ".join(map(toml, value)) + "]"
        case dict():
            return "{" + ", ".join(f"{toml(k)} = {toml(v)}" for k, v in value.items()) + "}"
    return str(value)


def answered(text: str) -> suite.Suite | None:
    """The suite, or None when it was refused as it should be. Anything else is raised."""
    try:
        return suite.parse(text, Path("mine.toml"))
    except UserError as error:
        refusal = error
    assert refusal.message.startswith("mine.toml: ")
    assert refusal.hint
    assert len(refusal.message.splitlines()) == 1
    return None


@plainly
@given(st.text())
@example("\ufeff")
def test_any_text_is_a_suite_or_is_refused(text):
    answered(text)


@plainly
@given(st.dictionaries(names, values, max_size=5))
def test_any_toml_is_a_suite_or_is_refused(data):
    text = "\n".join(f"{toml(key)} = {toml(value)}" for key, value in data.items())
    tomllib.loads(text)
    answered(text)


@plainly
@given(st.sampled_from(["", "models", "recipes", "tasks", "learning", "speed"]), names, values)
def test_one_wrong_value_in_a_good_suite_is_planned_or_refused(table, key, value):
    data = tomllib.loads(SMALL)
    data["tasks"] = {"flowers": {"file": "flowers.csv", "label": "species"}}
    data["speed"] = [dict(data["learning"][0], blocks=2)]
    inside = {"": data, "learning": data["learning"][0], "speed": data["speed"][0]}
    inside |= {name: next(iter(data[name].values())) for name in ("models", "recipes", "tasks")}
    inside[table][key] = value
    text = "\n".join(f"{toml(key)} = {toml(value)}" for key, value in data.items())
    parsed = answered(text)
    if parsed is None or parsed.environments:
        return
    iris = registry.load("iris")
    with contextlib.suppress(UserError):
        plan(parsed, Surroundings(find().adapters, {"iris": iris, "flowers": iris}, cores=2))
    for own in parsed.tasks.values():
        with contextlib.suppress(UserError):
            table_files.load("flowers", own)
