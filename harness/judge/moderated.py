"""Variances of few values, made steadier by those of the other cells of a family.

Smyth (2004), Statistical Applications in Genetics and Molecular Biology 3(1), article 3: the true variances are taken
as draws from a scaled inverse chi-square distribution, whose scale and degrees of freedom the sample variances of all
cells tell. What is added here, because a table has 5 to 60 cells and not 10,000 genes: ``docs/statistics.md``.
"""

from __future__ import annotations

import numpy as np

# Chosen by simulation: `python tests/acceptance/few_blocks.py`
CAUTION = 0.1  # that the cells are as alike as is assumed, in so many cases by luck alone
MOST_BORROWED = 3.0  # times a cell's own degrees of freedom


def moderate(
    variances: np.ndarray, freedom: np.ndarray | float, sources: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Variances (..., m) of m cells with `freedom` of their own → theirs with what they borrow, and its freedom.

    Never below a cell's own variance: one that is noisier than the others, or has a block far off, keeps it. The
    prior's degrees of freedom are a lower limit (`CAUTION`), and no more than `MOST_BORROWED` times the cell's own,
    because cells that share a baseline are less of a sample than they seem. Nothing is borrowed from fewer than two
    cells, or where most variances are zero. `sources`: how many of the m are independent; all unless given.
    """
    own = np.asarray(variances, dtype=np.float64)
    freedom = np.broadcast_to(np.asarray(freedom, dtype=np.float64), own.shape)
    sources = own.shape[-1] if sources is None else sources
    typical = np.median(own, axis=-1, keepdims=True) if own.size else np.zeros(1)
    if sources < 2 or own.shape[-1] < 2 or not (typical > 0).all():
        return own, freedom
    from scipy.special import chdtri, polygamma

    level, spread = level_and_spread(np.maximum(own, 1e-5 * typical), freedom)
    at_most = spread * (sources - 1) / chdtri(sources - 1, 1 - CAUTION)
    by_chance = polygamma(1, freedom / 2).mean(axis=-1, keepdims=True)
    borrowed = np.minimum(prior_freedom(np.maximum(at_most - by_chance, 1e-3)), MOST_BORROWED * freedom)
    both = freedom + borrowed
    return np.maximum((borrowed * np.exp(level) + freedom * own) / both, own), both


def level_and_spread(variances: np.ndarray, freedom: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance over the last axis of the log-variances, each freed of its bias (Smyth 2004, section 6.2)."""
    from scipy.special import digamma

    logs = np.log(variances) - digamma(freedom / 2) + np.log(freedom / 2)
    return logs.mean(axis=-1, keepdims=True), logs.var(axis=-1, ddof=1, keepdims=True)


def prior_freedom(excess: np.ndarray) -> np.ndarray:
    """Degrees of freedom of the prior whose log-variances have this variance > 0: 2 y with trigamma(y) = `excess`.

    Newton's iteration for 1 / trigamma, which converges from below (Smyth 2004, appendix).
    """
    from scipy.special import polygamma

    excess = np.asarray(excess, dtype=np.float64)
    y = 0.5 + 1 / excess
    for _ in range(50):
        value = polygamma(1, y)
        step = value * (1 - value / excess) / polygamma(2, y)
        y = y + step
        if (np.abs(step) <= 1e-9 * y).all():
            break
    return 2 * y
