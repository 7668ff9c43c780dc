"""Contacts between residues from an alignment: attention between sites with an alphabet for each site."""

from __future__ import annotations

import numpy as np

from ...errors import InputError
from ...files.alignment import Alignment
from ...learn import Estimator
from . import couplings as cp


class SiteContacts(Estimator):
    """Which residues touch, from how their letters vary together.

    Every site has its own projection from 21 letters to ``letters`` directions, chosen in closed form as
    those that the other sites predict best; a pair of sites has a ``letters`` x ``letters`` block of
    couplings. At 8 letters that is about 16 % of a Potts model's numbers. Mutual information with the
    average product correction is added as one more head.

    Parameters
    ----------
    letters : int
        Size of each site's alphabet, m.
    pseudocount : float in (0, 1)
        Share of the flat distribution in every frequency.
    mutual : float or "auto"
        Weight of the mutual-information head beside the couplings, both scaled to unit spread. "auto" is
        0.3; and where the family is too shallow for couplings (fewer than ``letters * L / 4`` effective
        sequences, so that over three quarters of their covariance is pseudocount) the map is the
        mutual-information head alone.
    identity : float
        Sequences at least this similar share one vote.
    method : {"alphabet", "refined", "plain"}
        Closed form; refined by pseudo-likelihood; or the plain softmax attention between positions.
    penalty : float
        Of the refinement.
    steps : int, optional
        Training steps of "refined" (40) and "plain" (200).
    seed : int
        Of "plain".

    Attributes
    ----------
    scores_ : (L, L)
        The corrected map: higher means more likely in contact.
    coupling_, mutual_ : (L, L)
        The two heads before mixing, each with the average product correction.
    mixture_ : (float, float)
        Weights of the two heads.
    weights_ : (N,), effective_ : float
        Votes of the sequences, and their sum.
    parameters_, potts_parameters_ : int

    References
    ----------
    Morcos et al., PNAS 108 (2011) E1293 (mean field); Dunn et al., Bioinformatics 24 (2008) 333 (the
    correction); Bhattacharya et al., bioRxiv 2020.12.21.423882 (factored attention).

    Examples
    --------
    >>> from heedful.interact.residues import planted_family
    >>> family = planted_family(seed=1, length=40, sequences=600)
    >>> model = SiteContacts().fit(family.codes)
    >>> model.precision(family.contacts, top=20) > 0.8
    True
    """

    def __init__(
        self,
        *,
        letters: int = 8,
        pseudocount: float = 0.7,
        mutual: float | str = "auto",
        identity: float = 0.8,
        method: str = "alphabet",
        penalty: float = 0.02,
        steps: int | None = None,
        seed: int = 0,
    ):
        self.letters = letters
        self.pseudocount = pseudocount
        self.mutual = mutual
        self.identity = identity
        self.method = method
        self.penalty = penalty
        self.steps = steps
        self.seed = seed

    def fit(self, X, y=None) -> SiteContacts:
        """Learn the map from aligned letters.

        Parameters
        ----------
        X : Alignment, or integer array (N, L) of codes 0-20 (20 the gap)
        """
        codes = self._codes(X)
        columns = codes.shape[1]
        self.weights_ = cp.sequence_weights(codes, self.identity)
        f = cp.frequencies(codes, self.weights_)
        self.effective_ = f.effective
        # one pseudo-observation for each letter of a column: the usual Laplace prior of counts
        self.mutual_ = cp.corrected(cp.mutual_information(f, cp.STATES / (f.effective + cp.STATES)))
        self.parameters_, self.potts_parameters_ = cp.parameter_count(columns, self.letters)
        if self.method == "plain":
            from .pseudo import plain_attention

            heads, width = 8, 16
            norms, self.attention_ = plain_attention(
                codes, self.weights_, heads=heads, width=width, steps=self.steps or 200, seed=self.seed
            )
            self.coupling_ = cp.corrected(norms)
            self.parameters_ = heads * (2 * columns * width + 21 * 21)
            self.mixture_ = (1.0, 0.0)
        else:
            norms, blocks, bases = cp.site_alphabet(f, self.letters, self.pseudocount)
            if self.method == "refined":
                from .pseudo import refine

                blocks, bases = refine(
                    codes, self.weights_, blocks, bases, penalty=self.penalty, steps=self.steps or 40
                )
                norms = cp.block_norms(blocks, bases)
            self.coupling_ = cp.corrected(norms)
            self.mixture_ = self._mixture(columns)
        heads = unit_spread(self.coupling_), unit_spread(self.mutual_)
        self.scores_ = self.mixture_[0] * heads[0] + self.mixture_[1] * heads[1]
        self.n_residues_ = columns
        return self

    def _codes(self, X) -> np.ndarray:
        if self.method not in ("alphabet", "refined", "plain"):
            raise InputError(f"method {self.method!r}; 'alphabet', 'refined' or 'plain' was expected")
        if not 1 <= self.letters <= 20:
            raise InputError(f"letters={self.letters}; 1 to 20 was expected")
        if not 0.0 < self.pseudocount < 1.0:
            raise InputError(f"pseudocount={self.pseudocount}; between 0 and 1 was expected")
        if not 0.0 < self.identity <= 1.0:
            raise InputError(f"identity={self.identity}; a share above 0, at most 1, was expected")
        codes = X.codes if isinstance(X, Alignment) else np.asarray(X)
        if codes.ndim != 2 or not np.issubdtype(codes.dtype, np.integer):
            raise InputError(
                f"codes of shape {codes.shape} and type {codes.dtype}; "
                "whole numbers (sequences, columns) were expected"
            )
        if codes.size and (codes.min() < 0 or codes.max() > 20):
            raise InputError(f"codes from {codes.min()} to {codes.max()}; 0 to 20 were expected")
        return codes.astype(np.uint8)

    def _mixture(self, columns: int) -> tuple[float, float]:
        """Weights of the couplings and of mutual information."""
        if self.mutual != "auto":
            return 1.0, float(self.mutual)
        return (0.0, 1.0) if self.effective_ < self.letters * columns / 4 else (1.0, 0.3)

    def predict(self, X=None) -> np.ndarray:
        """The map of the family it was fitted on, (L, L): higher means more likely in contact."""
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self)
        return self.scores_

    def ranked(self, separation: int = 6) -> np.ndarray:
        """Pairs (i, j), i < j, at least ``separation`` apart in the sequence, best first: (M, 2)."""
        scores = self.predict()
        i, j = np.triu_indices(len(scores), separation)
        order = np.argsort(-scores[i, j], kind="stable")
        return np.stack([i[order], j[order]], 1)

    def precision(self, contacts: np.ndarray, *, top: int | None = None, separation: int = 6) -> float:
        """Share of true contacts among the ``top`` (default L) pairs: P@L."""
        return (
            precisions(self.predict(), contacts, separation)["P@L"]
            if top is None
            else float(np.mean([contacts[i, j] for i, j in self.ranked(separation)[:top]]))
        )

    def weights(self, *, separation: int = 6, keys: float = 4.0):
        """The map as attention between sites, an exact lazy operator.

        The scores' eigenvectors are queries and keys, so that q_i . k_j = S_ij; the mask leaves out pairs
        nearer than ``separation`` in the sequence; the temperature gives each site ``keys`` effective keys
        on average (a residue has about four such neighbours).

        Returns
        -------
        heedful.attention.Weights
        """
        return site_weights(self.predict(), separation=separation, keys=keys)


