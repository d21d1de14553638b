"""One adapter in one mode per process, as `bench.py` starts them; without ``--adapter`` nothing here is collected.

`fit` keeps the loop and the benchmark wants to call one epoch at a time, so `fit` runs in a greenlet: `advance` lets it
go on until the next epoch has ended on a synchronised device.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

BATCH = 32
MOST_EPOCHS = 10_000_000
REPEATS = 5


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--adapter", help="the adapter to time")
    parser.addoption("--mode", help="its mode")
    parser.addoption("--threads", type=int, default=1, help="that this process was given")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return None if config.getoption("--adapter", None) else True


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "subject" in metafunc.fixturenames:
        name, mode = metafunc.config.getoption("--adapter"), metafunc.config.getoption("--mode")
        metafunc.parametrize("subject", [(name, mode)], ids=[f"{name}-{mode}"], scope="session")


class Training:
    """A training under way, an epoch at a time."""

    def __init__(self, model: Any, split: Any) -> None:
        from greenlet import getcurrent, greenlet

        from levelfield.tasks.recipe import BatchOrder

        self.model, self.goes_on, self.outside = model, True, getcurrent()
        order = BatchOrder(len(split.x), BATCH, MOST_EPOCHS, 0, partial=False)
        self.steps = order.steps
        self.inside = greenlet(lambda: model.fit(split, order, self))
        self.inside.switch()
        for _ in range(3):  # traces, compiles, and settles
            self.advance()

    def ready(self) -> None:
        self.model.synchronize()
        self.outside.switch()

    def epoch_end(self, epoch: int) -> bool:
        self.model.synchronize()
        self.outside.switch()
        return self.goes_on

    def advance(self) -> None:
        """One epoch."""
        self.inside.switch()
        assert not self.inside.dead, "fit has ended"

    def close(self) -> None:
        self.goes_on = False
        while not self.inside.dead:
            self.inside.switch()


@pytest.fixture(scope="session")
def task() -> Any:
    from levelfield.tasks import digits

    return digits.load()


@pytest.fixture
def model(subject: tuple[str, str], task: Any, pytestconfig: pytest.Config) -> Any:
    """A fresh adapter for digits, 64–128–10, momentum, with the canonical initial weights."""
    from levelfield.adapters import runtime
    from levelfield.adapters.adapter import Setting
    from levelfield.adapters.registry import find
    from levelfield.tasks.mlp import MLP
    from levelfield.tasks.recipe import Recipe

    name, mode = subject
    info = find().adapters[name]
    network = MLP((task.features, 128, task.outputs))
    recipe = Recipe("momentum", learning_rate=0.01, batch_size=BATCH)
    setting = Setting(network, recipe, mode=mode, threads=pytestconfig.getoption("--threads"))
    runtime.load(runtime.place(info)).configure(setting)
    adapter = getattr(importlib.import_module(info.module), info.qualname)(setting)
    adapter.set_weights(network.initial_weights(0))
    return adapter


@pytest.fixture
def epochs(model: Any, task: Any) -> Iterator[Training]:
    """A training on the whole training split."""
    training = Training(model, task.train)
    yield training
    training.close()


@pytest.fixture
def long_epochs(model: Any, task: Any) -> Iterator[Training]:
    """A training on `REPEATS` times the training split: what an epoch costs besides its steps hardly counts."""
    x, y = (np.concatenate([array] * REPEATS) for array in task.train)
    training = Training(model, type(task.train)(x, y))
    yield training
    training.close()
