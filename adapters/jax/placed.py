"""How JAX keeps a data set on its devices."""

from __future__ import annotations

import jax
import numpy as np
from jax.experimental.layout import Format, Layout
from jax.sharding import Sharding, SingleDeviceSharding


def by_samples(array: np.ndarray, where: Sharding | None = None) -> jax.Array:
    """A data set on the device, or where it is said, each sample in one piece. It is committed to it.

    Left to itself a TPU keeps a table in whichever order needs less padding. Where that is by columns, every step would
    copy the whole table to gather the rows of its batch. Others keep it by rows in any case.
    """
    form = Format(Layout(tuple(range(array.ndim))), where or SingleDeviceSharding(jax.devices()[0]))
    # With JAX_DISABLE_JIT what is given a layout stays an array of NumPy's
    return jax.numpy.asarray(jax.device_put(array, form))
