"""Variables that are set when ``levelfield`` is called: alone they reach no launch, by ``--env`` they do."""

from __future__ import annotations

import json
import shlex
from types import SimpleNamespace

import pytest

from levelfield.adapters.registry import find
from levelfield.harness.cli import arguments
from levelfield.harness.plan.launches import has_compiler
from levelfield.harness.records import store
from levelfield.harness.records.certificate import Certificate

SHORTCUTS = {"KERAS_MAX_STEPS_PER_EPOCH": "2", "JAX_DISABLE_JIT": "1", "TORCH_COMPILE_DISABLE": "1"}
CLUSTERS = {
    **{
        "SLURM_JOB_ID": "7",
        "SLURM_PROCID": "1",
        "SLURM_NTASKS": "4",
        "SLURM_STEP_NODELIST": "a,b",
        "SLURM_LOCALID": "1",
    },
    **{"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "3", "MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "1"},
    "TF_CONFIG": json.dumps({"cluster": {"worker": ["10.0.0.1:1"]}, "task": {"type": "worker", "index": 0}}),
}
COMPILED = {"jax-grad": "jit", "torch-nn": "compile", "tensorflow-tape": "graph"}
ADAPTERS = ["numpy-manual", "keras-tensorflow", *COMPILED]
SPY = """
import json, os
from levelfield.adapters.numpy.manual import NumpyManual

class Spy(NumpyManual):
    name = "spy"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def fit(self, train, order, watch):
        print(json.dumps(dict(os.environ)), flush=True)
        raise RuntimeError("look at the log")
"""


@pytest.fixture(scope="module")
def runs(command_line, tiny):
    """A run with variables around it, and the same with three of them passed on."""
    for name in ADAPTERS:
        if (missing := find().adapters[name].missing()) is not None:
            pytest.skip(missing)
    if not has_compiler():
        pytest.skip("there is no C++ compiler here")
    modes = 'modes = ["eager", "default", "jit", "compile", "graph"]'
    text = tiny(learning=f"adapters = {ADAPTERS}\n{modes}", time_limit=300.0)
    plain = command_line(variables=SHORTCUTS | CLUSTERS)
    (plain.folder / "mine.toml").write_text(text)
    bare = ("--no-certify", "--no-probes", "-q")
    alone = plain("run", "mine.toml", "-o", "alone", *bare)
    given = [word for name in SHORTCUTS for word in ("--env", name)]
    passed = plain("run", "mine.toml", "-o", "passed", *given, *bare)
    compared = plain("compare", "alone", "passed")
    stored = {name: store.read(plain.folder / name) for name in ("alone", "passed")}
    return SimpleNamespace(alone=alone, passed=passed, compared=compared, folder=plain.folder, **{"stored": stored})


def final_losses(records):
    return {r.cell.adapter: r.final.train.loss for r in records if r.final and r.cell.mode in ("eager", "default")}


@pytest.mark.frameworks
def test_a_variable_around_the_command_changes_nothing_and_is_named_once(runs):
    assert runs.alone.returncode == 0, runs.alone.stderr
    records = runs.stored["alone"].records
    assert {record.status for record in records} == {"ok"}
    assert {(r.cell.adapter, r.cell.mode) for r in records} >= set(COMPILED.items())
    losses = final_losses(records)
    assert losses["keras-tensorflow"] == pytest.approx(losses["numpy-manual"], rel=1e-4)
    (warning,) = [line for line in runs.stored["alone"].run.warnings if "not passed on to launches" in line]
    for name in (*SHORTCUTS, "SLURM_JOB_ID", "TF_CONFIG"):
        assert runs.alone.stderr.count(f"{name} (") + runs.alone.stderr.count(f"{name},") == 1, runs.alone.stderr
        assert name in warning
    assert all(record.cell.variables == () for record in records)


@pytest.mark.frameworks
def test_what_is_passed_on_works_and_is_in_cells_command_and_export(runs):
    records = runs.stored["passed"].records
    assert {record.cell.variables for record in records} == {tuple(sorted(SHORTCUTS.items()))}
    losses = final_losses(records)
    assert losses["keras-tensorflow"] > 1.01 * losses["numpy-manual"]
    again = arguments.parse(shlex.split(runs.stored["passed"].run.command)[1:])
    assert dict(again.env) == SHORTCUTS
    assert not any(name in line for line in runs.stored["passed"].run.warnings for name in SHORTCUTS)
    page = (runs.folder / "passed" / "report.html").read_text()
    assert "KERAS_MAX_STEPS_PER_EPOCH" in page
    assert "passed on by the user" in page


