"""The transpose of the weights, and the bridge to SciPy's linear operators."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from ..errors import InputError, ShapeError
from .arrays import give, is_numpy, lead_fold
from .ask import Ask
from .engines.pool import in_any_process
from .looking import run
from .soundness import all_finite

if TYPE_CHECKING:
    from .weights import Weights


class Adjoint:
    """P.T of some :class:`Weights`, as an operator: ``W.T @ y``, ``.shape``, ``.T`` and nothing else.

    (P.T y)_j = sum_i p_ij y_i. It is another forward pass with q and k exchanged and -lse as a gate.

    Examples
    --------
    >>> import numpy as np
    >>> from heedful import Weights
    >>> W = Weights(np.zeros((3, 2)), np.zeros((2, 2)))
    >>> (W.T @ np.ones(3)).round(6).tolist()
    [1.5, 1.5]
    """

    __array_ufunc__ = None

    def __init__(self, weights: Weights):
        self._weights = weights

    @property
    def shape(self) -> tuple[int, ...]:
        lead, (nq, nk) = self._weights.shape[:-2], self._weights.shape[-2:]
        return (*lead, nk, nq)

    @property
    def T(self) -> Weights:
        return self._weights

    @in_any_process
    def __matmul__(self, y: Any) -> Any:
        w = self._weights
        as_numpy = w._as_numpy and is_numpy(y)
        y, vector = w._values(y, "y", rows=w.shape[-2])
        if not all_finite(y):
            raise InputError("y holds NaN or infinite values")
        problem = w._problem()
        if y.dtype == torch.float64:
            problem = problem.to(torch.float64)
        y, back = lead_fold(y, problem.lead)
        found = run(problem, Ask(adjoint=y), w.engine)
        out = back(found.adjoint).to(y.dtype)
        return give(out[..., 0] if vector else out, as_numpy)

    def __repr__(self) -> str:
        return f"{self._weights!r}.T"


def linear_operator(weights: Weights) -> Any:
    """One matrix as a :class:`scipy.sparse.linalg.LinearOperator`; see :meth:`Weights.as_linear_operator`."""
    from scipy.sparse.linalg import LinearOperator

    if len(weights.shape) > 2 and math.prod(weights.shape[:-2]) != 1:
        raise ShapeError(f"weights {weights.shape} hold several matrices; take one of them first")
    nq, nk = weights.shape[-2:]
    dtype = torch.empty(0, dtype=weights._raw().q.dtype).numpy().dtype

    def times(operator, n):
        def apply(x):
            with torch.no_grad():
                x = torch.as_tensor(x, dtype=weights._raw().q.dtype, device=weights.q.device)
                out = operator @ x.reshape(n, -1)
            return torch.as_tensor(out).reshape(-1, x[0].numel() if x.ndim > 1 else 1).cpu().numpy()

        return apply

    forward, back = times(weights, nk), times(weights.T, nq)
    return LinearOperator((nq, nk), dtype=dtype, matvec=forward, matmat=forward, rmatvec=back, rmatmat=back)
