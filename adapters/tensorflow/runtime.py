"""TensorFlow."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable
from typing import Any

import tensorflow as tf

from levelfield.adapters.adapter import Setting
from levelfield.adapters.runtime import Runtime, operands


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


def _arrays(setting: Setting, shape: tuple[int, ...]) -> list[tf.Tensor]:
    return [tf.cast(tf.random.uniform(shape), operands(setting.precision)) for _ in range(2)]
