"""What one attention call was asked, in the core's terms: queries, keys, priors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..attention import Bias, Causal, Mask, Weights
from ..errors import InputError

PARAMETERS = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale", "enable_gqa")


@dataclass(frozen=True, eq=False)
class Asked:
    """One call of an attention kernel, read but not yet weighed.

    Parameters
    ----------
    q, k, v : Tensor (..., Nq, D), (..., Nk, D), (..., Nk, Dv)
    mask : Tensor, optional
        Boolean (True = keep) or added to the scores, as PyTorch's ``attn_mask``.
    causal : int, optional
        Offset of a causal mask; PyTorch's ``is_causal`` is aligned to the upper left corner, offset 0.
    scale : float, optional
    sink : Tensor (..., Nq, 1), optional
    dropout : float
        What the model dropped of the weights; readings are of the weights before that.
    """

    q: Tensor
    k: Tensor
    v: Tensor | None = None
    mask: Tensor | None = None
    causal: int | None = None
    scale: float | None = None
    sink: Tensor | None = None
    dropout: float = 0.0
    notes: tuple[str, ...] = ()

    def held(self, *, detach: bool, keep: bool) -> Asked:
        """The same, off the model's graph, and copied where later in-place changes could not be noticed."""

        def hold(t: Tensor | None) -> Tensor | None:
            if t is None:
                return None
            t = t.detach() if detach else t
            return t.clone() if keep and t.is_inference() else t

        return replace(self, **{n: hold(getattr(self, n)) for n in ("q", "k", "v", "mask", "sink")})

    def weigh(self) -> Weights:
        """The :class:`~heedful.Weights` of this call; nothing is computed."""
        priors: list[Any] = []
        q, mask = _surfaced(self.q, self.mask) if self.sink is None else (self.q, self.mask)
        if self.causal is not None:
            priors.append(Causal(self.causal))
        if mask is not None:
            priors.append(Mask(mask) if mask.dtype == torch.bool else Bias(mask))
        heads = q.ndim >= 3 and self.k.ndim >= 3 and q.shape[-3] != self.k.shape[-3]
        shared = heads and self.k.shape[-3] > 1
        return Weights(q, self.k, priors, scale=self.scale, sink=self.sink, gqa=shared)

    @property
    def versions(self) -> tuple[int, ...]:
        """Version counters of all tensors that the weights are made of."""
        held = (self.q, self.k, self.mask, self.sink)
        return tuple(0 if t is None or t.is_inference() else t._version for t in held)


