"""Queries whose strength grows with nearness to a binding site; keys that mark functional residues."""

from __future__ import annotations

import numpy as np
import torch

from ...errors import InputError
from ...learn import Estimator
from .model import site_weights
from .plant import SiteProtein


class SiteAttention(Estimator):
    """One softmax over the whole sequence, asked hardest near a known site, trained on what is measured.

    ``logit_ij = g_i w.x_j`` with ``g_i = exp(-d_i^2 / 2 reach^2)``: residues on the site ask with full
    strength, residues far from it do not ask at all and see the plain average. The response at residue i
    is predicted as ``sum_j P_ij values_j``; ``w`` and ``reach`` are learned. No label of a functional
    residue is ever shown.

    Parameters
    ----------
    steps : int
        Of Adam over all proteins at once.
    rate : float
    penalty : float
        Of the squared norm of w.
    seed : int

    Attributes
    ----------
    direction_ : (D,)
        w: what the keys look for.
    reach_ : float
        Angstrom.

    Examples
    --------
    >>> from heedful.interact.residues import planted_sites
    >>> model = SiteAttention(steps=60).fit(planted_sites(seed=0, proteins=20, length=80))
    >>> held = planted_sites(seed=1, proteins=1, length=80)[0]
    >>> score = model.score_residues(held)
    >>> bool(score[held.functional].mean() > 3 * score[~held.functional].mean())
    True
    """

    def __init__(self, *, steps: int = 150, rate: float = 0.05, penalty: float = 1e-3, seed: int = 0):
        self.steps = steps
        self.rate = rate
        self.penalty = penalty
        self.seed = seed

    def fit(self, X: list[SiteProtein], y=None) -> SiteAttention:
        """Learn what to look for, and how near one must be to look, from proteins with a response."""
        if not X:
            raise InputError("no protein was given")
        generator = torch.Generator().manual_seed(self.seed)
        w = (
            0.1 * torch.randn(X[0].features.shape[1], generator=generator, dtype=torch.float64)
        ).requires_grad_(True)
        log_reach = torch.tensor(np.log(8.0), dtype=torch.float64, requires_grad=True)
        groups: dict[int, list[SiteProtein]] = {}
        for protein in X:
            for name in ("features", "distance", "values", "response"):
                if not np.isfinite(getattr(protein, name)).all():
                    raise InputError(
                        f"{name} of a protein holds NaN or infinity", remedy="leave such residues out"
                    )
            groups.setdefault(len(protein.site), []).append(protein)
        batches = [
            tuple(
                torch.tensor(np.stack([getattr(p, name) for p in group]), dtype=torch.float64)
                for name in ("features", "distance", "values", "response")
            )
            for group in groups.values()
        ]
        total = sum(len(p.site) for p in X)
        adam = torch.optim.Adam([w, log_reach], lr=self.rate)
        self.losses_ = []
        for _ in range(self.steps):
            adam.zero_grad()
            loss = self.penalty * (w * w).sum()
            for x, d, v, r in batches:
                out = _weights(x, d, w, log_reach) @ v[..., None]
                loss = loss + ((out[..., 0] - r) ** 2).sum() / total
            loss.backward()
            adam.step()
            self.losses_.append(float(loss.detach()))
        self.direction_ = w.detach().numpy()
        self.reach_ = float(log_reach.detach().exp())
        return self

    def weights(self, protein: SiteProtein):
        """The attention of one protein's residues, ``Weights`` (L, L)."""
        return _weights(
            np.asarray(protein.features, float),
            np.asarray(protein.distance, float),
            self.direction_,
            np.log(self.reach_),
        )

    def predict(self, X: list[SiteProtein]) -> list[np.ndarray]:
        """Predicted response along each protein."""
        return [np.asarray(self.weights(p) @ p.values[:, None])[:, 0] for p in X]

    def score_residues(self, protein: SiteProtein) -> np.ndarray:
        """Attention that each residue gets from the site's, times L (1 is an equal share), (L,)."""
        share = protein.site / protein.site.sum()
        return np.asarray(self.weights(protein).T @ share[:, None])[:, 0] * len(share)


