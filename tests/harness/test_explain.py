"""Where the time of a step goes: a ladder whose rungs add up, and why a rung is missing where one is."""

from __future__ import annotations

import json
import signal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from levelfield.adapters.adapter import Setting
from levelfield.adapters.numpy.runtime import NumpyRuntime
from levelfield.adapters.registry import find
from levelfield.harness.explain.ladder import ladder
from levelfield.harness.explain.rungs import Side, counterpart, rungs, whole_batches
from levelfield.harness.measure.instead import bare, products, sums
from levelfield.harness.records import store
from levelfield.harness.records.cell import Cell, NamedModel, NamedRecipe
from levelfield.tasks import registry as tasks
from levelfield.tasks.mlp import MLP
from levelfield.tasks.recipe import Recipe

ADAPTERS = find().adapters
IRIS = tasks.load("iris")
PLUGIN = """
from levelfield.adapters.numpy.manual import NumpyManual

class Outside(NumpyManual):
    name = "outside"
    framework = "numpy"
    api = "high"
    modes = ("eager",)
    feed = "loader"
    defaults = {}

class Halves(NumpyManual):
    name = "halves"
    framework = "numpy"
    api = "high"
    modes = ("eager",)
    def gradients(self, x, y):
        return [g / 2 for g in super().gradients(x, y)]
"""
SPEED = 'adapters = ["*"]\nblocks = 1\nseconds = 0.05'


def side(name: str, mode: str | None = None) -> Side:
    info = ADAPTERS[name]
    cell = Cell(
        kind="speed",
        task="iris",
        model=NamedModel(name="small", hidden=(4,)),
        recipe=NamedRecipe(name="momentum", optimizer="momentum", batch_size=16),
        adapter=name,
        framework=info.framework,
        backend=info.backend,
        api=info.api,
        mode=mode or info.modes[0],
        feed=info.feed,
    )
    return Side(info, cell)


# Rungs


@pytest.mark.parametrize("name", ADAPTERS)
def test_every_adapter_has_a_ladder_of_the_same_rungs(name):
    below = counterpart(ADAPTERS[name], ADAPTERS.values())
    other = None if below is None else side(below.name)
    found = rungs(side(name), other, IRIS)
    assert [one.name for one in found] == ["arithmetic", *(["other"] if other else []), "step", "loader", "defaults"]
    assert all(one.missing is None or len(one.missing) > 10 for one in found)


def test_below_a_high_level_api_is_the_low_level_one_of_its_framework():
    below = {name: counterpart(info, ADAPTERS.values()) for name, info in ADAPTERS.items()}
    assert {name: info and info.name for name, info in below.items() if info} == {
        "torch-nn": "torch-autograd",
        "torch-lightning": "torch-autograd",
        "keras-torch": "torch-autograd",
        "keras-tensorflow": "tensorflow-tape",
        "keras-loop": "tensorflow-tape",
        "keras-custom-layer": "tensorflow-tape",
        "keras-jax": "jax-grad",
        "flax-nnx": "jax-grad",
    }


def test_what_a_framework_has_not_is_told():
    found = {one.name: one.missing for one in rungs(side("flax-nnx"), side("jax-grad"), IRIS)}
    assert found["loader"] == "its documentation trains from arrays on the device"
    assert found["step"] is found["defaults"] is None
    found = {one.name: one.missing for one in rungs(side("jax-grad", "scan"), None, IRIS)}
    assert "no scan" in found["loader"]
    assert "no scan" in found["defaults"]


# Arithmetic


@given(st.lists(st.integers(1, 9), min_size=2, max_size=5), st.integers(1, 9))
def test_the_bare_arithmetic_is_that_of_a_step(widths, batch):
    model = MLP(tuple(widths))
    assert sum(2 * n * k * m for n, k, m in products(model, batch)) == model.flops(batch)
    assert sum(m for _, m in sums(model, batch)) == sum(widths[1:]) + 1


def test_the_bare_arithmetic_is_made_as_often_as_there_are_steps(monkeypatch):
    made, told = [], []

    class Watch:
        def ready(self):
            told.append("ready")

        def epoch_end(self, epoch):
            told.append(len(made))
            return epoch < 1

    arithmetic = NumpyRuntime.arithmetic

    def counted(*about):
        call = arithmetic(*about)
        return lambda: made.append(call()) or ()

    monkeypatch.setattr(NumpyRuntime, "arithmetic", counted)
    bare(NumpyRuntime(), Setting(MLP((4, 8, 3)), Recipe(batch_size=16, epochs=9)), 5, Watch())
    assert told == ["ready", 5, 10]


