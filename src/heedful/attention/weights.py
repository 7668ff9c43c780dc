"""The one noun: attention weights as a lazy, differentiable, row-stochastic operator."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ..errors import HeedfulError, InputError, ShapeError
from . import reads
from .accept import as_pair, as_priors, as_reads, as_scale, as_sink, as_taken_out, as_temperature, as_values
from .adjoint import Adjoint, linear_operator
from .arrays import floats, give, is_numpy, lead_fold, lead_shape
from .ask import Ask
from .engines.pool import in_any_process
from .looking import compose, divergence, look, reachable, run
from .plan import ENGINES, Plan, choose
from .prior import Prior
from .priors import Mask
from .problem import Problem
from .soundness import all_finite, finite, fitted, head_groups, repeat_heads, version, without_rows
from .target import TargetKeys, solve_temperature


class Weights:
    """Softmax attention weights P (..., Nq, Nk), never built: ask them, multiply with them.

    logit_ij = scale q_i.k_j / T + sum of the priors' log-weights; P_ij = exp(logit_ij - lse_i). Nothing is
    computed until something is asked. Gradients flow to q, k, T, the sink and every prior parameter.

    Parameters
    ----------
    q : array (..., Nq, D)
    k : array (..., Nk, D)
        Leading dimensions broadcast. Torch in, torch out; NumPy in, NumPy out.
    priors : Prior or sequence of Prior
        Field knowledge as added log-weights (:mod:`heedful.priors`); -inf excludes a pair.
    temperature : float, array (H, 1, 1) per head or (Nq, 1) per query, or TargetKeys
        Divides the content alone, so a half-life stays a half-life at any temperature.
    scale : float, optional
        1 / sqrt(D) by default.
    sink : float or array (H, 1, 1) per head or (Nq, 1) per query, optional
        Logit of one more outcome that carries no value (an attention sink).
    gqa : bool
        q has g heads (dimension -3) for each head of k.
    engine : {"auto", "fused", "compiled", "tiled", "edges", "dense"}
        "auto" lets :meth:`plan` choose; a name never falls back.

    Raises
    ------
    InputError
        Where shapes do not belong together, or numbers are not finite and not masked out.

    Notes
    -----
    Scaled dot-product attention is from Vaswani et al. (2017), arXiv:1706.03762. That products with P.T,
    entropy and column sums need no matrix is derived in docs/algebra.md. A query for which no key is
    allowed has output, masses and entropy 0 and lse -inf. Second derivatives (a gradient penalty, a Hessian)
    need ``engine="tiled"`` or ``"dense"`` and a temperature that is a number; elsewhere they are refused.

    Examples
    --------
    >>> import numpy as np
    >>> from heedful import Weights
    >>> rng = np.random.default_rng(0)
    >>> q, k, v = rng.normal(size=(3, 5, 4))
    >>> W = Weights(q, k)
    >>> (W @ v).shape, W.columns().sum().round(6)
    ((5, 4), np.float64(5.0))
    >>> weight, key = W.topk(2)
    >>> weight.shape, key.shape
    ((5, 2), (5, 2))
    """

    __array_ufunc__ = None  # NumPy hands `y @ W` over instead of building an object array

    @in_any_process
    def __init__(
        self,
        q: Any,
        k: Any,
        priors: Prior | Iterable[Prior] = (),
        *,
        temperature: Any = 1.0,
        scale: float | None = None,
        sink: Any = None,
        gqa: bool = False,
        engine: str = "auto",
    ):
        if engine not in ENGINES:
            raise InputError(f"engine {engine!r} is not known; one of {', '.join(ENGINES)} was expected")
        self._as_numpy = is_numpy(q, k)
        q, k = as_pair(q, k)
        self._groups = head_groups(q, k) if gqa else 1
        if self._groups > 1:
            k = k.repeat_interleave(self._groups, -3)
        self.priors = as_priors(priors, q.shape[-2], k.shape[-2])
        self.q, self.k = q, k
        self.scale = as_scale(scale, q)
        self.temperature = as_temperature(temperature, q)
        self.sink = None if sink is None else as_sink(sink, q)
        if isinstance(temperature, TargetKeys) and sink is not None:
            raise InputError("TargetKeys counts keys, a sink is not one; give a temperature, or no sink")
        self.engine = engine
        self._note()
        self.shape: tuple[int, ...] = (*self._lead(), q.shape[-2], k.shape[-2])

    def _note(self) -> None:
        """Remember how often each tensor has been written to, and nothing that was made of them."""
        held = {n: getattr(self, n) for n in ("q", "k", "temperature", "scale", "sink")}
        self._versions = [(n, t, version(t)) for n, t in held.items() if isinstance(t, Tensor)]
        self._memo: dict[str, Any] = {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._note()  # a copy's tensors count anew

    # -- the normal form ------------------------------------------------------------------------

    def _raw(self, temperature: Tensor | float = 1.0) -> Problem:
        """The scores at a temperature, in the dtype they are computed in."""
        dtype = torch.promote_types(self.q.dtype, self.k.dtype)
        if dtype in (torch.float16, torch.bfloat16):
            dtype = torch.float32
        factor = self.scale / temperature
        if not (all_finite(factor) if isinstance(factor, Tensor) else math.isfinite(factor)):
            raise InputError("scale / temperature is beyond what a number can hold; both nearer to 1")
        if (
            isinstance(factor, Tensor)
            and factor.numel() == 1
            and factor.ndim < 3
            and not factor.requires_grad
        ):
            factor = float(factor.to(dtype))
        priors = tuple(p.to(self.q.device) for p in self.priors)
        sink = None if self.sink is None else self.sink.to(dtype)
        q, k = self.q.to(dtype), self.k.to(dtype)
        if isinstance(factor, Tensor) or q.requires_grad:
            factor = factor.to(dtype) if isinstance(factor, Tensor) else factor
            return Problem(q * factor, k, priors, sink)
        return Problem(q, k, priors, sink, factor)

    def _lead(self) -> tuple[int, ...]:
        """Leading shape of all that the scores are made of, without computing any."""
        given = Problem(self.q, self.k, self.priors, self.sink)
        factors = [tuple(t.shape[:-2]) for t in (self.temperature, self.scale) if isinstance(t, Tensor)]
        return lead_shape(given.lead, *factors, names=("q, k, priors", "temperature", "scale"))

    def _problem(self) -> Problem:
        """The problem as engines take it, checked; remembered unless something in it is being learned."""
        for name, t, noted in self._versions:
            if version(t) != noted:
                raise HeedfulError(
                    f"{name} was changed in place after these Weights were made; make new Weights"
                )
        slot = self._slot()
        if slot in self._memo:
            return self._memo[slot]
        if isinstance(self.temperature, TargetKeys):
            raw = finite(self._raw())
            problem = replace(raw, unscaled=raw.q / solve_temperature(raw, self.temperature), factor=1.0)
        else:
            problem = finite(self._raw(self.temperature))
        if slot:
            self._memo[slot] = problem
        return problem

    def _slot(self) -> str:
        """Where a problem is remembered: what was folded without gradients never serves a look with them."""
        if self._as_numpy:
            return ""  # an array may be changed without its tensor's knowing
        if torch.is_inference_mode_enabled():
            return "inference"
        t = self.temperature.K if isinstance(self.temperature, TargetKeys) else self.temperature
        held = (self.q, self.k, self.sink, self.scale, t, *(x for p in self.priors for x in p.tensors()))
        learnt = any(isinstance(x, Tensor) and x.requires_grad for x in held)
        return "problem" if not learnt else "" if torch.is_grad_enabled() else "still"

    def _values(self, v: Any, name: str = "v", rows: int | None = None) -> tuple[Tensor, bool]:
        """Values (..., N, C) on the right device, and whether a vector was given."""
        x = as_values(v, name, self.q, self.shape[:-2] if self._groups == 1 else None)
        vector = x.ndim == 1
        x = x[:, None] if vector else x
        want = self.shape[-1] if rows is None else rows
        if x.shape[-2] != want:
            side = "keys" if rows is None else "queries"
            raise ShapeError(
                f"{name} has {x.shape[-2]} rows, there are {want} {side} ({name} {tuple(x.shape)})"
            )
        if self._groups > 1 and rows is None:
            x = repeat_heads(x, self.shape[-3], self._groups, name)
        return x, vector

    def _absent(self, x: Tensor, name: str, problem: Problem) -> Tensor:
        """Non-finite values are an error where their key can be seen, and 0 where it cannot."""
        if all_finite(x):
            return x
        return without_rows(x, ~torch.isfinite(x.detach()).all(-1), reachable(problem), name)

    # -- products -------------------------------------------------------------------------------

    @in_any_process
    def __matmul__(self, v: Any) -> Any:
        """P @ v: (..., Nq, Dv) for v (..., Nk, Dv), or (..., Nq) for a vector."""
        if isinstance(v, (Weights, Adjoint)):
            raise InputError("two Weights are composed with Stack([...]), not multiplied")
        as_numpy = self._as_numpy and is_numpy(v)
        v, vector = self._values(v)
        problem = self._problem()
        v = self._absent(v, "v", problem)
        dtype = v.dtype
        problem = problem.to(
            torch.promote_types(problem.k.dtype, dtype) if dtype == torch.float64 else problem.k.dtype
        )
        v, back = lead_fold(v, problem.lead)
        found = run(problem, Ask(channels=v.to(problem.k.dtype)), self.engine)
        out = back(found.out).to(dtype)
        return give(out[..., 0] if vector else out, as_numpy)

    def __rmatmul__(self, y: Any) -> Any:
        """y @ P: (..., C, Nk) for y (..., C, Nq), or (..., Nk) for a vector."""
        as_numpy = self._as_numpy and is_numpy(y)
        y = floats(y, "y", like=self.q)
        out = self.T @ (y if y.ndim == 1 else y.mT)
        if isinstance(out, Tensor):
            return give(out if y.ndim == 1 else out.mT, as_numpy)
        return out if y.ndim == 1 else out.swapaxes(-1, -2)

    @property
    def T(self) -> Adjoint:
        """The transpose as an operator: what keys give back to queries."""
        return Adjoint(self)

    # -- reads ----------------------------------------------------------------------------------

    @in_any_process
    def read(self, v: Any = None, reads: Sequence[reads.Read] = ()) -> tuple[Any, reads.Reads]:
        """Output and answers in one pass.

        Parameters
        ----------
        v : array (..., Nk, Dv), optional
        reads : sequence of Read

        Returns
        -------
        out : array (..., Nq, Dv), or None without v
        r : Reads
            A frozen record: attributes by read name (``r.topk``), ``r.engine``, ``r.empty``.

        Examples
        --------
        >>> import numpy as np
        >>> from heedful import Weights, reads
        >>> x = np.eye(3)
        >>> out, r = Weights(x, x).read(x, [reads.TopK(1), reads.Entropy(), reads.Columns()])
        >>> r.topk.index[:, 0].tolist(), r.columns.round(6).tolist()
        ([0, 1, 2], [1.0, 1.0, 1.0])
        """
        wanted = as_reads(reads)
        as_numpy = self._as_numpy and (v is None or is_numpy(v))
        problem = self._problem()
        vector, back = False, None
        if v is not None:
            v, vector = self._values(v)
            v = self._absent(v, "v", problem)
            if v.dtype == torch.float64:
                problem = problem.to(torch.float64)
            v, back = lead_fold(v, problem.lead)
        asked = [fitted(read, problem, self._groups) for read in wanted]
        out, answers, found = look(problem, v, asked, self.engine)
        if back is not None:
            out = back(out)[..., 0] if vector else back(out)
        answers = {read: give(answers[a], as_numpy) for read, a in zip(wanted, asked, strict=True)}
        empty = give(found.lse.detach() == -torch.inf, as_numpy)
        return give(out, as_numpy), _reads_record(found.engine, empty, answers, self)

    def _one(self, read: reads.Read) -> Any:
        return self.read(None, [read])[1][read]

    def lse(self) -> Any:
        """Log-partition (..., Nq): log of the un-normalised sum of weights."""
        return self._one(reads.LogPartition())

    def entropy(self, order: float = 1.0) -> Any:
        """Entropy (..., Nq) in nats; Renyi's for another order."""
        return self._one(reads.Entropy(order))

    def effective_keys(self, order: float = 1.0) -> Any:
        """exp(entropy) (..., Nq): how many keys each query spreads over."""
        return self._one(reads.EffectiveKeys(order))

    def columns(self, relative: bool = False) -> Any:
        """Attention received (..., Nk); relative: over what the priors alone give."""
        return self._one(reads.Columns(relative))

    def mass(self, groups: Any, names: Sequence[str] | None = None) -> Any:
        """Summed weight (..., Nq, G) on each group of keys; see :class:`heedful.reads.Mass`."""
        return self._one(reads.Mass(groups, names))

    def moments(self, x: Any) -> reads.Spread:
        """Mean and variance (..., Nq, d) of a key-side quantity under each row."""
        return self._one(reads.Moments(x))

    def topk(self, k: int = 8) -> reads.Top:
        """The k largest weights (..., Nq, k) and their keys."""
        return self._one(reads.TopK(k))

    def lag(self, edges: Any, t_q: Any, t_k: Any, relative: bool = False) -> Any:
        """Summed weight (..., B) by lag t_q - t_k, or by distance for (N, d) coordinates."""
        return self._one(reads.Lag(edges, t_q, t_k, relative))

    def rows(self, queries: Any) -> Any:
        """Whole rows (..., R, Nk) for the queries named."""
        return self._one(reads.Rows(queries))

    def quantile(self, share: float = 0.9) -> Any:
        """Nucleus size (..., Nq): how many keys hold this share of the row."""
        return self._one(reads.Quantile(share))

    def contribution(self, v: Any, direction: Any = None, k: int = 0) -> reads.Terms:
        """Terms p_ij <v_j, u_i> of the weighted sum; see :class:`heedful.reads.Contribution`."""
        return self._one(reads.Contribution(v, direction, k))

    # -- comparisons ----------------------------------------------------------------------------

    def with_priors(self, *priors: Prior) -> Weights:
        """The same content under more priors."""
        return self._again(priors=(*self.priors, *priors))

    def without(self, keys: Any) -> Weights:
        """Knock-out: the keys excluded, the rest renormalised.

        ``keys`` are key numbers, or a boolean array (..., Nk) that is True where a key is taken out.
        """
        mask = as_taken_out(keys, self.shape[-1], self.q.device)
        return self.with_priors(Mask(~mask[..., None, :]))

    def prior(self) -> Weights:
        """What the priors alone give: the base measure the content moves away from."""
        q, k = (x.new_zeros((*x.shape[:-1], 1)) for x in (self.q, self.k))
        return self._again(q=q, k=k, temperature=1.0, scale=1.0)

    @in_any_process
    def divergence(self, other: Weights) -> Any:
        """KL(P_i || other_i) (..., Nq) in nats, exact, in one pass; inf where other excludes what P uses."""
        if not isinstance(other, Weights):
            raise InputError(f"divergence(other) is a {type(other).__name__}, Weights were expected")
        if self.shape[-2:] != other.shape[-2:]:
            raise ShapeError(f"weights {self.shape} and {other.shape} have different queries or keys")
        kl = divergence(self._problem(), other._problem(), self.engine, other.engine)
        return give(kl, self._as_numpy and other._as_numpy)

    # -- the rest -------------------------------------------------------------------------------

    @in_any_process
    def plan(self, reads: Sequence[reads.Read] = (), v: Any = None) -> Plan:
        """Which engine would answer, in how many passes, with how much memory, and why."""
        problem = self._problem()
        values = None if v is None else lead_fold(self._values(v)[0], problem.lead)[0]
        asked = [fitted(read, problem, self._groups) for read in as_reads(reads)]
        ask, _, _ = compose(problem, values, asked, self.engine)
        return choose(problem, ask, self.engine)

    def as_linear_operator(self) -> Any:
        """One matrix as a :class:`scipy.sparse.linalg.LinearOperator`, for eigs, svds and the like."""
        return linear_operator(self)

    def _again(self, **changes: Any) -> Weights:
        made = object.__new__(Weights)
        made.__dict__.update(self.__dict__)
        for name, value in changes.items():
            setattr(made, name, as_temperature(value, self.q) if name == "temperature" else value)
        made._note()
        for prior in made.priors:
            prior.check(made.q.shape[-2], made.k.shape[-2])
        made.shape = (*made._lead(), made.q.shape[-2], made.k.shape[-2])
        return made

    def __array__(self, *_: Any, **__: Any):
        nq, nk = self.shape[-2:]
        raise TypeError(
            f"Weights are never built as the {nq} x {nk} matrix; take whole rows with rows([...]), "
            "or the largest with topk(k)"
        )

    def __repr__(self) -> str:
        names = ", ".join(type(p).__name__ for p in self.priors)
        return f"Weights({' x '.join(map(str, self.shape))}{', ' + names if names else ''})"


_reads_record = reads.Reads
