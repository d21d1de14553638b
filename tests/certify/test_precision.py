"""Certificates in lower precision: right adapters pass, wrong ones and those of another precision do not."""

from __future__ import annotations

import numpy as np
import pytest

from levelfield.adapters.adapter import Precision, Setting
from levelfield.adapters.numpy.manual import NumpyManual
from levelfield.harness.certify.behaviour import synchronize
from levelfield.harness.certify.catalogue import plan
from levelfield.harness.certify.examine import certify, conclude
from levelfield.harness.certify.observe import Subject
from levelfield.harness.certify.order import telling
from levelfield.harness.certify.rounded import UNIT, VARIANTS, Bfloat16Results, Rounded, Rounding, Tf32, shorten
from levelfield.harness.certify.sketches import Steps, broad, drawn, ordered
from levelfield.harness.records.certificate import Check
from levelfield.tasks.recipe import BatchOrder


class Mixed(Rounded):
    """A right adapter: NumPy whose products are rounded to bfloat16, whatever is asked."""

    limits = ()
    kind: type[Rounding] = Bfloat16Results

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting, self.kind)


class Single(NumpyManual):
    """Computes in float32, whatever is asked."""

    limits = ()


class Digits(Mixed):
    """Computes in TF32, whatever is asked."""

    kind = Tf32


class Late(Mixed):
    def fit(self, train, order, watch):  # type: ignore[no-untyped-def]
        class Next(BatchOrder):
            def epoch(self, epoch: int) -> np.ndarray:
                return super().epoch(epoch + 1)

        given = (order.samples, order.batch_size, order.epochs, order.seed, order.partial)
        super().fit(train, Next(*given), watch)


class Untrained(Mixed):
    def gradients(self, x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
        return [g if g.ndim == 2 else 0 * g for g in super().gradients(x, y)]


class Plain(Mixed):
    def update(self, gradients: list[np.ndarray]) -> None:
        for w, g in zip(self.parameters, gradients, strict=True):
            w -= self.recipe.learning_rate * g


class Double(Mixed):
    def predict(self, x: np.ndarray) -> np.ndarray:
        return super().predict(x).astype(np.float64)


def examined(
    adapter: type[NumpyManual], precision: Precision, needs: set[str] | None = None, device: str = "cpu"
) -> list[Check]:
    """The checks of the quick form, without those of waiting: NumPy does not."""
    subject = Subject(adapter, "eager", device, precision=precision)
    items = plan(subject, quick=True, needs=needs or set())
    return [check for i in items if i.examine is not synchronize for check in conclude(subject, i, 0)[0]]


def failed(checks: list[Check]) -> set[str]:
    return {check.name for check in checks if check.passed is False}


@pytest.mark.parametrize("kind", VARIANTS["bfloat16"])
def test_products_rounded_to_bfloat16_in_any_way_pass(kind: type[Rounding]) -> None:
    checks = examined(type("Adapter", (Mixed,), {"kind": kind}), "bfloat16", {"adam", "dropout", "nesterov"})
    assert [check for check in checks if check.passed is not True] == []
    assert {"bfloat16 in force", "dropout step", "adam after 4 steps"} <= {check.name for check in checks}


def test_bfloat16_products_where_float32_is_asked_are_found() -> None:
    assert {"logits", "gradients"} <= failed(examined(Mixed, "float32"))


@pytest.mark.parametrize("adapter", [Single, Digits])
def test_more_digits_than_bfloat16_where_it_is_asked_are_found(adapter: type[NumpyManual]) -> None:
    checks = examined(adapter, "bfloat16")
    assert failed(checks) == {"bfloat16 in force"}
    assert any("with bfloat16 products it would be" in str(check.reason) for check in checks)


@pytest.mark.parametrize(
    ("adapter", "check"),
    [
        (Late, "sgd after 3 epochs"),
        (Untrained, "gradients"),
        (Plain, "momentum after 4 steps"),
        (Double, "shapes and types"),
    ],
)
def test_a_fault_is_found_in_bfloat16_too(adapter: type[NumpyManual], check: str) -> None:
    assert check in failed(examined(adapter, "bfloat16"))


def test_tf32_products_pass_as_such_on_a_gpu_and_are_unsupported_on_a_cpu() -> None:
    assert [check for check in examined(Digits, "tf32", device="gpu:0") if check.passed is not True] == []
    assert "tf32 in force" in failed(examined(Single, "tf32", device="gpu:0"))
    assert {check.reason for check in examined(Digits, "tf32")} == {"unsupported: TF32 exists on NVIDIA GPUs only"}


def test_a_certificate_says_for_which_precision_it_is() -> None:
    assert certify(Subject(Mixed, "eager", precision="bfloat16"), quick=True, needs=set()).precision == "bfloat16"


def test_shortened_numbers_are_the_nearest_with_so_many_bits() -> None:
    x = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    for bits, unit in ((16, UNIT["bfloat16"]), (13, UNIT["tf32"])):
        short = shorten(x, bits)
        assert np.abs(short / x - 1).max() <= unit
        assert np.abs(short / x - 1).max() > unit / 2
        assert np.array_equal(shorten(short, bits), short)
    assert shorten(np.float32([1 + 2**-8]), 16)[0] == 1  # a tie goes to the even neighbour


def test_another_order_shows_beyond_the_tolerance_of_bfloat16() -> None:
    assert telling(drawn(ordered(8), 0, "bfloat16"), "bfloat16")


def test_cases_of_another_precision_are_other_cases() -> None:
    assert drawn(Steps(1), 0, "bfloat16") != drawn(Steps(1))
    assert drawn(broad(9)).model.widths[0] % 8 == 0
