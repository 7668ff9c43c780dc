"""DICOM CT: one file or a folder that holds one series; out comes a derived series with new UIDs.

Slices are ordered by where they lie in the patient, not by name or number. What is compressed is checked
against what it announces before a decoder sees it.
"""

from __future__ import annotations

import contextlib
import shutil
import struct
import warnings
import zlib
from collections import Counter
from pathlib import Path

import numpy as np

from ..errors import InputError, MissingExtra
from ..writing import write_atomic
from .limits import check_array, check_readable
from .volume import Scan, check_hu, need

DEFLATED = "1.2.840.10008.1.2.1.99"
MAX_FILES = 20_000
SAME = ("Rows", "Columns", "ImageOrientationPatient", "PixelSpacing", "PixelRepresentation", "BitsStored")
MAX_INFLATED = 2**29  # bytes of a deflated file
FREE, GROWTH = 2**24, 64  # beyond 16 MiB a deflated file may grow this many times


def read(path: str | Path, *, labels: bool = False) -> Scan:
    """Read a DICOM CT series.

    As ``scan.read_scan``; with ``labels`` 8-bit values and no HU are fine. Refused: no DICOM, several series,
    slices that do not belong together, damaged or undecodable pixels.

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> scan = read(get_testdata_file("CT_small.dcm"))
    >>> scan.spacing.round(3).tolist(), scan.padding.any().item()
    ([0.661, 0.661, 5.0], False)
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom warns of what is refused or noted here
            return _read(Path(path), labels)
    except (InputError, MissingExtra):
        raise
    except Exception as error:  # a damaged header can make pydicom raise anything, as late as on access
        raise InputError(f"is damaged ({_short(error)})", path=path, remedy="get it again") from error


def _read(path, labels):
    notes: list[str] = []
    files = _files(path, notes)
    sets = [_one(file) for file in files]
    _one_series(sets, path)
    order, affine, unsure = _geometry(sets, path, notes)
    if not np.isfinite(affine).all() or np.linalg.matrix_rank(affine[:3, :3]) < 3:
        raise InputError("its geometry (orientation, spacing) is not one of a volume", path=path)
    sets, files = [sets[i] for i in order], [files[i] for i in order]
    check_array((len(sets), int(sets[0].Rows), int(sets[0].Columns)), 2, path=path, what="the series")
    slices = [_pixels(ds, file) for ds, file in zip(sets, files, strict=True)]
    if len({s.dtype for s in slices}) > 1:
        raise InputError("its files store numbers of different types", path=path)
    stored = np.stack(slices)
    slope = np.array([_number(ds, "RescaleSlope", 1.0, path) for ds in sets]).reshape(-1, 1, 1)
    intercept = np.array([_number(ds, "RescaleIntercept", 0.0, path) for ds in sets]).reshape(-1, 1, 1)
    if not labels:
        check_hu(stored, slope, intercept, path=path)
        other = {str(ds.get("Modality", "")) for ds in sets} - {"CT"}
        if other:
            notes.append(
                f"modality {', '.join(sorted(other)) or 'not stated'}, not CT; numbers are read as HU"
            )
        if any(ds.get("RescaleIntercept") is None for ds in sets):
            notes.append("no rescale intercept is stated; the stored numbers are read as HU")
        if str(sets[0].get("PhotometricInterpretation", "")) == "MONOCHROME1":
            notes.append("MONOCHROME1: shown inverted by viewers; the stored numbers are read as they are")
    bits, signed = int(sets[0].get("BitsStored", 16)), int(sets[0].get("PixelRepresentation", 0))
    limits = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return Scan(
        stored,
        slope,
        intercept,
        affine,
        _padding(sets, stored),
        path,
        "DICOM",
        unsure=unsure,
        notes=tuple(notes),
        limits=limits,
        kept=sets,
    )


def _files(path, notes):
    if not path.is_dir():
        return [check_readable(path)]
    found, skipped = [], 0
    for file in sorted(path.iterdir()):
        if file.is_dir() or file.name.upper() == "DICOMDIR" or file.name.startswith("."):
            continue
        with file.open("rb") as stream:
            is_dicom = stream.read(132)[128:] == b"DICM"
        found.append(check_readable(file)) if is_dicom else None
        skipped += not is_dicom
        if len(found) > MAX_FILES:
            raise InputError(f"holds more than {MAX_FILES} DICOM files", path=path, remedy="give one series")
    if not found:
        raise InputError("holds no DICOM file", path=path, remedy="give the folder that holds the slices")
    if skipped:
        notes.append(f"{skipped} file(s) in the folder are no DICOM and were left out")
    return found


def _one(file):
    """A data set, after a bounded look at a deflated one."""
    pydicom = need("pydicom")
    try:
        meta = pydicom.filereader.read_file_meta_info(file)
        if meta.get("TransferSyntaxUID") == DEFLATED:
            _check_deflated(file)
        ds = pydicom.dcmread(file)
    except InputError:
        raise
    except pydicom.errors.InvalidDicomError as error:
        raise InputError("is no DICOM file", path=file, remedy="give a folder of DICOM files") from error
    except Exception as error:
        raise InputError(
            f"is cut short or damaged ({_short(error)})", path=file, remedy="get it again"
        ) from error
    if "PixelData" not in ds:
        raise InputError("holds no pixels (cut short, or not an image)", path=file, remedy="leave it out")
    if int(ds.get("NumberOfFrames", 1) or 1) > 1:
        raise InputError("is a multi-frame file", path=file, remedy="convert it to one file per slice")
    if "SharedFunctionalGroupsSequence" in ds:  # position and rescale stand in there, even for one frame
        raise InputError(
            "is an enhanced (multi-frame) object", path=file, remedy="convert it to one file per slice"
        )
    if "ModalityLUTSequence" in ds and ds.get("RescaleSlope") is None:
        raise InputError(
            "turns its numbers into HU by a table", path=file, remedy="export it with slope and intercept"
        )
    if int(ds.get("SamplesPerPixel", 1)) != 1:
        raise InputError("is a colour picture, not a CT slice", path=file, remedy="leave it out")
    for name in ("Rows", "Columns", "BitsAllocated"):
        if not ds.get(name):
            raise InputError(f"does not state its {name}", path=file, remedy="get it again")
    return ds


def _check_deflated(file):
    """Inflate in pieces and refuse what grows too much: pydicom would inflate without a limit."""
    content = file.read_bytes()
    if content[132:136] != b"\x02\x00\x00\x00":
        raise InputError("is deflated and does not state where its data starts", path=file)
    start = 144 + struct.unpack("<I", content[140:144])[0]
    packed, total, unpack = content[start:], 0, zlib.decompressobj(-zlib.MAX_WBITS)
    size = max(len(packed), 1)
    while packed and not unpack.eof:
        piece = unpack.decompress(packed, 2**20)
        total, packed = total + len(piece), unpack.unconsumed_tail
        if total > MAX_INFLATED or (total > FREE and total > GROWTH * size):
            raise InputError(
                f"is deflated and grows from {size} to more than {total} bytes",
                path=file,
                remedy="a file that grows this much is not read",
            )
        if not piece and not packed:
            break


def _one_series(sets, path):
    """All files are slices of one series and of one shape."""
    series = Counter(str(ds.get("SeriesInstanceUID", "")) for ds in sets)
    if len(series) > 1:
        named = [(f"...{uid[-12:]}" if uid else "unnamed", n) for uid, n in series.most_common(4)]
        listed = ", ".join(f"{name} ({n} file{'s' * (n > 1)})" for name, n in named)
        raise InputError(
            f"holds {len(series)} series: {listed}",
            path=path,
            remedy="put each series into a folder of its own",
        )
    for name in SAME:
        values = {str(ds.get(name)): ds.get(name) for ds in sets}
        first, *others = values.values()
        if not all(_alike(first, other) for other in others):
            raise InputError(
                f"its slices differ in {name}: {', '.join(sorted(values)[:3])}",
                path=path,
                remedy="leave out the files that are no slices of the volume (scouts, reports)",
            )


def _alike(one, other) -> bool:
    """Whether two header values are the same numbers, however many digits they are written with."""
    if one is None or other is None:
        return one is other
    one, other = np.atleast_1d(np.array(one, float)), np.atleast_1d(np.array(other, float))
    return one.shape == other.shape and bool(np.abs(one - other).max(initial=0.0) < 1e-4)


def _geometry(sets, path, notes):
    """(order of the files, affine, whether nothing is said)."""
    first = sets[0]
    spacing = [float(v) for v in first.get("PixelSpacing", None) or (1.0, 1.0)]
    known = all(ds.get("ImagePositionPatient") and ds.get("ImageOrientationPatient") for ds in sets)
    if not known:
        if len(sets) > 1:
            numbers = [ds.get("InstanceNumber") for ds in sets]
            if None in numbers or len(set(numbers)) < len(numbers):
                raise InputError("its files state neither positions nor distinct instance numbers", path=path)
            notes.append("the slices state no position; they are ordered by instance number")
            return np.argsort([int(n) for n in numbers]), np.diag([spacing[1], spacing[0], 1.0, 1.0]), True
        return np.arange(1), np.diag([spacing[1], spacing[0], 1.0, 1.0]), True
    right, down = np.array(first.ImageOrientationPatient, float).reshape(2, 3)
    normal = np.cross(right, down)
    at = np.array([[float(v) for v in ds.ImagePositionPatient] for ds in sets])
    height = at @ normal
    order = np.argsort(height, kind="stable")
    if not np.array_equal(order, np.arange(len(sets))):
        notes.append("the files were not in order; slices are ordered by their position")
    step = np.diff(height[order])
    if len(step) and step.min() < 1e-3:
        raise InputError(
            "two of its slices lie at the same place",
            path=path,
            remedy="leave out duplicates, or give one phase of the scan",
        )
    if len(step) and step.max() > 1.1 * np.median(step):
        notes.append(f"the slices are {step.min():.3g} to {step.max():.3g} mm apart: some are missing")
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 3] = right * spacing[1], down * spacing[0], at[order[0]]
    thick = first.get("SpacingBetweenSlices") or first.get("SliceThickness") or 1.0
    affine[:3, 2] = (
        (at[order[-1]] - at[order[0]]) / (len(sets) - 1) if len(sets) > 1 else normal * float(thick)
    )
    return order, affine, False


def _pixels(ds, file):
    """The stored numbers of one slice (Y, X)."""
    shape = (int(ds.Rows), int(ds.Columns))
    check_array(shape, max(int(ds.BitsAllocated) // 8, 1), path=file, what="the slice", limit=2**31)
    # a JPEG 2000 codestream states its own size, which a decoder would believe
    stream = bytes(ds.PixelData[:4096]).find(b"\xff\x4f\xff\x51")
    if stream >= 0 and len(ds.PixelData) >= stream + 16:
        wide, tall = struct.unpack(">II", ds.PixelData[stream + 8 : stream + 16])
        if (tall, wide) != shape:
            raise InputError(f"states {shape} pixels, its compressed data {(tall, wide)}", path=file)
    try:
        pixels = ds.pixel_array
    except Exception as error:
        text = str(error)
        if "plugin" in text or ("decompress" in text.lower() and "missing" in text):
            raise InputError(
                f"its pixels are {ds.file_meta.TransferSyntaxUID.name} and no decoder is installed",
                path=file,
                remedy="pip install 'heedful[files]' (JPEG 2000), or pylibjpeg-libjpeg (JPEG)",
            ) from error
        raise InputError(
            f"its pixels are cut short or damaged ({_short(error)})", path=file, remedy="get it again"
        ) from error
    if pixels.shape != shape or pixels.dtype.kind not in "iu":
        raise InputError(f"its pixels are {pixels.dtype} {pixels.shape}, not integers {shape}", path=file)
    return pixels


def _padding(sets, stored):
    """Voxels at the declared padding value or within the declared padding range."""
    padded = np.zeros(stored.shape, bool)
    for i, ds in enumerate(sets):
        low = ds.get("PixelPaddingValue")
        if low is not None:
            high = ds.get("PixelPaddingRangeLimit", low)
            low, high = sorted((int(low), int(high)))
            padded[i] = (stored[i] >= low) & (stored[i] <= high)
    return padded


def _short(error) -> str:
    """The beginning of a parser's message, without the bytes it quotes."""
    return "".join(c if c.isprintable() else " " for c in str(error))[:100]


