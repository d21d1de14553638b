"""For frameworks that compute when called and compile nothing: NumPy, scikit-learn, and outside ones by default."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from adapters.adapter import Setting


def configure(setting: Setting) -> None:
    from threadpoolctl import threadpool_limits

    threadpool_limits(setting.threads)


def preload() -> None:
    pass


def synchronize(arrays: Iterable[Any] = ()) -> None:
    pass


def compilations() -> int | None:
    return None
