"""For frameworks that compute when called and compile nothing: NumPy, scikit-learn, and outside ones by default."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from levelfield.adapters.adapter import Setting
from levelfield.adapters.runtimes import operands


def configure(setting: Setting) -> None:
    from threadpoolctl import threadpool_limits

    threadpool_limits(setting.threads)


def preload() -> None:
    pass


def synchronize(arrays: Iterable[Any] = ()) -> None:
    pass


def compilations() -> int | None:
    return None


def programs() -> int | None:
    return compilations()


def in_force(setting: Setting) -> dict[str, str]:
    from threadpoolctl import threadpool_info

    pools = [f"{pool['internal_api']} {pool['num_threads']}" for pool in threadpool_info()]
    return {"device": "CPU", "threads": ", ".join(pools) or "no pool was found"}


def peak_memory(setting: Setting) -> tuple[int, str] | str:
    return "this framework's allocator keeps no account, as far as levelfield knows"


def devices() -> dict[str, list[str] | str]:
    absent = "computes on the CPU only, as far as levelfield knows"
    return {"cpu": ["CPU"], "gpu": absent, "tpu": absent}


def product(setting: Setting, n: int) -> Callable[[], object]:
    a, b, c = _arrays(setting, (n, n))
    return lambda: np.matmul(a, b, out=c)


def addition(setting: Setting, n: int) -> Callable[[], object]:
    a, b, c = _arrays(setting, (n,))
    return lambda: np.add(a, b, out=c)


def _arrays(setting: Setting, shape: tuple[int, ...]) -> list[np.ndarray]:
    if setting.kind_of_device != "cpu":
        raise ValueError("NumPy computes on the CPU only")
    dtype = np.dtype(operands(setting.precision))
    return [np.random.default_rng(i).random(shape, np.float32).astype(dtype) for i in range(3)]
