"""PyTorch's low level: tensors, autograd, and every update written out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, dropout, mse_loss

from levelfield import Adapter, BatchOrder, Layer, Setting, Split, Watch
from levelfield.adapters.torch.data import epochs
from levelfield.adapters.torch.words import COMPILER, LOADER, NO_TPU


class TorchAutograd(Adapter):
    name = "torch-autograd"
    framework = "torch"
    api = "low"
    modes = ("eager", "compile")
    limits = (COMPILER, NO_TPU)
    defaults = {
        "source": "torch's tutorial What is torch.nn really?",
        "initialiser": "kernels normal with deviation 1/√inputs, biases 0",
        "optimizer": "the specification's, with the constants of the recipe",
        "loader": LOADER,
        "stopping": "none",
    }
    fast_modes = {
        "compile": {
            "does": "torch.compile of the loss, with its gradients, and of the update",
            "page": "https://docs.pytorch.org/tutorials/intermediate/torch_compile_tutorial.html",
            "why_not_default": "Compiling takes seconds to minutes, and on a CPU needs a C++ compiler.",
        },
    }
    replication = ("ranks",)
    replicated = "levelfield.adapters.torch.autograd_ranks:AutogradRanks"
    epochs = staticmethod(epochs)

    def __init__(self, setting: Setting) -> None:
        self.model, self.recipe = setting.model, setting.recipe
        self.dtype = getattr(torch, setting.dtype)
        self.device = torch.device("cuda" if setting.kind_of_device == "gpu" else "cpu")
        self.activation = getattr(torch, self.model.activation)
        self.criterion = cross_entropy if setting.kind == "classification" else mse_loss
        torch.manual_seed(setting.seed)
        shapes = [s for n, m in self.model.shapes for s in ((n, m), (m,))]
        self.parameters = [torch.zeros(s, dtype=self.dtype, device=self.device, requires_grad=True) for s in shapes]
        if setting.track == "idiomatic":
            self.set_weights([Layer(np.asarray(torch.randn(n, m) / n**0.5), np.zeros(m)) for n, m in self.model.shapes])
        self.first = [torch.zeros_like(w, requires_grad=False) for w in self.parameters]
        self.second = [torch.zeros_like(w, requires_grad=False) for w in self.parameters]
        self.steps = torch.zeros((), dtype=self.dtype, device=self.device)
        if setting.precision == "bfloat16":
            self.logits = torch.autocast(self.device.type, torch.bfloat16)(self.logits)  # type: ignore[method-assign]
        if setting.mode == "compile":
            # Not torch.func.grad of the loss: compiled with dropout, it gave wrong gradients (torch 2.13)
            self.loss = torch.compile(self.loss, dynamic=False)  # type: ignore[method-assign]
            self.update = torch.compile(self.update, dynamic=False)

    def set_weights(self, layers: Sequence[Layer]) -> None:
        with torch.no_grad():
            for parameter, value in zip(self.parameters, (a for layer in layers for a in layer), strict=True):
                parameter.copy_(torch.tensor(value))

    def get_weights(self) -> list[Layer]:
        arrays = [parameter.detach().cpu().numpy().copy() for parameter in self.parameters]
        return [Layer(k, b) for k, b in zip(arrays[::2], arrays[1::2], strict=True)]

    def fit(self, train: Split, order: BatchOrder | None, watch: Watch) -> None:
        x = torch.tensor(train.x, dtype=self.dtype, device=self.device if order else None)
        y = torch.tensor(train.y, device=self.device if order else None)
        watch.ready()
        for epoch, batches in enumerate(self.epochs(x, y, order, self.recipe, self.device)):
            for batch in batches:
                self.update(self.gradients(*batch))
            if not watch.epoch_end(epoch):
                break

    def predict(self, x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            z = self.logits(self.parameters, torch.tensor(x, dtype=self.dtype, device=self.device), training=False)
            return z.cpu().numpy()

    def synchronize(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def logits(self, parameters: Sequence[Tensor], x: Tensor, training: bool) -> Tensor:
        *hidden, (kernel, bias) = zip(parameters[::2], parameters[1::2], strict=True)
        for k, b in hidden:
            x = self.activation(x @ k + b)
            if self.model.dropout:
                x = dropout(x, self.model.dropout, training)
        return x @ kernel + bias

    def loss(self, parameters: Sequence[Tensor], x: Tensor, y: Tensor) -> Tensor:
        loss = self.criterion(self.logits(parameters, x, training=True), y)
        return loss + self.model.l2 * sum(k.square().sum() for k in parameters[::2]) if self.model.l2 else loss

    def gradients(self, x: Tensor, y: Tensor) -> Sequence[Tensor]:
        return torch.autograd.grad(self.loss(self.parameters, x, y), self.parameters)

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
