"""Histories with forgetting: planted half-lives, and two cohorts beside Cox on last values and LightGBM.

`python -m bench.history [--quick] [--write] [--only sum,mean,uneven,pbcseq,NAFLD,
pbcseq-horizons,NAFLD-horizons]`. Scores are out of fold,
folds by patient (NAFLD: by case.id, since controls are matched), IPCW with Kaplan-Meier of the censoring;
intervals are paired bootstraps over patients (case.id). Where lifelines is installed, the Cox peer is checked
against it. Planted cohorts are kept one by one in bench/.cache, so that a run can be taken up again.
"""

from __future__ import annotations

import sys
from functools import partial

import numpy as np
import pandas as pd

import heedful.recall.history as history_package
from heedful.files.events import read_events
from heedful.recall.history import History, generated, histories
from heedful.recall.history.model import group_folds
from heedful.recall.history.peers import cox_last, last_table, lightgbm_windows
from heedful.recall.history.survival import auroc, brier, ipcw

from . import _data, _page
from ._parts import Kept, code_of

PACKAGES = ("numpy", "scipy", "lightgbm", "lifelines")
NOTES = """- Both cohorts come out level with the better peer: every interval of a difference holds 0.
  Forgetting adds nothing that these data can show to last values (pbcseq) or to last values with
  counts (NAFLD, subjects with an even id only); it is not sold as a gain.
- In the first ten cohorts of sums (seeds 70,000 to 70,009) 60 of 60 intervals held. That was luck: of 80
  others 443 of 480 did (the row above), with errors 1.09 times as spread as the intervals say; the 7-day
  half-life is the least covered (.89: short half-lives come out a little short). The intervals were left as
  they are, Wald's on the log scale.
- Other horizons: no gain over the better peer at any of the five. The one gain that was expected (pbcseq,
  1826 d) did not come; NAFLD at 365 d is ahead in AUROC within its interval (61 events), and its Brier score
  better than Cox's alone; NAFLD at 3650 d is a loss in Brier score against both peers.
- Cox peer against lifelines on the same columns: pbcseq, correlation of log hazards .9999 (risks
  rounded at 1), log likelihood -1919.3 and -1919.0. On NAFLD's 30 independent columns lifelines
  stops short (-2485.5 against -2215.8 here, both by the same formula), so the peer shown is the
  stronger of the two.
- All rows are of one build, measured again in the third session of work: each came out as before. The check
  against lifelines (0.30.3) is of the first measurement; the peer's code is the same since.
- The planted generators are ours; their signal was set by the oracle's AUROC (.83 sums, .95 means)."""
# Other horizons, and what was expected of each before any of them was run (difference of AUROC to the better
# peer): the last visit says nearly everything about the next year, and less about the next five.
OTHERS = {
    "pbcseq": {365.0: "level: within .005", 1826.0: "ours ahead by .003 to .01, the interval holds 0"},
    "NAFLD": {
        365.0: "level, few events: within .02",
        730.0: "level: within .01",
        3650.0: "level: within .005",
    },
}
LABS = (
    "bili",
    "chol",
    "albumin",
    "alk.phos",
    "ast",
    "platelet",
    "protime",
    "stage",
    "ascites",
    "hepato",
    "spiders",
    "edema",
)


def pbcseq():
    """Events, landmark labels (every visit), groups, horizon; or None."""
    path = _data.locate("pbcseq")
    if path is None:
        return None
    table = pd.read_csv(path)
    events = table.melt(["id", "day"], LABS, "code", "numeric_value").dropna(subset=["numeric_value"])
    events = events.rename(columns={"id": "subject_id", "day": "time"})
    labels = pd.DataFrame(
        {
            "subject_id": table["id"],
            "prediction_time": table["day"],
            "duration": table["futime"] - table["day"],
            "event": (table["status"] > 0).astype(int),
            "age": table["age"] + table["day"] / 365.25,
            "male": (table["sex"] == "m").astype(int),
        }
    )
    labels = labels[labels["duration"] > 0].reset_index(drop=True)
    return read_events(events), labels, labels["subject_id"].to_numpy(), 730.0


