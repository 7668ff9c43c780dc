"""Whole models, held to a softmax by brute force: decoders with cross attention, shared key heads, masks
that are added."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from heedful import watch

from .cases import random, seeded

LOW = torch.finfo(torch.float32).min


def _heads(layer, x, heads):
    return layer(x).unflatten(-1, (heads, -1)).transpose(1, 2)


def _softmax(q, k, scale, mask=None):
    scores = q.double() @ k.double().mT * scale
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else scores + mask.double()
    return scores.softmax(-1)


def _worst(call, want):
    return float((call.weights.rows(range(call.shape[-2])) - want).abs().max())


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("how", ["none", "bool", "float", "hint"])
def test_a_decoder_with_cross_attention(how, train):
    model = seeded(
        lambda: nn.TransformerDecoder(nn.TransformerDecoderLayer(16, 4, 32, 0.0, batch_first=True), 2)
    ).train(train)
    causal = torch.ones(5, 5).tril().bool()
    masks = {"none": None, "bool": ~causal}
    mask = masks.get(how, torch.zeros(5, 5).masked_fill(~causal, -math.inf))
    padding = torch.arange(7) >= torch.tensor([[7], [5]])
    given = {"tgt_mask": mask, "memory_key_padding_mask": padding}
    given |= {"tgt_is_causal": True} if how == "hint" else {}
    x, memory, inputs = random(2, 5, 16), random(2, 7, 16, seed=1), {}
    with torch.set_grad_enabled(train):
        alone = model(x, memory, **given)
        with watch(model, keep=True) as seen:
            out = model(x, memory, **given)
        for name, module in model.named_modules():
            module.register_forward_pre_hook(lambda m, a, n=name: inputs.__setitem__(n, a))
        model(x, memory, **given)
    assert torch.equal(alone, out) and len(seen) == 4
    for call in seen:
        own, (queries, keys) = model.get_submodule(call.layer), inputs[call.layer][:2]
        w, b = own.in_proj_weight.detach(), own.in_proj_bias.detach()
        q = F.linear(queries.detach(), w[:16], b[:16]).unflatten(-1, (4, 4)).transpose(1, 2)
        k = F.linear(keys.detach(), w[16:32], b[16:32]).unflatten(-1, (4, 4)).transpose(1, 2)
        kept = None if how == "none" else causal
        kept = ~padding[:, None, None] if call.layer.endswith("multihead_attn") else kept
        assert _worst(call, _softmax(q, k, 0.5, kept)) < 1e-5


class SharedHeads(nn.Module):
    """Eight query heads on `shared` key heads, causal from the upper left, by PyTorch's own kernel."""

    def __init__(self, shared):
        super().__init__()
        self.shared = shared
        self.q, self.k, self.v = nn.Linear(16, 32), nn.Linear(16, 4 * shared), nn.Linear(16, 4 * shared)

    def forward(self, x, y):
        q = _heads(self.q, x, 8)
        k, v = _heads(self.k, y, self.shared), _heads(self.v, y, self.shared)
        causal = torch.ones(q.shape[-2], k.shape[-2]).tril().bool()
        self.want = _softmax(q, k.repeat_interleave(8 // self.shared, 1), 0.9, causal).detach()
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True, scale=0.9)


@pytest.mark.parametrize("shared", [1, 2, 8])
@pytest.mark.parametrize("shape", [(6, 6), (4, 7), (7, 4), (1, 5)])
def test_shared_key_heads_with_a_causal_mask_and_a_scale(shared, shape):
    model = seeded(lambda: SharedHeads(shared))
    with watch(model, keep=True) as seen:
        model(random(3, shape[0], 16), random(3, shape[1], 16, seed=1))
    assert seen[0].shape == (3, 8, *shape)
    assert _worst(seen[0], model.want) < 1e-5
    assert float((seen[0].r.columns - model.want.sum(-2)).abs().max()) < 1e-5


class AddedMask(nn.Module):
    """As models of Hugging Face write it: grouped keys repeated, a mask of finfo.min added to the scores."""

    def __init__(self, how):
        super().__init__()
        self.how, self.num_key_value_groups = how, 2
        self.q, self.k, self.v = nn.Linear(32, 32), nn.Linear(32, 16), nn.Linear(32, 16)

    def forward(self, x, mask):
        q, k, v = (
            _heads(self.q, x, 4),
            *(
                _heads(layer, x, 2)[:, :, None].expand(-1, -1, 2, -1, -1).flatten(1, 2)
                for layer in (self.k, self.v)
            ),
        )
        self.want, self.values = _softmax(q, k, 8**-0.5, mask).detach(), v.detach()
        if self.how == "sdpa":
            return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        scores = q @ k.mT * 8**-0.5 + mask
        if self.how == "in place":
            scores = (q @ k.mT).mul_(8**-0.5).add_(mask)
        weights = F.softmax(scores, dim=-1, dtype=torch.float32).to(q.dtype)
        if self.how == "einsum":
            return torch.einsum("bhqk,bhkd->bqhd", F.dropout(weights, 0.1, self.training), v)
        return F.dropout(weights, 0.1, self.training) @ v


@pytest.mark.parametrize("how", ["sdpa", "eager", "einsum", "in place"])
@pytest.mark.parametrize("n", [2, 6])
@pytest.mark.parametrize("masked", ["causal", "padded on the left", "by row"])
def test_a_mask_added_to_the_scores(how, n, masked):
    mask = torch.full((3, 1, n, n), LOW).triu(1)
    if masked != "causal":
        mask[1, ..., : n // 2] = LOW  # leaves rows without any key: they attend evenly, as the model computes
    mask = mask[:, :, -1:] if masked == "by row" else mask
    model = seeded(lambda: AddedMask(how)).eval()
    with torch.no_grad(), watch(model, keep=True) as seen:
        model(random(3, n, 32), mask)
    assert _worst(seen[0], model.want) < 1e-5
    assert torch.equal(seen[0].v, model.values)
