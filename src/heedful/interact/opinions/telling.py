"""What the verbs of `heedful opinions` tell: the parts of a story that they share, and their sentences."""

from __future__ import annotations

import numpy as np

from ...reading.story import Story
from ...writing import write_atomic
from .diagram import echo_chamber
from .measures import count_camps
from .metastable import lifetime


def told(net, path, size, about, notes, frame, out, *, pictures, **rest) -> Story:
    """The story of any verb: what it ran on, the network's notes before its own, its table written."""
    if net is None:
        data = f"{size} people who all hear each other"
    else:
        data = f"{path.name}: {net.size} people, {net.edges} (listener, listened) pairs"
    return Story(
        study="opinions",
        data=f"{data}; {about}",
        notes=[*(net.notes if net is not None else ()), *notes],
        pictures=[p for p in pictures if p is not None],
        outputs=[write_atomic(out, frame.to_csv(index=False))] if out else [],
        **rest,
    )


def columns(name: str, x: np.ndarray) -> dict[str, np.ndarray]:
    """Opinions as one column of a table, or one for each axis."""
    wide = x.reshape(len(x), -1)
    return {name if wide.shape[1] == 1 else f"{name} {k + 1}": wide[:, k] for k in range(wide.shape[1])}


def camps_sentence(run, label, row) -> str:
    """How it ended: steps, camps, what is left of the variance."""
    sizes = sorted(((label == c).mean() for c in range(min(label.max() + 1, 6))), reverse=True)
    return (
        f"After {run.steps} steps{' it has settled' if run.settled else ' it still moves'}: "
        f"{count_camps(label)} camp(s) of at least 1 % ({', '.join(f'{s:.0%}' for s in sizes)}); variance "
        f"{row['variance ratio']:.3g} of the first."
    )


def lifetime_sentence(run, dynamics, net) -> str:
    """How long the camps last."""
    pull, _ = dynamics.holding(run.first)
    held = None if pull is None else pull > 0
    return lifetime(run.opinions, dynamics.tau, net, self_weight=dynamics.self_weight, held=held).sentence()


def echo_figures(run, dynamics, net, rewirings, seed) -> tuple[dict, str]:
    """Figures of the echo chamber, and a note that tells them."""
    echo = echo_chamber(run.opinions, dynamics, net, rewirings=rewirings, seed=seed)
    return (
        {"echo index": echo.index, "assortativity": echo.observed, "echo p": echo.p},
        f"echo-chamber index {echo.index:+.3f}: assortativity of the attention {echo.observed:.3f}, "
        f"degree-preserving null {echo.null_mean:.3f} (p = {echo.p:.3f}), without attention "
        f"{echo.prior:.3f}",
    )


def phases_sentence(frame, steps: int) -> str:
    """Where polarisation is highest, and from which tau on one camp is left."""
    by_tau = frame.groupby("tau")
    mean = by_tau.mean(numeric_only=True)
    peak = float(mean["polarisation"].idxmax())
    agreed = mean.index[(by_tau["camps"].max() == 1).to_numpy()]
    return (
        f"Polarisation (Esteban-Ray) is highest at tau {peak:.3g}, with {mean.loc[peak, 'camps']:.1f} camps. "
    ) + (
        f"From tau {agreed.min():.3g} on one camp is left within {steps} steps in every run."
        if len(agreed)
        else f"No tau here leads to one camp within {steps} steps in every run."
    )
