"""Other landmarks than the study's own: stars, arrows and chequers in other clutter, drawn with Pillow.

Nothing of the recipe was chosen on these. Objects draw their colours at random, landmark and clutter alike;
some of the clutter is striped. Sets: as trained on, two landmarks of one kind, landmarks cut by the border,
and images of twice the sides.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from heedful.perceive.locate import PatchClassifier, Scenes, measures
from heedful.perceive.locate.assess import assess
from heedful.perceive.locate.folders import stratified
from heedful.perceive.locate.tokens import truth_patches

MARKS, CLUTTER = ("star", "arrow", "checker"), ("hexagon", "kite", "zed", "half", "square")
OUTLINES = {
    "star": [r * np.exp(1j * i * math.pi / 5) for i, r in enumerate((1, 0.42) * 5)],
    "arrow": [-0.9 - 0.25j, 0.1 - 0.25j, 0.1 - 0.7j, 0.95, 0.1 + 0.7j, 0.1 + 0.25j, -0.9 + 0.25j],
    "checker": [0.8 * np.exp(1j * (math.pi / 4 + i * math.pi / 2)) for i in range(4)],
    "square": [0.8 * np.exp(1j * (math.pi / 4 + i * math.pi / 2)) for i in range(4)],
    "hexagon": [0.9 * np.exp(1j * i * math.pi / 3) for i in range(6)],
    "kite": [0.95, 0.1 + 0.55j, -0.9, 0.1 - 0.55j],
    "zed": [-0.8 - 0.8j, 0.8 - 0.8j, 0.8 - 0.4j, -0.2 + 0.4j, 0.8 + 0.4j, 0.8 + 0.8j, -0.8 + 0.8j,
            -0.8 + 0.4j, 0.2 - 0.4j, -0.8 - 0.4j],
    "half": [0.95 * np.exp(1j * t) for t in np.linspace(0, math.pi, 20)],
}  # fmt: skip
FINE = 4  # drawn so much larger, then averaged
SETS = {
    "as trained on": {"n": 400, "size": 64, "seed": 2},
    "two of one kind": {"n": 400, "size": 64, "seed": 3, "marks": 2},
    "cut by the border": {"n": 400, "size": 64, "seed": 4, "border": True},
    "128 px": {"n": 120, "size": 128, "seed": 5},
}


def drawn(n: int, size: int, seed: int, *, marks: int = 1, border: bool = False) -> Scenes:
    """Images, labels and landmark masks, sorted by label; no distractor is marked."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(n):
        label = (*MARKS, "none")[i % 4]
        made.append((label, *_scene(rng, label, size, marks, border)))
    made.sort(key=lambda item: item[0])
    truth = np.stack([mask for *_, mask in made]) > 0
    images = np.stack([image for _, image, _ in made])
    return Scenes(images, np.array([label for label, *_ in made]), truth, np.zeros_like(truth))


