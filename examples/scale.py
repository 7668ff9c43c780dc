"""Why 1 / sqrt(d_k): the same small model trained at d = 16 .. 1024, with and without the scale.

Without it the scores' variance grows with d, the softmax saturates at the start, and what gradient reaches
the queries and keys is erratic. Run: python examples/scale.py
"""

import torch
from torch import nn

from heedful import Weights
from heedful.attention import score_variance


def train(d: int, scaled: bool, steps: int = 60) -> tuple[float, float, float, float]:
    """Final loss, gradient norm of the query and key maps at the start, score variance, saturated share."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(16, 32, 8, generator=generator)
    marked = torch.randint(0, 32, (16,), generator=generator)
    x[torch.arange(16), marked, 0] += 4.0  # the task: give back the marked token's second feature
    target = x[torch.arange(16), marked, 1]
    maps = nn.ParameterList(torch.randn(8, d, generator=generator) / 8**0.5 for _ in range(2))
    optimiser = torch.optim.Adam(maps, lr=0.02 / d**0.5)
    first = 0.0
    for step in range(steps):
        q, k = x[:, :1] @ maps[0], x @ maps[1]
        out = Weights(q, k, scale=None if scaled else 1.0) @ x[..., 1:2]
        loss = (out[:, 0, 0] - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        if step == 0:
            first = float(torch.cat([m.grad.flatten() for m in maps]).norm())
            factor = 1.0 if scaled else d**0.5
            seen = score_variance(q.detach().reshape(-1, d) * factor, k.detach().reshape(-1, d))
            variance = seen.measured / d
        optimiser.step()
    return float(loss.detach()), first, variance, seen.saturated


if __name__ == "__main__":
    print(
        f"{'d':>5} {'scale':>10} {'loss':>7} {'first gradient':>15} {'score variance':>15} {'saturated':>10}"
    )
    for d in (16, 64, 256, 1024):
        for scaled in (True, False):
            loss, first, variance, saturated = train(d, scaled)
            name = "1/sqrt(d)" if scaled else "none"
            print(f"{d:5d} {name:>10} {loss:7.3f} {first:15.4f} {variance:15.2f} {saturated:10.2f}")
