"""The findings of a scan as tidy frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import special

if TYPE_CHECKING:
    from .model import LagScan
    from .rows import Tokens


def together(scan: LagScan) -> pd.DataFrame:
    """Pairs of whitened residuals that correlate at lag 0, by Benjamini-Hochberg over pairs."""
    e = np.stack([target.e for target in scan.scans_])
    both = (e != 0.0).astype(float)
    n = both @ both.T
    norm = np.sqrt((e**2 @ both.T) * (both @ e.T**2))
    r = np.clip((e @ e.T) / np.maximum(norm, 1e-300), -1, 1)
    i, j = np.triu_indices(len(e), 1)
    df = np.maximum(n[i, j] - 2, 1)
    p = special.fdtrc(1, df, r[i, j] ** 2 * df / np.maximum(1 - r[i, j] ** 2, 1e-12))
    q = adjusted(p)
    keep = np.flatnonzero(q <= scan.alpha)
    names = np.asarray(scan.names, dtype=object)
    table = pd.DataFrame(
        {
            "one": names[i[keep]],
            "other": names[j[keep]],
            "correlation": r[i, j][keep],
            "p": p[keep],
            "q": q[keep],
        }
    )
    return table.sort_values("p", ignore_index=True)


def link_tables(scan: LagScan) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Cross links, self links and products as tidy frames, surest first."""
    N, L = len(scan.names), scan.max_lag
    rows, own = [], []
    off = ~np.eye(N, dtype=bool)
    q = np.ones_like(scan.p_matrix)
    for family in (off, ~off):
        part = q[family]
        part[:, 1:] = adjusted(scan.p_matrix[family][:, 1:])
        q[family] = part
    for i, j, lag in np.argwhere(scan.graph):
        target, token = scan.scans_[j], i * L + lag - 1
        weight = scan.lag_attention(i, j, lag)
        low, high = lag_interval(weight, lag)
        through = int(target.through[token])
        record = {
            "source": scan.names[i],
            "target": scan.names[j],
            "lag": int(lag),
            "p": scan.p_matrix[i, j, lag],
            "q": q[i, j, lag],
            "value": scan.val_matrix[i, j, lag],
            "low": low,
            "high": high,
            "weight": weight[lag - 1],
            "shape": (
                "product"
                if through >= 0
                else {1: "linear", 2: "curved"}.get(int(target.size[token]), "nonlinear")
            ),
            "partner": "" if through < 0 else f"{scan.names[through // L]} (lag {through % L + 1})",
        }
        (own if i == j else rows).append(record)
    columns = ["source", "target", "lag", "p", "q", "value", "low", "high", "weight", "shape", "partner"]
    links = pd.DataFrame(rows, columns=columns).sort_values("p", ignore_index=True)
    self_links = pd.DataFrame(own, columns=columns).sort_values("p", ignore_index=True)
    found = [
        {
            "target": scan.names[j],
            "driver": scan.names[a // L],
            "lag": a % L + 1,
            "other": scan.names[b // L],
            "other_lag": b % L + 1,
            "p": p,
            "value": r,
        }
        for j, target in enumerate(scan.scans_)
        for a, b, p, r in target.products
    ]
    products = pd.DataFrame(found, columns=["target", "driver", "lag", "other", "other_lag", "p", "value"])
    return links, self_links, products


def variance_table(scan: LagScan) -> pd.DataFrame:
    """Links that change a target's variance, by Benjamini-Hochberg over i != j, surest first."""
    off = ~np.eye(len(scan.names), dtype=bool)
    q = np.ones_like(scan.variance_p_matrix)
    part = q[off]
    part[:, 1:] = adjusted(scan.variance_p_matrix[off][:, 1:])
    q[off] = part
    rows = [
        {
            "source": scan.names[i],
            "target": scan.names[j],
            "lag": int(lag),
            "p": scan.variance_p_matrix[i, j, lag],
            "q": q[i, j, lag],
            "value": scan.variance_scans_[j].value[i * scan.max_lag + lag - 1],
        }
        for i, j, lag in np.argwhere(q <= scan.alpha)
    ]
    table = pd.DataFrame(rows, columns=["source", "target", "lag", "p", "q", "value"])
    return table.sort_values("p", ignore_index=True)


def lag_interval(weight: np.ndarray, lag: int, level: float = 0.95) -> tuple[int, int]:
    """Shortest run of lags around ``lag`` whose weights (max_lag,) reach ``level``: first and last lag.

    >>> lag_interval(np.array([0.02, 0.5, 0.47, 0.01]), 2)
    (2, 3)
    """
    low = high = lag - 1
    while weight[low : high + 1].sum() < level and (low > 0 or high < len(weight) - 1):
        before = weight[low - 1] if low > 0 else -1.0
        after = weight[high + 1] if high < len(weight) - 1 else -1.0
        low, high = (low - 1, high) if before >= after else (low, high + 1)
    return low + 1, high + 1


def adjusted(p: np.ndarray) -> np.ndarray:
    """Benjamini-Hochberg adjusted p-values, of the shape given."""
    flat = p.ravel()
    order = np.argsort(flat)
    q = flat[order] * flat.size / np.arange(1, flat.size + 1)
    q = np.minimum(np.minimum.accumulate(q[::-1])[::-1], 1.0)
    out = np.empty_like(flat)
    out[order] = q
    return out.reshape(p.shape)


def own_notes(tokens: Tokens, names: list[str], near_unit_root: str) -> list[str]:
    """What series do by themselves and what was done about it, counted."""

    def named(which: np.ndarray) -> str:
        few = ", ".join(np.asarray(names, dtype=object)[which][:5])
        return f"{int(which.sum())} series{{}} ({few}{', ...' if which.sum() > 5 else ''})"

    done = {
        "both": "links between two such must show by values and by news",
        "keep": "taken as they are; p-values between two such are too small",
    }[near_unit_root]
    drifts = tokens.drifting & ~tokens.near_unit_root
    beyond = [[k for k in lags if k > tokens.L] for lags, _ in tokens.habits]
    far = np.array([bool(lags) for lags in beyond])
    season = np.array([bool(periods) for _, periods in tokens.habits])
    notes = []
    if tokens.near_unit_root.any():
        notes.append(f"{named(tokens.near_unit_root).format(' near a unit root')}: {done}")
    if drifts.any():
        notes.append(f"{named(drifts).format(' with a trend or shifts of level')}: {done}")
    if tokens.lopsided.any():
        said = " with a lopsided margin that swings more the higher it is"
        notes.append(f"{named(tokens.lopsided).format(said)}: read by normal scores, ties broken at random")
    if far.any():
        most = sorted({k for lags in beyond for k in lags})[:6]
        notes.append(
            f"{named(far).format(' with a memory beyond max_lag')}: their own lags "
            f"{', '.join(map(str, most))} are in their models"
        )
    if season.any():
        most = sorted({round(p, 1) for _, periods in tokens.habits for p in periods})[:6]
        notes.append(
            f"{named(season).format(' with a fixed season')}: cosine and sine of period "
            f"{', '.join(f'{p:g}' for p in most)} steps are in their models"
        )
    return notes