def nafld():
    """Events, labels (day 730), groups, horizon 5 years; or None."""
    paths = [_data.locate(f"nafld{k}") for k in (1, 2, 3)]
    if None in paths:
        return None
    base = pd.read_csv(paths[0])
    base = base[base["futime"] > 730]
    labels = pd.DataFrame(
        {
            "subject_id": base["id"],
            "prediction_time": 730.0,
            "duration": base["futime"] - 730,
            "event": base["status"],
            "age": base["age"] + 2,
            "male": base["male"],
            "bmi": base["bmi"],
            "weight": base["weight"],
        }
    ).reset_index(drop=True)
    return read_events(list(paths[1:])), labels, base["case.id"].fillna(base["id"]).to_numpy(), 5 * 365.25


def cohort(
    name: str, data, out=print, *, repeats: int = 1, seed: int = 0, level: float = 0.95, draws: int = 400
) -> list[dict]:
    """Out-of-fold IPCW AUROC and Brier of ours and of both peers, with paired intervals."""
    events, labels, groups, horizon = data
    H = histories(events, labels)
    case, weight = ipcw(H.duration, H.died, horizon)
    guess: dict[str, list[np.ndarray]] = {}
    for r in range(repeats):
        fold = group_folds(groups, 5, seed + r)
        this: dict[str, np.ndarray] = {}
        for k in range(5):
            a, b = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
            train, held = H.take(a), H.take(b)
            for who, p in {
                "ours": History(horizon, correction="cv", counts=name != "pbcseq")
                .fit(train, groups=groups[a])
                .predict(held),
                "Cox last values": cox_last(train, held, horizon),
                "LightGBM windows": lightgbm_windows(train, held, horizon, groups[a], seed=seed),
            }.items():
                this.setdefault(who, np.zeros(len(H)))[b] = p
        for who, p in this.items():
            guess.setdefault(who, []).append(p)
    guess = {who: np.mean(p, axis=0) if repeats == 1 else np.stack(p) for who, p in guess.items()}
    guess = {who: np.atleast_2d(p) for who, p in guess.items()}

    def scores(rows: np.ndarray) -> dict[str, np.ndarray]:
        return {
            who: np.mean(
                [
                    (auroc(q[rows], case[rows], weight[rows]), brier(q[rows], case[rows], weight[rows]))
                    for q in p
                ],
                axis=0,
            )
            for who, p in guess.items()
        }

    whole = scores(np.arange(len(H)))
    check_cox(H, horizon, out)
    rng, ids = np.random.default_rng(seed), np.unique(groups)
    members = {g: np.flatnonzero(groups == g) for g in ids}
    drawn = []
    for _ in range(draws):
        rows = np.concatenate([members[g] for g in rng.choice(ids, len(ids))])
        drawn.append(scores(rows))
    rows = []
    for peer in ("Cox last values", "LightGBM windows"):
        gap = np.array([d["ours"] - d[peer] for d in drawn])
        low, high = np.quantile(gap, [(1 - level) / 2, (1 + level) / 2], axis=0)
        for m, measure in enumerate(("AUROC", "Brier")):
            rows.append(
                {
                    "work": f"{name}, {horizon:.0f} d, {measure} ({len(H)} predictions, "
                    f"{int(case.sum())} events known)",
                    "floor": "not worse than the better peer within the interval",
                    "ours": f"{whole['ours'][m]:.4f}",
                    "peer": f"{peer} {whole[peer][m]:.4f}",
                    "difference": f"{whole['ours'][m] - whole[peer][m]:+.4f} [{low[m]:+.4f}, {high[m]:+.4f}]",
                }
            )
            out(rows[-1])
    return rows


