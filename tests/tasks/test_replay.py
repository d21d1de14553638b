"""A replay draws what scikit-learn's MLPClassifier draws, and its losses and its end are those that it tells."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neural_network import MLPClassifier

from levelfield.adapters.adapter import Setting
from levelfield.adapters.numpy.manual import NumpyManual
from levelfield.adapters.runtime import PLAIN, load
from levelfield.harness.measure import learning, protocol
from levelfield.tasks import registry
from levelfield.tasks.mlp import MLP, Activation
from levelfield.tasks.recipe import Recipe
from levelfield.tasks.replay import PATIENCE, TOLERANCE, Convergence, Draws, step_order
from levelfield.tasks.task import Task

WHOLE = registry.load("iris-whole")
ALPHA = 1e-4


def theirs(task: Task, recipe: Recipe, seed: int, alpha: float, **how: object) -> MLPClassifier:
    with warnings.catch_warnings(action="ignore"):
        return MLPClassifier(
            random_state=seed,
            solver="sgd",
            alpha=alpha,
            batch_size=recipe.batch_size,
            max_iter=recipe.epochs,
            learning_rate_init=recipe.learning_rate,
            momentum=0.0 if recipe.optimizer == "sgd" else recipe.momentum,
            nesterovs_momentum=recipe.optimizer == "nesterov",
            **how,
        ).fit(task.train.x, task.train.y)


def ours(task: Task, model: MLP, recipe: Recipe, seed: int, precision: str = "float64") -> dict:
    setting = Setting(model, recipe, mode="eager", precision=precision, seed=seed, replays="scikit-learn")
    how = learning.Learning(every=1000)
    return protocol.launch("learning", NumpyManual, load(PLAIN), setting, task, 0.0, how)


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
@pytest.mark.parametrize(("optimizer", "batch"), [("sgd", 150), ("momentum", 40), ("nesterov", 7)])
def test_the_losses_of_all_epochs_are_those_that_the_classifier_tells(activation: Activation, optimizer, batch):
    recipe = Recipe(optimizer, 0.05, batch_size=batch, epochs=12)
    words = {"activation": "logistic" if activation == "sigmoid" else activation, "hidden_layer_sizes": (9, 5)}
    found = ours(WHOLE, MLP((4, 9, 5, 3), activation=activation), recipe, seed=3)
    known = theirs(WHOLE, recipe, 3, 0.0, **words)
    np.testing.assert_allclose(found["running_losses"], known.loss_curve_, rtol=1e-9)
    assert found["final"]["train"]["accuracy"] == known.score(WHOLE.train.x, WHOLE.train.y)


def test_a_penalty_is_counted_as_the_classifier_counts_it():
    recipe = Recipe("nesterov", 0.2, batch_size=150, epochs=30)
    found = ours(WHOLE, MLP((4, 20, 3), l2=0.1 / (2 * 150)), recipe, seed=0)
    known = theirs(WHOLE, recipe, 0, 0.1, hidden_layer_sizes=(20,))
    np.testing.assert_allclose(found["running_losses"], known.loss_curve_, rtol=1e-9)


def test_training_ends_where_the_classifier_ends_it():
    recipe = Recipe("momentum", 0.2, batch_size=150, epochs=400)
    found = ours(WHOLE, MLP((4, 100, 3), l2=ALPHA / (2 * 150)), recipe, seed=0)
    known = theirs(WHOLE, recipe, 0, ALPHA)
    assert len(found["running_losses"]) == known.n_iter_ < recipe.epochs
    assert found["final"]["epoch"] == known.n_iter_


def test_adams_epsilon_before_the_bias_correction_gives_the_figure_that_was_published():
    class Before(NumpyManual):
        def update(self, gradients: list[np.ndarray]) -> None:
            r = self.recipe
            self.steps += 1
            rate = r.learning_rate * np.sqrt(1 - r.beta2**self.steps) / (1 - r.beta1**self.steps)
            for w, g, m, v in zip(self.parameters, gradients, self.first, self.second, strict=True):
                m += (1 - r.beta1) * (g - m)
                v += (1 - r.beta2) * (g * g - v)
                w -= rate * m / (np.sqrt(v) + r.epsilon)

    recipe = Recipe("adam", 0.01, batch_size=150, epochs=400)
    model = MLP((4, 100, 3), l2=ALPHA / (2 * 150))
    setting = Setting(model, recipe, mode="eager", precision="float64", replays="scikit-learn")
    found = protocol.launch("learning", Before, load(PLAIN), setting, WHOLE, 0.0, learning.Learning(every=1000))
    assert f"{found['running_losses'][-1]:.6f}" == "0.045311"


@settings(deadline=None)
@given(samples=st.integers(1, 60), batch=st.integers(1, 70), epochs=st.integers(1, 4), seed=st.integers(0, 2**32 - 1))
def test_the_steps_of_an_epoch_see_each_sample_once(samples: int, batch: int, epochs: int, seed: int) -> None:
    order = step_order(MLP((2, 3)), Recipe(batch_size=batch, epochs=epochs), samples, seed)
    steps = order.steps_of_pass
    assert order.epochs == epochs * steps
    for first in range(0, order.epochs, steps):
        batches = [order.epoch(first + step) for step in range(steps)]
        assert sorted(np.concatenate(batches)) == list(range(samples))
        assert all(len(own) == min(batch, samples) for own in batches[:-1])
        assert all(len(list(order.batches(first + step))) == 1 for step in range(steps))


def test_an_epoch_can_be_asked_for_in_any_order():
    one, other = (step_order(MLP((2, 3)), Recipe(batch_size=4, epochs=5), 10, seed=1) for _ in range(2))
    backwards = [other.epoch(step) for step in reversed(range(other.epochs))]
    for step in range(one.epochs):
        np.testing.assert_array_equal(one.epoch(step), backwards[-1 - step])


def test_initial_weights_have_all_digits_and_biases_too():
    (first, _), again = Draws(MLP((4, 5, 3)), 7).layers, Draws(MLP((4, 5, 3)), 7).layers
    assert first.kernel.dtype == first.bias.dtype == np.float64
    np.testing.assert_array_equal(first.bias, again[0].bias)
    assert first.bias.any()


def test_training_goes_on_while_the_loss_falls_by_more_than_the_tolerance():
    falling, level = Convergence(), Convergence()
    assert not any(falling.reached(1 - 2 * TOLERANCE * i) for i in range(100))
    assert [level.reached(1.0) for _ in range(PATIENCE + 2)] == [False] * (PATIENCE + 1) + [True]


@pytest.mark.parametrize(("name", "samples"), [("iris-whole", 150), ("digits-whole", 1797)])
def test_a_whole_task_sets_nothing_aside_and_lies_between_0_and_1(name: str, samples: int) -> None:
    task = registry.load(name)
    assert len(task.train.x) == samples
    assert task.train.x.dtype == np.float64
    assert task.train.x.min() == 0
    assert task.train.x.max() == 1
    assert task.test is task.train
