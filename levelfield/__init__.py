"""A level playing field for neural-network frameworks: proved equal, then timed.

Run a suite and look at what it measured:

    import levelfield

    results = levelfield.run("smoke", adapters=["numpy-manual", "torch-nn"])
    results.launches.groupby("adapter").step_seconds.median()
    levelfield.findings(results.folder).tax

Write an adapter: `Adapter` and what its methods take (`Setting`, `Split`, `BatchOrder`, `Watch`, `Layer`). Train it by
hand: `try_out`. Test it: `contract`. Names are imported when they are first asked for, so that ``import levelfield``
costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.2.0"

if TYPE_CHECKING:
    from levelfield.adapters.adapter import Adapter, Setting, Watch
    from levelfield.harness.api import Results, load, run
    from levelfield.harness.certify.try_out import try_out
    from levelfield.harness.pytest_plugin import contract
    from levelfield.reports.frames import Findings
    from levelfield.reports.frames import load as findings
    from levelfield.tasks.mlp import MLP, Layer
    from levelfield.tasks.recipe import BatchOrder, Recipe
    from levelfield.tasks.task import Split

_HOME = {
    **dict.fromkeys(("run", "load", "Results"), ("levelfield.harness.api", None)),
    "findings": ("levelfield.reports.frames", "load"),
    "Findings": ("levelfield.reports.frames", None),
    "contract": ("levelfield.harness.pytest_plugin", None),
    "try_out": ("levelfield.harness.certify.try_out", None),
    **dict.fromkeys(("Adapter", "Setting", "Watch"), ("levelfield.adapters.adapter", None)),
    **dict.fromkeys(("MLP", "Layer"), ("levelfield.tasks.mlp", None)),
    **dict.fromkeys(("BatchOrder", "Recipe"), ("levelfield.tasks.recipe", None)),
    "Split": ("levelfield.tasks.task", None),
}

__all__ = [
    "MLP",
    "Adapter",
    "BatchOrder",
    "Findings",
    "Layer",
    "Recipe",
    "Results",
    "Setting",
    "Split",
    "Watch",
    "contract",
    "findings",
    "load",
    "run",
    "try_out",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'levelfield' has no attribute {name!r}")
    module, there = _HOME[name]
    return getattr(import_module(module), there or name)
