"""An MLP in Keras, on the backend that the variable KERAS_BACKEND names."""

import keras

BATCH, RATE, MOMENTUM = 32, 0.01, 0.9


class Batches(keras.utils.PyDataset):
    """The batches of an epoch in a given order; fit itself would shuffle as it likes."""

    def __init__(self, x, y, epochs):
        super().__init__()
        self.x, self.y, self.epochs = x, y, epochs
        self.advance()

    def advance(self):
        if (indices := next(self.epochs, None)) is None:
            return False
        self.x_epoch, self.y_epoch = self.x[indices], self.y[indices]
        return True

    def __len__(self):
        return len(self.x_epoch) // BATCH

    def __getitem__(self, index):
        batch = slice(BATCH * index, BATCH * (index + 1))
        return self.x_epoch[batch], self.y_epoch[batch]


class Advance(keras.callbacks.Callback):
    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def on_epoch_end(self, epoch, logs=None):
        wait(self.model)
        self.model.stop_training = not self.batches.advance()


def wait(model):
    """Return when the device has done its work; PyTorch on a CPU returns then anyway."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.test.experimental.sync_devices()
    elif keras.backend.backend() == "jax":
        import jax

        jax.block_until_ready([v.value for v in model.variables])


def train(x, y, weights, epochs, mode="default", layers=None):
    layers = layers or [keras.layers.Dense(128, activation="relu"), keras.layers.Dense(10)]
    model = keras.Sequential([keras.Input((64,)), *layers])
    model.compile(
        optimizer=keras.optimizers.SGD(RATE, MOMENTUM),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        steps_per_execution=16 if mode == "steps-per-execution" else 1,
    )
    model.set_weights(weights)
    batches = Batches(x, y, epochs)
    model.fit(batches, epochs=100_000, shuffle=False, verbose=0, callbacks=[Advance(batches)])
    return [keras.ops.convert_to_numpy(w.value) for w in model.trainable_weights]
