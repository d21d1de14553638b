"""Data-parallel training with torch.distributed: a rank computes its share of each batch, gradients are averaged."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from levelfield import BatchOrder, Recipe, Setting

PATIENCE = timedelta(seconds=120)  # for another rank, in a collective

# Of a rank: inputs and targets of its share of a batch, and the weight of their mean loss
Share = tuple[Tensor, Tensor, float]


def join(setting: Setting) -> None:
    """Meet the other ranks, once a process; before the first array is made."""
    gpu = setting.kind_of_device == "gpu"
    if gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    if not dist.is_initialized():
        if sys.platform == "linux":  # gloo would resolve the host's own name, which not every host can
            os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
        dist.init_process_group("nccl" if gpu else "gloo", timeout=PATIENCE)


class Averaging(DistributedDataParallel):
    """A network that, trained, has the average of all ranks' gradients; it keeps where and on what it computed."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network)
        self.seen: dict[str, int] = {}

    def forward(self, x: Tensor) -> Tensor:
        self.seen = seen(x, self.seen)
        return super().forward(x)


def average(gradients: Sequence[Tensor]) -> None:
    """Over the ranks, in place: what DistributedDataParallel does to a module's, here in one exchange."""
    whole = torch.cat([g.flatten() for g in gradients])
    dist.all_reduce(whole)
    whole /= dist.get_world_size()
    for g, mean in zip(gradients, whole.split([g.numel() for g in gradients]), strict=True):
        g.copy_(mean.view_as(g))


def draw_apart(setting: Setting) -> None:
    """Each rank draws its own dropout: the same masks in all of them would be too few."""
    torch.manual_seed(setting.seed * setting.replicas + dist.get_rank())


def seen(x: Tensor, before: dict[str, int]) -> dict[str, int]:
    """Where inputs are and how many, unless there were more before: the partial batch of an epoch is its last."""
    return {str(x.device): len(x)} if len(x) >= sum(before.values()) else before


def shares(x: Tensor, y: Tensor, order: BatchOrder, epoch: int, device: torch.device) -> Iterator[Share]:
    """This rank's part of each batch of an epoch.

    The average over ranks is that over samples when each mean counts by its share of the samples; a rank that has none
    computes one that does not count.
    """
    rank, ranks = dist.get_rank(), dist.get_world_size()
    batches = torch.from_numpy(order.epoch(epoch)).to(device).split(order.batch_size)
    own = [batch[rank::ranks] if len(batch) > rank else batch[:1] for batch in batches]
    indices, sizes = torch.cat(own), [len(part) for part in own]
    parts = zip(batches, x[indices].split(sizes), y[indices].split(sizes), strict=True)
    for batch, x_own, y_own in parts:
        counted = len(x_own) if len(batch) > rank else 0
        yield x_own, y_own, counted * ranks / len(batch)


def epochs(x: Tensor, y: Tensor, order: BatchOrder | None, recipe: Recipe, device: torch.device) -> Iterator[Any]:
    """Of each epoch, this rank's shares of the batches; several ranks are always given an order."""
    assert order is not None
    return (shares(x, y, order, epoch, device) for epoch in range(order.epochs))
