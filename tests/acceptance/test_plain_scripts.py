"""The plain scripts that the harness is held against do the adapters' work: they end with the same loss."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from levelfield.adapters import runtime
from levelfield.adapters.adapter import Setting
from levelfield.adapters.numpy.manual import NumpyManual
from levelfield.adapters.registry import find
from levelfield.harness.doctor.series import RECIPE
from levelfield.harness.plan.launches import has_compiler
from levelfield.tasks import digits, score
from levelfield.tasks.mlp import MLP
from levelfield.tasks.recipe import BatchOrder

# All modes of an adapter one after the other, so that its framework is imported once; a line before those of each
RUNNER = f"""
import sys
sys.path.insert(0, {str(Path(__file__).resolve().parent / "plain")!r})
import run
adapter, epochs, *modes = sys.argv[1:]
for mode in modes:
    print("mode", mode, flush=True)
    run.main([adapter, mode, "--epochs", epochs])
"""
EPOCHS = 3
MODES = [(info.name, mode) for info in find().adapters.values() if info.builtin for mode in info.modes]


class Watch:
    def ready(self) -> None:
        pass

    def epoch_end(self, epoch: int) -> bool:
        return True


@cache
def reference() -> float:
    """The training loss after `EPOCHS` in float64."""
    train = digits.load().train
    model = MLP((64, 128, 10))
    adapter = NumpyManual(Setting(model, RECIPE, precision="float64"))
    adapter.set_weights(model.initial_weights(0))
    adapter.fit(train, BatchOrder(len(train.x), 32, EPOCHS, 0, partial=False), Watch())
    return score.loss(adapter.predict(train.x.astype(np.float64)), train.y, "classification")


@cache
def printed(adapter: str) -> tuple[dict[str, list[dict[str, float]]], str]:
    """Mode → what the script of an adapter printed in it, as far as it came; and its errors."""
    info = find().adapters[adapter]
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, adapter, str(EPOCHS)]
        + [mode for mode in info.modes if mode != "compile" or has_compiler()],
        env=os.environ | runtime.environment(info.framework, info.backend, "cpu", 1),
        capture_output=True,
        text=True,
        timeout=900,
    )
    found: dict[str, list[dict[str, float]]] = {}
    for line in done.stdout.splitlines():
        if line.startswith("mode "):
            lines = found[line.removeprefix("mode ")] = []
        elif line.startswith("{"):
            lines.append(json.loads(line))
    return found, done.stderr


@pytest.mark.slow
@pytest.mark.frameworks
@pytest.mark.parametrize(("adapter", "mode"), MODES, ids=[f"{adapter}-{mode}" for adapter, mode in MODES])
def test_a_plain_script_ends_with_the_loss_of_the_reference(adapter, mode):
    if (missing := find().adapters[adapter].missing()) is not None:
        pytest.skip(missing)
    if mode == "compile" and not has_compiler():
        pytest.skip("torch.compile needs a C++ compiler")
    found, errors = printed(adapter)
    lines = found.get(mode)
    assert lines, errors
    times = [line["seconds"] for line in lines if "seconds" in line]
    assert len(times) == EPOCHS - 1
    assert min(times) > 0
    assert lines[-1]["loss"] == pytest.approx(reference(), rel=1e-4)
