"""Data parallelism in JAX: parameters on every device of a mesh, the samples of a batch divided among its devices.

The devices are those of one process, or those of several ranks, one each.
"""

from __future__ import annotations

import os
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, Sharding
from jax.sharding import PartitionSpec as P

from levelfield.adapters.adapter import Setting


def join(setting: Setting) -> None:
    """Meet the other ranks; before the first computation of this process."""
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
    own = int(os.environ["LOCAL_RANK"])  # of the devices that this process sees
    jax.distributed.initialize(where, setting.replicas, int(os.environ["RANK"]), local_device_ids=[own])


class Replicas:
    """Those of one setting. Of a single one, nothing is placed.

    `batch` and `seen` act while a step is traced: the compiler then places the work, sums the gradients, and pads and
    masks a batch that the devices cannot share equally. To be made before the first array: ranks join each other here.
    """

    def __init__(self, setting: Setting) -> None:
        self.ranks = setting.replication == "ranks"
        if self.ranks and not jax.distributed.is_initialized():
            join(setting)
        self.size = setting.recipe.batch_size
        self.mesh = Mesh(jax.devices()[: setting.replicas], "samples") if setting.replicas > 1 else None
        self.found: dict[str, int] = {}  # device → samples

    def everywhere(self, tree: Any) -> Any:
        """All arrays of `tree` on all devices."""
        if self.mesh is None:
            return tree
        whole = NamedSharding(self.mesh, P())
        if self.ranks:  # each has all of it already
            return jax.tree.map(lambda a: jax.make_array_from_process_local_data(whole, np.asarray(a)), tree)
        return jax.device_put(tree, whole)

    def here(self, tree: Any) -> Any:
        """The arrays of `tree`, which all devices have, for a computation that no other rank takes part in."""
        return jax.tree.map(lambda a: a.addressable_data(0), tree) if self.ranks else tree

    def batch(self, x: Any, y: Any, indices: Any) -> tuple[Any, Any]:
        """The samples `indices`, each on one of the devices."""
        if self.mesh is not None:
            indices = jax.lax.with_sharding_constraint(indices, NamedSharding(self.mesh, P("samples")))
        return x[indices], y[indices]

    def seen(self, logits: jax.Array) -> jax.Array:
        """Keeps where the compiler has placed the logits of a step on a whole batch."""
        if self.mesh is not None and len(logits) == self.size:
            jax.debug.inspect_array_sharding(logits, callback=lambda where: self._keep(where, logits.shape))
        return logits

    def _keep(self, where: Sharding, shape: tuple[int, ...]) -> None:
        samples, *rest = shape
        padded = -(-samples // where.num_devices) * where.num_devices
        rows = where.addressable_devices_indices_map((padded, *rest))
        self.found = {str(device): len(range(samples)[index[0]]) for device, index in rows.items()}
