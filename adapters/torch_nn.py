"""PyTorch as most people write it: a sequence of layers, an optimizer of torch.optim, one's own training loop."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from adapters.adapter import Adapter, Setting, Watch
from adapters.torch_model import build, criterion, get_weights, optimizer, penalty, set_weights
from tasks.mlp import Layer
from tasks.recipe import BatchOrder
from tasks.task import Split


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
        self.network = build(setting.model, self.dtype)
        self.criterion = criterion(setting.kind)
        self.optimizer = optimizer(list(self.network.parameters()), setting.recipe)
        self.loss = torch.compile(self.loss_eager, dynamic=False) if setting.mode == "compile" else self.loss_eager

    def set_weights(self, layers: Sequence[Layer]) -> None:
        set_weights(self.network, layers)

    def get_weights(self) -> list[Layer]:
        return get_weights(self.network)

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
