"""``levelfield.try_out``: an adapter trained by hand, in this process."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

import levelfield
from levelfield.adapters.numpy.manual import NumpyManual
from levelfield.harness.measure.adapter_checks import BrokenContract
from levelfield.tasks.errors import UserError


def rows(text: str) -> list[tuple[int, float, float, float]]:
    found = re.findall(r"^ *(\d+) +([\d.]+) +([\d.]+)  ([\d.e+-]+)$", text, re.MULTILINE)
    return [(int(epoch), *map(float, rest)) for epoch, *rest in found]  # type: ignore[misc]


def test_each_epoch_has_its_loss_beside_the_references_and_how_far_the_weights_are_off(capsys) -> None:
    trained = levelfield.try_out(NumpyManual, "iris", epochs=4)
    told = capsys.readouterr().out
    assert told.startswith("numpy-manual (eager), iris, 4–16–3, relu, momentum, float32\n")
    found = rows(told)
    assert [epoch for epoch, *_ in found] == [0, 1, 2, 3, 4]
    assert all(loss == pytest.approx(reference, abs=2e-6) and off < 1e-5 for _, loss, reference, off in found)
    assert found[-1][1] < found[0][1]
    assert isinstance(trained, NumpyManual)


def test_a_wrong_step_shows_from_the_first_epoch_on(capsys) -> None:
    class Doubles(NumpyManual):
        def update(self, gradients):
            super().update([2 * g for g in gradients])

    levelfield.try_out(Doubles, epochs=2)
    (_, loss, reference, off), *after = rows(capsys.readouterr().out)
    assert (loss, off) == (reference, 0)
    assert all(off > 1e-2 for *_, off in after)


def test_what_it_raises_is_raised_here_and_what_it_prints_is_seen(capsys) -> None:
    class Raises(NumpyManual):
        def update(self, gradients):
            print("here")
            raise KeyError("in vain")

    with pytest.raises(KeyError, match="in vain"):
        levelfield.try_out(Raises)
    assert "here" in capsys.readouterr().out


def test_a_broken_contract_is_told_where_it_is_broken() -> None:
    class Lists(NumpyManual):
        def predict(self, x):
            return super().predict(x).tolist()

    class Deaf(NumpyManual):
        def fit(self, train, order, watch):
            watch.ready()

    with pytest.raises(BrokenContract, match=r"predict returned a builtins\.list"):
        levelfield.try_out(Lists)
    with pytest.raises(BrokenContract, match="fit returned after 0 epochs, it was asked for 3"):
        levelfield.try_out(Deaf)


def test_what_an_adapter_declares_unsupported_is_refused_with_its_reason() -> None:
    with pytest.raises(UserError, match="NumPy has no bfloat16"):
        levelfield.try_out(NumpyManual, precision="bfloat16")
    with pytest.raises(UserError, match="unknown task 'irs'"):
        levelfield.try_out(NumpyManual, "irs")


def test_importing_levelfield_imports_nothing_for_it() -> None:
    code = "import levelfield, sys; assert 'numpy' not in sys.modules; print(levelfield.try_out.__module__)"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert done.stdout == "levelfield.harness.certify.try_out\n", done.stderr
