"""p below what counting draws can reach: an exponential tail, with the error of its own fitting."""

from __future__ import annotations

import numpy as np

COUNTED = 10  # draws at or beyond the observed value from which counting is precise enough (Knijnenburg 2009)


def tail_p(drawn: np.ndarray, observed: float) -> tuple[float, str] | None:
    """p of ``observed`` beyond the draws, or None where it must be counted.

    The largest n draws stand above the (n + 1)-th, t. Given that, P(X > t) is (n + 1) / (B + 1) by rank; for
    an exponential tail the excess x over the mean excess follows F(2, 2n), so

        p = (n + 1) / (B + 1) * (1 + x / sum of the n excesses) ** -n,

    exact for exponential tails, too large for lighter ones (masses are bounded, so theirs are) and too small
    for heavier ones: where the excesses are more variable than exponential ones by over two standard
    errors, the tail is not fitted. A generalised Pareto with a free shape (Knijnenburg et al. 2009,
    doi:10.1093/bioinformatics/btp211) can give p = 0 and has no such law.

    Parameters
    ----------
    drawn : array (B,)
    observed : float

    Returns
    -------
    (p, words) or None

    Examples
    --------
    >>> draws = np.random.default_rng(0).exponential(size=999)
    >>> p, words = tail_p(draws, 15.0)
    >>> bool(1e-8 < p < 1e-5), words
    (True, 'exponential tail fitted to the largest 99 of 999 draws')
    """
    total = len(drawn)
    n = total // 10
    if n < COUNTED or (drawn >= observed).sum() >= COUNTED:
        return None
    order = np.sort(drawn)[::-1]
    excess = order[:n] - order[n]
    mean = excess.mean()
    if not mean > 0 or not np.isfinite(observed):
        return None
    # squared coefficient of variation: 1 for an exponential law with variance 4 / n, larger for heavier tails
    if excess.var() / mean**2 > 1 + 2 * np.sqrt(4 / n):
        return None
    p = (n + 1) / (total + 1) * (1 + (observed - order[n]) / excess.sum()) ** -float(n)
    return float(p), f"exponential tail fitted to the largest {n} of {total} draws"
