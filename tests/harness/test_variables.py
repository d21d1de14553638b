"""What of the caller's environment a worker gets, what is told of the rest, and what can be passed on."""

from __future__ import annotations

import shlex
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levelfield.adapters import runtime
from levelfield.adapters.registry import find
from levelfield.harness.cli import arguments, run_options
from levelfield.harness.plan import suite
from levelfield.harness.plan.environments import DEFAULT, own
from levelfield.harness.plan.environments import find as find_environments
from levelfield.harness.plan.launches import Surroundings, plan
from levelfield.harness.records.cell import Cell, NamedModel, NamedRecipe
from levelfield.harness.records.record import Record, Run
from levelfield.harness.records.store import Contents
from levelfield.harness.results.compare_runs import compare
from levelfield.harness.run.options import RunOptions
from levelfield.harness.run.prepare import Prepared
from levelfield.harness.run.resume import changes
from levelfield.harness.system import folders, variables
from levelfield.harness.system.machine import Machine
from levelfield.tasks import registry
from levelfield.tasks.errors import UserError

MATTER = ("KERAS_MAX_STEPS_PER_EPOCH", "JAX_DISABLE_JIT", "TORCH_COMPILE_DISABLE", "TORCHDYNAMO_DISABLE", "LD_PRELOAD")
MACHINE = Machine(host=None, system="Linux", cpu="one", cores=2, memory_bytes=2**33, python="3.11", commit=None)
CELL = Cell(
    kind="speed",
    task="iris",
    model=NamedModel(name="small", hidden=(8,)),
    recipe=NamedRecipe(name="momentum", optimizer="momentum", learning_rate=0.05, epochs=10),
    adapter="numpy-manual",
    framework="numpy",
    backend=None,
    api="low",
    mode="eager",
)
names = st.from_regex(r"[A-Z][A-Z0-9_]{0,12}", fullmatch=True).filter(lambda name: variables.problem(name, "") is None)
values = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)


@pytest.mark.parametrize("name", MATTER)
def test_what_changes_a_number_is_dropped_and_named_without_its_value(name):
    here = {name: "17171", "PATH": "/bin"}
    assert variables.build(here, {}) == {"PATH": "/bin"}
    (told,) = variables.warnings(here)
    assert name in told
    assert "17171" not in told


def test_one_sentence_names_all_and_counts_the_many_of_one_launcher():
    here = {f"SLURM_{i:02}": "1" for i in range(40)} | {"KERAS_MAX_EPOCHS": "1"}
    (told,) = variables.warnings(here)
    assert "KERAS_MAX_EPOCHS (Keras: training ends early)" in told
    assert "28 more of these" in told


def test_what_scikit_learn_sets_at_its_import_is_not_taken_for_the_users():
    assert variables.warnings(dict(variables.SET_BY_SKLEARN)) == []
    assert len(variables.warnings({"KMP_INIT_AT_FORK": "TRUE"})) == 1


def test_an_unknown_variable_is_dropped_and_not_worth_a_word():
    assert variables.build({"MY_TOKEN": "secret"}, {}) == {}
    assert variables.warnings({"MY_TOKEN": "secret", "TF_VAR_region": "eu", "OMP_NUM_THREADS": "1"}) == []


def test_what_levelfield_sets_outweighs_what_is_passed_on_and_both_what_is_there():
    here = {"TMPDIR": "/tmp", "LANG": "C", "OMP_PROC_BIND": "close", "LD_LIBRARY_PATH": "/lib"}
    found = variables.build(here, {"TMPDIR": "/own", "PYTHONPATH": "/ours"}, (("LANG", "de"), ("PYTHONPATH", "/more")))
    assert found == {"TMPDIR": "/own", "LANG": "de", "LD_LIBRARY_PATH": "/lib", "PYTHONPATH": "/ours:/more"}


def test_one_of_ours_that_is_passed_on_all_the_same_is_no_silent_loss():
    with pytest.raises(UserError, match="KERAS_HOME is set by levelfield"):
        variables.build({}, {"KERAS_HOME": "/own"}, (("KERAS_HOME", "/mine"),))
    assert variables.build({}, {"TF_XLA_FLAGS": "--a"}, (("TF_XLA_FLAGS", "--b"),)) == {"TF_XLA_FLAGS": "--a --b"}


