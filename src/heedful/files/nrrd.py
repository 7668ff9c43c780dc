"""NRRD volumes (.nrrd): header lines and a raw or gzipped block, in one file.

The block is inflated against the size that the header announces and no further, and a header that points to
another file is refused.
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..writing import write_atomic
from .limits import check_array, check_readable
from .volume import Scan, check_growth, check_hu, need

TYPES = {
    "int8": "i1",
    "signed char": "i1",
    "uint8": "u1",
    "uchar": "u1",
    "unsigned char": "u1",
    "int16": "i2",
    "short": "i2",
    "uint16": "u2",
    "ushort": "u2",
    "unsigned short": "u2",
    "int32": "i4",
    "int": "i4",
    "uint32": "u4",
    "uint": "u4",
    "unsigned int": "u4",
    "float": "f4",
    "double": "f8",
}
SIGNS = {"l": (0, 1), "r": (0, -1), "p": (1, 1), "a": (1, -1), "s": (2, 1), "i": (2, -1)}


def read(path: str | Path, *, labels: bool = False) -> Scan:
    """Read an NRRD volume.

    ``labels``: a label map and no scan, so that 8-bit values and no HU are fine. A file that is damaged,
    announces more than the budget, is detached, or of another encoding than raw or gzip is refused.

    Examples
    --------
    >>> import tempfile, nrrd, numpy as np
    >>> name = tempfile.mkdtemp() + "/a.nrrd"
    >>> nrrd.write(name, np.zeros((4, 5, 6), np.int16))
    >>> read(name).stored.shape
    (6, 5, 4)
    """
    nrrd = need("nrrd", "pynrrd")
    path = check_readable(path)
    with path.open("rb") as file:
        try:
            header = nrrd.read_header(file)
            start = file.tell()
            sizes = [int(n) for n in header["sizes"]]
        except (nrrd.NRRDError, ValueError, KeyError, IndexError, TypeError, OverflowError) as error:
            raise InputError(
                f"is no readable NRRD file ({error})", path=path, remedy="get it again"
            ) from error
        code = TYPES.get(str(header.get("type")).replace("_t", ""))
        if code is None:
            raise InputError(f"holds {header.get('type')!r} voxels, numbers are expected", path=path)
        if "data file" in header or "datafile" in header:
            raise InputError("keeps its voxels in another file", path=path, remedy="save it as one file")
        if header.get("line skip", 0) or header.get("byte skip", 0):
            raise InputError("skips bytes before its voxels", path=path, remedy="save it again without")
        encoding = str(header.get("encoding"))
        if encoding not in ("raw", "gzip", "gz"):
            raise InputError(f"its encoding is {encoding!r}", path=path, remedy="save it as raw or gzip")
        directions = header.get("space directions")
        if len(sizes) == 4 and sizes[0] == 1:  # one layer of labels, as editors save it
            sizes, directions = sizes[1:], None if directions is None else np.asarray(directions, float)[1:]
        if len(sizes) == 2:
            sizes.append(1)
        if len(sizes) != 3 or 0 in sizes:
            raise InputError(
                f"is {len(sizes)}-D {tuple(sizes)}, one volume is expected",
                path=path,
                remedy="save one volume or one layer of labels (Slicer: export as a labelmap)",
            )
        dtype = np.dtype((">" if header.get("endian") == "big" else "<") + code)
        announced = check_array(sizes, dtype.itemsize, path=path, what="the volume")
        block = file.read() if encoding == "raw" else _inflate(file, announced, path)
    if len(block) < announced:
        raise InputError(
            f"the voxels are cut short: {len(block)} of {announced} bytes",
            path=path,
            remedy="get the file again",
        )
    stored = np.frombuffer(block, dtype, count=announced // dtype.itemsize).reshape(sizes[::-1])
    stored = np.ascontiguousarray(stored, dtype.newbyteorder("="))
    affine, unsure = _geometry(header, directions)
    if not labels:
        check_hu(stored, 1.0, 0.0, path=path)
    each = np.ones((len(stored), 1, 1))
    return Scan(
        stored,
        each,
        0.0 * each,
        affine,
        np.zeros(stored.shape, bool),
        path,
        "NRRD",
        unsure=unsure,
        kept=(start, dtype, encoding),
    )


def _inflate(file, announced, path) -> bytes:
    """As many bytes as were announced, in pieces; what would come after is not looked at."""
    check_growth(announced, path.stat().st_size, path=path)
    unpack, pieces, total = zlib.decompressobj(zlib.MAX_WBITS | 16), [], 0
    try:
        while total < announced and not unpack.eof and (packed := file.read(2**20)):
            while packed and total < announced:
                pieces.append(unpack.decompress(packed, announced - total))
                total += len(pieces[-1])
                packed = unpack.unconsumed_tail
    except zlib.error as error:
        raise InputError(f"damaged gzip stream ({error})", path=path, remedy="get the file again") from error
    return b"".join(pieces)


def _geometry(header, directions):
    """(affine to LPS mm, whether the header says nothing about it)."""
    space = str(header.get("space", "")).lower()
    axes = list(space) if space in ("ras", "las", "lps") else space.split("-")  # the format's short names
    if directions is None or len(axes) != 3 or not all(a[:1] in SIGNS for a in axes):
        sizes = np.ones(3)
        for i, size in enumerate(np.asarray(header.get("spacings", ()), float)[-3:]):
            sizes[i] = size if np.isfinite(size) and size > 0 else 1.0
        return np.diag([*sizes, 1.0]), True
    directions = np.asarray(directions, float)
    turn = np.zeros((3, 3))
    for i, axis in enumerate(axes):
        target, sign = SIGNS[axis[0]]
        turn[target, i] = sign
    affine = np.eye(4)
    affine[:3, : len(directions)] = turn @ directions.T
    affine[:3, 3] = turn @ np.asarray(header.get("space origin", np.zeros(3)), float)
    if not np.all(np.isfinite(affine)) or np.linalg.matrix_rank(affine[:3, :3]) < 3:
        return np.eye(4), True
    return affine, False


def write(scan: Scan, stored, out: Path, description: str = "") -> Path:
    """Write the file again with other voxels; the header is kept byte for byte."""
    start, dtype, encoding = scan.kept
    with scan.path.open("rb") as file:
        head = file.read(start)
    block = np.ascontiguousarray(stored, dtype).tobytes()
    return write_atomic(out, head + (block if encoding == "raw" else gzip.compress(block, 6, mtime=0)))
