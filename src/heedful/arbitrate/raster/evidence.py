"""The context of every pixel, as a row of named numbers: what the gate's query is made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .experts import centred
from .reliability import Bank, Reference, gated_means, local_correlation, smooth_tokens
from .tokens import box, describe

JOINT = "joint"
OFFSETS = (-1.1, -0.7, -0.35, 0.35, 0.7, 1.1)  # of a source as a whole, in its bands' spreads


@dataclass
class Tokens:
    """Per source: features (N, H, W, F), marginal descriptors, smooth descriptors, band means, validity."""

    features: dict[str, np.ndarray]
    marginal: dict[str, np.ndarray]
    smooth: dict[str, np.ndarray]
    means: dict[str, np.ndarray]
    valid: dict[str, np.ndarray]
    size: int = 1

    @classmethod
    def of(cls, standard: dict[str, np.ndarray], neighbourhood: int) -> Tokens:
        """From standardised blocks (N, B, H, W)."""
        made = cls({}, {}, {}, {}, {}, neighbourhood)
        for s, z in standard.items():
            f, m, v = describe(z, neighbourhood)
            b = z.shape[1]
            made.features[s], made.marginal[s], made.valid[s] = f, m, v
            made.smooth[s] = smooth_tokens(m, neighbourhood, v)
            made.means[s] = f[..., b : 2 * b] if neighbourhood > 1 else f[..., :b]
        return made

    def moved(self, s: str, offset: float) -> np.ndarray:
        """Smooth descriptors of a source, were all its bands higher by ``offset`` spreads."""
        b = self.means[s].shape[-1]
        mean = smooth_tokens(np.arcsinh(self.means[s] + np.float32(offset)), self.size, self.valid[s])
        return np.concatenate([mean, self.smooth[s][..., b:]], -1)

    def joint(self) -> np.ndarray:
        """All sources' features side by side."""
        return np.concatenate(list(self.features.values()), -1)

    def all_valid(self) -> np.ndarray:
        return np.logical_and.reduce(list(self.valid.values()))


def windows(points: bool) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Pooling windows of the densities and of the pairs, pixels."""
    return ((1,), (1,)) if points else ((1, 5, 11, 21), (11, 21))


def opinions(bank: Bank, t: Tokens, temper: dict[str, float] | None, task: str) -> dict[str, np.ndarray]:
    """Each clean expert's z (N, H, W, C): calibrated centred log-probabilities, or values."""
    out = {}
    for name, expert in bank.experts.items():
        x = t.joint() if name == JOINT else t.features[name]
        p = expert.predict(x.reshape(-1, x.shape[-1]))
        z = centred(p) * (temper or {}).get(name, 1.0) if task == "classes" else p
        out[name] = z.reshape(*x.shape[:-1], -1).astype(np.float32)
    return out


def raw_statistics(bank: Bank, t: Tokens) -> tuple[dict, dict]:
    """Log density per source and dependence per pair, before any comparison with clean pixels."""
    flat = lambda x: x.reshape(-1, x.shape[-1])  # noqa: E731
    shape = next(iter(t.valid.values())).shape
    points = shape[1:] == (1, 1)
    density = {s: bank.densities[s].log_density(flat(m)).reshape(shape) for s, m in t.marginal.items()}
    pair = {}
    for key, model in bank.pairs.items():
        rows = {s: flat(t.smooth[s]) for s in key}
        predicted = model.forecast(rows).reshape(*shape, -1)
        truth = t.means[model.predicted]
        residual = np.sqrt((((truth - predicted) / model.spread) ** 2).sum(-1))
        own = t.smooth[model.predicted]
        moved = (flat(x) for x in (own, *(t.moved(model.predicted, o) for o in ([] if points else OFFSETS))))
        fits = model.conditional(rows, moved)
        pair[key] = (
            model.dependence(rows, fits[0]).reshape(shape), residual, predicted, truth,
            np.stack(fits).reshape(len(fits), *shape),
        )  # fmt: skip
    return density, pair


def set_reference(reference: Reference, density: dict, pair: dict, clean: np.ndarray) -> None:
    """Learn where held-out clean pixels lie."""
    rng = np.random.default_rng(0)
    for s, x in density.items():
        v = np.sort(x[clean])
        reference.density[s] = v if len(v) < 20000 else np.sort(rng.choice(v, 20000, replace=False))
    for key, (pmi, residual, _, _, fits) in pair.items():
        lo, hi, mid = np.quantile(pmi[clean], [0.001, 0.999, 0.5])
        low, high, usual = np.quantile(fits[clean], [0.001, 0.999, 0.5])
        held = (lo, hi, mid, np.median(residual[clean]), low, high, usual)
        reference.limits[key] = tuple(float(x) for x in held)


def evidence(
    bank: Bank, reference: Reference, t: Tokens, z: dict[str, np.ndarray], scale: float
) -> tuple[np.ndarray, list[str]]:
    """The evidence (N, H, W, K) and its names, 'what[sources]window'; the less, the more suspicious."""
    density, pair = raw_statistics(bank, t)
    points = next(iter(t.valid.values())).shape[1:] == (1, 1)
    near, far = windows(points)
    names: list[str] = []
    columns: list[np.ndarray] = []

    def add(name: str, value: np.ndarray) -> None:
        names.append(name)
        columns.append(value.astype(np.float32))

    rank = {}
    for s in t.features:
        v = t.valid[s]
        rank[s] = np.where(v, reference.log_rank(s, density[s]), 0.0).astype(np.float32)
        for k in near:
            add(f"normal[{s}]{k}", box(rank[s], k, v))
    said = {name: np.moveaxis(x, -1, 1) for name, x in z.items()}
    for (a, b), (pmi, residual, predicted, truth, fits) in pair.items():
        lo, hi, mid, res_mid, low, high, usual = reference.limits[a, b]
        both = t.valid[a] & t.valid[b]
        open_ = both & (rank[a] > np.log(0.01)) & (rank[b] > np.log(0.01))
        pmi = np.clip(pmi, lo, hi).astype(np.float32)
        residual = np.minimum(residual, 30.0).astype(np.float32)
        for k in far:
            add(f"dependence[{a},{b}]{k}", *gated_means([pmi], open_, k, mid))
            add(f"residual[{a},{b}]{k}", *gated_means([-residual], open_, k, -res_mid))
        if not points:  # one offset over a window mends a source out of calibration, not one of another date
            fits = np.clip(fits, low, high).astype(np.float32)
            pooled = gated_means(fits, open_, far[-1], usual)
            best = np.maximum.reduce(pooled)
            add(f"mended[{a},{b}]{far[-1]}", best)
            add(f"steady[{bank.pairs[a, b].predicted}]{far[-1]}", pooled[0] - best)
        gap = np.abs(z[a] - z[b]).mean(-1) / scale
        add(f"disagree[{a},{b}]1", np.where(both, gap, 0.0))
        if not points:
            add(f"disagree[{a},{b}]11", box(gap, 11, both))
            add(
                f"follows[{a},{b}]",
                local_correlation(
                    np.moveaxis(predicted, -1, 1).astype(np.float32), np.moveaxis(truth, -1, 1), 21, both
                ),
            )
            add(f"agrees[{a},{b}]", local_correlation(said[a], said[b], 21, both))
    for name, x in z.items():
        add(
            f"sure[{name}]",
            (np.sort(x, -1)[..., -1] - np.sort(x, -1)[..., -2])
            if x.shape[-1] > 1
            else np.abs(x[..., 0]) / scale,
        )
    return np.stack(columns, -1), names