def check_cox(H, horizon: float, out=print) -> None:
    """Our Cox peer beside lifelines' on the same columns, said on stdout."""
    try:
        from lifelines import CoxPHFitter
    except ImportError:
        out("lifelines is not installed: the Cox peer is not checked against it")
        return
    from scipy.linalg import qr

    from heedful.recall.history.survival import CoxLoss

    X, _ = last_table(H, H)
    _, R, order = qr(X, mode="economic", pivoting=True)
    X = X[:, order[: int((np.abs(np.diag(R)) > 1e-8 * np.abs(R[0, 0])).sum())]]  # lifelines needs full rank
    frame = pd.DataFrame(X).assign(T=np.minimum(H.duration, horizon), E=H.died * (H.duration <= horizon))
    theirs = CoxPHFitter(penalizer=1e-7).fit(frame, "T", "E").predict_log_partial_hazard(frame).to_numpy()
    risk = np.clip(cox_last(H, H, horizon), 1e-12, 1 - 1e-12)
    ours, loss = np.log(-np.log1p(-risk)), CoxLoss(H.duration, H.died, horizon)
    out(
        f"Cox peer against lifelines: correlation of log hazards {np.corrcoef(theirs, ours)[0, 1]:.5f}, "
        f"log likelihood {-loss(ours)[0]:.2f} and {-loss(theirs)[0]:.2f}"
    )


# cohorts and first seed of each kind. Seeds 70,000 to 70,009 were those of the first measurement, in which 60
# of 60 intervals of the sums held: too good to be the law, so 80 others were drawn
PLANTED = {"sum": (80, 90_000), "mean": (18, 90_000), "uneven": (10, 70_000)}
KINDS = {"sum": ("sum", False), "mean": ("mean", False), "uneven": ("sum", True)}


def planted(which: str, out=print, *, quick: bool = False) -> list[dict]:
    """Half-lives found again, their intervals, and the gap to the oracle's AUROC on fresh patients."""
    rows: list[dict] = []
    sets, first = (2, 0) if quick else PLANTED[which]
    kind, frailty = KINDS[which]
    code = ("model", "design", "heads", "survival", "tokens", "synthetic")
    kept = Kept(
        "history",
        {
            "ours": code_of(history_package, code),
            "windows": code_of(history_package, ("peers", "tokens", "synthetic")),
        },
    )
    found = [
        kept("ours", which, first + s, make=partial(_recovered, kind, frailty, first + s))
        for s in range(sets)
    ]
    gap = [
        kept("ours", which, "gap", 70_000 + s, make=partial(_gap, kind, frailty, s))
        for s in range(2 if quick else 10)
    ]
    windows = [kept("windows", which, 70_000 + s, make=partial(_windows, kind, frailty, s)) for s in range(2)]
    kept.save()
    ratio, covered = np.array(found).reshape(sets, 2, -1).transpose(1, 0, 2)
    near, error = np.abs(ratio - 1) <= 0.25, np.abs(np.log2(ratio))
    name = {"sum": "forgetting sum", "mean": "forgetting mean"}[kind] + (", uneven rates" if frailty else "")
    count = np.size(near)
    rows += [
        {
            "work": f"half-lives 7..1000 d within 25 %, {name}, n=4000 ({count} codes)",
            "floor": ".70",
            "goal": ".80",
            "ours": f"{np.mean(near):.3f}",
            "note": f"median |log2 error| {np.median(error):.3f}",
        },
        {
            "work": f"95 % intervals cover, {name}",
            "floor": ".90-.98",
            "goal": "",
            "ours": f"{np.mean(covered):.3f} ± {np.std(covered) / np.sqrt(count):.3f}",
        },
        {
            "work": f"AUROC short of the oracle, {name}",
            "floor": ".005",
            "goal": ".003",
            "ours": f"{np.mean(gap):.4f} (worst {np.max(gap):.4f})",
            "note": f"LightGBM windows {np.mean(windows):.4f} (2 sets)",
        },
    ]
    for row in rows[-3:]:
        out(row)
    return rows