def _weights(x, d, w, log_reach):
    from ...attention import Weights

    if isinstance(x, torch.Tensor):
        strength = torch.exp(-0.5 * (d / log_reach.exp()) ** 2)
    else:
        strength = np.exp(-0.5 * (d / np.exp(log_reach)) ** 2)
    return Weights(strength[..., None] * w, x, scale=1.0)


def planted_score(model: SiteAttention, proteins: list[SiteProtein]) -> dict[str, float]:
    """AUROC of the planted functional residues (site left out), all, |i - j| < 24 and >= 24 from the site."""
    from sklearn.metrics import roc_auc_score

    scores = np.concatenate([model.score_residues(p) for p in proteins])
    truth = np.concatenate([p.functional for p in proteins])
    near = np.concatenate([p.separation < 24 for p in proteins])
    other = ~np.concatenate([p.site for p in proteins])
    return {
        "AUROC, all": float(roc_auc_score(truth[other], scores[other])),
        "AUROC, |i-j| < 24": float(roc_auc_score(truth[other & near], scores[other & near])),
        "AUROC, |i-j| >= 24": float(roc_auc_score(truth[other & ~near], scores[other & ~near])),
    }


def nearness(distance: np.ndarray, reach: float = 4.0) -> np.ndarray:
    """Query strength exp(-d^2 / 2 reach^2) of residues at ``distance`` (angstrom) from the site."""
    return np.exp(-0.5 * (np.asarray(distance, float) / reach) ** 2)


def linked(scores: np.ndarray, strength: np.ndarray, *, keys: float = 4.0) -> np.ndarray:
    """Attention each residue gets, asked by residues in proportion to their strength, times L: (L,).

    ``sum_i g_i P_ij / sum_i g_i``, with ``P`` the softmax of ``g_i S_ij / T`` over the whole sequence.
    """
    w = site_weights(scores, separation=1, keys=keys, strength=strength)
    return np.asarray(w.T @ (strength / strength.sum())[:, None])[:, 0] * len(strength)


def rank_residues(
    scores: np.ndarray,
    distance: np.ndarray,
    between: np.ndarray,
    conserved: np.ndarray,
    site: np.ndarray,
    *,
    reach: float = 4.0,
    keys: float = 4.0,
    draws: int = 200,
    seed: int = 0,
):
    """Residues by their link to a site, beside the measures that could explain it, and two nulls.

    Parameters
    ----------
    scores : (L, L)
        The contact map of the family (`SiteContacts.scores_`).
    distance : (L,)
        Least heavy-atom distance to the site's atoms, angstrom.
    between : (L, L)
        The same distance between any two residues: for drawing random compact sites of the same size.
    conserved : (L,)
    site : bool (L,)
    reach : float
        Angstrom; of the query strength.
    draws : int
        Random sites.

    Returns
    -------
    pandas.DataFrame
        One row a residue: distance, conservation, attention, ``p_random_site`` (share of random compact
        sites from which it is attended at least as much), ``beyond_distance`` (its attention's rank, 0 to
        1, among the 21 residues nearest to it in distance from the site).
    """
    import pandas as pd

    if not site.any() or site.all():
        raise InputError(f"a site of {int(site.sum())} of {len(site)} residues", remedy="name some residues")
    rng = np.random.default_rng(seed)
    attention = linked(scores, nearness(distance, reach), keys=keys)
    size = int(site.sum())
    exceed = np.zeros(len(site))
    for _ in range(draws):
        members = np.argsort(between[rng.integers(len(site))])[:size]
        far = between[:, members].min(1)
        far[members] = 0.0
        exceed += linked(scores, nearness(far, reach), keys=keys) >= attention
    order = np.argsort(distance, kind="stable")
    beyond = np.empty(len(site))
    for place, residue in enumerate(order):
        low = min(max(place - 10, 0), max(len(order) - 21, 0))
        peers = order[low : low + 21]
        beyond[residue] = (attention[peers] < attention[residue]).mean()
    return pd.DataFrame(
        {
            "distance": distance,
            "conservation": conserved,
            "attention": attention,
            "p_random_site": (1 + exceed) / (1 + draws),
            "beyond_distance": beyond,
            "site": site,
        }
    )
