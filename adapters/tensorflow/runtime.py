"""TensorFlow."""

from __future__ import annotations

import ctypes
import gc
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import tensorflow as tf

from levelfield.adapters.adapter import Setting
from levelfield.adapters.chrome import own_seconds
from levelfield.adapters.runtime import Operation, Runtime, Seen, operands

# What the profiler calls the making of a tensor from a value of Python or NumPy, and a GPU's copies
ACROSS = ("EagerLocalExecute: _EagerConst", "MemcpyH2D", "MemcpyD2H")
MEMORY = ("MemoryAllocation", "MemoryDeallocation")


class TensorFlowRuntime(Runtime):
    def configure(self, setting: Setting) -> None:
        tf.config.threading.set_intra_op_parallelism_threads(setting.threads)
        tf.config.threading.set_inter_op_parallelism_threads(setting.threads)
        tf.config.experimental.enable_tensor_float_32_execution(setting.precision == "tf32")
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)
        (cpu,) = tf.config.list_physical_devices("CPU")
        if setting.devices > 1 and tf.config.get_logical_device_configuration(cpu) is None:  # settled once a process
            tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * setting.devices)

    def synchronize(self, arrays: Iterable[Any] = ()) -> None:
        tf.test.experimental.sync_devices()

    def compilations(self) -> int:
        """Traces of all living functions: TensorFlow counts by function only, so all objects are looked through."""
        kind = tf.types.experimental.PolymorphicFunction
        functions = [thing for thing in gc.get_objects() if issubclass(type(thing), kind)]
        return sum(function.experimental_get_tracing_count() for function in functions)

    def in_force(self, setting: Setting) -> dict[str, str]:
        found = {
            "device": "CPU",
            "threads": str(tf.config.threading.get_intra_op_parallelism_threads()),
            "TF32": str(tf.config.experimental.tensor_float_32_execution_enabled()),
        }
        for gpu in tf.config.list_physical_devices("GPU"):
            found["device"] = tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name)
            found["allocator"] = f"memory growth: {tf.config.experimental.get_memory_growth(gpu)}"
        return found

    def peak_memory(self, setting: Setting) -> tuple[int, str] | str:
        if setting.kind_of_device == "cpu":  # the counter would read 0
            return "TensorFlow's allocator keeps no account on the CPU"
        try:
            found = tf.config.experimental.get_memory_info(f"{setting.kind_of_device.upper()}:0")
        except ValueError as error:
            return f"tensorflow {tf.__version__}: {str(error).splitlines()[0]}"
        return found["peak"], "tf.config.experimental.get_memory_info peak"

    def devices(self) -> dict[str, list[str] | str]:
        gpus = tf.config.list_physical_devices("GPU")
        names = [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in gpus]
        built = tf.test.is_built_with_cuda()
        absent = "finds no GPU that it can use" if built else "was built without CUDA"
        return {
            "cpu": ["CPU"],
            "gpu": names or f"tensorflow {tf.__version__} {absent}",
            "tpu": "TensorFlow reaches a TPU through tensorflow-tpu, which takes its place and which no adapter uses",
        }

    def product(self, setting: Setting, n: int) -> Callable[[], None]:
        a, b = _arrays(setting, (n, n))

        def call() -> None:
            tf.linalg.matmul(a, b)
            self.synchronize()

        return call

    def addition(self, setting: Setting, n: int) -> Callable[[], None]:
        a, b = _arrays(setting, (n,))

        def call() -> None:
            tf.add(a, b)
            self.synchronize()

        return call

    @contextmanager
    def watched(self, trace: Path) -> Iterator[Seen]:
        found = Seen()
        with _allocator_tells() as told:
            with _profiled() as small, tf.device("CPU"):
                tf.ones(1) + tf.ones(1)
            with _profiled() as events:
                yield found
                self.synchronize()
        trace.write_text(json.dumps({"traceEvents": events}), encoding="utf-8")
        found.operations += [_operation(one) for one in own_seconds(events) if one[0]["name"] not in MEMORY]
        if not told:
            found.allocated = f"the CPU's allocator of tensorflow {tf.__version__} cannot be asked to tell the profiler"
        elif not _sizes(small):
            how = "with --env TF_ENABLE_ONEDNN_OPTS=0 it tells all"
            found.allocated = f"the CPU's allocator, oneDNN's as it seems, tells no small blocks; {how}"
        else:
            found.allocated = sum(_sizes(events)), "MemoryAllocation of TensorFlow's profiler"
        found.copied = sum(one["name"] in ACROSS for one in events), ", ".join(ACROSS)

    def arithmetic(
        self, setting: Setting, products: Sequence[tuple[int, int, int]], sums: Sequence[tuple[int, int]]
    ) -> Callable[[], Iterable[Any]]:
        dtype = tf.as_dtype(operands(setting.precision))
        # Variables: what is made of constants is computed when the graph is
        factors = [(tf.Variable(tf.ones((n, k), dtype)), tf.Variable(tf.ones((k, m), dtype))) for n, k, m in products]
        terms = [tf.Variable(tf.ones(shape, dtype)) for shape in sums]

        def every() -> list[tf.Tensor]:
            return [tf.matmul(a, b) for a, b in factors] + [tf.reduce_sum(term, axis=0) for term in terms]

        if setting.mode == "eager":
            return every
        function: Callable[[], Iterable[Any]] = tf.function(every, jit_compile=setting.mode == "xla", autograph=False)
        return function


