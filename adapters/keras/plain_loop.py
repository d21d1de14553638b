"""A Keras model and optimizer in one's own GradientTape loop."""

import keras
import tensorflow as tf

BATCH, RATE, MOMENTUM = 32, 0.01, 0.9


def train(x, y, weights, epochs, mode="graph"):
    x, y = tf.constant(x), tf.constant(y)
    hidden, output = keras.layers.Dense(128, activation="relu"), keras.layers.Dense(10)
    model = keras.Sequential([keras.Input((64,)), hidden, output])
    model.set_weights(weights)
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

    for indices in epochs:
        sizes = [BATCH] * (len(indices) // BATCH)
        batches = [tf.split(tf.gather(array, indices), sizes) for array in (x, y)]
        for x_batch, y_batch in zip(*batches, strict=True):
            step(x_batch, y_batch)
        tf.test.experimental.sync_devices()
    return model.get_weights()
