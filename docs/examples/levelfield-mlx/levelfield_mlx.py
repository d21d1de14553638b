"""MLX: modules whose arrays are computed lazily, trained by one's own loop with an optimizer of mlx.optimizers."""

from __future__ import annotations

from collections.abc import Sequence

import mlx.core as mx
import numpy as np
from mlx import nn, optimizers

from levelfield import Adapter, BatchOrder, Layer, Recipe, Setting, Split, Watch


def optimizer(r: Recipe) -> optimizers.Optimizer:
    if r.optimizer == "adam":
        return optimizers.Adam(r.learning_rate, [r.beta1, r.beta2], r.epsilon, bias_correction=True)
    if r.optimizer == "adamw":
        return optimizers.AdamW(r.learning_rate, [r.beta1, r.beta2], r.epsilon, r.weight_decay, bias_correction=True)
    momentum = 0 if r.optimizer == "sgd" else r.momentum
    return optimizers.SGD(r.learning_rate, momentum, nesterov=r.optimizer == "nesterov")


class MLX(Adapter):
    name = "mlx"
    framework = "mlx"
    api = "mixed"
    modes = ("lazy", "compile")
    limits = (
        {"device": "gpu", "precision": "float64", "because": "MLX computes float64 on the CPU only"},
        {"precision": "float64", "kind": "classification", "because": "mx.exp of float64 has single precision"},
        {"precision": "float64", "activation": "sigmoid", "because": "mx.sigmoid of float64 has single precision"},
        {"precision": "float64", "optimizer": ("adam", "adamw"), "because": "its bias correction has single precision"},
    )
    notes = ("On Linux its CPU build computes on one thread, over the reference BLAS: threads change nothing.",)

    def __init__(self, setting: Setting) -> None:
        model, self.dtype = setting.model, getattr(mx, setting.dtype)
        mx.set_default_device(mx.cpu if setting.device == "cpu" else mx.gpu)
        mx.random.seed(setting.seed)
        activation = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}[model.activation]
        parts = [part for n, m in model.shapes for part in (nn.Linear(n, m), activation(), nn.Dropout(model.dropout))]
        self.network, self.linears, self.optimizer = nn.Sequential(*parts[:-2]), parts[::3], optimizer(setting.recipe)
        self.network.set_dtype(self.dtype)
        self.optimizer.init(self.network.trainable_parameters())
        self.state = [self.network.state, self.optimizer.state, mx.random.state]
        criterion = nn.losses.cross_entropy if setting.kind == "classification" else nn.losses.mse_loss

        def loss(x: mx.array, y: mx.array) -> mx.array:
            value = criterion(self.network(x), y, reduction="mean")
            return value + model.l2 * sum(m.weight.square().sum() for m in self.linears) if model.l2 else value

        def step(x: mx.array, y: mx.array) -> None:
            self.optimizer.update(self.network, nn.value_and_grad(self.network, loss)(x, y)[1])

        self.step = mx.compile(step, inputs=self.state, outputs=self.state) if setting.mode == "compile" else step

    def set_weights(self, layers: Sequence[Layer]) -> None:
        for linear, (kernel, bias) in zip(self.linears, layers, strict=True):
            linear.weight, linear.bias = mx.array(kernel.T, self.dtype), mx.array(bias, self.dtype)

    def get_weights(self) -> list[Layer]:
        return [Layer(np.array(m.weight).T, np.array(m.bias)) for m in self.linears]

    def fit(self, train: Split, order: BatchOrder, watch: Watch) -> None:
        x, y = mx.array(train.x, self.dtype), mx.array(train.y)
        mx.eval(x, y)
        watch.ready()
        for epoch in range(order.epochs):
            self.network.train()
            for indices in map(mx.array, order.batches(epoch)):
                self.step(x[indices], y[indices])
                mx.eval(self.state)
            if not watch.epoch_end(epoch):
                break

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.array(self.network.eval()(mx.array(x, self.dtype)))

    def synchronize(self) -> None:
        mx.synchronize()