def _surfaced(q: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Queries all of whose keys are "masked" by a large finite number, with that number taken out.

    Models mask with finfo.min instead of -inf. In a row where nothing else is left the number drowns the
    scores (s + min rounds to min) and the model averages its keys evenly; a constant per row changes no
    weight, but lse ~ -3e38 would keep no digit. So the row's largest number is subtracted, and its
    queries are set to 0 where they were drowned.
    """
    if mask is None or mask.dtype == torch.bool or not mask.shape[-1]:
        return q, mask
    top = mask.detach().amax(-1, keepdim=True)
    low = (top < -1e4) & (top > -torch.inf)
    if not bool(low.any()):
        return q, mask
    mask = torch.where(low, mask - top.where(low, torch.zeros_like(top)), mask)
    return torch.where(low & (top < -1e30), torch.zeros((), dtype=q.dtype, device=q.device), q), mask


def from_call(args: tuple, kwargs: dict[str, Any]) -> Asked:
    """What ``F.scaled_dot_product_attention(*args, **kwargs)`` asks.

    Raises
    ------
    InputError
        If it asks for something that would be read wrongly: an argument that is not known here (a softcap,
        sinks), or nested tensors.
    """
    given = dict(zip(PARAMETERS, args, strict=False)) | kwargs
    unknown = sorted(set(given) - set(PARAMETERS)) + [f"argument {n}" for n in range(8, len(args))]
    if unknown:
        raise InputError(
            f"the kernel was given {', '.join(unknown)}, which heedful does not know and cannot read past"
        )
    q, k, v, mask = (given.get(name) for name in PARAMETERS[:4])
    if any(getattr(t, "is_nested", False) for t in (q, k, v)):
        raise InputError("queries or keys are nested (ragged) tensors", remedy="pad them, with a mask")
    causal = 0 if given.get("is_causal") else None
    variant = getattr(mask, "variant", None)  # torch.nn.attention.bias.CausalBias is a mask by name alone
    if variant is not None:
        lower = "LOWER_RIGHT" in str(variant.name)
        causal, mask = (k.shape[-2] - q.shape[-2] if lower else 0), None
    asked = Asked(q, k, v, mask, causal, given.get("scale"), dropout=float(given.get("dropout_p") or 0.0))
    return autocast(asked)


def from_operator(func: Any, args: tuple, kwargs: dict[str, Any]) -> Asked:
    """What a fused attention operator (``aten::_scaled_dot_product_*``) asks, by the names in its schema."""
    names = [a.name for a in func._schema.arguments]
    given = dict(zip(names, args, strict=False)) | kwargs
    given["attn_mask"] = given.pop("attn_bias", None) if "attn_bias" in names else given.get("attn_mask")
    return from_call((), {name: given[name] for name in PARAMETERS if name in given})


def autocast(asked: Asked) -> Asked:
    """In the precision that autocast gives the kernel, so that what is read is what was computed."""
    device = asked.q.device.type
    if not torch.is_autocast_enabled(device) or asked.q.dtype == torch.float64:
        return asked
    dtype = torch.get_autocast_dtype(device)
    return replace(asked, q=asked.q.to(dtype), k=asked.k.to(dtype))


def unpacked(asked: Asked, module: Any) -> Asked:
    """Heads back where they belong, where a module has folded them away.

    Hugging Face's decoding step hands the query heads that share a key head over as that many *queries*
    ((B, kv heads, heads / kv heads, D) for one token), and nn.MultiheadAttention may fold heads into the
    batch ((B * heads, N, D)). Read as they stand, heads would be taken for tokens, or for patients.
    """
    groups = getattr(module, "num_key_value_groups", 1)
    total = getattr(getattr(module, "config", None), "num_attention_heads", None)
    q, k, mask = asked.q, asked.k, asked.mask
    if isinstance(groups, int) and groups > 1 and q.ndim == 4:
        b, heads, n, d = q.shape
        if heads == k.shape[1] and n == groups and heads * groups == total:
            if mask is not None and mask.ndim == 4 and mask.shape[1] > 1:
                mask = mask.reshape(mask.shape[0], total, 1, mask.shape[-1])
            return replace(asked, q=q.reshape(b, total, 1, d), mask=mask)
    if isinstance(module, torch.nn.MultiheadAttention) and q.ndim <= 3:
        lead = torch.broadcast_shapes(q.shape[:-2], () if mask is None else mask.shape[:-2])
        heads = module.num_heads
        if len(lead) == 1 and lead[0] % heads == 0:
            return replace(
                asked,
                **{n: _unfold(getattr(asked, n), lead[0], heads) for n in ("q", "k", "v", "mask", "sink")},
            )
    return asked


def _unfold(t: Tensor | None, lead: int, heads: int) -> Tensor | None:
    if t is None or t.ndim != 3 or t.shape[0] != lead:
        return t
    return t.reshape(lead // heads, heads, *t.shape[1:])


def from_scores(
    logits: Tensor, v: Tensor | None, *, sink: bool, dropout: float, notes: tuple[str, ...]
) -> Asked:
    """A softmax that the model has written out: its scores are the prior, its content is nothing."""
    outlet = logits[..., -1:] if sink else None
    logits = logits[..., :-1] if sink else logits
    dtype = logits.dtype if logits.dtype == torch.float64 else torch.float32
    nq, nk = logits.shape[-2:]
    return Asked(
        logits.new_zeros((nq, 1), dtype=dtype),
        logits.new_zeros((nk, 1), dtype=dtype),
        v,
        logits.to(dtype),
        sink=None if outlet is None else outlet.to(dtype),
        dropout=dropout,
        notes=notes,
    )
