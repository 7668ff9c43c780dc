"""What attackers found: weights written over, transposed copies, last bits under inference mode."""

import pytest
import torch
from torch import nn
from torch.nn.attention.bias import causal_lower_right
from torch.nn.functional import scaled_dot_product_attention

from heedful import watch
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
