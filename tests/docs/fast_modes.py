"""Write docs/fast-modes.md, of what the adapters declare: ``python tests/docs/fast_modes.py``."""

from __future__ import annotations

from pathlib import Path

from levelfield.adapters.registry import AdapterInfo, find

PAGE = Path(__file__).parents[2] / "docs" / "fast-modes.md"
HEAD = """# At each framework's documented best

<!-- written by tests/docs/fast_modes.py from what the adapters declare -->

For anyone who knows a framework well and asks whether its own guide was followed.

By default levelfield times each framework as it runs out of the box. Guides recommend more: a compiled optimizer,
donated buffers, cached modules. Those are **fast modes**. Each is certified like any other mode, links to the page that
recommends it, and says why it is not the default.

```
levelfield run guides                              # every default mode beside the modes of its guide
levelfield duel torch-nn:fused torch-nn            # one of them against its default
levelfield certify flax-nnx --mode cached_partial  # its proof
```

The report has a section *The default against the guide's best*: the fastest mode of each guide, with its interval
against the default. The intervals hold together, so the best of several may be named. Other suites run only the
[usual modes](run.md#the-adapters), unless you name another with `--mode`.

## The modes

The mode's name is the link to the page that recommends it.

"""
LEFT_OUT_HEAD = """
`reduce-overhead` and `max-autotune` are for NVIDIA GPUs. On a CPU both are *unsupported*, and the report says why.
Fast modes run on one device only.

## What is left out, and why

"""
LEFT_OUT = {
    "`torch.set_flush_denormal(True)`": "It changes arithmetic: numbers below 1e-38 become 0. A mode must compute what "
    "was specified. The default suite [has no such numbers](statistics.md#numbers-too-small-to-be-fast)",
    "torch: the optimizer compiled, or the whole step": "No certificate yet: compiling it takes minutes here. "
    "By default `backward()` ends a compiled program anyway",
    "Keras on JAX: `jit_compile=True`, donated buffers": 'Keras does both already: `"auto"` compiles there, and `fit` '
    "donates",
    "Keras: arrays in place of a dataset": "`fit` shuffles arrays by itself and takes no order, so that no batch could "
    "be matched. The idiomatic track [gives it arrays](results/defaults.md)",
    "Keras on torch: `steps_per_execution`": "Keras refuses it on this backend",
    "Keras on torch: `jit_compile=True`": "No certificate yet: torch.compile of Keras' whole step takes minutes, even "
    "for the smallest network",
    "TensorFlow: `reduce_retracing=True`": "Batches have one shape, the last of an epoch perhaps another: there is "
    "nothing to save. Keras does it already",
    "Hugging Face Accelerate": "Not written yet. On one device its loop is that of `torch-nn` with a wrapped backward",
}
TAIL = """
## Declare one

An adapter of your own states its fast modes in the literal [`fast_modes`](adapters-in-full.md#all-literals).
"""


def page() -> str:
    return "".join([HEAD, modes(), LEFT_OUT_HEAD, table(["advice", "why it is no mode here"], LEFT_OUT.items()), TAIL])


def modes() -> str:
    """A line for each mode of each adapter of the checkout; those that are alike share one."""
    rows: dict[tuple[str, str, str], list[AdapterInfo]] = {}
    for info in find().adapters.values():
        if info.builtin:
            for mode, told in info.fast_modes.items():
                row = (f"[`{mode}`]({told['page']})", told["does"], told["why_not_default"])
                rows.setdefault(row, []).append(info)
    named = [(", ".join(f"`{info.name}`" for info in own), *row) for row, own in rows.items()]
    return table(["adapter", "mode", "what it does", "why it is not the default"], named)


def table(heads, rows) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE)
