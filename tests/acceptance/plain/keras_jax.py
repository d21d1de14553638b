"""An MLP in Keras on JAX."""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "jax"
import jax
import keras
from keras_fit_script import train
from plain_setup import WIDTHS


def main():
    layers = [
        keras.Input((WIDTHS[0],)),
        keras.layers.Dense(WIDTHS[1], activation="relu"),
        keras.layers.Dense(WIDTHS[2]),
    ]
    train(layers, lambda model: jax.block_until_ready([v.value for v in model.variables]))


if __name__ == "__main__":
    main()
