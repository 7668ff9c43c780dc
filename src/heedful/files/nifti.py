"""NIfTI-1 and -2 volumes (.nii, .nii.gz): numbers in, and the same file out with some of them replaced.

The writer keeps every byte of the header and of its extensions; only the voxel block is new.
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

DAMAGE = (OSError, EOFError, zlib.error, ValueError, OverflowError)


def read(path: str | Path, *, labels: bool = False) -> Scan:
    """Read a NIfTI volume.

    With ``labels`` the numbers are labels, not HU. What is damaged, announces more than the budget, is 4-D,
    complex or colour is refused.

    Examples
    --------
    >>> import tempfile, nibabel, numpy as np
    >>> name = tempfile.mkdtemp() + "/a.nii.gz"
    >>> nibabel.save(nibabel.Nifti1Image(np.zeros((4, 5, 6), np.int16), np.eye(4)), name)
    >>> read(name).stored.shape
    (6, 5, 4)
    """
    nibabel = need("nibabel")
    path = check_readable(path)
    try:
        image = nibabel.load(path)
        header = image.header
        shape, dtype = header.get_data_shape(), header.get_data_dtype()
    except (nibabel.filebasedimages.ImageFileError, nibabel.spatialimages.HeaderDataError, *DAMAGE) as error:
        raise InputError(f"is no readable NIfTI file ({error})", path=path, remedy="get it again") from error
    if not isinstance(image, nibabel.Nifti1Image) or bytes(header["magic"])[:2] != b"n+":
        raise InputError("is not a single-file NIfTI", path=path, remedy="convert it to .nii.gz")
    if dtype.kind not in "iuf":
        raise InputError(f"holds {dtype} voxels, one number per voxel is expected", path=path)
    notes = []
    if len(shape) > 3 and all(n == 1 for n in shape[3:]):
        shape = shape[:3]
    if len(shape) == 2:
        shape = (*shape, 1)
    if len(shape) != 3 or 0 in shape:
        raise InputError(f"is {len(shape)}-D {tuple(shape)}, one volume is expected", path=path)
    announced = check_array(shape, dtype.itemsize, path=path, what="the volume")
    check_growth(announced, path.stat().st_size, path=path)
    try:
        stored = np.asarray(image.dataobj.get_unscaled()).reshape(shape, order="F")
    except DAMAGE as error:
        raise InputError(
            f"the voxels are cut short or damaged ({error})", path=path, remedy="get the file again"
        ) from error
    # the slope in the file's own bytes: nibabel moves it into the array proxy
    slope, intercept = float(image.dataobj.slope), float(image.dataobj.inter)
    stored = np.ascontiguousarray(stored.T)
    if not labels:
        check_hu(stored, slope, intercept, path=path)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine  # RAS to LPS
    unsure = int(header["qform_code"]) == 0 and int(header["sform_code"]) == 0
    if np.linalg.matrix_rank(affine[:3, :3]) < 3:
        raise InputError("its geometry (affine) is not invertible", path=path)
    each = np.ones((len(stored), 1, 1))
    return Scan(
        stored,
        slope * each,
        intercept * each,
        affine,
        np.zeros(stored.shape, bool),
        path,
        "NIfTI",
        unsure=unsure,
        notes=tuple(notes),
        kept=(int(image.dataobj.offset), dtype),
    )


def write(scan: Scan, stored, out: Path, description: str = "") -> Path:
    """Write the file again with other voxels; header and extensions are kept byte for byte."""
    offset, dtype = scan.kept
    packed = scan.path.name.lower().endswith(".gz")
    with (gzip.open if packed else open)(scan.path, "rb") as file:
        head = file.read(offset)
    content = head + np.ascontiguousarray(stored, dtype).tobytes()
    if out.name.lower().endswith(".gz"):
        content = gzip.compress(content, compresslevel=6, mtime=0)
    return write_atomic(out, content)
