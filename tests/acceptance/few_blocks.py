"""Few blocks, many cells: which interval holds, and how wide it is, by one simulation for all.

    python tests/acceptance/few_blocks.py [--tables 4000] [--write]

Prints tables of ``docs/results/coverage.md``, and with --write puts them there (some minutes). A row is a kind of
noise, a column a method, each entry the worst simultaneous coverage of all numbers of blocks and comparisons, in per
cent.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.special import digamma, polygamma, stdtrit

from levelfield.harness.judge.moderated import level_and_spread, moderate, prior_freedom
from levelfield.harness.judge.statistics import half_length, shared_confidence, trimmed_mean

DOCUMENT = Path(__file__).parents[2] / "docs" / "results" / "coverage.md"
SPREAD = 0.03
BLOCKS, COMPARISONS = (3, 4, 5, 6, 8, 12), (2, 5, 20, 40)
Shape = tuple[int, int, int]  # tables, cells and the baseline, which is the first, blocks
Noise = Callable[[np.random.Generator, Shape], np.ndarray]
Method = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]  # log-ratios -> centre, half-length


def normal(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    return SPREAD * rng.standard_normal(shape)


def student3(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    return SPREAD * rng.standard_t(3, shape)


def wild(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    return normal(rng, shape) * np.where(rng.random(shape) < 0.05, 10, 1)


def one_noisy(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    x = normal(rng, shape)
    x[:, 1] *= 5
    return x


def two_clusters(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    x = normal(rng, shape)
    x[:, 1::2] *= 3
    return x


def unequal(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    return normal(rng, shape) * np.exp(0.6 * rng.standard_normal((*shape[:2], 1)))


def noisy_baseline(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    x = normal(rng, shape)
    x[:, 0] *= 3
    return x


def families(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    """Half of the variance is that of five parents, which their cells share."""
    parents = normal(rng, (shape[0], 5, shape[2]))
    return np.sqrt(0.5) * (normal(rng, shape) + parents[:, np.arange(shape[1]) % 5])


NOISES: dict[str, Noise] = {
    "normal": normal,
    "t, 3 degrees of freedom": student3,
    "a block in 20 ten times as far off": wild,
    "one cell 5 times as noisy": one_noisy,
    "every second cell 3 times as noisy": two_clusters,
    "spreads differ by a factor of 1.8": unequal,
    "baseline 3 times as noisy": noisy_baseline,
    "cells share five parents": families,
}


def trimmed(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    centre, variance, freedom = trimmed_mean(x)
    return centre, half_length(variance, freedom, x.shape[-1], shared_confidence(x.shape[1]))


def ours(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    centre, variance, own = trimmed_mean(x)
    variance, freedom = moderate(variance, own)
    return centre, half_length(variance, freedom, x.shape[-1], shared_confidence(x.shape[1]))


def smyth(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Moderated as limma does: Smyth (2004), section 6.2; the pooled variance where none is in excess."""
    centre, variance, own = trimmed_mean(x)
    level, spread = level_and_spread(variance, np.asarray(own))
    excess = spread - polygamma(1, own / 2)
    prior = np.where(excess > 0, prior_freedom(np.maximum(excess, 1e-3)), 1e6)
    scale = np.where(
        excess > 0, np.exp(level + digamma(prior / 2) - np.log(prior / 2)), variance.mean(-1, keepdims=True)
    )
    prior = np.minimum(prior, own * (x.shape[1] - 1))
    both = (prior * scale + own * variance) / (prior + own)
    return centre, half_length(both, prior + own, x.shape[-1], shared_confidence(x.shape[1]))


def sidak(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The trimmed interval with Šidák's share instead of Bonferroni's."""
    centre, variance, freedom = trimmed_mean(x)
    confidence = 0.95 ** (1 / (x.shape[1] + 1))
    return centre, stdtrit(freedom, (1 + confidence) / 2) * np.sqrt(variance / x.shape[-1])


METHODS: dict[str, Method] = {"trimmed": trimmed, "Šidák": sidak, "Smyth": smyth, "ours": ours}


def log_ratios(noise: Noise, rng: np.random.Generator, tables: int, comparisons: int, blocks: int) -> np.ndarray:
    x = noise(rng, (tables, comparisons + 1, blocks))
    return x[:, 1:] - x[:, :1]


def holds(found: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Of each table whether all its intervals hold the truth, 0."""
    centre, half = found
    return (np.abs(centre) <= half).all(axis=-1)


def stopped(x: np.ndarray, method: Method, first: int, typical: int) -> float:
    """Coverage when blocks are added until the widest interval is as narrow as the median table's at `typical`."""
    looks = [method(x[..., :n]) for n in range(first, x.shape[-1] + 1)]
    widths = np.array([half.max(axis=-1) for _, half in looks])
    narrow = widths <= np.median(widths[typical - first])
    narrow[-1] = True
    return float(np.array([holds(look) for look in looks])[narrow.argmax(axis=0), np.arange(len(x))].mean())


def coverage_rows(tables: int) -> list[str]:
    head = "| noise | " + " | ".join(METHODS) + " | ours, stopped |"
    rows = [head, "|---|" + "---:|" * (len(METHODS) + 1)]
    for name, noise in NOISES.items():
        worst = dict.fromkeys(METHODS, 1.0)
        stop = 1.0
        rng = np.random.default_rng(300)
        for m in COMPARISONS:
            for n in BLOCKS:
                x = log_ratios(noise, rng, tables, m, n)
                for method, of in METHODS.items():
                    worst[method] = min(worst[method], float(holds(of(x)).mean()))
            x = log_ratios(noise, rng, tables // 2, m, 16)
            stop = min(stop, *(stopped(x, ours, 5, typical) for typical in (6, 8, 12)))
        rows.append(f"| {name} | " + " | ".join(f"{100 * w:.1f}" for w in [*worst.values(), stop]) + " |")
    return rows


def width_rows(tables: int) -> list[str]:
    rows = ["| comparisons | " + " | ".join(f"{n} blocks" for n in BLOCKS) + " |", "|---:|" + "---:|" * len(BLOCKS)]
    for m in COMPARISONS:
        texts = []
        for n in BLOCKS:
            x = log_ratios(normal, np.random.default_rng(301), tables // 4, m, n)
            texts.append(" → ".join(f"{100 * np.expm1(np.median(of(x)[1])):.1f}" for of in (trimmed, ours)))
        rows.append(f"| {m} | " + " | ".join(texts) + " |")
    return rows


def written(marker: str, rows: list[str], text: str) -> str:
    start, end = f"<!-- {marker} -->", f"<!-- end of {marker} -->"
    before, rest = text.split(start)
    return before + start + "\n" + "\n".join(rows) + "\n" + end + rest.split(end)[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=int, default=4000)
    parser.add_argument("--write", action="store_true", help="into docs/results/coverage.md")
    asked = parser.parse_args()
    found = {"few blocks": coverage_rows(asked.tables), "few blocks, widths": width_rows(asked.tables)}
    for rows in found.values():
        print("\n".join(rows), end="\n\n")
    if asked.write:
        text = DOCUMENT.read_text(encoding="utf-8")
        for marker, rows in found.items():
            text = written(marker, rows, text)
        DOCUMENT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
