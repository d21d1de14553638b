"""TensorFlow's variables and `GradientTape`."""
