"""PyTorch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from adapters.adapter import Setting


def configure(setting: Setting) -> None:
    torch.set_num_threads(setting.threads)
    torch.set_float32_matmul_precision("highest")
    if setting.mode == "compile":
        torch._dynamo.reset()  # beyond eight compilations of one function in a process it would run eagerly


def preload() -> None:
    import torch._dynamo  # noqa: F401 - torch.optim imports it when the first optimizer is made


def synchronize(arrays: Iterable[Any] = ()) -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def compilations() -> int | None:
    """Frames that dynamo has compiled."""
    from torch._dynamo.utils import counters

    return int(counters["stats"]["unique_graphs"])
