"""Certificates as files: what they say, and what makes them void."""

from __future__ import annotations

import itertools
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from levelfield.adapters.numpy.manual import NumpyManual
from levelfield.adapters.registry import find
from levelfield.harness.certify.examine import certify
from levelfield.harness.certify.fingerprint import fingerprint
from levelfield.harness.certify.observe import Subject
from levelfield.harness.cli.certify import line
from levelfield.harness.records.certificate import Certificate, Check, needs, valid
from levelfield.harness.system.paths import PACKAGE
from levelfield.tasks.mlp import Model


@pytest.fixture(scope="module")
def certificate() -> Certificate:
    return certify(Subject(NumpyManual, "eager"), quick=True, needs={"momentum", "relu"})


def with_checks(certificate: Certificate, *checks: Check) -> Certificate:
    return certificate.model_copy(update={"checks": checks})


def test_a_certificate_survives_its_file(certificate: Certificate) -> None:
    assert Certificate.model_validate_json(certificate.model_dump_json()) == certificate


def test_a_deviation_that_is_not_a_number_survives_its_file(certificate: Certificate) -> None:
    nan = Check(name="logits", case="a", deviation=float("nan"), tolerance=1.0, passed=False, reason="not finite")
    again = Certificate.model_validate_json(with_checks(certificate, nan).model_dump_json())
    assert again.checks[0].deviation != again.checks[0].deviation


def test_it_names_each_failed_quantity_once(certificate: Certificate) -> None:
    failed = Check(name="logits", case="a", passed=False), Check(name="logits", case="b", passed=False)
    assert with_checks(certificate, *failed, Check(name="loss", case="a", passed=True)).failed == ["logits"]


def test_a_certificate_without_a_single_passed_check_is_none(certificate: Certificate) -> None:
    unsupported = Check(name="dropout", case="a", passed=None, reason="unsupported: no dropout")
    assert not with_checks(certificate, unsupported).passed
    assert "nothing could be checked" in str(
        valid(with_checks(certificate, unsupported), certificate.fingerprint, certificate.versions)
    )


def test_the_worst_of_a_quantity_is_what_came_nearest_to_its_tolerance(certificate: Certificate) -> None:
    near = Check(name="logits", case="near", deviation=1e-11, tolerance=1e-10, passed=True)
    far = Check(name="logits", case="far", deviation=1e-8, tolerance=1e-6, passed=True)
    assert with_checks(certificate, far, near).worst["logits"].case == "near"


def test_it_holds_for_the_sources_and_versions_that_it_was_made_with(certificate: Certificate) -> None:
    info = find().adapters["numpy-manual"]
    assert valid(certificate, fingerprint(info.source), info.versions(), {"momentum", "relu"}) is None


def test_another_version_of_the_framework_voids_it(certificate: Certificate) -> None:
    assert valid(certificate, certificate.fingerprint, {"numpy": "0.1"}) is not None


def test_a_framework_that_is_gone_voids_it(certificate: Certificate) -> None:
    assert "absent" in str(valid(certificate, certificate.fingerprint, {}))


def test_what_it_does_not_cover_is_named(certificate: Certificate) -> None:
    reason = valid(certificate, certificate.fingerprint, certificate.versions, {"momentum", "dropout", "adamw"})
    assert reason == "it does not cover adamw, dropout"


def test_a_failed_certificate_names_what_failed(certificate: Certificate) -> None:
    failed = with_checks(certificate, Check(name="batch order", case="a", passed=False))
    assert valid(failed, certificate.fingerprint, certificate.versions) == "failed: batch order"


def test_a_network_without_hidden_layers_needs_neither_its_activation_nor_dropout() -> None:
    assert needs(Model(dropout=0.5), "sgd", "classification") == {"sgd"}
    deep = Model(hidden=(8, 8), activation="tanh", dropout=0.5, l2=1e-4)
    assert needs(deep, "adam", "regression") == {"adam", "tanh", "dropout", "L2", "regression"}


