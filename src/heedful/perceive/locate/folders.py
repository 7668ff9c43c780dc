"""Folders of images as arrays: classes by sub-folder or list, masks by name, what is unequal said by name."""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...files.image import SUFFIXES, Picture, list_images, read_image
from ...files.limits import read_text
from .tokens import cut_to_patches

FILE_COLUMNS = ("file", "image", "path", "name")
CLASS_COLUMNS = ("class", "label")


@dataclass(frozen=True)
class Classes:
    """Images of known classes.

    Attributes
    ----------
    pixels : (N, H, W, bands)
        Cut to whole patches.
    labels, paths : (N,)
    whole : list of (int, int)
        Sides before the cut, px: what a mask must have.
    first : (N,) int
        The first image with the same pixels: itself, unless it is a copy.
    notes : list of str
    """

    pixels: np.ndarray
    labels: np.ndarray
    paths: np.ndarray
    whole: list[tuple[int, int]]
    first: np.ndarray
    notes: list[str]


def read_classes(folder, patch: int, *, listed=None, full_scale: float = 1.0) -> Classes:
    """Read a folder with one sub-folder per class, or a folder and a CSV that names files and classes."""
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(
            "there is no such folder", path=folder, remedy="give a folder with one sub-folder per class"
        )
    notes: list[str] = []
    paths, labels = _sub_folders(folder) if listed is None else _listed(folder, Path(listed), notes)
    found = [read_image(p) for p in paths]
    pixels = stack([cut(p, patch, notes, full_scale) for p in found], paths)
    first = _copies(pixels, labels, paths)
    copies = int((first != np.arange(len(first))).sum())
    if copies:
        notes.append(
            f"Copies of other images: {copies}; each stays on the same side of the split as the first."
        )
    whole = [p.pixels.shape[:2] for p in found]
    return Classes(pixels, np.array(labels), np.array(paths, dtype=object), whole, first, notes)


def _sub_folders(folder: Path) -> tuple[list[Path], list[str]]:
    classes = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if len(classes) < 2:
        raise InputError(
            f"holds {len(classes)} sub-folders; one per class, at least two, were expected",
            path=folder,
            remedy="or list files and classes in a CSV and give it with --labels",
        )
    paths = [p for c in classes for p in list_images(c)]
    return paths, [p.parent.name for p in paths]


def _listed(folder: Path, listed: Path, notes: list[str]) -> tuple[list[Path], list[str]]:
    """Paths and classes of a CSV with a column of files (within the folder) and one of classes."""
    rows = csv.DictReader(io.StringIO(read_text(listed).lstrip("\ufeff")))
    names = [n.strip().lower() for n in rows.fieldnames or []]
    columns = [next((names.index(c) for c in known if c in names), None)
               for known in (FILE_COLUMNS, CLASS_COLUMNS)]  # fmt: skip
    if None in columns:
        raise InputError(
            f"has the columns {', '.join(names) or '(none)'}; file and class were expected", path=listed
        )
    known: dict[Path, str] = {}
    twice = 0
    for number, row in enumerate(rows, start=2):
        cells = list(row.values())
        name, label = ((cells[c] or "").strip() for c in columns)
        if not name or not label:
            raise InputError("names no file or no class", path=listed, where=f"line {number}")
        place = folder / name
        if not place.is_file():
            raise InputError(
                f"names {name}, which is not in {folder}", path=listed, where=f"line {number}",
                remedy="correct the name, or take the line out",
            )  # fmt: skip
        if known.get(place, label) != label:
            raise InputError(
                f"calls {name} {label!r} here and {known[place]!r} before",
                path=listed,
                where=f"line {number}",
                remedy="keep one of the two lines",
            )
        twice += place in known
        known[place] = label
    if not known:
        raise InputError("lists no image", path=listed)
    if twice:
        notes.append(f"Lines of {listed.name} that repeat an earlier one: {twice}; read once.")
    paths = sorted(known)
    return paths, [known[p] for p in paths]


