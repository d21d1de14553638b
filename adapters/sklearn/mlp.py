"""scikit-learn's MLPClassifier: the classical baseline."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.neural_network import MLPClassifier

from levelfield import Adapter, BatchOrder, Layer, Setting, Split, Watch


class SklearnMLP(Adapter):
    name = "sklearn-mlp"
    framework = "scikit-learn"
    api = "high"
    modes = ("default",)
    limits = (
        {"device": ("gpu", "tpu"), "because": "scikit-learn computes on the CPU only"},
        {"precision": "bfloat16", "because": "scikit-learn has no bfloat16"},
        {"kind": "regression", "because": "MLPRegressor halves the squared error, and with it every gradient"},
        {"outputs": (1, 2), "because": "MLPClassifier solves two classes with one logistic output"},
        {"optimizer": "adam", "track": "matched", "because": "its Adam adds epsilon before the bias correction"},
        {"optimizer": "adamw", "because": "MLPClassifier has no AdamW"},
        {"dropout": True, "because": "MLPClassifier has no dropout"},
        {
            "l2": True,
            "track": "idiomatic",
            "because": "MLPClassifier divides its penalty by the size of each batch, and the last one may be smaller",
        },
    )
    notes = (
        "predict_proba gives probabilities, so predict returns their logarithm, equal to logits up to a constant.",
        "MLPClassifier divides its L2 penalty by the size of each batch; a smaller last batch has a call of its own.",
    )
    defaults = {
        "initialiser": "kernels and biases uniform on ±√(6/(inputs + outputs)), with sigmoid √(2/(inputs + outputs))",
        "adam": "betas 0.9 and 0.999, epsilon 1e-8 before the bias correction",
        "penalty": "the model's; MLPClassifier's own alpha is 0.0001, divided by the size of each batch",
        "loader": "arrays given to partial_fit once an epoch, shuffled, the partial last batch kept",
        "stopping": "early_stopping=True: patience 10, tol 1e-4 (of validation accuracy), best weights restored",
    }
    stopping = {"patience": 10, "min_delta": 1e-4, "restore_best": True}
    documented_feed = "resident"

    def __init__(self, setting: Setting) -> None:
        model, r = setting.model, setting.recipe
        self.idiomatic, self.recipe = setting.track == "idiomatic", r
        self.model, self.dtype = model, np.dtype(setting.dtype)
        self.network = MLPClassifier(
            hidden_layer_sizes=model.widths[1:-1],
            activation="logistic" if model.activation == "sigmoid" else model.activation,
            solver="adam" if r.optimizer == "adam" else "sgd",
            alpha=0.0,
            learning_rate_init=r.learning_rate,
            momentum=0.0 if r.optimizer == "sgd" else r.momentum,
            nesterovs_momentum=r.optimizer == "nesterov",
            batch_size=r.batch_size,
            shuffle=self.idiomatic,
            random_state=np.random.RandomState(setting.seed),  # a number would shuffle every epoch alike
        )
        # One partial_fit draws the weights, a step too short to move them; its optimizer goes, and velocities with it
        sample = np.zeros((1, model.widths[0]), self.dtype)
        self.network.set_params(batch_size=1, learning_rate_init=1e-300)
        self.network.partial_fit(sample, [0], classes=np.arange(model.widths[-1]))
        self.network.set_params(batch_size=r.batch_size, learning_rate_init=r.learning_rate)
        del self.network._optimizer

    def set_weights(self, layers: Sequence[Layer]) -> None:
        for i, layer in enumerate(layers):
            self.network.coefs_[i][...] = layer.kernel
            self.network.intercepts_[i][...] = layer.bias

    def get_weights(self) -> list[Layer]:
        arrays = zip(self.network.coefs_, self.network.intercepts_, strict=True)
        return [Layer(kernel.copy(), bias.copy()) for kernel, bias in arrays]

    def fit(self, train: Split, order: BatchOrder | None, watch: Watch) -> None:
        x, y = train.x.astype(self.dtype), train.y
        watch.ready()
        for epoch in range(order.epochs if order else self.recipe.epochs):
            indices = order.epoch(epoch) if order else slice(None)
            self.step(x[indices], y[indices])
            if not watch.epoch_end(epoch):
                break

    def predict(self, x: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):  # a probability may underflow to 0
            return np.log(self.network.predict_proba(x.astype(self.dtype, copy=False)))

    def synchronize(self) -> None:
        pass  # scikit-learn returns when the work is done

    def step(self, x: np.ndarray, y: np.ndarray) -> None:
        """An epoch. The penalty is half of alpha over the size of a batch: with one, a smaller last batch is a call."""
        size = self.recipe.batch_size
        whole = len(x) - len(x) % size if self.model.l2 else len(x)
        for part in (slice(whole), slice(whole, len(x))):
            if part.stop > (part.start or 0):
                self.network.batch_size = min(size, len(x[part]))
                self.network.alpha = 2 * self.model.l2 * self.network.batch_size
                self.network.partial_fit(x[part], y[part])
