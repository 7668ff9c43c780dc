"""Small models that attend in each of the ways that are watched, and the formula they are held to."""

import math

import torch
from torch import nn
from torch.nn import functional as F


def seeded(make, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make()


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Attention(nn.Module):
    """Calls the kernel with what it is given."""

    def forward(self, q, k, v, **how):
        return F.scaled_dot_product_attention(q, k, v, **how)


class Written(nn.Module):
    """Writes the softmax out."""

    def __init__(self, after=lambda p: p, product=torch.matmul, dtype=None):
        super().__init__()
        self.after, self.product, self.dtype = after, product, dtype
        self.softmax = nn.Softmax(-1)

    def forward(self, q, k, v):
        p = self.softmax(q @ k.mT / math.sqrt(q.shape[-1]))
        return self.product(self.after(p), v)


class WrittenAttention(Written):
    pass


def oracle(q, k, bias=0.0, scale=None):
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    return (q.double() @ k.double().mT * scale + bias).softmax(-1).nan_to_num(0.0)
