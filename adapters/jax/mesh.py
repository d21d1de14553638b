"""Data parallelism in JAX: parameters on every device of a mesh, the samples of a batch divided among its devices.

The devices are those of one process, or those of several ranks, one each.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, Sharding
from jax.sharding import PartitionSpec as P

from levelfield import Setting
from levelfield.adapters.jax.placed import by_samples


@jax.custom_vjp
def product(a: jax.Array, b: jax.Array) -> jax.Array:
    """Samples a times a kernel b in bfloat16, with the kernel's gradient summed over the samples in float32.

    JAX's own gradient is in bfloat16: each device would round its sum, and these would be added up in bfloat16.
    """
    return a.astype(jnp.bfloat16) @ b.astype(jnp.bfloat16)


def _forward(a: jax.Array, b: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return product(a, b), (a, b)


def _backward(operands: tuple[jax.Array, jax.Array], gradient: jax.Array) -> tuple[jax.Array, jax.Array]:
    a, b = operands
    of_a = gradient @ b.astype(gradient.dtype).T
    of_b = jnp.matmul(a.astype(gradient.dtype).T, gradient, preferred_element_type=jnp.float32)
    return of_a.astype(a.dtype), of_b.astype(b.dtype)


product.defvjp(_forward, _backward)


def join(setting: Setting) -> None:
    """Meet the other ranks; before the first computation of this process."""
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
    own = int(os.environ["LOCAL_RANK"])  # of the devices that this process sees
    jax.distributed.initialize(where, setting.replicas, int(os.environ["RANK"]), local_device_ids=[own])


class Replicas:
    """Those of one setting. To be made before the first array: ranks join each other here.

    `split` and `watched` act while a step is traced: the compiler then places the work, sums the gradients, and pads
    and masks a batch that the devices cannot share equally.
    """

    def __init__(self, setting: Setting) -> None:
        self.ranks = setting.replication == "ranks"
        if self.ranks and not jax.distributed.is_initialized():
            join(setting)
        self.size = setting.recipe.batch_size
        self.mesh = Mesh(jax.devices()[: setting.replicas], "samples")
        self.found: dict[str, int] = {}  # device → samples

    def everywhere(self, tree: Any) -> Any:
        """All arrays of `tree` on all devices."""
        whole = NamedSharding(self.mesh, P())
        if self.ranks:  # each has all of it already
            return jax.tree.map(lambda a: jax.make_array_from_process_local_data(whole, np.asarray(a)), tree)
        return jax.device_put(tree, whole)

    def place(self, array: np.ndarray) -> jax.Array:
        """A data set on all devices."""
        return self.everywhere(jnp.array(array)) if self.ranks else by_samples(array, NamedSharding(self.mesh, P()))

    def here(self, tree: Any) -> Any:
        """The arrays of `tree`, which all devices have, for a computation that no other rank takes part in."""
        return jax.tree.map(lambda a: a.addressable_data(0), tree) if self.ranks else tree

    def split(self, indices: Any) -> Any:
        """The indices of a batch's samples, each on one of the devices."""
        return jax.lax.with_sharding_constraint(indices, NamedSharding(self.mesh, P("samples")))

    def watched(self, criterion: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
        """`criterion`, which keeps where the compiler has placed the logits that it gets."""
        return lambda logits, y: criterion(self.seen(logits), y)

    def seen(self, logits: jax.Array) -> jax.Array:
        """The logits, with where they are kept if they are of a whole batch."""
        if len(logits) == self.size:
            jax.debug.inspect_array_sharding(logits, callback=lambda where: self._keep(where, logits.shape))
        return logits

    def _keep(self, where: Sharding, shape: tuple[int, ...]) -> None:
        samples, *rest = shape
        padded = -(-samples // where.num_devices) * where.num_devices
        rows = where.addressable_devices_indices_map((padded, *rest))
        self.found = {str(device): len(range(samples)[index[0]]) for device, index in rows.items()}
