"""The feature bench's page, from what was computed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bench import _page
from bench._features_parts import PARTS, cached, ceilings
from bench._features_tables import CACHE, PEERS, TABLES, interval, score_table


def ten() -> tuple[list[dict], pd.DataFrame]:
    """Rows of the ten tables, and the paired differences of the mean."""
    rows, frames = [], {}
    for name in TABLES:
        if not (CACHE / f"{name}_arbiter.json").exists():
            continue
        frames[name] = score_table(name)
        means = frames[name].drop(columns="split").mean()
        rows.append({"table": name, "splits": len(frames[name]), **means.round(3).to_dict()})
    if not frames:
        return [], pd.DataFrame()
    overall = pd.DataFrame(rows).drop(columns=["table", "splits"]).mean()
    rows.append({"table": f"mean over {len(frames)}", "splits": "", **overall.round(3).to_dict()})
    paired = []
    for peer in PEERS:
        d = {n: (f["arbiter"] - f[peer]).to_numpy() for n, f in frames.items()}
        mean = np.mean([v.mean() for v in d.values()])
        se = np.sqrt(np.sum([interval(v) ** 2 for v in d.values()])) / len(d)
        paired.append(
            {
                "against": peer,
                "difference of mean AUROC": round(float(mean), 4),
                "95 % interval": f"{mean - 1.96 * se:+.3f} .. {mean + 1.96 * se:+.3f}",
                "tables won": int(sum(v.mean() > 0 for v in d.values())),
            }
        )
    return rows, pd.DataFrame(paired)


def summary(parts: dict[str, list[dict]], tables: list[dict]) -> list[dict]:
    """Floors, goals and what was found."""
    f = {k: pd.DataFrame(v) for k, v in parts.items()}
    rows = []
    missing = [k for k in PARTS if k not in f]
    if missing:
        said = "not computed on this machine"
        rows += [
            {"measure": k, "ours": said, "theirs": "", "floor": "", "goal": "", "verdict": "open"}
            for k in missing
        ]
    if tables:
        last = tables[-1]
        best = max(PEERS, key=lambda p: last[p])
        rows.append(
            {
                "measure": f"mean AUROC, {last['table']} tables",
                "ours": last["arbiter"],
                "theirs": f"{last[best]} ({best})",
                "floor": "within .01 of the best peer",
                "goal": "above",
                "verdict": ("held" if last["arbiter"] >= last[best] - 0.01 else "missed")
                + ("" if len(tables) > 10 else " so far: not all ten were run"),
            }
        )
    best = ceilings()
    for part, strength in (("context", ""), ("weak_context", ", little more than half the signal")):
        for said, group in f[part].groupby("context") if part in f else ():
            top = group["ceiling"].mean() if "ceiling" in group else best[said]
            name = f"planted context ({said}{strength})"
            gain = (group["arbiter"] - group["LightGBM"]).mean()
            peer = max(("ridge", "random forest", "LightGBM"), key=lambda k: group[k].mean())
            rows.append(
                {
                    "measure": f"{name}: AUROC of the weights",
                    "ours": group["weights"].mean(),
                    "theirs": f"{group['plain weights'].mean():.3f} (constant class query)"
                    if "plain weights" in group
                    else "",
                    "floor": ">= .95",
                    "goal": "",
                    "verdict": "held" if group["weights"].mean() >= 0.95 else "missed",
                }
            )
            rows.append(
                {
                    "measure": f"{name}: AUROC",
                    "ours": group["arbiter"].mean(),
                    "theirs": f"{group['LightGBM'].mean():.3f} (LightGBM), best peer "
                    f"{group[peer].mean():.3f} ({peer}); Bayes' rule {top:.3f}",
                    "floor": "LightGBM + .05",
                    "goal": "above every peer",
                    "verdict": (
                        "held"
                        if gain >= 0.05
                        else "missed: above the best possible"
                        if group["LightGBM"].mean() + 0.05 > top
                        else "missed"
                    )
                    + (", goal held" if group["arbiter"].mean() > group[peer].mean() else ", goal missed"),
                }
            )
    if "real_context" in f:
        g = f["real_context"]
        peer = max(("ridge", "random forest", "LightGBM"), key=lambda k: g[k].mean())
        rows.append(
            {
                "measure": "planted context (four real tables): AUROC",
                "ours": g["arbiter"].mean(),
                "theirs": f"{g['LightGBM'].mean():.3f} (LightGBM), best peer {g[peer].mean():.3f} ({peer})",
                "floor": "LightGBM + .05",
                "goal": "above every peer",
                "verdict": ("held" if (g["arbiter"] - g["LightGBM"]).mean() >= 0.05 else "missed")
                + (", goal held" if g["arbiter"].mean() > g[peer].mean() else ", goal missed"),
            }
        )
        rows.append(
            {
                "measure": "planted context (four real tables): AUROC of the weights",
                "ours": g["weights"].mean(),
                "theirs": "",
                "floor": ">= .95",
                "goal": "",
                "verdict": "held" if g["weights"].mean() >= 0.95 else "missed",
            }
        )
    if "no_context" in f:
        g = f["no_context"]
        told, fits = int(g["told"].sum()), int(g["fits"].sum())
        rows.append(
            {
                "measure": "context that says nothing, or foretells the outcome by itself: told",
                "ours": f"{told}/{fits}",
                "theirs": "",
                "floor": "<= 5 %",
                "goal": "",
                "verdict": "held" if told <= 0.05 * fits else "missed",
            }
        )
    if "source" in f:
        s = f["source"]
        rows.append(
            {
                "measure": "planted source found",
                "ours": f"{int(s['arbiter'].sum())}/{len(s)}",
                "theirs": f"RF summed {int(s['RF summed'].sum())}, RF mean {int(s['RF mean'].sum())}, LASSO "
                f"{int(s['LASSO summed'].sum())}",
                "floor": ">= 9/10",
                "goal": "",
                "verdict": "held" if s["arbiter"].sum() >= 0.9 * len(s) else "missed",
            }
        )
    if "null" in f:
        n = f["null"]
        rows.append(
            {
                "measure": "shuffled labels: a source was named",
                "ours": f"{int(n['a source was named'].sum())}/{int(n['shuffled'].sum())}",
                "theirs": "",
                "floor": "<= 5 %",
                "goal": "",
                "verdict": "held"
                if n["a source was named"].sum() <= 0.05 * n["shuffled"].sum()
                else "missed",
            }
        )
        ahn = n[n["table"] == "Ahn2021"]
        if len(ahn):
            rows.append(
                {
                    "measure": "Ahn2021: p of any signal",
                    "ours": float(ahn["p"].iloc[0]),
                    "theirs": "",
                    "floor": "no signal told",
                    "goal": "",
                    "verdict": "held" if ahn["p"].iloc[0] > 0.05 else "missed",
                }
            )
    if "lesions" in f:
        le = f["lesions"]
        rows.append(
            {
                "measure": "lesions: AUROC of the texture weight against the type",
                "ours": le["weight follows the type"].mean(),
                "theirs": f"{le['plain' + chr(39) + 's weight'].mean():.3f} (constant class query)",
                "floor": "follows the type",
                "goal": "",
                "verdict": "held" if le["weight follows the type"].min() > 0.9 else "missed",
            }
        )
        rows.append(
            {
                "measure": "lesions: AUROC of the outcome",
                "ours": le["arbiter"].mean(),
                "theirs": f"{le['random forest'].mean():.3f} (forest), {le['plain'].mean():.3f} (plain)",
                "floor": "",
                "goal": "",
                "verdict": "",
            }
        )
    return rows


def page(write: bool) -> None:
    """Everything, printed; written where asked."""
    # only what was computed (`--only TABLE ...`, `--parts PART ...`): the page says what is missing
    parts = {k: cached(k, f) for k, f in PARTS.items() if (CACHE / f"part_{k}.json").exists()}
    tables, paired = ten()
    titles = {
        "context": "Planted context, 450 patients, 3-fold, 3 seeds",
        "weak_context": "Planted context, signal .45 instead of .75, 450 patients, 3-fold, 3 seeds",
        "real_context": "Planted context on real tables: half of the columns spoilt for each c",
        "no_context": "Real tables with a context that changes nothing (2 seeds drawn, 2 a noisy outcome)",
        "source": "Planted source: every other source shuffled",
        "null": "The null",
        "lesions": "Seeded lesions",
    }
    done = {k: pd.DataFrame(v).round(3).to_dict("records") for k, v in parts.items()}
    sections = [
        ("Floors and goals", summary(parts, tables)),
        (f"{max(len(tables) - 1, 0)} of ten real tables, AUROC, 5 x 5-fold cross-validation", tables),
        (
            "The arbiter minus a peer, mean over the tables (interval corrected for overlapping splits)",
            paired.to_dict("records"),
        ),
        *((title, done.get(k) or "not computed on this machine") for k, title in titles.items()),
        (
            "How the context came to speak on small tables",
            "An earlier build decided at 5 % by the held-out gain of a gate over 99 shuffled contexts, "
            "and then used the context or did not. On the four real tables its weights followed the "
            "context with AUROC .916: on Desmoid and Lipo it spoke in one or two folds of three. Two "
            "changes, both made on other tables and seeds (Head-Neck-PET-CT, HNSCC, LGG, Liver, KiTS, "
            "seeds from 20 on). First: a score test in place of the held-out gain, 499 exchanges within "
            "the same outcome; power on LGG .33 to .5, the level kept. A test in a kernel of the columns,"
            " one with experts refitted for each shuffle, and a penalised likelihood ratio had no more "
            "power. Second: the hard decision became a shrunk one, the context's part of the keys times "
            "the positive part of 1 - E[T] / T; .05 now decides what is told, and no longer what is used."
            " On those tables the weights went from .74 to .99 (LGG), .66 to .92 (Liver), .64 to .83 "
            "(Head-Neck), .58 to .74 (HNSCC, 62 patients to learn from). Shrinking by p (1 + e p ln p), a"
            " raised penalty, and a threshold of .2 were tried there as well and gave less.",
        ),
        (
            "How the peers were run",
            "Ridge: normal scores, C by inner 5-fold over 10 values. LASSO: standardised, C by inner "
            "4-fold over 7 "
            "values. Random forest: 500 trees. LightGBM: 200 rounds at .05, 7 leaves, columns "
            "sampled. All as "
            "tables of a hundred patients ask for; none was tuned on test folds. The arbiter is used "
            "as it comes. "
            "The sparse expert joined the arbiter after an earlier version was seen on four tables (Ahn2021, "
            "C4KC-KiTS, HNSCC, Head-Neck-PET-CT), where LASSO led; the others were not looked at before.",
        ),
    ]
    if write:
        _page.write(
            "features",
            "Features: handcrafted and learned, a gate per patient",
            sections,
            ("torch", "numpy", "scikit-learn", "lightgbm"),
        )
    for heading, body in sections:
        print(f"\n### {heading}\n")
        print(body if isinstance(body, str) else _page.table(body))
