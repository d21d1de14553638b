"""PyTorch."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch

from levelfield.adapters.adapter import Setting
from levelfield.adapters.runtime import TORCH_COMPILES, Operation, Runtime, Seen, operands

# Operations that only arrange what is there, or make room
ARRANGE = {"alias", "as_strided", "detach", "detach_", "empty", "empty_like", "empty_strided", "expand", "permute"}
ARRANGE |= {"reshape", "resize_", "select", "slice", "split", "split_with_sizes", "squeeze", "t", "transpose", "unbind"}
ARRANGE |= {"unsqueeze", "view", "_unsafe_view", "result_type", "resolve_conj", "resolve_neg", "narrow", "lift_fresh"}
# What the profiler calls a change of the memory that is taken, and copies between host and device
MEMORY, ACROSS = "[memory]", ("Memcpy HtoD", "Memcpy DtoH")


def device(setting: Setting) -> torch.device:
    """Where a setting computes."""
    return torch.device("cuda" if setting.kind_of_device == "gpu" else "cpu")


class TorchRuntime(Runtime):
    def configure(self, setting: Setting) -> None:
        torch.set_num_threads(setting.threads)
        torch.set_float32_matmul_precision("high" if setting.precision == "tf32" else "highest")
        if setting.mode in TORCH_COMPILES:
            torch._dynamo.reset()  # beyond eight compilations of one function in a process it would run eagerly

    def preload(self) -> None:
        import torch._dynamo  # noqa: F401 - torch.optim imports it when the first optimizer is made

    def synchronize(self, arrays: Iterable[Any] = ()) -> None:
        if torch.cuda.is_initialized():  # else there is only the CPU, where torch returns when the work is done
            torch.cuda.synchronize()

    def compilations(self) -> int | None:
        """Frames that dynamo has compiled."""
        if "torch._dynamo.utils" not in sys.modules:  # it takes as long to import as torch itself
            return 0
        from torch._dynamo.utils import counters

        return int(counters["stats"]["unique_graphs"])

    def in_force(self, setting: Setting) -> dict[str, str]:
        found = {
            "device": "CPU",
            "threads": str(torch.get_num_threads()),
            "float32 products": torch.get_float32_matmul_precision(),
        }
        if setting.kind_of_device == "gpu":
            found["device"] = torch.cuda.get_device_name()
            found["allocator"] = f"{torch.cuda.get_allocator_backend()}, on demand"
        return found

    def peak_memory(self, setting: Setting) -> tuple[int, str] | str:
        if setting.kind_of_device != "gpu":
            return "torch's allocator keeps no account on the CPU"
        if not torch.cuda.is_initialized():  # the counter would read 0
            return "torch has not used CUDA in this process"
        return torch.cuda.max_memory_allocated(), "torch.cuda.max_memory_allocated"

    def devices(self) -> dict[str, list[str] | str]:
        tpu = "torch reaches a TPU through torch-tpu or torch_xla, which no adapter uses"
        return {"cpu": [f"CPU, {torch.backends.cpu.get_cpu_capability()}"], "gpu": _gpus(), "tpu": tpu}

    def product(self, setting: Setting, n: int) -> Callable[[], None]:
        a, b, c = _arrays(setting, (n, n))

        def call() -> None:
            torch.mm(a, b, out=c)
            self.synchronize()

        return call

    def addition(self, setting: Setting, n: int) -> Callable[[], None]:
        a, b, c = _arrays(setting, (n,))

        def call() -> None:
            torch.add(a, b, out=c)
            self.synchronize()

        return call

    @contextmanager
    def watched(self, trace: Path) -> Iterator[Seen]:
        from torch.profiler import ProfilerActivity, profile

        kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if torch.cuda.is_initialized() else [])]
        found = Seen()
        with profile(activities=kinds, profile_memory=True) as seen:
            yield found
            self.synchronize()
        seen.export_chrome_trace(str(trace))
        told = json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]
        sizes = [one["args"]["Bytes"] for one in told if one["name"] == MEMORY]  # negative where memory is freed
        found.allocated = sum(size for size in sizes if size > 0), "[memory] of torch.profiler"
        events = [one for one in seen.events() or [] if one.name != MEMORY]
        copies = sum(one.name.startswith(ACROSS) for one in events)
        one_memory = "host and device are the same memory, and torch takes NumPy's arrays as they are"
        found.copied = (copies, " and ".join(ACROSS)) if torch.cuda.is_initialized() else one_memory
        main = events[0].thread if events else 0
        for one in events:
            kernel = one.name.startswith("aten::") and one.name.removeprefix("aten::") not in ARRANGE
            kind: Literal["kernel", "other"] = "kernel" if kernel else "other"
            found.operations.append(Operation(one.name, one.self_cpu_time_total / 1e6, kind, one.thread == main))

    def arithmetic(
        self, setting: Setting, products: Sequence[tuple[int, int, int]], sums: Sequence[tuple[int, int]]
    ) -> Callable[[], Iterable[Any]]:
        how: dict[str, Any] = {"dtype": getattr(torch, operands(setting.precision)), "device": device(setting)}
        factors = [(torch.ones(n, k, **how), torch.ones(k, m, **how)) for n, k, m in products]
        results = [torch.empty(n, m, **how) for n, _, m in products]
        terms = [(torch.ones(shape, **how), torch.empty(shape[1], **how)) for shape in sums]

        @torch.no_grad()
        def call() -> Iterable[Any]:
            for (a, b), c in zip(factors, results, strict=True):
                torch.mm(a, b, out=c)
            for array, total in terms:
                torch.sum(array, 0, out=total)
            return ()

        return torch.compile(call, dynamic=False) if setting.mode == "compile" else call


def _gpus() -> list[str] | str:
    if torch.version.cuda is None:
        return f"torch {torch.__version__} was built without CUDA"
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        return f"torch {torch.__version__}: {str(error).splitlines()[0]}"
    return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]


def _arrays(setting: Setting, shape: tuple[int, ...]) -> list[torch.Tensor]:
    dtype = getattr(torch, operands(setting.precision))
    return [torch.rand(shape, dtype=dtype, device=device(setting)) for _ in range(3)]
