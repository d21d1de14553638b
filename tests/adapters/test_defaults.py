"""The defaults that adapters state are those of the installed frameworks, which are asked in processes of their own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from levelfield.adapters.registry import find

ASKED = {
    "torch-nn": "import torch; o=torch.optim.AdamW([torch.zeros(1)]).defaults; l=torch.nn.Linear(400, 900); "
    "print(o['eps'], o['weight_decay'], *(round(20 * float(p.abs().max()), 1) for p in l.parameters()))",
    "torch-lightning": "from inspect import signature as s; import lightning.pytorch.callbacks as c; "
    "p=s(c.EarlyStopping.__init__).parameters; print(p['patience'].default, p['min_delta'].default)",
    "keras-jax": "import keras; o=keras.optimizers.AdamW(); e=keras.callbacks.EarlyStopping(); "
    "l=keras.layers.Dense(1); print(o.epsilon, o.weight_decay, e.patience, e.restore_best_weights, "
    "*(type(i).__name__ for i in (l.kernel_initializer, l.bias_initializer)))",
    "flax-nnx": "from inspect import signature as s; import optax; p=s(optax.adamw).parameters; from flax import nnx; "
    "l=nnx.Linear(400, 900, rngs=nnx.Rngs(0)); print(p['eps'].default, p['weight_decay'].default, "
    "*(round(20 * float(a[...].std()), 2) for a in (l.kernel, l.bias)))",
    "sklearn-mlp": "from sklearn.neural_network import MLPClassifier as M; m=M(); "
    "print(m.epsilon, m.n_iter_no_change, m.tol, m.alpha, "
    "*(round(abs(M(200, activation=a, solver='sgd', alpha=0).partial_fit([[0] * 400] * 2, [0, 1], classes=[0, 1])"
    ".coefs_[0]).max(), 3) for a in ('relu', 'logistic')))",
}
ANSWERS = {
    "torch-nn": "1e-08 0.01 1.0 1.0",  # bounds times √400
    "torch-lightning": "3 0.0",
    "keras-jax": "1e-07 0.004 0 False GlorotUniform Zeros",
    "flax-nnx": "1e-08 0.0001 1.0 0.0",  # deviations times √400
    "sklearn-mlp": "1e-08 10 0.0001 0.0001 0.1 0.058",  # √(6/600) and √(2/600)
}
STATED = {
    "torch-nn": ("epsilon 1e-8 after", "decay 0.01", "kernels and biases uniform on ±1/√inputs"),
    "torch-lightning": ("patience 3, min_delta 0",),
    "keras-jax": ("epsilon 1e-7 before", "decay 0.004", "patience 0", "not restored", "Glorot uniform, biases 0"),
    "flax-nnx": ("epsilon 1e-8 after", "decay 1e-4", "kernels LeCun normal, biases 0"),
    "sklearn-mlp": (
        "epsilon 1e-8 before",
        "patience 10, tol 1e-4",
        "alpha is 0.0001",
        "±√(6/(inputs + outputs)), with sigmoid √(2/",
    ),
}


@pytest.mark.frameworks
@pytest.mark.parametrize("name", ASKED)
def test_the_numbers_stated_are_the_frameworks_own(name, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    done = subprocess.run([sys.executable, "-c", ASKED[name]], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[-2] == ANSWERS[name]
    text = "; ".join(find().adapters[name].defaults.values())
    assert all(words in text for words in STATED[name])


def test_every_built_in_adapter_states_its_defaults():
    for info in find().adapters.values():
        if info.builtin:
            assert {"initialiser", "loader", "stopping"} <= info.defaults.keys(), info.name
            assert (info.stopping is None) == (info.defaults["stopping"] == "none"), info.name
