"""One preview: what the compiler of an absent chip answered, read and judged. It holds no time, and proves none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from levelfield.adapters.choices import TimedPrecision
from levelfield.harness.preview import program
from levelfield.harness.preview.chips import Chip
from levelfield.harness.preview.program import Facts, Product
from levelfield.harness.system.frozen import Frozen

Counts = Mapping[str, int]


class Subject(Frozen):
    """What was compiled, and for what."""

    chip: str
    adapter: str
    mode: str
    precision: TimedPrecision
    replicas: int
    work: str  # data, network and recipe in words
    data_bytes: int  # of the features of the training set


class Program(Frozen):
    """One program of the training, as one variant of the compiler made it."""

    function: str
    calls: int  # in two batches
    variant: str
    stablehlo: str  # SHA-256
    same: bool | None  # as what the adapter compiles on the CPU, where it is certified; None: it does not exist there
    error: str = ""  # why it does not compile
    products: Counts = Field(default_factory=dict)  # arithmetic → how many products
    left: Counts = Field(default_factory=dict)  # operands and precision, in XLA's words → how many products
    instructions: Counts = Field(default_factory=dict)  # of tensor cores and of plain arithmetic, as counted in PTX
    needs: int | None = None  # bytes of the chip's memory, at most
    flops: float | None = None
    collectives: Counts = Field(default_factory=dict)  # operation and type → how many
    host: tuple[str, ...] = ()  # operations that exchange data with the host
    copied: int = 0  # bytes of the largest copy
    cycles: Mapping[str, float] = Field(
        default_factory=dict
    )  # kind of work → its share of the cycles that the compiler estimates


class Preview(Frozen):
    """All of one adapter in one mode."""

    subject: Subject
    versions: dict[str, str]
    error: str = ""  # why there are no programs
    trace: str = ""  # where it was raised
    programs: tuple[Program, ...] = ()
    compilations: int | None = None  # on the CPU in the same two batches
    memory: int = 0  # bytes that the chip has

    @property
    def compiles(self) -> bool:
        return not self.error and bool(self.programs) and not any(one.error for one in self.programs)

    @property
    def faults(self) -> list[str]:
        """What is wrong with it, a sentence each; empty where it compiles and holds."""
        if self.error:
            return [refusal(self.error)]
        found: list[str] = []
        if not self.programs:
            found.append("its training makes no jitted call that could be compiled")
        for one in self.programs:
            who = f"{one.function} ({one.variant})"
            if one.error:
                found.append(f"{who} does not compile: {one.error}")
                continue
            found += [f"{who}: {fault}" for fault in _of(one, self.subject, self.memory)]
        return found


def read(subject: Subject, chip: Chip, versions: Mapping[str, str], answer: Mapping[str, Any]) -> Preview:
    """The answer of `adapters.jax.absent`."""
    programs = [
        _program(one, variant, found, chip.kind)
        for one in answer["programs"]
        for variant, found in one["variants"].items()
    ]
    return Preview(
        subject=subject,
        versions=dict(versions),
        programs=tuple(programs),
        compilations=answer["compilations"],
        memory=chip.memory,
    )


def _program(one: Mapping[str, Any], variant: str, found: Mapping[str, Any], kind: str) -> Program:
    same = {"stablehlo": one["stablehlo"], "same": one["on_cpu"] and one["stablehlo"] == one["on_cpu"]}
    about = {"function": one["name"], "calls": one["calls"], "variant": variant, **same}
    if "error" in found:
        return Program(**about, error=refusal(found["error"]))
    facts = program.read(found["text"])
    return Program(
        **about,
        products=dict(Counter(arithmetic(product, kind) for product in facts.products)),
        left=dict(Counter(in_words(product) for product in facts.products)),
        instructions=found["instructions"],
        needs=needs(found["memory"]),
        flops=found["flops"] or None,
        collectives=dict(Counter(facts.collectives)),
        host=tuple(facts.host),
        copied=max(facts.copies, default=0),
        cycles=shares(facts),
    )


def refusal(error: str) -> str:
    """The compiler's message in one line."""
    lines = [line.strip() for line in error.splitlines() if line.strip()]
    return (lines[0] if lines else "no reason given")[:300]


def arithmetic(product: Product, kind: str) -> str:
    """In which arithmetic a product is computed.

    TPUs multiply bfloat16: `highest` takes six passes for float32's digits, `high` three, `default` one
    (https://docs.jax.dev/en/latest/_autosummary/jax.lax.Precision.html). On NVIDIA GPUs XLA's own kernels take TF32 for
    `default` and its calls of cuBLAS for `high` too, unless an algorithm is named.
    """
    types = set(product.operands)
    if types <= {"bf16", "f16"}:
        return "bfloat16" if types == {"bf16"} else "float16"
    if "f64" in types:
        return "float64"
    if kind == "tpu":
        return {"highest": "float32", "high": "bfloat16 in three passes"}.get(product.precision, "bfloat16")
    if product.algorithm:
        return {"dot_tf32_tf32_f32": "tf32", "dot_f32_f32_f32": "float32"}.get(product.algorithm, product.algorithm)
    coarse = ("default", "high") if product.library else ("default",)
    return "tf32" if product.precision in coarse else "float32"


def in_words(product: Product) -> str:
    where = "cuBLAS " if product.library else ""
    return f"{where}{'×'.join(product.operands)} {product.algorithm or product.precision}"


def needs(memory: Mapping[str, int]) -> int | None:
    """Bytes of the chip's memory at the peak; of arguments that results replace only once."""
    if peak := memory.get("peak_memory_in_bytes"):
        return peak
    parts = ("argument", "output", "temp", "generated_code")
    known = [memory.get(f"{part}_size_in_bytes") for part in parts]
    return None if None in known else sum(filter(None, known)) - memory.get("alias_size_in_bytes", 0)


def shares(facts: Facts) -> dict[str, float]:
    total = sum(facts.cycles.values())
    ordered = sorted(facts.cycles.items(), key=lambda one: -one[1])
    return {kind: round(cycles / total, 4) for kind, cycles in ordered} if total else {}


def _of(one: Program, subject: Subject, memory: int) -> Sequence[str]:
    found = []
    if one.same is False:
        found.append("is another StableHLO than on the CPU, where it is certified")
    wrong = {kind: n for kind, n in one.products.items() if kind != subject.precision}
    if wrong:
        told = ", ".join(f"{n} in {kind}" for kind, n in wrong.items())
        found.append(f"of {sum(one.products.values())} products {told}, not in {subject.precision}")
    if one.needs is not None and one.needs > memory:
        found.append(f"needs {one.needs:,} bytes of the chip's {memory:,}")
    if one.host:
        found.append(f"exchanges data with the host in each call: {', '.join(one.host)}")
    if narrow := [name for name in one.collectives if "bf16[" in name or " f16[" in name]:
        found.append(f"sums over devices in 16 bits: {', '.join(narrow)}")
    # Of 16-bit copies too: a compiler may store the data in less than they were given in
    if one.copied >= subject.data_bytes / 2:
        found.append(f"copies the whole data set, {one.copied:,} bytes, in each call")
    return found
