"""How data reach the loops written in TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from levelfield import BatchOrder, Setting


def epochs(x: tf.Tensor, y: tf.Tensor, order: BatchOrder | None, setting: Setting, buffer: int) -> Iterator[Any]:
    """The batches (x, y) of each epoch: in the given order, else by tf.data, shuffled in a buffer."""
    if order is None:
        data = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(buffer, setting.seed).batch(setting.recipe.batch_size)
        yield from [data] * setting.recipe.epochs
        return
    for epoch in range(order.epochs):
        indices = order.epoch(epoch)
        sizes = [len(indices[batch]) for batch in order.slices()]
        yield zip(tf.split(tf.gather(x, indices), sizes), tf.split(tf.gather(y, indices), sizes), strict=True)
