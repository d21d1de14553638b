"""What holds for every adapter over TensorFlow, in words."""

NO_TPU = {
    "device": "tpu",
    "because": "TensorFlow reaches a TPU through tensorflow-tpu, which takes its place and no adapter uses",
}
