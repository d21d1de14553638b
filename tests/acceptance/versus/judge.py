"""What each tool's own comparison says of two measurements: that the second is slower, faster, or neither.

Pure functions around the tools' code; the numbers are seconds an epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import pyperf
from asv.commands.compare import _is_result_better
from asv_runner.statistics import compute_stats
from pyperf._compare import CompareData, CompareResult
from pytest_benchmark.utils import parse_compare_fail

Word = Literal["slower", "faster"] | None
Judge = Callable[[Any, Any], Word]


def pytest_benchmark(base: Mapping[str, float], new: Mapping[str, float], check: str) -> Word:
    """``--benchmark-compare-fail=CHECK``, from the statistics of its JSON file. It never says "faster"."""
    return "slower" if parse_compare_fail(check).fails(new, base) else None


def pyperf_compare(base: Sequence[Sequence[float]], new: Sequence[Sequence[float]]) -> Word:
    """``pyperf compare_to``: Student's t-test at 95 % over all values of all processes."""
    result = CompareResult(CompareData("base", _benchmark(base)), CompareData("new", _benchmark(new)))
    if not result.significant:
        return None
    return "slower" if result.norm_mean > 1 else "faster"


def asv_compare(base: Sequence[float], new: Sequence[float], factor: float) -> Word:
    """``asv compare --factor FACTOR`` with recorded samples: Mann and Whitney's test, and medians that far apart."""
    (a, a_known), (b, b_known) = _asv(base), _asv(new)
    if _is_result_better(a, b, a_known, b_known, factor):
        return "slower"
    return "faster" if _is_result_better(b, a, b_known, a_known, factor) else None


JUDGES: dict[str, list[tuple[str, Judge]]] = {
    "pytest-benchmark": [
        (f"--benchmark-compare-fail={check}", lambda base, new, check=check: pytest_benchmark(base, new, check))
        for check in ("min:5%", "mean:5%", "median:1%")
    ],
    "pyperf": [("compare_to", pyperf_compare)],
    "asv": [
        (f"compare, factor {factor:g}", lambda base, new, factor=factor: asv_compare(base, new, factor))
        for factor in (1.1, 1.0)
    ],
}


def _benchmark(processes: Sequence[Sequence[float]]) -> pyperf.Benchmark:
    runs = [pyperf.Run(list(values), metadata={"name": "epoch"}, collect_metadata=False) for values in processes]
    return pyperf.Benchmark(runs)


def _asv(samples: Sequence[float]) -> tuple[float, tuple[dict[str, float], list[float]]]:
    value, stats = compute_stats(list(samples), 1)
    return value, (stats, list(samples))
