"""The gate bites: wrong adapters, each made from the right one by one small fault, and the check that catches it."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from levelfield.adapters.adapter import Adapter, Setting
from levelfield.adapters.numpy import manual
from levelfield.adapters.numpy.manual import NumpyManual
from levelfield.harness.certify.catalogue import plan
from levelfield.harness.certify.examine import certify
from levelfield.harness.certify.observe import Subject
from levelfield.harness.records.certificate import Certificate, Check
from levelfield.tasks.mlp import Layer

pytestmark = pytest.mark.slow

SOURCE = Path(manual.__file__).read_text(encoding="utf-8")
DOCUMENT = Path(__file__).parents[2] / "docs" / "certificates.md"
BEGIN, END = "<!-- mutations: begin -->", "<!-- mutations: end -->"
REWRITE = "LEVELFIELD_REWRITE_DOCS"


@dataclass(frozen=True)
class Fault:
    """A wrong adapter: `old` in the source of numpy-manual replaced by `new`; caught by the check of that name."""

    title: str
    check: str
    old: str
    new: str
    case: str = ""  # what the caught case's description must hold

    def adapter(self) -> type[Adapter]:
        assert SOURCE.count(self.old) == 1, f"{self.old!r} must stand in the source once"
        names: dict[str, Any] = {"__name__": manual.__name__, "_SHARED": {}, "replace": replace}
        exec(compile(SOURCE.replace(self.old, self.new), manual.__file__, "exec", dont_inherit=True), names)
        return names["NumpyManual"]


LOOP = "for batch in order.slices():"
LOOP_HEAD = "            indices = order.epoch(epoch)\n"
ADAM = 'case "adam" | "adamw":\n'
DECAY = """                    if r.optimizer == "adamw":
                        w *= 1 - r.learning_rate * r.weight_decay
"""
MOMENTS = """                    m += (1 - r.beta1) * (g - m)
                    v += (1 - r.beta2) * (g * g - v)
"""
STEP = "w -= r.learning_rate * m_hat / (np.sqrt(v_hat) + r.epsilon)"
MASK = "self.random.random(h.shape) < keep) / keep)"
HIDDEN = "h = values[-1] @ kernel + bias"
LOGITS = "values.append(values[-1] @ kernels[-1] + biases[-1])"
PREDICT = "return self.forward(x.astype(self.dtype, copy=False))[0][-1]"
SEED = "np.random.default_rng(setting.seed)"
STORE = "parameter[...] = value"
TANH = "h = np.tanh(h)\n                    factor = 1 - h * h"
DATA = "x = train.x.astype(self.dtype)"
PARAMETERS = "[np.zeros(s, self.dtype) for n, m in self.model.shapes for s in ((n, m), (m,))]"
OWN_WEIGHTS = "self.set_weights([Layer(self.random.uniform(-0.1, 0.1, s), np.zeros(s[1])) for s in self.model.shapes])"
OWN_ORDER = "BatchOrder(len(x), self.recipe.batch_size, self.recipe.epochs, self.setting.seed)"


def loader(indices: str) -> str:
    """An order of the samples of epoch `e`, in place of NumPy's own."""
    own = f"type('Own', (BatchOrder,), {{'epoch': lambda s, e: {indices}}})"
    return OWN_ORDER.replace("BatchOrder", own)


