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
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial, wraps
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
_ADDRESS = re.compile(r'(@InspectSharding\([^)]*\)) \{backend_config = "[^"]*"')
_PLACES = ("in_shardings", "out_shardings")
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
    """A jitted function with arguments of one kind: lowered for the chip, and how often it was called with such."""

    name: str
    on_cpu: str | None  # SHA-256 of its StableHLO there, where the precision exists on a CPU
    stablehlo: str  # and for the chip
    lowered: Any
    times: int = 0


def moved(mesh: Mesh, devices: Sequence[Any]) -> Mesh:
    """A mesh of the same form over other devices."""
    return Mesh(np.array(devices[: mesh.size], dtype=object).reshape(mesh.devices.shape), mesh.axis_names)


class Recorder:
    """Stands between an adapter and JAX, see the module's text."""

    runtime: Runtime  # imported when the recorder is in place

    def __init__(self, backend: str, chips: Sequence[Any], setting: Setting) -> None:
        self.backend, self.chips, self.setting = backend, chips, setting
        self.calls: dict[Any, Call] = {}
        self.layouts: dict[int, tuple[Any, Layout]] = {}  # by id, beside the array that it is of
        self.devices: Sequence[Any] = ()  # to which meshes are moved while something is lowered
        self.watching = False

    @property
    def on_cpu(self) -> Setting:
        """How the adapter trains: a CPU has no TF32, which is asked for when a program is lowered for the chip."""
        return replace(self.setting, precision="float32") if self.setting.precision == "tf32" else self.setting

    def install(self) -> None:
        """Before the import of the adapter."""
        jit, put, constrain = jax.jit, jax.device_put, jax.lax.with_sharding_constraint

        def recorded_jit(*args: Any, **options: Any) -> Any:
            if not args:
                return lambda function: recorded_jit(function, **options)
            return Recorded(jit, args[0], options, self)

        def remembering_put(x: Any, device: Any = None, **more: Any) -> Any:
            placed = put(x, device, **more)
            if isinstance(device, Format) and isinstance(device.layout, Layout):
                self.layouts[id(placed)] = (placed, device.layout)
            return placed

        def moved_constraint(x: Any, where: Any, *more: Any) -> Any:
            return constrain(x, self.there(where), *more)

        jax.jit, jax.device_put, jax.lax.with_sharding_constraint = recorded_jit, remembering_put, moved_constraint
        jax.default_backend = lambda: self.backend

    def there(self, where: Any) -> Any:
        """The same place on the devices that something is lowered for."""
        if self.devices and isinstance(where, NamedSharding):
            return NamedSharding(moved(where.mesh, self.devices), where.spec)
        return where

    def called(self, function: Recorded, args: Any, kwargs: Any) -> None:
        """Lower what is called for the first time so: here, since frameworks have a context around their calls."""
        leaves, tree = jax.tree.flatten((args, kwargs))
        if not self.watching or any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
            return
        found = [self.argument(leaf) for leaf in leaves]
        committed = [getattr(leaf, "committed", None) for leaf in leaves]
        key = (id(function), str(tree), str(found), str(committed))
        if key not in self.calls:
            self.calls[key] = self.lower(function, jax.tree.unflatten(tree, found))
        self.calls[key].times += 1

    def lower(self, function: Recorded, arguments: Any) -> Call:
        cpu = None
        if self.on_cpu is self.setting:
            cpu = digest(self.traced(function, arguments, jax.devices("cpu")[: self.setting.replicas], "cpu", False))
        self.runtime.configure(self.setting)
        plain = digest(self.traced(function, arguments, self.chips, self.backend, False))
        lowered = self.traced(function, arguments, self.chips, self.backend, True)
        self.runtime.configure(self.on_cpu)
        return Call(function.name, cpu, plain, lowered)

    def traced(self, function: Recorded, arguments: Any, devices: Sequence[Any], backend: str, layouts: bool) -> Any:
        """Lowered for these devices; what is traced is told that it is on that backend."""
        args, kwargs = jax.tree.map(
            lambda a: a.on(devices, own_layout=layouts) if isinstance(a, Argument) else a,
            arguments,
            is_leaf=lambda a: isinstance(a, Argument),
        )
        before, self.devices, self.backend = self.backend, devices, backend
        try:
            return function.anew(self.there).lower(*args, **kwargs)
        finally:
            self.devices, self.backend = (), before

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


