"""Data-parallel training on several devices of one process, from the command line: certified, placed, kept apart."""

from __future__ import annotations

from collections import Counter

import pytest

from levelfield.adapters.registry import find
from levelfield.harness.cli.certify import failures, unsupported_mode
from levelfield.harness.launch.local import LocalHost
from levelfield.harness.plan.launches import CertificateSubject
from levelfield.harness.records import store
from levelfield.harness.system import machine

PART = """modes = "default"
replicas = [1, 2]
replication = "devices"
"""
# Adapters that compute rightly and distribute nothing: one that says where it computed, one that asks the compiler
PRETENDERS = """
from levelfield.adapters.jax.grad_mesh import GradMesh
from levelfield.adapters.numpy.manual import NumpyManual

class Alone(NumpyManual):
    name = "alone"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    replication = ("devices",)

    def __init__(self, setting):
        super().__init__(setting)
        self.placement = lambda: {"cpu": setting.recipe.batch_size}

class Alike(GradMesh):
    name = "alike"
    framework = "jax"
    api = "low"
    modes = ("jit",)
    replication = ("devices",)
    replicated = None

    def __init__(self, setting):
        super().__init__(setting)
        self.replicas.split = lambda indices: indices
"""

pytestmark = pytest.mark.frameworks


@pytest.fixture(scope="module")
def levelfield(command_line, tiny):
    levelfield = command_line()
    learning = PART + 'adapters = ["jax-grad", "numpy-manual"]\nseeds = 1'
    speed = PART + 'adapters = ["jax-grad", "numpy-manual"]\nblocks = 1\nseconds = 0.02\nthreads = 1'
    suite = tiny(learning=learning, speed=speed)
    (levelfield.folder / "two.toml").write_text(suite)
    done = levelfield("run", "two.toml", "-o", "two")
    assert done.returncode == 0, done.stderr
    return levelfield


@pytest.fixture(scope="module")
def records(levelfield):
    return store.read(levelfield.folder / "two").records


def test_an_adapter_has_a_cell_for_each_number_of_replicas_and_one_that_cannot_says_so(records):
    found = Counter((r.cell.adapter, r.cell.replicas, r.cell.replication, r.status) for r in records)
    assert found == {
        ("jax-grad", 1, None, "ok"): 2,
        ("jax-grad", 2, "devices", "ok"): 2,
        ("numpy-manual", 1, None, "ok"): 2,
        ("numpy-manual", 2, "devices", "unsupported"): 2,
    }
    assert {r.reason for r in records if r.status == "unsupported"} == {"it has no training on several devices"}


def test_a_record_tells_how_many_samples_of_a_batch_each_device_computed(records):
    for record in records:
        two = record.cell.replicas == 2 and record.status == "ok"
        assert list(record.placement.values()) == ([8, 8] if two else [])


def test_each_number_of_replicas_has_a_certificate_of_its_own(levelfield):
    certificates = store.read(levelfield.folder / "two").certificates
    assert {(c.adapter, c.replicas, c.passed) for c in certificates} == {
        ("jax-grad", 1, True),
        ("jax-grad", 2, True),
        ("numpy-manual", 1, True),
    }


def test_two_devices_learn_what_one_learns(records):
    curves = {
        (r.cell.adapter, r.cell.replicas): [e.train.loss for e in r.epochs]
        for r in records
        if r.cell.kind == "learning" and r.status == "ok"
    }
    for (adapter, _), curve in curves.items():
        assert curve == pytest.approx(curves[adapter, 1], rel=1e-5)


def test_the_page_and_the_terminal_show_two_devices_apart_and_call_it_no_measurement_of_scaling(levelfield):
    told = levelfield.inside("show", "two").stdout
    assert "Speed: flowers · small · momentum, matched, cpu, 1 thread\n" in told
    assert "Speed: flowers · small · momentum, matched, cpu, 1 thread, 2 devices on the same cores\n" in told
    page = (levelfield.folder / "two" / "report.html").read_text(encoding="utf-8")
    assert "2 devices on the same cores: not a scaling measurement" in told
    for text in (told, page):
        assert "2 devices on the same cores" in text
        assert "it has no training on several devices" in text
    assert "8 on cpu:0, 8 on cpu:1" in page


@pytest.fixture(scope="module")
def pretending(command_line, install, tmp_path_factory):
    names = {"alone": "pretenders:Alone", "alike": "pretenders:Alike"}
    plugin = install(tmp_path_factory.mktemp("pretenders"), names, {"pretenders.py": PRETENDERS})
    return command_line(plugins=[plugin])


@pytest.mark.parametrize(
    ("name", "mode", "told"), [("alone", "eager", "8 on cpu"), ("alike", "jit", "8 on cpu:0, 8 on cpu:1")]
)
def test_right_weights_from_work_that_was_not_distributed_are_no_certificate(pretending, name, mode, told):
    done = pretending("certify", name, "--replicas", 2, "--quick")
    assert done.returncode == 1
    assert done.stdout.startswith(f"{name} ({mode}, 2 devices): NOT certified (work distributed); ")
    reason = f"the work was not distributed over 2 devices: of a batch of 8 samples, this process computed {told}"
    assert f", float32: {reason}\n" in done.stdout


def test_an_adapter_without_it_is_named_with_the_reason(pretending):
    done = pretending("certify", "numpy-manual", "--replicas", 2)
    assert done.returncode == 5
    assert "unsupported: numpy-manual (eager): it has no training on several devices" in done.stderr


# All adapters

ON_TWO = [
    (info.name, mode)
    for info in find().adapters.values()
    if info.builtin and "devices" in info.replication
    for mode in info.modes
]


@pytest.fixture(scope="module")
def host():
    with LocalHost(find().adapters, {}, machine.describe(), machine.cores(), 900.0) as made:
        yield made


@pytest.mark.slow
@pytest.mark.parametrize(("name", "mode"), ON_TWO)
def test_all_that_train_on_several_devices_are_certified_on_two(host, name, mode):
    """What is of two devices: the sums of gradients, shares that are not equal, and the masks of each sample."""
    info = find().adapters[name]
    if missing := info.missing():
        pytest.skip(missing)
    refused = unsupported_mode(info, mode, replicas=2, replication="devices")
    assert (refused is not None) == ((name, mode) == ("keras-tensorflow", "steps-per-execution"))
    if refused is None:
        subject = CertificateSubject(name, mode, "cpu", replicas=2, replication="devices")
        host.end_all_but([subject])
        certificate = host.certify(subject, quick=True, needs=frozenset({"momentum", "relu", "dropout", "uneven"}))
        assert certificate.passed, failures(certificate, verbose=True)
        assert {"momentum", "relu", "sgd"} <= set(certificate.proves)
