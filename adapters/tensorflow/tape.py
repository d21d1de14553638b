"""TensorFlow's low level: variables, a GradientTape, and every update written out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from levelfield.adapters.adapter import Adapter, Setting, Watch
from levelfield.adapters.tensorflow import runtime
from levelfield.adapters.tensorflow.data import epochs
from levelfield.adapters.tensorflow.mirrored import Replicas
from levelfield.tasks.mlp import Layer
from levelfield.tasks.recipe import BatchOrder
from levelfield.tasks.task import Split


class TensorFlowTape(Adapter):
    name = "tensorflow-tape"
    framework = "tensorflow"
    api = "low"
    modes = ("graph", "eager", "xla")
    replication = ("devices",)
    limits = ({"device": "tpu", "because": "TensorFlow reaches a TPU through the distribution tensorflow-tpu only"},)
    defaults = {
        "source": "TensorFlow's guide Multilayer perceptrons for digit recognition with Core APIs",
        "initialiser": "kernels Glorot uniform, biases 0",
        "adam": "betas 0.9 and 0.999, epsilon 1e-7 after the bias correction",
        "adamw": "not in TensorFlow: as adam, weight decay of the recipe",
        "loader": "tf.data, shuffled in a buffer of 10000 (TensorFlow's quickstart for experts; the guide does "
        "not shuffle), the partial last batch kept",
        "stopping": "none",
    }

    def __init__(self, setting: Setting) -> None:
        if setting.track == "idiomatic":
            setting = replace(setting, recipe=replace(setting.recipe, beta1=0.9, beta2=0.999, epsilon=1e-7))
        self.setting = setting
        self.model, self.recipe, self.kind, self.seed = setting.model, setting.recipe, setting.kind, setting.seed
        self.dtype, self.mixed = tf.as_dtype(setting.dtype), setting.precision == "bfloat16"
        self.activation = getattr(tf.nn, self.model.activation)
        shapes = [s for n, m in self.model.shapes for s in ((n, m), (m,))]
        self.replicas = Replicas(setting)
        with self.replicas.scope():
            self.parameters = [tf.Variable(tf.zeros(s, self.dtype)) for s in shapes]
            self.first = [tf.Variable(tf.zeros_like(w), trainable=False) for w in self.parameters]
            self.second = [tf.Variable(tf.zeros_like(w), trainable=False) for w in self.parameters]
            self.steps = tf.Variable(tf.zeros((), self.dtype), trainable=False)
        if setting.track == "idiomatic":
            bounds = [(6 / (n + m)) ** 0.5 for n, m in self.model.shapes]
            for kernel, bound, i in zip(self.parameters[::2], bounds, range(len(bounds)), strict=True):
                seed = (setting.seed, i)
                kernel.assign(tf.random.stateless_uniform(kernel.shape, seed, -bound, bound, self.dtype))
        self.share, self.step, self.evaluate = self.gradients, self.step_eager, self.logits
        if setting.mode != "eager":
            xla = setting.mode == "xla"
            if several := xla and setting.replicas > 1:  # XLA compiles for one device: what each replica does
                self.share = tf.function(self.gradients, jit_compile=True, autograph=False)
            self.step = tf.function(self.step_eager, jit_compile=xla and not several, autograph=False)
            self.evaluate = tf.function(self.logits, jit_compile=xla, autograph=False)
        self.step = self.replicas.watched(self.step)

    def set_weights(self, layers: Sequence[Layer]) -> None:
        for parameter, value in zip(self.parameters, (a for layer in layers for a in layer), strict=True):
            parameter.assign(tf.cast(value, self.dtype))

    def get_weights(self) -> list[Layer]:
        arrays = [np.array(parameter) for parameter in self.parameters]
        return [Layer(k, b) for k, b in zip(arrays[::2], arrays[1::2], strict=True)]

    def fit(self, train: Split, order: BatchOrder | None, watch: Watch) -> None:
        x = tf.constant(train.x, self.dtype)
        y = tf.constant(train.y, None if self.kind == "classification" else self.dtype)
        watch.ready()
        for epoch, batches in enumerate(epochs(x, y, order, self.setting, buffer=10_000)):
            for x_batch, y_batch in batches:
                self.step(x_batch, y_batch)
            if not watch.epoch_end(epoch):
                break

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self.evaluate(tf.constant(x, self.dtype)).numpy()

    def synchronize(self) -> None:
        runtime.synchronize()

    def placement(self) -> dict[str, int]:
        return self.replicas.found

    def logits(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        *hidden, (kernel, bias) = zip(self.parameters[::2], self.parameters[1::2], strict=True)
        for i, (k, b) in enumerate(hidden):
            x = self.activation(self.product(x, k) + b)
            if training and self.model.dropout:
                # Stateless, since XLA does not heed tf.random.set_seed
                seed = (self.seed * 1000 + i, self.replicas.own(tf.cast(self.steps, tf.int32)))
                x = tf.nn.experimental.stateless_dropout(x, self.model.dropout, seed)
        return self.product(x, kernel) + bias

    def product(self, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.cast(a, tf.bfloat16) @ tf.cast(b, tf.bfloat16), self.dtype) if self.mixed else a @ b

    def loss(self, logits: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        if self.kind == "classification":
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))
        else:
            loss = tf.reduce_mean(tf.square(logits - y))
        if self.model.l2:
            loss += self.model.l2 * tf.add_n([tf.reduce_sum(tf.square(k)) for k in self.parameters[::2]])
        return loss

    def step_eager(self, x: tf.Tensor, y: tf.Tensor) -> Any:
        gradients, parts = self.replicas.run(self.share, x, y)
        self.update(gradients)
        return parts

    def gradients(self, x: tf.Tensor, y: tf.Tensor) -> tuple[Sequence[tf.Tensor], tf.Tensor]:
        with tf.GradientTape() as tape:
            logits = self.logits(x, training=True)
            loss = self.loss(logits, y)
        return tape.gradient(loss, self.parameters), logits

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
