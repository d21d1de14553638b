"""What an adapter's training compiles, compiled for a chip that is not here. Nothing of it is run there.

Started as ``python -P -m levelfield.adapters.jax.absent JOB ANSWER DUMP`` by `harness.preview`, in a process of its
own: it puts functions of its own into JAX before the adapter is imported, and a compiler may abort. The adapter is the
one that is certified, unchanged: it trains for two batches on the CPU, is told that it is on the chip, and each jitted
call that it makes meanwhile is kept with the shapes of its arguments. Those are lowered anew and compiled for the chip.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import topologies
from jax.experimental.layout import Format, Layout
from jax.sharding import Mesh, NamedSharding, PartitionSpec, SingleDeviceSharding

from levelfield.adapters.adapter import Setting
from levelfield.adapters.runtime import Runtime, load
from levelfield.tasks.mlp import MLP
from levelfield.tasks.recipe import BatchOrder, Recipe
from levelfield.tasks.task import Split

# Instructions of NVIDIA's tensor cores, and the type that they multiply
_TENSOR_CORE = re.compile(r"\b(?:wgmma\.mma_async|mma)\.sync\.[\w.]*?\.(tf32|bf16|f16)\b")
_PLAIN_FLOAT = re.compile(r"\bfma\.rn(?:\.ftz)?\.f32\b")


@dataclass(frozen=True)
class Argument:
    """An array that a jitted function got: what the compiler is told of it."""

    shape: tuple[int, ...]
    dtype: Any
    weak: bool = False
    mesh: Mesh | None = None
    spec: PartitionSpec | None = None
    layout: Layout | None = None  # where the adapter asked for one

    def on(self, devices: Sequence[Any], *, own_layout: bool = True) -> jax.ShapeDtypeStruct:
        """The same on these devices; what was placed nowhere of several goes where the compiler wants it."""
        where: Any = None
        if self.mesh is not None:
            where = NamedSharding(moved(self.mesh, devices), self.spec or PartitionSpec())
        elif len(devices) == 1:
            where = SingleDeviceSharding(devices[0])
        if self.layout is not None and own_layout and where is not None:
            where = Format(self.layout, where)
        return jax.ShapeDtypeStruct(self.shape, self.dtype, sharding=where, weak_type=self.weak)


@dataclass
class Call:
    """One jitted function with arguments of one kind, and how often it was called with such."""

    function: Any
    arguments: Any  # (args, kwargs), with an `Argument` in the place of each array
    times: int = 0

    def lower(self, devices: Sequence[Any], **how: bool) -> Any:
        args, kwargs = jax.tree.map(
            lambda a: a.on(devices, **how) if isinstance(a, Argument) else a,
            self.arguments,
            is_leaf=lambda a: isinstance(a, Argument),
        )
        return self.function.lower(*args, **kwargs)


def moved(mesh: Mesh, devices: Sequence[Any]) -> Mesh:
    """A mesh of the same form over other devices."""
    return Mesh(np.array(devices[: mesh.size], dtype=object).reshape(mesh.devices.shape), mesh.axis_names)


@dataclass
class Recorder:
    """Stands between an adapter and JAX, see the module's text."""

    backend: str  # that the adapter is told it is on
    calls: dict[Any, Call] = field(default_factory=dict)
    layouts: dict[int, tuple[Any, Layout]] = field(default_factory=dict)  # by id, beside the array that it is of
    devices: Sequence[Any] = ()  # to which meshes are moved while something is lowered
    watching: bool = False

    def install(self) -> None:
        """Before the import of the adapter."""
        jit, put, constrain = jax.jit, jax.device_put, jax.lax.with_sharding_constraint

        def recorded_jit(*args: Any, **options: Any) -> Any:
            if not args:
                return lambda function: Recorded(jit(function, **options), self)
            return Recorded(jit(*args, **options), self)

        def remembering_put(x: Any, device: Any = None, **more: Any) -> Any:
            placed = put(x, device, **more)
            if isinstance(device, Format) and isinstance(device.layout, Layout):
                self.layouts[id(placed)] = (placed, device.layout)
            return placed

        def moved_constraint(x: Any, where: Any, *more: Any) -> Any:
            if self.devices and isinstance(where, NamedSharding):
                where = NamedSharding(moved(where.mesh, self.devices), where.spec)
            return constrain(x, where, *more)

        jax.jit, jax.device_put, jax.lax.with_sharding_constraint = recorded_jit, remembering_put, moved_constraint
        jax.default_backend = lambda: self.backend

    def called(self, function: Any, args: Any, kwargs: Any) -> None:
        leaves, tree = jax.tree.flatten((args, kwargs))
        if not self.watching or any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
            return
        found = [self.argument(leaf) for leaf in leaves]
        committed = [getattr(leaf, "committed", None) for leaf in leaves]
        key = (id(function), str(tree), str(found), str(committed))
        self.calls.setdefault(key, Call(function, jax.tree.unflatten(tree, found))).times += 1

    def argument(self, leaf: Any) -> Any:
        """What is no array stays as it is: it is a part of the program."""
        if not hasattr(leaf, "dtype") or not hasattr(leaf, "shape"):
            return leaf
        if not isinstance(leaf, jax.Array):
            return Argument(tuple(leaf.shape), jax.dtypes.canonicalize_dtype(leaf.dtype))
        mesh = spec = None
        if isinstance(leaf.sharding, NamedSharding):
            mesh, spec = leaf.sharding.mesh, leaf.sharding.spec
        layout = self.layouts.get(id(leaf), (None, None))[1]
        return Argument(tuple(leaf.shape), leaf.dtype, bool(leaf.weak_type), mesh, spec, layout)

    @contextmanager
    def on(self, devices: Sequence[Any], backend: str) -> Iterator[None]:
        """Trace anew, for these devices; what is traced is told that it is on that backend."""
        jax.clear_caches()
        before, self.devices, self.backend = self.backend, devices, backend
        try:
            yield
        finally:
            self.devices, self.backend = (), before


