"""Images in: what is read, what is said, what is refused."""

import contextlib
import struct
import zlib

import numpy as np
import pytest

from heedful.errors import InputError
from heedful.files.image import list_images, read_image, read_images

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def rgb():
    return np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_lossless_files_come_back_bit_for_bit(tmp_path, rgb, suffix):
    Image.fromarray(rgb).save(tmp_path / f"a.{suffix}")
    picture = read_image(tmp_path / f"a.{suffix}")
    assert picture.pixels.dtype == np.uint8
    np.testing.assert_array_equal(picture.pixels, rgb)
    assert picture.notes == ()


def test_jpeg_grey_and_bilevel(tmp_path, rgb):
    Image.fromarray(rgb).save(tmp_path / "a.jpg")
    assert read_image(tmp_path / "a.jpg").pixels.shape == (6, 9, 3)
    Image.fromarray(rgb[..., 0]).save(tmp_path / "g.png")
    np.testing.assert_array_equal(read_image(tmp_path / "g.png").pixels[..., 0], rgb[..., 0])
    Image.fromarray(rgb[..., 0]).convert("1").save(tmp_path / "b.png")
    assert set(np.unique(read_image(tmp_path / "b.png").pixels)) <= {0, 255}


def test_sixteen_bits_keep_their_numbers(tmp_path):
    deep = np.arange(54, dtype=np.uint16).reshape(6, 9) * 1000
    Image.fromarray(deep).save(tmp_path / "deep.png")
    np.testing.assert_array_equal(read_image(tmp_path / "deep.png").pixels[..., 0], deep.astype(np.float32))


def test_palette_alpha_and_orientation_are_said(tmp_path, rgb):
    Image.fromarray(rgb).quantize(8).save(tmp_path / "p.png")
    assert "palette" in read_image(tmp_path / "p.png").notes[0]
    Image.fromarray(np.dstack([rgb, rgb[..., 0]])).save(tmp_path / "a.png")
    picture = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(picture.pixels, rgb)
    assert picture.notes == ("alpha channel left out",)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(rgb).save(tmp_path / "turned.png", exif=exif)
    turned = read_image(tmp_path / "turned.png")
    np.testing.assert_array_equal(turned.pixels, np.rot90(rgb, -1))
    assert "EXIF" in turned.notes[0]


def test_geotiff_transform(tmp_path, rgb):
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    tags = ImageFileDirectory_v2()
    tags[33550], tags.tagtype[33550] = (2.0, 3.0, 0.0), 12
    tags[33922], tags.tagtype[33922] = (0.0, 0.0, 0.0, 500.0, 900.0, 0.0), 12
    Image.fromarray(rgb).save(tmp_path / "geo.tif", tiffinfo=tags)
    assert read_image(tmp_path / "geo.tif").transform == (2.0, 0.0, 500.0, 0.0, -3.0, 900.0)


def test_npy(tmp_path, rgb):
    np.save(tmp_path / "a.npy", rgb.astype(np.float64))
    assert read_image(tmp_path / "a.npy").pixels.dtype == np.float32
    np.save(tmp_path / "o.npy", np.array([[{}]], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="object"):
        read_image(tmp_path / "o.npy")
    np.save(tmp_path / "four.npy", np.zeros((2, 2, 2, 2)))
    with pytest.raises(InputError, match="shape"):
        read_image(tmp_path / "four.npy")
    bad = np.zeros((3, 3))
    bad[1, 2] = np.nan
    np.save(tmp_path / "nan.npy", bad)
    with pytest.raises(InputError, match="row 1, column 2"):
        read_image(tmp_path / "nan.npy")
    whole = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "cut.npy").write_bytes(whole[:-40])
    with pytest.raises(InputError, match="truncated"):
        read_image(tmp_path / "cut.npy")


def _png_announcing(width: int, height: int) -> bytes:
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(b"\0" * 100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [20_000, 2**31 - 1])
def test_a_bomb_is_refused_by_its_header(tmp_path, side):
    (tmp_path / "bomb.png").write_bytes(_png_announcing(side, side))
    with pytest.raises(InputError, match=r"pixels|image"):
        read_image(tmp_path / "bomb.png")


