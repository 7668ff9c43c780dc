"""Pictures as data: the paths of opinion, the network at the end, the phase diagram, the fit."""

from __future__ import annotations

import numpy as np

from ...files.graphs import Network
from ...reading import pictures as pic
from .dynamics import Run
from .latent import spectral_opinions

PEOPLE = 40  # paths drawn
DRAWN = 1500  # people drawn in the network
EDGES = 6000
LIVE = 400  # people in the picture that runs in the page


def paths(run: Run, *, verdict=None, caption: str = "") -> pic.Timeline:
    """Opinions over the steps: 40 people spread over the starting opinions."""
    first = run.snapshots[0].reshape(len(run.first), -1)[:, 0]
    order = np.argsort(first, kind="stable")
    chosen = np.unique(order[np.linspace(0, len(order) - 1, min(PEOPLE, len(order))).astype(int)])
    lines = run.snapshots.reshape(len(run.times), len(first), -1)[:, :, 0]
    return pic.Timeline(
        "Opinions over the steps",
        run.times,
        {f"person {i}": lines[:, i] for i in chosen},
        y_label="opinion",
        caption=caption or f"{len(chosen)} of {len(first)} people.",
        verdict=verdict,
    )


def over_time(run: Run) -> pic.Curves:
    """Variance, polarisation and bimodality against the step."""
    step = np.asarray(run.history["step"]) + 1.0
    first = run.history["variance"][0] or 1.0
    return pic.Curves(
        "Variance and polarisation",
        step,
        {
            "variance / first": np.asarray(run.history["variance"]) / first,
            "Esteban-Ray": np.asarray(run.history["polarisation"]),
            "bimodality": np.asarray(run.history["bimodality"]),
        },
        x_label="step + 1",
        log_x=True,
    )


def society(
    network: Network, opinions, attention=None, *, title="The network at the end", verdict=None, groups=None
):
    """The network, placed by its two slowest modes, coloured by opinion; None where it is too large to
    draw.
    """
    if network.size > DRAWN or network.size < 5 or network.edges == 0:
        return None
    x, y = spectral_opinions(network, 2).T
    rows, cols = network.rows, network.indices
    w = np.ones(network.edges) if attention is None else np.asarray(attention)
    most = np.argsort(-w, kind="stable")[:EDGES]
    return pic.Network(
        title,
        x,
        y,
        labels=list(network.labels),
        values=None if groups is not None else np.asarray(opinions).reshape(network.size, -1)[:, 0],
        groups=groups,
        size=1.0 + network.audience,
        edges=(rows[most], cols[most], w[most]),
        directed=True,
        caption="Placed by the two slowest modes of the network; area: audience; an edge: i listens to j."
        + (f" The {EDGES} strongest edges of {network.edges}." if network.edges > EDGES else ""),
        verdict=verdict,
    )


def live(opinions, tau: float, network: Network | None = None, *, groups=None, steps: int = 60):
    """The opinions that move while the reader slides tau; None for vectors or more than 400 people."""
    x = np.asarray(opinions)
    if x.ndim > 1 or len(x) > LIVE:
        return None
    edges = None if network is None else (network.rows, network.indices)
    return pic.Opinions("Slide tau", x, edges=edges, tau=tau, steps=steps, groups=groups)


def phase_diagram(frame) -> list:
    """Curves of a phase diagram: means over the seeds, with their range."""
    grouped = frame.groupby("tau")
    tau = np.array(sorted(grouped.groups))

    def curves(title, columns, **more):
        have = [c for c in columns if c in frame and frame[c].notna().any()]
        if not have:
            return None
        mean, low, high = (getattr(grouped[have], f)().loc[tau] for f in ("mean", "min", "max"))
        return pic.Curves(
            title,
            tau,
            {c: mean[c].to_numpy(float) for c in have},
            bands={c: (low[c].to_numpy(float), high[c].to_numpy(float)) for c in have},
            x_label="tau",
            log_x=True,
            caption="Mean over the seeds; band: lowest and highest.",
            **more,
        )

    drawn = [
        curves("Variance, polarisation, bimodality", ["variance ratio", "polarisation", "bimodality"]),
        curves("Camps", ["camps"], y_label="camps of at least 1 %"),
        curves("Echo chamber", ["assortativity", "without attention", "echo index"]),
        curves("Lifetime of the camps", ["log10 lifetime"], y_label="log10 steps"),
    ]
    return [d for d in drawn if d is not None]


def temperatures(model) -> pic.Bars:
    """1 / tau and the other coefficients with their intervals."""
    rows = model.coefficients_
    value, low, high = np.array(list(rows.values())).T
    return pic.Bars(
        "What makes people listen",
        list(rows),
        value,
        low=low,
        high=high,
        signed=True,
        caption="Coefficients of the choice, 95 % interval with whole listeners redrawn. 1/tau per "
        "squared opinion.",
    )


def next_listened(model, listener: int, top: int = 8) -> pic.Bars:
    """Of one listener: whom the model expects next, the score and its probability."""
    n = model.network_.size
    s = model.scores(np.full(n, listener), np.arange(n))
    s[listener] = -np.inf
    s[model.network_.indices[model.network_.indptr[listener] : model.network_.indptr[listener + 1]]] = -np.inf
    p = np.exp(s - s.max())
    p /= p.sum()
    best = np.argsort(-s, kind="stable")[:top]
    names = model.network_.labels
    return pic.Bars(
        f"Whom {names[listener]} may hear next", [names[j] for j in best], p[best], unit="probability"
    )