@pytest.mark.parametrize("words", [{"adam"}, {"dropout"}, {"nesterov", "sigmoid"}, {"L2", "regression", "adamw"}])
def test_the_quick_form_proves_what_is_needed(words: set[str]) -> None:
    assert words <= set(certify(Subject(NumpyManual, "eager"), quick=True, needs=words).proves)


def test_the_quick_form_examines_the_idiomatic_track_only_where_it_is_needed() -> None:
    for words in ({"momentum", "relu"}, {"momentum", "relu", "idiomatic"}):
        checks = {check.name for check in certify(Subject(NumpyManual, "eager"), quick=True, needs=words).checks}
        assert any(name.startswith("own ") for name in checks) is ("idiomatic" in words)


def test_the_full_form_proves_every_word() -> None:
    optimizers, activations = ("sgd", "momentum", "nesterov", "adam", "adamw"), ("relu", "tanh", "sigmoid")
    models = [Model(hidden=(8,), activation=activation, dropout=0.5, l2=1.0) for activation in activations]
    cells = itertools.product(models, optimizers)
    every = set().union(*(needs(model, o, "regression", "idiomatic") for model, o in cells))
    assert every == set(certify(Subject(NumpyManual, "eager")).proves)


class Broken(NumpyManual):
    def predict(self, x: np.ndarray) -> np.ndarray:
        raise RuntimeError("no kernel image\nis available")


class Limited(NumpyManual):
    limits = ({"optimizer": "adam", "because": "there is no Adam"},)


def test_an_adapter_that_raises_fails_with_one_line() -> None:
    failed = certify(Subject(Broken, "eager"), quick=True)
    assert not failed.passed
    reasons = {check.reason for check in failed.checks if check.name == "runs"}
    assert len(reasons) == 1
    said = r"RuntimeError: no kernel image is available \(test_certificate\.py:\d+, in predict\)"
    assert re.fullmatch(said, next(iter(reasons)))
    assert all("in predict" in check.traceback for check in failed.checks if check.name == "runs")


def test_what_is_unsupported_is_neither_passed_nor_failed_nor_proved() -> None:
    limited = certify(Subject(Limited, "eager"), quick=True)
    assert limited.passed
    assert "adam" not in limited.proves
    assert {c.reason for c in limited.checks if c.passed is None} == {"unsupported: there is no Adam"}


