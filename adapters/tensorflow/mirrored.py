"""Data parallelism in TensorFlow: a MirroredStrategy over the process's devices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import tensorflow as tf

from levelfield import Setting

Gradients = Callable[[tf.Tensor, tf.Tensor], tuple[Sequence[tf.Tensor], tf.Tensor]]


def strategy(setting: Setting) -> Any:
    devices = tf.config.list_logical_devices(setting.kind_of_device.upper())
    # Collectives between logical CPUs fail from the second strategy in a process on
    reduction = tf.distribute.ReductionToOneDevice() if setting.kind_of_device == "cpu" else None
    return tf.distribute.MirroredStrategy([d.name for d in devices[: setting.replicas]], cross_device_ops=reduction)


class Replicas:
    """Those of one setting, one a device of this process."""

    def __init__(self, setting: Setting) -> None:
        self.size = setting.recipe.batch_size
        self.strategy = strategy(setting)
        self.found: dict[str, int] = {}  # device → samples

    def scope(self) -> AbstractContextManager[Any]:
        """Variables made inside have a copy on every device."""
        scope: AbstractContextManager[Any] = self.strategy.scope()
        return scope

    def run(self, gradients: Gradients, x: tf.Tensor, y: tf.Tensor) -> tuple[Sequence[tf.Tensor], Any]:
        """The gradients of the mean over a batch, of which each replica computes its share, and the shares' logits.

        `gradients` gives those of the mean over a share, with its logits; shares count by their samples.
        """
        size, replicas = x.shape[0], self.strategy.num_replicas_in_sync

        def share() -> tuple[Sequence[tf.Tensor], tf.Tensor]:
            i = int(tf.get_static_value(_number()))
            own = slice(i * size // replicas, (i + 1) * size // replicas)
            found, logits = gradients(x[own], y[own])
            weight = (own.stop - own.start) / size
            # No samples have no mean
            return [weight * g if weight else tf.zeros_like(g) for g in found], logits

        found, logits = self.strategy.run(share)
        total = [self.strategy.reduce("SUM", g, axis=None) for g in found]
        return total, self.strategy.experimental_local_results(logits)

    def own(self, number: tf.Tensor) -> tf.Tensor:
        """For random numbers: as many as there are replicas that no other `number` has, one for each."""
        return number * self.strategy.num_replicas_in_sync + _number()

    def watched(self, step: Callable[..., Any]) -> Callable[..., Any]:
        """`step`, which returns the logits of the shares; where they are is kept, of whole batches."""

        def call(x: tf.Tensor, y: tf.Tensor) -> None:
            logits = step(x, y)
            if len(x) == self.size:
                # Where the memory is: `device` is where an eager operation would compute with it
                self.found = {part.backing_device: len(part) for part in logits}

        return call


def _number() -> tf.Tensor:
    """Of the replica that computes."""
    return tf.convert_to_tensor(tf.distribute.get_replica_context().replica_id_in_sync_group)
