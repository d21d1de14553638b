"""Compile every JAX adapter for chips that are not here, and write docs/results/previews.md: ``make preview``.

With a number it runs so many commands at once, by default one a core. With ``--page`` it runs none: the page is
rendered from the previews that are kept beside it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from levelfield.harness.preview.chips import CHIPS, GIB
from levelfield.harness.preview.preview import Preview, Program

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "results" / "previews.md"
KEPT = PAGE.with_suffix("") / "previews.jsonl"
ADAPTERS = ("jax-grad", "flax-nnx", "keras-jax")
ASKED = (  # words behind ``levelfield preview``
    *(("tpu:v5e", name) for name in ADAPTERS),
    *(("gpu:h100", name) for name in ADAPTERS),
    *((chip, "jax-grad", "--mode", "jit") for chip in CHIPS if chip not in ("tpu:v5e", "gpu:h100")),
    *(("gpu:h100", name, "--matmul-precision", "tf32") for name in ADAPTERS),
    *(("tpu:v5e", name, "--matmul-precision", "bfloat16", "--replicas", "4") for name in ADAPTERS),
)
OPENING = """# Compiled for chips that are not here

<!-- written by tests/previews/previews.py from previews/previews.jsonl: make preview -->

For anyone who wants to know what a TPU's or a GPU's compiler makes of the certified step, before having the chip.

**Nothing here was run.** These programs *compile*. Of their speed and their numbers nothing is known, and none of this
is in a comparison. [What a preview is](../devices.md#for-a-chip-that-is-not-here)
"""
READING = """
## How to read it

* **as certified**: the StableHLO is, to the last letter, what the adapter compiles on the CPU.
* **products**: their arithmetic. A GPU has two ways, XLA's own kernels (triton) and cuBLAS.
* **largest copy**: of an array within a step. The features of the training set are 188 MB.
* **cycles**: shares as the TPU's compiler estimates them, a loop's times its rounds. A model, no time.
* **fault**: what levelfield does not accept, see the command's exit code.
"""


def main(words: Sequence[str]) -> int:
    if "--page" not in words:
        with ThreadPoolExecutor(int(words[0]) if words else os.cpu_count()) as several:
            lines = [line for told in several.map(asked, ASKED) for line in told]
        KEPT.parent.mkdir(parents=True, exist_ok=True)
        KEPT.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    PAGE.write_text(page(kept()), encoding="utf-8")
    print(PAGE)
    return 0


def asked(words: Sequence[str]) -> list[str]:
    """What one command tells. Raises CalledProcessError where it cannot; faults are on the page."""
    command = [sys.executable, "-P", "-m", "levelfield", "preview", *words, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    if done.returncode not in (0, 1):
        done.check_returncode()
    return done.stdout.splitlines()


def kept() -> list[Preview]:
    return [Preview.model_validate_json(line) for line in KEPT.read_text(encoding="utf-8").splitlines()]


def page(previews: Sequence[Preview]) -> str:
    """The whole page."""
    one = [each for each in previews if each.subject.replicas == 1]
    parts = {
        "One device, float32": [each for each in one if each.subject.precision == "float32"],
        "One device, in lower precision": [each for each in one if each.subject.precision != "float32"],
        "Four devices share each batch": [each for each in previews if each.subject.replicas > 1],
    }
    (work,) = {each.subject.work for each in previews}
    versions = {f"{name} {version}" for each in previews for name, version in each.versions.items()}
    lines = [OPENING, f"Data, network and recipe: {work}. Compiled by {', '.join(sorted(versions))}.", READING]
    for title, chosen in parts.items():
        lines += [f"## {title}", "", *table(chosen, several=title.startswith("Four")), ""]
    lines += ["## Faults", "", *(faults(previews) or ["None."]), ""]
    return "\n".join(lines)


def table(previews: Iterable[Preview], several: bool) -> list[str]:
    head = ["chip", "adapter", "precision", "as certified", "products", "memory", "largest copy"]
    head += ["exchanged", "with the host"] if several else ["with the host", "cycles"]
    rows = [row(each, one, several) for each in previews for one in each.programs]
    rows += [[*who(each), "**does not compile**", *[""] * (len(head) - 4)] for each in previews if not each.programs]
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]


def who(each: Preview) -> list[str]:
    return [each.subject.chip, f"{each.subject.adapter} ({each.subject.mode})", each.subject.precision]


def row(each: Preview, one: Program, several: bool) -> list[str]:
    if one.error:
        return [*who(each), "", f"**does not compile**: {one.error}", *[""] * 4]
    products = ", ".join(f"{n} {kind}" for kind, n in one.products.items())
    way = f" ({one.variant})" if each.subject.chip.startswith("gpu") else ""
    room = "not known" if one.needs is None else f"{one.needs / 1e6:,.1f} MB of {each.memory / GIB:,.0f} GiB"
    copied = f"{one.copied / 1e6:,.2f} MB" if one.copied else "none"
    host = ", ".join(one.host) or "none"
    exchanged = ", ".join(f"{n} {what}" for what, n in one.collectives.items()) or "none"
    cycles = ", ".join(f"{kind} {share:.0%}" for kind, share in one.cycles.items()) or "none"
    certified = "TF32: not on a CPU" if one.same is None else "yes" if one.same else "**no**"
    rest = [exchanged, host] if several else [host, cycles]
    return [
        *who(each),
        certified,
        products + way,
        room,
        copied,
        *rest,
    ]


def faults(previews: Iterable[Preview]) -> list[str]:
    return [
        f"* {each.subject.chip}, {each.subject.adapter} ({each.subject.mode}), {each.subject.precision}, "
        f"{each.subject.replicas} device{'s' * (each.subject.replicas > 1)}: {fault}"
        for each in previews
        for fault in each.faults
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
