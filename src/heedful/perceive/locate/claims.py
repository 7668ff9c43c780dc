"""What a reading of landmarks asserts, as claims that can fail."""

from __future__ import annotations

import numpy as np
import torch

from ...attention import Segments, Weights
from ...errors import InputError
from ...trust import Claim, Null, Verdict, examine
from ...trust.verdict import Test
from .measures import permutation_p
from .nets import CELL
from .rivals import occlusion

LEVEL = 0.05
BLOCK = 4  # cells: blocks of 16 px are exchanged whole, so neighbouring cells are not taken for independent


def landmark_claim(model, images, queries, truth: np.ndarray, *, name: str = "", most: int = 32) -> Claim:
    """The class query's weight lies on the landmark.

    Parameters
    ----------
    model : PatchClassifier
        Of ``method="tied"``.
    images : (N, H, W, bands)
    queries : (N,) str
        The class asked for in each image.
    truth : (N, P) bool
        The patches claimed, known without looking at the weights. Images without any are left out.
    name : str
    most : int
        How many images are examined: the first ones.

    Returns
    -------
    Claim
        Queries are images, keys the cells of all of them, kept apart by ``Segments``; the null exchanges
        blocks of 16 px among all images: a class query must prefer its own landmark to other ground.
    """
    truth = np.asarray(truth, bool)
    rows = np.flatnonzero(truth.any(1))[:most]
    if len(rows) == 0:
        raise InputError("no image has a patch to be claimed")
    net, x = model.net_, model.prepare(np.asarray(images)[rows])
    with torch.no_grad():
        tokens = net.tokens(x)
        n, _, h, w = tokens.shape
        flat = tokens.flatten(2).transpose(1, 2)
        keys = torch.cat([flat, flat.new_ones(n, h * w, 1)], 2)
        query = torch.cat([net.evidence.weight.flatten(1), net.evidence.bias[:, None]], 1)
        query = query[model.indices(np.asarray(queries)[rows], torch.zeros(n, len(model.classes_)))]
        values = (keys * query[:, None]).sum(2).reshape(-1, 1)  # the tied read: evidence is the value
        apart = Segments(np.arange(n + 1), np.arange(n + 1) * h * w)
        weights = Weights(query, keys.reshape(n * h * w, -1), [apart], temperature=net.temperature, scale=1.0)
    each = model.patch // CELL
    cells = truth[rows].reshape(n, h // each, w // each).repeat(each, 1).repeat(each, 2).reshape(n, -1)
    claimed = np.zeros((n, n * h * w), bool)
    for i in range(n):
        claimed[i, i * h * w : (i + 1) * h * w] = cells[i]
    return Claim(
        weights,
        queries=np.arange(n),
        keys=claimed,
        values=values,
        null=Null("block", shape=(n * h, w), block=min(BLOCK, h, w)),
        name=name or "the class query's weight lies on the landmark",
    )


def removal_claim(model, images, queries, *, k: int = 4, most: int = 32) -> Claim:
    """The class query's weight lies on the patches whose removal costs the class most: needs no truth.

    The k patches come from leave-one-out passes, which do not look at the weights, so they are not chosen by
    what is to be tested.
    """
    images, queries = np.asarray(images)[:most], np.asarray(queries)[:most]
    x = model.prepare(images)
    numbers = torch.from_numpy(np.searchsorted(model.classes_, queries))
    drop = occlusion(model.net_, x, numbers, patch=model.patch).numpy()
    top = np.zeros(drop.shape, bool)
    np.put_along_axis(top, np.argsort(-drop, 1)[:, :k], True, 1)
    return landmark_claim(
        model,
        images,
        queries,
        top,
        most=most,
        name=f"the class query's weight lies on the {k} patches whose removal costs most",
    )


def judge(claim: Claim, *, level: str = "quick", draws: int = 999, seed: int = 0) -> Verdict:
    """The verdict on a claim about images, which other images' patches must not explain as well.

    Weights have habits (what stands near an image's edge reads less), and so have landmarks: exchanging
    blocks among all places would take what both share for a finding. So the images also exchange their
    claimed patches, place by place; p is the larger of the two.

    Parameters
    ----------
    claim : Claim
        Of ``landmark_claim`` or ``removal_claim``.
    level, draws, seed
        Of ``examine``.

    Returns
    -------
    Verdict
    """
    verdict = examine(claim, level=level, draws=draws, seed=seed)
    if verdict.status == "not testable":
        return verdict
    n = len(claim.queries)  # six at least, or it had not been testable
    own = np.arange(n)
    weight, claimed = (a.reshape(n, n, -1)[own, own] for a in (claim.all_rows, claim.keys))
    p = permutation_p(weight, claimed, rounds=draws, seed=seed)
    says = f"{p:.1%} of {draws} exchanges of the claimed patches among images give as much"
    against = "other images' patches"
    test = Test(against, p <= LEVEL, float("nan"), None, p, draws, against, says)
    return verdict.under(test, compared_with=f"{verdict.compared_with}, and {against}")
