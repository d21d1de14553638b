"""What the adapters over torch.nn share: the network, the loss and the optimizers of the specification."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tasks.mlp import MLP, Layer
from tasks.recipe import Recipe


def build(model: MLP, dtype: torch.dtype) -> nn.Sequential:
    activation = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}[model.activation]
    layers: list[nn.Module] = []
    for n, m in model.shapes[:-1]:
        layers += [nn.Linear(n, m), activation()]
        if model.dropout:
            layers.append(nn.Dropout(model.dropout))
    return nn.Sequential(*layers, nn.Linear(*model.shapes[-1])).to(dtype)


def criterion(kind: str) -> nn.Module:
    return nn.CrossEntropyLoss() if kind == "classification" else nn.MSELoss()


def optimizer(parameters: Sequence[nn.Parameter], r: Recipe) -> torch.optim.Optimizer:
    match r.optimizer:
        case "sgd":
            return torch.optim.SGD(parameters, r.learning_rate)
        case "momentum" | "nesterov":
            return torch.optim.SGD(parameters, r.learning_rate, r.momentum, nesterov=r.optimizer == "nesterov")
        case "adam":
            return torch.optim.Adam(parameters, r.learning_rate, (r.beta1, r.beta2), r.epsilon)
        case "adamw":
            return torch.optim.AdamW(parameters, r.learning_rate, (r.beta1, r.beta2), r.epsilon, r.weight_decay)


def penalty(network: nn.Module, l2: float) -> Tensor:
    """On the kernels only; an optimizer's own weight_decay would shrink the biases too."""
    return l2 * sum(p.square().sum() for p in network.parameters() if p.ndim == 2)


def set_weights(network: nn.Sequential, layers: Sequence[Layer]) -> None:
    with torch.no_grad():
        for linear, layer in zip(_linears(network), layers, strict=True):
            linear.weight.copy_(torch.tensor(layer.kernel.T))
            linear.bias.copy_(torch.tensor(layer.bias))


def get_weights(network: nn.Sequential) -> list[Layer]:
    return [Layer(m.weight.detach().numpy().T.copy(), m.bias.detach().numpy().copy()) for m in _linears(network)]


def _linears(network: nn.Sequential) -> list[nn.Linear]:
    return [module for module in network if isinstance(module, nn.Linear)]
