"""Draws of the raster bench, one file each under the cache: the arbiter under thirteen kinds of damage."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pandas as pd

from bench import _data

CACHE = Path(__file__).parent / ".cache" / "raster"
HELD = (
    "add",
    "noise",
    "shift",
)  # then shadow, no-data, stripes, wrong date and the gain offset were never planted
SETTINGS = {
    "trees": 40,
    "rows": 8000,
    "gate_rows": 32000,
    "passes": 8,
    "light": True,
    "date_reference": "sar",
}
DRAWS = 5


def landscapes(draw: int, kinds) -> list[dict]:
    """One planting draw on seeded landscapes: fit on one, stress another."""
    from heedful.arbitrate.raster import SourceArbiter, landscape, stress

    train, test = landscape(320, seed=500 + draw), landscape(192, seed=900 + draw)
    arbiter = SourceArbiter(kinds=kinds, seed=draw, **SETTINGS).fit(train)
    rows = stress(arbiter, test, seed=draw).to_dict("records")
    a, y = arbiter.arbitrate(test), test.labels[0]
    share = a.share("sar")
    right = {k: float((a.opinions[..., i, :].argmax(-1) == y).mean()) for i, k in enumerate(a.keys)}
    rows[0] |= {
        "decision soil": float(share[np.isin(y, (1, 2))].mean()),
        "decision forest": float(share[np.isin(y, (3, 4))].mean()),
        "best single": max(right["optical"], right["sar"]),
        "rate": float(sum(a.rate.values())),
    }
    return rows


def pair_scene(number: str):
    """A real pair with classes made from it: four clusters of the undamaged, smoothed pair. None where
    missing."""
    from PIL import Image
    from scipy import ndimage
    from sklearn.cluster import KMeans

    from heedful.arbitrate.raster import Scene

    folder = _data.locate("s1s2_pairs")
    if folder is None:
        return None
    optical = np.moveaxis(np.asarray(Image.open(folder / f"opt_{number}.png"), float), -1, 0)
    radar = np.asarray(Image.open(folder / f"sar_{number}.png"), float)[..., :1].transpose(2, 0, 1)
    both = np.stack([ndimage.uniform_filter(b, 9) for b in (*optical, *radar)])
    x = both.reshape(4, -1).T
    x = (x - x.mean(0)) / x.std(0)
    x[:, 3] *= 1.7  # one radar band beside three optical ones that are much alike
    km = KMeans(4, n_init=2, random_state=0).fit(x[::97])
    return Scene(
        {"optical": optical.astype(np.float32), "sar": radar.astype(np.float32)},
        km.predict(x).reshape(radar.shape[1:]),
    )


def pairs(draw: int) -> list[dict] | None:
    """One draw on a real pair: fit on its left half, stress a part of its right half."""
    from heedful.arbitrate.raster import SourceArbiter, stress

    scene = pair_scene(("003", "046", "127")[draw % 3])
    if scene is None:
        return None
    top = 64 + 160 * (draw // 3)
    train = scene.window(slice(top, top + 384), slice(64, 448))
    test = scene.window(slice(top + 100, top + 292), slice(640, 832))
    arbiter = SourceArbiter(kinds=HELD, seed=draw, **SETTINGS).fit(train)
    return stress(arbiter, test, seed=draw).to_dict("records")


def fuel() -> list[dict] | None:
    """Live fuel moisture, split by site: random forest on everything, and the arbiter over random forests."""
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.metrics import r2_score

    from heedful.arbitrate.raster import Scene, SourceArbiter

    folder = _data.locate("fuel_moisture")
    if folder is None:
        return None
    load = lambda n: np.load(folder / f"fuel_moisture__{n}.npy", allow_pickle=False)  # noqa: E731
    x, y, test, site = load("s1_s2_era5_srtm"), load("target"), load("is_test") == 1, load("site")
    groups = {"sar": [0, 1], "optical": [*range(2, 13), 17], "weather and terrain": [13, 14, 15, 16]}
    data = {s: x[:, :, b].reshape(len(x), -1) for s, b in groups.items()}
    make = RandomForestRegressor(200, min_samples_leaf=2, max_features=0.33, n_jobs=1, random_state=0)
    stack = np.concatenate(list(data.values()), 1)
    peer = make.fit(stack[~test], y[~test]).predict(stack[test])
    out = []
    for seed in range(1):
        arbiter = SourceArbiter(
            sources={"sar": "radar", "optical": "optical", "weather and terrain": "other"},
            experts=make,
            block=1,
            rows=4000,
            gate_rows=8000,
            passes=2,
            light=True,
            seed=seed,
            hardened=False,
        )
        arbiter.fit(Scene({s: v[~test] for s, v in data.items()}, y[~test].astype(float)), groups=site[~test])
        a = arbiter.arbitrate(Scene({s: v[test] for s, v in data.items()}))
        z = a.z[:, 0, 0]
        rng, sites = np.random.default_rng(seed), np.unique(site[test])
        where = {s: np.flatnonzero(site[test] == s) for s in sites}
        d = []
        for _ in range(500):
            i = np.concatenate([where[s] for s in rng.choice(sites, len(sites))])
            d.append(r2_score(y[test][i], z[i]) - r2_score(y[test][i], peer[i]))
        low, high = np.quantile(d, [0.025, 0.975])
        out.append(
            {
                "seed": seed,
                "arbiter": r2_score(y[test], z),
                "forest": r2_score(y[test], peer),
                "low": low,
                "high": high,
                **{f"R2 {k}": r2_score(y[test], a.opinions[:, 0, i, 0]) for i, k in enumerate(a.keys)},
                **{f"weight {k}": float(a.weights[:, 0, i].mean()) for i, k in enumerate(a.keys)},
            }
        )
    return out


def tile() -> list[dict]:
    """A whole Sentinel-2 tile through the command: see `_raster_tile`."""
    from bench import _raster_tile

    return _raster_tile.tile(folder=str(CACHE))


def compute(job: str) -> list[dict] | None:
    """A job's rows, from the cache or computed."""
    CACHE.mkdir(parents=True, exist_ok=True)
    kept = CACHE / (job.replace(":", "_") + ".json")
    if kept.exists():
        return json.loads(kept.read_text())
    name, _, draw = job.partition(":")
    start = time.process_time()
    rows = {
        "held": lambda: landscapes(int(draw), HELD),
        "all": lambda: landscapes(int(draw), None),
        "pairs": lambda: pairs(int(draw)),
        "fuel": fuel,
        "tile": tile,
    }[name]()
    if rows is not None:
        kept.write_text(json.dumps(rows))
    print(job, f"{time.process_time() - start:.0f} s", flush=True)
    return rows