def _copies(pixels: np.ndarray, labels, paths) -> np.ndarray:
    """The first image with the same pixels as each; the same picture under two classes is refused."""
    seen: dict[bytes, int] = {}
    first = np.arange(len(pixels))
    for i, image in enumerate(pixels):
        first[i] = j = seen.setdefault(hashlib.sha256(image.tobytes()).digest(), i)
        if labels[i] != labels[j]:
            raise InputError(
                f"is the same picture as {Path(paths[j]).name}, of class {labels[j]!r}; its own is "
                f"{labels[i]!r}",
                path=paths[i],
                remedy="keep the one whose class is right",
            )
    return first


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


def read_mask(masks, root, path, size, whole=None) -> np.ndarray:
    """The landmark's mask of an image, cut as the image was: any value above 0 is landmark.

    A JPEG's numbers ring around edges: of one, landmark is what is above 127.
    ``whole`` are the image's sides before it was cut to ``size``; a mask of any other size is refused.
    """
    relative = Path(path).relative_to(root)
    endings = [e for suffix in SUFFIXES for e in (suffix, suffix.upper())]
    candidates = [p for e in endings if (p := (Path(masks) / relative).with_suffix(e)).is_file()]
    if not candidates:
        raise InputError(f"no mask {relative.with_suffix('')} ({', '.join(SUFFIXES)})", path=masks)
    with candidates[0].open("rb") as file:
        least = 127 if file.read(3) == b"\xff\xd8\xff" else 0
    mask = read_image(candidates[0]).pixels.max(2) > least
    whole = tuple(size if whole is None else whole)
    if mask.shape != whole:
        raise InputError(
            f"is a mask of {mask.shape[0]} x {mask.shape[1]} px, its image has {whole[0]} x {whole[1]}",
            path=candidates[0],
            remedy="draw masks on the pixels of their images",
        )
    return mask[: size[0], : size[1]]


def stratified(labels: np.ndarray, share: float, seed: int, first=None) -> np.ndarray:
    """Which images are held out: the same share of every class, at least one, never all.

    ``first`` (see `Classes`): copies go where the first of them goes.
    """
    rng, held = np.random.default_rng(seed), np.zeros(len(labels), bool)
    first = np.arange(len(labels)) if first is None else first
    single = first == np.arange(len(labels))
    for c in np.unique(labels):
        rows = rng.permutation(np.flatnonzero((labels == c) & single))
        if len(rows) < 2:
            raise InputError(
                f"class {str(c)!r} has {len(rows)} image; at least two are needed to hold one out"
            )
        held[rows[: min(len(rows) - 1, max(1, round(share * len(rows))))]] = True
    return held[first]


def cut(
    picture: Picture, patch: int, notes: list[str], full_scale: float = 1.0, bands: int | None = None
) -> np.ndarray:
    """A picture's pixels as the model takes them, whole patches; what was done is noted once.

    8-bit pictures are taken as they are; others are divided by ``full_scale`` and must then lie in 0..1.
    ``bands`` is what a trained model expects.
    """
    pixels = picture.pixels
    if bands is not None and pixels.shape[2] != bands:
        raise InputError(f"has {pixels.shape[2]} bands, the model was trained on {bands}", path=picture.path)
    if pixels.dtype != np.uint8 and pixels.size:
        low, high = float(pixels.min()), float(pixels.max())
        if low < 0 or high > full_scale:
            raise InputError(
                f"values range over {low:g}..{high:g}; 8 bits, or 0..{full_scale:g}, was expected",
                path=picture.path,
                remedy="train with --full-scale, the greatest value that the sensor can give (65535, 4095)",
            )
        pixels = pixels / np.float32(full_scale)
    try:
        whole, said = cut_to_patches(pixels, patch)
    except InputError as error:
        raise InputError(error.what, path=picture.path, remedy=error.remedy) from None
    for note in (*picture.notes, *([said] if said else [])):
        if note not in notes:
            notes.append(note)
    return whole
