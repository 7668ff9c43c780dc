"""Images: PNG, JPEG, TIFF and .npy in; uint8 or float arrays out, or a clear refusal."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError, MissingExtra
from .limits import check_array, check_readable

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".npy")
MAX_PIXELS = 2**28  # 16384 x 16384: refused by the header, before a pixel is decoded
_FORMATS = ("PNG", "JPEG", "TIFF")
DAMAGED = "is damaged, or no image that can be read"


@dataclass(frozen=True)
class Picture:
    """An image as read.

    Attributes
    ----------
    pixels : (H, W, bands) uint8 or float32
        8-bit images stay uint8; 16-bit and real-valued ones become float32 in their own units.
    path : Path
    transform : tuple of 6 floats or None
        ``x = a col + b row + c``, ``y = d col + e row + f`` of a GeoTIFF's pixel corners, where it has one.
    notes : tuple of str
        What was done to it: a palette resolved, an orientation applied, an alpha channel left out.
    """

    pixels: np.ndarray
    path: Path
    transform: tuple[float, ...] | None = None
    notes: tuple[str, ...] = ()


def read_image(path: str | Path, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read one image file.

    Parameters
    ----------
    path : str or Path
        PNG, JPEG or TIFF (through Pillow; what it would cut down, such as 16-bit colour or a second band of a
        TIFF, through rasterio), or a ``.npy`` array of shape (H, W) or (H, W, bands). What a
        file is is told by its first bytes, not by its name.
    max_pixels : int
        An image whose header announces more is refused before it is decoded.

    Returns
    -------
    Picture

    Raises
    ------
    InputError
        If the file is missing, empty, truncated, of another kind, too large, animated or of several pages,
        or holds numbers that are not finite.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> path = tempfile.mkdtemp() + "/scene.npy"
    >>> np.save(path, np.zeros((4, 5), np.uint8))
    >>> read_image(path).pixels.shape
    (4, 5, 1)
    """
    path = check_readable(path)
    with path.open("rb") as file:
        head = file.read(8)
    if head[:6] == b"\x93NUMPY":
        return _from_npy(path, max_pixels)
    kinds = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
    if not head.startswith(kinds):
        raise InputError("is no PNG, JPEG, TIFF or .npy file", path=path, remedy="convert it to one of these")
    return _from_pillow(path, max_pixels)


def read_images(paths) -> list[Picture]:
    """Read several files, or every image of a folder in the order of their names.

    Parameters
    ----------
    paths : path, or sequence of paths

    Returns
    -------
    list of Picture

    Raises
    ------
    InputError
        As `read_image`; also for a folder that holds no image.
    """
    if isinstance(paths, str | Path):
        if Path(paths).is_dir():
            return [read_image(p) for p in list_images(paths)]
        paths = [paths]
    return [read_image(p) for p in paths]


def list_images(folder: str | Path) -> list[Path]:
    """The image files of a folder (by suffix), by name; InputError where there is none."""
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError("there is no such folder", path=folder, remedy="check the name")
    found = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())
    if not found:
        raise InputError(f"no image in it ({', '.join(SUFFIXES)})", path=folder)
    return found


def _from_npy(path: Path, max_pixels: int) -> Picture:
    with path.open("rb") as file:
        try:
            version = np.lib.format.read_magic(file)
            read = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0
            )
            shape, _, dtype = read(file)
        except ValueError as error:
            raise InputError(f"damaged .npy header ({error})", path=path) from error
    if dtype.kind not in "uif" or len(shape) not in (2, 3):
        raise InputError(
            f"holds {dtype} of shape {shape}; numbers of shape (H, W) or (H, W, bands) were expected",
            path=path,
        )
    _check_size(shape, dtype.itemsize, path, max_pixels)
    try:
        pixels = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise InputError(f"truncated or damaged ({error})", path=path, remedy="get the file again") from error
    return Picture(_tidy(pixels, path), path)