@pytest.mark.frameworks
@pytest.mark.parametrize(("adapter", "mode"), [("jax-grad", "jit"), ("torch-nn", "compile")])
def test_a_mode_that_names_a_compiler_fails_where_nothing_was_compiled(runs, adapter, mode):
    assert runs.passed.returncode == 1
    of_it = [r for r in runs.stored["passed"].records if (r.cell.adapter, r.cell.mode) == (adapter, mode)]
    assert of_it
    for record in of_it:
        assert record.status == "failed"
        assert f"nothing was compiled, so that what ran was not the mode '{mode}'" in record.reason


@pytest.mark.frameworks
def test_the_comparison_of_the_two_runs_names_the_variables(runs):
    for name, value in SHORTCUTS.items():
        assert f"differs: variable {name}: not set / {value}" in runs.compared.stdout


@pytest.mark.slow
def test_a_launch_gets_what_is_let_through_kept_and_passed_on_and_nothing_else(command_line, install, tiny, tmp_path):
    folder = install(tmp_path, {"spy": "spy_adapter:Spy"}, {"spy_adapter.py": SPY})
    around = {"MY_TOKEN": "secret", "OMP_PROC_BIND": "close", "OPENBLAS_CORETYPE": "Haswell", "KMP_BLOCKTIME": "0"}
    levelfield = command_line(plugins=[folder], variables=around | {"PYTHONHASHSEED": "1", "LANG": "C.UTF-8"})
    (levelfield.folder / "mine.toml").write_text(tiny(learning='adapters = ["spy"]'))
    done = levelfield("run", "mine.toml", "-o", "out", "--no-certify", "--env", "OMP_PROC_BIND", "--env", "MINE=a=b c")
    (record,) = store.read(levelfield.folder / "out").records
    assert record.reason.startswith("RuntimeError: look at the log")
    (seen,) = [json.loads(line) for line in record.log.splitlines() if line.startswith("{")]
    assert seen["OMP_PROC_BIND"] == "close"
    assert seen["MINE"] == "a=b c"
    assert seen["LANG"] == "C.UTF-8"
    assert record.kept["OPENBLAS_CORETYPE"] == seen["OPENBLAS_CORETYPE"] == "Haswell"
    assert not {"MY_TOKEN", "KMP_BLOCKTIME", "PYTHONHASHSEED"} & seen.keys()
    assert str(folder) not in seen.get("PYTHONPATH", "")
    assert "KMP_BLOCKTIME" in done.stderr
    assert "PYTHONHASHSEED" in done.stderr
    assert "MY_TOKEN" not in done.stderr + (levelfield.folder / "out" / "run.json").read_text()
    resumed = levelfield("run", "--resume", "out", "--allow-changes")
    assert resumed.returncode == 1
    assert store.read(levelfield.folder / "out").records[0].cell.variables == (
        ("MINE", "a=b c"),
        ("OMP_PROC_BIND", "close"),
    )


@pytest.mark.slow
def test_a_certificate_holds_for_the_variables_that_it_was_made_under(command_line):
    levelfield = command_line(variables={"OPENBLAS_CORETYPE": "Haswell"})
    quick = ("certify", "numpy-manual", "--quick", "--cached", "--json")

    def certificate(*more):
        done = levelfield(*quick, *more)
        assert done.returncode == 0, done.stderr
        return Certificate.model_validate_json(done.stdout)

    plain, bound = certificate(), certificate("--env", "MALLOC_ARENA_MAX=1")
    assert plain.variables["OPENBLAS_CORETYPE"] == "Haswell"  # beside what else this machine may need
    assert bound.variables == {**plain.variables, "MALLOC_ARENA_MAX": "1"}
    assert certificate() == plain
    assert certificate("--env", "MALLOC_ARENA_MAX=1") == bound
    assert certificate("--env", "MALLOC_ARENA_MAX=2").variables["MALLOC_ARENA_MAX"] == "2"


@pytest.mark.parametrize("command", [("run", "smoke"), ("certify",), ("duel", "torch-nn", "jax-grad")])
def test_what_levelfield_sets_itself_is_refused(levelfield, command):
    done = levelfield.inside(*command, "--env", "OMP_NUM_THREADS=1")
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == "error: OMP_NUM_THREADS is set by levelfield, by --threads"
