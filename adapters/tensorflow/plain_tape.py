"""An MLP of variables in TensorFlow, with a GradientTape and the update written out."""

import tensorflow as tf

BATCH, RATE, MOMENTUM = 32, 0.01, 0.9


def train(x, y, weights, epochs, mode="graph"):
    x, y = tf.constant(x), tf.constant(y)
    parameters = [tf.Variable(w) for w in weights]
    velocities = [tf.Variable(tf.zeros_like(w), trainable=False) for w in parameters]

    def step(x, y):
        with tf.GradientTape() as tape:
            *hidden, (kernel, bias) = zip(parameters[::2], parameters[1::2], strict=True)
            for k, b in hidden:
                x = tf.nn.relu(x @ k + b)
            logits = x @ kernel + bias
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))
        for w, g, v in zip(parameters, tape.gradient(loss, parameters), velocities, strict=True):
            v.assign(MOMENTUM * v + g)
            w.assign_sub(RATE * v)

    if mode != "eager":
        step = tf.function(step, jit_compile=mode == "xla", autograph=False)

    for indices in epochs:
        sizes = [BATCH] * (len(indices) // BATCH)
        batches = [tf.split(tf.gather(array, indices), sizes) for array in (x, y)]
        for x_batch, y_batch in zip(*batches, strict=True):
            step(x_batch, y_batch)
        tf.test.experimental.sync_devices()
    return [w.numpy() for w in parameters]