def _fitted(kind: str, frailty: bool, seed: int):
    data = generated(kind, n=4000, seed=seed, frailty=frailty)
    return data, History().fit(data.events, data.labels)


def _recovered(kind: str, frailty: bool, seed: int) -> list[float]:
    """Estimated half-lives over planted ones, then whether their intervals hold them."""
    data, model = _fitted(kind, frailty, seed)
    table = model.half_lives_
    truth = table["code"].map(data.half_lives).to_numpy()
    return [*(table["half_life"] / truth), *((table["low"] <= truth) & (truth <= table["high"]))]


def _gap(kind: str, frailty: bool, s: int) -> list[float]:
    """AUROC short of the oracle's on 4000 fresh patients."""
    _, model = _fitted(kind, frailty, 70_000 + s)
    fresh = generated(kind, n=4000, seed=80_000 + s, frailty=frailty)
    y = fresh.labels["boolean_value"].to_numpy(float)
    return [fresh.oracle() - auroc(model.predict(fresh.events, fresh.labels), y)]


def _windows(kind: str, frailty: bool, s: int) -> list[float]:
    """The same of LightGBM on windows."""
    data = generated(kind, n=4000, seed=70_000 + s, frailty=frailty)
    fresh = generated(kind, n=4000, seed=80_000 + s, frailty=frailty)
    y = fresh.labels["boolean_value"].to_numpy(float)
    p = lightgbm_windows(
        histories(data.events, data.labels), histories(fresh.events, fresh.labels), None, None
    )
    return [fresh.oracle() - auroc(p, y)]


COHORTS = {"pbcseq": (pbcseq, 3), "NAFLD": (nafld, 1)}
MORE = tuple(f"{name}-horizons" for name in COHORTS)


def horizons(name: str, out=print, *, quick: bool = False) -> list[dict]:
    """The same cohort at other horizons, intervals widened for how many of them were run (Bonferroni)."""
    load, repeats = COHORTS[name]
    data = load()
    if data is None:
        return []
    level = 1 - 0.05 / sum(map(len, OTHERS.values()))
    rows = []
    for horizon, expected in OTHERS[name].items():
        found = cohort(
            name,
            (*data[:3], horizon),
            out,
            repeats=1 if quick else repeats,
            level=level,
            draws=100 if quick else 2000,
        )
        rows += [
            {"work": r["work"], "expected": expected if "AUROC" in r["work"] else ""}
            | {k: r[k] for k in ("ours", "peer", "difference")}
            for r in found
        ]
    return rows


def part(name: str, out=print, *, quick: bool = False) -> list[dict]:
    """Rows of one part; a cohort whose file is not there is said and skipped."""
    if name in KINDS:
        return planted(name, out, quick=quick)
    if name.endswith("-horizons"):
        return horizons(name.removesuffix("-horizons"), out, quick=quick)
    load, repeats = COHORTS[name]
    data = load()
    return [] if data is None else cohort(name, data, out, repeats=1 if quick else repeats)


def run(out=print, *, quick: bool = False) -> list[dict]:
    """All rows."""
    return [row for name in (*KINDS, *COHORTS, *MORE) for row in part(name, out, quick=quick)]


def main() -> None:
    _page.usage(__doc__)
    from ._parts import rows_of, show

    rows = rows_of(
        "history",
        {name: partial(part, name, quick="--quick" in sys.argv) for name in (*KINDS, *COHORTS, *MORE)},
    )
    half, real, other = ([row for name in names for row in rows[name]] for names in (KINDS, COHORTS, MORE))
    sections = [
        ("Planted half-lives", half or "not run"),
        ("Cohorts", real or "no cohort file was found"),
        (
            "Other horizons (all that were run; 99 % intervals, so that all five hold with 95 %)",
            other or "not run",
        ),
        ("Notes", NOTES),
    ]
    show("history", "Histories with forgetting", sections, PACKAGES)


if __name__ == "__main__":
    main()