def _from_pillow(path: Path, max_pixels: int) -> Picture:
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise MissingExtra("pillow", "files") from error
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # Pillow warns of damage that the checks below refuse or that is harmless
        return _decode(path, max_pixels, Image, ImageOps)


def _decode(path: Path, max_pixels: int, Image, ImageOps) -> Picture:
    notes: list[str] = []
    # the header alone is read first: Pillow's own bomb check is a process-wide setting, so ours comes before
    data = io.BytesIO(path.read_bytes())
    content = data.getvalue()
    try:
        image = Image.open(data, formats=_FORMATS)
    except Image.DecompressionBombError as error:
        raise InputError(
            f"announces more pixels than are read ({error})", path=path, remedy="cut it into tiles"
        ) from error
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, OverflowError, EOFError) as error:
        if content[:2] in (b"II", b"MM"):  # 16-bit or real bands, which Pillow does not know
            return _from_rasterio(path, max_pixels)
        raise InputError(
            "is damaged, or no image that can be read", path=path, remedy="get it again"
        ) from error
    if _cut_down(image, content):
        image.close()
        return _from_rasterio(path, max_pixels)
    with image:
        width, height = image.size
        _check_size((height, width, len(image.getbands())), 4, path, max_pixels)
        pages = getattr(image, "n_frames", 1)
        if pages > 1:
            raise InputError(
                f"holds {pages} pages or frames, one was expected",
                path=path,
                remedy="save the page that is meant as a file of its own",
            )
        transform = _geo(image, path)
        try:
            image.load()
            if image.mode == "P":
                notes.append("palette resolved to RGB")
                image = image.convert("RGBA" if "transparency" in image.info else "RGB")
            elif image.mode in ("1", "CMYK", "YCbCr", "LAB", "HSV"):
                notes.append(f"{image.mode} converted")
                image = image.convert("L" if image.mode == "1" else "RGB")
            if image.getexif().get(0x0112, 1) != 1:
                if transform is None:
                    image = ImageOps.exif_transpose(image)
                    notes.append("turned as its EXIF orientation says")
                else:
                    notes.append("its EXIF orientation was left aside: the file is georeferenced")
        except (OSError, SyntaxError, ValueError, TypeError, OverflowError, EOFError, IndexError) as error:
            raise InputError(
                f"truncated or damaged ({error})", path=path, remedy="get the file again"
            ) from error
        if image.mode in ("RGBA", "LA", "PA"):
            notes.append("alpha channel left out")
            image = image.convert("RGB" if image.mode == "RGBA" else "L")
        pixels = np.asarray(image)
        notes += _missing(pixels, getattr(image, "tag_v2", {}).get(42113))
    return Picture(_tidy(pixels, path), path, transform, tuple(notes))


def _cut_down(image, content: bytes) -> bool:
    """Whether Pillow would lose bands of a TIFF, or the lower bytes of a 16-bit colour PNG, in silence."""
    if image.format == "PNG":
        return content[24] == 16 and content[25] in (2, 4, 6)
    if image.format == "TIFF":
        return image.tag_v2.get(277, 1) > max(len(image.getbands()), 1 + 2 * (image.mode == "P"))
    return False


