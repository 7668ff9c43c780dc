"""What attackers found: weights written over, transposed copies, last bits under inference mode."""

import pytest
import torch
from torch import nn
from torch.nn.attention.bias import causal_lower_right
from torch.nn.functional import scaled_dot_product_attention

from heedful import reads, watch
from heedful.watch import UnseenError

from .cases import WrittenAttention, oracle, random, seeded

Q, K, V = random(2, 3, 7, 8), random(2, 3, 7, 8, seed=1), random(2, 3, 7, 6, seed=2)


def first_key_left_out(p):
    p[..., 0] = 0
    return p


def small_ones_left_out(p):
    p[p < 0.1] = 0
    return p


OVERWRITTEN = {
    "setting a column": first_key_left_out,
    "setting by a mask": small_ones_left_out,
    "tril_": lambda p: p.tril_(),
    "clamp_": lambda p: p.clamp_(min=0.2),
    "a head zeroed": lambda p: p[:, 1].zero_() is None or p,
    "scatter_": lambda p: p.scatter_(-1, torch.zeros(2, 3, 7, 1, dtype=torch.long), 0.0),
    "copy_": lambda p: p.copy_(torch.full_like(p, 1 / 7)),
    "sub_": lambda p: p.sub_(0.1),
    "out=": lambda p: torch.mul(p, 2, out=p),
    "transposed and laid out anew": lambda p: p.mT.contiguous(),
    "transposed and cloned": lambda p: p.permute(0, 1, 3, 2).clone(memory_format=torch.contiguous_format),
}


@pytest.mark.parametrize("how", OVERWRITTEN)
@pytest.mark.parametrize("guard", [torch.no_grad, torch.inference_mode])
def test_weights_that_were_written_over_are_never_read(how, guard):
    model = WrittenAttention(after=OVERWRITTEN[how])
    with guard(), pytest.raises(UnseenError, match="changed after the softmax"), watch(model):
        model(Q, K, V)


def test_rows_without_keys_that_become_zero_are_read():
    masked = Q.clone()
    masked[:, :, 2] = -torch.inf  # every score of that row is -inf

    class Attention(WrittenAttention):
        def forward(self, q, k, v):
            return torch.nan_to_num((q @ k.abs().mT / 8**0.5).softmax(-1)) @ v

    model = Attention()
    with watch(model, keep=True) as seen:
        model(masked, K, V)
    row = seen[0].weights.rows(range(7))
    assert float(row[:, :, 2].abs().max()) == 0.0
    keep = [0, 1, 3, 4, 5, 6]
    assert float((row[:, :, keep] - oracle(Q[:, :, keep], K.abs())).abs().max()) < 1e-6


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("train", [False, True])
def test_inference_mode_keeps_the_last_bits(batch_first, bias, train):
    layer = seeded(lambda: nn.MultiheadAttention(8, 2, bias=bias, batch_first=batch_first)).train(train)
    x = random(2, 5, 8).transpose(0, 1)
    with torch.inference_mode():
        plain = layer(x, x, x, need_weights=False)[0]
        with watch(layer) as seen:
            out = layer(x, x, x, need_weights=False)[0]
    assert torch.equal(plain, out) and len(seen) == 1


def test_a_causal_bias_made_while_watched_is_told():
    class Attention(nn.Module):
        def forward(self, q, k, v):
            return scaled_dot_product_attention(q, k, v, causal_lower_right(5, 7))

    model = Attention()
    with pytest.raises(UnseenError, match="make it before"), watch(model):
        model(Q[..., :5, :], K, V)


PARTS = {  # what a model multiplies of its weights p (B, H, N, N), and how the values (B, H, N, D) meet it
    "one head after another": lambda p, v: torch.stack([p[:, h] @ v[:, h] for h in range(p.shape[1])], 1),
    "the first patient": lambda p, v: p[0] @ v[0],
    "halves of the heads": lambda p, v: torch.cat([a @ b for a, b in zip(p.chunk(2, 1), v.chunk(2, 1))], 1),
    "some queries": lambda p, v: p[:, :, 1:3] @ v,
    "heads before the batch": lambda p, v: p.transpose(0, 1) @ v.transpose(0, 1),
    "an einsum that exchanges them": lambda p, v: torch.einsum("bhqk,bhkd->hbqd", p, v),
}


@pytest.mark.parametrize("how", PARTS)
@pytest.mark.parametrize("batch", [1, 4])
def test_values_that_lie_otherwise_are_never_taken_for_the_weights_own(how, batch):
    q, k, v = (random(batch, 4, 7, 8, seed=s) for s in range(3))
    model = WrittenAttention(product=PARTS[how])
    with watch(model, keep=True) as seen:
        model(q, k, v)
    call = seen[0]
    assert float((call.weights.rows(range(7)) - oracle(q, k)).abs().max()) < 1e-5
    if call.v is None:
        assert call.notes[-1] == "its values could not be told"
        with watch(model, [reads.Contribution], strict=False) as seen:
            model(q, k, v)
        assert not seen.calls and "values could not be told" in seen.unseen[0].reason
    else:  # a batch of one laid out in either order is the same
        assert float((call.v - v).abs().max()) == 0


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_values_shared_by_heads_folded_into_the_queries(dropout):
    q, k, v = random(3, 4, 7, 8), random(3, 1, 7, 8, seed=1), random(3, 7, 8, seed=2)
    drop = torch.nn.Dropout(dropout)
    model = WrittenAttention(
        after=drop, product=lambda p, v: torch.bmm(p.reshape(3, 28, 7), v).view(3, 4, 7, 8)
    )
    with torch.random.fork_rng(), watch(model, keep=True) as seen:
        model(q, k, v)
    assert seen[0].v.shape == (3, 1, 7, 8) and torch.equal(seen[0].v[:, 0], v)
    out = seen[0].weights @ seen[0].v
    assert float((out - oracle(q, k).float() @ v[:, None]).abs().max()) < 1e-5
