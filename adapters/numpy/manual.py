"""NumPy by hand: forward, backward and update written out. In float64 it is the reference for every other adapter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from levelfield import Adapter, BatchOrder, Layer, Setting, Split, Watch


class NumpyManual(Adapter):
    name = "numpy-manual"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    limits = (
        {"device": ("gpu", "tpu"), "because": "NumPy computes on the CPU only"},
        {"precision": "bfloat16", "because": "NumPy has no bfloat16"},
    )
    defaults = {
        "source": "NumPy's tutorial Deep learning on MNIST; NumPy has no networks of its own",
        "initialiser": "kernels uniform on ±0.1, biases 0, which the tutorial leaves out",
        "optimizer": "the specification's, with the constants of the recipe",
        "loader": "arrays in memory, a permutation drawn each epoch, the partial last batch kept; "
        "the tutorial takes single samples, in order",
        "stopping": "none",
    }
    documented_feed = "resident"

    def __init__(self, setting: Setting) -> None:
        self.setting, self.model, self.recipe = setting, setting.model, setting.recipe
        self.dtype = np.dtype(setting.dtype)
        self.random = np.random.default_rng(setting.seed)
        self.parameters = [np.zeros(s, self.dtype) for n, m in self.model.shapes for s in ((n, m), (m,))]
        self.first = [np.zeros_like(w) for w in self.parameters]
        self.second = [np.zeros_like(w) for w in self.parameters]
        self.steps = 0
        if setting.track == "idiomatic":
            self.set_weights([Layer(self.random.uniform(-0.1, 0.1, s), np.zeros(s[1])) for s in self.model.shapes])

    def set_weights(self, layers: Sequence[Layer]) -> None:
        for parameter, value in zip(self.parameters, (a for layer in layers for a in layer), strict=True):
            parameter[...] = value

    def get_weights(self) -> list[Layer]:
        arrays = [parameter.copy() for parameter in self.parameters]
        return [Layer(k, b) for k, b in zip(arrays[::2], arrays[1::2], strict=True)]

    def fit(self, train: Split, order: BatchOrder | None, watch: Watch) -> None:
        x = train.x.astype(self.dtype)
        y = train.y if self.setting.kind == "classification" else train.y.astype(self.dtype)
        order = order or BatchOrder(len(x), self.recipe.batch_size, self.recipe.epochs, self.setting.seed)
        watch.ready()
        for epoch in range(order.epochs):
            indices = order.epoch(epoch)
            x_epoch, y_epoch = x[indices], y[indices]
            for batch in order.slices():
                self.update(self.gradients(x_epoch[batch], y_epoch[batch]))
            if not watch.epoch_end(epoch):
                break

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self.forward(x.astype(self.dtype, copy=False))[0][-1]

    def synchronize(self) -> None:
        pass  # NumPy returns when the work is done

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The input of every layer, the logits last; and the factor that each hidden activation's gradient takes."""
        values, factors = [x], []
        kernels, biases = self.parameters[::2], self.parameters[1::2]
        for kernel, bias in zip(kernels[:-1], biases[:-1], strict=True):
            h = values[-1] @ kernel + bias
            match self.model.activation:
                case "relu":
                    h = np.maximum(h, 0)
                    factor = (h > 0).astype(self.dtype)
                case "tanh":
                    h = np.tanh(h)
                    factor = 1 - h * h
                case "sigmoid":
                    h = (1 + np.tanh(h / 2)) / 2  # equal to 1 / (1 + exp(−h)), without overflow
                    factor = h * (1 - h)
            if training and self.model.dropout:
                keep = 1 - self.model.dropout
                mask = ((self.random.random(h.shape) < keep) / keep).astype(self.dtype)
                h, factor = h * mask, factor * mask
            values.append(h)
            factors.append(factor)
        values.append(values[-1] @ kernels[-1] + biases[-1])
        return values, factors

    def slope(self, logits: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Of the batch loss without its penalty, with respect to the logits."""
        if self.setting.kind == "classification":
            delta = np.exp(logits - logits.max(axis=1, keepdims=True))
            delta /= delta.sum(axis=1, keepdims=True)
            delta[np.arange(len(y)), y] -= 1
            delta /= len(y)
        else:
            delta = (2 / y.size) * (logits - y)
        return delta

    def gradients(self, x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
        """Of the batch loss, in the order of the parameters."""
        values, factors = self.forward(x, training=True)
        delta = self.slope(values[-1], y)
        gradients = []
        for i in reversed(range(len(self.parameters) // 2)):
            kernel = self.parameters[2 * i]
            gradient = values[i].T @ delta
            if self.model.l2:
                gradient += 2 * self.model.l2 * kernel
            gradients += [delta.sum(axis=0), gradient]
            if i:
                delta = (delta @ kernel.T) * factors[i - 1]
        return gradients[::-1]

    def update(self, gradients: list[np.ndarray]) -> None:
        r = self.recipe
        self.steps += 1
        for w, g, m, v in zip(self.parameters, gradients, self.first, self.second, strict=True):
            match r.optimizer:
                case "sgd":
                    w -= r.learning_rate * g
                case "momentum" | "nesterov":
                    m *= r.momentum
                    m += g
                    w -= r.learning_rate * (m if r.optimizer == "momentum" else g + r.momentum * m)
                case "adam" | "adamw":
                    m += (1 - r.beta1) * (g - m)
                    v += (1 - r.beta2) * (g * g - v)
                    if r.optimizer == "adamw":
                        w *= 1 - r.learning_rate * r.weight_decay
                    m_hat = m / (1 - r.beta1**self.steps)
                    v_hat = v / (1 - r.beta2**self.steps)
                    w -= r.learning_rate * m_hat / (np.sqrt(v_hat) + r.epsilon)
