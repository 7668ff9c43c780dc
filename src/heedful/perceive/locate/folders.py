"""Folders of images as arrays: classes by sub-folder, masks by name, what is unequal said by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...errors import InputError
from ...files.image import Picture, list_images, read_image
from .tokens import cut_to_patches


def read_classes(folder, patch):
    """Images (N, H, W, bands), labels, paths and notes of a folder with one sub-folder per class."""
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(
            "there is no such folder", path=folder, remedy="give a folder with one sub-folder per class"
        )
    classes = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if len(classes) < 2:
        raise InputError(
            f"holds {len(classes)} sub-folders; one per class, at least two, were expected", path=folder
        )
    paths = [p for c in classes for p in list_images(c)]
    notes: list[str] = []
    pixels = stack([cut(read_image(p), patch, notes) for p in paths], paths)
    return pixels, np.array([p.parent.name for p in paths]), np.array(paths, dtype=object), notes


def stack(images, paths) -> np.ndarray:
    """Equal images in one array; the first that differs is named."""
    for image, path in zip(images, paths, strict=True):
        if image.shape != images[0].shape or image.dtype != images[0].dtype:
            raise InputError(
                f"is {image.dtype} {image.shape}, {Path(paths[0]).name} is {images[0].dtype} "
                f"{images[0].shape}",
                path=path,
                remedy="bring all images to one size and type",
            )
    return np.stack(images)


def read_mask(masks, root, path, size) -> np.ndarray:
    """The landmark's mask of an image, cut as the image was: any value above 0 is landmark."""
    relative = Path(path).relative_to(root).with_suffix("")
    candidates = sorted((Path(masks) / relative.parent).glob(relative.name + ".*"))
    if not candidates:
        raise InputError(f"no mask {relative}.*", path=masks)
    mask = read_image(candidates[0]).pixels.max(2) > 0
    if mask.shape[0] < size[0] or mask.shape[1] < size[1]:
        raise InputError(f"is {mask.shape}, its image {tuple(size)}", path=candidates[0])
    return mask[: size[0], : size[1]]


def stratified(labels: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Which images are held out: the same share of every class, at least one, never all."""
    rng, held = np.random.default_rng(seed), np.zeros(len(labels), bool)
    for c in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == c))
        if len(rows) < 2:
            raise InputError(f"class {c!r} has {len(rows)} image; at least two are needed to hold one out")
        held[rows[: min(len(rows) - 1, max(1, round(share * len(rows))))]] = True
    return held


def cut(picture: Picture, patch: int, notes: list[str]) -> np.ndarray:
    """A picture's pixels as the model takes them, whole patches; what was done is noted once."""
    pixels = picture.pixels
    if pixels.dtype != np.uint8 and pixels.size and (pixels.min() < 0 or pixels.max() > 1):
        low, high = float(pixels.min()), float(pixels.max())
        raise InputError(
            f"values range over {low:g}..{high:g}; 8 bits, or 0..1, was expected",
            path=picture.path,
            remedy="divide by the sensor's full scale and save it again",
        )
    whole, said = cut_to_patches(pixels, patch)
    for note in (*picture.notes, *([said] if said else [])):
        if note not in notes:
            notes.append(note)
    return whole
