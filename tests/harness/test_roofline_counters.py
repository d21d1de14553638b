"""The operations and bytes of a step, as counted from the model, against the frameworks' own counters.

torch's `FlopCounterMode` counts the products of matrices and nothing else: it must agree to the last operation. XLA's
cost analysis of a compiled step counts the products and every elementwise operation besides, so the products are also
counted alone, in the program that XLA is given. XLA's "bytes accessed" adds up what every fused operation reads and
writes, as if nothing stayed in a cache between two of them: the model's least traffic must lie below it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import levelfield
from levelfield.tasks.mlp import MLP
from levelfield.tasks.recipe import STATE

pytestmark = pytest.mark.frameworks

CASES = [
    ((4, 3), 16, "sgd"),
    ((16, 32, 8), 5, "adamw"),
    ((64, 128, 10), 32, "momentum"),
    ((256, 256, 256, 10), 1024, "nesterov"),
    ((256, 2048, 10), 128, "adam"),
]

TORCH = """
import json, sys, torch
from torch.utils.flop_counter import FlopCounterMode
from levelfield.adapters.adapter import Setting
from levelfield.adapters.torch.nn import TorchNN
from levelfield.tasks.mlp import MLP
from levelfield.tasks.recipe import Recipe
for widths, batch, optimizer in json.loads(sys.argv[1]):
    model = MLP(tuple(widths))
    adapter = TorchNN(Setting(model, Recipe(optimizer, batch_size=batch), mode="eager"))
    adapter.set_weights(model.initial_weights(0))
    with FlopCounterMode(display=False) as counter:
        adapter.optimizer.zero_grad()
        adapter.loss(torch.zeros(batch, widths[0]), torch.zeros(batch, dtype=torch.long)).backward()
        adapter.optimizer.step()
    print(counter.get_total_flops())
"""

JAX = """
import json, math, sys, jax, jax.numpy as jnp
from levelfield.adapters.adapter import Setting
from levelfield.adapters.jax.grad import JaxGrad
from levelfield.tasks.mlp import MLP
from levelfield.tasks.recipe import Recipe

def products(jaxpr):
    total = 0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            left, out = equation.invars[0].aval.shape, equation.outvars[0].aval.shape
            total += 2 * math.prod(out) * math.prod(left[axis] for axis in contracted)
        total += sum(products(inner) for inner in jax.core.jaxprs_in_params(equation.params))
    return total

for widths, batch, optimizer in json.loads(sys.argv[1]):
    model = MLP(tuple(widths))
    adapter = JaxGrad(Setting(model, Recipe(optimizer, batch_size=batch), mode="jit"))
    adapter.set_weights(model.initial_weights(0))
    given = jnp.zeros((batch, widths[0])), jnp.zeros(batch, int), adapter.state, jnp.arange(batch)
    cost = adapter.train.lower(*given).compile().cost_analysis()
    print(json.dumps([products(jax.make_jaxpr(adapter.train)(*given).jaxpr), cost["flops"], cost["bytes accessed"]]))
"""


def count(script: str) -> list:
    root = Path(levelfield.__file__).resolve().parent.parent
    environment = os.environ | {"PYTHONPATH": str(root), "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps(CASES)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_torch_counts_the_same_operations_exactly():
    assert count(TORCH) == [MLP(widths).flops(batch) for widths, batch, _ in CASES]


def test_xla_is_given_the_same_products_and_counts_the_elementwise_operations_besides():
    counted = count(JAX)
    for (widths, batch, optimizer), (products, flops, traffic) in zip(CASES, counted, strict=True):
        model = MLP(widths)
        assert products == model.flops(batch)
        # at most 16 operations to update a parameter (Adam's), 8 on an activation forward and backward
        elementwise = flops - products
        assert 0 < elementwise <= 16 * model.parameters + 8 * batch * sum(widths)
        least = model.bytes(batch, state=STATE[optimizer])
        assert least <= traffic <= 4 * least
