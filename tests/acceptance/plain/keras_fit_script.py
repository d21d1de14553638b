"""What the scripts that train a Keras model by `fit` share: the data set in the given order, and the clock."""

from __future__ import annotations

from time import perf_counter

import keras
from plain_setup import BATCH, MOMENTUM, RATE, STEPS, batch_order, begin, initial_weights, report, training_data


class Batches(keras.utils.PyDataset):
    def __init__(self, x, y):
        super().__init__()
        self.x, self.y = x, y
        self.begin(0)

    def begin(self, epoch):
        indices = batch_order(epoch)
        self.x_epoch, self.y_epoch = self.x[indices], self.y[indices]

    def __len__(self):
        return STEPS

    def __getitem__(self, index):
        batch = slice(BATCH * index, BATCH * (index + 1))
        return self.x_epoch[batch], self.y_epoch[batch]


class Marks(keras.callbacks.Callback):
    def __init__(self, batches, goes_on, synchronize):
        super().__init__()
        self.batches, self.goes_on, self.synchronize, self.marks = batches, goes_on, synchronize, []

    def on_train_begin(self, logs=None):
        self.synchronize(self.model)
        self.marks.append(perf_counter())

    def on_epoch_begin(self, epoch, logs=None):
        self.batches.begin(epoch)

    def on_epoch_end(self, epoch, logs=None):
        self.synchronize(self.model)
        self.marks.append(perf_counter())
        self.model.stop_training = not self.goes_on(self.marks)


def train(layers, synchronize, modes=("default",)):
    """Train a Sequential of these layers; `synchronize(model)` returns when the device has done its work."""
    mode, goes_on = begin(*modes)
    model = keras.Sequential(layers)
    model.compile(
        optimizer=keras.optimizers.SGD(RATE, MOMENTUM),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        steps_per_execution=16 if mode == "steps-per-execution" else 1,
    )
    model.set_weights(initial_weights())
    batches = Batches(*training_data())
    callback = Marks(batches, goes_on, synchronize)
    model.fit(batches, epochs=100_000, shuffle=False, verbose=0, callbacks=[callback])
    report(callback.marks, [keras.ops.convert_to_numpy(w.value) for w in model.trainable_weights])
