"""The controls of the comparison of what is learnt: itself reads equivalent, injected faults are found.

Real learning launches of numpy-manual and of wrong copies of it, each made by one replacement in its source, through
the harness's protocol and the report's verdicts.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import report_factory as factory

from levelfield.adapters.adapter import Adapter
from levelfield.adapters.numpy import manual, runtime
from levelfield.harness.measure import protocol
from levelfield.harness.plan import launches
from levelfield.harness.records.cell import NamedModel, NamedRecipe
from levelfield.harness.records.record import Record
from levelfield.reports.findings.evidence import gather
from levelfield.reports.findings.learning import studies
from levelfield.reports.sections import gap
from levelfield.tasks import registry

pytestmark = pytest.mark.slow

SOURCE = Path(manual.__file__).read_text(encoding="utf-8")

SEED = ("np.random.default_rng(setting.seed)", "np.random.default_rng(10_000 + setting.seed)")
DROPOUT = ("if training and self.model.dropout:", "if False:")
EPSILON = (
    "(np.sqrt(v_hat) + r.epsilon)",
    "((np.sqrt(v) + r.epsilon) / np.sqrt(1 - r.beta2**self.steps))",
)
DECAY = (
    "m += (1 - r.beta1) * (g - m)\n",
    'g = g + r.weight_decay * w if r.optimizer == "adamw" else g\n                    m += (1 - r.beta1) * (g - m)\n',
)
NO_DECAY = ('if r.optimizer == "adamw":', "if False:")

PLAIN = NamedModel(name="plain", hidden=(32,))
DROPPED = NamedModel(name="dropout", hidden=(32,), dropout=0.5)
LIGHTLY = NamedModel(name="light-dropout", hidden=(32,), dropout=0.1)
MOMENTUM = NamedRecipe(name="momentum", optimizer="momentum", learning_rate=0.05, batch_size=32, epochs=8)
ADAM = NamedRecipe(name="adam", optimizer="adam", learning_rate=0.001, batch_size=32, epochs=4, epsilon=1e-3)
ADAMW = NamedRecipe(name="adamw", optimizer="adamw", learning_rate=0.003, batch_size=32, epochs=8, weight_decay=0.05)


@pytest.fixture(scope="module")
def task():
    return registry.load("digits-half")


def adapter(*changes: tuple[str, str]) -> type[Adapter]:
    source = SOURCE
    for old, new in changes:
        assert source.count(old) == 1, f"{old!r} must stand in the source once"
        source = source.replace(old, new)
    names: dict[str, Any] = {"__name__": manual.__name__}
    exec(compile(source, manual.__file__, "exec", dont_inherit=True), names)
    return names["NumpyManual"]


def verdicts(task, changes, model, recipe, seeds):
    """Of the changed adapter, called ``other``, against the right one: the words, and the sentence of the page."""
    records = []
    for label, made in (("numpy-manual", adapter()), ("other", adapter(*changes))):
        entry = (label, "numpy", None, "low", "eager")
        cell = factory.make_cell(entry, kind="learning", task=task.name, model=model, recipe=recipe)
        for seed in range(seeds):
            setting = launches.setting(cell, task, seed)
            measured = protocol.launch("learning", made, runtime.NumpyRuntime(), setting, task, 0.0)
            records.append(Record(**factory.HEAD, cell=cell, seed=seed, block=seed, **measured))
    samples = {split: len(getattr(task, split).x) for split in ("train", "validation", "test")}
    (study,) = studies(gather(factory.make_run(tasks={task.name: {"samples": samples}}), records))
    found = gap.find(study)
    (other,) = [g for g in found.gaps if g.learner.entry.adapter == "other"]
    return other.words, found.sentence


@pytest.mark.parametrize(
    ("changes", "model", "seeds"), [((), PLAIN, 20), ((SEED,), LIGHTLY, 60)], ids=["the same", "other dropout masks"]
)
def test_an_adapter_against_itself_reads_equivalent(task, changes, model, seeds):
    words, sentence = verdicts(task, changes, model, MOMENTUM, seeds)
    assert set(words.values()) == {"equivalent"}
    assert "no entry is shown to generalise worse" in sentence


@pytest.mark.parametrize(
    ("changes", "model", "recipe", "seeds"),
    [
        ((DROPOUT,), DROPPED, MOMENTUM, 60),
        ((EPSILON,), PLAIN, ADAM, 20),
        ((DECAY, NO_DECAY), PLAIN, ADAMW, 20),
    ],
    ids=["dropout off", "epsilon before the bias correction", "coupled decay"],
)
def test_an_injected_fault_is_found(task, changes, model, recipe, seeds):
    words, sentence = verdicts(task, changes, model, recipe, seeds)
    assert words["test accuracy"] == "different"
    assert "other eager (test accuracy " in sentence


def test_an_epsilon_too_small_to_matter_is_left_to_the_certificate(task):
    """Keras' epsilon is found at the first step by its weights; in accuracy it makes no difference of half a point."""
    small = replace(ADAM, epsilon=1e-8)
    words, _ = verdicts(task, (EPSILON,), PLAIN, small, 20)
    assert words["test accuracy"] == "equivalent"
