"""A plug-in brings the runtime of its framework: the harness configures it, asks it, counts by it, and records it."""

from __future__ import annotations

import pytest

from levelfield.adapters.registry import find
from levelfield.adapters.runtime import OURS, PLAIN, Runtime, load, place
from levelfield.harness.records import store

RUNTIME = """
from levelfield.adapters.runtime import Runtime

class AbacusRuntime(Runtime):
    compiled, beads = 0, None

    def configure(self, setting):
        AbacusRuntime.beads = 10 * setting.threads

    def in_force(self, setting):
        return {"device": "abacus", "beads": str(self.beads)}

    def product(self, setting, n):
        return lambda: None

    def addition(self, setting, n):
        return lambda: None

    def compilations(self):
        return self.compiled

    def peak_memory(self, setting):
        return 4321, "beads counted"

    def devices(self):
        return {"cpu": ["abacus"], "gpu": "an abacus has no GPU", "tpu": "an abacus has no TPU"}
"""
ADAPTERS = """
from levelfield.adapters.numpy.manual import NumpyManual
from abacus.runtime import AbacusRuntime

class Idle(NumpyManual):
    name = "idle"
    framework = "outside-frameworks"
    api = "low"
    modes = ("jit",)
    limits = ()
    runtime_class = "abacus.runtime:AbacusRuntime"

class Abacus(Idle):
    name = "abacus"

    def __init__(self, setting):
        super().__init__(setting)
        AbacusRuntime.compiled += 1
"""


@pytest.fixture(scope="module")
def levelfield(command_line, install, tmp_path_factory):
    points = {"abacus": "abacus.adapters:Abacus", "idle": "abacus.adapters:Idle"}
    modules = {"abacus/__init__.py": "", "abacus/runtime.py": RUNTIME, "abacus/adapters.py": ADAPTERS}
    return command_line(plugins=[install(tmp_path_factory.mktemp("abacus"), points, modules)])


@pytest.mark.slow
def test_what_it_has_brought_about_and_counted_is_in_the_record(levelfield, tiny):
    speed = 'adapters = ["abacus", "idle"]\nmodes = "default"\nblocks = 1\nseconds = 0.01\nthreads = 1'
    (levelfield.folder / "own.toml").write_text(tiny(speed=speed))
    done = levelfield("run", "own.toml", "-o", "own", "-q")
    found = {record.cell.adapter: record for record in store.read(levelfield.folder / "own").records}
    assert found["abacus"].status == "ok", done.stderr
    assert found["abacus"].runtime == {"device": "abacus", "beads": "10"}
    peak = found["abacus"].utilisation["allocator_peak"]
    assert (peak.value, peak.source) == (4321, "beads counted")
    assert "nothing was compiled" in found["idle"].reason


def test_it_is_asked_for_devices(levelfield):
    done = levelfield("certify", "abacus", "--device", "gpu")
    assert done.returncode == 2
    assert "no framework here sees gpu:0: an abacus has no GPU" in done.stderr


def test_ours_is_that_of_the_backend_else_of_the_framework_else_the_plain_one():
    adapters = find().adapters
    places = {info.name: place(info) for info in adapters.values() if info.builtin}
    assert places["torch-nn"] == places["torch-lightning"] == places["keras-torch"] == OURS["torch"]
    assert places["flax-nnx"] == places["keras-jax"] == OURS["jax"]
    assert places["numpy-manual"] == places["sklearn-mlp"] == PLAIN


def test_a_runtime_says_what_it_must_define():
    assert Runtime.__abstractmethods__ == {"configure", "in_force", "product", "addition"}
    plain = load(PLAIN)
    assert isinstance(plain, Runtime)
    assert plain.compilations() is None
    assert plain.programs() is None