def test_samples_that_fill_no_batch_are_left_out():
    assert len(whole_batches(IRIS, 16).train.x) == len(IRIS.train.x) // 16 * 16
    np.testing.assert_array_equal(whole_batches(IRIS, 16).train.y, IRIS.train.y[: len(IRIS.train.x) // 16 * 16])
    assert whole_batches(IRIS, 1000) is IRIS


# The sum

FIVE = rungs(side("keras-tensorflow"), side("tensorflow-tape"), IRIS)
seconds = st.floats(1e-6, 1e-2)


@settings(deadline=None)  # the first call imports
@given(st.lists(st.tuples(*[seconds] * 5), min_size=1, max_size=12))
def test_the_ladder_adds_up(values):
    blocks = [dict(zip([one.name for one in FIVE], block, strict=True)) for block in values]
    found = ladder(FIVE, blocks, {})
    steps = [one.step.estimate for one in found.rungs]
    assert steps[0] + sum(one.more.estimate for one in found.rungs[1:]) == pytest.approx(steps[-1], rel=1e-9)
    assert found.blocks == len(values)
    # What Keras adds to TensorFlow is its step and its loader, as a run times them
    assert found.added.estimate == pytest.approx(steps[3] - steps[1], abs=1e-9 * max(steps))
    assert set(found.causes) == {"step", "loader"}
    first, second = (found.of(name).more.estimate for name in found.causes)
    assert first >= second


def test_a_block_that_lacks_a_rung_does_not_count():
    whole = {one.name: 1e-3 for one in FIVE}
    short = {name: 1.0 for name in whole if name != "loader"}
    found = ladder(FIVE, [whole, short, whole], {})
    assert found.blocks == 2
    assert found.rungs[0].step.estimate == pytest.approx(1e-3)


def test_without_any_whole_block_there_is_no_ladder():
    assert ladder(FIVE, [], {"a": "why"}).rungs == ()
    assert ladder(FIVE, [], {"a": "why"}).missing == {"a": "why"}


def test_of_a_resident_adapter_a_run_times_no_loader():
    five = rungs(side("torch-lightning"), side("torch-autograd"), IRIS)
    block = {"arithmetic": 1.0, "other": 2.0, "step": 4.0, "loader": 8.0, "defaults": 16.0}
    found = ladder(five, [block, block], {})
    assert found.added.estimate == pytest.approx(2.0)
    assert found.causes == ("step",)


# The command


@pytest.fixture(scope="module")
def levelfield(command_line, install, tiny, tmp_path_factory):
    entries = {"outside": "climbers:Outside", "halves": "climbers:Halves"}
    plugin = install(tmp_path_factory.mktemp("plugin"), entries, {"climbers.py": PLUGIN})
    levelfield = command_line(plugins=(plugin,))
    (levelfield.folder / "mine.toml").write_text(tiny(speed=SPEED))
    return levelfield


@pytest.fixture(scope="module")
def explained(levelfield):
    how = ("--suite", "mine.toml", "--blocks", "2", "--budget", "10m", "--trace", "traces", "--json")
    done = levelfield("explain", "outside", *how)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_a_plug_in_gets_the_rungs_that_it_can_do(explained):
    found = explained["ladder"]
    assert (explained["adapter"], explained["against"]) == ("outside (eager)", "numpy-manual (eager)")
    assert explained["workload"] == "flowers small momentum"
    assert [one["rung"] for one in found["rungs"]] == ["arithmetic", "other", "loader"]
    assert "has no step without its loader" in found["missing"]["outside (eager): its step, data on the device"]
    assert "does not state the defaults" in found["missing"]["outside (eager): with its defaults"]


@pytest.mark.slow
def test_what_is_printed_adds_up(explained):
    found = explained["ladder"]
    lowest, *others = found["rungs"]
    top = lowest["step"]["estimate"] + sum(one["more"]["estimate"] for one in others)
    assert top == pytest.approx(others[-1]["step"]["estimate"], rel=1e-9)
    assert found["blocks"] == others[-1]["step"]["n"]


@pytest.mark.slow
def test_a_plug_in_is_looked_at_as_far_as_python_goes(explained, levelfield):
    assert list(explained["profiles"]) == ["outside (eager)", "numpy-manual (eager)"]
    for found in explained["profiles"].values():
        assert found["samples"] > 0
        assert sum(found["kinds"].values()) == pytest.approx(1)
        assert found["callers"][0]["share"] >= found["callers"][-1]["share"]
        assert found["unwatched"] == "levelfield knows no profiler of this framework"
    traces = {path.name: json.loads(path.read_text()) for path in (levelfield.folder / "traces").iterdir()}
    assert set(traces) == {"outside-eager-python.json", "numpy-manual-eager-python.json"}
    assert all(trace["traceEvents"] for trace in traces.values())


@pytest.mark.slow
def test_for_people_each_rung_is_a_line_and_the_sum_is_written_out(levelfield):
    done = levelfield("explain", "numpy-manual", "--suite", "mine.toml", "--blocks", "2", "--budget", "10m", "-q")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "numpy-manual (eager): flowers small momentum, one thread, in turns on one core" in done.stdout
    assert "the products and sums of a step, called through numpy" in done.stdout
    assert "adds up: " in done.stdout
    assert "Who spends a step of numpy-manual (eager)" in done.stdout
    assert "looking at it took times as long: sampling " in done.stdout
    assert "not timed: numpy-manual (eager): with its loader: its documentation trains from arrays" in done.stdout


@pytest.mark.slow
def test_a_run_explains_its_pairs_after_its_blocks_and_once(levelfield):
    words = ("run", "mine.toml", "-a", "outside", "-a", "numpy-manual", "--blocks", "3", "--explain")
    done = levelfield(*words, "-o", "taxed", "--no-probes")
    assert done.returncode == 0, done.stderr
    assert "explaining pair 1 of 1: outside (eager) against numpy-manual (eager)" in done.stderr
    run = levelfield.folder / "taxed"
    (one,) = store.read(run).explained
    assert (one.cell.adapter, one.against.adapter) == ("outside", "numpy-manual")
    rungs = one.ladder.rungs
    assert [rung.rung for rung in rungs] == ["arithmetic", "other", "loader"]
    assert rungs[0].step.estimate + sum(r.more.estimate for r in rungs[1:]) == pytest.approx(rungs[-1].step.estimate)
    assert one.ladder.blocks == 5
    assert sum(one.own.kinds.values()) == pytest.approx(one.own.step)
    page = (run / "report.html").read_text()
    assert '<section id="explained"' in page
    assert "outside eager takes" in page
    # What is explained is not explained again; what is not, is when the run goes on
    again = levelfield("run", "--resume", "taxed")
    assert (again.returncode, "explaining" in again.stderr) == (0, False)
    (run / "explained.jsonl").unlink()
    assert "explaining pair 1 of 1" in levelfield("run", "--resume", "taxed").stderr


@pytest.mark.slow
def test_who_computes_something_else_is_not_explained(levelfield):
    done = levelfield("explain", "halves", "--suite", "mine.toml")
    assert done.returncode == 1
    assert "not explained, because not certified: halves (eager)" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("numpy-manul",), "numpy-manual"),
        (("numpy-manual:egaer",), "eager"),
        (("numpy-manual", "--against", "numpy-manual"), "names the adapter itself"),
        (("numpy-manual", "--against", "sklearn-mlp", "--suite", "narrow.toml"), "no speed cells of numpy-manual"),
        (("numpy-manual", "--workload", "tall"), "flowers small momentum"),
        (("torch-nn:fused", "--against", "torch-nn", "--workload", "tall"), "flowers small momentum"),
        (("numpy-manual", "--blocks", "0"), "at least 1"),
        (("numpy-manual", "--trace", "mine.toml"), "--trace mine.toml: "),
    ],
)
def test_what_cannot_be_done_is_told_in_one_error(levelfield, tiny, arguments, told):
    narrow = tiny(speed='adapters = ["numpy-manual"]\nblocks = 1')
    (levelfield.folder / "narrow.toml").write_text(narrow)
    suite = () if "--suite" in arguments else ("--suite", "mine.toml")
    done = levelfield.inside("explain", *arguments, *suite)
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stdout == ""


