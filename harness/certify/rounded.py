"""What lower precision does to the reference: NumPy with the operands of every product rounded, and what follows.

An array of one of these types rounds to nearest even (or towards zero) the operands of each product that it takes part
in, sums in float32, and rounds further as its framework may: the results of products, or those of every operation.
Where frameworks round differs; the variants are what tolerances in lower precision are taken from.

TF32 keeps 10 bits of a significand's fraction, bfloat16 keeps 7, of float32's 23 (NVIDIA, "A100 Tensor Core GPU
Architecture", 2020; Kalamkar et al., "A Study of BFLOAT16 for Deep Learning Training", 2019).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np

from levelfield.adapters.adapter import Precision, Setting
from levelfield.adapters.numpy.manual import NumpyManual

# Half a unit in the last place of a number in [1, 2)
UNIT = {"float64": 2.0**-53, "float32": 2.0**-24, "tf32": 2.0**-11, "bfloat16": 2.0**-8}


def shorten(x: np.ndarray, bits: int, nearest: bool = True) -> np.ndarray:
    """`x` in float32 with the last `bits` bits of its fractions zero."""
    whole = np.ascontiguousarray(x, np.float32).view(np.uint32)
    up = (1 << (bits - 1)) - 1 + ((whole >> bits) & 1) if nearest else np.uint32(0)
    return ((whole + up) >> bits << bits).astype(np.uint32).view(np.float32).reshape(np.shape(x))


class Rounding(np.ndarray):
    """An array whose operations round."""

    bits: ClassVar[int]
    nearest: ClassVar[bool] = True
    results: ClassVar[bool] = False  # of products
    everything: ClassVar[bool] = False

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **how: Any) -> Any:
        kind = type(self)
        plain = [np.asarray(a) if isinstance(a, np.ndarray) else a for a in inputs]
        if "out" in how:
            how["out"] = tuple(np.asarray(a) for a in how["out"])
        product = ufunc is np.matmul
        if product:
            plain = [shorten(a, self.bits, self.nearest) for a in plain]
        if self.everything and method == "reduce" and ufunc is np.add:
            value = self._sum(plain[0], how["axis"])
        else:
            value = getattr(ufunc, method)(*plain, **how)
        if not isinstance(value, np.ndarray) or value.dtype != np.float32:
            return value
        if "out" not in how and (self.everything or (product and self.results)):
            value = shorten(value, self.bits, self.nearest)
        return value.view(kind)

    def _sum(self, terms: np.ndarray, axis: int) -> np.ndarray:
        """One after the other, each sum rounded."""
        total, *rest = np.moveaxis(terms, axis, 0)
        for term in rest:
            total = shorten(total + term, self.bits, self.nearest)
        return total


class Tf32(Rounding):
    bits = 13


class Tf32Cut(Tf32):
    nearest = False


class Bfloat16(Rounding):
    bits = 16


class Bfloat16Results(Bfloat16):
    results = True


class Bfloat16Everything(Bfloat16):
    everything = True


VARIANTS: dict[Precision, Sequence[type[Rounding]]] = {
    "tf32": (Tf32, Tf32Cut),
    "bfloat16": (Bfloat16, Bfloat16Results, Bfloat16Everything),
}


class Rounded(NumpyManual):
    """The reference in float32, its products rounded; logits, loss and update are not."""

    def __init__(self, setting: Setting, kind: type[Rounding]) -> None:
        super().__init__(setting)
        self.rounding = kind

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[list[np.ndarray], list[np.ndarray]]:
        values, factors = super().forward(x.view(self.rounding), training)
        return [*values[:-1], np.asarray(values[-1])], factors

    def slope(self, logits: np.ndarray, y: np.ndarray) -> np.ndarray:
        exact = super().slope(logits, y)
        return 1 * exact.view(self.rounding) if self.rounding.everything else exact

    def gradients(self, x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
        with self.rounded():
            return [np.asarray(gradient) for gradient in super().gradients(x, y)]

    def predict(self, x: np.ndarray) -> np.ndarray:
        with self.rounded():
            return super().predict(x)

    @contextmanager
    def rounded(self) -> Iterator[None]:
        exact = self.parameters
        self.parameters = [parameter.view(self.rounding) for parameter in exact]
        try:
            yield
        finally:
            self.parameters = exact
