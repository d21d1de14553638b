"""What a setting may say: each set of values once, as types; parsers ask `typing.get_args` for the values."""

from __future__ import annotations

from typing import Literal, get_args

Api = Literal["low", "high", "mixed"]
Feed = Literal["resident", "loader"]
DeviceKind = Literal["cpu", "gpu", "tpu"]
DEVICE_KINDS: tuple[DeviceKind, ...] = get_args(DeviceKind)
# Of the products: float32 to its last digit; TF32, which NVIDIA GPUs have; bfloat16 products between float32
# parameters, state and loss ("mixed"); float64 throughout, for certificates and for learning
TimedPrecision = Literal["float32", "tf32", "bfloat16"]
Precision = Literal[TimedPrecision, "float64"]
Track = Literal["matched", "idiomatic"]
# How the replicas of data-parallel training are made: as devices of one process (logical CPU devices, which share its
# cores, or the GPUs that there are), or as ranks, one process each, pinned to cores of its own
Replication = Literal["devices", "ranks"]
