"""How data reach Keras' fit in a given order, and how fit tells where it is."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from levelfield import BatchOrder, Watch


class Batches(keras.utils.PyDataset):
    """The batches of one epoch, gathered once when the epoch begins."""

    def __init__(self, x: np.ndarray, y: np.ndarray, order: BatchOrder) -> None:
        super().__init__()
        self.x, self.y, self.order, self.slices = x, y, order, order.slices()
        self.begin(0)

    def begin(self, epoch: int) -> None:
        indices = self.order.epoch(epoch)
        self.x_epoch, self.y_epoch = self.x[indices], self.y[indices]

    def __len__(self) -> int:
        return len(self.slices)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return self.x_epoch[self.slices[index]], self.y_epoch[self.slices[index]]


class Watcher(keras.callbacks.Callback):
    def __init__(self, watch: Watch, batches: Batches | None) -> None:
        super().__init__()
        self.watch, self.batches = watch, batches

    def on_train_begin(self, logs: Any = None) -> None:
        self.watch.ready()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        # Not PyDataset.on_epoch_end: fit peeks at the first batches and fires it once before epoch 0
        if self.batches:
            self.batches.begin(epoch)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.model.stop_training = not self.watch.epoch_end(epoch)
