"""What holds for every adapter over TensorFlow, in words."""

NO_TPU = {"device": "tpu", "because": "TensorFlow reaches a TPU through the distribution tensorflow-tpu only"}
