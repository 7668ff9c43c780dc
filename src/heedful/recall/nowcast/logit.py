"""Ridge logit whose coefficients cannot be negative: convex, solved to machine precision in milliseconds."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from ...errors import InputError


def ridge_logit(
    x: np.ndarray, y: np.ndarray, ridge: float, *, nonnegative: bool = True, start: np.ndarray | None = None,
) -> tuple[np.ndarray, float]:
    """Minimise sum log-loss + ridge / 2 |c|^2 over c (>= 0) and a free intercept.

    Projected Newton (Bertsekas 1982): coefficients that sit at 0 with an outward gradient are held,
    the others take a Newton step, which is cut back until the loss falls enough.

    Parameters
    ----------
    x : ndarray, shape (n, d)
    y : ndarray, shape (n,)
        0 or 1, both present.
    ridge : float, > 0
    nonnegative : bool
    start : ndarray, shape (d + 1,), optional
        Coefficients and intercept to begin from.

    Returns
    -------
    coefficients : ndarray, shape (d,)
    intercept : float

    Raises
    ------
    InputError
        If only one class is present.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[-1., 1.], [0., 0.], [1., 0.], [2., -1.]])
    >>> c, b = ridge_logit(x, np.array([0, 0, 1, 1]), 1.0)
    >>> bool(c[0] > 0), float(c[1])
    (True, 0.0)
    """
    if len(np.unique(y)) < 2:
        raise InputError("all known labels are of one class; recessions and expansions are both needed")
    n, d = x.shape
    a = np.column_stack([x, np.ones(n)])
    bounded = np.append(np.full(d, nonnegative), False)
    penalty = np.append(np.full(d, float(ridge)), 1e-9)
    mean = float(y.mean())
    w = np.append(np.zeros(d), np.log(mean / (1 - mean))) if start is None else start.copy()

    def loss(w):
        z = a @ w
        return float(np.logaddexp(0, z).sum() - y @ z + 0.5 * penalty @ (w * w))

    now = loss(w)
    for _ in range(200):
        p = expit(a @ w)
        gradient = a.T @ (p - y) + penalty * w
        free = ~(bounded & (w <= 0) & (gradient > 0))
        if np.abs(gradient[free]).max() < 1e-8 * max(1.0, n):
            break
        part = a[:, free]
        hessian = (part * (p * (1 - p))[:, None]).T @ part + np.diag(penalty[free])
        step = np.zeros_like(w)
        step[free] = -np.linalg.solve(hessian, gradient[free])
        size = 1.0
        while True:
            new = w + size * step
            new[bounded] = np.maximum(new[bounded], 0.0)
            value = loss(new)
            if value <= now + 1e-4 * float(gradient @ (new - w)) or size < 1e-12:
                break
            size /= 2
        if now - value <= 1e-14 * max(1.0, abs(now)):
            break
        w, now = new, value
    return w[:-1], float(w[-1])
