"""For frameworks that compute when called and compile nothing: NumPy, scikit-learn, and outside ones by default."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from levelfield.adapters.adapter import Setting
from levelfield.adapters.runtime import Runtime, operands


class NumpyRuntime(Runtime):
    """Threads by threadpoolctl; the rest as in `Runtime`."""

    def configure(self, setting: Setting) -> None:
        from threadpoolctl import threadpool_limits

        threadpool_limits(setting.threads)

    def in_force(self, setting: Setting) -> dict[str, str]:
        from threadpoolctl import threadpool_info

        pools = [f"{pool['internal_api']} {pool['num_threads']}" for pool in threadpool_info()]
        return {"device": "CPU", "threads": ", ".join(pools) or "no pool was found"}

    def product(self, setting: Setting, n: int) -> Callable[[], object]:
        a, b, c = _arrays(setting, (n, n))
        return lambda: np.matmul(a, b, out=c)

    def addition(self, setting: Setting, n: int) -> Callable[[], object]:
        a, b, c = _arrays(setting, (n,))
        return lambda: np.add(a, b, out=c)

    def arithmetic(
        self, setting: Setting, products: Sequence[tuple[int, int, int]], sums: Sequence[tuple[int, int]]
    ) -> Callable[[], Iterable[Any]]:
        dtype = np.dtype(operands(setting.precision))
        factors = [(np.ones((n, k), dtype), np.ones((k, m), dtype), np.empty((n, m), dtype)) for n, k, m in products]
        terms = [(np.ones(shape, dtype), np.empty(shape[1], dtype)) for shape in sums]

        def call() -> Iterable[Any]:
            for a, b, c in factors:
                np.matmul(a, b, out=c)
            for array, total in terms:
                np.sum(array, axis=0, out=total)
            return ()

        return call


def _arrays(setting: Setting, shape: tuple[int, ...]) -> list[np.ndarray]:
    if setting.kind_of_device != "cpu":
        raise ValueError("NumPy computes on the CPU only")
    dtype = np.dtype(operands(setting.precision))
    return [np.random.default_rng(i).random(shape, np.float32).astype(dtype) for i in range(3)]
