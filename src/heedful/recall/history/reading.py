"""A patient's timeline: what each event contributed to the risk, and what it weighed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ...attention import Decay, Mask, Weights
from ...attention.reads import LogPartition, TopK
from ...errors import InputError
from .design import Design
from .model import History
from .tokens import Histories


def one(model: History, events, subject, time) -> Histories:
    """The history of one patient up to one time, for a fitted model."""
    from .tokens import histories, labels_at

    labels = labels_at([subject], [time])
    if isinstance(events, Histories):
        rows = np.flatnonzero((events.subject == subject) & (events.time == time))
        if not len(rows):
            raise InputError(f"no prediction for subject {subject!r} at {time}")
        return events.take(rows[:1])
    for name in model.static_names_:
        labels[name] = np.nan
    return histories(events, labels, codes=model.codes_)


def head_weights(model: History, H: Histories, row: int = 0) -> tuple[Weights, np.ndarray, list[str]]:
    """The decay heads of one prediction as `Weights`: queries are heads, keys the events it may look at.

    ``W.lse()`` is the log of each head's forgetting sum, ``W @ values`` its forgetting mean.

    Returns
    -------
    W : Weights (heads, events)
    pairs : array of int
        Rows of ``H``'s pairs behind the keys.
    names : list of str
        Of the heads.
    """
    pairs = np.flatnonzero(H.row == row)
    if not len(pairs):
        raise InputError(f"subject {H.subject[row]!r} has no event before {H.when(row)}")
    table = model.half_lives_
    kind = {c: k for k, c in enumerate(model.codes_)}
    of_head = np.array([kind[c] for c in table["code"]])
    match = of_head[:, None] == H.code[pairs][None, :]
    match &= (table["readout"].to_numpy() == "sum")[:, None] | ~np.isnan(H.value[pairs])[None, :]
    n = len(table)
    decay = Decay(
        np.full(n, H.time[row]),
        H.time[row] - H.dt[pairs],
        half_life=table["half_life"].to_numpy()[:, None] * np.ones((1, len(pairs))),
    )
    W = Weights(np.zeros((n, 1)), np.zeros((len(pairs), 1)), [decay, Mask(match)])
    return W, pairs, [f"{c}, {r}" for c, r in zip(table["code"], table["readout"], strict=True)]


def timeline(model: History, events, subject=None, time=None, *, row: int = 0) -> pd.DataFrame:
    """Every event's contribution to the log hazard (log odds) of one prediction, newest last.

    A sum head gives each event its own term d 2^(-age / h); a mean head enters as last value less forgetting
    mean, so each older measurement contributes -g w_e (x_e - last), and the last value keeps its regression
    term. The contributions and ``attrs["rest"]`` (covariates and intercept) add up to the linear predictor.

    Parameters
    ----------
    model : History
        Fitted.
    events : event table, or Histories
        With ``subject`` and ``time`` for the former; ``row`` for the latter.

    Returns
    -------
    DataFrame
        time, code, value, age (days), weight (within its head), contribution.
    """
    if subject is not None:
        H = one(model, events, subject, time)
    else:
        H = events.take(np.array([row]))
    design = Design(H, model.scaling_)
    _, b0, g, d, log_m, log_s = design.split(model.theta_)
    s = model.scaling_
    part, weight = np.zeros(len(H.row)), np.zeros(len(H.row))
    F0 = len(H.static_names)
    last_term = b0[F0 : F0 + len(s.valued)]
    if len(design.value_pairs):
        p, v = design.value_pairs, design.values
        w = np.exp(-np.log(2) * np.exp(-log_m)[v.code] * v.age)
        w /= np.bincount(v.cell, w, minlength=v.n * v.C)[v.cell]
        last = design.last[0][v.code]
        part[p] += -(g / s.away_spread)[v.code] * w * (v.value - last)
        newest = np.flatnonzero(v.age == 0)
        share = 1.0 / np.bincount(v.code[newest], minlength=v.C)[v.code[newest]]
        part[p[newest]] += (last_term * design.last[0])[v.code[newest]] * share
        weight[p] = w
    if len(design.sum_pairs):
        p, v = design.sum_pairs, design.sums
        w = np.exp(-np.log(2) * np.exp(-log_s)[v.code] * (v.age + v.youngest[0][v.code]))
        part[p] += (d / s.sum_spread)[v.code] * w
        weight[p] = np.where(weight[p] > 0, weight[p], w)
    eta = float(design.eta(model.theta_)[0][0])
    table = pd.DataFrame(
        {
            "time": H.time[0] - H.dt,
            "code": np.asarray(H.codes, dtype=object)[H.code],
            "value": H.value,
            "age": H.dt,
            "weight": weight,
            "contribution": part,
        }
    )
    table.attrs.update(rest=eta - float(part.sum()), linear_predictor=eta, subject=H.subject[0], at=H.when(0))
    return table


def read(model: History, H: Histories, row: int = 0):
    """A labelled `Reading` of one prediction: heads by events."""
    from ...reading import Reading

    W, pairs, names = head_weights(model, H, row)
    _, r = W.read(None, [TopK(min(5, len(pairs))), LogPartition()])
    keys = [f"{H.codes[c]}, {age:g} d ago" for c, age in zip(H.code[pairs], H.dt[pairs], strict=True)]
    return Reading(r, queries=names, keys=keys, title=f"subject {H.subject[row]} at {H.when(row)}")
