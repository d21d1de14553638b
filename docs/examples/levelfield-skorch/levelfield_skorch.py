"""skorch: a module of torch as an estimator of scikit-learn's kind; it owns the loop, and a callback follows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback
from torch import nn

from levelfield import MLP, Adapter, BatchOrder, Layer, Recipe, Setting, Split, Watch


def build(model: MLP) -> nn.Sequential:
    activation = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}[model.activation]
    parts = [part for n, m in model.shapes for part in (nn.Linear(n, m), activation(), nn.Dropout(model.dropout))]
    return nn.Sequential(*parts[:-2])


def optimizer(r: Recipe) -> dict[str, Any]:
    if r.optimizer in ("adam", "adamw"):
        kind, how = torch.optim.Adam, {"betas": (r.beta1, r.beta2), "eps": r.epsilon}
        if r.optimizer == "adamw":
            kind, how["weight_decay"] = torch.optim.AdamW, r.weight_decay
    else:
        momentum = 0 if r.optimizer == "sgd" else r.momentum
        kind, how = torch.optim.SGD, {"momentum": momentum, "nesterov": r.optimizer == "nesterov"}
    return {"optimizer": kind, "lr": r.learning_rate} | {f"optimizer__{name}": value for name, value in how.items()}


class Net(NeuralNet):
    l2 = 0.0

    def get_loss(self, *args: Any, **how: Any) -> Any:
        loss = super().get_loss(*args, **how)
        return loss + self.l2 * sum(m.weight.square().sum() for m in self.module_[::3]) if self.l2 else loss


class Stop(Exception):
    """How to leave skorch's loop: it has no flag for it, and takes KeyboardInterrupt to be the user's."""


class Watcher(Callback):
    """Of the net from its construction on; `fit` gives it the order and the watch. A batch sampler besides."""

    order: BatchOrder
    watch: Watch
    epoch = -1

    def __len__(self) -> int:
        return self.order.steps

    def __iter__(self) -> Iterator[np.ndarray]:
        return self.order.batches(self.epoch)

    def on_epoch_begin(self, net: NeuralNet, **_: Any) -> None:
        self.epoch += 1
        if self.epoch == 0:  # on_train_begin comes before the loader is made
            self.watch.ready()

    def on_epoch_end(self, net: NeuralNet, **_: Any) -> None:
        if not self.watch.epoch_end(self.epoch):
            raise Stop


class Skorch(Adapter):
    name = "skorch"
    framework = "skorch"
    backend = "torch"
    api = "high"
    modes = ("eager",)
    feed = "loader"
    limits = (
        {"precision": "bfloat16", "because": "skorch has no mixed precision of its own, it leaves it to accelerate"},
        {"device": "tpu", "because": "torch reaches a TPU through torch-tpu or torch_xla, not used here"},
    )
    notes = ("skorch's own callbacks time each epoch and keep its training loss; its log is not printed.",)

    def __init__(self, setting: Setting) -> None:
        self.dtype, self.watcher = np.dtype(setting.dtype), Watcher()
        torch.manual_seed(setting.seed)
        module = build(setting.model).to(getattr(torch, setting.dtype))
        criterion = nn.CrossEntropyLoss if setting.kind == "classification" else nn.MSELoss
        self.net = Net(
            module,
            criterion,
            **optimizer(setting.recipe),
            device="cuda" if setting.kind_of_device == "gpu" else "cpu",
            train_split=None,
            callbacks=[self.watcher],
            verbose=0,
            predict_nonlinearity=None,
            iterator_train__batch_size=1,  # the sampler makes the batches
            iterator_train__batch_sampler=self.watcher,
            iterator_valid__batch_size=-1,
            iterator_valid__generator=torch.Generator(),  # a loader draws; dropout follows the global generator
        )
        self.net.l2 = setting.model.l2
        self.net.initialize()

    def set_weights(self, layers: Sequence[Layer]) -> None:
        for linear, (kernel, bias) in zip(self.net.module_[::3], layers, strict=True):
            linear.weight.data.copy_(torch.tensor(kernel.T))
            linear.bias.data.copy_(torch.tensor(bias))

    def get_weights(self) -> list[Layer]:
        arrays = [p.detach().cpu().numpy().copy() for p in self.net.module_.parameters()]
        return [Layer(weight.T, bias) for weight, bias in zip(arrays[::2], arrays[1::2], strict=True)]

    def fit(self, train: Split, order: BatchOrder, watch: Watch) -> None:
        x, y = train.x.astype(self.dtype), train.y if train.y.ndim == 1 else train.y.astype(self.dtype)
        self.watcher.order, self.watcher.watch = order, watch
        with suppress(Stop):
            self.net.partial_fit(x, y, epochs=order.epochs)

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self.net.predict_proba(x.astype(self.dtype))

    def synchronize(self) -> None:
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
