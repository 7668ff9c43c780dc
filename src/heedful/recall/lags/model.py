"""LagScan: which series drives which, and with what delay."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from ...errors import InputError
from .lagweights import swap_scores
from .rows import Tokens
from .select import benjamini_hochberg, scan_panel
from .tables import link_tables, own_notes, together, variance_table
from .tokens import Panel, panel
from .variance import scan_variance

METHODS = ("scan", "plain")


class LagScan(BaseEstimator):
    """Causal lag discovery: for every target, which (source, lag) tokens drive it, tested.

    Forward selection of Hermite blocks and two-driver products per target, a score test of the whitened
    residual for every token, Benjamini-Hochberg over the links between different series.

    Parameters
    ----------
    max_lag : int
        Largest lag looked for, in steps of the clock; less than a fifth of the length.
    alpha : float
        False discovery rate among the links i != j.
    products : bool
        Also look for products of two drivers.
    variance : bool
        Also look for links that change a target's variance; in a family of their own, the graph stays as is.
    near_unit_root : {"both", "keep"}
        Between series that both wander (own-lag coefficient past .97, a trend, shifts of level), p-values are
        too small. "both": a link there must show by the source's values and by its news forgotten at rate .9,
        the larger p counts. "keep": by its values alone. Such series are counted in ``notes``.
    method : {"scan", "plain"}
        "plain" is the literal idea, one softmax trained over all tokens and read directly: it ranks
        links, and tests nothing (``p_matrix`` is then NaN and ``graph`` all False).
    seed : int
        For ties broken in lopsided series, and the plain method's initial parameters.

    Attributes
    ----------
    p_matrix : array (N, N, max_lag + 1)
        [i, j, tau] is the p-value of i at t - tau driving j at t, given everything else selected for j.
        Lag 0 is not tested and reads 1.
    val_matrix : array (N, N, max_lag + 1)
        Signed partial R: the root of the share of the residual's variance that the token explains, with the
        sign of its linear part (of the product, where it acts through one). Plain: contribution.
    graph : array (N, N, max_lag + 1) of bool
        Links at false discovery rate ``alpha`` among i != j. The diagonal (a series' own past) is decided
        by itself, in its own family: within one family with the cross links, a few certain self links
        raise the bar's share for all others, and any calibrated test then makes a false cross link in a
        fifth of panels.
    together : DataFrame
        Pairs whose whitened residuals correlate at lag 0 (one, other, correlation, p, q), in a family of
        their own: an undirected sign of an effect faster than the clock, or of a hidden driver that
        reaches both at once. A hidden driver with two different delays is not seen.
    variance_p_matrix : array (N, N, max_lag + 1)
        [i, j, tau]: p of i at t - tau driving the size of j's residual at t; 1 where not tested.
    variance_links : DataFrame
        source, target, lag, p, q, value (positive: larger values, larger variance), Benjamini-Hochberg over
        i != j in a family of their own. A mean link of a shape that five Hermite features do not reach can
        show here too.
    links, self_links, products_found : DataFrame
        Tidy; source, target, lag, p, q, value, low, high (95 % lag interval), weight, shape, partner.
    names : list of str
    notes : list of str
        Repairs and limits, counted.

    Raises
    ------
    InputError
        See `tokens.panel`; also max_lag below 1 or at least a fifth of the length, and too few rows seen.

    Notes
    -----
    A strongly autocorrelated driver at lag 3 also predicts at lags 2 and 4: the link is found, its exact lag
    less surely. Read the lag interval, not the lag, where own-lag coefficients pass .8. A hidden common
    driver makes links that are not there, here as in every method of this kind.

    Source: score tests with selected drivers; Mehler's expansion of exp(qk); Kendall (1954) for the bias of
    the own-lag coefficient; Benjamini and Hochberg (1995).

    Examples
    --------
    >>> from heedful.recall.lags import LagScan, planted
    >>> data = planted("nonlinear", seed=1)
    >>> found = LagScan(max_lag=5).fit(data.values)
    >>> int((found.graph & data.truth(5)).sum()), len(data.links)
    (5, 5)
    """

    def __init__(
        self,
        max_lag: int = 5,
        alpha: float = 0.05,
        *,
        products: bool = True,
        variance: bool = True,
        near_unit_root: str = "both",
        method: str = "scan",
        seed: int = 0,
    ):
        self.max_lag, self.alpha, self.products, self.variance = max_lag, alpha, products, variance
        self.near_unit_root, self.method, self.seed = near_unit_root, method, seed

    def fit(self, X, y=None, *, progress=None) -> LagScan:
        """Scan a panel.

        Parameters
        ----------
        X : DataFrame (T, N), array (T, N) or Panel
        y : ignored
        progress : callable, optional
            Wraps the iterable over targets, as ``rich.progress.track`` does.
        """
        data = panel(X)
        self._check(data)
        _T, N = data.values.shape
        L = self.max_lag
        self.panel_, self.names, self.notes = data, data.names, list(data.notes)
        self.n_features_in_ = N
        self.p_matrix = np.full((N, N, L + 1), np.nan if self.method == "plain" else 1.0)
        self.val_matrix = np.zeros((N, N, L + 1))
        if self.method == "plain":
            from .plain import PlainAttention

            self.plain_ = PlainAttention(L, seed=self.seed).fit(data)
            self.val_matrix[:, :, 1:] = self.plain_.contribution
            self.graph = np.zeros((N, N, L + 1), dtype=bool)
            return self
        self.tokens_ = tokens = Tokens(data.values, L, seed=self.seed)
        if tokens.seen is not None:
            self._check_rows(tokens)
        news = None
        if tokens.wanders.any() and self.near_unit_root == "both":
            news = Tokens(data.values, L, filter_roots=True, seed=self.seed)
        self.notes += own_notes(tokens, self.names, self.near_unit_root)
        self.scans_, self.variance_scans_ = [], []
        self.variance_p_matrix = np.ones((N, N, L + 1))
        found = scan_panel(tokens, products=self.products, news=news, progress=progress or iter)
        for j, scan in enumerate(found):
            self.scans_.append(scan)
            if self.variance:
                self.variance_scans_.append(scan_variance(tokens, j, scan.e))
                self.variance_p_matrix[:, j, 1:] = self.variance_scans_[j].p.reshape(N, L)
            self.p_matrix[:, j, 1:] = scan.p.reshape(N, L)
            self.val_matrix[:, j, 1:] = scan.value.reshape(N, L)
        self.graph = self.decide(self.alpha)
        self.swap_scores_ = {}
        self.together = together(self)
        if len(self.together):
            self.notes.append(
                f"{len(self.together)} pairs move together within one step beyond all that was found: an "
                "effect faster than the clock, or a hidden driver that reaches both at once; links between "
                "their neighbours are suspect"
            )
        self.links, self.self_links, self.products_found = link_tables(self)
        self.variance_links = variance_table(self)
        return self

    def decide(self, alpha: float) -> np.ndarray:
        """The graph at another false discovery rate: cross links and self links each in their own family."""
        check_is_fitted(self, "p_matrix")
        graph = np.zeros(self.p_matrix.shape, dtype=bool)
        self_link = np.eye(len(graph), dtype=bool)
        for family in (self_link, ~self_link):
            lagged = self.p_matrix[family][:, 1:]
            graph[family, 1:] = benjamini_hochberg(np.nan_to_num(lagged, nan=1.0), alpha)
        return graph

    def lag_scores(self, source: int, target: int, lag: int) -> np.ndarray:
        """Log-likelihood gain (max_lag,) of a link at each lag instead; -inf at lags held by other terms."""
        key = (source, target, lag)
        if key not in self.swap_scores_:
            self.swap_scores_[key] = swap_scores(self.tokens_, self.scans_[target], source, target, lag)
        return self.swap_scores_[key]

    def lag_attention(self, source: int, target: int, lag: int) -> np.ndarray:
        """Weights (max_lag,) over the lags of one source: how well the link would stand at each lag instead.

        A softmax of the log-likelihood of moving the link: with a flat prior, the posterior of its lag.
        `reading.lag_weights` gives those of all links as one `Weights`.
        """
        score = self.lag_scores(source, target, lag)
        weight = np.exp(score - score.max())
        return weight / weight.sum()

    def to_tigramite(self) -> dict[str, np.ndarray]:
        """p_matrix, val_matrix and graph as tigramite's plotting expects them (graph of '-->' and '')."""
        graph = np.where(self.graph, "-->", "").astype("<U3")
        return {"p_matrix": self.p_matrix.copy(), "val_matrix": self.val_matrix.copy(), "graph": graph}

    def _check(self, data: Panel) -> None:
        T = len(data.values)
        if self.method not in METHODS:
            raise InputError(f"method {self.method!r}; one of {', '.join(METHODS)}")
        if self.near_unit_root not in ("both", "keep"):
            raise InputError(f"near_unit_root {self.near_unit_root!r}; one of both, keep")
        if not 0 < self.alpha < 1:
            raise InputError(f"alpha {self.alpha}; a false discovery rate lies between 0 and 1")
        if int(self.max_lag) != self.max_lag or self.max_lag < 1:
            raise InputError(f"max_lag {self.max_lag}; expected a whole number of steps, at least 1")
        if self.max_lag >= T / 5:
            raise InputError(
                f"max_lag {self.max_lag} of {T} times; it must stay below a fifth of the length ({T / 5:g})",
                remedy="lower max_lag or give a longer panel",
            )
        if T - self.max_lag < 40:
            raise InputError(
                f"{T} times leave {T - self.max_lag} rows after {self.max_lag} lags; 40 are needed"
            )

    def _check_rows(self, tokens: Tokens) -> None:
        for j, name in enumerate(self.names):
            rows = int((tokens.y_seen[j] & tokens.own_seen[j]).sum())
            if rows < 40:
                raise InputError(
                    f"series {name!r} has {rows} rows where it and its value one step before are "
                    "both seen; 40 are needed",
                    remedy="drop the series",
                )
