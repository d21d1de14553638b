"""TensorFlow."""

from __future__ import annotations

import gc
from collections.abc import Iterable
from typing import Any

import tensorflow as tf

from adapters.adapter import Setting


def configure(setting: Setting) -> None:
    tf.config.threading.set_intra_op_parallelism_threads(setting.threads)
    tf.config.threading.set_inter_op_parallelism_threads(setting.threads)
    tf.config.experimental.enable_tensor_float_32_execution(False)


def preload() -> None:
    pass


def synchronize(arrays: Iterable[Any] = ()) -> None:
    tf.test.experimental.sync_devices()


def compilations() -> int:
    """Traces of all living functions. TensorFlow counts them per function only, so all objects are looked through."""
    kind = tf.types.experimental.PolymorphicFunction
    functions = [thing for thing in gc.get_objects() if issubclass(type(thing), kind)]
    return sum(function.experimental_get_tracing_count() for function in functions)
