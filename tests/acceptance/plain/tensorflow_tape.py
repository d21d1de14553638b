"""An MLP of variables in TensorFlow, with a GradientTape and the update written out."""

from __future__ import annotations

from time import perf_counter

import tensorflow as tf
from plain_setup import BATCH, MOMENTUM, RATE, STEPS, batch_order, begin, initial_weights, report, training_data


def main():
    mode, goes_on = begin("graph", "eager", "xla")
    x, y = map(tf.constant, training_data())
    parameters = [tf.Variable(w) for w in initial_weights()]
    velocities = [tf.Variable(tf.zeros_like(w), trainable=False) for w in parameters]

    def step(x, y):
        with tf.GradientTape() as tape:
            *hidden, (kernel, bias) = zip(parameters[::2], parameters[1::2], strict=True)
            for k, b in hidden:
                x = tf.nn.relu(x @ k + b)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, x @ kernel + bias))
        for w, g, v in zip(parameters, tape.gradient(loss, parameters), velocities, strict=True):
            v.assign(MOMENTUM * v + g)
            w.assign_sub(RATE * v)

    if mode != "eager":
        step = tf.function(step, jit_compile=mode == "xla", autograph=False)

    sizes = [BATCH] * STEPS
    marks = [perf_counter()]
    while goes_on(marks):
        indices = batch_order(len(marks) - 1)
        x_batches, y_batches = tf.split(tf.gather(x, indices), sizes), tf.split(tf.gather(y, indices), sizes)
        for x_batch, y_batch in zip(x_batches, y_batches, strict=True):
            step(x_batch, y_batch)
        tf.test.experimental.sync_devices()
        marks.append(perf_counter())
    report(marks, [w.numpy() for w in parameters])


if __name__ == "__main__":
    main()
