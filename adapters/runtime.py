"""One file per framework that does arithmetic: how its threads and precision are set, and how to wait for it.

A runtime is a module with

* ``preload()``: import what the framework imports lazily, so that warm launches share it; touches no device
* ``configure(setting)``: after the import and before the first operation, in the process that computes; makes the
  logical CPU devices that `setting.devices` asks for
* ``synchronize(arrays)``: return when the work behind these arrays is done
* ``compilations() -> int | None``: how many compilations there were so far; None where nothing is compiled
* ``programs() -> int | None``: how many of them were more than one operation that was called by itself
* ``in_force(setting)``: what `configure` has brought about, asked of the framework: setting → value, for the record
* ``peak_memory(setting)``: bytes that its allocator held at most on the setting's device, with the name of the counter;
  or the reason why there is no such number
* ``devices()``: kind of device (cpu, gpu, tpu) → the names of those it sees, or the reason why it sees none
* ``product(setting, n)``: a function that multiplies two (n, n) matrices and returns when it is done
* ``addition(setting, n)``: a function that adds two vectors of n elements into a third and returns when it is done

Only `load` imports a runtime, and with it the framework. `environment` is here because it is needed before.
"""

from __future__ import annotations

import importlib
import os
from types import ModuleType

COMPILERS = frozenset({"compile", "jit", "scan", "graph", "xla"})  # modes that name what compiles in them
_EAGER_DEFAULTS = frozenset({"torch", "scikit-learn", "numpy"})  # whose mode "default" compiles nothing
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def environment(framework: str, backend: str | None, device: str, threads: int, replicas: int = 1) -> dict[str, str]:
    """Variables for a process that computes with `backend or framework`, to be set before it starts.

    Of GPUs it sees as many as there are replicas, `device` first.
    """
    variables = dict.fromkeys(_THREADS, str(threads))
    variables["TF_CPP_MIN_LOG_LEVEL"] = "2"  # its start-up notices would be the log of every launch
    kind, _, number = device.partition(":")
    match kind:
        case "cpu":
            variables |= {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
        case "gpu":
            # In the order of nvidia-smi, and nobody takes memory before it is needed
            seen = ",".join(visible(int(number) + i) for i in range(replicas))
            variables |= {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": seen}
            variables |= {"JAX_PLATFORMS": "cuda,cpu", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
            variables |= {"TF_FORCE_GPU_ALLOW_GROWTH": "true"}
        case "tpu":
            variables |= {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "tpu,cpu", "TPU_VISIBLE_CHIPS": number}
            variables |= {"TPU_CHIPS_PER_PROCESS_BOUNDS": "1,1,1", "TPU_PROCESS_BOUNDS": "1,1,1"}
    if framework == "keras" and backend:
        variables["KERAS_BACKEND"] = backend
    return variables


def compiles(mode: str, runtime: str) -> bool:
    """Whether a mode compiles, with this runtime; a mode of an unknown name does, unless it is called eager."""
    if mode == "default":
        return runtime not in _EAGER_DEFAULTS
    return mode != "eager"


def visible(number: int) -> str:
    """The GPU of this number among those that this process may see, as ``CUDA_VISIBLE_DEVICES`` names it."""
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = [str(number)] * (number + 1) if allowed is None else allowed.split(",")
    return names[number] if number < len(names) else "-1"


def operands(precision: str) -> str:
    """The type of the arrays that a product of this precision multiplies."""
    return "float32" if precision == "tf32" else precision


def load(name: str) -> ModuleType:
    """The runtime of a framework by its distribution's name; a plain one for frameworks without a file."""
    known = {"tensorflow", "torch", "jax"}
    return importlib.import_module(f"{__package__}.{name if name in known else 'numpy'}.runtime")
