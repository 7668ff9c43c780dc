"""The study's pictures, as data."""

from __future__ import annotations

import numpy as np

from ...reading import pictures as pic


def grey(image: np.ndarray) -> np.ndarray:
    """(H, W[, bands]) to luminance (H, W) in 0..1 (ITU-R BT.601 weights for three bands)."""
    values = np.asarray(image, float) / (255 if np.asarray(image).dtype == np.uint8 else 1)
    if values.ndim == 2:
        return values
    return values @ [0.299, 0.587, 0.114] if values.shape[2] == 3 else values.mean(2)


def heat(
    title: str,
    image,
    values: np.ndarray,
    *,
    patch: int,
    landmark=None,
    distractors=None,
    caption: str = "",
    verdict=None,
) -> pic.Slice:
    """An image with each patch's positive contribution over it and the landmark outlined.

    Parameters
    ----------
    image : (H, W, bands)
    values : (rows, cols)
        Contribution per patch, logit units.
    landmark, distractors : (H, W) bool, optional
    """
    overlay = np.clip(values, 0, None).repeat(patch, 0).repeat(patch, 1)
    outlines = {
        name: mask
        for name, mask in (("landmark", landmark), ("distractors", distractors))
        if mask is not None and np.any(mask)
    }
    return pic.Slice(
        title,
        grey(image),
        overlay=np.where(overlay > 0, overlay, np.nan),
        overlay_label="contribution to the logit",
        outlines=outlines or None,
        window=(0.0, 1.0),
        caption=caption,
        verdict=verdict,
    )


def sources(
    title: str, image, landed: np.ndarray, *, patch: int, top: int = 6, caption: str = ""
) -> pic.Slice:
    """The leading patches alone, numbered by their share, as clickable pixels."""
    rows, cols = landed.shape
    order = np.argsort(-landed.ravel(), kind="stable")[:top]
    total = max(float(np.clip(landed, 0, None).sum()), 1e-12)
    places = np.stack([order // cols * patch + patch // 2, order % cols * patch + patch // 2], 1)
    middle = np.array([[rows * patch // 2, cols * patch // 2]])
    return pic.Slice(
        title,
        grey(image),
        window=(0.0, 1.0),
        caption=caption,
        sources={
            "pixel": middle,
            "source": places[None],
            "weight": (np.clip(landed.ravel()[order], 0, None) / total)[None],
        },
    )


def compared(title: str, table, measure: str, *, caption: str = "", verdict=None) -> pic.Bars:
    """One measure of every map, side by side."""
    return pic.Bars(
        title,
        [str(name) for name in table.index],
        table[measure].to_numpy(float),
        caption=caption,
        verdict=verdict,
    )
