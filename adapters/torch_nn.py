"""PyTorch as most people write it: a sequence of layers, an optimizer of torch.optim, one's own training loop."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from adapters.adapter import Adapter, Setting, Watch
from tasks.mlp import MLP, Layer
from tasks.recipe import BatchOrder, Recipe
from tasks.task import Split


def build(model: MLP) -> nn.Sequential:
    activation = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}[model.activation]
    layers: list[nn.Module] = []
    for n, m in model.shapes[:-1]:
        layers += [nn.Linear(n, m), activation(), nn.Dropout(model.dropout)]
    return nn.Sequential(*layers, nn.Linear(*model.shapes[-1]))


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
    return l2 * sum(p.square().sum() for p in network.parameters() if p.ndim == 2)


class TorchNN(Adapter):
    name = "torch-nn"
    framework = "torch"
    api = "mixed"
    modes = ("eager", "compile")
    limits = ({"mode": "compile", "compiler": False, "because": "torch.compile on a CPU needs a C++ compiler"},)

    def __init__(self, setting: Setting) -> None:
        self.model = setting.model
        self.dtype = getattr(torch, setting.precision)
        torch.manual_seed(setting.seed)
        self.network = build(setting.model).to(self.dtype)
        self.criterion = criterion(setting.kind)
        self.optimizer = optimizer(list(self.network.parameters()), setting.recipe)
        self.loss = torch.compile(self.loss_eager, dynamic=False) if setting.mode == "compile" else self.loss_eager

    def set_weights(self, layers: Sequence[Layer]) -> None:
        linears = [module for module in self.network if isinstance(module, nn.Linear)]
        with torch.no_grad():
            for linear, layer in zip(linears, layers, strict=True):
                linear.weight.copy_(torch.tensor(layer.kernel.T))
                linear.bias.copy_(torch.tensor(layer.bias))

    def get_weights(self) -> list[Layer]:
        linears = [module for module in self.network if isinstance(module, nn.Linear)]
        return [Layer(m.weight.detach().numpy().T.copy(), m.bias.detach().numpy().copy()) for m in linears]

    def fit(self, train: Split, order: BatchOrder, watch: Watch) -> None:
        x = torch.tensor(train.x, dtype=self.dtype)
        y = torch.tensor(train.y)
        watch.ready()
        for epoch in range(order.epochs):
            self.network.train()
            indices = torch.from_numpy(order.epoch(epoch))
            x_batches = x[indices].split(order.batch_size)
            y_batches = y[indices].split(order.batch_size)
            for x_batch, y_batch in zip(x_batches, y_batches, strict=True):
                self.optimizer.zero_grad()
                self.loss(x_batch, y_batch).backward()
                self.optimizer.step()
            if not watch.epoch_end(epoch):
                break

    def predict(self, x: np.ndarray) -> np.ndarray:
        self.network.eval()
        with torch.no_grad():
            return self.network(torch.tensor(x, dtype=self.dtype)).numpy()

    def synchronize(self) -> None:
        pass  # on a CPU torch returns when the work is done

    def loss_eager(self, x: Tensor, y: Tensor) -> Tensor:
        loss = self.criterion(self.network(x), y)
        return loss + penalty(self.network, self.model.l2) if self.model.l2 else loss
