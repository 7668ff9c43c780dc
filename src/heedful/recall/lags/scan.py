"""The score test of one token, or one product of two, given a model of the target: algebra only.

For a target y the model S is a list of columns. If y's drivers are among them the residual e is white, and
sum_t phi(x_{t-l}) e_t is a martingale: a plain F law holds, with no shift null, no long-run variance and no
effective sample size. `Context` holds the whitened residual of a model and the scores given it.
"""

from __future__ import annotations

import numpy as np
from scipy import signal, special, stats

from .calibration import SIZES, calibrated
from .rows import Column, Rows
from .tokens import K

EXACT = 200  # tokens up to which every product is scored exactly


class Context:
    """Residual of a target given a model, whitened, and the scores of tokens and products given it.

    Parameters
    ----------
    rows : Rows
    target : int
    columns : list of Column
        The model; the own-lag-1 column ("own", target), where present, must come last.
    """

    def __init__(self, rows: Rows, target: int, columns: list[Column]):
        self.rows, self.columns = rows, columns
        n, t = rows.n, rows.t
        y = rows.centred(t.y[target])
        C = np.stack([rows.column(c) for c in columns], axis=1) if columns else np.zeros((t.n, 0))
        Q, R = np.linalg.qr(C)
        good = np.abs(np.diag(R)) > 1e-7 * np.sqrt(n)
        if not good.all():  # a column inside the span of the others says nothing: leave it out
            self.columns = columns = [c for c, g in zip(columns, good, strict=True) if g]
            C = C[:, good]
            Q, R = np.linalg.qr(C)
        self.Q, self.R, self.rank = Q, R, Q.shape[1]
        e = y - Q @ (Q.T @ y)
        sd = np.sqrt(e @ e / n)
        e = self._even_volatility(self._even_volatility(e / max(sd, 1e-300)))
        ranked = np.zeros_like(e)
        inside = slice(None) if rows.keep is None else rows.keep
        ranked[inside] = special.ndtri((stats.rankdata(e[inside]) - 0.5) / n)
        e = rows.centred(ranked)
        self.e = e - Q @ (Q.T @ e)
        self.ee = self.e @ self.e
        self.beta, self.last = 0.0, None
        if self.rank and columns[-1][0] == "own":
            self.last = Q[:, -1]
            length = R[-1, -1]
            a = float(np.clip((self.last @ y) / length, 0.0, 0.99))
            others = Q[:, :-1]
            past = signal.lfilter([0.0, 1.0], [1.0, -a], others, axis=0)  # sum_{s<t} a^(t-1-s) q_s
            bias = max(0.0, (1 + 3 * a) / n + (1 - a**2) / n * float((others * past).sum()))
            # Kendall: the OLS own-lag coefficient is biased down by `bias`, so e still holds bias * y_{t-1}
            self.beta = bias * length / max(sd, 1e-300)
        stack = [*([] if self.last is None else [self.last]), self.e]
        self._phi = t.phi.reshape(t.P * K, t.n) @ np.concatenate([Q, np.stack(stack, 1)], axis=1)
        self._phi = self._phi.reshape(t.P, K, -1)
        self._score: np.ndarray | None = None

    @staticmethod
    def _even_volatility(e: np.ndarray) -> np.ndarray:
        """Divide out slow swings of the variance (GARCH), where they are there (rows left out hold 0)."""
        inside = e != 0.0
        v = np.where(inside, np.minimum(e**2, 16.0) - 1.0, 0.0)
        h = signal.lfilter([0.0, 0.1], [1.0, -0.9], v)
        hh, vv = h @ h, v @ v
        if hh <= 0 or vv <= 0:
            return e
        if (h @ v) / np.sqrt(hh * vv) * np.sqrt(inside.sum()) <= 2.6:
            return e
        return e / np.sqrt(np.clip(1 + (h @ v) / hh * h, 0.2, 8.0))

    def blocks(
        self, tokens: np.ndarray | None = None, start: int = 0
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """Sequentially orthogonal scores z (P', K - start) of tokens' features, their total s2, and df.

        Under the null z_k are iid N(0, s2).
        """
        pick = slice(None) if tokens is None else np.asarray(tokens)
        W = self._phi[pick, start:]
        PQ = W[..., : self.rank]
        G = self.rows.gram[pick, start:, start:] - PQ @ PQ.transpose(0, 2, 1)
        u = W[..., -1] - (self.beta * W[..., -2] if self.last is not None else 0.0)
        size = K - start
        G = G + 1e-6 * self.rows.n * np.eye(size)
        C = np.linalg.cholesky(G)
        z = np.linalg.solve(C, u[..., None])[..., 0]
        df = self.rows.n - 1 - self.rank - size
        return z, np.maximum(self.ee - (z**2).sum(-1), 1e-12 * self.ee) / df, df

    def token_p(self, tokens: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Calibrated p of each token's block, the size (1, 2, 5) that spoke loudest, and signed partial R.

        The last is sqrt(share of the residual explained at that size) with the sign of the linear part.
        """
        z, s2, df = self.blocks(tokens)
        total = np.cumsum(z**2, axis=-1)
        p = np.stack([special.fdtrc(m, df, total[:, m - 1] / (m * s2)) for m in SIZES], axis=-1)
        best = p.argmin(-1)
        size = np.asarray(SIZES)[best]
        share = np.sqrt(np.take_along_axis(total, size[:, None] - 1, 1)[:, 0] / self.ee)
        return calibrated(p.min(-1), df), size, np.copysign(np.minimum(share, 1.0), z[:, 0])

    def rest_p(self, token: int, size: int) -> float:
        """F-test of the features beyond ``size`` of a token whose first ones are in the model."""
        z, s2, df = self.blocks(np.array([token]), size)
        m = z.shape[1]
        return float(special.fdtrc(m, df, (z**2).sum() / (m * s2[0])))

    def products(self) -> np.ndarray:
        """Signed partial correlation (P, P) of every product of two different series' tokens.

        Matrix products; no product series is formed. Products in the model and pairs of one series read 0.
        Beyond `EXACT` tokens the share of a product that lies in the model's span is left out first, which
        can only make r smaller, and put right for each token's four best partners.
        """
        if self._score is not None:
            return self._score
        t, rows = self.rows.t, self.rows
        num = t.a.T @ (self._weight()[:, None] * t.a)
        den = rows.squares.copy()
        if self.rank and t.P <= EXACT:
            inverse = np.linalg.inv(self.R)
            stack = np.stack([rows.weighed(c) for c in self.columns])  # (rank, P, P)
            inQ = np.tensordot(inverse.T, stack, axes=1)
            den -= np.einsum("rpq,rpq->pq", inQ, inQ)
        wide = den > 1e-3 * np.maximum(rows.squares, 1e-12)
        score = np.where(wide, num / np.sqrt(np.where(wide, den, 1.0) * self.ee), 0.0)
        self._score = self._barred(score, np.arange(t.P))
        if self.rank and t.P > EXACT:
            best = np.argpartition(-np.abs(self._score), 4, axis=1)[:, :4]
            for p in range(t.P):
                r = self._barred(self._row(p, best[p])[None], np.array([p]), best[p])[0]
                self._score[p, best[p]] = self._score[best[p], p] = r
        return self._score

    def product_rows(self, tokens: np.ndarray) -> np.ndarray:
        """Rows (P', P) of `products`, exact, without the other rows."""
        everyone = np.arange(self.rows.t.P)
        return self._barred(np.stack([self._row(int(p), everyone) for p in tokens]), np.asarray(tokens))

    def _weight(self) -> np.ndarray:
        return self.e if self.last is None else self.e - self.beta * self.last

    def _row(self, token: int, others: np.ndarray) -> np.ndarray:
        first, keep = self.rows.t.phi[:, 0], self.rows.keep
        D = first[token] * first[others]  # (others, n)
        if keep is not None:
            D *= keep
        total = np.einsum("pn,pn->p", D, D) - D.sum(1) ** 2 / self.rows.n
        den = total - ((D @ self.Q) ** 2).sum(1)
        wide = den > 1e-3 * np.maximum(total, 1e-12)
        return np.where(wide, D @ self._weight() / np.sqrt(np.where(wide, den, 1.0) * self.ee), 0.0)

    def _barred(self, score: np.ndarray, tokens: np.ndarray, others: np.ndarray | None = None) -> np.ndarray:
        """0 for pairs of one series and products in the model; clipped inside (-1, 1)."""
        source = self.rows.t.source
        others = np.arange(self.rows.t.P) if others is None else others
        score[source[tokens][:, None] == source[others][None, :]] = 0.0
        for c in self.columns:
            if c[0] == "product":
                for p, q in ((c[1], c[2]), (c[2], c[1])):
                    score[np.ix_(tokens == p, others == q)] = 0.0
        return np.clip(score, -0.999999, 0.999999)

    def product_p(self, r: np.ndarray) -> np.ndarray:
        """F-law p of a product's partial correlation."""
        df = self.rows.n - 2 - self.rank
        r2 = np.asarray(r) ** 2
        return special.fdtrc(1, df, r2 * df / (1 - r2))
