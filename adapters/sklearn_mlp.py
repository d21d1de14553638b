"""scikit-learn's MLPClassifier: the classical baseline."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.neural_network import MLPClassifier

from adapters.adapter import Adapter, Setting, Watch
from tasks.mlp import Layer
from tasks.recipe import BatchOrder
from tasks.task import Split


class SklearnMLP(Adapter):
    name = "sklearn-mlp"
    framework = "scikit-learn"
    api = "high"
    modes = ("default",)
    limits = (
        {"device": ("gpu", "tpu"), "because": "scikit-learn computes on the CPU only"},
        {
            "kind": "regression",
            "because": "MLPRegressor's squared error carries a factor ½ and its output is fixed",
        },
        {"outputs": (1, 2), "because": "MLPClassifier solves two classes with one logistic output"},
        {"optimizer": ("adam", "adamw"), "because": "its Adam adds epsilon before the bias correction; no AdamW"},
        {"dropout": True, "because": "MLPClassifier has no dropout"},
        {"l2": True, "because": "MLPClassifier divides its penalty by the size of each batch"},
    )
    notes = (
        "predict_proba gives probabilities, so predict returns their logarithm, equal to logits up to a constant.",
    )

    def __init__(self, setting: Setting) -> None:
        model, r = setting.model, setting.recipe
        self.model, self.dtype = model, np.dtype(setting.precision)
        self.network = MLPClassifier(
            hidden_layer_sizes=model.widths[1:-1],
            activation="logistic" if model.activation == "sigmoid" else model.activation,
            solver="sgd",
            alpha=0.0,
            learning_rate_init=r.learning_rate,
            momentum=0.0 if r.optimizer == "sgd" else r.momentum,
            nesterovs_momentum=r.optimizer == "nesterov",
            batch_size=r.batch_size,
            shuffle=False,
            random_state=setting.seed,
        )
        # One partial_fit allocates the weights; the optimizer that it made goes, and its velocities with it
        sample = np.zeros((1, model.widths[0]), self.dtype)
        self.network.set_params(batch_size=1).partial_fit(sample, [0], classes=np.arange(model.widths[-1]))
        self.network.set_params(batch_size=r.batch_size)
        del self.network._optimizer

    def set_weights(self, layers: Sequence[Layer]) -> None:
        for i, layer in enumerate(layers):
            self.network.coefs_[i][...] = layer.kernel
            self.network.intercepts_[i][...] = layer.bias

    def get_weights(self) -> list[Layer]:
        arrays = zip(self.network.coefs_, self.network.intercepts_, strict=True)
        return [Layer(kernel.copy(), bias.copy()) for kernel, bias in arrays]

    def fit(self, train: Split, order: BatchOrder, watch: Watch) -> None:
        x, y = train.x.astype(self.dtype), train.y
        watch.ready()
        for epoch in range(order.epochs):
            indices = order.epoch(epoch)
            self.network.partial_fit(x[indices], y[indices])
            if not watch.epoch_end(epoch):
                break

    def predict(self, x: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):  # a probability may underflow to 0
            return np.log(self.network.predict_proba(x.astype(self.dtype, copy=False)))

    def synchronize(self) -> None:
        pass  # scikit-learn returns when the work is done
