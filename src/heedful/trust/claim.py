"""A claim: these queries put mass on these keys, and the keys matter for this output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch

from ..attention import Weights
from ..attention.arrays import indices
from ..errors import InputError
from .nulls import Null

ITEMS = 256  # queries examined at most, drawn with the claim's seed


@dataclass(frozen=True, eq=False)
class Claim:
    """What a reading asserts, with all that is needed to test it.

    Parameters
    ----------
    weights : Weights (..., Nq, Nk)
    queries : int array or bool array (Nq,)
        Which queries the claim is about. At most 256 of them, seeded, are examined.
    keys : int array, bool array (Nk,), or bool array (Nq, Nk)
        The keys claimed: one set for all queries, or one for each ("its own subjet").
    values : array (..., Nk, Dv), optional
        What the weights are applied to. Without it the claim is about mass alone.
    quantity : callable, optional
        Output (n, Dv) -> (n,): the number that the keys are said to matter for. By default the size of the
        output's change.
    null : Null or str, optional
        How to break exactly the structure claimed (:class:`Null`); "label" permutes all keys.
    family : bool array (C, Nk) or (C, Nq, Nk), optional
        All the cells (lags, groups, heads' groups) among which the claimed keys were chosen by looking: p is
        then that of the largest of them (maximum statistic).
    name : str
        The claim in words, to be followed by the verdict.
    caution : str
        What must be assumed, said in every verdict ("assuming no hidden driver and stationarity").

    Raises
    ------
    InputError
        Where queries or keys do not fit the weights, or claim nothing.

    Examples
    --------
    >>> import numpy as np
    >>> from heedful import Claim, Weights, examine
    >>> rng = np.random.default_rng(0)
    >>> k = rng.normal(size=(40, 8)); k[:4] += 3
    >>> q, v = np.full((30, 8), 1.0), np.zeros((40, 1)); v[:4] = 1
    >>> claim = Claim(Weights(q, k), queries=range(30), keys=range(4), values=v, name="the first four lead")
    >>> examine(claim, seed=0).status
    'supported'
    """

    weights: Weights
    queries: Any
    keys: Any
    values: Any = None
    quantity: Callable[[np.ndarray], np.ndarray] | None = None
    null: Null | str | None = None
    family: Any = None
    name: str = "the claimed keys carry the weight"
    caution: str = ""
    seed: int = field(default=0)

    def __post_init__(self):
        nq, nk = self.weights.shape[-2:]
        queries = indices(
            np.asarray(self.queries) if not isinstance(self.queries, range) else list(self.queries),
            "Claim(queries)",
        ).numpy()
        if queries.size == 0:
            raise InputError("Claim(queries) names no query")
        if queries.min() < 0 or queries.max() >= nq:
            raise InputError(f"Claim(queries) runs from {queries.min()} to {queries.max()}, there are {nq}")
        if queries.size > ITEMS:
            chosen = np.random.default_rng(self.seed).choice(queries.size, ITEMS, replace=False)
            queries = queries[np.sort(chosen)]
        object.__setattr__(self, "queries", queries)
        object.__setattr__(self, "keys", self._sets(self.keys, nq, nk, "Claim(keys)"))
        null = Null(self.null) if isinstance(self.null, str) else self.null
        object.__setattr__(self, "null", Null("label") if null is None else null)
        if self.family is not None:
            family = np.asarray(self.family, dtype=bool)
            if family.shape[-1] != nk or family.ndim not in (2, 3):
                raise InputError(f"Claim(family) has shape {family.shape}, (C, {nk}) was expected")
            family = family[:, None, :] if family.ndim == 2 else family[:, queries]
            object.__setattr__(self, "family", np.broadcast_to(family, (len(family), len(queries), nk)))

    def _sets(self, keys: Any, nq: int, nk: int, name: str) -> np.ndarray:
        """The claimed keys as a boolean array (queries, Nk)."""
        array = np.asarray(list(keys) if isinstance(keys, range) else keys)
        if array.dtype == bool and array.ndim == 2:
            if array.shape != (nq, nk):
                raise InputError(f"{name} has shape {array.shape}, ({nq}, {nk}) was expected")
            chosen = array[self.queries]
        else:
            number = indices(array, name).numpy()
            if number.size and (number.min() < 0 or number.max() >= nk):
                raise InputError(f"{name} runs from {number.min()} to {number.max()}, there are {nk} keys")
            one = np.zeros(nk, dtype=bool)
            one[number] = True
            chosen = np.broadcast_to(one, (len(self.queries), nk)).copy()
        if not chosen.any():
            raise InputError(f"{name} names no key")
        return chosen

    @cached_property
    def scores(self) -> tuple[np.ndarray, np.ndarray]:
        """Content scores and priors' log-weights (items, Nk) in float64; items are leads x queries."""
        with torch.no_grad():
            problem = self.weights._problem().to(torch.float64)
            base, lead, nk = problem.without_content(), problem.lead, problem.nk
            pick = torch.as_tensor(self.queries, device=problem.q.device)
            content = problem.q[..., pick, :] @ problem.k.mT
            prior = torch.cat([base.logits(slice(i, i + 1), slice(0, nk)) for i in pick.tolist()], -2)
            shape = (*lead, len(pick), nk)
            content, prior = content.expand(shape).reshape(-1, nk), prior.expand(shape).reshape(-1, nk)
            if problem.sink is not None:  # a sink is a key that is never claimed and never permuted
                raise InputError(
                    "claims about weights with a sink are not tested", remedy="leave the sink out"
                )
        return content.numpy(force=True), prior.numpy(force=True)

    @cached_property
    def rows(self) -> np.ndarray:
        """The examined rows of P (items, Nk)."""
        content, prior = self.scores
        return softmax(content + prior)

    @cached_property
    def claimed(self) -> np.ndarray:
        """The claimed keys per item (items, Nk)."""
        return np.tile(self.keys, (self.leads, 1))

    @property
    def leads(self) -> int:
        """How many leading elements (heads, batches) the weights have."""
        return int(np.prod(self.weights.shape[:-2], dtype=int))

    @cached_property
    def item_values(self) -> np.ndarray | None:
        """Values (leads, Nk, Dv) in float64."""
        if self.values is None:
            return None
        v = np.asarray(
            self.values.detach().cpu() if isinstance(self.values, torch.Tensor) else self.values, float
        )
        v = v[:, None] if v.ndim == 1 else v
        return np.broadcast_to(v, (*self.weights.shape[:-2], *v.shape[-2:])).reshape(
            self.leads, *v.shape[-2:]
        )

    def outputs(self, rows: np.ndarray) -> np.ndarray:
        """P V for given rows (items, Nk) -> (items, Dv)."""
        v = self.item_values
        split = rows.reshape(self.leads, -1, rows.shape[-1])
        return (split @ v).reshape(-1, v.shape[-1])

    def change(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """How much the quantity moves (items,) between two outputs (items, Dv)."""
        if self.quantity is None:
            return np.linalg.norm(before - after, axis=-1)
        return np.abs(np.asarray(self.quantity(before), float) - np.asarray(self.quantity(after), float))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Rows that sum to 1, or are 0 where nothing is allowed."""
    top = logits.max(-1, keepdims=True, initial=-np.inf)
    e = np.exp(logits - np.where(np.isfinite(top), top, 0.0))
    total = e.sum(-1, keepdims=True)
    return np.divide(e, total, out=np.zeros_like(e), where=total > 0)
