"""Write docs/published.md from its runs, several of a suite together: python tests/studies/published_page.py RUN RUN"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from levelfield.harness.records import store
from levelfield.reports import markdown
from levelfield.reports.findings.certificates import summary
from levelfield.reports.findings.evidence import Evidence, gather
from levelfield.reports.findings.published import Row, compare, figures
from levelfield.reports.sections import published

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "published.md"
OPENING = """# Published figures, reproduced

<!-- written by tests/studies/published_page.py from its runs; a test holds its words -->

For anyone who doubts that levelfield's adapters do what other programs do. The documentation of scikit-learn prints
scores and losses of its examples. Here every adapter that can trains the same networks, and the digits are compared.
TensorFlow's first lesson prints an accuracy without its seed. That one is compared with the accuracies of many seeds.

```
levelfield run published                          # Iris and digits
levelfield run published-mnist --data-dir DIR     # MNIST, whose files lie in DIR or are downloaded
levelfield run published-seeds --data-dir DIR     # MNIST again, eight seeds of TensorFlow's quickstart
python tests/studies/published_page.py RUN RUN    # writes this page from runs, of all adapters or of some
```

A run prints its table, and its report shows the same one.

## What is replayed

* **Data** as the example has them: scaled to 0 … 1, in float64, and no split set aside where it sets none aside.
* **Initial weights and orders** that `MLPClassifier` draws from the example's `random_state`.
* **The end**: after the same epoch, by the same rule on the training loss.
* **Precision**: float64; `keras-jax` and `keras-torch` have float32, because Keras computes products in it on these
  backends. Each adapter is certified in its precision first.

The **loss** is the example's: the mean over an epoch of each batch's loss before its update, penalty included. It is
computed from the adapter's own logits and weights. To see them before every step, levelfield gives each batch to the
adapter as an epoch of its own.

A figure is **the same** when every printed digit is. If a source gives no seed, its figure must lie **inside** the
interval in which one more seed would lie with 95 %; each framework draws its own numbers there. The figures, with
source and date, are in `reports/findings/published.toml`. In a suite of your own, write `replays = "scikit-learn"` and
`precision = "float64"` in `[[learning]]`. [All keys](reference.md#a-suite).
"""
CLOSING = """
## What differs, and why

**Adam.** scikit-learn adds epsilon before the bias correction, the specification after it. With epsilon moved, NumPy
gives the published digits (`tests/tasks/test_replay.py`). Some gradients are as small as epsilon, so float32 gives yet
another number.

**The last batch of digits.** `MLPClassifier` divides its penalty by the samples of each batch, and the last batch has
197 instead of 200. The specification has one penalty for all batches. That changes the loss by 1.3 · 10⁻⁸ at most, and
six digits were printed.

**Keras on MNIST.** Keras holds learning rate, momentum and penalty in float32. Two of eight losses differ in their
eighth digit. With the same rounded constants NumPy gives Keras' digits: `learning-rate = 0.20000000298023224`,
`momentum = 0.8999999761581421` and `l2 = 2.499999993688107e-07`.

## What is left out

| what | why |
| --- | --- |
| the examples' `invscaling` rows | no recipe has a learning rate that falls |
| the examples' circles and moons | `MLPClassifier` has one logistic output for two classes, the specification two |
| Keras' `mnist_mlp`, 98.40 % | RMSprop is not in the specification |
| LeCun's rows, Nielsen's 95.42 % | squared error on classes and sigmoid outputs are not in the specification |
| PyTorch's quickstart, 64.9 % | levelfield has no loader for Fashion-MNIST |
"""


def evidences(folders: Iterable[Path]) -> list[Evidence]:
    """One for each suite, from the launches of all its runs together."""
    found: dict[str, list[store.Contents]] = {}
    for folder in folders:
        stored = store.read(folder)
        found.setdefault(stored.run.suite, []).append(stored)
    return [
        gather(
            own[0].run,
            [record for stored in own for record in stored.records],
            certificates=[summary(certificate) for stored in own for certificate in stored.certificates],
        )
        for own in found.values()
    ]


def facts(found: Iterable[Evidence]) -> list[str]:
    """When, at which commit, and with which versions."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    days = sorted({one.run.started[:10] for one in found})
    versions = {n: v for one in found for r in one.latest if r.status == "ok" for n, v in r.versions.items()}
    named = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    return [f"Measured on {' and '.join(days)} at {commit}, with {named}."]


def main(folders: Sequence[Path]) -> None:
    found = evidences(folders)
    told: list[str] = []
    for one in found:
        rows: tuple[Row, ...] = compare(one, figures())
        sources = dict.fromkeys(row.figure.source for row in rows)
        told += [published.sentence(rows), ""]
        told += [f"Source: [{s.title}]({s.url}), read on {s.read:%Y-%m-%d}.\n" for s in sources]
        told += [*markdown.table(published.table(rows)), ""]
    text = [OPENING, "## Published, here, the same?", "", *told, *facts(found)]
    PAGE.write_text("\n".join(text) + "\n" + CLOSING, encoding="utf-8")


if __name__ == "__main__":
    main([Path(folder) for folder in sys.argv[1:]])
