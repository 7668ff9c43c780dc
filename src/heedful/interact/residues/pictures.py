"""Pictures of residues, as data."""

from __future__ import annotations

import numpy as np

from ...reading import pictures as pic
from .precision import precisions
from .tokens import Family

SHOWN = 300


def contact_pictures(
    maps: dict[str, np.ndarray],
    pairs: np.ndarray,
    labels,
    contacts=None,
    *,
    separation: int = 6,
    verdict=None,
) -> list:
    """The map, the best pairs as arcs, and precision against the number of pairs where contacts are known.

    Parameters
    ----------
    maps : dict of str to (L, L)
        Ours first, then the baselines.
    pairs : (M, 2)
        Ours, ranked; the first L are drawn.
    contacts : (L, L) bool, optional
    """
    scores = next(iter(maps.values()))
    columns = len(scores)
    top = pairs[:columns]
    said = "Marks are pairs with C-betas nearer than 8 angstrom." if contacts is not None else ""
    out = [
        pic.Arcs(
            "The best pairs, as many as residues",
            list(labels),
            top,
            scores[top[:, 0], top[:, 1]],
            marks=None if contacts is None else np.asarray(contacts)[top[:, 0], top[:, 1]].astype(bool),
            caption=f"At least {separation} apart in the sequence. {said}",
            verdict=verdict,
        )
    ]
    if columns <= SHOWN:
        shown = np.where(
            np.abs(np.subtract.outer(np.arange(columns), np.arange(columns))) >= separation, scores, np.nan
        )
        out.append(
            pic.Matrix(
                "How strongly two residues vary together",
                shown,
                list(labels),
                list(labels),
                marks=None if contacts is None else np.asarray(contacts).astype(bool),
                row_label="residue",
                column_label="residue",
                caption=said,
            )
        )
    if contacts is not None:
        i, j = np.triu_indices(columns, separation)
        ranks = np.arange(1, min(2 * columns, len(i)) + 1)
        series = {}
        for name, values in maps.items():
            true = np.asarray(contacts)[i, j].astype(bool)[np.argsort(-values[i, j], kind="stable")]
            series[name] = (np.cumsum(true) / np.arange(1, len(true) + 1))[: len(ranks)]
        out.append(
            pic.Curves(
                "Share of true contacts among the best pairs",
                ranks / columns,
                series,
                x_label="pairs taken, per residue",
                y_label="precision",
                marks=[(1.0, "L pairs")],
                caption="; ".join(
                    f"{name}: P@L {precisions(v, contacts, separation)['P@L']:.3f}"
                    for name, v in maps.items()
                ),
            )
        )
    return out


def site_pictures(frame, family: Family, *, verdict=None) -> list:
    """Residues most attended from the site, and attention against distance."""
    best = frame[~frame["site"]].nlargest(15, "attention")
    far = frame["separation"] >= 24
    return [
        pic.Bars(
            "Residues that the site attends to",
            best["residue"].tolist(),
            best["attention"].to_numpy(),
            groups=[f"{'far' if s >= 24 else 'near'} in sequence" for s in best["separation"]],
            unit="times an equal share",
            verdict=verdict,
            caption="Far: 24 or more residues from the nearest residue of the site. Most of this is "
            "nearness: see the next picture and the p-values in the table.",
        ),
        pic.Network(
            "Attention and distance from the site",
            frame["distance"].to_numpy(),
            frame["attention"].to_numpy(),
            labels=frame["residue"].tolist(),
            groups=[
                "site" if s else ("|i-j| >= 24" if f else "|i-j| < 24")
                for s, f in zip(frame["site"], far, strict=True)
            ],
            x_label="distance from the site (angstrom)",
            y_label="attention (times an equal share)",
        ),
    ]
