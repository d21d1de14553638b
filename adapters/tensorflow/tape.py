"""TensorFlow's low level: variables, a GradientTape, and every update written out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import tensorflow as tf

from levelfield import Adapter, BatchOrder, Layer, Setting, Split, Watch
from levelfield.adapters.tensorflow.data import epochs
from levelfield.adapters.tensorflow.words import NO_TPU


class TensorFlowTape(Adapter):
    name = "tensorflow-tape"
    framework = "tensorflow"
    api = "low"
    modes = ("graph", "eager", "xla")
    limits = (NO_TPU,)
    defaults = {
        "source": "TensorFlow's guide Multilayer perceptrons for digit recognition with Core APIs",
        "initialiser": "kernels Glorot uniform, biases 0",
        "adam": "betas 0.9 and 0.999, epsilon 1e-7 after the bias correction",
        "adamw": "not in TensorFlow: as adam, weight decay of the recipe",
        "loader": "tf.data, shuffled in a buffer of 10000 (TensorFlow's quickstart for experts; the guide does "
        "not shuffle), the partial last batch kept",
        "stopping": "none",
    }
    fast_modes = {
        "xla": {
            "does": "tf.function with jit_compile=True: the step compiled by XLA",
            "page": "https://openxla.org/xla/tf2xla",
            "why_not_default": "XLA compiles anew for each shape, and not every operation.",
        },
        "prefetch": {
            "does": "graph, with batches that tf.data makes while the step before is computed",
            "page": "https://www.tensorflow.org/guide/data_performance",
            "why_not_default": "It is for data that must be read or prepared: these are a tensor in memory.",
        },
    }
    fast_class = "levelfield.adapters.tensorflow.tape_fast:TapeFast"
    replication = ("devices",)
    replicated = "levelfield.adapters.tensorflow.tape_mirrored:TapeMirrored"

    def __init__(self, setting: Setting) -> None:
        self.setting, self.model, self.recipe, self.seed = setting, setting.model, setting.recipe, setting.seed
        if setting.track == "idiomatic":
            self.recipe = replace(self.recipe, beta1=0.9, beta2=0.999, epsilon=1e-7)
        self.dtype, self.mixed = tf.as_dtype(setting.dtype), setting.precision == "bfloat16"
        self.activation = getattr(tf.nn, self.model.activation)
        cross_entropy = tf.nn.sparse_softmax_cross_entropy_with_logits
        self.criterion = cross_entropy if setting.kind == "classification" else tf.math.squared_difference
        shapes = [s for n, m in self.model.shapes for s in ((n, m), (m,))]
        self.parameters = [tf.Variable(tf.zeros(s, self.dtype)) for s in shapes]
        self.first = [tf.Variable(tf.zeros_like(w), trainable=False) for w in self.parameters]
        self.second = [tf.Variable(tf.zeros_like(w), trainable=False) for w in self.parameters]
        self.steps = tf.Variable(tf.zeros((), self.dtype), trainable=False)
        if setting.track == "idiomatic":
            for i, kernel in enumerate(self.parameters[::2]):
                bound = (6 / sum(kernel.shape)) ** 0.5
                kernel.assign(tf.random.stateless_uniform(kernel.shape, (self.seed, i), -bound, bound, self.dtype))
        self.train, self.evaluate, self.epochs = self.step, self.logits, epochs
        if setting.mode != "eager":
            self.train = tf.function(self.step, jit_compile=setting.mode == "xla", autograph=False)
            self.evaluate = tf.function(self.logits, jit_compile=setting.mode == "xla", autograph=False)

    def set_weights(self, layers: Sequence[Layer]) -> None:
        for parameter, value in zip(self.parameters, (a for layer in layers for a in layer), strict=True):
            parameter.assign(tf.cast(value, self.dtype))

    def get_weights(self) -> list[Layer]:
        arrays = [np.array(parameter) for parameter in self.parameters]
        return [Layer(k, b) for k, b in zip(arrays[::2], arrays[1::2], strict=True)]

    def fit(self, train: Split, order: BatchOrder | None, watch: Watch) -> None:
        x = tf.constant(train.x, self.dtype)
        y = tf.constant(train.y, None if self.setting.kind == "classification" else self.dtype)
        watch.ready()
        for epoch, batches in enumerate(self.epochs(x, y, order, self.setting, buffer=10_000)):
            for x_batch, y_batch in batches:
                self.train(x_batch, y_batch)
            if not watch.epoch_end(epoch):
                break

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self.evaluate(tf.constant(x, self.dtype)).numpy()

    def synchronize(self) -> None:
        tf.test.experimental.sync_devices()

    def logits(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        *hidden, (kernel, bias) = zip(self.parameters[::2], self.parameters[1::2], strict=True)
        for i, (k, b) in enumerate(hidden):
            x = self.activation(self.product(x, k) + b)
            if training and self.model.dropout:  # stateless, since XLA does not heed tf.random.set_seed
                x = tf.nn.experimental.stateless_dropout(x, self.model.dropout, (self.seed * 1000 + i, self.drawn()))
        return self.product(x, kernel) + bias

    def product(self, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.cast(a, tf.bfloat16) @ tf.cast(b, tf.bfloat16), self.dtype) if self.mixed else a @ b

    def drawn(self) -> tf.Tensor:
        """The number of the step, by which dropout's masks differ."""
        return tf.cast(self.steps, tf.int32)

    def loss(self, logits: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        loss = tf.reduce_mean(self.criterion(y, logits))
        # l2_loss is half the sum of squares
        return loss + 2 * self.model.l2 * sum(map(tf.nn.l2_loss, self.parameters[::2])) if self.model.l2 else loss

    def gradients(self, x: tf.Tensor, y: tf.Tensor) -> Sequence[tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = self.loss(self.logits(x, training=True), y)
        return tape.gradient(loss, self.parameters)

    def update(self, gradients: Sequence[tf.Tensor]) -> None:
        r = self.recipe
        if self.model.dropout or r.optimizer in ("adam", "adamw"):  # dropout's masks are drawn from the step
            self.steps.assign_add(1)
        for w, g, m, v in zip(self.parameters, gradients, self.first, self.second, strict=True):
            match r.optimizer:
                case "sgd":
                    w.assign_sub(r.learning_rate * g)
                case "momentum" | "nesterov":
                    m.assign(r.momentum * m + g)
                    w.assign_sub(r.learning_rate * (m if r.optimizer == "momentum" else g + r.momentum * m))
                case "adam" | "adamw":
                    m.assign_add((1 - r.beta1) * (g - m))
                    v.assign_add((1 - r.beta2) * (g * g - v))
                    if r.optimizer == "adamw":
                        w.assign(w * (1 - r.learning_rate * r.weight_decay))
                    m_hat = m / (1 - r.beta1**self.steps)
                    v_hat = v / (1 - r.beta2**self.steps)
                    w.assign_sub(r.learning_rate * m_hat / (tf.sqrt(v_hat) + r.epsilon))

    def step(self, x: tf.Tensor, y: tf.Tensor) -> None:
        self.update(self.gradients(x, y))
