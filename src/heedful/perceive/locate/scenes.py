"""Landmark-in-clutter: seeded scenes with planted truth, on procedural and photographed grounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from ...errors import InputError

LANDMARKS = ("ring", "cross", "tanks", "courtyard")
DISTRACTORS = ("block", "disc", "bar", "ell", "wedge", "pair")
NONE = "none"


@dataclass(frozen=True)
class Scenes:
    """Images with their planted truth.

    Parameters
    ----------
    images : (N, H, W, 3) uint8
    labels : (N,) str
        The landmark's kind, or ``"none"`` where none was drawn.
    landmark, distractors : (N, H, W) bool
        Pixels of the landmark's footprint (a courtyard's hole included) and of the distractors'.
    """

    images: np.ndarray
    labels: np.ndarray
    landmark: np.ndarray
    distractors: np.ndarray

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows) -> Scenes:
        return Scenes(self.images[rows], self.labels[rows], self.landmark[rows], self.distractors[rows])


def make_scenes(
    n: int,
    *,
    size: int = 48,
    kinds: Sequence[str] = LANDMARKS,
    negatives: float = 0.0,
    distractors: tuple[int, int] = (2, 4),
    radius: tuple[float, float] = (6.0, 9.0),
    split: str = "train",
    photos: Sequence[np.ndarray] | None = None,
    seed: int = 0,
) -> Scenes:
    """Draw scenes: one landmark (or none) among distractors of the same sizes and colours.

    Landmark and distractors differ in shape alone: both draw their radius, turn, colour and contrast from
    the same distributions and are placed uniformly, without touching. Half of the grounds are procedural
    (fields, roads, cloud-like noise), half are cut from photographs at random scale and turn.

    Parameters
    ----------
    n : int
        Number of scenes.
    size : int
        Side in pixels.
    kinds : sequence of str
        Landmark kinds, a subset of ``LANDMARKS``, drawn equally often.
    negatives : float
        Share of scenes in which no landmark is drawn; labelled ``"none"``.
    distractors : (int, int)
        Least and greatest number of distractors.
    radius : (float, float)
        Range of the objects' circumscribed radius, pixels.
    split : {"train", "test"}
        Which side of every photograph the ground is cut from: the left, or the right. A band between them
        is used by neither.
    photos : sequence of (H, W, 3) uint8, optional
        Other photographs; scikit-learn's two bundled ones by default.
    seed : int

    Returns
    -------
    Scenes

    Raises
    ------
    InputError
        For an unknown kind or split, or an image too small to hold the objects.

    Examples
    --------
    >>> scenes = make_scenes(3, negatives=0.0, seed=1)
    >>> scenes.images.shape, bool(scenes.landmark.any((1, 2)).all())
    ((3, 48, 48, 3), True)
    """
    unknown = [k for k in kinds if k not in LANDMARKS]
    if unknown:
        raise InputError(f"landmark kind {unknown[0]!r}; there are {', '.join(LANDMARKS)}")
    if split not in ("train", "test"):
        raise InputError(f"split {split!r}, expected 'train' or 'test'")
    if size < 4 * radius[1]:
        raise InputError(
            f"scenes of {size} px cannot hold objects of radius {radius[1]:g} px",
            remedy=f"ask for at least {int(4 * radius[1])} px",
        )
    rng = np.random.default_rng([seed, 0 if split == "train" else 1])
    grounds = [_side(photo, split) for photo in (bundled_photos() if photos is None else photos)]
    images = np.empty((n, size, size, 3), np.uint8)
    labels = np.empty(n, dtype=np.array([*LANDMARKS, NONE]).dtype)
    truth = np.zeros((2, n, size, size), bool)
    for i in range(n):
        ground = _procedural(rng, size) if rng.random() < 0.5 else _photographed(rng, grounds, size)
        labels[i] = NONE if rng.random() < negatives else kinds[rng.integers(len(kinds))]
        objects = [] if labels[i] == NONE else [(labels[i], 0)]
        count = rng.integers(distractors[0], distractors[1] + 1)
        objects += [(DISTRACTORS[rng.integers(len(DISTRACTORS))], 1) for _ in range(count)]
        placed: list[tuple[float, float, float]] = []
        for shape, layer in objects:
            _place(rng, ground, truth[layer, i], shape, radius, placed)
        ground += rng.normal(0, 0.015, ground.shape)
        images[i] = np.clip(ground * 255, 0, 255).astype(np.uint8)
    return Scenes(images, labels, truth[0], truth[1])


@cache
def bundled_photos() -> tuple[np.ndarray, ...]:
    """The two photographs that scikit-learn ships (a pavilion in China, a flower), (427, 640, 3) uint8."""
    from sklearn.datasets import load_sample_images

    return tuple(load_sample_images().images)


def _side(photo: np.ndarray, split: str) -> np.ndarray:
    width = photo.shape[1]
    return photo[:, : int(0.55 * width)] if split == "train" else photo[:, int(0.6 * width) :]


def _photographed(rng, grounds, size: int) -> np.ndarray:
    photo = grounds[rng.integers(len(grounds))]
    step = int(rng.integers(1, max(2, min(4, min(photo.shape[:2]) // size + 1))))
    span = size * step
    top = int(rng.integers(0, photo.shape[0] - span + 1))
    left = int(rng.integers(0, photo.shape[1] - span + 1))
    cut = photo[top : top + span, left : left + span].astype(np.float32) / 255
    cut = cut.reshape(size, step, size, step, -1).mean((1, 3))[..., :3]
    cut = np.rot90(cut, int(rng.integers(4)))
    return np.ascontiguousarray(cut[:, ::-1] if rng.random() < 0.5 else cut)


def _procedural(rng, size: int) -> np.ndarray:
    y, x = np.mgrid[:size, :size].astype(np.float32)
    # fields: Voronoi cells, each with its colour and its plough lines
    count = int(rng.integers(2, 7))
    seeds = rng.uniform(0, size, (count, 2)).astype(np.float32)
    cell = np.argmin((y[..., None] - seeds[:, 0]) ** 2 + (x[..., None] - seeds[:, 1]) ** 2, -1)
    colour = rng.uniform(0.15, 0.75, (1, 3)) + rng.normal(0, 0.1, (count, 3))
    turn, pitch = rng.uniform(0, np.pi, count), rng.uniform(3, 9, count)
    lines = np.sin((np.cos(turn)[cell] * x + np.sin(turn)[cell] * y) * (2 * np.pi / pitch)[cell])
    ground = colour[cell] + (rng.uniform(0, 0.06, count)[cell] * lines)[..., None]
    ground += _cloud(rng, size)[..., None] * rng.uniform(0.02, 0.12)
    for _ in range(int(rng.integers(0, 3))):  # roads
        angle, offset, width = rng.uniform(0, np.pi), rng.uniform(-0.3, 0.3) * size, rng.uniform(1, 3.5)
        distance = np.abs(np.cos(angle) * (x - size / 2) + np.sin(angle) * (y - size / 2) - offset)
        cover = np.clip(width / 2 + 0.5 - distance, 0, 1)[..., None]
        ground = ground * (1 - cover) + rng.uniform(0.2, 0.8) * cover
    return ground.astype(np.float32)


def _cloud(rng, size: int) -> np.ndarray:
    """Noise with a 1/f amplitude spectrum, unit variance."""
    f = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size))
    f[0, 0] = 1.0
    spectrum = rng.normal(size=f.shape) + 1j * rng.normal(size=f.shape)
    field = np.fft.irfft2(spectrum / f, s=(size, size))
    return ((field - field.mean()) / field.std()).astype(np.float32)


def _place(rng, ground, truth, shape: str, radius, placed) -> None:
    """Draw one object where it touches none of the others; after 30 tries it is left out."""
    size = len(ground)
    for _ in range(30):
        r = float(rng.uniform(*radius))
        cy, cx = rng.uniform(r, size - 1 - r, 2)
        if all((cy - a) ** 2 + (cx - b) ** 2 > (r + c + 1) ** 2 for a, b, c in placed):
            break
    else:
        return
    placed.append((cy, cx, r))
    top, left = max(0, int(cy - r - 1)), max(0, int(cx - r - 1))
    bottom, right = min(size, int(cy + r) + 3), min(size, int(cx + r) + 3)
    y, x = np.mgrid[top:bottom, left:right].astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    u = (np.cos(angle) * (x - cx) + np.sin(angle) * (y - cy)) / r
    v = (-np.sin(angle) * (x - cx) + np.cos(angle) * (y - cy)) / r
    drawn, footprint = _signed_distance(rng, shape, u, v)
    cover = np.clip(0.5 - drawn * r, 0, 1)[..., None]
    window = ground[top:bottom, left:right]
    base = window.mean((0, 1))
    # brighter or darker than the ground it lies on, by the same range for every shape
    step = rng.uniform(0.22, 0.42) * (1 if base.mean() < rng.uniform(0.35, 0.65) else -1)
    colour = base + step + rng.normal(0, 0.05, 3)
    texture = rng.normal(0, 0.03, (*cover.shape[:2], 1))
    window[...] = window * (1 - cover) + (colour + texture) * cover
    truth[top:bottom, left:right] |= footprint * r < 0


def _signed_distance(rng, shape: str, u, v):
    """Distance to the outline (negative inside) in units of the radius: as drawn, and of the footprint."""

    def box(a, b, cu=0.0, cv=0.0):
        return np.maximum(np.abs(u - cu) - a, np.abs(v - cv) - b)

    def disc(a, cu=0.0, cv=0.0):
        return np.hypot(u - cu, v - cv) - a

    if shape == "ring":
        return np.maximum(disc(0.95), -disc(0.5)), disc(0.95)
    if shape == "cross":
        plus = np.minimum(box(0.95, 0.3), box(0.3, 0.95))
        return plus, plus
    if shape == "tanks":
        four = np.min([disc(0.38, a, b) for a in (-0.48, 0.48) for b in (-0.48, 0.48)], axis=0)
        return four, four
    if shape == "courtyard":
        return np.maximum(box(0.72, 0.72), -box(0.38, 0.38)), box(0.72, 0.72)
    if shape == "block":
        solid = box(0.8, rng.uniform(0.45, 0.7))
    elif shape == "disc":
        solid = disc(rng.uniform(0.6, 0.95))
    elif shape == "bar":
        solid = box(0.95, rng.uniform(0.2, 0.35))
    elif shape == "ell":
        solid = np.minimum(box(0.75, 0.27, 0.0, 0.45), box(0.27, 0.72, -0.48, 0.0))
    elif shape == "wedge":
        solid = np.max([-v - 0.45, v * 0.5 + u * 0.87 - 0.45, v * 0.5 - u * 0.87 - 0.45], axis=0)
    else:
        solid = np.minimum(disc(0.42, -0.52), disc(0.42, 0.52))
    return solid, solid
