"""What the adapters over torch.nn share: the network, the loss and the optimizers of the specification."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from levelfield.adapters.adapter import Setting
from levelfield.adapters.torch import ranks
from levelfield.tasks.mlp import Layer
from levelfield.tasks.recipe import BatchOrder


class Mixed(nn.Sequential):
    """Computes in bfloat16 what autocast holds to be safe, products among it; gives its logits in float32."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, torch.bfloat16):
            return super().forward(x).float()


def build(setting: Setting) -> nn.Sequential:
    model = setting.model
    activation = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}[model.activation]
    layers: list[nn.Module] = []
    for n, m in model.shapes[:-1]:
        layers += [nn.Linear(n, m), activation()]
        if model.dropout:
            layers.append(nn.Dropout(model.dropout))
    kind = Mixed if setting.precision == "bfloat16" else nn.Sequential
    return kind(*layers, nn.Linear(*model.shapes[-1])).to(getattr(torch, setting.dtype))


def criterion(kind: str) -> nn.Module:
    return nn.CrossEntropyLoss() if kind == "classification" else nn.MSELoss()


def optimizer(parameters: Sequence[nn.Parameter], setting: Setting) -> torch.optim.Optimizer:
    """By the specification on the matched track; as it comes on the idiomatic one."""
    r = setting.recipe
    match r.optimizer:
        case "sgd":
            return torch.optim.SGD(parameters, r.learning_rate)
        case "momentum" | "nesterov":
            return torch.optim.SGD(parameters, r.learning_rate, r.momentum, nesterov=r.optimizer == "nesterov")
        case "adam" if setting.track == "idiomatic":
            return torch.optim.Adam(parameters, r.learning_rate)
        case "adamw" if setting.track == "idiomatic":
            return torch.optim.AdamW(parameters, r.learning_rate)
        case "adam":
            return torch.optim.Adam(parameters, r.learning_rate, (r.beta1, r.beta2), r.epsilon)
        case "adamw":
            return torch.optim.AdamW(parameters, r.learning_rate, (r.beta1, r.beta2), r.epsilon, r.weight_decay)


def penalty(network: nn.Module, l2: float) -> Tensor:
    """On the kernels only; an optimizer's own weight_decay would shrink the biases too."""
    return l2 * sum(p.square().sum() for p in network.parameters() if p.ndim == 2)


def epochs(
    x: Tensor, y: Tensor, order: BatchOrder | None, setting: Setting, device: torch.device
) -> Iterator[Iterable[Sequence[Any]]]:
    """The batches (x, y) of each epoch: in the given order on the device, else from the host by torch's DataLoader.

    Of several ranks, this one's shares of them.
    """
    r = setting.recipe
    if order is None:
        loader = DataLoader(TensorDataset(x, y), r.batch_size, shuffle=True)
        for _ in range(r.epochs):
            yield ((x.to(device), y.to(device)) for x, y in loader)
        return
    for epoch in range(order.epochs):
        if setting.replicas > 1:
            yield ranks.shares(x, y, order, epoch, device)
            continue
        indices = torch.from_numpy(order.epoch(epoch)).to(device)
        yield zip(x[indices].split(order.batch_size), y[indices].split(order.batch_size), strict=True)


def set_weights(network: nn.Sequential, layers: Sequence[Layer]) -> None:
    with torch.no_grad():
        for linear, layer in zip(_linears(network), layers, strict=True):
            linear.weight.copy_(torch.tensor(layer.kernel.T))
            linear.bias.copy_(torch.tensor(layer.bias))


def get_weights(network: nn.Sequential) -> list[Layer]:
    return [
        Layer(m.weight.detach().cpu().numpy().T.copy(), m.bias.detach().cpu().numpy().copy()) for m in _linears(network)
    ]


def predict(network: nn.Sequential, x: np.ndarray) -> np.ndarray:
    """Logits in evaluation mode, on the device and in the type of the parameters."""
    network.eval()
    weight = next(network.parameters())
    with torch.no_grad():
        return network(torch.tensor(x, dtype=weight.dtype, device=weight.device)).cpu().numpy()


def _linears(network: nn.Sequential) -> list[nn.Linear]:
    return [module for module in network if isinstance(module, nn.Linear)]
