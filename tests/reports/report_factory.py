"""Runs and records of realistic shape, from a seed: material for the report's tests."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from levelfield.harness.records.cell import Cell, NamedModel, NamedRecipe
from levelfield.harness.records.explanation import Explanation, LadderTimes, RungName, RungTime, Spending
from levelfield.harness.records.peak import Candidate, Peak, Trial
from levelfield.harness.records.quantity import Interval, Measured, Unavailable
from levelfield.harness.records.record import EpochScores, Record, Run, Score
from levelfield.harness.system.machine import Machine
from levelfield.reports.findings.certificates import Certificate, Check
from levelfield.tasks import mlp as tasks_mlp
from levelfield.tasks import registry
from levelfield.tasks.variant import Variant

MACHINE = Machine(
    host="bench-7",
    system="Linux 6.8 x86_64",
    cpu="Example CPU 4210 @ 2.20 GHz",
    cores=2,
    memory_bytes=8 * 2**30,
    python="3.11.9",
    commit="0123abcd",
)
HEAD: dict[str, Any] = {"status": "ok", "started": "2024-05-17T10:10:00Z", "machine": MACHINE}
RECIPE = NamedRecipe(name="momentum", optimizer="momentum", learning_rate=0.1, batch_size=32, epochs=20)
MLP = NamedModel(name="multi", hidden=(64,), activation="relu")
LINEAR = NamedModel(name="single")
SPLITS = ("train", "validation", "test")

# adapter, framework, backend, api, mode → seconds a step, seconds that the first epoch costs more
ENTRIES: tuple[tuple[str, str, str | None, str, str, float, float], ...] = (
    ("numpy-manual", "numpy", None, "low", "eager", 95e-6, 0.0),
    ("torch-autograd", "torch", None, "low", "eager", 180e-6, 0.004),
    ("torch-autograd", "torch", None, "low", "compile", 120e-6, 6.2),
    ("torch-nn", "torch", None, "mixed", "eager", 210e-6, 0.005),
    ("torch-nn", "torch", None, "mixed", "compile", 208e-6, 9.1),
    ("torch-lightning", "lightning", "torch", "high", "eager", 520e-6, 0.02),
    ("tensorflow-tape", "tensorflow", None, "low", "graph", 480e-6, 0.35),
    ("tensorflow-tape", "tensorflow", None, "low", "eager", 1400e-6, 0.02),
    ("tensorflow-tape", "tensorflow", None, "low", "xla", 430e-6, 0.9),
    ("keras-tensorflow", "keras", "tensorflow", "high", "default", 2100e-6, 0.6),
    ("keras-jax", "keras", "jax", "high", "default", 390e-6, 0.8),
    ("keras-torch", "keras", "torch", "high", "default", 1300e-6, 0.05),
    ("keras-loop", "keras", "tensorflow", "mixed", "graph", 500e-6, 0.4),
    ("jax-grad", "jax", None, "low", "jit", 190e-6, 0.3),
    ("jax-grad", "jax", None, "low", "scan", 62e-6, 0.45),
    ("flax-nnx", "flax", "jax", "high", "jit", 560e-6, 0.7),
    ("sklearn-mlp", "scikit-learn", None, "high", "default", 300e-6, 0.0),
)


def make_run(**changes: Any) -> Run:
    values: dict[str, Any] = {
        "name": "default-2024-05-17",
        "suite": "default",
        "summary": "Every framework on the handwritten digits and Iris, one thread.",
        "started": "2024-05-17T09:30:00Z",
        "command": "levelfield run default --blocks 8",
        "baseline": "numpy-manual",
        "plan_seed": 20240517,
        "machine": MACHINE,
        "warnings": ["2 launches were voided because another process used the core."],
        "suite_text": 'name = "default"\n\n[[speed]]\ntasks = ["digits"]\n',
        "tasks": {
            "digits": {
                "source": "scikit-learn, load_digits",
                "licence": "CC BY 4.0",
                "kind": "classification",
                "features": 64,
                "outputs": 10,
                "samples": {"train": 1257, "validation": 270, "test": 270},
            },
            "iris": {
                "source": "scikit-learn, load_iris",
                "licence": "CC BY 4.0",
                "kind": "classification",
                "features": 4,
                "outputs": 3,
                "samples": {"train": 105, "validation": 22, "test": 23},
            },
        },
    }
    return Run(**(values | changes))


def make_cell(entry: Sequence[Any] = ENTRIES[0], **changes: Any) -> Cell:
    adapter, framework, backend, api, mode = entry[:5]
    values: dict[str, Any] = {
        "kind": "speed",
        "task": "digits",
        "model": MLP,
        "recipe": RECIPE,
        "adapter": adapter,
        "framework": framework,
        "backend": backend,
        "api": api,
        "mode": mode,
    }
    return Cell(**(values | changes))


def speed_record(
    cell: Cell, block: int, step: float, *, extra: float = 0.0, rng: random.Random | None = None, **changes: Any
) -> Record:
    """A timed launch whose median steady epoch is `step` times 39 steps, give or take a percent within the launch."""
    rng = rng or random.Random(f"{cell.id}#{block}")
    steps = 39
    epochs = [step * steps * (1 + 0.01 * (i - 4)) for i in range(9)]
    rng.shuffle(epochs)
    values: dict[str, Any] = {
        "cell": cell,
        "seed": block,
        "block": block,
        "status": "ok",
        "started": f"2024-05-17T09:{block % 60:02d}:00Z",
        "wall_seconds": 1.5 + extra,
        "parameters": 4810,
        "train_samples": 1257,
        "steps_per_epoch": steps,
        "phases": {"import": 1.2, "build": 0.03, "place": 0.002, "first_epoch": step * steps + extra, "evaluate": 0.01},
        "epoch_seconds": epochs,
        "predict_seconds": {
            str(size): [(20e-6 + 0.3 * step) * (1 + size / 400) * rng.uniform(0.97, 1.05) for _ in range(7)]
            for size in (1, 32, 270)
        },
        "final": EpochScores(
            epoch=10, train=_score(0.05, 0.99), validation=_score(0.12, 0.965), test=_score(0.13, 0.96)
        ),
        "utilisation": {
            "cores_busy": Measured(value=1 + 0.1 * rng.random(), unit="cores", source="process CPU time"),
            "memory_above_floor": Measured(value=2e7 * (1 + rng.random()), unit="B", source="VmHWM less VmRSS before"),
            "energy": Unavailable(reason="there is no RAPL counter on this machine"),
        },
        "busy": [round(0.5 + 0.4 * rng.random(), 3) for _ in range(20)],
        "versions": {"numpy": "2.4.6", cell.framework: "1.2.3"},
        "machine": MACHINE,
    }
    return Record(**(values | changes))


def sweep_records(blocks: int = 6, entries: Sequence[Sequence[Any]] | None = None) -> list[Record]:
    """Batch sizes, widths and depths: an overhead for each step, and arithmetic at 40 GFLOP/s."""
    records = []
    sizes = [((256,), b) for b in (1, 16, 1024)] + [((w,), 128) for w in (16, 2048)] + [((256, 256), 128)]
    for hidden, batch in sizes:
        model = NamedModel(name=f"wide-{'-'.join(map(str, hidden))}", hidden=hidden)
        recipe = replace(RECIPE, name=f"batch-{batch}", batch_size=batch)
        network = tasks_mlp.MLP((64, *hidden, 10))
        flops = network.flops(batch)
        for entry in entries or (ENTRIES[0], ENTRIES[3], ENTRIES[14]):
            cell = make_cell(entry, model=model, recipe=recipe)
            step = entry[5] + flops / 40e9
            records += [
                speed_record(cell, b, step * (1 + 0.002 * b), parameters=network.parameters) for b in range(blocks)
            ]
    return records


PEAKS = (
    Peak(
        device="cpu", precision="float32", threads=1, date="2024-05-17T09:30:00+00:00",
        candidates=(
            Candidate(framework="numpy", version="2.4.6", trials=(
                Trial(operation="product", size=2048, seconds=(0.35, 0.34, 0.36), itemsize=4),
                Trial(operation="addition", size=2**24, seconds=(0.0052, 0.005, 0.005), itemsize=4),
            )),
            Candidate(framework="jax", version="1.2.3", reason="ended by SIGSEGV"),
        ),
    ),
)  # fmt: skip


def span(estimate: float, half: float) -> Interval:
    return Interval(estimate=estimate, low=estimate - half, high=estimate + half, n=5, confidence=0.95)


def explanation(high: str, low: str, steps: Mapping[RungName, float], causes: tuple[RungName, ...]) -> Explanation:
    """Of a pair of `ENTRIES` by name, in their first modes; `steps`: rung → seconds of a step, from the lowest."""
    cells = [make_cell(next(entry for entry in ENTRIES if entry[0] == name)) for name in (high, low)]
    below, rungs = None, []
    for name, step in steps.items():
        more = None if below is None else span(step - below, 0.01 * step)
        rungs.append(RungTime(rung=name, what=f"the rung {name}", step=span(step, 0.02 * step), more=more))
        below = step
    own = sum(rung.more.estimate for rung in rungs if rung.more and rung.rung in causes)
    ladder = LadderTimes(
        rungs=tuple(rungs),
        missing={f"{high}: with its defaults": "some reason"} if "defaults" not in steps else {},
        blocks=5,
        added=span(own, 0.02 * own),
        causes=causes,
    )
    seen: dict[str, Any] = {"allocated": Measured(value=2156.4, unit="B", source="[memory] of torch.profiler")}
    seen |= {"copied": Unavailable(reason="host and device are the same memory"), "compiled_steady": 0}
    kinds = {"dispatch": 0.5, "kernels": 0.3, "data": 0.1, "waiting": 0.05, "rest": 0.05}
    sides = [
        Spending(step=step, kinds={kind: share * step for kind, share in kinds.items()}, compiled_first=1, **seen)
        for step in (steps["step"], steps["other"])
    ]
    about = {"cell": cells[0], "against": cells[1], "date": "2024-05-17T10:00:00Z"}
    return Explanation(**about, ladder=ladder, own=sides[0], other=sides[1])


EXPLAINED = (
    explanation(
        "keras-tensorflow",
        "tensorflow-tape",
        {"arithmetic": 30e-6, "other": 480e-6, "step": 900e-6, "loader": 2100e-6, "defaults": 2300e-6},
        ("loader", "step"),
    ),
    explanation("torch-lightning", "torch-nn", {"arithmetic": 30e-6, "other": 210e-6, "step": 520e-6}, ("step",)),
)


def failed_record(
    cell: Cell,
    block: int,
    status: str = "failed",
    reason: str | None = "worker died: signal 9",
    log: str | None = "Traceback (most recent call last):\n  …\nMemoryError",
    **changes: Any,
) -> Record:
    return Record(
        cell=cell,
        seed=block,
        block=block,
        status=status,
        reason=reason,
        log=log,
        started="2024-05-17T10:00:00Z",
        machine=MACHINE,
        **changes,
    )


def learning_record(cell: Cell, seed: int, *, epochs: int = 20, shift: float = 0.0, **changes: Any) -> Record:
    """Losses that fall, a validation loss that rises again towards the end."""
    rng = random.Random(f"learning {seed}")
    level = rng.uniform(0.9, 1.1)
    curve = [
        EpochScores(
            epoch=e,
            train=_score(level * (2.2 * math.exp(-e / 3) + 0.01), 1 - 0.9 * math.exp(-e / 2.5)),
            validation=_score(
                level * (2.1 * math.exp(-e / 3) + 0.11 + 0.003 * e + shift), 0.97 - 0.87 * math.exp(-e / 2.5) - shift
            ),
            test=_score(
                level * (2.1 * math.exp(-e / 3) + 0.12 + 0.003 * e + shift), 0.965 - 0.86 * math.exp(-e / 2.5) - shift
            ),
        )
        for e in range(epochs + 1)
    ]
    values: dict[str, Any] = {
        "cell": cell,
        "seed": seed,
        "block": seed,
        "status": "ok",
        "started": "2024-05-17T10:10:00Z",
        "wall_seconds": 2.0,
        "parameters": 4810,
        "train_samples": 1257,
        "steps_per_epoch": 40,
        "epochs": curve,
        "final": curve[-1],
        "versions": {"numpy": "2.4.6", cell.framework: "1.2.3"},
        "machine": MACHINE,
    }
    return Record(**(values | changes))


FIVE_POINTS: dict[str, Any] = {"digest": registry.load("five-points").digest(), "kind": "regression"}
WIDTHS = {2: (0.0, 0.62), 16: (0.01, 0.21), 64: (0.5, 0.22), 512: (0.52, 0.18)}  # gap in loss, test error


def cause_records(seeds: int = 5) -> list[Record]:
    """What the default suite trains to show what makes the gap: a line and a network on five points, and widths."""
    rng = random.Random(7)
    records = []
    for model, losses in (
        (NamedModel(name="single-layer"), (5.3, 5.08, 5.19)),
        (NamedModel(name="hidden-2", hidden=(2,), activation="tanh"), (1e-9, 19.3, 14.2)),
    ):
        cell = make_cell(kind="learning", task="five-points", model=model)
        for seed in range(seeds):
            rows = [
                EpochScores(epoch=e, **{k: Score(loss=v * far) for k, v in zip(SPLITS, losses, strict=True)})
                for e, far in ((0, 2.0), (20, rng.uniform(0.99, 1.01)))
            ]
            steep = 1 + len(model.hidden)
            curve = [(x / 10, math.sin(steep * x / 10) + 0.02 * seed) for x in range(-17, 18)]
            made = learning_record(cell, seed, final=rows[-1], curve=curve, parameters=7 if model.hidden else 2)
            records.append(made.model_copy(update={"epochs": rows}))
    for width, (gap, error) in WIDTHS.items():
        model, variant = NamedModel(name=f"width-{width}", hidden=(width,)), Variant(share=0.5, label_noise=0.2)
        cell = make_cell(kind="learning", model=model, variant=variant)
        for seed in range(seeds):
            off = rng.gauss(0, 0.01)
            scores = [_score(0.1, 0.9), _score(0.1 + gap + off, 0.8), _score(0.6, 1 - error - off)]
            last = EpochScores(epoch=20, **dict(zip(SPLITS, scores, strict=True)))
            records.append(learning_record(cell, seed, final=last))
    return records


def _score(loss: float, accuracy: float) -> Score:
    return Score(loss=loss, accuracy=min(1.0, max(0.0, accuracy)))


def speed_records(
    entries: Iterable[Sequence[Any]] = ENTRIES, *, blocks: int = 8, noise: float = 0.02, seed: int = 0, **changes: Any
) -> list[Record]:
    """Blocks with a common factor (the machine's minute) and noise of each launch, as log-normal deviations."""
    rng = random.Random(seed)
    records = []
    for block in range(blocks):
        minute = math.exp(rng.gauss(0, 0.08))
        for entry in entries:
            step = entry[5] * minute * math.exp(rng.gauss(0, noise))
            records.append(speed_record(make_cell(entry, **changes), block, step, extra=entry[6] * minute))
    return records


def full_records(blocks: int = 6, seeds: int = 2) -> list[Record]:
    """Successes, failures, skips, unsupported settings and a diverged seed."""
    records = speed_records(blocks=blocks)
    records += speed_records(ENTRIES[:12], blocks=blocks, seed=1, task="iris", model=LINEAR)
    for entry in ENTRIES[:-1]:
        for task, model in (("digits", MLP), ("iris", LINEAR)):
            cell = make_cell(entry, kind="learning", task=task, model=model)
            if entry[4] == "xla":
                continue
            shift = 0.001 * len(entry[0]) / 10
            records += [learning_record(cell, seed, shift=shift) for seed in range(seeds)]
    dead = make_cell(("keras-custom-layer", "keras", "tensorflow", "mixed", "default"))
    records += [failed_record(dead, b) for b in range(blocks)]
    missing = make_cell(("mlx-nn", "mlx", None, "high", "default"))
    records += [
        failed_record(missing, b, "skipped", "mlx is not installed (pip install mlx)", None) for b in range(blocks)
    ]
    adam = make_cell(ENTRIES[-1], task="iris", model=LINEAR)
    records += [
        failed_record(adam, b, "unsupported", "binary problems have one logistic output", None) for b in range(blocks)
    ]
    flaky = make_cell(ENTRIES[5])
    records.append(failed_record(flaky, 3, reason="time limit of 60 s"))
    records.append(failed_record(make_cell(ENTRIES[-1], kind="learning"), 0, "unsupported", "no dropout", None))
    return records


def few_records() -> list[Record]:
    """Something in every section, and few rows: what axe judges takes its time by the element."""
    records = speed_records(ENTRIES[:6], blocks=6)
    records += speed_records(ENTRIES[:2], blocks=6, track="idiomatic", feed="loader")
    for entry in ENTRIES[:3]:
        for changes in ({}, {"track": "idiomatic", "feed": "loader"}):
            cell = make_cell(entry, kind="learning", **changes)
            records += [learning_record(cell, seed) for seed in range(2)]
    for entry, status in zip(ENTRIES[6:], ("failed", "skipped", "unsupported"), strict=False):
        records.append(failed_record(make_cell(entry), 0, status))
    return records


CERTIFICATES = [
    Certificate(e[0], e[4], (Check("logits", 1e-8, 1e-6), Check("loss", 1e-5 if e[4] == "compile" else 0, 1e-6)))
    for e in ENTRIES
]
SOURCES = {name: f'"""Of {name}."""\n\nx = "{name}"\n' for name in ("numpy-manual", "torch-nn", "jax-grad")}

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "</script><script>alert(3)</script>",
    "a\u2028b\u2029c",
    "evil\u202eleft\u2066\u200fright",
    "nul\x00bell\x07\x1b[31mred\x1b[0m",
    "{{ 7*7 }} {% raw %} $x^2$ \\",
    '=HYPERLINK("http://example.invalid")',
    "' onmouseover='alert(4)",
    "<!-- --><style>*{display:none}</style>",
)
# A page each: the markup and the control characters are enough for `make check`
EACH_HOSTILE = [
    evil if evil in (HOSTILE[0], HOSTILE[5]) else pytest.param(evil, marks=pytest.mark.slow) for evil in HOSTILE
]