def unit_spread(scores: np.ndarray) -> np.ndarray:
    """Divided by the standard deviation of its pairs."""
    spread = scores[np.triu_indices(len(scores), 1)].std()
    return scores / spread if spread > 0 else scores


def site_weights(
    scores: np.ndarray, *, separation: int = 6, keys: float = 4.0, strength: np.ndarray | None = None
):
    """``Weights`` whose content is ``strength_i * S_ij``, masked to |i - j| >= separation.

    Parameters
    ----------
    scores : (L, L) symmetric
    separation : int
    keys : float
        Median effective number of keys of the rows, which sets the temperature.
    strength : (L,), optional
        Query strength in [0, 1] (the site model's nearness); 1 everywhere if not given.
    """
    from ...attention import Mask, Weights

    values, vectors = np.linalg.eigh((scores + scores.T) / 2)
    root = np.sqrt(np.abs(values))
    k = vectors * root
    q = k * np.sign(values)
    apart = np.abs(np.subtract.outer(np.arange(len(scores)), np.arange(len(scores)))) >= max(separation, 1)
    live = apart.any(1)
    temperature = _temperature(scores, apart, live, keys)
    if strength is not None:
        q = q * np.asarray(strength, float)[:, None]
    return Weights(q, k, [Mask(apart)], temperature=temperature, scale=1.0)