@contextmanager
def _profiled() -> Iterator[list[dict[str, Any]]]:
    """The events of what is done meanwhile, which are there at its end."""
    events: list[dict[str, Any]] = []
    levels = {"host_tracer_level": 2, "python_tracer_level": 0, "device_tracer_level": 1}
    with TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder, tf.profiler.experimental.ProfilerOptions(**levels))
        try:
            yield events
        finally:
            tf.profiler.experimental.stop()
        (planes,) = Path(folder).glob("plugins/profile/*/*.xplane.pb")
        events += _events(planes.read_bytes())


def _sizes(events: Sequence[Mapping[str, Any]]) -> list[int]:
    """Bytes that were asked for, each time."""
    return [one["args"]["requested_bytes"] for one in events if one["name"] == MEMORY[0]]


def _events(planes: bytes) -> list[dict[str, Any]]:
    """What TensorFlow's profiler wrote, as events of Chrome's format."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    found: list[dict[str, Any]] = []
    for plane in xplane_pb2.XSpace.FromString(planes).planes:
        for thread, line in enumerate(plane.lines):
            where = {"pid": plane.name, "tid": thread, "cat": line.name}
            for event in line.events:
                begin, length = line.timestamp_ns / 1e3 + event.offset_ps / 1e6, event.duration_ps / 1e6
                name = plane.event_metadata[event.metadata_id].name
                about = {"name": name, "ph": "X", "ts": begin, "dur": length} | where
                if name == "MemoryAllocation":
                    numbers = {plane.stat_metadata[one.metadata_id].name: one.int64_value for one in event.stats}
                    about["args"] = {"requested_bytes": numbers["requested_bytes"]}
                found.append(about)
    return found


@contextmanager
def _allocator_tells() -> Iterator[bool]:
    """The CPU's allocator tells the profiler, which it does when it keeps an account; whether it can be asked to.

    Python has no switch for that, so the library is called: ``tsl::EnableCPUAllocatorStats()``.
    """
    try:
        (path,) = Path(tf.sysconfig.get_lib()).glob("libtensorflow_framework.so.*")
        library = ctypes.CDLL(str(path))
        on, off = library._ZN3tsl23EnableCPUAllocatorStatsEv, library._ZN3tsl24DisableCPUAllocatorStatsEv
    except (ValueError, OSError, AttributeError):
        yield False
        return
    on()
    try:
        yield True
    finally:
        off()


def _operation(found: tuple[Mapping[str, Any], float]) -> Operation:
    """A node of a graph is ``name:Operation``; the thread of Python waits while the executor runs a function."""
    event, seconds = found
    _, colon, operation = event["name"].rpartition(":")
    node = colon and " " not in event["name"] and "::" not in event["name"]
    main = event["cat"].startswith("python")
    if node and "Iterator" not in operation:
        return Operation(operation, seconds, "kernel", main)
    return Operation(event["name"], seconds, "wait" if event["name"] == "FunctionRun" and main else "other", main)


def _arrays(setting: Setting, shape: tuple[int, ...]) -> list[tf.Tensor]:
    return [tf.cast(tf.random.uniform(shape), operands(setting.precision)) for _ in range(2)]
