"""JAX."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import jax

from adapters.adapter import Setting

_compilations = 0


def _count(event: str, duration: float, **_: Any) -> None:
    global _compilations
    _compilations += event == "/jax/core/compile/backend_compile_duration"


jax.monitoring.register_event_duration_secs_listener(_count)


def configure(setting: Setting) -> None:
    jax.config.update("jax_enable_x64", setting.precision == "float64")
    jax.config.update("jax_default_matmul_precision", "highest")
    jax.config.update("jax_enable_compilation_cache", False)


def preload() -> None:
    pass


def synchronize(arrays: Iterable[Any] = ()) -> None:
    jax.block_until_ready(list(arrays))


def compilations() -> int | None:
    return _compilations
