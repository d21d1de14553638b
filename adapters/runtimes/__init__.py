"""One file per framework that does arithmetic: how its threads and precision are set, and how to wait for it.

A runtime is a module with

* ``preload()``: import what the framework imports lazily, so that warm launches share it; touches no device
* ``configure(setting)``: after the import and before the first operation, in the process that computes
* ``synchronize(arrays)``: return when the work behind these arrays is done
* ``compilations() -> int | None``: how many compilations there were so far; None where nothing is compiled

Only `load` imports a runtime, and with it the framework. `environment` is here because it is needed before.
"""

from __future__ import annotations

import importlib
from types import ModuleType

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def environment(framework: str, backend: str | None, device: str, threads: int) -> dict[str, str]:
    """Variables for a process that computes with `backend or framework`, to be set before it starts."""
    variables = dict.fromkeys(_THREADS, str(threads))
    variables["TF_CPP_MIN_LOG_LEVEL"] = "2"  # its start-up notices would be the log of every launch
    if device == "cpu":
        variables |= {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
    if framework == "keras" and backend:
        variables["KERAS_BACKEND"] = backend
    return variables


def load(name: str) -> ModuleType:
    """The runtime of a framework by its distribution's name; a plain one for frameworks without a file."""
    known = {"tensorflow", "torch", "jax"}
    return importlib.import_module(f"adapters.runtimes.{name if name in known else 'plain'}")
