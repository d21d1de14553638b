"""tensorflow-tape as TensorFlow's own guide makes it faster: tf.data prepares batches while the step computes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from levelfield import BatchOrder, Setting
from levelfield.adapters.tensorflow import data
from levelfield.adapters.tensorflow.tape import TensorFlowTape


def epochs(x: tf.Tensor, y: tf.Tensor, order: BatchOrder | None, setting: Setting, buffer: int) -> Iterator[Any]:
    """The batches (x, y) of each epoch, prefetched; one data set for all, since each traces its functions anew."""
    if order is None:
        yield from (batches.prefetch(tf.data.AUTOTUNE) for batches in data.epochs(x, y, None, setting, buffer))
        return
    size, indices = order.batch_size, tf.Variable(order.epoch(0))

    def batch(i: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        own = indices[i * size : (i + 1) * size]
        return tf.gather(x, own), tf.gather(y, own)

    steps = tf.data.Dataset.range(order.steps)
    batches = steps.map(batch, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
    for epoch in range(order.epochs):
        indices.assign(order.epoch(epoch))
        yield batches


class TapeFast(TensorFlowTape):
    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.epochs = epochs
