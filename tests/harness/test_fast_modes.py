"""Modes that a framework's guide recommends: timed where they are asked for, nowhere else; certified like others."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from levelfield.adapters.adapter import Setting
from levelfield.adapters.limits import refusal
from levelfield.adapters.registry import find
from levelfield.adapters.runtime import TORCH_COMPILES, compiles
from levelfield.harness.cli import main
from levelfield.harness.cli.certify import TIME_LIMIT, failures
from levelfield.harness.launch.local import LocalHost
from levelfield.harness.plan import suite
from levelfield.harness.plan.launches import Selection, Surroundings, has_compiler, plan
from levelfield.harness.run.certify_first import needed
from levelfield.harness.system import machine
from levelfield.tasks import registry as tasks
from levelfield.tasks.mlp import MLP
from levelfield.tasks.recipe import Recipe

OURS = {name: info for name, info in find().adapters.items() if info.builtin}
ASKED = [(info, mode) for info in OURS.values() for mode in info.every_mode if mode not in info.modes]


def planned(name, **selection):
    chosen = suite.read(name)[0]
    names = (task for part in (*chosen.speed, *chosen.learning) for task in part.task)
    there = dict.fromkeys(names, tasks.load("iris"))  # which modes are run does not depend on the data
    return plan(chosen, Surroundings(OURS, there, cores=2), Selection(**selection))


def cells(launches):
    return {(one.cell.adapter, one.cell.mode) for one in launches}


def unsupported(info, mode):
    return refusal(info, Setting(MLP((4, 8, 3)), Recipe("sgd"), mode=mode), compiler=True) is not None


def test_the_suite_guides_has_of_each_adapter_the_default_mode_and_those_of_its_guide():
    assert cells(planned("guides")) == {
        (name, mode) for name, info in OURS.items() for mode in (info.modes[0], *info.fast_modes)
    }


@pytest.mark.parametrize("name", ["default", "defaults", "parity", "scaling", "smoke", "thorough"])
def test_no_other_suite_has_a_mode_that_is_only_recommended(name):
    assert ASKED
    assert cells(planned(name)) & {(info.name, mode) for info, mode in ASKED} == set()


def test_such_a_mode_can_be_asked_for_by_name_in_any_suite():
    assert cells(planned("default", adapter=("torch-nn",), mode=("fused",))) == {("torch-nn", "fused")}


def test_what_is_for_gpus_says_why_it_is_unsupported_on_a_cpu():
    told = {one.cell.mode: one.skip for one in planned("guides", adapter=("torch-nn",)) if one.unsupported}
    assert told.keys() == {"reduce-overhead", "max-autotune"}
    assert "CUDA graphs" in told["reduce-overhead"]
    nn = OURS["torch-nn"]
    assert (
        refusal(nn, Setting(MLP((4, 8, 3)), Recipe("sgd"), mode="max-autotune", device="gpu:0"), compiler=True) is None
    )


def test_they_are_run_on_one_device_only():
    several = Setting(MLP((4, 8, 3)), Recipe("sgd", batch_size=2), mode="donate", replicas=2, replication="devices")
    assert refusal(OURS["jax-grad"], several, compiler=True) == "modes that a guide recommends are run on one device"


@pytest.mark.parametrize(("info", "mode"), ASKED, ids=lambda one: getattr(one, "name", one))
def test_each_has_a_link_and_two_sentences(info, mode):
    told = info.fast_modes[mode]
    assert told["page"].startswith("https://")
    assert told["why_not_default"].endswith(".")
    assert not told["does"].endswith(".")


def test_what_is_not_compiled_is_not_taken_for_compiled():
    eager = {mode for info, mode in ASKED if not compiles(mode, info.runtime)}
    assert eager == {"foreach", "fused", "barebones", "fabric"}


def test_the_list_of_adapters_has_them_behind_the_usual_modes(capsys):
    main.main(["list", "adapters", "--json"])
    [nn] = [row for row in json.loads(capsys.readouterr().out) if row["name"] == "torch-nn"]
    assert nn["modes"].split()[:2] == ["eager", "compile"]
    assert {"fused", "foreach"} <= set(nn["modes"].split())
    assert nn["fast_modes"]["fused"]["page"] == "https://docs.pytorch.org/docs/stable/optim.html"


@pytest.fixture(scope="module")
def host() -> Iterator[LocalHost]:
    with LocalHost(OURS, {}, machine.describe(True), machine.cores(), TIME_LIMIT) as found:
        yield found


@pytest.mark.slow
@pytest.mark.frameworks
@pytest.mark.parametrize(
    ("name", "mode"), [(info.name, mode) for info, mode in ASKED if not unsupported(info, mode)], ids=str
)
def test_each_has_the_certificate_that_the_suite_guides_needs(name, mode, host):
    if (missing := OURS[name].missing()) is not None:
        pytest.skip(missing)
    if mode in TORCH_COMPILES and not has_compiler():
        pytest.skip("torch.compile needs a C++ compiler")
    launches = planned("guides", adapter=(name,), mode=(mode,))
    [(subject, words)] = needed(launches, {"digits": tasks.load("digits")}).items()
    certificate = host.certify(subject, True, words)
    assert certificate.passed, failures(certificate, verbose=True)
    assert certificate.mode == mode
