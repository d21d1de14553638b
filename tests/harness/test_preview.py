"""``levelfield preview``: what a compiler of an absent chip says of the certified step; faults that it has to see."""

from __future__ import annotations

import pytest

from levelfield.adapters.registry import version
from levelfield.harness.cli import main
from levelfield.harness.preview import program
from levelfield.harness.preview.chips import CHIPS
from levelfield.harness.preview.preview import Preview, arithmetic
from levelfield.harness.preview.program import Product

ADAPTERS = """
import os

import jax
import jax.numpy as jnp

from levelfield.adapters.jax.flax_nnx import FlaxNNX
from levelfield.adapters.jax.grad import JaxGrad
from levelfield.adapters.jax.grad_mesh import GradMesh
from levelfield.adapters.jax.runtime import JaxRuntime


class ByColumns(JaxGrad):
    name = "by-columns"
    framework = "jax"
    api = "low"
    modes = ("jit",)
    limits = ()

    def place(self, array):
        return jnp.array(array)


class Coarse(JaxGrad):
    name = "coarse"
    framework = "jax"
    api = "low"
    modes = ("jit",)
    limits = ()

    def product(self, a, b):
        return jnp.matmul(a, b, precision="default")


class Talks(JaxGrad):
    name = "talks"
    framework = "jax"
    api = "low"
    modes = ("jit",)
    limits = ()

    def step(self, x, y, state, indices=...):
        jax.debug.callback(lambda loss: None, state[0][1].sum())
        return super().step(x, y, state, indices)


class Dies(JaxGrad):
    name = "dies"
    framework = "jax"
    api = "low"
    modes = ("jit",)
    limits = ()

    def __init__(self, setting):
        os.abort()


class Narrow(JaxGrad):
    name = "narrow"
    framework = "jax"
    api = "low"
    modes = ("jit",)
    limits = ()
    replication = ("devices",)
    replicated = "faulty:NarrowMesh"


class NarrowMesh(GradMesh):
    product = JaxGrad.product


class ByItsName(JaxRuntime):
    def configure(self, setting):
        super().configure(setting)
        if setting.precision == "tf32":
            jax.config.update("jax_default_matmul_precision", "tensorfloat32")


class Named(JaxGrad):
    name = "named"
    framework = "jax"
    api = "low"
    modes = ("jit",)
    limits = ()
    runtime_class = "faulty:ByItsName"
"""
FAULTY = {
    "by-columns": "ByColumns",
    "coarse": "Coarse",
    "talks": "Talks",
    "dies": "Dies",
    "narrow": "Narrow",
    "named": "Named",
}


@pytest.fixture(scope="module")
def preview(command_line, install, tmp_path_factory):
    """Runs ``levelfield preview`` and gives its exit code and its previews by adapter."""
    places = {name: f"faulty:{kind}" for name, kind in FAULTY.items()}
    levelfield = command_line(plugins=[install(tmp_path_factory.mktemp("faulty"), places, {"faulty.py": ADAPTERS})])

    def run(chip, *words):
        needed = [name for name in CHIPS[chip].needs if version(name) is None]
        if needed:
            pytest.skip(f"{' and '.join(needed)} not installed: pip install 'levelfield[{CHIPS[chip].extra}]'")
        done = levelfield("preview", chip, *words, "--json")
        found = [Preview.model_validate_json(line) for line in done.stdout.splitlines()]
        return done.returncode, {one.subject.adapter: one for one in found}

    return run


# With the compilers


@pytest.mark.slow
@pytest.mark.frameworks
def test_the_certified_step_compiles_for_a_tpu_without_a_copy_of_the_data(preview):
    code, found = preview("tpu:v5e", "jax-grad", "flax-nnx", "keras-jax", "--mode", "jit", "--mode", "default")
    assert (code, [one.faults for one in found.values()]) == (0, [[], [], []])
    for name, one in found.items():
        assert one.compiles, name
        (step,) = one.programs
        assert step.same, name
        assert step.products == {"float32": 5}, name
        assert step.host == (), name
        assert 0 < step.needs < one.memory, name
    assert found["jax-grad"].programs[0].cycles.get("copies", 0) < 0.5


@pytest.mark.slow
@pytest.mark.frameworks
def test_tf32_is_tf32_in_both_ways_of_a_gpu(preview):
    code, found = preview("gpu:h100", "jax-grad", "named", "--mode", "jit", "--matmul-precision", "tf32")
    good, named = found["jax-grad"], found["named"]
    assert code == 1
    assert good.faults == []
    assert [one.products for one in good.programs] == [{"tf32": 5}] * 2
    assert good.programs[0].instructions["tf32 tensor cores"] > 0
    # What JAX calls by that name
    triton, cublas = named.programs
    assert (triton.variant, triton.products) == ("triton", {"float32": 5})
    assert "tf32 tensor cores" not in triton.instructions
    assert cublas.products == {"tf32": 5}
    assert any("5 in float32, not in tf32" in fault for fault in named.faults)


