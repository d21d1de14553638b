"""Each embedded data set is split, typed and standardised as every adapter relies on."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from levelfield.harness.judge.equivalence import LEAST_TEST_SAMPLES
from levelfield.tasks import registry
from levelfield.tasks.errors import UserError
from levelfield.tasks.task import Task

EMBEDDED = {
    "iris": (150, 4, 3),
    "digits": (1797, 64, 10),
    "digits-half": (1797, 64, 10),
    "wine": (178, 13, 3),
    "breast-cancer": (569, 30, 2),
    "blobs": (1000, 2, 2),
    "clouds": (2560, 256, 10),
}


@pytest.fixture(scope="module", params=EMBEDDED)
def task(request: pytest.FixtureRequest) -> Task:
    return registry.load(request.param)


def splits(task: Task) -> tuple:
    return task.train, task.validation, task.test


def test_every_sample_is_in_one_split(task: Task) -> None:
    samples, features, outputs = EMBEDDED[task.name]
    assert sum(len(split.x) for split in splits(task)) == samples
    assert (task.features, task.outputs) == (features, outputs)
    assert task.kind == "classification"


def test_arrays_are_float32_and_int64_and_contiguous(task: Task) -> None:
    for x, y in splits(task):
        assert x.dtype == np.float32
        assert x.shape == (len(y), task.features)
        assert x.flags.c_contiguous
        assert y.dtype == np.int64
        assert y.shape == (len(x),)
        assert np.isfinite(x).all()


def test_every_split_has_the_classes_in_the_same_proportions(task: Task) -> None:
    whole = np.concatenate([split.y for split in splits(task)])
    shares = np.bincount(whole, minlength=task.outputs) / len(whole)
    for _, y in splits(task):
        counts = np.bincount(y, minlength=task.outputs)
        assert counts.min() > 0
        assert np.abs(counts - shares * len(y)).max() <= 1.5


def test_training_features_have_mean_0_and_deviation_1(task: Task) -> None:
    x = task.train.x.astype(np.float64)
    if task.name.startswith("digits"):  # an image: one mean and one deviation for all pixels
        assert abs(x.mean()) < 1e-6
        assert abs(x.std() - 1) < 1e-6
        assert len(np.unique(task.train.x)) == 17  # the grey levels 0 … 16, moved and scaled alike
    else:
        np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-6)
        np.testing.assert_allclose(x.std(axis=0), 1, atol=1e-6)


def test_the_same_seed_gives_the_same_splits_and_another_seed_others(task: Task) -> None:
    again, other = registry.load(task.name), registry.load(task.name, seed=1)
    for old, new in zip(splits(task), splits(again), strict=True):
        np.testing.assert_array_equal(old.x, new.x)
        np.testing.assert_array_equal(old.y, new.y)
    assert not np.array_equal(task.train.x, other.train.x)


def test_a_source_and_a_licence_are_one_line_each(task: Task) -> None:
    for line in (task.source, task.licence):
        assert line.strip()
        assert "\n" not in line


def test_the_test_split_of_half_the_digits_is_large_enough_to_judge_half_a_point() -> None:
    assert len(registry.load("digits-half").test.y) >= LEAST_TEST_SAMPLES


def test_the_test_split_of_digits_resolves_half_a_percent() -> None:
    assert len(registry.load("digits").test.y) >= 250


def test_a_hidden_layer_helps_on_blobs() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    task = registry.load("blobs")
    linear = LogisticRegression().fit(*task.train).score(*task.test)
    curved = KNeighborsClassifier(15).fit(*task.train).score(*task.test)
    assert curved > linear + 0.03


def test_the_registry_describes_what_it_loads_without_importing_a_library() -> None:
    code = (
        "import sys, levelfield.tasks.registry as r; r.names(); r.describe();"
        "assert not {'numpy', 'sklearn', 'scipy', 'pandas', 'pooch'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}, check=False)
    assert done.returncode == 0
    assert list(registry.describe()) == registry.names()
    published = {"iris-whole", "digits-whole", "mnist-filters", "mnist-whole"}
    assert {*EMBEDDED, "mnist", "five-points", *published} == set(registry.names())
    assert all("\n" not in line for line in registry.describe().values())


@pytest.mark.parametrize("name", EMBEDDED)
def test_the_registry_and_the_task_agree_on_the_name_and_the_numbers(name: str) -> None:
    samples, features, _ = EMBEDDED[name]
    assert registry.load(name).name == name
    assert f"{features} features, {samples:,} samples" in registry.describe()[name]


def test_an_unknown_task_is_answered_with_the_nearest() -> None:
    with pytest.raises(UserError, match="unknown task 'irs'") as caught:
        registry.load("irs")
    assert "'iris'" in caught.value.hint
    assert "levelfield list tasks" in caught.value.hint


def test_an_unknown_task_like_no_other_is_answered_with_all_names() -> None:
    with pytest.raises(UserError) as caught:
        registry.load("zzzzz")
    assert all(name in caught.value.hint for name in registry.names())
