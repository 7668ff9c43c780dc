"""DICOM in and out: order, geometry, identity, padding, and every refusal."""

import contextlib
import struct
import zlib

import numpy as np
import pytest

from heedful.errors import InputError
from heedful.files import dicom
from heedful.files.scan import read_labels, read_scan, write_scan

pydicom = pytest.importorskip("pydicom")
from pydicom.data import get_testdata_file  # noqa: E402
from pydicom.dataset import Dataset, FileMetaDataset  # noqa: E402
from pydicom.uid import ExplicitVRLittleEndian, generate_uid  # noqa: E402

CT = "1.2.840.10008.5.1.4.1.1.2"


def slice_(z, pixels, series, *, padding=None, dtype=np.int16, **changes):
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.SOPClassUID, ds.SOPInstanceUID, ds.SeriesInstanceUID = CT, generate_uid(), series
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = CT, ds.SOPInstanceUID
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.Modality, ds.PatientName, ds.SeriesDescription = "CT", "", "thorax"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated = 8 * np.dtype(dtype).itemsize
    ds.BitsStored, ds.HighBit = min(ds.BitsAllocated, 12), min(ds.BitsAllocated, 12) - 1
    ds.PixelRepresentation = int(np.dtype(dtype).kind == "i")
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.PixelSpacing, ds.ImageOrientationPatient = [0.7, 0.8], [1, 0, 0, 0, 1, 0]
    ds.ImagePositionPatient, ds.SliceThickness = [-10, -20, z], 2.5
    ds.RescaleSlope, ds.RescaleIntercept = 1, -1024
    if padding is not None:
        ds.PixelPaddingValue = padding
    ds.PixelData = np.ascontiguousarray(pixels, dtype).tobytes()
    for name, value in changes.items():
        setattr(ds, name, value)
    return ds


def save(folder, slices):
    folder.mkdir(exist_ok=True)
    for i, ds in enumerate(slices):
        ds.save_as(folder / f"{i}.dcm", enforce_file_format=True)
    return folder


@pytest.fixture
def series(tmp_path):
    rng = np.random.default_rng(0)
    uid = generate_uid()
    return save(
        tmp_path / "series",
        [slice_(z, rng.integers(0, 2000, (12, 10)), uid) for z in (5.0, 0.0, 2.5, 7.5)],
    )


def test_slices_are_ordered_by_position(series):
    scan = read_scan(series)
    first = pydicom.dcmread(series / "1.dcm")
    assert np.array_equal(scan.stored[0], first.pixel_array)
    assert scan.affine[:3, 3].tolist() == [-10, -20, 0]
    assert scan.spacing.round(6).tolist() == [0.8, 0.7, 2.5]
    assert "not in order" in scan.notes[0]
    assert scan.hu().min() >= -1024


def test_written_series_is_derived_new_and_whole(series, tmp_path):
    scan = read_scan(series)
    hidden = np.zeros(scan.stored.shape, bool)
    hidden[1, 2:5, 3:6] = True
    stored, clipped = scan.with_hu(hidden, np.full(9, 40.4))
    assert clipped == 0
    out = write_scan(scan, stored, tmp_path / "out", description="test")
    back = read_scan(out)
    assert np.array_equal(back.stored, stored)
    assert (back.stored == scan.stored)[~hidden].all()
    assert back.hu()[hidden].tolist() == [40.0] * 9
    assert np.allclose(back.affine, scan.affine)
    old, new = scan.kept, back.kept
    assert {ds.ImageType[0] for ds in new} == {"DERIVED"}
    assert {ds.ImageType[1] for ds in new} == {"SECONDARY"}
    assert len({ds.SeriesInstanceUID for ds in new}) == 1
    assert new[0].SeriesInstanceUID != old[0].SeriesInstanceUID
    assert not {ds.SOPInstanceUID for ds in new} & {ds.SOPInstanceUID for ds in old}
    assert all(ds.SOPInstanceUID == ds.file_meta.MediaStorageSOPInstanceUID for ds in new)
    assert [ds.SourceImageSequence[0].ReferencedSOPInstanceUID for ds in new] == [
        ds.SOPInstanceUID for ds in old
    ]
    assert new[0].DerivationDescription == "test"
    assert (new[0].RescaleIntercept, new[0].RescaleSlope) == (-1024, 1)
    with pytest.raises(InputError, match="exists already"):
        write_scan(scan, stored, out)
    with pytest.raises(InputError, match="does not exist"):
        write_scan(scan, stored, tmp_path / "no" / "out")
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_values_beyond_the_stored_bits_are_counted(series):
    scan = read_scan(series)
    hidden = np.zeros(scan.stored.shape, bool)
    hidden[0, 0, :3] = True
    stored, clipped = scan.with_hu(hidden, np.array([-5000.0, 5000.0, 0.0]))
    assert clipped == 2
    assert stored[0, 0, :3].tolist() == [-2048, 2047, 1024]


