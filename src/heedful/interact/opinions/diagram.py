"""The phase diagram: what a range of temperatures does to the same people, over several starts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from ...errors import InputError
from ...files.graphs import Network
from . import measures
from .dynamics import Dynamics, Run, simulate
from .metastable import lifetime
from .tokens import starting_opinions

AGREED = 1e-6  # of the first variance: below it people agree


def phases(
    taus: Sequence[float],
    seeds: Sequence[int] | int = 5,
    *,
    network: Network | None = None,
    n: int = 500,
    opinions="uniform",
    dynamics: Dynamics | None = None,
    steps: int = 500,
    rewirings: int = 10,
    threads: int | None = None,
    progress: Callable[[Iterable, str], Iterable] | None = None,
):
    """Variance, Esteban-Ray, bimodality, camps, echo-chamber index and lifetime against tau.

    Parameters
    ----------
    taus : sequence of float
        Temperatures, in squared opinion units.
    seeds : sequence of int or int
        Starts per temperature.
    network : Network, optional
        None is the complete graph of ``n``.
    n : int
    opinions : str, or (N,) or (N, d)
        A kind of start (`tokens.STARTS`), drawn anew for each seed; or the opinions themselves, one start for
        all seeds.
    dynamics : Dynamics, optional
        Stubbornness, anchors, self weight and order are taken from here.
    steps : int
        Horizon.
    rewirings : int
        Degree-preserving rewirings of the null, per run; 0 leaves the index out.
    progress : callable, optional
        ``progress(iterable, text)``, for instance `heedful.learn.progress`.

    Returns
    -------
    pandas.DataFrame
        One row per (tau, seed).

    Examples
    --------
    >>> frame = phases([0.02, 0.5], seeds=2, n=200, rewirings=0)
    >>> frame.groupby("tau")["camps"].min().tolist()
    [2, 1]
    """
    import pandas as pd

    taus = [float(t) for t in taus]
    if not taus or not all(math.isfinite(t) and t > 0 for t in taus):
        raise InputError(f"taus {taus}", remedy="give temperatures above 0")
    seeds = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    base = dynamics or Dynamics(tau=1.0)
    drawn = isinstance(opinions, str)
    size = network.size if network is not None else (n if drawn else len(opinions))
    nulls = [measures.rewire(network, seed=k) for k in range(rewirings)] if network is not None else []
    rows, plan = [], [(tau, seed) for tau in taus for seed in seeds]
    for tau, seed in plan if progress is None else progress(plan, "phases"):
        rule = replace(base, tau=tau)
        x0 = starting_opinions(opinions, size, seed=seed) if drawn else opinions
        run = simulate(rule, x0, network, steps=steps, seed=seed, threads=threads)
        rows.append({"tau": tau, "seed": seed, **describe(run, rule, network, nulls, threads)})
    return pd.DataFrame(rows)


def describe(run: Run, dynamics: Dynamics, network: Network | None, nulls=(), threads=None) -> dict:
    """The figures of one finished run, as a row of the phase diagram."""
    last = {key: values[-1] for key, values in run.history.items()}
    start = run.history["variance"][0]
    row = {
        "steps": run.steps,
        "settled": run.settled,
        "variance": last["variance"],
        "variance ratio": last["variance"] / start if start > 0 else math.nan,
        "polarisation": last["polarisation"],
        "bimodality": last["bimodality"],
        "camps": last["camps"],
    }
    if dynamics.rule == "attention":
        pull, _ = dynamics.holding(run.first)
        life = lifetime(
            run.opinions,
            dynamics.tau,
            network,
            self_weight=dynamics.self_weight,
            held=None if pull is None else pull > 0,
        )
        row |= {"log10 lifetime": life.log10_steps, "spectral gap": life.gap, "ends by": life.ends}
    agreed = last["variance"] <= AGREED * start
    if agreed:  # what is left is rounding: its shape says nothing about the people
        row["bimodality"] = math.nan
    if network is not None and nulls and not agreed:
        echo = echo_chamber(run.opinions, dynamics, network, nulls=nulls, threads=threads)
        row |= {
            "echo index": echo.index,
            "assortativity": echo.observed,
            "without attention": echo.prior,
            "echo p": echo.p,
        }
    return row


def echo_chamber(
    opinions,
    dynamics: Dynamics,
    network: Network,
    *,
    nulls=None,
    rewirings: int = 50,
    seed: int = 0,
    threads=None,
) -> measures.EchoChamber:
    """Echo-chamber index of a state: assortativity of the attention against degree-preserving rewirings.

    Parameters
    ----------
    opinions : (N,) or (N, d)
    dynamics : Dynamics
        Its attention is recomputed on every rewired network, so that the null hears the like-minded as
        keenly.
    network : Network
    nulls : sequence of Network, optional
        Rewirings made before (`measures.rewire`); else ``rewirings`` of them are drawn from ``seed``.
    rewirings, seed : int

    Returns
    -------
    EchoChamber
    """
    if nulls is None:
        nulls = [measures.rewire(network, seed=seed + k) for k in range(rewirings)]

    def value(net, rule):
        done = rule.step(opinions, net, weights=True, threads=threads)
        return _assortativity(opinions, net, done.weights, done.self_weights)

    observed = value(network, dynamics)
    prior = value(network, replace(dynamics, rule="degroot"))
    null = np.array([value(net, dynamics) for net in nulls])
    null = null[np.isfinite(null)]
    if not len(null) or not math.isfinite(observed):
        return measures.EchoChamber(math.nan, observed, prior, math.nan, math.nan, math.nan, len(null))
    p = (1 + int((null >= observed).sum())) / (1 + len(null))
    return measures.EchoChamber(
        observed - float(null.mean()),
        observed,
        prior,
        float(null.mean()),
        float(null.std(ddof=1)) if len(null) > 1 else math.nan,
        p,
        len(null),
    )


def _assortativity(opinions, network, attention, own) -> float:
    """Of the attention given to others: listening to oneself is no echo chamber, so it is left out."""
    x = np.asarray(opinions, dtype=np.float64).reshape(len(opinions), -1)
    rows = network.rows
    heard = np.bincount(rows, attention, network.size)
    live = heard > 1e-300
    safe = np.where(live, heard, 1.0)

    def hear(values):
        return np.stack(
            [
                np.bincount(rows, attention * values[network.indices, k], network.size) / safe
                for k in range(values.shape[1])
            ],
            1,
        )

    # the opinions' mean is taken off first: far from 0 the squares would cancel
    x = x - x.mean(0)
    return measures.assortativity(x[live], hear(x)[live], hear(x**2)[live])
