"""Who listens to whom, read from the attention: through `Weights`, with the network as a prior."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ...attention import Weights, reads
from ...attention.priors import Gate
from ...attention.supports import Graph
from ...errors import InputError
from ...files.graphs import Network
from ...reading.reading import Reading
from .measures import camps

LARGEST = 20_000  # people on a complete graph whose weights are read


def listening(
    opinions, tau: float, network: Network | None = None, *, gate=None, self_weight: float = 1.0
) -> Weights:
    """The attention of a state, as a lazy `Weights`.

    -|x_i - x_j|^2 / 2 tau = (x_i.x_j - |x_j|^2 / 2) / tau up to a constant of the row, so the content is the
    dot product at temperature tau and the rest a gate per person heard.

    Parameters
    ----------
    opinions : (N,) or (N, d)
    tau : float
    network : Network, optional
        None is the complete graph.
    gate : (N,), optional
        Log popularity of those listened to.
    self_weight : float
        Weight of listening to oneself; on the complete graph it is 1.

    Returns
    -------
    Weights
        N x N, never built.

    Examples
    --------
    >>> W = listening(np.array([-1.0, 1.0]), tau=2.0)
    >>> W.rows([0]).round(4)
    array([[0.7311, 0.2689]])
    """
    if not (math.isfinite(tau) and tau > 0):
        raise InputError(f"tau = {tau}", remedy="a number above 0")
    x = np.asarray(opinions, dtype=np.float64).reshape(len(opinions), -1)
    x = x - x.mean(0)  # distances stay, and the dot products lose no digits to a common offset
    log_gate = -0.5 * (x**2).sum(1) / tau + (0.0 if gate is None else np.asarray(gate))
    priors: list = [Gate(log_gate)]
    if network is not None:
        n = network.size
        rows, cols = network.rows.astype(np.int64), network.indices.astype(np.int64)
        logs = np.zeros(network.edges) if network.weights is None else np.log(network.weights)
        if self_weight > 0:
            own = np.arange(n)
            rows, cols = np.concatenate([rows, own]), np.concatenate([cols, own])
            logs = np.concatenate([logs, np.full(n, math.log(self_weight))])
        priors.append(Graph.from_edges(rows, cols, n=n, log_weight=logs))
    elif self_weight != 1.0:
        raise InputError("self_weight on the complete graph", remedy="leave it at 1, or give a network")
    elif len(x) > LARGEST:
        raise InputError(f"a complete graph of {len(x)} people is read for at most {LARGEST}")
    return Weights(x, x, priors, temperature=tau, scale=1.0)


def read_listening(
    opinions,
    tau: float,
    network: Network | None = None,
    *,
    names: Sequence[str] | None = None,
    gate=None,
    self_weight: float = 1.0,
    title: str = "who listens to whom",
) -> Reading:
    """Reading of a state: those most listened to, entropy, effective number of voices, mass within the
    camps.
    """
    W = listening(opinions, tau, network, gate=gate, self_weight=self_weight)
    n = len(opinions)
    label = np.minimum(camps(opinions, math.sqrt(tau)), 9)  # the ninth gathers the small ones
    _, r = W.read(
        None,
        [
            reads.TopK(min(5, n)),
            reads.Entropy(),
            reads.EffectiveKeys(),
            reads.Columns(),
            reads.Mass(label, names=[f"camp {c + 1}" for c in range(int(label.max()) + 1)]),
        ],
    )
    names = list(names or (network.labels if network is not None else [str(i) for i in range(n)]))
    return Reading(r, queries=names, keys=names, title=title)
