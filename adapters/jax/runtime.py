"""JAX."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax.experimental.compilation_cache import compilation_cache
from jax.extend.core import Primitive, primitives

from levelfield.adapters.adapter import Setting
from levelfield.adapters.chrome import own_seconds
from levelfield.adapters.runtime import Operation, Runtime, Seen, operands

# What the profiler calls the making of a JAX array from one of NumPy's, and the fetching of one
ACROSS = ("DevicePut", "DevicePutWithSharding", "np.asarray(jax.Array)")
_compilations = _programs = 0
_PRIMITIVES = {f"jit({p.name})" for p in vars(primitives).values() if isinstance(p, Primitive)}


def _count(event: str, duration: float, **about: Any) -> None:
    global _compilations, _programs
    if event == "/jax/core/compile/backend_compile_duration":
        _compilations += 1
        _programs += about.get("fun_name") not in _PRIMITIVES  # an operation outside of jit is compiled too


jax.monitoring.register_event_duration_secs_listener(_count)


class JaxRuntime(Runtime):
    def configure(self, setting: Setting) -> None:
        jax.config.update("jax_enable_x64", setting.precision == "float64")
        # bfloat16 operands have no more digits than the default uses; float32 ones have, on GPU and TPU. TF32 is named
        # by its algorithm: what JAX calls "tensorfloat32" is float32 in XLA's own kernels, TF32 in cuBLAS
        products = {"tf32": "TF32_TF32_F32", "bfloat16": "default"}.get(setting.precision, "highest")
        jax.config.update("jax_default_matmul_precision", products)
        # What is read back from the disk does not tell how it divides its work, which several replicas have to show
        _keep_compiled(os.environ.get("JAX_COMPILATION_CACHE_DIR") if setting.replicas == 1 else None)
        if setting.devices > 1 and jax.config.jax_num_cpu_devices != setting.devices:  # settled by the first operation
            jax.config.update("jax_num_cpu_devices", setting.devices)

    def synchronize(self, arrays: Iterable[Any] = ()) -> None:
        jax.block_until_ready(list(arrays))

    def compilations(self) -> int | None:
        return _compilations

    def programs(self) -> int | None:
        return 0 if jax.config.jax_disable_jit else _programs  # then each operation is compiled by itself

    def in_force(self, setting: Setting) -> dict[str, str]:
        found = {
            "device": jax.devices()[0].device_kind,
            "float32 products": str(jax.config.jax_default_matmul_precision),
            "threads": f"as many as cores: {len(os.sched_getaffinity(0))}"
            if hasattr(os, "sched_getaffinity")
            else "not told",
        }
        if setting.kind_of_device != "cpu":
            found["allocator"] = f"preallocates: {os.environ.get('XLA_PYTHON_CLIENT_PREALLOCATE', 'true')}"
        return found

    def peak_memory(self, setting: Setting) -> tuple[int, str] | str:
        try:
            found = jax.devices(setting.kind_of_device)[0].memory_stats()  # None where there is no account
        except RuntimeError as error:
            return f"jax {jax.__version__}: {str(error).splitlines()[0]}"
        if not found or "peak_bytes_in_use" not in found:
            return f"jax keeps no account of its memory on the {setting.kind_of_device.upper()}"
        return found["peak_bytes_in_use"], "jax memory_stats peak_bytes_in_use"

    def devices(self) -> dict[str, list[str] | str]:
        return {kind: _seen(kind) for kind in ("cpu", "gpu", "tpu")}

    def product(self, setting: Setting, n: int) -> Callable[[], None]:
        a, b = _arrays(setting, (n, n))
        multiply = jax.jit(jnp.matmul)
        return lambda: self.synchronize([multiply(a, b)])

    def addition(self, setting: Setting, n: int) -> Callable[[], None]:
        a, b = _arrays(setting, (n,))
        add = jax.jit(jnp.add)
        return lambda: self.synchronize([add(a, b)])

    @contextmanager
    def watched(self, trace: Path) -> Iterator[Seen]:
        found = Seen(allocated="XLA's allocator on the CPU tells its profiler nothing")
        options = jax.profiler.ProfileOptions()
        options.python_tracer_level = 0
        with TemporaryDirectory() as folder:
            jax.profiler.start_trace(folder, profiler_options=options)
            try:
                yield found
            finally:
                jax.profiler.stop_trace()
            (packed,) = Path(folder).glob("plugins/profile/*/*.trace.json.gz")
            text = gzip.decompress(packed.read_bytes())
        trace.write_bytes(text)
        events = json.loads(text)["traceEvents"]
        found.operations += _operations(events)
        if sizes := [int(one["args"]["requested_bytes"]) for one in events if one.get("name") == "MemoryAllocation"]:
            found.allocated = sum(sizes), "MemoryAllocation of JAX's profiler"
        found.copied = sum(one.get("name") in ACROSS for one in events), ", ".join(ACROSS)

    def arithmetic(
        self, setting: Setting, products: Sequence[tuple[int, int, int]], sums: Sequence[tuple[int, int]]
    ) -> Callable[[], Iterable[Any]]:
        dtype = operands(setting.precision)
        # Each of its own numbers, or equal products would be made once
        factors = [(jnp.full((n, k), i, dtype), jnp.ones((k, m), dtype)) for i, (n, k, m) in enumerate(products)]
        terms = [jnp.full(shape, i, dtype) for i, shape in enumerate(sums)]
        every = jax.jit(lambda factors, terms: ([a @ b for a, b in factors], [term.sum(axis=0) for term in terms]))
        return lambda: every(factors, terms)


def _operations(events: list[dict[str, Any]]) -> list[Operation]:
    """XLA's are kernels; all else on the thread of Python is dispatch."""
    names = {(one["pid"], one["tid"]): one["args"]["name"] for one in events if one.get("name") == "thread_name"}
    found = []
    for one, seconds in own_seconds(events):
        main = names.get((one["pid"], one["tid"])) == "python"
        kind: Literal["kernel", "other"] = "kernel" if "hlo_op" in one.get("args", {}) else "other"
        if one["dur"] and not one["name"].startswith("end: "):  # else a mark
            found.append(Operation(one["name"].rstrip("0123456789").rstrip("."), seconds, kind, main))
    return found


def _keep_compiled(folder: str | None) -> None:
    """On the disk: all of it, however short its compilation took; nothing without a folder."""
    if folder != jax.config.jax_compilation_cache_dir:
        compilation_cache.reset_cache()  # it is opened by the first compilation and kept
    jax.config.update("jax_enable_compilation_cache", folder is not None)
    jax.config.update("jax_compilation_cache_dir", folder)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def _seen(kind: str) -> list[str] | str:
    try:
        return [device.device_kind for device in jax.devices(kind)]
    except RuntimeError as error:
        return f"jax {jax.__version__}: no {kind.upper()} backend: {str(error).splitlines()[0]}"


def _arrays(setting: Setting, shape: tuple[int, ...]) -> list[jax.Array]:
    return [jax.random.uniform(jax.random.key(i), shape, operands(setting.precision)) for i in range(2)]
