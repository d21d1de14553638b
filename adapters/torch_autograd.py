"""PyTorch's low level: tensors, autograd, and every update written out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, dropout, mse_loss

from adapters.adapter import Adapter, Setting, Watch
from tasks.mlp import Layer
from tasks.recipe import BatchOrder
from tasks.task import Split


class TorchAutograd(Adapter):
    name = "torch-autograd"
    framework = "torch"
    api = "low"
    modes = ("eager", "compile")
    limits = ({"mode": "compile", "compiler": False, "because": "torch.compile on a CPU needs a C++ compiler"},)

    def __init__(self, setting: Setting) -> None:
        self.model, self.recipe = setting.model, setting.recipe
        self.dtype = getattr(torch, setting.precision)
        self.activation = getattr(torch, self.model.activation)
        self.criterion = cross_entropy if setting.kind == "classification" else mse_loss
        torch.manual_seed(setting.seed)
        shapes = [s for n, m in self.model.shapes for s in ((n, m), (m,))]
        self.parameters = [torch.zeros(s, dtype=self.dtype, requires_grad=True) for s in shapes]
        self.first = [torch.zeros_like(w, requires_grad=False) for w in self.parameters]
        self.second = [torch.zeros_like(w, requires_grad=False) for w in self.parameters]
        self.steps = torch.zeros((), dtype=self.dtype)
        self.batch_loss = self.loss
        if setting.mode == "compile":
            # Not torch.func.grad of the loss: compiled with dropout, it gave wrong gradients (torch 2.13)
            self.batch_loss = torch.compile(self.loss, dynamic=False)
            self.update = torch.compile(self.update, dynamic=False)

    def set_weights(self, layers: Sequence[Layer]) -> None:
        with torch.no_grad():
            for parameter, value in zip(self.parameters, (a for layer in layers for a in layer), strict=True):
                parameter.copy_(torch.tensor(value))

    def get_weights(self) -> list[Layer]:
        arrays = [parameter.detach().numpy().copy() for parameter in self.parameters]
        return [Layer(k, b) for k, b in zip(arrays[::2], arrays[1::2], strict=True)]

    def fit(self, train: Split, order: BatchOrder, watch: Watch) -> None:
        x = torch.tensor(train.x, dtype=self.dtype)
        y = torch.tensor(train.y)
        watch.ready()
        for epoch in range(order.epochs):
            indices = torch.from_numpy(order.epoch(epoch))
            x_batches = x[indices].split(order.batch_size)
            y_batches = y[indices].split(order.batch_size)
            for x_batch, y_batch in zip(x_batches, y_batches, strict=True):
                self.update(self.gradients(self.parameters, x_batch, y_batch))
            if not watch.epoch_end(epoch):
                break

    def predict(self, x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return self.logits(self.parameters, torch.tensor(x, dtype=self.dtype), training=False).numpy()

    def synchronize(self) -> None:
        pass  # on a CPU torch returns when the work is done

    def logits(self, parameters: Sequence[Tensor], x: Tensor, training: bool) -> Tensor:
        *hidden, (kernel, bias) = zip(parameters[::2], parameters[1::2], strict=True)
        for k, b in hidden:
            x = self.activation(x @ k + b)
            if self.model.dropout:
                x = dropout(x, self.model.dropout, training)
        return x @ kernel + bias

    def loss(self, parameters: Sequence[Tensor], x: Tensor, y: Tensor) -> Tensor:
        loss = self.criterion(self.logits(parameters, x, training=True), y)
        if self.model.l2:
            loss = loss + self.model.l2 * sum(kernel.square().sum() for kernel in parameters[::2])
        return loss

    def gradients(self, parameters: Sequence[Tensor], x: Tensor, y: Tensor) -> Sequence[Tensor]:
        return torch.autograd.grad(self.batch_loss(parameters, x, y), parameters)

    @torch.no_grad()
    def update(self, gradients: Sequence[Tensor]) -> None:
        r = self.recipe
        if r.optimizer in ("adam", "adamw"):
            self.steps += 1
        for w, g, m, v in zip(self.parameters, gradients, self.first, self.second, strict=True):
            match r.optimizer:
                case "sgd":
                    w -= r.learning_rate * g
                case "momentum" | "nesterov":
                    m.mul_(r.momentum).add_(g)
                    w -= r.learning_rate * (m if r.optimizer == "momentum" else g + r.momentum * m)
                case "adam" | "adamw":
                    m += (1 - r.beta1) * (g - m)
                    v += (1 - r.beta2) * (g * g - v)
                    if r.optimizer == "adamw":
                        w *= 1 - r.learning_rate * r.weight_decay
                    m_hat = m / (1 - r.beta1**self.steps)
                    v_hat = v / (1 - r.beta2**self.steps)
                    w -= r.learning_rate * m_hat / (v_hat.sqrt() + r.epsilon)
