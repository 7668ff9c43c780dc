"""Panels, scores and kept results of the lags benchmark (bench/lags.py)."""

from __future__ import annotations

import numpy as np

import heedful.recall.lags as lags_package
from heedful.recall.lags import LagScan
from heedful.recall.lags.select import benjamini_hochberg

from ._parts import Kept, code_of

L = 5
# seeds below 60,000, from 870,000 and from 7,000,000 on were looked at while this was built, those from
# 500,000, 900,000 and 1,300,000 on when it was measured before (what was seen on the second of these at
# N = 20 changed which terms stay in a model; nothing was changed after the third)
FRESH = 1_700_000


def parcorr(values: np.ndarray) -> np.ndarray:
    """p-values (N, N, L + 1) of PCMCI with ParCorr, tigramite's own settings."""
    from tigramite import data_processing
    from tigramite.independence_tests.parcorr import ParCorr
    from tigramite.pcmci import PCMCI

    frame = data_processing.DataFrame(values)
    found = PCMCI(dataframe=frame, cond_ind_test=ParCorr(), verbosity=0).run_pcmci(
        tau_min=1, tau_max=L, pc_alpha=0.2
    )
    return found["p_matrix"]


def ours(values: np.ndarray) -> np.ndarray:
    return LagScan(L).fit(values).p_matrix


def kept() -> Kept:
    """Results by panel; ours are of the code as it is now, PCMCI's of the panels' generator."""
    ours = (
        *("tokens", "own", "rows", "scan", "select", "union"),
        *("variance", "calibration", "model", "synthetic"),
    )
    return Kept(
        "lags", {"ours": code_of(lags_package, ours), "parcorr": code_of(lags_package, ("synthetic",))}
    )


def have_tigramite() -> bool:
    try:
        import tigramite  # noqa: F401
    except ImportError:
        print("tigramite is not installed here: its column stays empty (pip install tigramite)")
        return False
    return True


def hits(p: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """True links found, false ones, missed ones, and pairs likewise."""
    off = ~np.eye(len(p), dtype=bool)
    graph = np.zeros(truth.shape, dtype=bool)
    part = np.zeros_like(p[off], dtype=bool)
    part[:, 1:] = benjamini_hochberg(p[off][:, 1:], 0.05)
    graph[off] = part
    pair, pair_truth = graph.any(-1), truth.any(-1)
    return np.array(
        [
            (graph & truth).sum(),
            (graph & ~truth).sum(),
            (truth & ~graph).sum(),
            (pair & pair_truth).sum(),
            (pair & ~pair_truth).sum(),
            (pair_truth & ~pair).sum(),
        ]
    )


def f1(c: np.ndarray) -> float:
    return float(2 * c[0] / max(2 * c[0] + c[1] + c[2], 1))


def interval(counts: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """95 % bootstrap interval of F1 over panels."""
    rng = np.random.default_rng(seed)
    draws = [f1(counts[rng.integers(0, len(counts), len(counts))].sum(0)) for _ in range(1000)]
    return float(np.quantile(draws, 0.025)), float(np.quantile(draws, 0.975))


def level(p: np.ndarray) -> list[float]:
    """Of the links i != j of one panel: whether any is called, and shares of p below .05, .01 and .001."""
    flat = p[~np.eye(len(p), dtype=bool)][:, 1:].ravel()
    return [benjamini_hochberg(flat, 0.05).any(), *((flat < a).mean() for a in (0.05, 0.01, 0.001))]


def tell(levels: list) -> str:
    """Levels of many panels in words; links of one panel share residuals, so the error is over panels."""
    if not len(levels):
        return "not run"
    x = np.array(levels, dtype=float)
    mean, error = x.mean(0), x.std(0) / np.sqrt(len(x))
    tail = ", ".join(f"{mean[k]:.4f} ± {error[k]:.4f}" for k in (1, 2, 3))
    return f"any false {mean[0]:.3f}; p < .05/.01/.001: {tail}"