def test_what_a_machine_may_need_is_kept_and_known():
    here = {"LD_LIBRARY_PATH": "/lib", "OPENBLAS_CORETYPE": "Haswell", "CXX": "c++"}
    assert variables.build(here, {}) == here
    assert variables.kept(here, (("CXX", "clang++"),)) == {"LD_LIBRARY_PATH": "/lib", "OPENBLAS_CORETYPE": "Haswell"}
    assert variables.warnings(here) == []


def test_the_folder_of_a_plug_in_on_the_path_is_no_loss_and_another_one_is(tmp_path):
    here = {"PYTHONPATH": f"{tmp_path}/a:{tmp_path}/b"}
    a, b = tmp_path / "a", tmp_path / "b"
    assert variables.warnings(here, (), [a, b]) == []
    assert "PYTHONPATH" in variables.warnings(here, (), [a])[0]
    assert variables.on_path(here, [a, tmp_path]) == [a]


@pytest.mark.parametrize("framework", ["torch", "jax", "keras", "numpy"])
@pytest.mark.parametrize("device", ["cpu", "gpu:0", "tpu:0"])
def test_the_table_knows_everything_that_levelfield_sets(framework, device):
    for name in runtime.environment(framework, "torch" if framework == "keras" else None, device, 1):
        known = variables.reader(name)
        assert known is not None, name
        assert known.ours, name
        assert "is set by levelfield" in variables.problem(name, "")[0]


def test_the_table_knows_the_folders_of_a_launch(tmp_path):
    for name in folders.folders(tmp_path).keys() - variables.JOINED.keys():
        known = variables.reader(name)
        assert known is not None, name
        assert known.ours, name


@pytest.mark.parametrize(
    "word", ["", "=1", "A-B=1", "1A=1", "A B=1", "OMP_NUM_THREADS=2", "KERAS_HOME=/x", "NOT_SET_HERE"]
)
def test_what_cannot_be_passed_on_is_refused_with_a_hint(word):
    with pytest.raises(UserError) as refused:
        variables.parse(word, {})
    assert refused.value.hint


def test_a_value_that_no_record_can_hold_is_refused():
    with pytest.raises(UserError, match="UTF-8"):
        variables.parse("A", {"A": "\udcff"})
    with pytest.raises(UserError, match="too long"):
        variables.parse(f"A={'x' * 40_000}", {})


@given(st.lists(st.tuples(names, values), max_size=4))
def test_the_command_that_repeats_a_run_passes_the_same_on(given):
    words = [word for name, value in given for word in ("--env", f"{name}={value}")]
    options = arguments.parse(["run", "smoke", *words])
    assert options.env == given
    again = arguments.parse(shlex.split(run_options.command(run_options.asked(options)))[1:])
    assert vars(again) == vars(options)


def test_a_name_alone_is_repeated_with_the_value_that_it_had(monkeypatch):
    monkeypatch.setenv("OMP_PROC_BIND", "close")
    command = run_options.command(run_options.asked(arguments.parse(["run", "smoke", "--env", "OMP_PROC_BIND"])))
    assert command == "levelfield run smoke --env OMP_PROC_BIND=close"


ENVIRONMENTS = """
name = "mine"
baseline = "numpy-manual"
[environments]
short = "some/python"
[environments.bound]
env = { OMP_PROC_BIND = "close" }
[models.small]
[recipes.momentum]
[[speed]]
task = "iris"
model = "small"
recipe = "momentum"
adapters = ["numpy-manual"]
environments = ["default", "bound"]
blocks = 1
threads = 1
"""


def test_an_environment_is_a_path_or_a_table_and_its_variables_make_another_cell(tmp_path):
    chosen = suite.parse(ENVIRONMENTS, tmp_path / "mine.toml")
    assert chosen.environments["short"].python == tmp_path / "some/python"
    found = find_environments({"bound": chosen.environments["bound"]}, [])
    assert found["bound"].python == sys.executable
    there = Surroundings(find().adapters, {"iris": registry.load("iris")}, 2, found)
    cells = {launch.cell.environment: launch.cell for launch in plan(chosen, there)}
    assert cells["default"].variables == ()
    assert cells["bound"].variables == (("OMP_PROC_BIND", "close"),)
    assert cells["bound"].surroundings == "bound, OMP_PROC_BIND=close"


