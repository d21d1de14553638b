"""The chips that can be compiled for without one, and what their compilers are told.

Memory: TPUs, https://docs.cloud.google.com/tpu/docs/system-architecture-tpu-vm (a chip's; of a chip with two cores each
device has half); H100: the target below. Devices of a chip: as its compiler counts them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from levelfield.tasks.errors import UserError, unknown

GIB = 2**30

# The target of XLA's own tests (xla/backends/gpu/target_config/specs/h100_sxm.txtpb), as far as compiling needs it
_H100 = """
gpu_device_info {
  threads_per_block_limit: 1024 threads_per_warp: 32
  shared_memory_per_block: 49152 shared_memory_per_core: 233472 shared_memory_per_block_optin: 232448
  threads_per_core_limit: 2048 core_count: 132 fpus_per_core: 128
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
  memory_bandwidth: 3352320000000 l2_cache_size: 52428800 clock_rate_ghz: 1.98 device_memory_size: 84942979072
  cuda_compute_capability { major: 9 }
  registers_per_core_limit: 65536 registers_per_block_limit: 65536
}
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 10 }
runtime_version { major: 12 minor: 9 patch: 0 }
device_description_str: "NVIDIA H100 80GB HBM3"
"""


@dataclass(frozen=True)
class Chip:
    """One kind of chip, by the name that users type: ``tpu:v5e``, ``gpu:h100``."""

    name: str
    memory: int  # bytes of one device
    cores: int = 1  # devices of one chip
    bounds: Literal[2, 3] = 2  # in how many directions its chips are connected

    @property
    def kind(self) -> Literal["tpu", "gpu"]:
        return "tpu" if self.name.startswith("tpu:") else "gpu"

    @property
    def needs(self) -> tuple[str, ...]:
        """Distributions that hold its compiler."""
        if self.kind == "tpu":
            return ("libtpu",)
        return ("jax-cuda12-plugin", "jax-cuda12-pjrt", "nvidia-cuda-nvcc-cu12")

    @property
    def extra(self) -> str:
        return f"preview-{self.kind}"

    def topology(self, devices: int) -> dict[str, Any]:
        """Arguments of ``jax.experimental.topologies.get_topology_desc`` for so many devices. Raises UserError for a
        number that this chip's hosts do not have."""
        if self.kind == "gpu":
            return {"platform": "cuda", "topology_name": "", "target_config": _H100, "topology": f"1x1x{devices}"}
        chips = -(-devices // self.cores)
        if chips not in _HOSTS:
            known = ", ".join(str(n * self.cores) for n in _HOSTS)
            raise UserError(f"{self.name}: no host has {devices} devices", f"--replicas 1, or one of: {known}")
        sides = (*_HOSTS[chips], *[1] * (self.bounds - 2))
        name = f"{self.name.removeprefix('tpu:')}:{'x'.join(map(str, sides))}"
        return {"platform": "tpu", "topology_name": name, "chips_per_host_bounds": [*_HOSTS[chips], 1]}

    def variants(self) -> dict[str, dict[str, Any]]:
        """Names of ways of its compiler → options. Without a GPU nothing is tuned: on one, XLA chooses for each product
        between its own kernels and NVIDIA's library, so that both have to be right."""
        if self.kind == "tpu":
            return {"libtpu": {}}
        return {
            "triton": {"xla_gpu_enable_triton_gemm": True},
            "cublas": {"xla_gpu_enable_triton_gemm": False},
        }


_HOSTS: dict[int, tuple[int, int]] = {1: (1, 1), 2: (1, 2), 4: (2, 2), 8: (2, 4)}  # chips → how they lie

CHIPS = {
    chip.name: chip
    for chip in (
        Chip("tpu:v5e", 16 * GIB),
        Chip("tpu:v6e", 32 * GIB),
        Chip("tpu:v4", 16 * GIB, cores=2, bounds=3),
        Chip("tpu:v5p", 95 * GIB, bounds=3),
        Chip("tpu:tpu7x", 96 * GIB, cores=2, bounds=3),
        Chip("gpu:h100", 84942979072),
    )
}


def named(text: str) -> Chip:
    """The chip of that name. Raises UserError."""
    if text not in CHIPS:
        raise unknown("chip", text, CHIPS)
    return CHIPS[text]
