"""Small convex or low-dimensional fits: L-BFGS in float64, with bounds and Wald intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from ..errors import InputError

Loss = Callable[[dict[str, Tensor]], Tensor]


@dataclass(frozen=True)
class LbfgsFit:
    """What `lbfgs` found.

    Attributes
    ----------
    params : dict of str to ndarray
        The minimiser, in the shapes of the start.
    loss : float
        The loss there.
    gradient : float
        Largest projected gradient component: 0 at a minimum, also on an active bound.
    n_iter : int
    converged : bool
    message : str
        The solver's own words.
    """

    params: dict[str, np.ndarray]
    loss: float
    gradient: float
    n_iter: int
    converged: bool
    message: str
    _loss: Loss = field(repr=False)
    _shapes: dict[str, tuple[int, ...]] = field(repr=False)
    _free: np.ndarray = field(repr=False)

    def covariance(self) -> np.ndarray:
        """Inverse Hessian of the loss over all parameters, flattened in their order.

        For a loss that is a *total* negative log-likelihood (or log-posterior) this is the Laplace
        (Wald) covariance; a loss that is a mean must be divided by the number of observations.
        Rows and columns of parameters on a bound are 0.

        Returns
        -------
        ndarray, shape (P, P)

        Raises
        ------
        InputError
            If the Hessian is not positive definite there: the data do not determine the parameters.
        """
        def total(x: Tensor) -> Tensor:
            return self._loss(_split(x, self._shapes))

        flat = torch.from_numpy(_flatten(self.params))
        hessian = torch.autograd.functional.hessian(total, flat).numpy()
        free = self._free
        try:
            lower = np.linalg.cholesky(hessian[np.ix_(free, free)])
        except np.linalg.LinAlgError:
            raise InputError("the Hessian at the minimum is not positive definite: there is no interval",
                             remedy="add a prior, or drop what the data do not determine") from None
        inverse = np.linalg.inv(lower)
        out = np.zeros_like(hessian)
        out[np.ix_(free, free)] = inverse.T @ inverse
        return out

    def standard_errors(self) -> dict[str, np.ndarray]:
        """Square roots of `covariance`'s diagonal, in the parameters' shapes; 0 on a bound."""
        flat = torch.from_numpy(np.sqrt(np.diag(self.covariance())))
        return {name: part.numpy() for name, part in _split(flat, self._shapes).items()}


def lbfgs(
    loss: Loss,
    start: Mapping[str, Any] | torch.nn.Module,
    *,
    bounds: Mapping[str, tuple[Any, Any]] | None = None,
    max_iter: int = 500,
    tol: float = 1e-8,
) -> LbfgsFit:
    """Minimise a smooth loss of few parameters with L-BFGS-B, in float64.

    Adam stalls on half-lives and wastes passes on convex losses; this does not. Scale a prior on the
    parameters as the loss is scaled: beside a *mean* loss over n observations a prior counts 1/n.

    Parameters
    ----------
    loss : callable
        Given the parameters (dict of str to float64 Tensor, shapes of `start`), returns a scalar
        Tensor. With a module as `start` the loss still takes the dict: use
        ``torch.func.functional_call(module, params, args)``.
    start : mapping of str to array, or torch.nn.Module
        Where to begin; a module's parameters are set to the result in place.
    bounds : mapping of str to (low, high), optional
        Per parameter; scalars or arrays of its shape, None for no bound. Sign constraints are
        ``{"coef": (0, None)}``.
    max_iter : int
    tol : float
        Stops when the largest projected gradient component is below it.

    Returns
    -------
    LbfgsFit

    Raises
    ------
    InputError
        If the loss is not finite at the start, or a bound is empty.

    Source
    ------
    Zhu, Byrd, Lu & Nocedal 1997, "Algorithm 778: L-BFGS-B" (as SciPy carries it).

    Examples
    --------
    >>> import numpy as np, torch
    >>> y = torch.tensor([1., 2., 3.], dtype=torch.float64)
    >>> fit = lbfgs(lambda p: 0.5 * ((y - p["mean"]) ** 2).sum(), {"mean": 0.0})
    >>> float(fit.params["mean"].round(6)), float(fit.standard_errors()["mean"].round(4))
    (2.0, 0.5774)
    """
    module = start if isinstance(start, torch.nn.Module) else None
    if module is not None:
        start = {name: p.detach() for name, p in module.named_parameters() if p.requires_grad}
    begin = {name: np.array(torch.as_tensor(value).cpu().numpy(), dtype=np.float64)
             for name, value in start.items()}
    if not begin:
        raise InputError("there is no parameter to fit")
    shapes = {name: value.shape for name, value in begin.items()}
    low, high = _limits(begin, bounds or {})
    x0 = np.clip(_flatten(begin), low, high)

    def value_and_gradient(x: np.ndarray) -> tuple[float, np.ndarray]:
        flat = torch.from_numpy(x.copy()).requires_grad_(True)
        with torch.enable_grad():
            value = loss(_split(flat, shapes))
            (slope,) = torch.autograd.grad(value, flat)
        return float(value.detach()), slope.numpy()

    first, slope = value_and_gradient(x0)
    if not (np.isfinite(first) and np.isfinite(slope).all()):
        raise InputError(f"the loss or its gradient is not finite at the start (loss {first})",
                         remedy="check the data for NaN, or start elsewhere")
    found = minimize(
        value_and_gradient, x0, jac=True, method="L-BFGS-B", bounds=list(zip(low, high, strict=True)),
        options={"maxiter": max_iter, "maxfun": 4 * max_iter, "ftol": 0.0, "gtol": tol, "maxcor": 20},
    )
    x = np.asarray(found.x)
    last, slope = value_and_gradient(x)
    at_low, at_high = (x <= low) & (slope > 0), (x >= high) & (slope < 0)
    gradient = float(np.abs(np.where(at_low | at_high, 0.0, slope)).max())
    params = {name: part.numpy().copy() for name, part in _split(torch.from_numpy(x), shapes).items()}
    if module is not None:
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                if name in params:
                    parameter.copy_(torch.from_numpy(params[name]))
    # an exhausted line search next to the minimum is the usual end in float64, and no failure
    converged = bool(found.success) or gradient <= max(tol, 1e-5 * max(1.0, abs(last)))
    return LbfgsFit(params, last, gradient, int(found.nit), converged, str(found.message),
                    loss, shapes, ~((x <= low) | (x >= high)))


def _limits(begin: Mapping[str, np.ndarray], bounds: Mapping[str, tuple[Any, Any]]):
    unknown = set(bounds) - set(begin)
    if unknown:
        raise InputError(f"bounds for {sorted(unknown)}, which are no parameters ({sorted(begin)})")
    low, high = {}, {}
    for name, value in begin.items():
        a, b = bounds.get(name, (None, None))
        low[name] = np.broadcast_to(-np.inf if a is None else np.asarray(a, dtype=float), value.shape)
        high[name] = np.broadcast_to(np.inf if b is None else np.asarray(b, dtype=float), value.shape)
        if (low[name] > high[name]).any():
            raise InputError(f"the bounds of '{name}' leave nothing: low above high")
    return _flatten(low), _flatten(high)


def _flatten(parts: Mapping[str, np.ndarray]) -> np.ndarray:
    return np.concatenate([np.asarray(value, dtype=np.float64).ravel() for value in parts.values()])


def _split(flat: Tensor, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    sizes = [int(np.prod(shape)) for shape in shapes.values()]
    pieces = torch.split(flat, sizes)
    return {name: piece.reshape(shape) for (name, shape), piece in zip(shapes.items(), pieces, strict=True)}
