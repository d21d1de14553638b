"""TensorFlow."""

from __future__ import annotations

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


def compilations() -> int | None:
    return None  # TensorFlow counts traces per function, not per process
