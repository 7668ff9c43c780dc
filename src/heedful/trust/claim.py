"""A claim: these queries put mass on these keys, and the keys matter for this output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
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
        Output (n, Dv) of the examined queries in order -> (n,): the number that the keys are said to matter
        for. By default the size of the output's change.
    null : Null or str, optional
        How to break exactly the structure claimed (:class:`Null`); "label" permutes all keys.
    family : bool array (C, Nk) or (C, Nq, Nk), or int array (Nk,) or (Nq, Nk), optional
        All the cells (lags, groups) among which the claimed keys were chosen by looking, as masks or, where
        they do not overlap, as the number of each key's cell (-1: none). p is then that of the largest of
        them (maximum statistic). Cells of one key each cannot be tested by exchanging keys.
    head : int or tuple of int, optional
        The claim is about this leading element alone (a head, a layer and head). Having been chosen among
        all, it is compared with the largest cell of *all* heads. By default heads are averaged.
    delete : callable, optional
        Input-level deletion: a bool array (n, Nk), True where a query's key is deleted from the model's
        *input*, -> the quantity (n,) computed again, for the n examined queries in order. Called with
        nothing deleted, with the claimed keys deleted, and with random sets.
    name : str
        The claim in words, to be followed by the verdict.
    caution : str
        What must be assumed, said in every verdict ("assuming no hidden driver and stationarity").
    measure : str
        What the weight on the claimed keys is called in the sentence: "mass", "share of listening".
    what, unit : str
        What the quantity is, and its unit: "the nowcast", "percentage points".
    seed : int
        Draws the 256 queries that are examined where there are more.

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
    seed: int = 0
    head: Any = None
    delete: Callable[[np.ndarray], np.ndarray] | None = None
    measure: str = "mass"
    what: str = "the output"
    unit: str = ""

    def __post_init__(self):
        if not isinstance(self.weights, Weights):
            raise InputError(
                f"Claim(weights) is a {type(self.weights).__name__}, Weights were expected",
                remedy="make them with Weights(q, k)",
            )
        nq, nk = self.weights.shape[-2:]
        put = partial(object.__setattr__, self)  # the record is frozen, its fields are made uniform once
        queries = indices(
            np.asarray(self.queries) if not isinstance(self.queries, range) else list(self.queries),
            "Claim(queries)",
        ).numpy()
        asked = np.asarray(self.queries)
        if asked.dtype == bool and asked.shape != (nq,):
            raise InputError(f"Claim(queries) has shape {asked.shape}, ({nq},) was expected")
        if queries.size == 0:
            raise InputError("Claim(queries) names no query")
        if queries.min() < 0 or queries.max() >= nq:
            raise InputError(f"Claim(queries) runs from {queries.min()} to {queries.max()}, there are {nq}")
        queries = queries[np.sort(np.unique(queries, return_index=True)[1])]  # named twice, it is one query
        if queries.size > ITEMS:
            chosen = np.random.default_rng(self.seed).choice(queries.size, ITEMS, replace=False)
            queries = queries[np.sort(chosen)]
        put("queries", queries)
        put("keys", self._sets(self.keys, nq, nk, "Claim(keys)"))
        null = Null(self.null) if isinstance(self.null, str) else self.null
        put("null", Null("label") if null is None else null)
        self.null.check(nk)
        if self.family is not None:
            family = np.asarray(self.family)
            whole = family.dtype.kind in "iu"
            if family.dtype != bool and not whole:
                raise InputError(f"Claim(family) holds {family.dtype}, masks or whole numbers were expected")
            first = () if whole else (len(family),)
            if family.shape not in ((*first, nk), (*first, nq, nk)):
                raise InputError(
                    f"Claim(family) has shape {family.shape}, {(*first, nk)} or {(*first, nq, nk)} was "
                    "expected"
                )
            if not (family >= 0 if whole else family).any():
                raise InputError("Claim(family) holds no cell")
            per_query = family.ndim == len(first) + 2
            put("family", family[..., queries, :] if per_query else family)
        if self.head is not None:
            lead = self.weights.shape[:-2]
            head = np.atleast_1d(self.head)
            if len(head) != len(lead) or not all(0 <= h < n for h, n in zip(head, lead, strict=True)):
                raise InputError(f"Claim(head) is {self.head}; the weights' leading shape is {lead}")
            put("head", int(np.ravel_multi_index(tuple(head), lead)))
        if self.values is not None and not np.isfinite(self._values).all():
            raise InputError("Claim(values) holds numbers that are not finite")

    def _sets(self, keys: Any, nq: int, nk: int, name: str) -> np.ndarray:
        """The claimed keys as a boolean array (queries, Nk)."""
        array = np.asarray(list(keys) if isinstance(keys, range) else keys)
        if array.dtype == bool and array.ndim == 2:
            if array.shape != (nq, nk):
                raise InputError(f"{name} has shape {array.shape}, ({nq}, {nk}) was expected")
            chosen = array[self.queries]
        else:
            if array.dtype == bool and array.shape != (nk,):
                raise InputError(f"{name} has shape {array.shape}, ({nk},) or ({nq}, {nk}) was expected")
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
    def all_scores(self) -> tuple[np.ndarray, np.ndarray]:
        """Content scores and priors' log-weights (items, Nk) in float64; items are leads x queries."""
        with torch.no_grad():
            problem = self.weights._problem().to(torch.float64)
            base, lead, nk = problem.without_content(), problem.lead, problem.nk
            if problem.sink is not None:  # a sink is a key that is never claimed and never permuted
                raise InputError(
                    "claims about weights with a sink are not tested", remedy="leave the sink out"
                )
            pick = torch.as_tensor(self.queries, device=problem.q.device)
            content = problem.q[..., pick, :] @ problem.k.mT
            cuts = np.flatnonzero(np.diff(self.queries) != 1) + 1  # runs of neighbours are read at once
            runs = [slice(int(run[0]), int(run[-1]) + 1) for run in np.split(self.queries, cuts)]
            prior = [base.logits(run, slice(0, nk)) for run in runs]
            size = [run.stop - run.start for run in runs]
            wide = [p.expand(*p.shape[:-2], n, nk) for p, n in zip(prior, size, strict=True)]
            shape = (*lead, len(pick), nk)
            content = content.expand(shape).reshape(-1, nk)
            prior = torch.cat(wide, -2).expand(shape).reshape(-1, nk)
        return content.numpy(force=True), prior.numpy(force=True)

    @cached_property
    def all_rows(self) -> np.ndarray:
        """The examined rows of P in all heads (items, Nk)."""
        content, prior = self.all_scores
        return softmax(content + prior)

    @property
    def all_leads(self) -> int:
        """How many leading elements (heads, batches) the weights have."""
        return int(np.prod(self.weights.shape[:-2], dtype=int))

    @property
    def leads(self) -> int:
        """How many of them the claim is about."""
        return 1 if self.head is not None else self.all_leads

    def _of_head(self, items: np.ndarray) -> np.ndarray:
        if self.head is None:
            return items
        n = len(self.queries)
        return items[self.head * n : (self.head + 1) * n]

    @cached_property
    def scores(self) -> tuple[np.ndarray, np.ndarray]:
        """Content and prior scores (items, Nk) of the head claimed, or of all."""
        content, prior = self.all_scores
        return self._of_head(content), self._of_head(prior)

    @property
    def rows(self) -> np.ndarray:
        """The examined rows of P (items, Nk) of the head claimed, or of all."""
        return self._of_head(self.all_rows)

    @cached_property
    def allowed(self) -> np.ndarray:
        """Which keys each item may attend to (items, Nk)."""
        return np.isfinite(self.scores[1])

    @cached_property
    def live(self) -> np.ndarray:
        """Which items may attend to anything (items,); the others say nothing and are left out."""
        return self.allowed.any(-1)

    @property
    def n(self) -> int:
        """Queries that may attend to anything."""
        return int(self.live.reshape(self.leads, -1).any(0).sum())

    @cached_property
    def claimed(self) -> np.ndarray:
        """The claimed keys per item (items, Nk)."""
        return np.tile(self.keys, (self.leads, 1))

    @property
    def _values(self) -> np.ndarray:
        given = isinstance(self.values, torch.Tensor)
        v = self.values.detach().to("cpu", torch.float64).numpy() if given else np.asarray(self.values, float)
        v = v[:, None] if v.ndim == 1 else v
        groups = self.weights._groups  # heads of queries that share a head of keys share its values
        return v.repeat(groups, -3) if groups > 1 and v.ndim >= 3 and v.shape[-3] > 1 else v

    @cached_property
    def item_values(self) -> np.ndarray | None:
        """Values (leads, Nk, Dv) in float64."""
        if self.values is None:
            return None
        v = self._values
        lead, nk = self.weights.shape[:-2], self.weights.shape[-1]
        if v.shape[-2] != nk:
            raise InputError(f"Claim(values) has {v.shape[-2]} rows, there are {nk} keys")
        try:
            wide = np.broadcast_to(v, (*lead, *v.shape[-2:])).reshape(self.all_leads, *v.shape[-2:])
        except ValueError:
            raise InputError(f"Claim(values) is {v.shape}, the weights are {self.weights.shape}") from None
        return wide if self.head is None else wide[self.head : self.head + 1]

    def outputs(self, rows: np.ndarray) -> np.ndarray:
        """P V for given rows (items, Nk) -> (items, Dv)."""
        v = self.item_values
        split = rows.reshape(self.leads, -1, rows.shape[-1])
        return (split @ v).reshape(-1, v.shape[-1])

    def change(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """How much the quantity moves (items,) between two outputs (items, Dv)."""
        if self.quantity is None:
            return np.linalg.norm(before - after, axis=-1)
        return np.abs(self.measured(before) - self.measured(after))

    def measured(self, out: np.ndarray) -> np.ndarray:
        """The quantity (items,) of outputs (items, Dv)."""
        return one_each(self.quantity(out), len(out), "Claim(quantity)")


def one_each(found: Any, n: int, name: str) -> np.ndarray:
    """What a function of the user gave, if it is one finite number for each of ``n``."""
    found = np.asarray(found, float)
    if found.shape != (n,):
        raise InputError(f"{name} gave shape {found.shape}, one number for each of {n} was expected")
    if not np.isfinite(found).all():
        raise InputError(
            f"{name} gave a number that is not finite, for {int((~np.isfinite(found)).sum())} of {n}"
        )
    return found


def softmax(logits: np.ndarray) -> np.ndarray:
    """Rows that sum to 1, or are 0 where nothing is allowed."""
    top = logits.max(-1, keepdims=True, initial=-np.inf)
    e = np.exp(logits - np.where(np.isfinite(top), top, 0.0))
    total = e.sum(-1, keepdims=True)
    return np.divide(e, total, out=np.zeros_like(e), where=total > 0)