def _number(ds, name, default, path):
    value = ds.get(name)
    try:
        return default if value in (None, "") else float(value)
    except (TypeError, ValueError) as error:
        raise InputError(f"its {name} is {value!r}, a number is expected", path=path) from error


def write(scan: Scan, stored, out: Path, description: str = "filled voxels") -> Path:
    """Write a derived series: new UIDs, DERIVED\\SECONDARY, references to the source; explicit little endian.

    One file where the scan was one file, else a new folder, which appears whole.
    """
    from pydicom.uid import generate_uid

    series = generate_uid(prefix=None)
    if not scan.path.is_dir():
        return write_atomic(
            out,
            lambda place: _save(_derive(scan.kept[0], stored[0], series, description), place),
        )
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir()
        for i, (ds, pixels) in enumerate(zip(scan.kept, stored, strict=True), 1):
            _save(_derive(ds, pixels, series, description), partial / f"{i:04d}.dcm")
        partial.rename(out)
    except OSError as error:
        raise InputError(f"could not be written ({error.strerror or error})", path=out) from error
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(partial)
    return out


def _save(ds, place):
    """Explicit little endian, whatever the source was."""
    # words are kept as bytes: in a big-endian source all but the pixels, which are new, have to be swapped
    if ds.original_encoding[1] is False:
        for element in ds.iterall():
            if element.VR == "OW" and element.tag != 0x7FE00010 and element.value:
                element.value = np.frombuffer(element.value, ">u2").astype("<u2").tobytes()
    need("pydicom").dcmwrite(place, ds, implicit_vr=False, little_endian=True, enforce_file_format=True)


def _derive(source, pixels, series, description):
    """A copy of a data set with other pixels, marked as what it is."""
    import copy

    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = copy.deepcopy(source)
        reference = Dataset()
        reference.ReferencedSOPClassUID = ds.get("SOPClassUID", "")
        reference.ReferencedSOPInstanceUID = ds.get("SOPInstanceUID", "")
        ds.SourceImageSequence = Sequence([reference])
        ds.SOPInstanceUID, ds.SeriesInstanceUID = generate_uid(prefix=None), series
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.ImageType = ["DERIVED", "SECONDARY", *list(ds.get("ImageType", []))[2:]]
        ds.DerivationDescription = description
        ds.SeriesDescription = f"{ds.get('SeriesDescription', '')} (filled)".strip()[:64]
        for name in ("SmallestImagePixelValue", "LargestImagePixelValue"):
            if name in ds:
                del ds[name]
        ds.PixelData = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<")).tobytes()
        if len(ds.PixelData) % 2:
            ds.PixelData += b"\0"
        ds["PixelData"].VR = "OB" if pixels.dtype.itemsize == 1 else "OW"
        ds["PixelData"].is_undefined_length = False
    return ds