FAULTS = [
    # The forward pass
    Fault(
        "the weights are not set",
        "weight round trip",
        STORE,
        "pass",
    ),
    Fault(
        "the weights are not set on biases",
        "weight round trip",
        STORE,
        "parameter[...] = value if value.ndim == 2 else 0",
    ),
    Fault(
        "square kernels are transposed",
        "logits",
        HIDDEN,
        "h = values[-1] @ (kernel.T if kernel.shape[0] == kernel.shape[1] else kernel) + bias",
    ),
    Fault(
        "ReLU for tanh",
        "logits",
        TANH,
        "h = np.maximum(h, 0)\n                    factor = (h > 0).astype(self.dtype)",
        "tanh",
    ),
    Fault(
        "float16 arithmetic",
        "logits",
        LOGITS,
        "values.append((values[-1].astype('f2') @ kernels[-1].astype('f2')).astype(self.dtype) + biases[-1])",
        "float32",
    ),
    Fault(
        "float32 arithmetic behind float64",
        "logits",
        LOGITS,
        "values.append((values[-1].astype('f4') @ kernels[-1].astype('f4')).astype(self.dtype) + biases[-1])",
        "float64",
    ),
    Fault(
        "probabilities for logits",
        "logits",
        PREDICT,
        "z = np.exp(self.forward(x.astype(self.dtype, copy=False))[0][-1])\n"
        "        return z / z.sum(axis=1, keepdims=True)",
    ),
    Fault(
        "predict returns float64",
        "shapes and types",
        PREDICT,
        "return self.forward(x.astype(self.dtype, copy=False))[0][-1].astype('f8')",
        "float32",
    ),
    Fault(
        "a single output loses its axis",
        "shapes and types",
        PREDICT,
        "return self.forward(x.astype(self.dtype, copy=False))[0][-1].squeeze(axis=1 if x.shape[1] == 0 else ())"
        "[..., 0 if self.model.widths[-1] == 1 else slice(None)]",
        "–1,",
    ),
    # Loss and gradients
    Fault(
        "the sum over the batch for its mean",
        "gradients",
        "delta /= len(y)",
        "pass",
    ),
    Fault(
        "the squared error with a factor ½",
        "gradients",
        "(2 / y.size)",
        "(1 / y.size)",
        "regression",
    ),
    Fault(
        "the squared error summed over the outputs",
        "gradients",
        "(2 / y.size)",
        "(2 / len(y))",
        "regression",
    ),
    Fault(
        "the sigmoid's derivative without its activation",
        "gradients",
        "factor = h * (1 - h)",
        "factor = 1 - h",
        "sigmoid",
    ),
    Fault(
        "the biases are not trained",
        "gradients",
        "delta.sum(axis=0)",
        "0 * delta.sum(axis=0)",
    ),
    Fault(
        "L2 on biases too",
        "L2 penalty",
        "gradients += [delta.sum(axis=0), gradient]",
        "gradients += [delta.sum(axis=0) + 2 * self.model.l2 * self.parameters[2 * i + 1], gradient]",
    ),
    Fault(
        "half the L2",
        "L2 penalty",
        "2 * self.model.l2 * kernel",
        "self.model.l2 * kernel",
    ),
    Fault(
        "L2 on hidden layers only",
        "L2 penalty",
        "if self.model.l2:",
        "if self.model.l2 and i < len(self.model.shapes) - 1:",
    ),
    # Optimizers
    Fault(
        "learning rate × 1.001",
        "sgd after 1 step",
        "w -= r.learning_rate * g\n",
        "w -= 1.001 * r.learning_rate * g\n",
    ),
    Fault(
        "momentum with dampening",
        "momentum after 10 steps",
        "m += g",
        "m += g if self.steps == 1 else (1 - r.momentum) * g",
    ),
    Fault(
        "plain momentum for Nesterov's",
        "nesterov after 1 step",
        '(m if r.optimizer == "momentum" else g + r.momentum * m)',
        "m",
    ),
    Fault(
        "velocities forgotten at each epoch",
        "momentum after 10 steps",
        LOOP_HEAD,
        LOOP_HEAD + "            self.first = [np.zeros_like(w) for w in self.first]\n",
    ),
    Fault(
        "Adam's epsilon before the bias correction",
        "adam after 1 step",
        STEP,
        "w -= r.learning_rate * m_hat * np.sqrt(1 - r.beta2**self.steps) / (np.sqrt(v) + r.epsilon)",
    ),
    Fault(
        "Adam's epsilon inside the root",
        "adam after 1 step",
        STEP,
        "w -= r.learning_rate * m_hat / np.sqrt(v_hat + r.epsilon**2)",
    ),
    Fault(
        "Adam's epsilon always 1e-7",
        "adam after 1 step",
        STEP,
        "w -= r.learning_rate * m_hat / (np.sqrt(v_hat) + 1e-7)",
    ),
    Fault(
        "Adam without bias correction",
        "adam after 1 step",
        "m_hat = m / (1 - r.beta1**self.steps)",
        "m_hat = m",
    ),
    Fault(
        "Adam's step counted by epoch, from 0",
        "adam after 3 epochs",
        "self.steps += 1",
        "self.steps = 1 + self.steps // 4",
    ),
    Fault(
        "decay coupled with the gradient",
        "adamw after 1 step",
        MOMENTS,
        "                    if r.optimizer == 'adamw':\n"
        "                        g = g + r.weight_decay * w\n                        w += r.learning_rate * "
        "r.weight_decay * w / (1 - r.learning_rate * r.weight_decay)\n" + MOMENTS,
    ),
    Fault(
        "decay without the learning rate",
        "adamw after 1 step",
        "w *= 1 - r.learning_rate * r.weight_decay",
        "w *= 1 - r.weight_decay",
    ),
    Fault(
        "decay spares the biases",
        "adamw after 1 step",
        'if r.optimizer == "adamw":',
        'if r.optimizer == "adamw" and w.ndim == 2:',
    ),
    Fault(
        "decay after the step, on the new weights",
        "adamw after 1 step",
        STEP,
        STEP + '\n                    if r.optimizer == "adamw":\n'
        "                        w += r.learning_rate**2 * r.weight_decay * m_hat / (np.sqrt(v_hat) + r.epsilon)",
        "float64",
    ),
    # The order of the data
    Fault(
        "the partial last batch is dropped",
        "partial last batch",
        LOOP,
        "for batch in [s for s in order.slices() if s.stop - s.start == order.batch_size]:",
    ),
    Fault(
        "the partial last batch is averaged over a whole one",
        "partial last batch",
        "delta /= len(y)",
        "delta /= self.recipe.batch_size",
    ),
    Fault(
        "a batch is repeated in place of another",
        "batch order",
        LOOP,
        "for batch in [order.slices()[max(i - (i == 2), 0)] for i in range(order.steps)]:",
    ),
    Fault(
        "epoch order shifted by one",
        "batch order",
        LOOP_HEAD,
        "            indices = order.epoch(epoch + 1)\n",
    ),
    Fault(
        "every epoch in the order of the first",
        "batch order",
        LOOP_HEAD,
        "            indices = order.epoch(0)\n",
    ),
    Fault(
        "batches backwards",
        "batch order",
        LOOP_HEAD,
        LOOP_HEAD + "            whole = order.batch_size * (len(indices) // order.batch_size)\n"
        "            parts = indices[:whole].reshape(-1, order.batch_size)[::-1].ravel()\n"
        "            indices = np.concatenate([parts, indices[whole:]])\n",
    ),
    Fault(
        "not shuffled",
        "batch order",
        LOOP_HEAD,
        "            indices = np.sort(order.epoch(epoch))\n",
    ),
    Fault(
        "targets not shuffled with the features",
        "batch order",
        "y_epoch = x[indices], y[indices]",
        "y_epoch = x[indices], y[np.sort(indices)]",
    ),
    # Dropout
    Fault(
        "dropout in evaluation",
        "no dropout in evaluation",
        PREDICT,
        "return self.forward(x.astype(self.dtype, copy=False), training=True)[0][-1]",
    ),
    Fault(
        "kept units are not rescaled",
        "dropout scale",
        MASK,
        "self.random.random(h.shape) < keep))",
    ),
    Fault(
        "the rate is taken for the share that is kept",
        "dropout share",
        "keep = 1 - self.model.dropout",
        "keep = self.model.dropout",
    ),
    Fault(
        "the gradient goes through dropped units",
        "dropout step",
        "h, factor = h * mask, factor * mask",
        "h = h * mask",
    ),
    Fault(
        "the same mask at every step",
        "dropout masks differ",
        MASK,
        "np.random.default_rng(0)" + MASK.removeprefix("self.random"),
    ),
    Fault(
        "one mask for all samples of a batch",
        "dropout masks per sample",
        MASK,
        "self.random.random(h.shape[1:]) < keep) / keep)",
    ),
    Fault(
        "dropout's seed is ignored",
        "dropout seeds",
        SEED,
        "np.random.default_rng(0)",
    ),
    Fault(
        "dropout is not seeded",
        "building twice",
        SEED,
        "np.random.default_rng()",
    ),
    # The contract
    Fault(
        "fit starts from weights of its own",
        "sgd after 1 step",
        DATA,
        "self.set_weights(self.model.initial_weights(0))\n        " + DATA,
    ),
    Fault(
        "predict keeps to the weights of its first call",
        "predict on current weights",
        PREDICT,
        "now = self.parameters\n"
        "        self.parameters = self.__dict__.setdefault('traced', [w.copy() for w in now])\n"
        "        logits = self.forward(x.astype(self.dtype, copy=False))[0][-1]\n"
        "        self.parameters = now\n"
        "        return logits",
    ),
    Fault(
        "predict on the weights from before fit",
        "logits after training",
        DATA,
        "self.stale, self.predict = [w.copy() for w in self.parameters], lambda z: "
        "[now := self.parameters, setattr(self, 'parameters', self.stale), self.forward(z.astype(self.dtype))[0][-1], "
        "setattr(self, 'parameters', now)][2]\n        " + DATA,
    ),
    Fault(
        "set_weights keeps the caller's arrays",
        "set_weights copies",
        STORE,
        "self.parameters = [a for layer in layers for a in layer]",
    ),
    Fault(
        "get_weights gives the model's own arrays",
        "get_weights copies",
        "[parameter.copy() for parameter in self.parameters]",
        "self.parameters",
    ),
    Fault(
        "two instances share their weights",
        "instances apart",
        PARAMETERS,
        f"_SHARED.setdefault((self.model.widths, self.dtype), {PARAMETERS})",
    ),
    Fault(
        "fit changes the caller's data",
        "caller's arrays",
        DATA,
        DATA + "\n        train.x[...] *= 2",
    ),
    Fault(
        "predict inside epoch_end draws from the training's random numbers",
        "predict inside epoch_end",
        PREDICT,
        "self.random.random()\n        " + PREDICT,
    ),
    Fault(
        "stopping is not heeded",
        "stopping",
        "if not watch.epoch_end(epoch):\n                break",
        "watch.epoch_end(epoch)",
    ),
    Fault(
        "epochs counted from 1",
        "ready and epochs",
        "watch.epoch_end(epoch)",
        "watch.epoch_end(epoch + 1)",
    ),
    Fault(
        "ready is told at every epoch",
        "ready and epochs",
        LOOP_HEAD,
        "            watch.ready() if epoch else None\n" + LOOP_HEAD,
    ),
    Fault(
        "predict hides NaN",
        "NaN in the input",
        PREDICT,
        PREDICT.replace("x.astype", "np.nan_to_num(x).astype"),
    ),
    Fault(
        "training hides NaN",
        "NaN in the input",
        DATA,
        "x = np.nan_to_num(train.x.astype(self.dtype))",
        "trained on it",
    ),
    # The idiomatic track
    Fault(
        "the matched track's initial weights for its own",
        "own initial weights",
        OWN_WEIGHTS,
        "self.set_weights(self.model.initial_weights(setting.seed))",
        "not ours",
    ),
    Fault(
        "its own initial weights do not follow the seed",
        "own initial weights",
        "self.random.uniform(",
        "np.random.default_rng(0).uniform(",
        "two seeds",
    ),
    Fault(
        "its own initial weights are not seeded",
        "own initial weights",
        "self.random.uniform(",
        "np.random.default_rng().uniform(",
        "equal seeds",
    ),
    Fault(
        "its own learning rate for the recipe's",
        "own first step",
        OWN_WEIGHTS,
        OWN_WEIGHTS + "\n            self.recipe = replace(self.recipe, learning_rate=0.01)",
    ),
    Fault(
        "its own loader drops the partial last batch",
        "own loader, each sample once",
        OWN_ORDER,
        OWN_ORDER.replace("seed)", "seed, partial=False)"),
    ),
    Fault(
        "its own loader draws with replacement",
        "own loader, each sample once",
        OWN_ORDER,
        loader("np.random.default_rng(e).integers(0, s.samples, s.samples)"),
    ),
    Fault(
        "its own loader never shuffles",
        "own loader, shuffling",
        OWN_ORDER,
        loader("np.arange(s.samples)"),
    ),
    Fault(
        "its own loader shuffles once",
        "own loader, shuffling",
        OWN_ORDER,
        loader("BatchOrder.epoch(s, 0)"),
    ),
    Fault(
        "its own loader takes batches of another size",
        "own loader, each sample once",
        OWN_ORDER,
        OWN_ORDER.replace("batch_size", "batch_size + 1"),
    ),
]


