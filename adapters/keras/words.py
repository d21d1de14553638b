"""What holds for several adapters over Keras, in words."""

from levelfield.adapters.optional import FastMode

INITIALISER = "kernels Glorot uniform, biases 0"
ADAM = "betas 0.9 and 0.999, epsilon 1e-7 before the bias correction"
ADAMW = "as adam, decoupled weight decay 0.004"
STOPPING_IN_WORDS = "EarlyStopping: patience 0, min_delta 0, best weights not restored"
STOPPING = {"patience": 0, "min_delta": 0.0, "restore_best": False}
EPSILON = "On the matched track Adam and AdamW are a subclass that puts epsilon after the bias correction."
SEEDLESS = "On the idiomatic track fit's order follows no seed: with one, it would shuffle every epoch alike."
FLOAT64 = {"precision": "float64", "because": "on this backend Keras promotes float64 to float32 in products"}
UNEVEN = {
    "replication": "devices",
    "uneven": True,
    "because": "under MirroredStrategy Keras counts the replicas alike, however many samples each has",
}
MASKS = {
    "replication": "devices",
    "dropout": True,
    "because": "under MirroredStrategy Keras' dropout draws the same masks on every replica (Keras 3.15)",
}
STEPS_PER_EXECUTION: FastMode = {
    "does": "compile(steps_per_execution=16): 16 steps in one call",
    "page": "https://keras.io/api/models/model_training_apis/",
    "why_not_default": "Callbacks hear of every sixteenth step only.",
}
