"""PyTorch as most people write it: a sequence of layers, an optimizer of torch.optim, one's own training loop."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from levelfield.adapters.adapter import Adapter, Setting, Watch
from levelfield.adapters.torch import runtime
from levelfield.adapters.torch.model import (
    build,
    criterion,
    epochs,
    get_weights,
    optimizer,
    penalty,
    predict,
    set_weights,
)
from levelfield.adapters.torch.ranks import join, parallel
from levelfield.tasks.mlp import Layer
from levelfield.tasks.recipe import BatchOrder
from levelfield.tasks.task import Split


class TorchNN(Adapter):
    name = "torch-nn"
    framework = "torch"
    api = "mixed"
    modes = ("eager", "compile")
    replication = ("ranks",)
    limits = (
        {
            "mode": "compile",
            "compiler": False,
            "device": "cpu",
            "because": "torch.compile on a CPU needs a C++ compiler",
        },
        {"device": "tpu", "because": "torch reaches a TPU through torch_xla only"},
    )
    defaults = {
        "initialiser": "nn.Linear's: kernels and biases uniform on ±1/√inputs",
        "adam": "betas 0.9 and 0.999, epsilon 1e-8 after the bias correction",
        "adamw": "as adam, decoupled weight decay 0.01",
        "loader": "DataLoader over a TensorDataset, shuffle=True, no workers, the partial last batch kept",
        "stopping": "none",
    }

    def __init__(self, setting: Setting) -> None:
        self.model, self.setting = setting.model, setting
        self.dtype = getattr(torch, setting.dtype)
        self.device = join(setting)
        torch.manual_seed(setting.seed)
        self.network = build(setting).to(self.device)
        self.parallel = parallel(self.network, setting)
        self.criterion = criterion(setting.kind)
        self.optimizer = optimizer(list(self.network.parameters()), setting)
        self.loss = torch.compile(self.loss_eager, dynamic=False) if setting.mode == "compile" else self.loss_eager

    def set_weights(self, layers: Sequence[Layer]) -> None:
        set_weights(self.network, layers)

    def get_weights(self) -> list[Layer]:
        return get_weights(self.network)

    def fit(self, train: Split, order: BatchOrder | None, watch: Watch) -> None:
        x = torch.tensor(train.x, dtype=self.dtype, device=self.device if order else None)
        y = torch.tensor(train.y, device=self.device if order else None)
        watch.ready()
        for epoch, batches in enumerate(epochs(x, y, order, self.setting, self.device)):
            self.network.train()
            for batch in batches:
                self.optimizer.zero_grad()
                self.loss(*batch).backward()
                self.optimizer.step()
            if not watch.epoch_end(epoch):
                break

    def predict(self, x: np.ndarray) -> np.ndarray:
        return predict(self.network, x)

    def synchronize(self) -> None:
        runtime.synchronize()

    def placement(self) -> dict[str, int]:
        return self.parallel.seen

    def loss_eager(self, x: Tensor, y: Tensor, weight: float = 1.0) -> Tensor:
        loss = self.criterion(self.parallel(x), y)
        if weight != 1:
            loss = loss * weight
        return loss + penalty(self.network, self.model.l2) if self.model.l2 else loss
