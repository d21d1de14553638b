"""An MLP of one's own TensorFlow layers, trained by Keras."""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
import keras
import tensorflow as tf
from keras_fit_script import train
from plain_setup import WIDTHS


class TensorDense(keras.layers.Layer):
    def __init__(self, units, activation):
        super().__init__()
        self.units, self.activation = units, activation

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], self.units), initializer="glorot_uniform")
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros")

    def call(self, x):
        return self.activation(tf.matmul(x, self.kernel) + self.bias)


def main():
    layers = [keras.Input((WIDTHS[0],)), TensorDense(WIDTHS[1], tf.nn.relu), TensorDense(WIDTHS[2], tf.identity)]
    train(layers, lambda model: tf.test.experimental.sync_devices())


if __name__ == "__main__":
    main()
