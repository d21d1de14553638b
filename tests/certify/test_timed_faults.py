"""The proof of timed work bites: adapters that keep their certificates and do less, or other, while they are timed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from levelfield.adapters.registry import find
from levelfield.harness.launch.local import LocalHost
from levelfield.harness.plan import suite
from levelfield.harness.plan.launches import CertificateSubject, Surroundings, plan
from levelfield.harness.records.certificate import Certificate
from levelfield.harness.records.record import Record
from levelfield.harness.system import machine
from levelfield.tasks import registry

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "docs" / "certificates.md"
BEGIN, END = "<!-- timed faults: begin -->", "<!-- timed faults: end -->"
REWRITE = "LEVELFIELD_REWRITE_DOCS"

SUITE = """
name = "timed"
baseline = "numpy-manual"
peaks = false

[models.plain]
hidden = [16]

[models.dropped]
hidden = [16]
dropout = 0.25

[recipes.momentum]
optimizer = "momentum"
learning-rate = 0.05
batch-size = 16
epochs = 40

[recipes.adam]
optimizer = "adam"
learning-rate = 0.002
batch-size = 16
epochs = 40
"""
LEARNING = """
[[learning]]
task = "iris"
model = "plain"
recipe = "momentum"
track = "idiomatic"
adapters = ["{name}"]
seeds = 2
"""
SPEED = """
[[speed]]
task = "iris"
model = "{model}"
recipe = "{recipe}"
track = "{track}"
adapters = ["{name}"]
blocks = 1
seconds = 0.3
threads = 1
"""
WEIGHTS, WAITING, PREDICT, CLOCK = "weights", "waiting", "predict", "clock"
# check → what the reason of a launch that it caught begins with
REASONS = {
    WEIGHTS: "the weights after epoch",
    WAITING: "work was left after synchronize",
    PREDICT: "predict",
    CLOCK: "the clock was changed",
    "learning goes on": "learning has stopped",
    "loss": "the training loss after epoch",
}


@dataclass(frozen=True)
class Fault:
    """An adapter of `timed_faults` by its name, and the check that finds what it does."""

    name: str
    title: str
    check: str
    model: str = "plain"
    recipe: str = "momentum"
    track: str = "matched"


FAULTS = [
    Fault("skips-updates", "every second update is left out after epoch 5", WEIGHTS),
    Fault("stops-learning", "learning stops after epoch 20, past all that certificates look at", "learning goes on"),
    Fault("halves-late", "every second update is left out after epoch 60", WEIGHTS),
    Fault("defers", "steps are queued in a long fit, and made when somebody predicts", PREDICT),
    Fault("half-batches", "long fits train on half of each batch", WEIGHTS),
    Fault("replays-cached", "the gradients of the first epoch are kept, and applied again", WEIGHTS),
    Fault("skips-last-batch", "the last batch of each epoch is left out after epoch 5", WEIGHTS),
    Fault("first-order-only", "after epoch 10 the order of the samples is not drawn anew", WEIGHTS),
    Fault("lowers-precision", "bfloat16 products after epoch 5", WEIGHTS),
    Fault("decays-rate", "the learning rate falls by a tenth every ten epochs", WEIGHTS),
    Fault("tells-two", "the work of one epoch is told as that of two", "learning goes on"),
    Fault("knows-the-watch", "two batches an epoch where the watch is the one that times", WEIGHTS),
    Fault("reads-a-variable", "a variable that timed launches have shortens the epochs", WEIGHTS),
    Fault("returns-early", "`synchronize` returns early where the watch is the one that times", WAITING),
    Fault("trains-when-asked", "batches are kept, and trained on when the weights are read", WAITING),
    Fault("predicts-from-memory", "`predict` answers without computing", PREDICT),
    Fault("patches-the-clock", "the module puts a slower clock in the place of `time.perf_counter`", CLOCK),
    Fault("slows-the-clock", "the harness' clock runs 5 % slower during `fit`, and is put back", CLOCK),
    Fault("stops-with-dropout", "learning stops after epoch 20, with dropout", "learning goes on", model="dropped"),
    Fault("drifts-by-adam", "every second update is left out after epoch 5, with Adam", WEIGHTS, recipe="adam"),
    Fault("skips-by-default", "one update an epoch, on the idiomatic track", "loss", track="idiomatic"),
]
BY_NAME = {fault.name: fault for fault in FAULTS}
RIGHT = [
    Fault("honest", "", ""),
    Fault("honest", "", "", model="dropped"),
    Fault("honest", "", "", recipe="adam"),
    Fault("honest", "", "", track="idiomatic"),
]


@pytest.fixture(scope="module")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHost]:
    """With the faults installed as an installer would."""
    folder = tmp_path_factory.mktemp("faults")
    about = folder / "timed_faults-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: timed-faults\nVersion: 1.0\n")
    points = {}
    for module in ("timed_faults", "timed_faults_clock"):
        text = (HERE / f"{module}.py").read_text(encoding="utf-8")
        (folder / f"{module}.py").write_text(text, encoding="utf-8")
        classes = [line.split()[1].partition("(")[0] for line in text.splitlines() if line.startswith("class ")]
        names = [line.split('"')[1] for line in text.splitlines() if line.startswith('    name = "')]
        points |= dict(zip(names, (f"{module}:{one}" for one in classes), strict=True))
    lines = ["[levelfield.adapters]", *(f"{name} = {point}" for name, point in points.items())]
    (about / "entry_points.txt").write_text("\n".join(lines) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setenv("PYTHONPATH", str(folder))
        # The reference has time enough on any machine: whether a check bites is asked, not how far it gets
        patch.setattr("levelfield.harness.certify.timed_proof.SHARE", 3.0)
        adapters = find().adapters
        assert points.keys() <= adapters.keys()
        tasks = {"iris": registry.load("iris")}
        with LocalHost(adapters, tasks, machine.describe(True), machine.cores(), 60.0, probes=False) as made:
            yield made


def launched(launcher: LocalHost, fault: Fault) -> Record:
    """The timed launch; on the idiomatic track after the untimed ones of its cell."""
    text = SUITE + (LEARNING if fault.track == "idiomatic" else "") + SPEED
    for field in ("name", "model", "recipe", "track"):
        text = text.replace("{" + field + "}", getattr(fault, field))
    there = Surroundings(launcher.adapters, launcher.prover.tasks, len(launcher.cores))
    *_, timed = (launcher.launch(one) for one in plan(suite.parse(text, Path("timed.toml")), there))
    return timed


@pytest.fixture(scope="module")
def records(launcher: LocalHost) -> dict[str, Record]:
    return {fault.name: launched(launcher, fault) for fault in FAULTS}


@pytest.mark.parametrize("name", BY_NAME)
def test_each_fault_is_found_by_the_check_named_for_it(name: str, records: dict[str, Record]) -> None:
    record = records[name]
    assert record.status == "ok", record.reason
    assert record.unproved is not None, record.proof
    assert record.unproved.startswith(REASONS[BY_NAME[name].check])


@pytest.mark.parametrize("name", BY_NAME)
def test_each_holds_its_quick_certificate(name: str, launcher: LocalHost) -> None:
    fault = BY_NAME[name]
    needs = {"momentum", "relu"} | ({"adam"} if fault.recipe == "adam" else set())
    needs |= {"dropout"} if fault.model == "dropped" else {"idiomatic"} if fault.track == "idiomatic" else set()
    made: Certificate = launcher.certify(CertificateSubject(name, "eager", "cpu"), quick=True, needs=frozenset(needs))
    assert made.passed, [check for check in made.checks if check.passed is False]


@pytest.mark.parametrize("right", RIGHT, ids=lambda right: f"{right.model}-{right.recipe}-{right.track}")
def test_what_they_were_made_from_is_proved(right: Fault, launcher: LocalHost) -> None:
    record = launched(launcher, right)
    assert record.status == "ok", record.reason
    assert record.unproved is None
    assert record.proof


def table(records: dict[str, Record]) -> str:
    """Fault → the check that found it, as Markdown."""
    rows = ["| fault | found by |", "| --- | --- |"]
    for fault in FAULTS:
        reason = records[fault.name].unproved or ""
        (check,) = [check for check, words in REASONS.items() if reason.startswith(words)] or ["nothing"]
        rows.append(f"| {fault.title} | {check} |")
    return "\n".join(rows)


def test_the_table_in_the_documentation_is_what_the_proof_finds(records: dict[str, Record]) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN)
    new = f"{head}{BEGIN}\n\n{table(records)}\n\n{END}{rest.split(END)[1]}"
    if os.environ.get(REWRITE):
        DOCUMENT.write_text(new, encoding="utf-8")
    assert DOCUMENT.read_text(encoding="utf-8") == new, f"{REWRITE}=1 pytest {Path(__file__).name} writes it anew"
