"""Attention that a model writes out itself: a softmax whose result multiplies values."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from .asked import Asked, from_scores

SOFTMAX = ("aten::_softmax", "aten::_safe_softmax")
# operators that pass the weights on as they are
_SAME = {
    "aten::view", "aten::_unsafe_view", "aten::reshape", "aten::_reshape_alias", "aten::expand",
    "aten::clone", "aten::_to_copy", "aten::to", "aten::contiguous", "aten::transpose", "aten::permute",
    "aten::unsqueeze", "aten::squeeze", "aten::alias", "aten::detach", "aten::select", "aten::t",
    "aten::lift_fresh", "aten::dropout",
}  # fmt: skip
_PRODUCTS = {"aten::bmm": 0, "aten::mm": 0, "aten::matmul": 0, "aten::mv": 0}
# changed weights: what multiplied the values is not the softmax
_CHANGES = {"aten::mul", "aten::masked_fill", "aten::div", "aten::add", "aten::where", "aten::pow"}


@dataclass(eq=False)
class Pending:
    """A softmax seen, waiting for the product with values that makes it an attention."""

    logits: Tensor
    layer: Any  # the module, its name, its depth
    version: int
    tensors: list[Tensor] = field(default_factory=list)  # the weights, under all their names: kept alive
    dropout: float = 0.0
    sink: bool = False
    changed: str = ""
    notes: tuple[str, ...] = ()


class Written:
    """Follows the result of each softmax over the last dimension until it multiplies something.

    A softmax over classes, experts or positions that multiplies nothing is not an attention; one that
    does is a weighted mean, which is what attention is. The scores are the model's own, read in place.
    """

    def __init__(self):
        self.pending: list[Pending] = []
        self._where: dict[int, Pending] = {}  # address of the weights -> whose they are
        self._noise: dict[int, tuple[Tensor, float]] = {}  # dropout masks, and the share they keep

    def softmax(self, args: tuple, out: Tensor, layer: Any) -> None:
        """Note a softmax over the last dimension of a matrix (or more)."""
        logits, dim = args[0], args[1]
        if logits.ndim < 2 or dim % logits.ndim != logits.ndim - 1 or logits.is_nested:
            return
        version = 0 if logits.is_inference() else logits._version
        found = Pending(logits, layer, version)
        self.pending.append(found)
        self._also(found, out)

    def follow(
        self, name: str, func: Any, args: tuple, kwargs: dict, out: Any
    ) -> tuple[Pending, Asked | str] | None:
        """What an operator does with weights that are waiting; a finished attention, where it is one.

        Returns
        -------
        (Pending, Asked) for a product with values, (Pending, str) for one that cannot be read, with why.
        """
        if name == "aten::bernoulli_" and self.pending:
            kept = args[1] if len(args) > 1 else kwargs.get("p", 0.5)
            if isinstance(kept, float):
                self._noise[args[0].data_ptr()] = (args[0], kept)
            return None
        self._overwritten(name, func, args, kwargs)
        tensors = [a for a in args if isinstance(a, Tensor)]
        if not self._where or not tensors:
            return None
        at = next((n for n, t in enumerate(tensors) if _address(t) in self._where), None)
        if at is None:
            return None
        found, mine = self._where[_address(tensors[at])], tensors[at]
        if name in _PRODUCTS and len(tensors) == 2:
            return self._product(found, mine, tensors[1 - at], at)
        if name in _SAME:
            if _laid_out_anew(mine, out, found.logits.shape[-1]):
                found.changed = "transposed"
            self._also(found, out)
        elif name == "aten::nan_to_num" and (len(args) < 2 or not args[1]) and not kwargs.get("nan"):
            self._also(found, out)  # a row without any key becomes 0, which is how it is read
        elif name == "aten::slice":
            self._slice(found, mine, args, out)
        elif name == "aten::native_dropout":
            found.dropout = float(args[1]) if len(args) < 3 or args[2] is not False else 0.0
            self._also(found, out[0])
        elif name in ("aten::mul", "aten::mul_") and len(tensors) == 2 and self._is_noise(tensors[1 - at]):
            found.dropout = 1.0 - self._noise[tensors[1 - at].data_ptr()][1]
            self._also(found, out)
        elif name.removesuffix("_") in _CHANGES and isinstance(out, Tensor) and out.is_floating_point():
            found.changed = name.removeprefix("aten::")
            self._also(found, out)
        return None

    def _overwritten(self, name: str, func: Any, args: tuple, kwargs: dict) -> None:
        """Weights that an operator writes on are no longer what the softmax gave; dropout is told apart."""
        schema = getattr(func, "_schema", None)
        if schema is None or not self._where:
            return
        given = [*zip(schema.arguments, args, strict=False)]
        given += [(a, kwargs[a.name]) for a in schema.arguments if a.name in kwargs]
        for argument, t in given:
            if argument.alias_info is None or not argument.alias_info.is_write or not isinstance(t, Tensor):
                continue
            found = self._where.get(_address(t))
            noise = name == "aten::mul_" and isinstance(args[1], Tensor) and self._is_noise(args[1])
            if found is not None and not noise and name != "aten::nan_to_num_":
                found.changed = name.removeprefix("aten::")

    def close(self, depth: int) -> list[Pending]:
        """Give up what was seen in modules deeper than this; returns what was never multiplied."""
        gone = [p for p in self.pending if p.layer.depth > depth]
        for found in gone:
            self._forget(found)
        return gone

    def _product(
        self, found: Pending, mine: Tensor, other: Tensor, at: int
    ) -> tuple[Pending, Asked | str] | None:
        keys = found.logits.shape[-1] - found.sink
        side = -1 if at == 0 else -2  # contracted over the keys, which lie side by side in memory
        if mine.ndim < 2 or mine.shape[side] != keys or (keys > 1 and mine.stride(side) != 1):
            return None  # over the queries: a column sum or a gradient, not the weighted mean
        self._forget(found)
        if found.changed:
            return (
                found,
                f"its weights were changed after the softmax ({found.changed})",
            )
        if not found.logits.is_inference() and found.logits._version != found.version:
            return found, "the scores were changed in place after the softmax"
        weights, v = (mine, other) if at == 0 else (mine.mT, other.mT)
        v = _values_of(found, weights, v[:, None] if v.ndim == 1 else v)
        notes = ("read in place",) if v is not None else ("read in place", "its values could not be told")
        return found, from_scores(found.logits, v, sink=found.sink, dropout=found.dropout, notes=notes)

    def _slice(self, found: Pending, mine: Tensor, args: tuple, out: Tensor) -> None:
        dim = (args[1] if len(args) > 1 else 0) % mine.ndim
        if out.shape == mine.shape:
            self._also(found, out)
        elif dim == mine.ndim - 1 and out.shape[-1] == found.logits.shape[-1] - 1 and (args[2] or 0) == 0:
            found.sink = True  # one more outcome that carries no value
            self._also(found, out)

    def _is_noise(self, t: Tensor) -> bool:
        return t.data_ptr() in self._noise

    def _also(self, found: Pending, out: Any) -> None:
        if isinstance(out, Tensor) and _address(out):
            found.tensors.append(out)
            self._where[_address(out)] = found

    def _forget(self, found: Pending) -> None:
        self.pending.remove(found)
        self._where = {a: p for a, p in self._where.items() if p is not found}
        if not self.pending:
            self._noise.clear()


def _values_of(found: Pending, weights: Tensor, v: Tensor) -> Tensor | None:
    """The values as the softmax has its heads, where what is multiplied is all of it, in its own order.

    A model may fold heads into the batch, or share values among heads by folding them into the queries; both
    are unfolded. Of a part (one head, some queries) or of heads in another order the weights are still read,
    but whose values these are cannot be told: None.
    """
    lead, nq = found.logits.shape[:-2], found.logits.shape[-2]
    keys = found.logits.shape[-1] - found.sink
    try:
        same = weights.view(*lead, nq, keys)
    except RuntimeError:  # a part, or a view in another order
        return None
    if not _same_rows(found, same):
        return None
    if weights.shape == same.shape:
        return v
    folded = math.prod(weights.shape[:-2])
    for s in range(len(lead), -1, -1):
        if math.prod(lead[:s]) == folded and v.numel() == folded * keys * v.shape[-1]:
            return v.reshape(*lead[:s], *(1,) * (len(lead) - s), keys, v.shape[-1])
    return None


def _same_rows(found: Pending, weights: Tensor) -> bool:
    """True where the last and the middle query of each head have the softmax's weights, or dropped ones."""
    rows = [found.logits.shape[-2] - 1, found.logits.shape[-2] // 2]
    logits = found.logits.detach()[..., rows, :]
    want = (logits if logits.dtype == torch.float64 else logits.float()).softmax(-1)
    want, got = want[..., : weights.shape[-1]].nan_to_num(0.0), weights.detach()[..., rows, :]
    near = torch.isclose(
        got.to(want.dtype) * (1.0 - found.dropout), want, rtol=8 * torch.finfo(got.dtype).eps, atol=1e-6
    )
    return bool((near | (got == 0) if found.dropout else near).all())


def _laid_out_anew(before: Tensor, after: Any, keys: int) -> bool:
    """True where a copy no longer has the keys side by side: what is multiplied next is the transpose."""
    if not isinstance(after, Tensor) or keys < 2 or _address(after) == _address(before):
        return False
    if after.shape != before.shape:
        return False
    along = [d for d in range(before.ndim) if before.shape[d] == keys and before.stride(d) == 1]
    return bool(along) and all(after.stride(d) != 1 for d in along)


def _address(t: Tensor) -> int:
    """Where the tensor's storage lies, 0 where it has none."""
    if t.is_nested or t.layout != torch.strided or isinstance(t, torch.nn.Parameter) or not t.numel():
        return 0
    return t.untyped_storage().data_ptr()
