"""The adapters of `keras.fit` on several devices of one process: built and trained in the scope of a distribution."""

from __future__ import annotations

import keras
import numpy as np

from levelfield import BatchOrder, Setting, Split, Watch
from levelfield.adapters.keras.fit import KerasFit, KerasJax, KerasTensorFlow
from levelfield.adapters.keras.replicas import OnJax, OnTensorFlow, Seen


class FitReplicas(KerasFit):
    def __init__(self, setting: Setting) -> None:
        self.replicas = (OnTensorFlow if keras.backend.backend() == "tensorflow" else OnJax)(setting)
        with self.replicas.scope():
            super().__init__(setting)

    def fit(self, train: Split, order: BatchOrder | None, watch: Watch) -> None:
        with self.replicas.scope():
            super().fit(train, order, watch)

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.network(x.astype(self.dtype, copy=False)))  # predict_on_batch would split them, too

    def placement(self) -> dict[str, int]:
        return self.replicas.placement()

    def build(self, setting: Setting) -> keras.Sequential:
        network = super().build(setting)
        network.add(Seen(self.replicas.see))
        return network


class KerasTensorFlowReplicas(FitReplicas, KerasTensorFlow):
    """With tf.distribute.MirroredStrategy."""


class KerasJaxReplicas(FitReplicas, KerasJax):
    """With keras.distribution."""
