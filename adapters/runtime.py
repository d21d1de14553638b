"""A runtime: the framework that does the arithmetic, as the harness sees it beside its adapters.

How its threads and precision are set, how to wait for it, what it counts. Each of ours is one file beside the adapters
of its framework; a plug-in names its own in the literal `runtime_class` (see `adapters.optional.OwnRuntime`).

Only `load` imports a runtime, and with it the framework. `environment` is here because it is needed before.
"""

from __future__ import annotations

import importlib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from levelfield.adapters.adapter import Adapter, Literals, Setting

# Modes for which torch compiles: C++ on a CPU, ten seconds a launch
TORCH_COMPILES = ("compile", "reduce-overhead", "max-autotune")
# Modes that say that something is compiled
COMPILERS = frozenset(
    {*TORCH_COMPILES, "jit", "jit_compile", "scan", "donate", "cached_partial", "split-merge", "graph", "xla"}
)
_EAGER = frozenset({"eager", "foreach", "fused", "barebones", "fabric"})
_EAGER_DEFAULTS = frozenset({"torch", "scikit-learn", "numpy"})  # whose mode "default" compiles nothing
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
PLAIN = "levelfield.adapters.numpy.runtime:NumpyRuntime"
OURS = {  # by the distribution that does the arithmetic
    "jax": "levelfield.adapters.jax.runtime:JaxRuntime",
    "tensorflow": "levelfield.adapters.tensorflow.runtime:TensorFlowRuntime",
    "torch": "levelfield.adapters.torch.runtime:TorchRuntime",
}


class Operation(NamedTuple):
    """What a framework's profiler saw once below Python."""

    name: str
    seconds: float  # of its own, without the operations inside it
    kind: Literal["kernel", "wait", "other"]  # computes or moves data; waits for another thread; else
    main: bool  # on the thread that trains; what is beside it may be hidden behind other work


UNTOLD = "its profiler does not tell"


@dataclass
class Seen:
    """What a framework's profiler saw in the time that it looked on.

    `allocated`: bytes that its allocators gave out, whether or not they were freed again. `copied`: how often data
    went from the host to the device or back. Both with the name of what was counted, or the reason why there is none.
    """

    operations: list[Operation] = field(default_factory=list)
    allocated: tuple[int, str] | str = UNTOLD
    copied: tuple[int, str] | str = UNTOLD


class Runtime(ABC):
    """One framework that does arithmetic. What is not abstract suits one that computes when called, on the CPU."""

    @abstractmethod
    def configure(self, setting: Setting) -> None:
        """After the import and before the first operation, in the process that computes: set threads and precision,
        and make the logical CPU devices that `setting.devices` asks for."""

    @abstractmethod
    def in_force(self, setting: Setting) -> dict[str, str]:
        """What `configure` has brought about, asked of the framework: setting → value, for the record."""

    @abstractmethod
    def product(self, setting: Setting, n: int) -> Callable[[], object]:
        """A function that multiplies two (n, n) matrices and returns when it is done."""

    @abstractmethod
    def addition(self, setting: Setting, n: int) -> Callable[[], object]:
        """A function that adds two vectors of n elements into a third and returns when it is done."""

    def arithmetic(
        self, setting: Setting, products: Sequence[tuple[int, int, int]], sums: Sequence[tuple[int, int]]
    ) -> Callable[[], Iterable[Any]]:
        """For ``levelfield explain``: a function that makes these products and sums, in the setting's mode and
        precision, and returns arrays whose work may still be under way.

        A product (n, k, m) is of matrices (n, k) and (k, m), each of its own; a sum (n, m) is over the n rows.
        """
        raise NotImplementedError(f"{type(self).__name__} has no bare arithmetic")

    def watched(self, trace: Path) -> AbstractContextManager[Seen]:
        """For ``levelfield explain``: the framework's own profiler looks on. What it saw is told when the context is
        left, and written as a trace in Chrome's format to `trace`."""
        raise NotImplementedError("levelfield knows no profiler of this framework")

    def preload(self) -> None:  # noqa: B027 - by default there is nothing to do
        """Import what the framework imports lazily, so that warm launches share it; touches no device."""

    def synchronize(self, arrays: Iterable[Any] = ()) -> None:  # noqa: B027
        """Return when the work behind these arrays is done."""

    def compilations(self) -> int | None:
        """How many compilations there were so far; None where nothing is compiled."""
        return None

    def programs(self) -> int | None:
        """How many of them were more than one operation that was called by itself."""
        return self.compilations()

    def peak_memory(self, setting: Setting) -> tuple[int, str] | str:
        """Bytes that its allocator held at most on the setting's device, with the name of the counter; or the reason
        why there is no such number."""
        return "this framework's allocator keeps no account, as far as levelfield knows"

    def devices(self) -> dict[str, list[str] | str]:
        """Kind of device (cpu, gpu, tpu) → the names of those it sees, or the reason why it sees none."""
        absent = "computes on the CPU only, as far as levelfield knows"
        return {"cpu": ["CPU"], "gpu": absent, "tpu": absent}


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
    """Whether a mode compiles, with this runtime; a mode of an unknown name does."""
    if mode == "default":
        return runtime not in _EAGER_DEFAULTS
    return mode not in _EAGER


def visible(number: int) -> str:
    """The GPU of this number among those that this process may see, as ``CUDA_VISIBLE_DEVICES`` names it."""
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = [str(number)] * (number + 1) if allowed is None else allowed.split(",")
    return names[number] if number < len(names) else "-1"


def operands(precision: str) -> str:
    """The type of the arrays that a product of this precision multiplies."""
    return "float32" if precision == "tf32" else precision


def place(adapter: Literals | type[Adapter]) -> str:
    """``module:Class`` of an adapter's runtime: its own, or that of its backend or framework."""
    return adapter.runtime_class or OURS.get(adapter.backend or adapter.framework, PLAIN)


def load(place: str) -> Runtime:
    """The runtime at ``module:Class``; imports its framework."""
    module, _, name = place.partition(":")
    runtime: Runtime = getattr(importlib.import_module(module), name)()
    return runtime