def _from_rasterio(path: Path, max_pixels: int) -> Picture:
    try:
        import rasterio
    except ImportError as error:
        raise MissingExtra("rasterio", "files") from error
    try:
        with path.open("rb") as start:
            driver = "GTiff" if start.read(2) in (b"II", b"MM") else "PNG"
        with rasterio.open(path, driver=driver) as file:
            if file.subdatasets:
                raise InputError(
                    f"holds {len(file.subdatasets)} pages, one image was expected",
                    path=path,
                    remedy="save the page that is meant as a file of its own",
                )
            dtype = np.dtype(file.dtypes[0])
            if dtype.kind not in "uif" or len(set(file.dtypes)) > 1:
                held = ", ".join(sorted(set(file.dtypes)))
                raise InputError(f"holds {held}, numbers of one type were expected", path=path)
            _check_size((file.height, file.width, file.count), dtype.itemsize, path, max_pixels)
            bands = [i for i, c in zip(file.indexes, file.colorinterp, strict=True) if c.name != "alpha"]
            notes = ["alpha channel left out"] * (len(bands) < file.count)
            pixels = np.moveaxis(file.read(bands), 0, -1)
            transform = None if file.transform.is_identity else tuple(float(v) for v in file.transform[:6])
            notes += _missing(pixels, file.nodata)
    except InputError:
        raise
    except Exception as error:  # of damaged files rasterio and GDAL raise errors of many kinds
        raise InputError(DAMAGED, path=path, remedy="get it again") from error
    return Picture(_tidy(pixels, path), path, transform, tuple(notes))


def _geo(image, path: Path) -> tuple[float, ...] | None:
    """The affine transform of a GeoTIFF: ModelPixelScale + ModelTiepoint, or ModelTransformation."""
    tags = getattr(image, "tag_v2", None)
    if tags is None:
        return None
    centred = 0.5 if _by_centres(tags.get(34735, ())) else 0.0
    if 34264 in tags:
        m = [float(v) for v in tags[34264]]
        if len(m) == 16:
            return _from_corner((m[0], m[1], m[3], m[4], m[5], m[7]), centred)
    if 33550 in tags and 33922 in tags:
        scale, tie = [float(v) for v in tags[33550]], [float(v) for v in tags[33922]]
        if len(scale) >= 2 and len(tie) >= 6 and scale[0] and scale[1]:
            corner = (scale[0], 0.0, tie[3] - tie[0] * scale[0], 0.0, -scale[1], tie[4] + tie[1] * scale[1])
            return _from_corner(corner, centred)
    return None


def _missing(pixels, nodata) -> list[str]:
    """What is said of pixels that hold a GeoTIFF's no-data value."""
    try:
        held = int((pixels.reshape(*pixels.shape[:2], -1) == float(nodata)).any(-1).sum())
    except (TypeError, ValueError):
        return []
    return [f"{held} pixels hold the file's no-data value {nodata}: read as they stand"] * (held > 0)


def _by_centres(keys) -> bool:
    """Whether places are said of pixels' middles: GTRasterTypeGeoKey (1025) is RasterPixelIsPoint (2)."""
    found = [keys[i + 3] for i in range(4, len(keys) - 3, 4) if keys[i] == 1025 and keys[i + 1] == 0]
    return found[:1] == [2]


def _from_corner(transform, shift: float) -> tuple[float, ...]:
    """The same map, counted from the first pixel's corner where it was from ``shift`` of a pixel within."""
    a, b, c, d, e, f = transform
    return (a, b, c - shift * (a + b), d, e, f - shift * (d + e))


def _check_size(shape, itemsize: int, path: Path, max_pixels: int) -> None:
    if 0 in shape:
        raise InputError(f"holds no pixel (shape {tuple(shape)})", path=path)
    if shape[0] * shape[1] > max_pixels:
        raise InputError(
            f"announces {shape[0]} x {shape[1]} pixels, at most {max_pixels / 1e6:.0f} million are read",
            path=path,
            remedy="cut it into tiles",
        )
    check_array(shape, itemsize, path=path, what="image")


def _tidy(pixels: np.ndarray, path: Path) -> np.ndarray:
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.dtype == np.uint8:
        return np.ascontiguousarray(pixels)
    out = np.ascontiguousarray(pixels, dtype=np.float32)
    bad = ~np.isfinite(out)
    if bad.any():
        row, col, band = (int(i[0]) for i in np.nonzero(bad))
        raise InputError(
            f"{int(bad.sum())} of {out.size} numbers are not finite",
            path=path,
            where=f"row {row}, column {col}, band {band}",
            remedy="fill or cut away the missing pixels",
        )
    return out
