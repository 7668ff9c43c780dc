"""Planted damage: abstract kinds for training, and named ones, built otherwise, for the stress table.

Training plants seven kinds (brightening, gain, constant fill, noise, another place, a shift, stripes); the
stress table plants what an operator meets (cloud, haze, shadow, no-data, stripes, wrong date, shift,
interference, speckle, calibration offset). `RELATED` says which training kinds a stress corruption is kin to,
so that "never trained" can be checked.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ...errors import InputError
from .tokens import Scene, kind_of

KINDS = ("add", "mult", "fill", "noise", "swap", "shift", "stripe")
POINT_KINDS = ("add", "mult", "fill", "noise", "swap")
RELATED = {
    "cloud": ("add",),
    "haze": ("add",),
    "shadow": ("mult",),
    "no-data as 0": ("fill",),
    "stripes": ("stripe",),
    "wrong date": ("swap",),
    "shift 3 px": ("shift",),
    "shift 5 px": ("shift",),
    "shift 10 px": ("shift",),
    "interference": ("noise",),
    "speckle": ("noise",),
    "offset (radar)": ("mult", "add"),
    "offset (optical)": ("mult",),
}
RADAR = ("interference", "speckle", "offset (radar)")
MARGINAL = (
    "cloud",
    "shadow",
    "no-data as 0",
    "stripes",
    "interference",
    "speckle",
    "haze",
    "offset (radar)",
    "offset (optical)",
)


def blob(shape: tuple[int, int], cover: float, scale: float, rng: np.random.Generator) -> np.ndarray:
    """A smooth random field as a rank in 0..1 above the area: > 0 over `cover` of the image, growing
    inwards."""
    if shape == (1, 1):
        return np.full(shape, float(rng.random() < cover))
    field = ndimage.gaussian_filter(rng.standard_normal(shape), scale, mode="reflect")
    edge = np.quantile(field, 1 - cover)
    return np.clip((field - edge) / max(field.max() - edge, 1e-9), 0, 1)


def in_decibels(x: np.ndarray) -> bool:
    """Whether a source is logarithmic: mostly negative values, none above 40."""
    sample = x[np.isfinite(x)]
    return bool(sample.size and np.median(sample) < 0 and np.quantile(sample, 0.999) < 40)


def gain(x: np.ndarray, factor: np.ndarray | float, decibels: bool) -> np.ndarray:
    """Multiply linear values, or add 10 log10 of the factor to decibels."""
    return x + 10 * np.log10(np.maximum(factor, 1e-6)) if decibels else x * factor


def plant(
    blocks: dict[str, np.ndarray],
    kinds: tuple[str, ...],
    seed: int,
    *,
    fixed: tuple[str, ...] = (),
    none: float = 0.1,
    both: float = 0.15,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], np.ndarray]:
    """One draw of training damage on every block.

    Parameters
    ----------
    blocks : dict of str to array (N, B, h, w)
        In the source's own units.
    kinds : tuple of str
        Which of `KINDS` may be planted.
    seed : int
    fixed : tuple of str
        Sources that are never swapped or shifted (the declared date reference).
    none, both : float
        Shares of blocks left clean, and with damage in more than one source.

    Returns
    -------
    damaged : dict of arrays, masks : dict of bool arrays (N, h, w), what : str array (N, S)
    """
    unknown = set(kinds) - set(KINDS)
    if unknown:
        raise InputError(
            f"unknown planted kind {sorted(unknown)[0]!r}", remedy="choose from " + ", ".join(KINDS)
        )
    rng = np.random.default_rng(seed)
    names = list(blocks)
    n, _, h, w = blocks[names[0]].shape
    out = {s: x.copy() for s, x in blocks.items()}
    masks = {s: np.zeros((n, h, w), bool) for s in names}
    what = np.full((n, len(names)), "", dtype="<U8")
    stats = {s: _statistics(x) for s, x in blocks.items()}
    for i in range(n):
        u = rng.random()
        if u < none:
            continue
        chosen = names if u > 1 - both else [names[rng.integers(len(names))]]
        for s in chosen:
            allowed = [k for k in kinds if not (s in fixed and k in ("swap", "shift"))]
            allowed = [k for k in allowed if k in POINT_KINDS] if (h, w) == (1, 1) else allowed
            if not allowed:
                continue
            kind = allowed[rng.integers(len(allowed))]
            new, area = _damage(blocks[s], i, kind, stats[s], rng)
            out[s][i] = np.where(np.isfinite(out[s][i]), new, np.nan)
            masks[s][i] = area
            what[i, names.index(s)] = kind
    return out, masks, what


def _statistics(x: np.ndarray) -> dict:
    q = np.nanquantile(np.moveaxis(x, 1, -1).reshape(-1, x.shape[1]), [0.02, 0.5, 0.98], axis=0)
    return {"low": q[0], "mid": q[1], "high": q[2], "dB": in_decibels(x)}


def _damage(x: np.ndarray, i: int, kind: str, st: dict, rng) -> tuple[np.ndarray, np.ndarray]:
    n, bands, h, w = x.shape
    one = x[i]
    range_ = (st["high"] - st["low"])[:, None, None]
    depth = blob((h, w), rng.uniform(0.3, 0.8), rng.uniform(3, 10), rng)
    area = depth > 0
    if kind in ("swap", "shift") and rng.random() < 0.5:  # whole blocks as well: a wrong date knows no blob
        area, depth = np.ones((h, w), bool), np.ones((h, w))
    soft = np.clip(depth / rng.uniform(0.05, 0.5), 0, 1) if rng.random() < 0.5 else area.astype(float)
    if kind == "add":
        veil = np.exp(rng.uniform(np.log(0.06), np.log(1.5))) * rng.uniform(0.4, 1.0, (bands, 1, 1)) * range_
        new = one + soft * veil
    elif kind == "mult":
        g = rng.uniform(0.1, 0.7) if rng.random() < 0.6 else rng.uniform(1.4, 3.5)
        new = gain(one, 1 + (g - 1) * soft, st["dB"])
    elif kind == "fill":
        level = np.where(rng.random() < 0.5, st["low"], st["high"])[:, None, None]
        new = np.where(area, level * rng.uniform(0.5, 2.0), one)
    elif kind == "noise":
        grain = rng.standard_normal((bands, h, w)) * rng.uniform(0.15, 0.8) * range_
        if rng.random() < 0.4:  # streaks: strong lines, the way interference looks
            line = rng.standard_normal((1, h, 1)) if rng.random() < 0.5 else rng.standard_normal((1, 1, w))
            grain = np.abs(line) * rng.uniform(0.2, 0.8) * range_ + 0.3 * grain
        new = one + soft * grain
    elif kind == "swap":
        other = x[(i + 1 + rng.integers(max(n - 1, 1))) % n]
        other = other[:, :: rng.choice([-1, 1]), :: rng.choice([-1, 1])]
        new = np.where(area, other, one)
    elif kind == "shift":
        while True:
            dy, dx = rng.integers(-12, 13, 2)
            if 3 <= np.hypot(dy, dx) <= 12.5 and (abs(dy), abs(dx)) != (5, 5):
                break
        pad = np.pad(one, ((0, 0), (12, 12), (12, 12)), mode="reflect")
        new = np.where(area, pad[:, 12 + dy : 12 + dy + h, 12 + dx : 12 + dx + w], one)
    else:  # stripe
        rows = (np.arange(h) + rng.integers(8)) % rng.integers(3, 12) < rng.integers(1, 4)
        line = rows[:, None] if rng.random() < 0.5 else rows[:w][None, :] if h == w else rows[:, None]
        g = rng.uniform(0.3, 0.8) if rng.random() < 0.5 else rng.uniform(1.2, 2.0)
        new = gain(one, np.where(line & area, g, 1.0), st["dB"])
    return new, np.broadcast_to(area, (h, w))


def corrupt(
    scene: Scene,
    name: str,
    seed: int = 0,
    *,
    kinds: dict[str, str] | None = None,
    cover: float = 1 / 3,
    source: str | None = None,
) -> tuple[Scene, dict[str, np.ndarray]]:
    """Damage a scene the way an operator meets it.

    Parameters
    ----------
    scene : Scene
    name : str
        One of `RELATED`.
    seed : int
    kinds : dict of str to str, optional
        Source name to 'optical', 'radar' or 'other'.
    cover : float
        Share of the scene that is damaged.
    source : str, optional
        The source to damage; the first of the fitting kind otherwise.

    Returns
    -------
    damaged : Scene, masks : dict of bool arrays (H, W), True where that source was damaged
    """
    if name not in RELATED:
        raise InputError(f"unknown corruption {name!r}", remedy="choose from " + ", ".join(RELATED))
    rng = np.random.default_rng([seed, sorted(RELATED).index(name)])
    wanted = "radar" if name in RADAR else "optical"
    if source is None:
        source = next((s for s in scene.names if kind_of(s, (kinds or {}).get(s)) == wanted), None)
        if source is None:
            raise InputError(f"{name!r} needs a source that is {wanted}", remedy="name it in sources={...}")
    x = scene.sources[source][0].astype(np.float64)
    bands, h, w = x.shape
    st = _statistics(x[None])
    range_ = (st["high"] - st["low"])[:, None, None]
    depth = blob((h, w), cover, max(h, w) / 16, rng)
    area = depth > 0
    if name == "cloud":
        top = st["high"][:, None, None] + 0.6 * range_ * rng.uniform(0.8, 1.2, (bands, 1, 1))
        texture = 1 + 0.08 * ndimage.gaussian_filter(rng.standard_normal((h, w)), 2) * 4
        opacity = np.clip(depth * 6, 0, 1) * 0.95
        new = x * (1 - opacity) + opacity * top * texture
        area = opacity > 0.3
    elif name == "haze":
        slope = np.linspace(1.0, 0.5, bands)[:, None, None]
        opacity = np.clip(depth * 4, 0, 1) * 0.45
        new = x * (1 - opacity) + opacity * slope * st["high"][:, None, None]
        area = opacity > 0.15
    elif name == "shadow":
        new = gain(x, 1 - 0.7 * np.clip(depth * 8, 0, 1), st["dB"])
        area = depth * 8 > 0.3
    elif name == "no-data as 0":
        new = np.where(area, 0.0, x)
    elif name == "stripes":
        lines = (np.arange(w) % 9 < 3)[None, :] & area
        new = np.where(lines, gain(x, 1.5, st["dB"]) + 0.05 * range_, x)  # the area holds whole and bad lines
    elif name == "wrong date":
        new = np.where(area, np.roll(x[:, ::-1], (h // 3, w // 2), (1, 2)), x)
    elif name.startswith("shift"):
        d = int(name.split()[1])
        pad = np.pad(x, ((0, 0), (d, d), (d, d)), mode="reflect")
        new = np.where(area, pad[:, 2 * d :, 2 * d :][:, :h, :w], x)
    elif name == "interference":
        lines = np.abs(rng.standard_normal((h, 1))) * (rng.random((h, 1)) < 0.6)
        new = x + area * range_ * (0.35 + 0.5 * lines + 0.15 * rng.standard_normal((h, w)))
    elif name == "speckle":
        grain = rng.gamma(0.8, 1 / 0.8, (bands, h, w))
        new = np.where(area, gain(x, grain, st["dB"]), x)
    else:  # a calibration offset: 3 dB, or a gain of 1.5
        new = np.where(area, gain(x, 2.0 if st["dB"] else 1.5, st["dB"]), x)
    new = np.where(np.isfinite(x), new, np.nan)
    if not st["dB"] and np.nanmin(x) >= 0:
        new = np.maximum(new, 0)
    masks = {s: np.zeros((h, w), bool) for s in scene.names}
    masks[source] = np.array(np.broadcast_to(area, (h, w)))
    return scene.with_sources(**{source: new.astype(np.float32)}), masks