def _temperature(scores: np.ndarray, apart: np.ndarray, live: np.ndarray, keys: float) -> float:
    """The one temperature at which the median row of softmax(S / T) has ``keys`` effective keys."""
    rows = np.where(apart[live], scores[live], -np.inf)
    keys = min(keys, 0.9 * np.median(apart[live].sum(1)))
    low, high = 1e-3, 1e3
    for _ in range(60):
        middle = np.sqrt(low * high)
        logits = rows / middle
        logits = logits - logits.max(1, keepdims=True)
        p = np.exp(logits)
        p /= p.sum(1, keepdims=True)
        effective = np.exp(-(p * np.log(p + 1e-300)).sum(1))
        low, high = (middle, high) if np.median(effective) < keys else (low, middle)
    return float(np.sqrt(low * high))


def precisions(scores: np.ndarray, contacts: np.ndarray, separation: int = 6) -> dict[str, float]:
    """P@L, P@L/2, P@L/5 and average precision over pairs at least ``separation`` apart.

    Parameters
    ----------
    contacts : (L, L) bool, or float with NaN where unknown (those pairs are left out)
    """
    columns = len(scores)
    i, j = np.triu_indices(columns, separation)
    known = np.isfinite(np.asarray(contacts, float)[i, j])
    i, j = i[known], j[known]
    true = np.asarray(contacts)[i, j].astype(bool)[np.argsort(-scores[i, j], kind="stable")]
    out = {
        name: float(true[: max(columns // part, 1)].mean())
        for name, part in (("P@L", 1), ("P@L/2", 2), ("P@L/5", 5))
    }
    out["AP"] = float((np.cumsum(true) / np.arange(1, len(true) + 1))[true].mean()) if true.any() else np.nan
    return out


def precision_interval(
    ours: np.ndarray,
    theirs: np.ndarray,
    contacts: np.ndarray,
    *,
    separation: int = 6,
    part: int = 1,
    draws: int = 4000,
    seed: int = 0,
) -> tuple[float, float]:
    """95 % interval of the difference in P@L/part of two maps, by bootstrap over residues.

    A pair counts half for each of its two residues, so that the contacts of one residue stay together.

    Parameters
    ----------
    ours, theirs : (L, L)
    contacts : (L, L) bool, or float with NaN where unknown
    separation : int
    part : int
        1, 2, 5: for P@L, P@L/2, P@L/5.
    """
    length = len(ours)
    top = max(length // part, 1)
    share = np.zeros(length)
    for scores, sign in ((ours, 1.0), (theirs, -1.0)):
        i, j = np.triu_indices(length, separation)
        known = np.isfinite(np.asarray(contacts, float)[i, j])
        i, j = i[known], j[known]
        best = np.argsort(-scores[i, j], kind="stable")[:top]
        hit = np.asarray(contacts, float)[i[best], j[best]] * sign / top / 2
        np.add.at(share, i[best], hit)
        np.add.at(share, j[best], hit)
    rows = np.random.default_rng(seed).integers(0, length, (draws, length))
    low, high = np.quantile(share[rows].sum(1), [0.025, 0.975])
    return float(low), float(high)
