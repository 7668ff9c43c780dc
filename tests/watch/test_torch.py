"""PyTorch's own modules and plain code: what is read against softmax(scores), outputs bit for bit."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.attention.bias import causal_lower_right, causal_upper_left

from heedful import watch

from .cases import Attention, Written, WrittenAttention, oracle, random, seeded

Q, K, V = random(2, 4, 5, 8), random(2, 4, 7, 8, seed=1), random(2, 4, 7, 6, seed=2)
LOWER = torch.ones(5, 7, dtype=torch.bool).tril()
BIAS = random(4, 5, 7, seed=3)


def excluded(keep):
    return torch.zeros(keep.shape).masked_fill(~keep, -torch.inf)


@pytest.mark.parametrize(
    ("how", "bias", "scale"),
    [
        ({}, 0.0, None),
        ({"scale": 0.3}, 0.0, 0.3),
        ({"is_causal": True}, excluded(LOWER), None),  # PyTorch aligns it to the upper left corner
        ({"attn_mask": LOWER}, excluded(LOWER), None),
        ({"attn_mask": BIAS}, BIAS, None),
        ({"attn_mask": excluded(LOWER)}, excluded(LOWER), None),
        ({"attn_mask": causal_upper_left(5, 7)}, excluded(LOWER), None),
        (
            {"attn_mask": causal_lower_right(5, 7)},
            excluded(torch.ones(5, 7, dtype=torch.bool).tril(2)),
            None,
        ),
    ],
)
def test_every_argument_of_the_kernel(how, bias, scale):
    model = Attention()
    alone = model(Q, K, V, **how)
    with watch(model, keep=True) as seen:
        out = model(Q, K, V, **how)
    assert torch.equal(alone, out)
    p = oracle(Q, K, bias, scale)
    assert float((seen[0].weights.rows(range(5)) - p).abs().max()) < 1e-5
    assert float((seen[0].r.columns - p.sum(-2)).abs().max()) < 1e-5


@pytest.mark.parametrize("guard", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_a_kernel_imported_under_its_own_name(guard):
    kernel = F.scaled_dot_product_attention

    class OwnAttention(nn.Module):
        def forward(self, q, k, v):
            return kernel(q, k, v, is_causal=True)

    model = OwnAttention()
    square = (Q, K[..., :5, :], V[..., :5, :])
    with guard():
        alone = model(*square)
        with watch(model, keep=True) as seen:
            out = model(*square)
    assert torch.equal(alone, out) and len(seen) == 1
    p = oracle(Q, K[..., :5, :], excluded(LOWER[:, :5]))
    assert float((seen[0].weights.rows(range(5)) - p).abs().max()) < 1e-5


def test_rows_that_a_finite_mask_drowns():
    """finfo.min for -inf: a row with nothing else left is averaged evenly by the kernel, and read so."""
    mask = torch.zeros(2, 1, 5, 7).masked_fill(~LOWER, torch.finfo(torch.float32).min)
    mask[1, 0, 2] = torch.finfo(torch.float32).min
    model = Attention()
    with watch(model, keep=True) as seen:
        out = model(Q, K, V, attn_mask=mask)
    p = (Q @ K.mT / math.sqrt(8) + mask).softmax(-1)
    W = seen[0].weights
    assert float((p[1, :, 2] - 1 / 7).abs().max()) < 1e-6
    assert float((W.rows(range(5)) - p).abs().max()) < 1e-5
    assert float((W.columns() - p.sum(-2)).abs().max()) < 1e-5
    assert float((W @ V - out).abs().max()) < 1e-5


def test_rows_with_no_key_left():
    keep = LOWER.clone()
    keep[3] = False
    model = Attention()
    with watch(model, keep=True) as seen:
        out = model(Q, K, V, attn_mask=keep)
    assert bool(seen[0].r.empty[..., 3].all()) and float(seen[0].weights.rows([3]).abs().max()) == 0.0
    assert float((seen[0].weights @ V - out).abs().max()) < 1e-5


def test_shared_key_heads():
    model = Attention()
    with watch(model, keep=True) as seen:
        out = model(Q, K[:, :2], V[:, :2], enable_gqa=True)
    assert torch.equal(out, model(Q, K[:, :2], V[:, :2], enable_gqa=True))
    p = oracle(Q, K[:, :2].repeat_interleave(2, 1))
    assert float((seen[0].weights.rows(range(5)) - p).abs().max()) < 1e-5


@pytest.mark.parametrize("guard", [torch.no_grad, torch.inference_mode, torch.enable_grad])
@pytest.mark.parametrize("need_weights", [True, False])
def test_multihead_attention(guard, need_weights):
    layer = seeded(lambda: nn.MultiheadAttention(16, 4, batch_first=True).eval())
    x = random(3, 6, 16)
    padding = torch.zeros(3, 6, dtype=torch.bool).index_fill(1, torch.tensor([5]), True)
    how = {"key_padding_mask": padding, "need_weights": need_weights}
    with guard():
        alone = layer(x, x, x, **how)[0]
        with watch(layer, keep=True) as seen:
            out = layer(x, x, x, **how)[0]
    assert torch.equal(alone, out)
    with torch.enable_grad():
        want = layer(x, x, x, key_padding_mask=padding, average_attn_weights=False)[1]
    assert seen[0].shape == tuple(want.shape) == (3, 4, 6, 6)
    assert float((seen[0].weights.rows(range(6)) - want).detach().abs().max()) < 1e-5


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("guard", [torch.no_grad, torch.enable_grad])
def test_transformer_encoder(norm_first, guard):
    """Without gradients PyTorch takes its fast path; with them it does not. Both are read, and alike."""

    def make():
        layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, norm_first=norm_first)
        return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()

    model = seeded(make)
    x = random(2, 6, 16)
    with guard():
        alone = model(x)
        with watch(model, keep=True) as seen:
            out = model(x)
    assert torch.equal(alone, out)
    assert [c.kind for c in seen] == (["fast path"] * 2 if guard is torch.no_grad else ["sdpa"] * 2)
    with torch.enable_grad():
        inner = model.layers[0]
        y = inner.norm1(x) if norm_first else x
        want = inner.self_attn(y, y, y, average_attn_weights=False)[1]
    assert float((seen[0].weights.rows(range(6)) - want).detach().abs().max()) < 1e-5


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_nested_tensors_are_refused_with_the_remedy():
    layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
    model = nn.TransformerEncoder(layer, 2).eval()
    x, padding = random(2, 6, 16), torch.zeros(2, 6, dtype=torch.bool)
    padding[1, 4:] = True
    with torch.no_grad():
        alone = model(x, src_key_padding_mask=padding)
        with (
            pytest.raises(watch.UnseenError, match="enable_nested_tensor=False") as raised,
            watch(model) as seen,
        ):
            out = model(x, src_key_padding_mask=padding)
    assert torch.equal(alone, out)
    assert len(seen) == 0 and len(seen.unseen) == 2 and "layers.1" in str(raised.value)


PRODUCTS = {
    "matmul": torch.matmul,
    "einsum": lambda p, v: torch.einsum("bhij,bhjd->bhid", p, v),
    "values first": lambda p, v: (v.mT @ p.mT).mT,
    "flat": lambda p, v: torch.bmm(p.flatten(0, 1), v.flatten(0, 1)).unflatten(0, p.shape[:2]),
    "half": lambda p, v: p.double().matmul(v.double()).float(),
}


@pytest.mark.parametrize("guard", [torch.inference_mode, torch.enable_grad])
@pytest.mark.parametrize("product", PRODUCTS)
def test_a_softmax_written_out(product, guard):
    model = Written(product=PRODUCTS[product])
    with guard():
        alone = model(Q, K, V)
        with watch(model, keep=True) as seen:
            out = model(Q, K, V)
    assert torch.equal(alone, out)
    assert [c.layer for c in seen] == ["Written"] and seen[0].kind == "softmax"
    assert float((seen[0].weights.rows(range(5)) - oracle(Q, K)).abs().max()) < 1e-5
    assert torch.equal(seen[0].v, V.double() if product == "half" else V)


def test_weights_changed_after_the_softmax_are_refused():
    model = WrittenAttention(after=lambda p: p * 0.5)
    with watch(model, strict=False) as seen:
        model(Q, K, V)
    assert not seen.calls and "changed after the softmax (mul)" in seen.unseen[0].reason


def test_a_softmax_that_multiplies_nothing_is_no_attention():
    model = nn.Sequential(nn.Linear(8, 3), nn.Softmax(-1))
    with pytest.raises(watch.UnseenError, match="no attention was seen"), watch(model):
        model(Q)


def test_an_attention_that_cannot_be_seen_is_named():
    class LinearAttention(nn.Module):
        def forward(self, q, k, v):
            return q.exp() @ (k.exp().mT @ v)

    model = nn.ModuleDict({"first": Attention(), "second": LinearAttention()})
    named = pytest.raises(watch.UnseenError, match=r"second \(LinearAttention\)")
    with named, watch(model) as seen:
        model["first"](Q, K, V)
        model["second"](Q, K, V)
    assert seen.layers == ["first"]
    with pytest.raises(watch.UnseenError, match="second"):
        seen.stack()
    with watch(model, only="first") as seen:
        model["second"](Q, K, V)
        model["first"](Q, K, V)
    assert seen.layers == ["first"] and not seen.unseen


@pytest.mark.filterwarnings("ignore")
def test_flex_attention_is_refused_with_the_remedy():
    from torch.nn.attention.flex_attention import flex_attention

    class FlexAttention(nn.Module):
        def forward(self, q, k, v):
            return flex_attention(q, k, v)

    with pytest.raises(watch.UnseenError, match="attn_implementation='sdpa'"), watch(FlexAttention()):
        FlexAttention.forward(None, Q, Q, Q)


@pytest.mark.filterwarnings("ignore:Using `torch.compile")
def test_compiled_models_run_uncompiled_or_are_refused():
    model = torch.compile(Attention(), backend="eager")
    with watch(model, keep=True) as seen:
        out = model(Q, K, V)
    assert len(seen) == 1 and torch.equal(out, F.scaled_dot_product_attention(Q, K, V))


def test_unknown_arguments_are_refused(monkeypatch):
    original = F.scaled_dot_product_attention

    def later(q, k, v, *, softcap=None, **how):
        return original(q, k, v, **how)

    monkeypatch.setattr(F, "scaled_dot_product_attention", later)
    model = Attention()
    with watch(model, strict=False) as seen:
        model(Q, K, V, softcap=30.0)
    assert not seen.calls and "softcap" in seen.unseen[0].reason
    assert F.scaled_dot_product_attention is later  # and all is put back


def test_everything_is_put_back_when_the_model_fails():
    original = F.scaled_dot_product_attention
    model = Attention()
    with pytest.raises(RuntimeError), watch(model):
        model(Q, K[..., :3], V)
    assert F.scaled_dot_product_attention is original
    with watch(model) as seen:
        model(Q, K, V)
    assert len(seen) == 1
    model(Q, K, V)
    assert len(seen) == 1  # the watch is over


def test_what_runs_outside_the_model_is_not_read():
    model, other = Attention(), Attention()
    with watch(model) as seen:
        other(Q, K, V)
        F.scaled_dot_product_attention(Q, K, V)
        model(Q, K, V)
    assert len(seen) == 1
