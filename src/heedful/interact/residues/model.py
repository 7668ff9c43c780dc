"""Contacts between residues from an alignment: attention between sites with an alphabet for each site."""

from __future__ import annotations

import numpy as np

from ...errors import InputError
from ...files.alignment import Alignment
from ...learn import Estimator
from . import couplings as cp
from .neighbours import borrowed, learn_neighbours, unit_spread
from .precision import ranking


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
    neighbours : int
        Reach, along the sequence, of what a pair of sites borrows from the pairs around it, with weights
        learned from one half of the sequences against the other (`neighbours.learn_neighbours`); 0 is none.
        "plain" has none.
    identity : float
        Sequences at least this similar share one vote.
    method : {"alphabet", "refined", "plain"}
        Closed form; refined by pseudo-likelihood; or the plain softmax attention between positions.
    penalty : float
        Of the refinement.
    steps : int, optional
        Training steps of "refined" (40) and "plain" (until its loss no longer falls).
    seed : int
        Of "plain", and of the halves.

    Attributes
    ----------
    scores_ : (L, L)
        The corrected map: higher means more likely in contact.
    coupling_, mutual_ : (L, L)
        The two heads before mixing, each with the average product correction.
    mixture_ : (float, float)
        Weights of the two heads.
    borrowing_ : (classes,)
        Weights of the pairs around a pair, in the order of `neighbours.offset_classes`.
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
        neighbours: int = 4,
        identity: float = 0.8,
        method: str = "alphabet",
        penalty: float = 0.02,
        steps: int | None = None,
        seed: int = 0,
    ):
        self.letters = letters
        self.pseudocount = pseudocount
        self.mutual = mutual
        self.neighbours = neighbours
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
        self.mutual_ = cp.mutual_head(f)
        self.parameters_, self.potts_parameters_ = cp.parameter_count(columns, self.letters)
        self.mixture_, self.borrowing_ = self._mixture(columns), np.ones(1)
        if self.method == "plain":
            from .pseudo import HEADS, WIDTH, plain_attention

            norms, self.attention_, self.losses_ = plain_attention(
                codes, self.weights_, steps=self.steps, seed=self.seed
            )
            self.parameters_ = HEADS * (2 * columns * WIDTH + 21 * 21)
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
        self.scores_ = self._mixed(self.coupling_, self.mutual_)
        if self.neighbours and self.method != "plain":
            # the halves' maps are closed-form ones whatever the method: what is borrowed is of folds
            reach = self.neighbours
            self.borrowing_ = learn_neighbours(codes, self._closed_form, reach=reach, seed=self.seed)
            self.scores_ = borrowed(self.scores_, self.borrowing_, reach)
            self.parameters_ += len(self.borrowing_)
        self.n_residues_ = columns
        return self

    def _mixed(self, coupling: np.ndarray, mutual: np.ndarray) -> np.ndarray:
        """The two heads added, each at unit spread."""
        return self.mixture_[0] * unit_spread(coupling) + self.mixture_[1] * unit_spread(mutual)

    def _closed_form(self, codes: np.ndarray) -> np.ndarray:
        """The mixed map of some of the sequences."""
        f = cp.frequencies(codes, cp.sequence_weights(codes, self.identity))
        coupling = np.zeros((codes.shape[1],) * 2)
        if self.mixture_[0]:
            coupling = cp.corrected(cp.site_alphabet(f, self.letters, self.pseudocount)[0])
        return self._mixed(coupling, cp.mutual_head(f))

    def _codes(self, X) -> np.ndarray:
        if self.method not in ("alphabet", "refined", "plain"):
            raise InputError(f"method {self.method!r}; 'alphabet', 'refined' or 'plain' was expected")
        if not 1 <= self.letters <= 20:
            raise InputError(f"letters={self.letters}; 1 to 20 was expected")
        if not 0.0 < self.pseudocount < 1.0:
            raise InputError(f"pseudocount={self.pseudocount}; between 0 and 1 was expected")
        if not 0 <= self.neighbours <= 12:
            raise InputError(f"neighbours={self.neighbours}; 0 to 12 was expected")
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
        *_, true = ranking(self.predict(), contacts, separation)
        return float(true[: top or len(self.scores_)].mean())

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
