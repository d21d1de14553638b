"""Early stopping: when it stops, what it calls the best, and that every launch ends with that snapshot."""

from __future__ import annotations

from itertools import pairwise
from math import nan
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from levelfield.adapters.adapter import Setting
from levelfield.adapters.numpy.manual import NumpyManual
from levelfield.adapters.runtime import PLAIN, load
from levelfield.harness.measure import learning, protocol
from levelfield.tasks import registry
from levelfield.tasks.early_stopping import EarlyStopping, Stopper
from levelfield.tasks.mlp import MLP
from levelfield.tasks.recipe import Recipe

losses = st.lists(st.floats(0, 10) | st.just(nan), min_size=1, max_size=40)
rules = st.builds(EarlyStopping, patience=st.integers(0, 8), min_delta=st.floats(0, 1))


def run(rule: EarlyStopping, values: list[float]) -> tuple[list[bool], int | None]:
    """Which values were improvements, and after how many it stopped."""
    stopper, improved = Stopper(rule), []
    for number, value in enumerate(values, start=1):
        improved.append(stopper.improves(value))
        if stopper.stops:
            return improved, number
    return improved, None


@given(rules, losses)
def test_it_never_stops_before_patience_is_spent_since_the_last_improvement(rule, values):
    improved, stopped = run(rule, values)
    wait = max(rule.patience, 1)
    if stopped is not None:
        assert stopped >= wait
        assert not any(improved[-wait:])
    else:
        assert any(improved[-wait:]) or len(values) < wait


@given(rules, losses)
def test_each_improvement_is_more_than_min_delta_below_the_one_before(rule, values):
    improved, _ = run(rule, values)
    kept = [value for value, better in zip(values, improved, strict=False) if better]
    assert all(later < earlier - rule.min_delta for earlier, later in pairwise(kept))


@given(losses)
def test_without_min_delta_the_best_is_the_first_of_the_smallest_that_were_seen(values):
    stopper = Stopper(EarlyStopping(patience=3))
    seen, best = [], None
    for number, value in enumerate(values):
        seen.append(value)
        if stopper.improves(value):
            best = number
        if stopper.stops:
            break
    finite = [value for value in seen if value == value]
    assert best == (seen.index(min(finite)) if finite else None)


def test_ties_and_nan_are_no_improvement():
    assert run(EarlyStopping(patience=2), [1.0, 1.0, nan]) == ([True, False, False], 3)
    assert run(EarlyStopping(patience=0), [nan]) == ([False], 1)


IRIS = registry.load("iris")
SETTING = Setting(MLP((4, 32, 3)), Recipe("adam", 0.05, batch_size=8, epochs=60), mode="eager")


def learn(setting: Setting = SETTING, adapter: type[NumpyManual] = NumpyManual, **how: object) -> dict:
    return protocol.launch("learning", adapter, load(PLAIN), setting, IRIS, 0.0, learning.Learning(**how))


def test_a_launch_stops_early_and_its_final_scores_are_those_of_the_best_snapshot():
    result = learn(stopping=EarlyStopping(patience=3))
    assert len(result["epochs"]) < 61
    best = min(result["epochs"][1:], key=lambda s: s["validation"]["loss"])
    assert result["final"] == best
    assert result["final"]["epoch"] == result["epochs"][-1]["epoch"] - 3


def test_the_idiomatic_track_stops_as_the_framework_does_by_default():
    class Restless(NumpyManual):  # its literal is read, never changed
        stopping: ClassVar = {"patience": 0, "min_delta": 0.0, "restore_best": False}

    asked = EarlyStopping(patience=3)
    idiomatic = Setting(SETTING.model, SETTING.recipe, mode="eager", track="idiomatic")
    assert learning.stopping(Restless, SETTING, asked) == asked
    assert learning.stopping(Restless, idiomatic, asked) == EarlyStopping(patience=0, restore_best=False)
    assert learning.stopping(Restless, idiomatic, None) is None
    assert learning.stopping(NumpyManual, idiomatic, asked) is None


@pytest.mark.parametrize(("every", "epochs"), [(1, [0, 1, 2, 3, 4, 5]), (2, [0, 2, 4, 5])])
def test_evaluation_comes_every_so_many_epochs_and_after_the_last(every, epochs):
    recipe = Recipe("sgd", 0.05, batch_size=8, epochs=5)
    result = learn(Setting(SETTING.model, recipe, mode="eager"), every=every)
    assert [scores["epoch"] for scores in result["epochs"]] == epochs


def test_predictions_on_the_test_split_are_kept_where_they_are_asked_for():
    kept = np.array(learn(predictions=True)["test_log_probabilities"])
    assert kept.shape == (len(IRIS.test.x), 3)
    assert np.exp(kept).sum(axis=1) == pytest.approx(1, abs=1e-3)
    assert "test_log_probabilities" not in learn()
