"""How data reach the loops written in torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from levelfield import BatchOrder, Recipe


def epochs(x: Tensor, y: Tensor, order: BatchOrder | None, recipe: Recipe, device: torch.device) -> Iterator[Any]:
    """The batches (x, y) of each epoch: in the given order on the device, else from the host by torch's DataLoader."""
    if order is None:
        loader = DataLoader(TensorDataset(x, y), recipe.batch_size, shuffle=True)
        for _ in range(recipe.epochs):
            yield ((x.to(device), y.to(device)) for x, y in loader)
        return
    for epoch in range(order.epochs):
        indices = torch.from_numpy(order.epoch(epoch)).to(device)
        yield zip(x[indices].split(order.batch_size), y[indices].split(order.batch_size), strict=True)
