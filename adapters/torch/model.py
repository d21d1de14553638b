"""What the adapters over torch.nn share: the network, the loss and the optimizers of the specification."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from levelfield import Adapter, Layer, Setting


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


def optimizer(network: nn.Module, setting: Setting, **how: bool) -> torch.optim.Optimizer:
    """By the specification on the matched track; as it comes on the idiomatic one. `how`: foreach or fused."""
    r, parameters = setting.recipe, network.parameters()
    match r.optimizer:
        case "sgd" | "momentum" | "nesterov":
            momentum = 0.0 if r.optimizer == "sgd" else r.momentum
            return torch.optim.SGD(parameters, r.learning_rate, momentum, nesterov=r.optimizer == "nesterov", **how)
        case "adam" | "adamw":
            kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[r.optimizer]
            if setting.track == "idiomatic":
                return kind(parameters, r.learning_rate, **how)
            decay = r.weight_decay if r.optimizer == "adamw" else 0.0
            return kind(parameters, r.learning_rate, (r.beta1, r.beta2), r.epsilon, decay, **how)


def penalty(network: nn.Module, l2: float) -> Tensor:
    """On the kernels only; an optimizer's own weight_decay would shrink the biases too."""
    return l2 * sum(p.square().sum() for p in network.parameters() if p.ndim == 2)


class OverLayers(Adapter):
    """What the adapters over torch.nn do alike: `network` has a kernel (out, in) and a bias for each layer."""

    network: nn.Sequential
    dtype: torch.dtype
    device: torch.device

    def set_weights(self, layers: Sequence[Layer]) -> None:
        with torch.no_grad():
            for parameter, value in zip(self.network.parameters(), (a for x in layers for a in x), strict=True):
                parameter.copy_(torch.tensor(value.T))

    def get_weights(self) -> list[Layer]:
        arrays = [parameter.detach().cpu().numpy().T.copy() for parameter in self.network.parameters()]
        return [Layer(k, b) for k, b in zip(arrays[::2], arrays[1::2], strict=True)]

    def predict(self, x: np.ndarray) -> np.ndarray:
        self.network.eval()
        with torch.no_grad():
            return self.network(torch.tensor(x, dtype=self.dtype, device=self.device)).cpu().numpy()

    def synchronize(self) -> None:
        if torch.cuda.is_initialized():  # else there is only the CPU, where torch returns when the work is done
            torch.cuda.synchronize()
