"""An MLP in Keras on PyTorch."""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "torch"
import keras
from keras_fit_script import train
from plain_setup import WIDTHS


def main():
    layers = [
        keras.Input((WIDTHS[0],)),
        keras.layers.Dense(WIDTHS[1], activation="relu"),
        keras.layers.Dense(WIDTHS[2]),
    ]
    train(layers, lambda model: None)  # on a CPU PyTorch returns when the work is done


if __name__ == "__main__":
    main()
