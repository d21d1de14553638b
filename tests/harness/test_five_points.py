"""The lesson's numbers, from the command line, for every adapter that learns a regression."""

from __future__ import annotations

import numpy as np
import pytest

from levelfield.adapters.registry import find
from levelfield.harness.records import store
from levelfield.tasks import registry

TASK = registry.load("five-points")
WITHOUT = {info.name for info in find().adapters.values() for limit in info.limits if limit.get("kind") == "regression"}
WITH = sorted(find().adapters.keys() - WITHOUT)


@pytest.fixture(scope="module")
def run(levelfield):
    def of(adapter: str) -> store.Contents:
        process = levelfield.start("run", "five-points", "-a", adapter, "-o", adapter)
        _, told = process.communicate(timeout=900)  # 800 epochs of Keras on TensorFlow take long on a busy machine
        assert process.returncode == 0, told
        return store.read(levelfield.folder / adapter)

    return of


@pytest.mark.slow
@pytest.mark.frameworks
@pytest.mark.parametrize("adapter", WITH)
def test_the_line_and_the_network_have_the_errors_of_the_lesson(run, adapter):
    found = run(adapter)
    assert found.certificates
    assert all(certificate.passed for certificate in found.certificates)
    for model, train, validation in (("line", (5.3, 0.1), (5.1, 0.1)), ("network", (0.0, 0.01), (20, 2))):
        records = [r for r in found.records if r.cell.model.name == model]
        assert len(records) == (10 if adapter == "numpy-manual" else 1)
        for record in records:
            assert record.status == "ok", record.reason
            assert record.final.train.loss == pytest.approx(train[0], abs=train[1])
            assert record.final.validation.loss == pytest.approx(validation[0], abs=validation[1])


def test_every_seed_has_them_and_its_fitted_curve_goes_through_the_training_points(levelfield):
    done = levelfield("run", "five-points", "-a", "numpy-manual", "--full", "-o", "full")
    assert done.returncode == 0, done.stderr
    records = [r for r in store.read(levelfield.folder / "full").records if r.cell.model.name == "network"]
    assert len(records) == 40
    for record in records:
        assert record.final.train.loss < 0.01
        assert record.final.validation.loss == pytest.approx(20, abs=2)
        x, y = np.array(record.curve).T
        assert np.interp(TASK.train.x[:, 0], x, y) == pytest.approx(TASK.train.y[:, 0], abs=0.4)
    page = (levelfield.folder / "full" / "report.html").read_text()
    assert "Along parameters, from 2 (line) to 7 (network): the training loss falls from 5.3" in page
    assert "What was fitted to five points" in page


def test_what_learns_no_regression_says_why(run):
    assert {*WITHOUT} == {"sklearn-mlp"}
    records = run("sklearn-mlp").records
    assert {r.status for r in records} == {"unsupported"}
    assert all("MLPRegressor" in r.reason for r in records)
