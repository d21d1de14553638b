"""Devices and precision on the command line: what is seen, what is skipped, and what stands in no comparison."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from levelfield.adapters import runtime
from levelfield.adapters.limits import unsupported
from levelfield.adapters.registry import find
from levelfield.harness.cli import main
from levelfield.harness.cli.certify import failures
from levelfield.harness.launch.local import LocalHost
from levelfield.harness.plan import devices, suite
from levelfield.harness.plan import launches as plan
from levelfield.harness.plan.environments import DEFAULT, Environment, own
from levelfield.harness.plan.launches import CertificateSubject, Selection, Surroundings
from levelfield.harness.system import machine
from levelfield.tasks import registry as task_registry

TEXT = """
name = "mine"
[models]
small = {{ hidden = [4] }}
[recipes]
plain = {{ optimizer = "sgd" }}
[[speed]]
task = "iris"
model = "small"
recipe = "plain"
adapters = ["numpy-manual", "torch-nn", "jax-grad"]
modes = "default"
{more}
"""


def planned(more: str = "", selection: Selection | None = None, without: dict | None = None) -> list[plan.Launch]:
    chosen = suite.parse(TEXT.format(more=more), Path("mine.toml"))
    there = Surroundings(find().adapters, {"iris": task_registry.load("iris")}, 2, without=without or {})
    return plan.plan(chosen, there, selection or Selection())


def test_a_suite_multiplies_its_precisions():
    launches = planned('precision = ["float32", "bfloat16"]\nblocks = 1')
    assert {(x.cell.adapter, x.cell.precision) for x in launches} == {
        (name, precision) for name in ("numpy-manual", "torch-nn", "jax-grad") for precision in ("float32", "bfloat16")
    }
    assert {x.skip for x in launches if x.cell.precision == "bfloat16"} == {None, "NumPy has no bfloat16"}


def test_cells_of_the_usual_device_and_precision_are_those_of_before():
    plain = planned("blocks = 1")
    named = planned('device = "cpu"\nprecision = "float32"\nblocks = 1')
    assert [x.id for x in plain] == [x.id for x in named]


def test_the_command_line_rules_over_the_suite():
    [*launches] = planned("blocks = 1", Selection(device="gpu:1", matmul_precision="tf32"))
    assert {(x.cell.device, x.cell.precision) for x in launches} == {("gpu:1", "tf32")}


def test_tf32_is_unsupported_on_a_cpu_for_every_adapter():
    assert {x.skip for x in planned('precision = "tf32"\nblocks = 1')} == {"TF32 exists on NVIDIA GPUs only"}


def test_an_adapter_whose_framework_lacks_the_device_is_skipped_with_the_reason_found():
    launches = planned('device = "gpu:0"\nblocks = 1', without={(DEFAULT, "torch", "gpu:0"): "built without CUDA"})
    reasons = {x.cell.adapter: (x.skip, x.unsupported) for x in launches}
    assert reasons == {
        "numpy-manual": ("NumPy computes on the CPU only", True),
        "torch-nn": ("built without CUDA", False),
        "jax-grad": (None, False),
    }


@pytest.mark.parametrize("line", ['device = "gpu"', 'device = "cuda:0"', 'precision = "float16"', "precision = []"])
def test_an_unknown_device_or_precision_in_a_suite_is_one_clear_error(line):
    from levelfield.tasks.errors import UserError

    with pytest.raises(UserError, match=r"speed.0.(device|precision)"):
        planned(line)


def test_nobody_is_asked_for_the_cpu():
    assert (
        devices.lacking({"cpu"}, find().adapters, {"no such": Environment("no such", "/nowhere", lambda _: None)}) == {}
    )


def test_a_framework_that_is_absent_or_cannot_be_asked_is_a_reason():
    absent = devices.seen(find().adapters["torch-nn"], Environment("other", sys.executable, lambda _: None))
    assert set(absent.values()) == {"torch is not installed"}
    broken = devices.seen(find().adapters["torch-nn"], Environment("other", "/bin/false", lambda _: "1"))
    assert "cannot be asked" in str(broken["gpu"])


def test_numpy_sees_the_cpu_and_says_that_it_computes_nowhere_else():
    found = devices.seen(find().adapters["numpy-manual"], own())
    assert found["cpu"] == ["CPU"]
    assert "CPU only" in str(found["gpu"])


def test_a_device_that_nobody_sees_is_one_error_with_a_hint(capsys):
    assert main.main(["run", "smoke", "-a", "numpy-manual", "--device", "gpu:0"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: no framework here sees gpu:0: ")
    assert "hint: levelfield list devices" in err
    assert main.main(["certify", "numpy-manual", "--device", "tpu:0"]) == 2


def test_a_device_that_is_none_is_refused(capsys):
    assert main.main(["run", "smoke", "--device", "npu"]) == 2
    assert "write cpu, gpu:0 or tpu:0" in capsys.readouterr().err


def test_a_process_for_the_second_gpu_sees_that_one_alone_and_takes_memory_on_demand(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    found = runtime.environment("jax", None, "gpu:1", 2)
    assert found["CUDA_VISIBLE_DEVICES"] == "1"
    assert found["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
    assert found["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    assert runtime.environment("jax", None, "gpu:1", 2)["CUDA_VISIBLE_DEVICES"] == "7"
    assert runtime.environment("jax", None, "gpu:2", 2)["CUDA_VISIBLE_DEVICES"] == "-1"
    assert runtime.environment("jax", None, "cpu", 2)["CUDA_VISIBLE_DEVICES"] == ""


@pytest.mark.frameworks
def test_every_framework_is_a_row_for_every_kind_of_device(capsys):
    assert main.main(["list", "devices", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {(row["framework"], row["device"]) for row in rows} >= {
        (name, kind) for name in ("jax", "numpy", "tensorflow", "torch") for kind in devices.DEVICE_KINDS
    }
    assert all(row["about"] for row in rows)
    assert all(row["seen"] for row in rows if row["device"] == "cpu")


BFLOAT16 = [
    info.name
    for info in find().adapters.values()
    if info.builtin and unsupported(info.limits, {"precision": "bfloat16", "device": "cpu"}) is None
]


BY_COMMAND = ("torch-nn", "jax-grad", "tensorflow-tape")  # how products are rounded is their frameworks' own


@pytest.mark.frameworks
@pytest.mark.slow
@pytest.mark.parametrize("name", BY_COMMAND)
def test_a_framework_is_certified_in_bfloat16_on_the_cpu(name, capsys):
    if missing := find().adapters[name].missing():
        pytest.skip(missing)
    mode = find().adapters[name].modes[0]
    assert main.main(["certify", name, "--mode", mode, "--quick", "--matmul-precision", "bfloat16", "--cached"]) == 0
    assert f"{name} ({mode}, bfloat16): certified" in capsys.readouterr().out


@pytest.fixture(scope="module")
def host():
    with LocalHost(find().adapters, {}, machine.describe(), machine.cores(), 900.0) as made:
        yield made


@pytest.mark.frameworks
@pytest.mark.slow
@pytest.mark.parametrize(
    "name", sorted({*BFLOAT16} - {*BY_COMMAND}, key=lambda n: (str(find().adapters[n].backend), n))
)
def test_every_other_adapter_has_the_certificate_that_a_run_needs_in_bfloat16(name, host):
    info = find().adapters[name]
    if missing := info.missing():
        pytest.skip(missing)
    subject = CertificateSubject(name, info.modes[0], "cpu", precision="bfloat16")
    host.end_all_but([subject])
    certificate = host.certify(subject, quick=True, needs=frozenset({"momentum", "relu"}))
    assert certificate.passed, failures(certificate, verbose=True)
    assert certificate.precision == "bfloat16"
