"""The literal idea: one softmax trained over all (source, lag) tokens, its largest weight read as the lag.

Query: the target's identity and its last value. Key of token (i, l): the content x_i(t - l) and the position
(i, l). Value: a small curve of the content. Trained to predict the target; then the attention is read. It
ranks links, by weight and better by weight x value; it tests nothing, and is kept so that this is seen.
"""

from __future__ import annotations

import numpy as np
import torch

from ...attention import Weights
from .tokens import Panel, panel, standardised


class PlainAttention:
    """One trained attention head for each target over all (source, lag) tokens.

    Parameters
    ----------
    max_lag : int
    content, position : bool
        Whether keys and query carry the values, and whether keys carry (source, lag).
    width : int
        Features of a key.
    steps : int
        Adam steps.
    seed : int

    Attributes
    ----------
    weight : array (N, N, max_lag)
        [i, j, l - 1]: mean attention of target j on series i at lag l.
    contribution : array (N, N, max_lag)
        Standard deviation over time of weight x value: what of the prediction comes from there.
    q, k, v : tensors (N, n, 1, D), (N, n, P, D), (N, n, P, 1)
        What `Weights` reads.
    """

    def __init__(
        self,
        max_lag: int,
        *,
        content: bool = True,
        position: bool = True,
        width: int = 8,
        steps: int = 300,
        seed: int = 0,
    ):
        self.max_lag, self.content, self.position = max_lag, content, position
        self.width, self.steps, self.seed = width, steps, seed

    def fit(self, data) -> PlainAttention:
        """Train on a panel (T, N); a missing value is a token that no query may look at."""
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # tensors this small only make threads wait for one another
        try:
            return self._fit(data)
        finally:
            torch.set_num_threads(threads)

    def _fit(self, data) -> PlainAttention:
        data: Panel = panel(data)
        z, seen = standardised(data.values)
        T, N = z.shape
        L, D = self.max_lag, self.width
        rows = np.arange(L, T)[:, None] - np.arange(1, L + 1)[None]
        x = torch.as_tensor(z[rows].transpose(0, 2, 1).reshape(T - L, N * L), dtype=torch.float32)  # (n, P)
        there = torch.as_tensor(seen[rows].transpose(0, 2, 1).reshape(T - L, N * L))
        y = torch.as_tensor(z[L:].T, dtype=torch.float32)
        known = torch.as_tensor(seen[L:].T, dtype=torch.float32)
        last = torch.as_tensor(z[L - 1 : T - 1].T, dtype=torch.float32)
        g = torch.Generator().manual_seed(self.seed)

        def start(*shape: int, size: float) -> torch.Tensor:
            return (size * torch.randn(*shape, generator=g)).requires_grad_()

        H = 8
        P = N * L
        p = {
            "query": start(N, 1, D, size=0.5),
            "query_x": start(N, 1, D, size=0.3),
            "place": start(N, P, D, size=0.3),
            "key_x": start(N, N, D, size=0.3),
            "inner": start(N, N, H, size=1.0),
            "shift": start(N, N, H, size=1.0),
            "outer": start(N, N, H, size=0.3),
        }
        source = torch.arange(N).repeat_interleave(L)
        gap = torch.where(there, 0.0, -torch.inf)[None, :, None]  # (1, n, 1, P)

        def qkv() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
            q = p["query"] + (last[..., None] * p["query_x"] if self.content else torch.zeros(N, len(x), 1))
            k = torch.zeros(N, len(x), P, D)
            if self.position:
                k = k + p["place"][:, None]
            if self.content:
                k = k + x[None, :, :, None] * p["key_x"][:, None, source]
            v = torch.tanh(x[None, :, :, None] * p["inner"][:, None, source] + p["shift"][:, None, source])
            return q[:, :, None], k, (v * p["outer"][:, None, source]).sum(-1, keepdim=True)

        adam = torch.optim.Adam(p.values(), lr=0.02)
        for _ in range(self.steps):
            q, k, v = qkv()
            score = (q @ k.transpose(-1, -2)) / np.sqrt(D) + gap
            guess = (torch.softmax(score, -1) @ v)[..., 0, 0]
            loss = (known * (y - guess) ** 2).sum() / known.sum() + 1e-4 * sum(
                (w**2).sum() for w in p.values()
            )
            adam.zero_grad()
            loss.backward()
            adam.step()
        with torch.no_grad():
            self.q, self.k, self.v = (w.detach() for w in qkv())
            self._gap = gap
            W = self.weights()
            share = W.rows(torch.tensor([0]))[..., 0, :]  # (N, n, P): one query for each target and time
            part = share * self.v[..., 0]
        self.loss_ = float(loss.detach())
        self.weight = share.mean(1).reshape(N, N, L).permute(1, 0, 2).double().numpy()
        self.contribution = part.std(1).reshape(N, N, L).permute(1, 0, 2).double().numpy()
        return self

    def weights(self) -> Weights:
        """The trained attention: leading axes (target, time), one query, P keys."""
        from ...attention import Bias

        priors = (
            [] if torch.isfinite(self._gap).all() else [Bias(self._gap.expand(self.q.shape[0], -1, -1, -1))]
        )
        return Weights(self.q, self.k, priors)


def exact_share(read: np.ndarray, links) -> float:
    """Share of planted links whose source's largest entry of ``read`` (N, N, L) is at the planted lag."""
    return float(np.mean([read[k.source, k.target].argmax() + 1 == k.lag for k in links]))