class Recorded:
    """A jitted function whose calls are kept."""

    def __init__(self, jitted: Any, recorder: Recorder) -> None:
        vars(self).update(jitted=jitted, recorder=recorder)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.recorder.called(self.jitted, args, kwargs)
        return self.jitted(*args, **kwargs)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else partial(self, instance)  # of a jitted method

    def __getattr__(self, name: str) -> Any:
        return getattr(self.jitted, name)


class Window:
    """The watch of a `fit` whose calls are kept."""

    def __init__(self, recorder: Recorder, runtime: Runtime) -> None:
        self.recorder, self.runtime = recorder, runtime
        self.compilations = 0

    def ready(self) -> None:
        self.recorder.watching, self.compilations = True, -(self.runtime.compilations() or 0)

    def epoch_end(self, epoch: int) -> bool:
        self.recorder.watching = False
        self.compilations += self.runtime.compilations() or 0
        return True


def main(job: dict[str, Any], dump: Path) -> dict[str, Any]:
    """Train, record, compile; what came of it."""
    chips = topologies.get_topology_desc(**job["topology"]).devices[: job["setting"]["replicas"]]
    recorder = Recorder(job["kind"])
    recorder.install()
    about = dict(job["setting"])
    model, recipe = MLP(**about.pop("model")), Recipe(**about.pop("recipe"))
    setting = Setting(replace(model, widths=tuple(model.widths)), recipe, **about)
    runtime = load(job["runtime"])
    # A CPU has no TF32: it is asked for when the program is lowered for the chip
    on_cpu = replace(setting, precision="float32") if setting.precision == "tf32" else setting
    runtime.configure(on_cpu)
    window = Window(recorder, runtime)
    train(job, on_cpu, window)
    here = jax.devices("cpu")[: setting.replicas] if on_cpu is setting else []
    runtime.configure(setting)
    return {
        "compilations": window.compilations,
        "programs": [compiled(call, recorder, here, chips, job["variants"], dump) for call in recorder.calls.values()],
    }


def train(job: dict[str, Any], setting: Setting, window: Window) -> None:
    """Two batches of `fit`; in a mode that takes an epoch in one call, the whole of one."""
    sys.path.extend(job["paths"])
    module, _, kind = job["adapter"].partition(":")
    adapter = getattr(importlib.import_module(module), kind)(setting)
    widths, samples, size = setting.model.widths, job["samples"], setting.recipe.batch_size
    data = Split(np.zeros((samples, widths[0]), np.float32), np.zeros(samples, np.int64))
    order = BatchOrder(samples if setting.mode == "scan" else 2 * size, size, 1, 0, partial=False)
    adapter.fit(data, order, window)
    adapter.synchronize()


def compiled(
    call: Call, recorder: Recorder, here: Sequence[Any], chips: Sequence[Any], variants: dict[str, Any], dump: Path
) -> dict[str, Any]:
    """One program: its StableHLO for the chip and on the CPU, if it exists there, and what each variant of the compiler
    made of it. Both are compared as they are before an adapter's own layouts, which a CPU has in any case."""
    cpu = None
    if here:
        with recorder.on(here, "cpu"):
            cpu = digest(call.lower(here, own_layout=False))
    with recorder.on(chips, recorder.backend):
        plain = digest(call.lower(chips, own_layout=False))
        lowered = call.lower(chips)
        found = {name: one(lowered, options, dump) for name, options in variants.items()}
    about = {"name": getattr(call.function, "__name__", "?"), "calls": call.times}
    return about | {"on_cpu": cpu, "stablehlo": plain, "variants": found}


def digest(lowered: Any) -> str:
    """SHA-256 of the StableHLO."""
    return hashlib.sha256(lowered.as_text().encode()).hexdigest()


def one(lowered: Any, options: dict[str, Any], dump: Path) -> dict[str, Any]:
    """Compile. The compiler's refusal is an answer; that it aborts is seen by who started this process."""
    for old in dump.glob("*.ptx"):
        old.unlink()
    try:
        program = lowered.compile(compiler_options=options or None)
    except (jax.errors.JaxRuntimeError, NotImplementedError, ValueError) as error:
        return {"error": str(error)}
    memory, cost = program.memory_analysis(), program.cost_analysis()
    if isinstance(cost, list):
        cost = cost[0] if cost else None
    sizes = {name: getattr(memory, name) for name in dir(memory) if name.endswith("_in_bytes")} if memory else {}
    ptx = [path.read_text(encoding="utf-8", errors="replace") for path in dump.glob("*.ptx")]
    counts = {f"{kind} tensor cores": n for kind in ("tf32", "bf16", "f16") if (n := _instructions(ptx, kind))}
    plain = sum(len(_PLAIN_FLOAT.findall(text)) for text in ptx)
    return {
        "text": program.as_text(),
        "memory": sizes,
        "flops": (cost or {}).get("flops"),
        "instructions": counts | ({"float32 FMA": plain} if plain else {}),
    }


def _instructions(ptx: Sequence[str], kind: str) -> int:
    return sum(_TENSOR_CORE.findall(text).count(kind) for text in ptx)


if __name__ == "__main__":
    given, answer, dumped = map(Path, sys.argv[1:])
    result = main(json.loads(given.read_text(encoding="utf-8")), dumped)
    answer.write_text(json.dumps(result), encoding="utf-8")
