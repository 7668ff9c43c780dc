"""Attention between sites trained by pseudo-likelihood: the site alphabets refined, and the plain one."""

from __future__ import annotations

import numpy as np
import torch

from ...learn import progress
from .couplings import GAP, STATES

HEADS, WIDTH = 32, 32  # of the plain attention
LONGEST = 1000  # steps of it


def refine(
    codes: np.ndarray,
    weights: np.ndarray,
    couplings: np.ndarray,
    bases: np.ndarray,
    *,
    penalty: float = 0.02,
    steps: int = 40,
) -> tuple[np.ndarray, np.ndarray]:
    """Fit the couplings between the sites' own letters by penalised pseudo-likelihood (L-BFGS).

    Every sequence's letter at site i is predicted from the projections of all other sites,
    ``E_i = U_i sum_j K_ij U_j^T x_j + h_i``; K symmetric. The projections stay as they are.

    Parameters
    ----------
    codes : (N, L), weights : (N,)
    couplings : (L, m, L, m), bases : (L, 21, m)
        The closed-form start (`couplings.site_alphabet`).
    penalty : float
        Of the squared norm of K, at weights that sum to 1.
    steps : int
        L-BFGS iterations.

    Returns
    -------
    couplings : (L, m, L, m), bases : (L, 21, m) with orthonormal columns
    """
    columns, states, m = bases.shape
    shown = bases - bases.mean(1, keepdims=True)
    orthonormal = np.empty_like(shown)
    start = np.empty_like(couplings)
    turn = []
    for i in range(columns):
        left, size, right = np.linalg.svd(shown[i], full_matrices=False)
        orthonormal[i] = left
        turn.append(size[:, None] * right)  # U_i = left @ turn
    for i in range(columns):
        start[i] = np.einsum("ab,bjc->ajc", turn[i], couplings[i])
    for j in range(columns):
        start[:, :, j] = np.einsum("iac,dc->iad", start[:, :, j], turn[j])

    basis = torch.tensor(orthonormal, dtype=torch.float32)
    letters = torch.from_numpy(codes.astype(np.int64))
    share = torch.tensor(weights / weights.sum(), dtype=torch.float32)
    seen = torch.stack([basis[i][letters[:, i]] for i in range(columns)], 1).reshape(len(codes), -1)
    counts = torch.stack([torch.bincount(letters[:, i], share, states) for i in range(columns)]).float()
    field = torch.log(counts + 1e-3)
    field -= field.mean(1, keepdim=True)
    apart = torch.ones(columns, m, columns, m)
    apart[torch.arange(columns), :, torch.arange(columns)] = 0.0
    apart = apart.reshape(columns * m, columns * m)
    first = torch.tensor(start, dtype=torch.float32).reshape(columns * m, columns * m)
    first = (first + first.T) / 2 * apart

    def loss(k: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        k = (k + k.T) / 2 * apart
        inward = (seen @ k).reshape(len(letters), columns, m)
        logits = torch.einsum("nim,iam->nia", inward, basis) + h
        logp = torch.log_softmax(logits, -1).gather(2, letters[..., None])[..., 0]
        return -(share @ logp).sum() + penalty * (k * k).sum() + 0.01 * (h * h).sum()

    # the mean-field start has the right shape and the wrong size as a Potts model: one number mends that
    with torch.no_grad():
        sizes = torch.logspace(-2, 0.5, 12)
        best = min(sizes.tolist(), key=lambda s: loss(first * s, field).item())
    k = (first * best).requires_grad_(True)
    h = field.clone().requires_grad_(True)
    search = torch.optim.LBFGS(
        [k, h],
        max_iter=1,
        history_size=5,
        line_search_fn="strong_wolfe",
        tolerance_grad=0,
        tolerance_change=0,
    )

    def closure():
        search.zero_grad()
        value = loss(k, h)
        value.backward()
        return value

    for _ in progress(range(steps), "refining couplings"):
        search.step(closure)
    final = ((k + k.T) / 2 * apart).detach().double().numpy()
    return final.reshape(columns, m, columns, m), orthonormal


def plain_attention(
    codes: np.ndarray,
    weights: np.ndarray,
    *,
    heads: int = HEADS,
    width: int = WIDTH,
    steps: int | None = None,
    batch: int = 64,
    rate: float = 1e-2,
    decay: float = 0.01,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """Factored attention: softmax heads between positions, one value matrix of letters for each head.

    The plainest attention between residues (Bhattacharya et al. 2020): head h weighs site j for site i by
    ``softmax_j(q_hi . k_hj / sqrt(d))``, whatever the sequence is, and passes on ``V_h x_j``. Trained by
    pseudo-likelihood until the loss of the last 100 steps is within 0.3 % of that of the 100 before.

    Parameters
    ----------
    codes : (N, L), weights : (N,)
    steps : int, optional
        This many steps, in the place of the plateau.

    Returns
    -------
    norms : (L, L)
        Frobenius norm of the symmetrised couplings that the heads add up to.
    attention : (heads, L, L)
        The weights themselves, rows summing to 1.
    losses : list of float
        Nats a letter, one a step.
    """
    columns = codes.shape[1]
    generator = torch.Generator().manual_seed(seed)

    def drawn(*shape: int, size: float) -> torch.Tensor:
        return (torch.randn(shape, generator=generator) * size).requires_grad_(True)

    q, k = drawn(heads, columns, width, size=0.3), drawn(heads, columns, width, size=0.3)
    v = drawn(heads, STATES, STATES, size=0.01)
    h = torch.zeros(columns, STATES, requires_grad=True)
    letters = torch.from_numpy(codes.astype(np.int64))
    share = torch.tensor(weights / weights.sum(), dtype=torch.float32)
    itself = torch.eye(columns, dtype=torch.bool)
    adam = torch.optim.AdamW([q, k, v, h], lr=rate, weight_decay=decay)

    def maps() -> torch.Tensor:
        return torch.softmax((q @ k.transpose(1, 2) / width**0.5).masked_fill(itself, -torch.inf), -1)

    losses: list[float] = []
    for _ in progress(range(steps or LONGEST), "training plain attention"):
        rows = torch.multinomial(share, min(batch, len(codes)), replacement=False, generator=generator)
        chosen = letters[rows]
        # the heads added up into one matrix of couplings, (L 21, L 21): cheaper than head by head
        couplings = torch.einsum("hij,hab->jaib", maps(), v).reshape(columns * STATES, columns * STATES)
        seen = torch.nn.functional.one_hot(chosen, STATES).float().flatten(1)
        logits = (seen @ couplings).unflatten(1, (columns, STATES)) + h
        value = -torch.log_softmax(logits, -1).gather(2, chosen[..., None]).mean()
        adam.zero_grad()
        value.backward()
        adam.step()
        losses.append(float(value.detach()))
        if steps is None and len(losses) % 50 == 0 and len(losses) >= 300:
            before, now = np.mean(losses[-200:-100]), np.mean(losses[-100:])
            if before - now < 3e-3 * abs(before):
                break
    with torch.no_grad():
        a = maps()
        return head_norms(a, v).numpy(), a.double().numpy(), losses


def head_norms(attention: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """``|| sum_h (A_hij V_h + A_hji V_h^T) / 2 ||`` in the zero-sum gauge without the gap, (L, L).

    By the heads' inner products, so that no (L, L, 400) array is made.

    Parameters
    ----------
    attention : (heads, L, L)
    values : (heads, 21, 21)
    """
    v = (
        values
        - values.mean(1, keepdim=True)
        - values.mean(2, keepdim=True)
        + values.mean((1, 2), keepdim=True)
    )
    v, flat = v[:, :GAP, :GAP].double(), attention.double()
    back = flat.transpose(1, 2)
    straight = torch.einsum("hab,gab->hg", v, v)
    crossed = torch.einsum("hab,gba->hg", v, v)

    def summed(left: torch.Tensor, inner: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return (torch.einsum("hij,hg->gij", left, inner) * right).sum(0)

    squares = summed(flat, straight, flat) + summed(back, straight, back) + 2 * summed(flat, crossed, back)
    return (0.25 * squares).clamp_min(0).sqrt()
