"""An MLP in Keras on TensorFlow."""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
import keras
import tensorflow as tf
from keras_fit_script import train
from plain_setup import WIDTHS


def main():
    layers = [
        keras.Input((WIDTHS[0],)),
        keras.layers.Dense(WIDTHS[1], activation="relu"),
        keras.layers.Dense(WIDTHS[2]),
    ]
    train(layers, lambda model: tf.test.experimental.sync_devices(), ("default", "steps-per-execution"))


if __name__ == "__main__":
    main()
