"""Panels with planted lags: for the demonstration, the tests and the benchmark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

LINKS = {
    "linear": {"linear": lambda x: x},
    "nonlinear": {
        "square": lambda x: (x**2 - 1) / np.sqrt(2),
        "sign": np.sign,
        "abs": lambda x: (np.abs(x) - 0.8) / 0.6,
        "tanh": lambda x: np.tanh(2 * x) / 0.8,
        "sine": lambda x: 1.4 * np.sin(2 * x),
    },
    "variance": {  # of the target's noise: the log of its sd
        "level": lambda x: np.clip(x, -2, 2),
        "size": lambda x: 1.5 * (np.minimum(np.abs(x), 2.5) - 0.8),
    },
    "unseen": {  # not among the functions on which the recipe was chosen
        "cosine": lambda x: 1.4 * np.cos(1.7 * x) - 0.33,
        "bump": lambda x: 2.6 * np.exp(-2 * x**2) - 1.16,
        "hinge": lambda x: 1.7 * np.maximum(x, 0) - 0.68,
        "step": lambda x: 2.2 * (x > 0.7) - 0.53,
        "softsign": lambda x: 2.2 * x / (1 + np.abs(x)),
        "exponential": lambda x: 0.8 * (np.exp(np.minimum(x, 2)) - 1.5),
    },
}
NOISE = ("normal", "t3", "laplace", "garch")


class Link(NamedTuple):
    """Series ``source`` at t - ``lag`` drives ``target`` at t."""

    source: int
    lag: int
    target: int
    shape: str


@dataclass(frozen=True)
class Planted:
    """A generated panel (T, N) and the links that were planted in it."""

    values: np.ndarray
    links: tuple[Link, ...]

    def truth(self, max_lag: int) -> np.ndarray:
        """(N, N, max_lag + 1) flags of the cross links."""
        N = self.values.shape[1]
        out = np.zeros((N, N, max_lag + 1), dtype=bool)
        for link in self.links:
            out[link.source, link.target, link.lag] = True
        return out


def planted(
    kind: str = "nonlinear",
    *,
    T: int = 300,
    N: int = 5,
    max_lag: int = 5,
    noise: str = "normal",
    seed: int = 0,
    strength: float | None = None,
) -> Planted:
    """A panel with N planted cross links (N - 1 products' drivers count each as one).

    Parameters
    ----------
    kind : {"linear", "nonlinear", "unseen", "auto", "product", "variance", "null", "unit"}
        "auto": weak linear links under own-lag coefficients .85-.95; "null": those without links;
        "unit": no links, own lags .98-.99; "variance": a link moves the log sd of the target's noise;
        "product": each driven target follows a product of two others.
    T, N, max_lag : int
        Length, series, largest planted lag.
    noise : {"normal", "t3", "laplace", "garch"}
        Law of the innovations, all of variance 1.
    seed : int
    strength : float, optional
        Coefficient of a link of unit variance.

    Returns
    -------
    Planted

    Examples
    --------
    >>> data = planted("product", seed=3)
    >>> data.values.shape, len(data.links) % 2
    ((300, 5), 0)
    """
    rng = np.random.default_rng([seed, T, N, *kind.encode(), *noise.encode()])
    own = {"auto": (0.85, 0.95), "null": (0.85, 0.95), "unit": (0.98, 0.99)}.get(kind, (0.2, 0.6))
    phi = rng.uniform(*own, N)
    links: list[Link] = []
    weight: dict[Link, float] = {}
    pairs: list[tuple[Link, Link, float]] = []
    if kind == "product":
        for target in rng.permutation(N)[: max(1, (2 * N) // 5)]:
            i, k = rng.permutation([s for s in range(N) if s != target])[:2]
            two = [Link(int(s), int(rng.integers(1, max_lag + 1)), int(target), "product") for s in (i, k)]
            links += two
            pairs.append((*two, float(rng.choice([-1, 1]) * (strength or 0.6))))
        # a driver that is itself driven would make the product's margin wild: keep own lags low
        phi = rng.uniform(0.1, 0.4, N)
    elif kind not in ("null", "unit"):
        family = LINKS["linear" if kind == "auto" else kind]
        size = strength or {"auto": 0.18, "linear": 0.4}.get(kind, 0.5)
        taken = set()
        while len(links) < N:
            i, j = (int(x) for x in rng.integers(0, N, 2))
            if i == j or (i, j) in taken:
                continue
            taken.add((i, j))
            link = Link(i, int(rng.integers(1, max_lag + 1)), j, str(rng.choice(list(family))))
            links.append(link)
            weight[link] = float(rng.choice([-1, 1]) * size)
    burn = 300
    e = _innovations(rng, noise, burn + T, N)
    x = np.zeros((burn + T, N))
    scale = np.sqrt(1 / (1 - phi**2)) if kind in ("auto", "null", "unit") else np.ones(N)
    shapes = LINKS["linear"] | LINKS["nonlinear"] | LINKS["unseen"] | LINKS["variance"]
    for t in range(max_lag, burn + T):
        new = phi * x[t - 1] + e[t]
        for link, c in weight.items():
            past = x[t - link.lag, link.source]
            if kind == "variance":
                new[link.target] += e[t, link.target] * np.expm1(c * shapes[link.shape](past / 1.15))
                continue
            new[link.target] += c * (past if kind in ("auto", "linear") else shapes[link.shape](past / 1.15))
        for one, two, c in pairs:
            new[one.target] += c * np.clip(x[t - one.lag, one.source] * x[t - two.lag, two.source], -6, 6)
        x[t] = np.clip(new, -60 * scale, 60 * scale)
    if np.abs(x[burn:]).max() > 30 * scale.max():  # a feedback loop ran away: draw another
        return planted(kind, T=T, N=N, max_lag=max_lag, noise=noise, seed=seed + 1_000_003, strength=strength)
    return Planted(x[burn:], tuple(links))


def _innovations(rng: np.random.Generator, noise: str, T: int, N: int) -> np.ndarray:
    if noise == "normal":
        return rng.normal(size=(T, N))
    if noise == "t3":
        return rng.standard_t(3, size=(T, N)) / np.sqrt(3)
    if noise == "laplace":
        return rng.laplace(size=(T, N)) / np.sqrt(2)
    if noise == "garch":
        z, out, h = rng.normal(size=(T, N)), np.empty((T, N)), np.ones(N)
        for t in range(T):
            out[t] = np.sqrt(h) * z[t]
            h = 0.05 + 0.15 * out[t] ** 2 + 0.8 * h
        return out
    raise ValueError(f"noise {noise!r}; one of {', '.join(NOISE)}")
