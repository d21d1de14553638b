"""How JAX keeps arrays on its devices: in which order, and how firmly."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.layout import Format, Layout
from jax.sharding import Sharding, SingleDeviceSharding


def by_samples(array: np.ndarray, where: Sharding | None = None) -> jax.Array:
    """A data set on the device, or where it is said; on a TPU each sample in one piece.

    Left to itself a TPU keeps a table in whichever order needs less padding. Where that is by columns, every step would
    copy the whole table to gather the rows of its batch.
    """
    if array.ndim > 1 and jax.default_backend() == "tpu":
        rows = Layout(tuple(range(array.ndim)))
        return jax.device_put(array, Format(rows, where or SingleDeviceSharding(jax.devices()[0])))
    return jnp.array(array) if where is None else jax.device_put(jnp.array(array), where)


def beside(array: jax.Array, tree: Any) -> Any:
    """The arrays of `tree`, committed to a device if `array` is. Else what the first step returns would be and what it
    got was not, so that the second step is compiled anew."""
    return jax.device_put(tree, array.sharding) if array.committed else tree
