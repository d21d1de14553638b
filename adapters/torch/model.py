"""What the adapters over torch.nn share: the network, the loss and the optimizers of the specification."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from levelfield import Layer, Setting


class Mixed(nn.Sequential):
    """Computes in bfloat16 what autocast holds to be safe, products among it; gives its logits in float32."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, torch.bfloat16):
            return super().forward(x).float()


def build(setting: Setting) -> nn.Sequential:
    model, kind = setting.model, Mixed if setting.precision == "bfloat16" else nn.Sequential
    activation = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}[model.activation]
    layers: list[nn.Module] = []
    for n, m in model.shapes[:-1]:
        layers += [nn.Linear(n, m), activation()]
        if model.dropout:
            layers.append(nn.Dropout(model.dropout))
    return kind(*layers, nn.Linear(*model.shapes[-1])).to(getattr(torch, setting.dtype))


def criterion(setting: Setting) -> nn.Module:
    return nn.CrossEntropyLoss() if setting.kind == "classification" else nn.MSELoss()


def optimizer(network: nn.Module, setting: Setting) -> torch.optim.Optimizer:
    """By the specification on the matched track; as it comes on the idiomatic one."""
    r, parameters = setting.recipe, network.parameters()
    match r.optimizer:
        case "sgd":
            return torch.optim.SGD(parameters, r.learning_rate)
        case "momentum" | "nesterov":
            return torch.optim.SGD(parameters, r.learning_rate, r.momentum, nesterov=r.optimizer == "nesterov")
        case "adam" | "adamw" if setting.track == "idiomatic":
            return {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[r.optimizer](parameters, r.learning_rate)
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
    arrays = [(m.weight.detach().cpu().numpy(), m.bias.detach().cpu().numpy()) for m in _linears(network)]
    return [Layer(kernel.T.copy(), bias.copy()) for kernel, bias in arrays]


def predict(network: nn.Sequential, x: np.ndarray) -> np.ndarray:
    """Logits in evaluation mode, on the device and in the type of the parameters."""
    network.eval()
    weight = next(network.parameters())
    with torch.no_grad():
        return network(torch.tensor(x, dtype=weight.dtype, device=weight.device)).cpu().numpy()


def _linears(network: nn.Sequential) -> list[nn.Linear]:
    return [module for module in network if isinstance(module, nn.Linear)]
