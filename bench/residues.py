"""Contacts from alignments and functional residues from a site: ours beside mean field, MI-APC, plmDCA.

    python -m bench.residues [choose|contacts|trained FAMILY|site]     # one part, kept under bench/.cache
    python -m bench.residues --write                                   # all that is kept or can be made

pydca needs old pins, so it runs in an environment of its own, named by HEEDFUL_PYDCA (its python):
    python -m venv peers && peers/bin/pip install numba biopython scipy
    peers/bin/pip install --no-deps pydca
Its map is kept under bench/.cache, by the digest of the sequences: it takes minutes.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from heedful.files.alignment import LETTERS, read_alignment
from heedful.files.structure import read_structure
from heedful.interact.residues import SiteContacts, precisions, prepare
from heedful.interact.residues import couplings as cp
from heedful.interact.residues.neighbours import borrowed, learn_neighbours, unit_spread
from heedful.interact.residues.precision import precision_draws

from . import _page
from ._data import CACHE, locate

KEPT = CACHE / "residues"
DEPTHS = (200, 400, 800, 1600)  # sequences of the subsamples on which settings are chosen
OURS, FIELD, PEER_NAME = "ours", "mean field, pc .7", "plmDCA (pydca, live)"
# P@L. Mean field at pseudocount .5 and .7; MI-APC; and what AttentionDCA's authors publish for their own runs
ANCHORS = {
    ("S1A", 6): "mean field .552 / .561",
    ("S1A", 24): "mean field .448 / .475",
    ("DHFR", 6): "mean field .522 / .528",
    ("DHFR", 24): "mean field .428 / .440",
    ("PF00131", 6): "MI-APC .585; authors' plmDCA .403, attention .226",
    ("PF02953", 6): "MI-APC .656; authors' plmDCA .562, attention .406",
}
# residue numbers of 3TGI printed for the S1A sectors (Halabi et al. 2009). They were derived from covariation
# in this same alignment: not independent of a coupling map
SPECIFICITY = "17 161 172 176 177 180 183 187 188 189 191 192 213 215 216 220 221 226 227 228"
CATALYSIS = "19 33 42 43 55 56 57 58 102 141 142 184 194 195 196 197 198 199 213 214 216 225"
TRIED = """
- Above mean field and plmDCA, attempt 1: refinement by pseudo-likelihood, its penalty by held-out
  pseudo-likelihood (a fifth of the sequences). It picks .005 on S1A and PF00131, .01 on DHFR, .005 on
  PF02953, and the maps are worse than the closed form (P@L, |i-j| >= 6, couplings + .6 mutual
  information: S1A .578, DHFR .516, PF02953 .719): the penalty that predicts letters is not the one
  that finds contacts. On subsamples of PF00014 and PF00595 the same procedure had been ahead.
- Attempt 2: weights for the pairs around a pair, learned from half the sequences against the other:
  the default now. On the two other families AP .254 -> .278. The same by boosted trees in the place
  of a linear sum: AP .302 against .307 there, not kept.
