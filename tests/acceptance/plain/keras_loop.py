"""A Keras model and optimizer in one's own GradientTape loop."""

from __future__ import annotations

import os
from time import perf_counter

os.environ["KERAS_BACKEND"] = "tensorflow"
import keras
import tensorflow as tf
from plain_setup import (
    BATCH,
    MOMENTUM,
    RATE,
    STEPS,
    WIDTHS,
    batch_order,
    begin,
    initial_weights,
    report,
    training_data,
)


def main():
    mode, goes_on = begin("graph", "eager")
    x, y = map(tf.constant, training_data())
    model = keras.Sequential(
        [
            keras.Input((WIDTHS[0],)),
            keras.layers.Dense(WIDTHS[1], activation="relu"),
            keras.layers.Dense(WIDTHS[2]),
        ]
    )
    model.set_weights(initial_weights())
    criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.SGD(RATE, MOMENTUM)
    optimizer.build(model.trainable_variables)

    def step(x, y):
        with tf.GradientTape() as tape:
            loss = criterion(y, model(x, training=True))
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)

    if mode == "graph":
        step = tf.function(step)

    sizes = [BATCH] * STEPS
    marks = [perf_counter()]
    while goes_on(marks):
        indices = batch_order(len(marks) - 1)
        x_batches, y_batches = tf.split(tf.gather(x, indices), sizes), tf.split(tf.gather(y, indices), sizes)
        for x_batch, y_batch in zip(x_batches, y_batches, strict=True):
            step(x_batch, y_batch)
        tf.test.experimental.sync_devices()
        marks.append(perf_counter())
    report(marks, model.get_weights())


if __name__ == "__main__":
    main()