def test_what_is_no_image_is_said(tmp_path, rgb):
    (tmp_path / "t.png").write_text("not an image at all")
    with pytest.raises(InputError, match="no PNG"):
        read_image(tmp_path / "t.png")
    Image.fromarray(rgb).save(tmp_path / "a.png")
    whole = (tmp_path / "a.png").read_bytes()
    for cut in (9, 20, 60, len(whole) // 2):
        (tmp_path / "c.png").write_bytes(whole[:cut])
        with pytest.raises(InputError):
            read_image(tmp_path / "c.png")
    (tmp_path / "e.png").write_bytes(b"")
    for name in ("e.png", "missing.png", "."):
        with pytest.raises(InputError):
            read_image(tmp_path / name)
    pages = [Image.fromarray(rgb)] * 2
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(InputError, match="2 pages"):
        read_image(tmp_path / "pages.tif")


def test_random_damage_never_escapes_as_another_error(tmp_path, rgb):
    rng = np.random.default_rng(1)
    for name in ("a.png", "a.jpg", "a.tif"):
        Image.fromarray(rgb).save(tmp_path / name)
        whole = bytearray((tmp_path / name).read_bytes())
        for _ in range(40):
            damaged = bytearray(whole)
            for at in rng.integers(8, len(whole), 6):
                damaged[at] = int(rng.integers(256))
            (tmp_path / "d").write_bytes(bytes(damaged))
            with contextlib.suppress(InputError):
                read_image(tmp_path / "d")


def test_folders(tmp_path, rgb):
    with pytest.raises(InputError, match="no image"):
        list_images(tmp_path)
    for name in ("b.png", "a.png"):
        Image.fromarray(rgb).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("x")
    assert [p.name for p in list_images(tmp_path)] == ["a.png", "b.png"]
    assert len(read_images(tmp_path)) == 2


def _png16(path, pixels, kind):
    """A 16-bit PNG of colour type ``kind`` (2: RGB, 6: RGBA), which Pillow cannot write."""
    height, width = pixels.shape[:2]
    lines = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)),
              (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]  # fmt: skip
    parts = [
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    ]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


def test_what_pillow_would_cut_down_keeps_its_numbers(tmp_path, rgb):
    pytest.importorskip("rasterio")
    deep = rgb.astype(np.uint16) * 250 + 7
    picture = read_image(_png16(tmp_path / "rgb.png", deep, 2))
    np.testing.assert_array_equal(picture.pixels, deep.astype(np.float32))
    picture = read_image(_png16(tmp_path / "rgba.png", np.dstack([deep, deep[..., :1]]), 6))
    np.testing.assert_array_equal(picture.pixels, deep.astype(np.float32))
    assert picture.notes == ("alpha channel left out",)


@pytest.mark.parametrize(("dtype", "bands"), [("uint16", 3), ("uint8", 2), ("uint8", 5), ("float64", 1)])
def test_bands_of_a_geotiff_are_all_read(tmp_path, rgb, dtype, bands):
    rasterio = pytest.importorskip("rasterio")
    pixels = np.dstack([rgb, rgb])[..., :bands].astype(dtype)
    place = rasterio.Affine(10, 0, 500000, 0, -10, 4000000)
    with rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", height=6, width=9, count=bands, dtype=dtype,
                       crs="EPSG:32633", transform=place, nodata=rgb[0, 0, 0]) as file:  # fmt: skip
        file.write(np.moveaxis(pixels, -1, 0))
    picture = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(picture.pixels, pixels)
    assert picture.transform == pytest.approx(tuple(place)[:6])
    assert "no-data value" in picture.notes[0]


def test_places_of_pixels_middles_are_told_from_corners(tmp_path, rgb):
    """A GeoTIFF whose tie point names the first pixel's middle (RasterPixelIsPoint) lies half a pixel off."""
    keys = (1, 1, 0, 1, 1025, 0, 1, 2)
    info = {33550: (10.0, 20.0, 0.0), 33922: (0.0, 0.0, 0.0, 500.0, 900.0, 0.0), 34735: keys}
    from PIL import TiffImagePlugin

    tags = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in info.items():
        tags.tagtype[tag] = 3 if tag == 34735 else 12
        tags[tag] = value
    Image.fromarray(rgb).save(tmp_path / "a.tif", tiffinfo=tags)
    assert read_image(tmp_path / "a.tif").transform == (10.0, 0.0, 495.0, 0.0, -20.0, 910.0)