def _scene(rng, label, size, marks, border):
    from PIL import Image, ImageFilter

    base = tuple(int(v) for v in rng.integers(40, 216, 3))
    coarse = rng.integers(0, 256, (size // 4, size // 4, 3), dtype=np.uint8)
    noise = Image.fromarray(coarse).resize((size, size), Image.BICUBIC)
    image = Image.blend(Image.new("RGB", (size, size), base), noise, float(rng.uniform(0.1, 0.45)))
    mask, placed = Image.new("L", (size, size)), []
    shown = 0 if label == "none" else marks
    kinds = [label] * shown + [CLUTTER[rng.integers(len(CLUTTER))] for _ in range(rng.integers(3, 6))]
    for n, kind in enumerate(kinds):
        edge = border and n < marks
        for _ in range(60):
            r = rng.uniform(6, 10)
            low, high = (0.0, size - 1.0) if edge else (r, size - 1 - r)
            place = rng.uniform(low, high, 2)
            if edge:
                side, near = rng.integers(4), rng.uniform(-0.2 * r, 0.5 * r)
                place[side // 2] = near if side % 2 == 0 else size - 1 - near
            if all((place[0] - a) ** 2 + (place[1] - b) ** 2 > (r + c) ** 2 for a, b, c in placed):
                break
        else:
            continue
        placed.append((*place, r))
        _draw(image, mask if n < shown else None, rng, kind, *place, r)
    blurred = np.asarray(image.filter(ImageFilter.GaussianBlur(0.5)), float)
    noisy = blurred + rng.normal(0, 5, blurred.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8), np.asarray(mask)


def _draw(image, mask, rng, kind, cx, cy, r):
    from PIL import Image, ImageDraw

    angle, size = rng.uniform(0, 2 * math.pi), image.size[0]
    turned = [r * z * np.exp(1j * angle) for z in OUTLINES[kind]]
    layer = Image.new("L", (size * FINE, size * FINE))
    ImageDraw.Draw(layer).polygon([(FINE * (cx + z.real), FINE * (cy + z.imag)) for z in turned], fill=255)
    cover = layer.resize((size, size), Image.BOX)
    colour = rng.integers(0, 256, 3)
    y, x = np.mgrid[:size, :size]
    u = np.cos(angle) * (x - cx) + np.sin(angle) * (y - cy)
    v = np.cos(angle) * (y - cy) - np.sin(angle) * (x - cx)
    if kind == "checker":
        texture = np.where(((u // 3 + v // 3) % 2 > 0)[..., None], colour, rng.integers(0, 256, 3))
    elif rng.random() < 0.3 and kind in CLUTTER:
        texture = np.where((u // 2 % 2 > 0)[..., None], colour, colour * 0.5)
    else:
        texture = np.broadcast_to(colour, (size, size, 3))
    image.paste(Image.fromarray(np.clip(texture, 0, 255).astype(np.uint8)), (0, 0), cover)
    if mask is not None:
        mask.paste(255, (0, 0), cover.point(lambda value: 255 if value > 127 else 0))


def fitted(path: Path | None = None) -> PatchClassifier:
    """The default recipe on 1920 images (480 of each kind and of none), or what an earlier run left."""
    if path and path.exists():
        return PatchClassifier.load(path)
    train = drawn(2400, 64, 1)
    rows = ~stratified(train.labels, 0.2, 0)
    model = PatchClassifier(seed=0).fit(train.images[rows], train.labels[rows])
    if path:
        model.save(path)
    return model


def rows(model: PatchClassifier) -> tuple[list[dict], list[dict]]:
    """What the model makes of each set; and, for the set as trained on, every map and every class."""
    from sklearn.metrics import roc_auc_score

    out = []
    for name, options in SETS.items():
        scenes = drawn(**options)
        seen = roc_auc_score(scenes.labels != "none", model.present(scenes.images))
        scenes = scenes[scenes.labels != "none"]
        truth, predicted = truth_patches(scenes.landmark, model.patch), model.predict(scenes.images)
        right = (predicted == scenes.labels) & truth.any(1)
        own = model.maps(scenes.images[right], scenes.labels[right])["contributions"]
        t = truth[right]
        out.append(
            {
                "images": name,
                "n": len(scenes),
                "accuracy": f"{(predicted == scenes.labels).mean():.3f}",
                "landmark told from none, AUC": f"{seen:.3f}",
                "pointing": f"{measures.pointing(own, t).mean():.3f}",
                "p@k": f"{measures.precision_at_k(own, t).mean():.3f}",
                "overlap (IoU)": f"{measures.overlap(own, t).mean():.3f}",
                "chance": f"{measures.chance(t):.3f}",
                "both touched by the top k": _both(own, scenes.landmark[right], model.patch, name),
            }
        )
    table, facts = assess(model, drawn(**SETS["as trained on"])[::2])
    shown = ("pointing", "p@k", "overlap", "deletion", "correct after 5")
    detail = [
        {"map or class": n, **{c: f"{table.loc[n, c]:.3f}" for c in shown}, "accuracy": ""}
        for n in table.index
    ]
    detail += [
        {"map or class": f"contributions, {c['class']}", **{k: f"{c[k]:.3f}" for k in shown[:3]},
         "deletion": "", "correct after 5": "", "accuracy": f"{c['accuracy']:.3f}"}
        for _, c in facts["classes"].iterrows()
    ]  # fmt: skip
    return out, detail


def _both(maps, masks, patch: int, name: str) -> str:
    if not name.startswith("two"):
        return ""
    from scipy.ndimage import label

    found = []
    for values, mask in zip(maps, masks, strict=True):
        apart, count = label(mask)
        if count == 2:
            k = truth_patches(mask[None], patch).sum()
            top = np.argsort(-values)[:k]
            found.append(all(truth_patches((apart == j)[None], patch)[0][top].any() for j in (1, 2)))
    return f"{np.mean(found):.3f} of {len(found)}"