@pytest.mark.slow
@pytest.mark.frameworks
def test_gradients_are_summed_over_devices_in_float32(preview):
    words = ("--mode", "jit", "--matmul-precision", "bfloat16", "--replicas", "4")
    code, found = preview("tpu:v5e", "jax-grad", "flax-nnx", "narrow", *words)
    assert code == 1
    for name in ("jax-grad", "flax-nnx"):
        assert found[name].faults == [], name
        (step,) = found[name].programs
        assert step.same, name
        assert step.products == {"bfloat16": 5}, name
        assert any(what.startswith("all-reduce") for what in step.collectives), name
    assert any("sums over devices in 16 bits" in fault for fault in found["narrow"].faults)


@pytest.mark.slow
@pytest.mark.frameworks
def test_what_is_wrong_is_seen(preview):
    code, found = preview("tpu:v5e", "by-columns", "coarse", "talks", "dies")
    assert code == 1
    assert "copies the whole data set" in " ".join(found["by-columns"].faults)
    assert "5 in bfloat16, not in float32" in " ".join(found["coarse"].faults)
    assert "exchanges data with the host" in " ".join(found["talks"].faults)
    (fault,) = found["dies"].faults
    assert fault.startswith("the process that compiles was ended by signal 6")
    assert not found["dies"].compiles


# Without them


def refused(capsys, *words):
    code = main.main(["preview", *words])
    return code, capsys.readouterr().err


def test_an_unknown_chip_is_named_with_the_nearest(capsys):
    code, told = refused(capsys, "tpu:v7x")
    assert code == main.USAGE
    assert "unknown chip 'tpu:v7x'" in told
    assert "tpu:tpu7x" in told


def test_a_number_of_devices_that_no_host_has_is_refused(capsys):
    code, told = refused(capsys, "tpu:v5e", "jax-grad", "--replicas", "3")
    assert code == main.USAGE
    assert "no host has 3 devices" in told


def test_what_nothing_compiles_for_an_absent_chip_is_said(capsys):
    code, told = refused(capsys, "tpu:v5e", "torch-nn")
    assert code == main.NOTHING
    assert "nothing compiles torch for a chip that is not here" in told


def test_an_unknown_adapter_or_mode_is_an_error(capsys):
    assert refused(capsys, "tpu:v5e", "jax-grat")[0] == main.USAGE
    assert refused(capsys, "tpu:v5e", "jax-grad", "--mode", "jut")[0] == main.USAGE


def test_a_width_that_is_none_is_refused(capsys):
    code, told = refused(capsys, "tpu:v5e", "jax-grad", "--hidden", "128,0")
    assert code == main.USAGE
    assert "'0' is not a whole number of at least 1" in told


def test_what_to_install_is_said(capsys, monkeypatch):
    from levelfield.harness.preview import compiler

    monkeypatch.setattr(compiler, "version", {"jax": "0.10.2"}.get)
    code, told = refused(capsys, "tpu:v5e", "jax-grad")
    assert code == main.NOTHING
    assert "needs libtpu: pip install 'levelfield[preview-tpu]'" in told


def test_a_compiler_of_another_jax_is_refused(capsys, monkeypatch):
    from levelfield.harness.preview import compiler

    there = {"jax": "0.10.2", "jax-cuda12-plugin": "0.9.0", "jax-cuda12-pjrt": "0.10.2", "nvidia-cuda-nvcc-cu12": "12"}
    monkeypatch.setattr(compiler, "version", there.get)
    code, told = refused(capsys, "gpu:h100", "jax-grad")
    assert code == main.USAGE
    assert "jax-cuda12-plugin 0.9.0 is not for jax 0.10.2" in told


@pytest.mark.parametrize(
    ("product", "kind", "word"),
    [
        (Product(("f32", "f32"), "highest"), "tpu", "float32"),
        (Product(("f32", "f32"), "high"), "tpu", "bfloat16 in three passes"),
        (Product(("f32", "f32"), "default"), "tpu", "bfloat16"),
        (Product(("bf16", "f32"), "default"), "tpu", "bfloat16"),
        (Product(("bf16", "bf16"), "default"), "gpu", "bfloat16"),
        (Product(("f32", "f32"), "default"), "gpu", "tf32"),
        (Product(("f32", "f32"), "high"), "gpu", "float32"),
        (Product(("f32", "f32"), "high", library=True), "gpu", "tf32"),
        (Product(("f32", "f32"), "highest", library=True), "gpu", "float32"),
        (Product(("f32", "f32"), "default", "dot_tf32_tf32_f32"), "gpu", "tf32"),
        (Product(("f32", "f32"), "default", "dot_tf32_tf32_f32_x3"), "gpu", "dot_tf32_tf32_f32_x3"),
        (Product(("f64", "f64"), "default"), "gpu", "float64"),
    ],
)
def test_the_arithmetic_of_a_product(product, kind, word):
    assert arithmetic(product, kind) == word


def test_a_text_without_instructions_is_no_program():
    with pytest.raises(ValueError, match="no instruction"):
        program.read("the compiler is sorry\n")