@pytest.mark.slow
def test_who_stops_it_gets_what_the_blocks_say_until_then(levelfield):
    process = levelfield.start(
        "explain", "numpy-manual", "--suite", "mine.toml", "--budget", "10m", "--precision", ".1%"
    )
    for line in process.stderr:
        if line.startswith("block 2"):
            process.send_signal(signal.SIGINT)
            break
    out, err = process.communicate(timeout=300)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "adds up: " in out
    assert levelfield.left_behind() == []


ALL = ["arithmetic", "other", "step", "loader", "defaults"]


@pytest.mark.slow
@pytest.mark.frameworks
@pytest.mark.parametrize(
    ("name", "rungs", "kernel", "bytes_", "compiled"),
    [
        ("torch-nn", ALL, "aten::mm", "measured", False),
        ("keras-tensorflow", ALL, "MatMul", "measured", True),
        ("jax-grad", [name for name in ALL if name != "other"], "fusion", "unavailable", True),
    ],
)
def test_a_framework_has_its_rungs_and_its_profiler(levelfield, name, rungs, kernel, bytes_, compiled):
    # oneDNN's allocator would not tell TensorFlow's small blocks
    env = ("--env", "TF_ENABLE_ONEDNN_OPTS=0")
    how = ("--suite", "mine.toml", "--blocks", "1", "--budget", "10m", "--trace", name, "--json", *env)
    done = levelfield("explain", name, *how)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [one["rung"] for one in found["ladder"]["rungs"]] == rungs, found["ladder"]["missing"]
    own = found["profiles"][found["adapter"]]
    assert own["unwatched"] is None
    kernels = {operation for operation, about in own["operations"].items() if about["kernel"]}
    assert any(kernel in operation for operation in kernels), kernels
    assert own["kernels"] + own["beside"] > 0
    assert own["allocated"]["state"] == bytes_
    assert own["allocated"].get("value", 1) > 0
    assert (own["compilations"]["first"] > 0) == compiled
    assert own["compilations"]["steady"] == 0
    traces = {
        path.name.rpartition("-")[2]: json.loads(path.read_text()) for path in (levelfield.folder / name).iterdir()
    }
    assert set(traces) == {"python.json", "framework.json"}
    assert all(trace["traceEvents"] for trace in traces.values())