- The weight of mutual information learned the same way (predicting the other half's couplings): .3 to
  1.5, too much for DHFR (P@L .472), not kept.
- Plain attention was under-trained before (8 heads, 200 steps: P@L .09 on S1A and DHFR, .34 on
  PF02953); it has 32 heads of 32 now and runs until its loss no longer falls, at most 1000 steps. On
  1600 sequences of PF00014 2000 steps reach P@L .62 (closed form .68), 200 with 8 heads .13. On S1A
  and DHFR (339 and 169 CPU s) it now reaches .300 and .258 at |i-j| >= 6: still half of mean field.
- P@L of S1A at >= 6 against plmDCA (.578 against .614), one more attempt, on subsamples of the two other
  families (P@L .464, AP .278 as it is): a feature of the map's mean at the pair's separation +.001,
  +.001; the positive part of the neighbours beside them .000, +.001; weights corrected from the noise of
  half the sequences to that of all of them -.017, -.009; four partings in the place of two +.004 (better
  in 5 of 16, worse in 2), +.002. The last would have given .583 on S1A (and .534 for .538 at >= 24) at
  twice the time: within noise, so the default stays and the loss with it.
- The site rows are of the map without borrowing: what neighbouring pairs add is nearness again.
"""
PEER = """
import sys, numpy as np
from pydca.plmdca import plmdca
model = plmdca.PlmDCA(sys.argv[1], "protein", seqid=.8, num_threads=1, max_iterations=500)
pairs = model.compute_sorted_FN_APC()
n = max(max(p) for p, _ in pairs) + 1
s = np.zeros((n, n))
for (i, j), x in pairs: s[i, j] = s[j, i] = x
np.save(sys.argv[2], s)
"""


def families():
    """(name, codes, contacts with NaN where unknown, separations, codes before gaps are cut) at hand."""
    for name, alignment, structure in (
        ("S1A", "residues_s1a", "residues_3tgi"),
        ("DHFR", "residues_dhfr", "residues_1rx2"),
    ):
        a, s = locate(alignment), locate(structure)
        if a and s:
            family = prepare(read_alignment(a), read_structure(s))
            every = prepare(read_alignment(a), read_structure(s), row_gaps=1.0).codes  # what pydca is given
            yield name, family.codes, (family.distances < 8.0).astype(float), (6, 24), every
    for name in ("PF00131", "PF02953"):
        got = pfam(name)
        if got:
            codes, distances = got
            yield name, codes, np.where(np.isfinite(distances), distances < 8.0, np.nan), (6,), codes


def pfam(name: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Letters of a family of AttentionDCA's authors, and their distances (L, L), NaN where unknown."""
    a, d = locate(f"residues_{name.lower()}"), locate(f"residues_{name.lower()}_distances")
    if not (a and d):
        return None
    alignment, table = read_alignment(a), np.loadtxt(d)
    distances = np.full((alignment.shape[1],) * 2, np.nan)
    table = table[table[:, -1] > 0]
    i, j = table[:, 0].astype(int) - 1, table[:, 1].astype(int) - 1
    distances[i, j] = distances[j, i] = table[:, -1]
    return alignment.thinned(1.0)[0].codes, distances


def plmdca(codes: np.ndarray) -> np.ndarray | None:
    """pydca's plmDCA at its defaults (at most 500 iterations); None where HEEDFUL_PYDCA names no python."""
    rows = codes[np.lexsort(codes.T)]
    kept = CACHE / f"pydca-{hashlib.sha256(rows.tobytes()).hexdigest()[:16]}.npy"
    if kept.exists():
        return np.load(kept)
    python = os.environ.get("HEEDFUL_PYDCA")
    if not python:
        return None
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        fasta = Path(folder) / "a.fasta"
        fasta.write_text(
            "".join(f">s{n}\n{''.join(LETTERS[c] for c in row)}\n" for n, row in enumerate(rows))
        )
        done = subprocess.run([python, "-c", PEER, str(fasta), str(kept)], capture_output=True, check=False)
        return np.load(kept) if done.returncode == 0 else None


def against(ours, theirs, contacts, separation: int, measure: str = "P@L") -> tuple[str, np.ndarray]:
    """'+.012 [-.003, +.026]': the difference and its interval; and the draws it rests on."""
    draws = precision_draws(
        ours, theirs, contacts, separation=separation, part={"P@L": 1, "AP": None}[measure], draws=1000
    )
    gap = precisions(ours, contacts, separation)[measure] - precisions(theirs, contacts, separation)[measure]
    return said(gap, draws), draws + (gap - draws.mean())


def said(gap: float, draws: np.ndarray) -> str:
    low, high = np.quantile(draws, [0.025, 0.975])
    return f"{gap:+.3f} [{low:+.3f}, {high:+.3f}]"


def kept(name: str, make) -> np.ndarray:
    """The map of this name from the cache, or made and kept."""
    KEPT.mkdir(parents=True, exist_ok=True)
    path = KEPT / f"{name}.npy"
    if not path.exists():
        start = time.process_time()
        np.save(path, make())
        print(f"{name}: {time.process_time() - start:.0f} CPU s", flush=True)
    return np.load(path)


def all_maps(name: str, codes: np.ndarray, every: np.ndarray, trained: bool) -> tuple[dict, float, str]:
    """Every method's map of a family; our share of a Potts model's numbers; and a line about the family."""
    f = cp.frequencies(codes, cp.sequence_weights(codes))
    start = time.process_time()
    model = SiteContacts().fit(codes)
    spent = time.process_time() - start
    field = cp.corrected(cp.mean_field(f, 0.7))
    maps = {
        OURS: model.scores_,
        "ours, without neighbours": model._mixed(model.coupling_, model.mutual_),
        "ours, couplings alone": model.coupling_,
    }
    if trained or (KEPT / f"refined-{name}.npy").exists():
        maps["ours, refined"] = kept(
            f"refined-{name}", lambda: SiteContacts(method="refined").fit(codes).scores_
        )
    if trained or (KEPT / f"plain-{name}.npy").exists():
        maps["ours, plain"] = kept(f"plain-{name}", lambda: SiteContacts(method="plain").fit(codes).scores_)
    maps |= {"mean field, pc .5": cp.corrected(cp.mean_field(f, 0.5)), FIELD: field, "MI-APC": model.mutual_}
    reach = model.neighbours
    if (peer := plmdca(every)) is not None:
        maps[PEER_NAME] = peer
        # the control: what the same borrowing does for them
        maps["plmDCA with our neighbours"] = borrowed(unit_spread(peer), model.borrowing_, reach)
    else:
        print("skipped plmDCA: HEEDFUL_PYDCA names no python with pydca")
    maps["mean field with our neighbours"] = borrowed(unit_spread(field), model.borrowing_, reach)
    share = model.parameters_ / model.potts_parameters_
    line = f"{name}: {codes.shape}, effective {model.effective_:.0f}, {share:.1%} of Potts, CPU {spent:.1f} s"
    return maps, share, line


def contact_rows(trained: str = "") -> tuple[list[dict], list[dict]]:
    """One row per family, separation and method; and the differences with the families together.

    ``trained`` names the family whose trained variants are made where they are not kept ("all" for each).
    """
    rows, pooled = [], {}
    for name, codes, contacts, separations, every in families():
        maps, share, line = all_maps(name, codes, every, trained in (name, "all"))
        print(line, flush=True)
        bar = "MI-APC" if name.startswith("PF") else FIELD
        for separation in separations:
            for method, scores in maps.items():
                got = precisions(scores, contacts, separation)
                row = {
                    "work": f"{name}, |i-j| >= {separation}",
                    "method": method,
                    **{k: f"{v:.3f}" for k, v in got.items()},
                }
                if method.startswith("ours"):
                    row["parameters"] = f"{share:.1%}" if "plain" not in method else ""
                    for other, label in ((bar, "the bar"), (PEER_NAME, "plmDCA")):
                        for measure in ("P@L", "AP"):
                            if other not in maps:
                                continue
                            text, draws = against(scores, maps[other], contacts, separation, measure)
                            row[f"{measure} minus {label}"] = text
                            pooled.setdefault((method, label, measure, separation), []).append(draws)
                row["anchor"] = ANCHORS.get((name, separation), "") if method == OURS else ""
                rows.append(row)
    together = []
    for (method, label, measure, separation), draws in pooled.items():
        if method in (OURS, "ours, refined") and len(draws) > 1:
            mean = np.mean(draws, 0)
            together.append(
                {
                    "method": method,
                    "against": "mean field at .7 (S1A, DHFR), MI-APC (PF)" if label == "the bar" else label,
                    "measure": f"{measure}, |i-j| >= {separation}",
                    "families": len(draws),
                    "mean difference": said(mean.mean(), mean),
                }
            )
    return rows, together


def choose_rows() -> list[dict]:
    """Settings tried on subsamples of two other families, PF00014 and PF00595; mean P@L and AP, |i-j| >= 6.

    Their distances are minima over many structures, so that nearly half of all pairs are below 8 A; the
    closest 2.2 L pairs at least 6 apart are taken as contacts, as many as a single fold has.
    """
    found: dict[tuple, list] = {}
    for name in ("PF00014", "PF00595"):
        if (got := pfam(name)) is None:
            return []
        codes, distances = got
        length = len(distances)
        far = distances[np.triu_indices(length, 6)]
        cut = np.sort(far[np.isfinite(far)])[int(2.2 * length)]
        contacts = np.where(np.isfinite(distances), distances < cut, np.nan)
        for depth in DEPTHS:
            for seed in range(2):
                rows = np.random.default_rng(seed).choice(len(codes), depth, replace=False)
                for (pc, mutual, reach), scores in settings_tried(codes[rows]):
                    got = precisions(scores, contacts, 6)
                    found.setdefault((pc, mutual, reach), []).append((got["P@L"], got["AP"]))
    return [
        {
            "pseudocount": pc,
            "weight of mutual information": mutual,
            "reach of the neighbours": reach,
            "P@L": f"{np.mean(values, 0)[0]:.3f}",
            "AP": f"{np.mean(values, 0)[1]:.3f}",
            "note": "the default" if (pc, mutual, reach) == (0.7, 0.3, 4) else "",
        }
        for (pc, mutual, reach), values in found.items()
    ]


def settings_tried(codes: np.ndarray):
    """((pseudocount, weight of mutual information, reach), map) of one alignment."""
    f = cp.frequencies(codes, cp.sequence_weights(codes))
    heads = {pc: cp.corrected(cp.site_alphabet(f, 8, pc)[0]) for pc in (0.5, 0.6, 0.7, 0.8)}
    information = cp.mutual_head(f)

    def mixed(coupling, mutual, weight):
        return unit_spread(coupling) + weight * unit_spread(mutual)

    for pc, coupling in heads.items():
        for weight in (0.0, 0.3, 0.6, 1.0):
            if pc == 0.7 or weight == 0.3:
                yield (pc, weight, 0), mixed(coupling, information, weight)
    for reach in (2, 3, 4, 5):
        for weight in (0.0, 0.3, 1.0) if reach == 4 else (0.3,):
            model = SiteContacts(mutual=weight, neighbours=0)
            model.mixture_ = (1.0, weight)
            borrowing = learn_neighbours(codes, model._closed_form, reach=reach)
            yield (0.7, weight, reach), borrowed(mixed(heads[0.7], information, weight), borrowing, reach)


def site_rows() -> list[dict]:
    """The planted fold, ten seeds; and S1A with its catalytic triad."""
    from heedful.interact.residues import SiteAttention, planted_sites
    from heedful.interact.residues.site import linked, nearness, planted_score
    from heedful.interact.residues.sites import choose_site, compare_measures, site_table

    rows = []
    got = []
    for seed in range(10):
        train, held = planted_sites(seed=seed, proteins=150), planted_sites(seed=1000 + seed, proteins=20)
        model = SiteAttention(seed=seed).fit(train)
        got.append(planted_score(model, held))
    for key in got[0]:
        values = np.array([g[key] for g in got])
        rows.append(
            {
                "work": f"planted fold, {key}",
                "ours": f"{values.mean():.3f} (least {values.min():.3f}, 10 seeds)",
            }
        )
    a, s = locate("residues_s1a"), locate("residues_3tgi")
    if a and s:
        family = prepare(read_alignment(a), read_structure(s))
        members, _ = choose_site(family, record="CAT")
        model = SiteContacts(neighbours=0).fit(family.codes)
        frame = site_table(family, model, members)
        labels = np.array([label[1:] for label in family.labels])
        truth = np.isin(labels, (SPECIFICITY + " " + CATALYSIS).split())
        measures, _ = compare_measures(frame, truth)
        for row in measures.itertuples():
            rows.append(
                {
                    "work": f"S1A, SITE CAT, sectors of Halabi 2009: {row.measure}",
                    "ours": f"AUROC {row.AUROC:.3f} [{row.low:.3f}, {row.high:.3f}]",
                }
            )
        outside = truth & ~members
        value = frame["attention"].to_numpy()[outside].mean()
        between = family.structure.residue_distances()[np.ix_(family.residue, family.residue)]
        rng, null = np.random.default_rng(0), []
        for _ in range(200):
            other = np.argsort(between[rng.integers(len(members))])[: members.sum()]
            null.append(linked(model.scores_, nearness(between[:, other].min(1)))[outside].mean())
        p = (1 + sum(n >= value for n in null)) / 201
        rows.append(
            {
                "work": "S1A: mean attention on the sectors, CAT against 200 random compact sites",
                "ours": f"p = {p:.3f}",
            }
        )
    return rows


PARTS = {"choose": choose_rows, "site": site_rows}


def told(name: str) -> list[dict]:
    """Rows of a part from the cache, or made and kept."""
    KEPT.mkdir(parents=True, exist_ok=True)
    path = KEPT / f"rows-{name}.json"
    if not path.exists() and (rows := PARTS[name]()):
        path.write_text(json.dumps(rows))
    return json.loads(path.read_text()) if path.exists() else []


def run(out=None) -> list[dict]:
    """Every row that the data at hand allows."""
    return [*choose_rows(), *(row for part in contact_rows("all") for row in part), *site_rows()]


def main() -> None:
    _page.usage(__doc__)
    words = [w for w in sys.argv[1:] if not w.startswith("--")]
    if words and words[0] in PARTS:
        print(_page.table(told(words[0])))
        return
    rows, together = contact_rows(words[1] if words[:1] == ["trained"] else "")
    print(_page.table(rows), _page.table(together), sep="\n\n")
    if "--write" in sys.argv:
        sections = [
            ("Settings, chosen on two other families", told("choose")),
            ("Contacts", rows),
            ("Contacts, families together (mean of their differences)", together),
            ("Site", told("site")),
            ("What was tried", TRIED),
        ]
        _page.write(
            "residues",
            "Residues: contacts, and functional residues of a site",
            sections,
            ("torch", "numpy", "gemmi"),
        )


if __name__ == "__main__":
    main()
