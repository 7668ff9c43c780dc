"""Karate club, a temperature planted and found again, and camps whose lifetime is known exactly."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from ...reading.story import Score, Story
from . import pictures
from .claims import examine_camps
from .diagram import echo_chamber, phases
from .dynamics import Dynamics, simulate
from .heldout import compare
from .latent import spectral_opinions
from .measures import camps
from .metastable import lifetime, two_camp_lifetime
from .model import TauEstimator
from .reading import read_listening
from .synthetic import listening_network

PLANTED = 0.5
CLUB_TAU = 0.05
MERGING_TAU = 0.1  # two camps of the club form, and lose their people one by one


def demo(*, seed: int = 0, quick: bool = True) -> Story:
    """Three things with a known answer: a planted tau, the two-camp lifetime, and the karate club.

    Parameters
    ----------
    seed : int
    quick : bool
        Smaller networks and fewer seeds.

    Returns
    -------
    Story
    """
    n, runs = (200, 3) if quick else (500, 10)
    # 1. a network whose temperature was planted, held-out pairs beside the field's models
    net, x = listening_network(n, tau=PLANTED, degree=15, seed=seed)
    held = compare(net, x, estimator=TauEstimator(seed=seed, bootstrap=300), seed=seed)
    model = held.model
    low, high = model.tau_interval_
    # 2. two camps: simulated lifetime against the exact map
    tau = 0.2
    state = np.repeat([-1.0, 1.0], 40)
    rule, steps, first = Dynamics(tau=tau), 0, state.var()
    moved = state
    while moved.var() > 0.5 * first:
        moved, steps = rule.step(moved).opinions, steps + 1
    exact = 10 ** two_camp_lifetime(1.0, tau)
    # 3. the karate club
    from networkx import karate_club_graph

    from ...files.graphs import read_graph

    club = read_graph(karate_club_graph(), weight=None)
    sides = np.array(club.attribute("club"))
    truth = np.where(sides == sides[0], -1.0, 1.0)
    leaders = {0: -1.0, 33: 1.0}
    start = np.zeros(34)
    anchored = simulate(Dynamics(tau=CLUB_TAU, anchors=leaders), start, club, steps=300)
    plain = simulate(Dynamics(rule="degroot", anchors=leaders), start, club, steps=300)
    # sides that lean, not sides that stand: -1 and +1 would not move at all
    leaning = np.clip(0.6 * truth + np.random.default_rng(seed).normal(0, 0.3, 34), -1, 1)
    free = simulate(Dynamics(tau=CLUB_TAU), leaning, club, steps=300)
    merging = simulate(Dynamics(tau=MERGING_TAU), leaning, club, steps=600)
    life = lifetime(free.opinions, CLUB_TAU, club)
    echo = echo_chamber(free.opinions, Dynamics(tau=CLUB_TAU), club, rewirings=50, seed=seed)
    label = camps(free.opinions, math.sqrt(CLUB_TAU))
    verdicts = examine_camps(free.opinions, CLUB_TAU, label, club, seed=seed)
    frame = phases([0.005, 0.01, 0.02, 0.03, 0.04, 0.1], seeds=runs, n=n)
    others = [name for name in held.results if name != "attention"]
    ours = held.results["attention"]
    return Story(
        study="opinions",
        title="Who listens to whom: a planted temperature, two camps, the karate club",
        data=f"{n} synthetic people ({net.edges} edges, tau {PLANTED} planted); Zachary's karate club, 34 "
        f"people",
        headline=(
            f"tau is found at {model.tau_:.3f} [{low:.3f}, {high:.3f}], {PLANTED} was planted. Two camps "
            f"at -1 and +1 "
            f"lost half their variance after {steps} steps (exact map: {exact:.0f}). Karate club, leaning "
            f"to its known sides, tau {CLUB_TAU}: {life.sentence()} {_merged(merging)}"
        ),
        scores=[
            Score(
                "log-likelihood per held-out edge",
                float(ours.log_likelihood.mean()),
                float(held.results[name].log_likelihood.mean()),
                name,
                interval=held.difference(name)[1:],
            )
            for name in others
        ],
        verdicts=verdicts,
        pictures=[
            p
            for p in (
                pictures.live(leaning, MERGING_TAU, club, groups=sides.tolist(), steps=300),
                pictures.paths(merging, caption=f"The karate club, tau {MERGING_TAU}: camps, then one."),
                pictures.society(club, free.opinions, verdict=verdicts[0] if verdicts else None),
                *pictures.phase_diagram(frame),
                pictures.temperatures(model),
            )
            if p is not None
        ],
        tables={
            "phases": frame,
            "held-out pairs": held.table(),
            "club": pd.DataFrame(
                {
                    "rule": [
                        "attention, leaders anchored",
                        "plain averaging, leaders anchored",
                        "slowest mode, no leaders",
                    ],
                    "share on its known side": [
                        _agreement(anchored.opinions, truth),
                        _agreement(plain.opinions, truth),
                        _agreement(spectral_opinions(club)[:, 0], truth),
                    ],
                }
            ),
        },
        notes=[
            f"echo-chamber index {echo.index:+.3f} (assortativity of the attention {echo.observed:.3f}, "
            f"degree-preserving "
            f"null {echo.null_mean:.3f} +- {echo.null_sd:.3f}, p = {echo.p:.3f}; without attention "
            f"{echo.prior:.3f})",
            "A low tau freezes the opinions people start with; it does not find communities. What splits "
            "the club is "
            "the network's slow mode, which plain averaging has too (table 'club').",
            "On a network where everyone can reach everyone camps are metastable: consensus is the only "
            "attractor.",
        ],
        reading=read_listening(free.opinions, CLUB_TAU, club, title="karate club"),
    )


def _merged(run) -> str:
    """When the merging club's variance had halved, from the steps that were recorded."""
    variance = np.asarray(run.history["variance"])
    halved = variance < 0.5 * variance[0]
    if not halved.any():
        return f"At tau {MERGING_TAU} its camps outlast {run.steps} steps."
    return f"At tau {MERGING_TAU} they last about {run.times[np.argmax(halved)]} steps, then merge."


def _agreement(opinions, truth) -> float:
    """Share on the right side of the median split, whichever way round."""
    side = np.where(opinions >= np.median(opinions), 1.0, -1.0)
    share = float((side == truth).mean())
    return max(share, 1 - share)
