"""PyTorch's own fast path: one opaque operator per layer, read from what goes into it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import InputError
from .asked import Asked

OPERATORS = ("aten::_transformer_encoder_layer_fwd", "aten::_native_multi_head_attention")


def from_native(func: Any, args: tuple, kwargs: dict[str, Any]) -> Asked:
    """What a fast-path operator attends with; its queries and keys are projected again, for reading alone.

    ``nn.TransformerEncoderLayer`` and ``nn.MultiheadAttention`` go to these operators in evaluation
    without gradients. Turning the fast path off would change the last bits of the model's output.

    Raises
    ------
    InputError
        If the tensors are nested: ``nn.TransformerEncoder`` packs padded batches so.
    """
    names = [a.name for a in func._schema.arguments]
    given = dict(zip(names, args, strict=False)) | kwargs
    encoder = "src" in given
    query = given["src"] if encoder else given["query"]
    key = query if encoder else given["key"]
    if query.is_nested or key.is_nested:
        raise InputError(
            "the encoder packed the padded batch into nested tensors",
            remedy="build nn.TransformerEncoder(..., enable_nested_tensor=False), or call "
            "torch.backends.mha.set_fastpath_enabled(False)",
        )
    embed, heads = given["embed_dim"], given.get("num_heads", given.get("num_head"))
    if encoder and given["norm_first"]:
        norm = (given["norm_weight_1"], given["norm_bias_1"], given["eps"])
        query = key = F.layer_norm(query, (embed,), *norm)
    weight, bias = given["qkv_weight"], given["qkv_bias"]
    q = _heads(F.linear(query, weight[:embed], bias[:embed]), heads)
    k = _heads(F.linear(key, weight[embed : 2 * embed], bias[embed : 2 * embed]), heads)
    source = key if encoder else given["value"]
    v = _heads(F.linear(source, weight[2 * embed :], bias[2 * embed :]), heads)
    notes = ("read beside PyTorch's fast path: queries and keys projected again",)
    return Asked(q, k, v, _keep(given.get("mask"), given.get("mask_type")), notes=notes)


def _heads(x: Tensor, heads: int) -> Tensor:
    """(B, N, H d) as (B, H, N, d)."""
    return x.unflatten(-1, (heads, -1)).transpose(-3, -2)


def _keep(mask: Tensor | None, kind: int | None) -> Tensor | None:
    """The operator's mask as one of what is kept; it takes every number but 0 for "excluded"."""
    if mask is None:
        return None
    keep = ~mask.to(torch.bool)
    return keep[:, None, None, :] if kind == 1 else keep
