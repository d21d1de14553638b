"""TensorFlow's low level: variables, a GradientTape, and every update written out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from adapters.adapter import Adapter, Setting, Watch
from adapters.runtimes import tensorflow as runtime
from tasks.mlp import Layer
from tasks.recipe import BatchOrder
from tasks.task import Split


class TensorFlowTape(Adapter):
    name = "tensorflow-tape"
    framework = "tensorflow"
    api = "low"
    modes = ("graph", "eager", "xla")

    def __init__(self, setting: Setting) -> None:
        self.model, self.recipe, self.kind, self.seed = setting.model, setting.recipe, setting.kind, setting.seed
        self.dtype = tf.as_dtype(setting.precision)
        self.activation = getattr(tf.nn, self.model.activation)
        shapes = [s for n, m in self.model.shapes for s in ((n, m), (m,))]
        self.parameters = [tf.Variable(tf.zeros(s, self.dtype)) for s in shapes]
        self.first = [tf.Variable(tf.zeros_like(w), trainable=False) for w in self.parameters]
        self.second = [tf.Variable(tf.zeros_like(w), trainable=False) for w in self.parameters]
        self.steps = tf.Variable(tf.zeros((), self.dtype), trainable=False)
        self.step, self.evaluate = self.step_eager, self.logits
        if setting.mode != "eager":
            xla = setting.mode == "xla"
            self.step = tf.function(self.step_eager, jit_compile=xla, autograph=False)
            self.evaluate = tf.function(self.logits, jit_compile=xla, autograph=False)

    def set_weights(self, layers: Sequence[Layer]) -> None:
        for parameter, value in zip(self.parameters, (a for layer in layers for a in layer), strict=True):
            parameter.assign(tf.cast(value, self.dtype))

    def get_weights(self) -> list[Layer]:
        arrays = [np.array(parameter) for parameter in self.parameters]
        return [Layer(k, b) for k, b in zip(arrays[::2], arrays[1::2], strict=True)]

    def fit(self, train: Split, order: BatchOrder, watch: Watch) -> None:
        x = tf.constant(train.x, self.dtype)
        y = tf.constant(train.y, None if self.kind == "classification" else self.dtype)
        sizes = [s.stop - s.start for s in order.slices()]
        watch.ready()
        for epoch in range(order.epochs):
            indices = order.epoch(epoch)
            x_batches = tf.split(tf.gather(x, indices), sizes)
            y_batches = tf.split(tf.gather(y, indices), sizes)
            for x_batch, y_batch in zip(x_batches, y_batches, strict=True):
                self.step(x_batch, y_batch)
            if not watch.epoch_end(epoch):
                break

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self.evaluate(tf.constant(x, self.dtype)).numpy()

    def synchronize(self) -> None:
        runtime.synchronize()

    def logits(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        *hidden, (kernel, bias) = zip(self.parameters[::2], self.parameters[1::2], strict=True)
        for i, (k, b) in enumerate(hidden):
            x = self.activation(x @ k + b)
            if training and self.model.dropout:
                # Stateless, since XLA does not heed tf.random.set_seed
                seed = (self.seed * 1000 + i, tf.cast(self.steps, tf.int32))
                x = tf.nn.experimental.stateless_dropout(x, self.model.dropout, seed)
        return x @ kernel + bias

    def loss(self, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        logits = self.logits(x, training=True)
        if self.kind == "classification":
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))
        else:
            loss = tf.reduce_mean(tf.square(logits - y))
        if self.model.l2:
            loss += self.model.l2 * tf.add_n([tf.reduce_sum(tf.square(k)) for k in self.parameters[::2]])
        return loss

    def step_eager(self, x: tf.Tensor, y: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            loss = self.loss(x, y)
        self.update(tape.gradient(loss, self.parameters))

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