class Recorded:
    """A jitted function whose calls are kept."""

    def __init__(self, jit: Any, function: Any, options: dict[str, Any], recorder: Recorder) -> None:
        vars(self).update(jit=jit, function=function, options=options, recorder=recorder)
        vars(self).update(jitted=jit(function, **options), name=getattr(function, "__name__", "?"))

    def anew(self, there: Callable[[Any], Any]) -> Any:
        """Jitted for other devices, and traced again: JAX keeps what it has traced by the function."""

        @wraps(self.function)
        def again(*args: Any, **kwargs: Any) -> Any:
            return self.function(*args, **kwargs)

        places = {name: jax.tree.map(there, self.options[name]) for name in _PLACES if name in self.options}
        return self.jit(again, **{**self.options, **places})

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.recorder.called(self, args, kwargs)
        return self.jitted(*args, **kwargs)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else partial(self, instance)  # of a jitted method

    def __getattr__(self, name: str) -> Any:
        return getattr(self.jitted, name)


def digest(lowered: Any) -> str:
    """SHA-256 of the StableHLO, without the addresses that an inspection of places has in it."""
    return hashlib.sha256(_ADDRESS.sub(r"\1", lowered.as_text()).encode()).hexdigest()


class Window:
    """The watch of a `fit` whose calls are kept."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder, self.runtime = recorder, recorder.runtime
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
    about = dict(job["setting"])
    model, recipe = MLP(**about.pop("model")), Recipe(**about.pop("recipe"))
    setting = Setting(replace(model, widths=tuple(model.widths)), recipe, **about)
    recorder = Recorder(job["kind"], chips, setting)
    recorder.install()
    sys.path.extend(job["paths"])
    recorder.runtime = load(job["runtime"])
    recorder.runtime.configure(recorder.on_cpu)
    window = Window(recorder)
    train(job, recorder.on_cpu, window)
    return {
        "compilations": window.compilations,
        "programs": [compiled(call, job["variants"], dump) for call in recorder.calls.values()],
    }


def train(job: dict[str, Any], setting: Setting, window: Window) -> None:
    """Two batches of `fit`; in a mode that takes an epoch in one call, the whole of one."""
    module, _, kind = job["adapter"].partition(":")
    adapter = getattr(importlib.import_module(module), kind)(setting)
    widths, samples, size = setting.model.widths, job["samples"], setting.recipe.batch_size
    data = Split(np.zeros((samples, widths[0]), np.float32), np.zeros(samples, np.int64))
    order = BatchOrder(samples if setting.mode == "scan" else 2 * size, size, 1, 0, partial=False)
    adapter.fit(data, order, window)
    adapter.synchronize()


def compiled(call: Call, variants: dict[str, Any], dump: Path) -> dict[str, Any]:
    """One program, and what each variant of the compiler made of it. What is compared with the CPU's has none of the
    adapter's own layouts, which a CPU has in any case."""
    found = {name: one(call.lowered, options, dump) for name, options in variants.items()}
    about = {"name": call.name, "calls": call.times, "on_cpu": call.on_cpu, "stablehlo": call.stablehlo}
    return about | {"variants": found}


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
    try:
        result = main(json.loads(given.read_text(encoding="utf-8")), dumped)
    except Exception as error:  # an adapter's too
        result = {"error": f"{type(error).__name__}: {error}", "trace": traceback.format_exc()}
    answer.write_text(json.dumps(result), encoding="utf-8")
