"""Look for the data of `tasks.five_points`: python tests/studies/find_five_points.py [SEED]

Draws five training, validation and test points each around a line, scales the residuals to the least-squares line so
that it has a training error of 5.3 and a validation error of 5.1, trains the 1-2-1 tanh network by full-batch Adam from
the canonical initial weights of several seeds, all at once, and prints the draw for which most seeds reach a training
error < 0.01 with a validation error of 20 ± 2.
"""

from __future__ import annotations

import sys

import numpy as np

from levelfield.tasks.mlp import MLP

DRAWS, EPOCHS, RATE = 2000, 400, 0.2


def draw(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """x and y (15,): five points of each split, in their order, in two decimals."""
    x = np.round(np.concatenate([np.sort(rng.uniform(0, 10, 5)) for _ in range(3)]), 2)
    y = x * rng.uniform(-1, 1) + rng.normal(size=15)
    for part, error in ((slice(0, 5), 5.3), (slice(5, 10), 5.1), (slice(10, 15), 5.2)):
        line = np.polyval(np.polyfit(x[:5], y[:5], 1), x[part])
        residual = y[part] - line
        y[part] = line + residual * np.sqrt(error / np.mean(residual**2))
    return x, np.round(y, 2)


def train(x: np.ndarray, y: np.ndarray, seeds: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Training and validation errors (draws, seeds) at the end."""
    first = [MLP((1, 2, 1), activation="tanh").initial_weights(s) for s in seeds]
    w = [np.stack([f[i][j] for f in first]).astype(np.float64) for i in range(2) for j in range(2)]
    w = [np.repeat(a[None], len(x), 0) for a in (w[0][:, 0, :], w[1], w[2][:, :, 0], w[3][:, 0])]
    m, v = [np.zeros_like(a) for a in w], [np.zeros_like(a) for a in w]
    z = (x - x[:, :5].mean(1, keepdims=True)) / x[:, :5].std(1, keepdims=True)

    def forward(part: slice) -> tuple[np.ndarray, np.ndarray]:
        h = np.tanh(z[:, None, part, None] * w[0][:, :, None] + w[1][:, :, None])
        return h, (h * w[2][:, :, None]).sum(-1) + w[3][..., None] - y[:, None, part]

    for t in range(1, EPOCHS + 1):
        h, error = forward(slice(0, 5))
        d = 2 / 5 * error
        back = d[..., None] * w[2][:, :, None] * (1 - h * h)
        gradients = (
            (back * z[:, None, :5, None]).sum(2), back.sum(2), (h * d[..., None]).sum(2), d.sum(-1)
        )  # fmt: skip
        for a, g, p, q in zip(w, gradients, m, v, strict=True):
            p += 0.1 * (g - p)
            q += 0.001 * (g * g - q)
            a -= RATE * (p / (1 - 0.9**t)) / (np.sqrt(q / (1 - 0.999**t)) + 1e-8)
    return tuple(np.square(forward(part)[1]).mean(-1) for part in (slice(0, 5), slice(5, 10)))  # type: ignore[return-value]


def main(seed: int) -> None:
    rng = np.random.default_rng(seed)
    drawn = [draw(rng) for _ in range(DRAWS)]
    x, y = (np.stack(part) for part in zip(*drawn, strict=True))
    training, validation = train(x, y, [0, 1])
    good = (training < 0.01) & (abs(validation - 20) < 2)
    some = np.flatnonzero(good.any(1))
    print(f"{len(some)} of {DRAWS} draws have a seed in the band")
    training, validation = train(x[some], y[some], list(range(40)))
    good = (training < 0.008) & (abs(validation - 20) < 1.5)
    for best in np.argsort(-good.sum(1))[:3]:
        print(f"{good[best].sum()} of 40 seeds; x = {x[some[best]].tolist()}; y = {y[some[best]].tolist()}")
        print("  ", np.round(training[best], 3).tolist(), np.round(validation[best], 1).tolist())


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
