"""From jets to tokens: eight columns for each constituent, neighbours in (eta, phi), pair physics."""

from __future__ import annotations

import numpy as np
import torch

from ...files.jets import JetSample
from .substructure import coordinates, mass, wrap


def jet_axis(sample: JetSample) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """pt, eta, phi and mass of each jet, from the sum of its particles: four arrays (n,)."""
    total = np.zeros((len(sample), 4))
    np.add.at(total, sample.owner, sample.momenta())
    return (*coordinates(total), mass(total))


def constituents(sample: JetSample, most: int = 48) -> tuple[np.ndarray, JetSample]:
    """Columns of the hardest particles, (M', 8) float32, and those particles as a sample.

    ``ln(z + 1e-4) / 3 + 1``, ``ln(E + 1e-3) / 4``, ``3 d_eta``, ``3 d_phi`` (wrapped), ``3 dR``, charge,
    ``ln(dR pT / 2m + 0.01) / 2`` and a flag for neutral particles, relative to the jet's axis.
    """
    _, eta, phi, m = jet_axis(sample)
    total = np.zeros(len(sample))
    np.add.at(total, sample.owner, sample.pt.astype(float))
    hard = sample.hardest(most)
    own = hard.owner
    d_eta, d_phi = hard.eta - eta[own], wrap(hard.phi - phi[own])
    d_r = np.hypot(d_eta, d_phi)
    z = hard.pt / np.maximum(total[own], 1e-9)
    x = np.stack([
        np.log(z + 1e-4) / 3 + 1, np.log(hard.energy + 1e-3) / 4, 3 * d_eta, 3 * d_phi, 3 * d_r, hard.charge,
        np.log(d_r * hard.pt / (2 * np.maximum(m[own], 1e-3)) + 0.01) / 2, (hard.charge == 0).astype(float),
    ], 1)  # fmt: skip
    return x.astype(np.float32), hard


def nearest(eta, phi, k: int):
    """The prior "itself and its k nearest in (eta, phi)", phi periodic: `heedful.attention.Nearest`.

    Parameters
    ----------
    eta, phi : (N,)
    k : int
        Neighbours besides itself.

    Examples
    --------
    >>> import numpy as np
    >>> from heedful.attention import Weights
    >>> near = nearest(np.zeros(3), np.array([-3.1, 0.0, 3.1]), 1)
    >>> Weights(np.zeros((3, 1)), np.zeros((3, 1)), [near]).rows([0]).round(1).tolist()
    [[0.5, 0.0, 0.5]]
    """
    from ...attention import Nearest

    return Nearest(
        np.stack([np.asarray(eta, float), np.asarray(phi, float)], 1), k=k, period=(None, 2 * np.pi)
    )


def pair_physics(p: torch.Tensor) -> torch.Tensor:
    """ln delta R, ln kT, ln z and ln m^2 of all pairs, roughly standardised: (B, P, P, 4).

    Parameters
    ----------
    p : (B, P, 4)
        pt (GeV), eta, phi, energy.
    """
    pt, eta, phi, _ = p.unbind(-1)
    d_eta = eta[..., :, None] - eta[..., None, :]
    d_phi = torch.remainder(phi[..., :, None] - phi[..., None, :] + torch.pi, 2 * torch.pi) - torch.pi
    gap = torch.sqrt(d_eta**2 + d_phi**2)
    low = torch.minimum(pt[..., :, None], pt[..., None, :])
    both = (pt[..., :, None] + pt[..., None, :]).clamp_min(1e-6)
    # massless particles to a good approximation: m^2 = 2 pt pt' (cosh d_eta - cos d_phi)
    square = 2 * pt[..., :, None] * pt[..., None, :] * (torch.cosh(d_eta) - torch.cos(d_phi))
    return torch.stack([
        (torch.log(gap + 1e-3) + 1.5) / 1.0, (torch.log(low * gap + 1e-3) + 0.5) / 1.8,
        (torch.log(low / both + 1e-4) + 1.5) / 1.0, (torch.log(square.clamp_min(0) + 1e-3) - 1.0) / 2.5,
    ], -1)  # fmt: skip


def keep_near(p: torch.Tensor, real: torch.Tensor, k: int) -> torch.Tensor:
    """For a padded block: who may attend to whom, itself and its k nearest real particles, (B, P, P) bool."""
    d_eta = p[..., 1][..., :, None] - p[..., 1][..., None, :]
    d_phi = (
        torch.remainder(p[..., 2][..., :, None] - p[..., 2][..., None, :] + torch.pi, 2 * torch.pi) - torch.pi
    )
    return _smallest(d_eta**2 + d_phi**2, real, k)


def keep_random(shape, real: torch.Tensor, k: int, generator: torch.Generator) -> torch.Tensor:
    """The control: itself and k real particles drawn at random, (B, P, P) bool."""
    return _smallest(torch.rand(shape, generator=generator), real, k)


def _smallest(distance: torch.Tensor, real: torch.Tensor, k: int) -> torch.Tensor:
    width = real.shape[-1]
    distance = distance.masked_fill(~real[:, None, :], torch.inf)
    distance.diagonal(dim1=-2, dim2=-1).fill_(-1.0)
    chosen = distance.topk(min(k + 1, width), dim=-1, largest=False).indices
    keep = torch.zeros(distance.shape, dtype=torch.bool).scatter_(-1, chosen, True)
    return keep & real[:, None, :] & real[:, :, None]