def test_padding_is_found_and_kept(tmp_path):
    pixels = np.full((8, 8), 1000)
    pixels[0, :4] = -2000
    folder = save(tmp_path / "p", [slice_(0.0, pixels, "1.2.3", padding=0, BitsStored=16, HighBit=15)])
    scan = read_scan(folder)
    assert not scan.padding.any()  # the declared value, 0, is not there
    ds = slice_(0.0, pixels, "1.2.3", BitsStored=16, HighBit=15)
    ds.add_new(0x00280120, "SS", -2000)
    scan = read_scan(save(tmp_path / "q", [ds]))
    assert scan.padding.sum() == 4
    assert scan.hu()[0, 0, 0] == -3024


def test_compressed_and_uncompressed_hold_the_same(tmp_path):
    scan = read_scan(get_testdata_file("CT_small.dcm"))
    out = write_scan(scan, scan.stored, tmp_path / "copy.dcm")
    assert np.array_equal(read_scan(out).stored, scan.stored)
    assert pydicom.dcmread(out).file_meta.TransferSyntaxUID == ExplicitVRLittleEndian


def test_deflated_is_read_when_it_grows_little_and_refused_when_much(tmp_path):
    ds = slice_(0.0, np.random.default_rng(0).integers(0, 2000, (64, 64)), "1.2.3")
    plain = tmp_path / "plain.dcm"
    ds.save_as(plain, enforce_file_format=True)
    content = plain.read_bytes()
    start = 144 + struct.unpack("<I", content[140:144])[0]
    meta = content[:start].replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99")
    grown = len(meta) - start
    at = meta.index(b"1.2.840.10008.1.2.1.99") - 2
    meta = meta[:at] + struct.pack("<H", 22) + meta[at + 2 :]
    meta = meta[:140] + struct.pack("<I", start - 144 + grown) + meta[144:]

    def deflated(body):
        pack = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        return meta + pack.compress(body) + pack.flush()

    good, bomb = tmp_path / "good.dcm", tmp_path / "bomb.dcm"
    good.write_bytes(deflated(content[start:]))
    assert np.array_equal(read_scan(good).stored[0], ds.pixel_array)
    bomb.write_bytes(deflated(content[start:] + bytes(40 * 2**20)))
    assert bomb.stat().st_size < 2**17
    with pytest.raises(InputError, match="is deflated and grows"):
        read_scan(bomb)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"SeriesInstanceUID": "1.2.9"}, "2 series"),
        ({"PixelSpacing": [0.7, 0.9]}, "differ in PixelSpacing"),
        ({"ImagePositionPatient": [-10, -20, 0.0]}, "lie at the same place"),
        ({"NumberOfFrames": 3}, "multi-frame"),
        ({"SamplesPerPixel": 3}, "colour picture"),
        ({"RescaleSlope": 0}, "slope is zero"),
        ({"Rows": 40000, "Columns": 60000}, "announces|differ in Rows"),
    ],
)
def test_series_that_are_none(tmp_path, change, says):
    rng = np.random.default_rng(0)
    slices = [slice_(z, rng.integers(0, 2000, (12, 10)), "1.2.3") for z in (0.0, 2.5)]
    slices.append(slice_(5.0, rng.integers(0, 2000, (12, 10)), "1.2.3", **change))
    with pytest.raises(InputError, match=says):
        read_scan(save(tmp_path / "bad", slices))


def test_damaged_files(series, tmp_path):
    content = (series / "0.dcm").read_bytes()
    cut = tmp_path / "cut.dcm"
    for length in range(10, len(content) - 1, 37):
        cut.write_bytes(content[:length])
        with pytest.raises(InputError):
            read_scan(cut)
    cut.write_bytes(b"")
    with pytest.raises(InputError, match="empty"):
        read_scan(cut)
    with pytest.raises(InputError, match="no such file"):
        read_scan(tmp_path / "none.dcm")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="no DICOM file"):
        read_scan(empty)


def test_flipped_bytes_raise_nothing_but_input_errors(series, tmp_path):
    content = bytearray((series / "0.dcm").read_bytes())
    rng = np.random.default_rng(1)
    target = tmp_path / "flipped.dcm"
    for _ in range(400):
        copy = bytearray(content)
        for at in rng.integers(132, len(copy) - 240, 3):
            copy[at] = rng.integers(256)
        target.write_bytes(bytes(copy))
        with contextlib.suppress(InputError):
            read_scan(target)


