"""keras-custom-layer on several devices of one process."""

from __future__ import annotations

from levelfield.adapters.keras.custom_layer import KerasCustomLayer
from levelfield.adapters.keras.fit_replicas import FitReplicas


class KerasCustomLayerReplicas(FitReplicas, KerasCustomLayer):
    """Its layer is built, and trains, in the strategy's scope."""