def test_other_seeds_are_other_cases_and_pass_too() -> None:
    first, second = (certify(Subject(NumpyManual, "eager"), quick=True, seed=seed) for seed in (1, 2))
    assert first.passed
    assert second.passed
    assert {c.case for c in first.checks} != {c.case for c in second.checks}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what a fingerprint looks at, free to be edited."""
    for room in ("tasks", "adapters", "harness"):
        shutil.copytree(PACKAGE / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr("levelfield.harness.certify.fingerprint.ROOT", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "edited",
    [
        "adapters/keras/custom_layer.py",
        "adapters/keras/fit.py",  # imported by it
        "adapters/keras/model.py",  # imported by that
        "adapters/keras/custom_layer_replicas.py",  # named by its literal `replicated`
        "adapters/keras/replicas.py",
        "adapters/tensorflow/runtime.py",
        "adapters/adapter.py",
        "adapters/numpy/manual.py",
        "tasks/mlp.py",
        "tasks/recipe.py",
        "harness/certify/order.py",
        "harness/measure/adapter_checks.py",  # what certifies replicas
        "harness/measure/train_in_ranks.py",
        "harness/measure/rank_group.py",
        "harness/plan/launches.py",  # has_compiler
        "harness/launch/worker.py",
        "harness/launch/child.py",
        "harness/launch/work.py",
        "harness/system/processes.py",
    ],
)
def test_an_edit_of_what_it_rests_on_voids_it(checkout: Path, edited: str) -> None:
    adapter = checkout / "adapters/keras/custom_layer.py"
    before = fingerprint(adapter)
    path = checkout / edited
    path.write_text(path.read_text(encoding="utf-8") + "\n# edited\n", encoding="utf-8")
    assert fingerprint(adapter) != before


@pytest.mark.parametrize(
    "edited", ["adapters/jax/grad.py", "tasks/iris.py", "harness/cli/main.py", "harness/records/store.py"]
)
def test_an_edit_of_anything_else_leaves_it_alone(checkout: Path, edited: str) -> None:
    adapter = checkout / "adapters/keras/custom_layer.py"
    before = fingerprint(adapter)
    (checkout / edited).write_text("raise SystemExit\n", encoding="utf-8")
    assert fingerprint(adapter) == before


def test_what_an_outside_adapter_imports_from_its_own_package_counts(tmp_path: Path) -> None:
    adapter, part = tmp_path / "adapter.py", tmp_path / "part.py"
    adapter.write_text("from .part import x\n", encoding="utf-8")
    part.write_text("x = 1\n", encoding="utf-8")
    before = fingerprint(adapter)
    part.write_text("x = 2\n", encoding="utf-8")
    assert fingerprint(adapter) != before


def test_a_file_beside_an_outside_adapter_counts_however_it_is_imported(tmp_path: Path) -> None:
    adapter, part = tmp_path / "flat_adapter.py", tmp_path / "flat_part.py"
    adapter.write_text("import importlib\n\npart = importlib.import_module('flat_' + 'part')\n", encoding="utf-8")
    part.write_text("x = 1\n", encoding="utf-8")
    before = fingerprint(adapter)
    part.write_text("x = 2\n", encoding="utf-8")
    assert fingerprint(adapter) != before


def test_all_files_of_an_outside_package_count_and_where_it_lies_does_not(tmp_path: Path) -> None:
    found = []
    for place in ("here", "there"):
        package = tmp_path / place / "outside"
        (package / "parts").mkdir(parents=True)
        for file in ("__init__.py", "adapter.py", "parts/__init__.py", "parts/ops.py"):
            (package / file).write_text("x = 1\n", encoding="utf-8")
        found.append(fingerprint(package / "adapter.py"))
    assert found[0] == found[1]
    (package / "parts/ops.py").write_text("x = 2\n", encoding="utf-8")
    assert fingerprint(package / "adapter.py") != found[1]


def test_the_files_that_a_distribution_lists_count(overlay_like: tuple[Path, Path]) -> None:
    adapter, part = overlay_like
    before = fingerprint(adapter, "levelfield-outside")
    part.write_text("x = 2\n", encoding="utf-8")
    assert fingerprint(adapter, "levelfield-outside") != before
    (adapter.parent / "a_neighbour.py").write_text("x = 3\n", encoding="utf-8")
    part.write_text("x = 1\n", encoding="utf-8")
    assert fingerprint(adapter, "levelfield-outside") == before


@pytest.fixture
def overlay_like(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """An adapter and another module, installed from one distribution as pip leaves it."""
    about = tmp_path / "levelfield_outside-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: levelfield-outside\nVersion: 1.0\n")
    (about / "RECORD").write_text("outside_adapter.py,,\noutside_ops.py,,\nlevelfield_outside-1.0.dist-info/RECORD,,\n")
    for name in ("outside_adapter.py", "outside_ops.py"):
        (tmp_path / name).write_text("x = 1\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / "outside_adapter.py", tmp_path / "outside_ops.py"


@pytest.mark.parametrize(
    ("check", "says"),
    [
        (
            Check(name="loss", case="a", deviation=1e-11, tolerance=1e-10, passed=True),
            "nearest loss: 1.0e-11 of 1.0e-10",
        ),
        (
            Check(name="loss", case="a", deviation=0.6, tolerance=1e-10, passed=False, reason="too far"),
            "furthest off loss: 6.0e-01, at most 1.0e-10",
        ),
    ],
)
def test_its_line_says_how_near_it_came_to_a_bound_or_how_far_beyond(certificate: Certificate, check, says) -> None:
    assert line(with_checks(certificate, check)).endswith(says)


def test_the_pages_for_several_devices_for_fast_modes_and_for_one_are_under_one_hash():
    for info in find().adapters.values():
        if info.builtin:
            assert fingerprint(info.source) == fingerprint(info.of(2).source), info.name
            assert fingerprint(info.source) == fingerprint(info.of(1, info.every_mode[-1]).source), info.name