class Queued(NumpyManual):
    """Right, and asynchronous: a thread makes the steps, one after another; whatever reads the weights waits."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.queue = ThreadPoolExecutor(1)

    def gradients(self, x: np.ndarray, y: np.ndarray) -> Any:
        return x, y

    def update(self, gradients: Any) -> None:
        self.queue.submit(self.step, *gradients)

    def step(self, x: np.ndarray, y: np.ndarray) -> None:
        NumpyManual.update(self, NumpyManual.gradients(self, x, y))

    def synchronize(self) -> None:
        self.queue.submit(int).result()

    def get_weights(self) -> list[Layer]:
        Queued.synchronize(self)
        return super().get_weights()

    def predict(self, x: np.ndarray) -> np.ndarray:
        Queued.synchronize(self)
        return super().predict(x)


class ReturnsEarly(Queued):
    def synchronize(self) -> None:
        pass


class ReadsUnfinished(ReturnsEarly):
    def get_weights(self) -> list[Layer]:
        return NumpyManual.get_weights(self)


ASYNCHRONOUS = {
    "`synchronize` returns early": (ReturnsEarly, "synchronize", "waiting"),
    "`synchronize` returns early, and the weights are read as they stand": (ReadsUnfinished, "synchronize", ""),
}


@pytest.fixture(scope="module")
def certificates() -> dict[str, Certificate]:
    """The full certificate of every wrong adapter."""
    made = {fault.title: certify(Subject(fault.adapter(), "eager")) for fault in FAULTS}
    return made | {title: certify(Subject(adapter, "eager")) for title, (adapter, *_) in ASYNCHRONOUS.items()}


def caught(certificate: Certificate, name: str, case: str) -> Check | None:
    """The first failed check of that name whose case holds these words."""
    found = (c for c in certificate.checks if c.passed is False and c.name == name and case in c.case)
    return next(found, None)


EXPECTED = {fault.title: (fault.check, fault.case) for fault in FAULTS}
EXPECTED |= {title: (name, case) for title, (_, name, case) in ASYNCHRONOUS.items()}


@pytest.mark.parametrize("title", EXPECTED)
def test_each_fault_is_caught_by_the_check_named_for_it(title: str, certificates: dict[str, Certificate]) -> None:
    certificate = certificates[title]
    name, case = EXPECTED[title]
    assert not certificate.passed
    check = caught(certificate, name, case)
    assert check is not None, f"caught by {certificate.failed} only"
    assert check.reason


@pytest.mark.parametrize("adapter", [NumpyManual, Queued])
@pytest.mark.parametrize("quick", [True, False])
def test_the_adapter_that_they_were_made_from_passes(adapter: type[Adapter], quick: bool) -> None:
    certificate = certify(Subject(adapter, "eager"), quick=quick)
    assert certificate.passed, [check for check in certificate.checks if check.passed is False]


def table(certificates: dict[str, Certificate]) -> str:
    """Fault × check that caught it, as Markdown."""
    items = plan(Subject(NumpyManual, "eager"), quick=True, needs=None)
    quick = {item.draw(0).named(item.precision) for item in items}
    rows = ["| fault | caught by | in the case | by the quick form |", "| --- | --- | --- | --- |"]
    for title, (name, words) in EXPECTED.items():
        certificate = certificates[title]
        check = caught(certificate, name, words)
        assert check is not None
        early = any(c.passed is False and any(c.case.startswith(case) for case in quick) for c in certificate.checks)
        rows.append(f"| {title} | {name} | {check.case} | {'yes' if early else 'no'} |")
    return "\n".join(rows)


def test_the_table_in_the_documentation_is_what_the_certifier_does(certificates: dict[str, Certificate]) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN)
    new = f"{head}{BEGIN}\n\n{table(certificates)}\n\n{END}{rest.split(END)[1]}"
    if os.environ.get(REWRITE):
        DOCUMENT.write_text(new, encoding="utf-8")
    assert DOCUMENT.read_text(encoding="utf-8") == new, f"{REWRITE}=1 pytest {Path(__file__).name} writes it anew"