def test_the_command_line_outweighs_the_suite_in_all_its_environments(tmp_path):
    chosen = suite.passing(suite.parse(ENVIRONMENTS, tmp_path / "mine.toml"), {"OMP_PROC_BIND": "spread"})
    assert {name: one.env for name, one in chosen.environments.items()} == {
        name: {"OMP_PROC_BIND": "spread"} for name in ("default", "short", "bound")
    }


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ('{ "A-B" = "1" }', "is no name of a variable"),
        ('{ OMP_NUM_THREADS = "4" }', "is set by levelfield, by --threads"),
        ("{ A = 1 }", "valid string"),
    ],
)
def test_a_suite_is_refused_for_what_cannot_be_passed_on(env, says, tmp_path):
    text = ENVIRONMENTS.replace('{ OMP_PROC_BIND = "close" }', env)
    with pytest.raises(UserError, match=r"environments\.bound\.env") as refused:
        suite.parse(text, tmp_path / "mine.toml")
    assert says in str(refused.value.hint)
    with pytest.raises(UserError, match="unknown key"):
        suite.parse(ENVIRONMENTS.replace("env =", "evn ="), tmp_path / "mine.toml")


def test_a_cell_without_variables_is_called_as_ever_and_one_with_them_otherwise():
    assert CELL.id == "speed/iris/small/numpy-manual/eager/04063428"
    other = Cell(**CELL.model_dump() | {"variables": (("A", "1"),)})
    assert other.id != CELL.id
    assert other.bare == CELL
    assert Cell.model_validate_json(other.model_dump_json()) == other


def record(block: int, seconds: float, given: variables.Passed = (), kept: dict[str, str] | None = None) -> Record:
    return Record(
        cell=Cell(**CELL.model_dump() | {"variables": given}),
        seed=block,
        block=block,
        status="ok",
        started="2026-01-01T00:00:00",
        epoch_seconds=[seconds] * 3,
        steps_per_epoch=10,
        kept=kept or {},
        machine=MACHINE,
    )


HEAD = Run(
    name="r",
    suite="s",
    summary="",
    started="2026-01-01T00:00:00",
    command="levelfield run s",
    baseline="numpy-manual",
    plan_seed=0,
    machine=MACHINE,
    suite_text="",
)


def test_the_comparison_of_two_runs_names_the_variable_that_differs():
    base = [record(i, 1.0 + 0.01 * i) for i in range(6)]
    new = [record(i, 2.0 + 0.01 * i, (("TF_XLA_FLAGS", "x"),), {"LD_LIBRARY_PATH": "/lib"}) for i in range(6)]
    found = compare((HEAD, base), (HEAD, new), 0.03, force=False)
    assert [change.verdict.word for change in found.changes] == ["slower"]
    assert found.only_base == found.only_new == []
    assert found.differences == ["variable LD_LIBRARY_PATH: not set / /lib", "variable TF_XLA_FLAGS: not set / x"]


def test_a_cell_that_both_runs_have_is_compared_with_itself():
    both = [record(i, 1.0 + 0.01 * i, given) for i in range(6) for given in ((), (("A", "1"),))]
    found = compare((HEAD, both), (HEAD, both), 0.03, force=False)
    assert len(found.changes) == 2
    assert found.differences == found.only_base == found.only_new == []


def test_a_run_is_not_resumed_under_other_variables_without_a_word(tmp_path):
    chosen = suite.parse(ENVIRONMENTS.replace('["default", "bound"]', '["default"]'), tmp_path / "mine.toml")
    tasks = {"iris": registry.load("iris")}
    there = Surroundings(find().adapters, tasks, 2, {DEFAULT: own((("A", "2"),))})
    launches = plan(chosen, there)

    def told(*records: Record, kept: dict[str, str] | None) -> list[str]:
        prepared = Prepared(RunOptions(), chosen, "", there, launches)
        vars(prepared)["machine"] = MACHINE
        return changes(Contents(HEAD, list(records), [], []), prepared, kept)

    assert told(record(0, 1.0, (("A", "2"),)), kept={}) == []
    assert told(record(0, 1.0, (("A", "1"),)), kept={}) == ["the variable A is 2, it was 1"]
    changed = told(record(0, 1.0, (("A", "2"),), {"CXX": "c++"}), kept={})
    assert changed == ["the variable CXX is not set, it was c++"]
    assert told(record(0, 1.0, (("A", "2"),), {"CXX": "c++"}), kept=None) == []


def test_readers_and_lists_do_not_contradict_each_other():
    for one in variables.TABLE:
        assert one.pattern.rstrip("*").replace("_", "").isalnum(), one
        if one.ours and not one.pattern.endswith("*"):
            assert variables.reader(one.pattern) is one, f"{one.pattern} is hidden by a wider pattern"
    assert not set(variables.KEPT) & set(variables.LET_THROUGH)
