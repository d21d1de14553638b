"""The lesson's numbers, from the command line, for an adapter of every framework that learns a regression."""

from __future__ import annotations

import numpy as np
import pytest

from levelfield.adapters.registry import find
from levelfield.harness.records import store
from levelfield.tasks import registry

TASK = registry.load("five-points")
WITHOUT = {info.name for info in find().adapters.values() for limit in info.limits if limit.get("kind") == "regression"}
WITH = ["numpy-manual", "torch-nn", "torch-lightning", "tensorflow-tape", "jax-grad", "flax-nnx", "keras-jax"]


pytestmark = [pytest.mark.slow, pytest.mark.frameworks]


@pytest.fixture(scope="module")
def folder(levelfield):
    """Of one run: forty seeds of the baseline, one of every other adapter."""
    chosen = [word for name in (*WITH, *WITHOUT) for word in ("-a", name)]
    process = levelfield.start("run", "five-points", "--full", *chosen, "-o", "full")
    _, told = process.communicate(timeout=1800)
    assert process.returncode == 0, told
    return levelfield.folder / "full"


@pytest.fixture(scope="module")
def found(folder):
    return store.read(folder)


def test_these_are_of_every_framework():
    adapters = find().adapters
    assert {adapters[name].framework for name in (*WITH, *WITHOUT)} == {info.framework for info in adapters.values()}


@pytest.mark.parametrize("adapter", WITH)
def test_the_line_and_the_network_have_the_errors_of_the_lesson(found, adapter):
    certificates = [c for c in found.certificates if c.adapter == adapter]
    assert certificates
    assert all(certificate.passed for certificate in certificates)
    for model, train, validation in (("line", (5.3, 0.1), (5.1, 0.1)), ("network", (0.0, 0.01), (20, 2))):
        records = [r for r in found.records if (r.cell.adapter, r.cell.model.name) == (adapter, model)]
        assert len(records) == (40 if adapter == "numpy-manual" else 1)
        for record in records:
            assert record.status == "ok", record.reason
            assert record.final.train.loss == pytest.approx(train[0], abs=train[1])
            assert record.final.validation.loss == pytest.approx(validation[0], abs=validation[1])


def test_every_fitted_curve_goes_through_the_training_points(found, folder):
    records = [r for r in found.records if (r.cell.adapter, r.cell.model.name) == ("numpy-manual", "network")]
    for record in records:
        x, y = np.array(record.curve).T
        assert np.interp(TASK.train.x[:, 0], x, y) == pytest.approx(TASK.train.y[:, 0], abs=0.4)
    page = (folder / "report.html").read_text()
    assert "Along parameters, from 2 (line) to 7 (network): the training loss falls from 5.3" in page
    assert "What was fitted to five points" in page


def test_what_learns_no_regression_says_why(found):
    assert {*WITHOUT} == {"sklearn-mlp"}
    records = [r for r in found.records if r.cell.adapter == "sklearn-mlp"]
    assert {r.status for r in records} == {"unsupported"}
    assert all("MLPRegressor" in r.reason for r in records)