def test_a_big_endian_series_comes_out_whole(tmp_path):
    uid, pixels = generate_uid(), np.arange(120, dtype=np.int16).reshape(12, 10)
    folder = tmp_path / "big"
    folder.mkdir()
    for i in range(3):
        ds = slice_(2.5 * i, pixels + i, uid)
        ds.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRBigEndian
        ds.PixelData = (pixels + i).astype(">i2").tobytes()
        ds.add_new(0x60003000, "OW", np.arange(8, dtype=">u2").tobytes())
        how = {"implicit_vr": False, "little_endian": False, "enforce_file_format": True}
        pydicom.dcmwrite(folder / f"{i}.dcm", ds, **how)
    scan = read_scan(folder)
    assert np.array_equal(scan.stored[1], pixels + 1)
    out = write_scan(scan, scan.stored, tmp_path / "out")
    assert np.array_equal(read_scan(out).stored, scan.stored)
    again = pydicom.dcmread(next(iter(sorted(out.iterdir()))))
    assert again.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert np.array_equal(np.frombuffer(again[0x60003000].value, "<u2"), np.arange(8))


def test_no_rescale_is_said(tmp_path):
    ds = slice_(0.0, np.arange(120, dtype=np.int16).reshape(12, 10), generate_uid())
    del ds.RescaleIntercept
    assert any("no rescale intercept" in n for n in read_scan(save(tmp_path / "a", [ds])).notes)


def test_eight_bit_grey_levels_are_refused_but_masks_may_be(tmp_path):
    grey = save(
        tmp_path / "grey",
        [slice_(0.0, np.zeros((8, 8)), "1.2.3", dtype=np.uint8, RescaleIntercept=0)],
    )
    with pytest.raises(InputError, match="grey levels"):
        read_scan(grey)
    assert dicom.read(grey, labels=True).stored.dtype == np.uint8


def test_missing_decoder_is_said(monkeypatch, series):
    def fails(self):
        raise RuntimeError(
            "Unable to decompress 'JPEG' pixel data because all plugins are missing dependencies"
        )

    monkeypatch.setattr(pydicom.dataset.Dataset, "pixel_array", property(fails))
    with pytest.raises(InputError, match=r"no decoder is installed.*heedful"):
        read_scan(series)


def test_other_files_in_the_folder_are_counted(series):
    (series / "readme.txt").write_text("x" * 200)
    assert any("1 file(s)" in note for note in read_scan(series).notes)


def test_mask_of_the_same_series(series, tmp_path):
    scan = read_scan(series)
    labels, notes = read_labels(series, scan)
    assert np.array_equal(labels, scan.stored)
    assert notes == ()


def test_orientations_written_with_other_digits_are_the_same(tmp_path):
    uid = generate_uid()
    slices = [slice_(z, np.full((12, 10), 1000), uid) for z in (0.0, 2.5, 5.0)]
    slices[1].ImageOrientationPatient = ["1.0", "-0.0", "0", "0.0000001", "0.9999999", "0"]
    slices[1].PixelSpacing = ["0.70000", "0.8"]
    assert read_scan(save(tmp_path / "same", slices)).stored.shape == (3, 12, 10)
    slices[1].ImageOrientationPatient = [1, 0, 0, 0, 0.999, 0.0447]
    with pytest.raises(InputError, match="differ in ImageOrientationPatient"):
        read_scan(save(tmp_path / "other", slices))


def test_what_states_its_rescale_elsewhere_is_refused(tmp_path):
    """An enhanced object of one frame, and a table: read by slope and intercept both would be wrong HU."""
    group = Dataset()
    group.PixelValueTransformationSequence = [Dataset()]
    enhanced = slice_(0.0, np.full((12, 10), 1000), generate_uid(), NumberOfFrames=1)
    enhanced.SharedFunctionalGroupsSequence = [group]
    table = Dataset()
    table.LUTDescriptor, table.ModalityLUTType, table.LUTData = [4, 0, 16], "HU", bytes(8)
    by_table = slice_(0.0, np.full((12, 10), 1000), generate_uid(), ModalityLUTSequence=[table])
    del enhanced.RescaleSlope, enhanced.RescaleIntercept, by_table.RescaleSlope, by_table.RescaleIntercept
    for name, ds, says in (("e", enhanced, "enhanced"), ("t", by_table, "by a table")):
        with pytest.raises(InputError, match=says):
            read_scan(save(tmp_path / name, [ds]))
