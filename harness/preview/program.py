"""What a compiled program says of itself: XLA's optimised HLO, as text, read into facts. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

# Of one element, in bytes; what is not here (tokens, opaque handles) takes no room that matters
_SIZES = {"pred": 1, "s8": 1, "u8": 1, "s16": 2, "u16": 2, "f16": 2, "bf16": 2, "s32": 4, "u32": 4, "f32": 4}
_SIZES |= {"s64": 8, "u64": 8, "f64": 8, "c64": 8, "c128": 16}
_COLLECTIVES = (
    "all-reduce",
    "all-gather",
    "reduce-scatter",
    "collective-permute",
    "all-to-all",
    "collective-broadcast",
)
_HOST = ("infeed", "outfeed", "send", "recv")

_BEGIN = re.compile(r"^(ENTRY )?%?([\w.\-]+) .*\{\s*$")
_LINE = re.compile(
    r"^\s+(?:ROOT )?%?(?P<name>[\w.\-]+) = (?P<type>\(.*?\)(?= [\w\-]+\()|\S+) (?P<op>[\w\-]+)\((?P<rest>.*)$"
)
_ARRAY = re.compile(r"\b([a-z]+\d*(?:e\dm\d\w*)?)\[([\d,]*)\]")
_PRECISION = re.compile(r"operand_precision=\{(\w+),\s*(\w+)\}")
_PRECISION_OF_LIBRARY = re.compile(r'"operand_precision":\["(\w+)","(\w+)"\]')
_ALGORITHM = re.compile(r'\balgorithm=(\w+)|"algorithm":"ALG_(DOT_\w+)"')
_CYCLES = re.compile(r'"estimated_cycles":"(\d+)"')
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')
_CALLED = re.compile(r"(?:calls|body|to_apply)=%?([\w.\-]+)")

Kind = Literal["copies", "products", "gathering a batch", "collectives", "the rest"]


@dataclass(frozen=True)
class Instruction:
    name: str
    type: str  # of the result, with its layout
    op: str
    rest: str  # operands and attributes

    @property
    def bytes(self) -> int:
        """Of the result, without padding."""
        return sum(size(*array) for array in _ARRAY.findall(self.type))

    @property
    def target(self) -> str:
        """Of a custom call, what it calls."""
        found = re.search(r'custom_call_target="([^"]*)"', self.rest)
        return found[1] if found else ""

    @property
    def operands(self) -> list[str]:
        """Names of operands."""
        depth, end = 1, len(self.rest)
        for i, letter in enumerate(self.rest):
            depth += {"(": 1, ")": -1}.get(letter, 0)
            if depth == 0:
                end = i
                break
        return re.findall(r"%([\w.\-]+)", self.rest[:end])


@dataclass(frozen=True)
class Product:
    """One matrix product: the types of its operands, and the precision that the compiler was left with."""

    operands: tuple[str, str]
    precision: str  # default, high, highest
    algorithm: str = ""  # such as dot_tf32_tf32_f32
    library: bool = False  # a call of cuBLAS


@dataclass
class Facts:
    """Of one program."""

    products: list[Product] = field(default_factory=list)
    collectives: list[str] = field(default_factory=list)  # operation and types of each
    host: list[str] = field(default_factory=list)
    copies: list[int] = field(default_factory=list)  # bytes of each, largest first
    cycles: dict[Kind, int] = field(default_factory=dict)  # as XLA estimates them, a loop's times its rounds


def size(kind: str, shape: str) -> int:
    """Bytes of an array such as ``f32``, ``784,128``."""
    count = 1
    for side in filter(None, shape.split(",")):
        count *= int(side)
    return count * _SIZES.get(kind, 0)


def computations(text: str) -> dict[str, list[Instruction]]:
    """Name of a computation → its instructions."""
    found: dict[str, list[Instruction]] = {}
    own: list[Instruction] = []
    for line in text.splitlines():
        if not line.startswith(" ") and (begin := _BEGIN.match(line)):
            own = found[begin[2]] = []
        elif (match := _LINE.match(line)) is not None:
            own.append(Instruction(**match.groupdict()))
    return found


def read(text: str) -> Facts:
    """Facts of a program. Raises ValueError where the text is none."""
    parts = computations(text)
    if not any(parts.values()):
        raise ValueError("no instruction in the compiler's text")
    facts = Facts()
    for own in parts.values():
        types = {one.name: one.type for one in own}
        for one in own:
            base = one.op.removesuffix("-start")
            if (product := _product(one, types)) is not None:
                facts.products.append(product)
            elif base in _COLLECTIVES:
                arrays = [f"{kind}[{shape}]" for kind, shape in _ARRAY.findall(one.type)]
                facts.collectives.append(" ".join([base, *dict.fromkeys(arrays)]))
            elif one.op in _HOST or re.search("callback|[Hh]ost", one.target):
                facts.host.append(one.target or one.op)
            elif base == "copy":
                facts.copies.append(one.bytes)
    facts.copies.sort(reverse=True)
    for kind, cycles in _cycles(parts, _rounds(parts)):
        facts.cycles[kind] = facts.cycles.get(kind, 0) + cycles
    return facts


def _product(one: Instruction, types: Mapping[str, str]) -> Product | None:
    library = one.op == "custom-call" and re.search("gemm|matmul", one.target) is not None
    if one.op not in ("dot", "convolution") and not library:
        return None
    kinds = [_element(types.get(name, "")) for name in one.operands[:2]]
    precision = (_PRECISION_OF_LIBRARY if library else _PRECISION).search(one.rest)
    algorithm = _ALGORITHM.search(one.rest)
    return Product(
        operands=(kinds[0], kinds[-1]),
        precision=min(precision.groups(), key=_RANK.index).lower() if precision else "default",
        algorithm=(algorithm[1] or algorithm[2] or "").lower() if algorithm else "",
        library=library,
    )


_RANK = ["default", "DEFAULT", "high", "HIGH", "highest", "HIGHEST"]


def _element(kind: str) -> str:
    found = _ARRAY.search(kind)
    return found[1] if found else "?"


def _rounds(parts: Mapping[str, list[Instruction]]) -> dict[str, int]:
    """Computation → how often it is computed: the rounds of the loops that it is the body of; 1 of all others."""
    rounds = dict.fromkeys(parts, 1)
    for own in parts.values():
        for one in own:
            if (
                one.op == "while"
                and (trips := _TRIPS.search(one.rest))
                and (body := re.search(r"body=%?([\w.\-]+)", one.rest))
            ):
                rounds[body[1]] = int(trips[1])
    return rounds


def _cycles(parts: Mapping[str, list[Instruction]], rounds: Mapping[str, int]) -> Iterator[tuple[Kind, int]]:
    for name, own in parts.items():
        for one in own:
            if (cycles := _CYCLES.search(one.rest)) is not None:
                yield _kind(one, parts), int(cycles[1]) * rounds[name]


def _kind(one: Instruction, parts: Mapping[str, list[Instruction]]) -> Kind:
    inside = [one, *(inner for name in _CALLED.findall(one.rest) for inner in parts.get(name, ()))]
    ops = {inner.op.removesuffix("-start").removesuffix("-done") for inner in inside}
    if ops & {"dot", "convolution"} or any(re.search("gemm|matmul", inner.target) for inner in inside):
        return "products"
    if ops & set(_COLLECTIVES):
        return "collectives"
    if ops & {"gather", "dynamic-slice"}:
        return "gathering a batch"
    return "copies" if one.op.removesuffix("-start").removesuffix("-done") == "copy" else "the rest"