def kept(prefix: str) -> list[list[dict]]:
    """All draws of a job that were computed."""
    return [json.loads(p.read_text()) for p in sorted(CACHE.glob(f"{prefix}_*.json"))]


def half_interval(d: np.ndarray) -> float:
    """Half of the 95 % interval of a mean over draws (Student's t)."""
    from scipy.stats import t

    n = len(d)
    return float(t.ppf(0.975, n - 1) * np.std(d, ddof=1) / np.sqrt(n)) if n > 1 else np.nan


def mean_table(draws: list[list[dict]]) -> pd.DataFrame:
    """Mean over draws of every corruption; `delta` against the best other of the means, with its interval."""
    frame = pd.concat([pd.DataFrame(d).assign(draw=i) for i, d in enumerate(draws)])
    rows = []
    for name, part in frame.groupby("corruption", sort=False):
        others = [c for c in ("optical alone", "sar alone", "stack", "hardened stack") if c in part]
        best = part[others].mean().idxmax()
        d = (part["arbiter"] - part[best]).to_numpy()
        half = half_interval(d)
        rows.append(
            {
                "damage": name,
                "planted in training": part["trained"].iloc[0],
                "AUROC weight": part["AUROC weight"].mean(),
                "AUROC reliability": part["AUROC reliability"].mean(),
                **{c: part[c].mean() for c in ("arbiter", *others)},
                "delta": d.mean(),
                "+-": half,
                "best other": best,
            }
        )
    return pd.DataFrame(rows)
