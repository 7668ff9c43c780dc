"""NIfTI in and out: bytes kept, slopes, growth, labels in another orientation."""

import gzip

import numpy as np
import pytest

from heedful.errors import InputError
from heedful.files.scan import read_labels, read_scan, write_scan

nibabel = pytest.importorskip("nibabel")


def save(path, array, affine=None, slope=None, dtype=None):
    affine = np.diag([-0.8, -0.7, 2.5, 1.0]) if affine is None else affine
    image = nibabel.Nifti1Image(array, affine, dtype=dtype or array.dtype)
    if slope:
        image.header.set_slope_inter(*slope)
    nibabel.save(image, path)
    return path


@pytest.fixture
def volume():
    return np.random.default_rng(0).integers(-1000, 1500, (9, 8, 7)).astype(np.int16)


def test_read_and_written_bytes(volume, tmp_path):
    path = save(tmp_path / "a.nii.gz", volume)
    scan = read_scan(path)
    assert np.array_equal(scan.stored, volume.transpose(2, 1, 0))
    assert scan.affine.diagonal().tolist() == pytest.approx([0.8, 0.7, 2.5, 1.0])  # RAS -0.8 is LPS +0.8
    out = write_scan(scan, scan.stored, tmp_path / "b.nii.gz")
    assert gzip.decompress(out.read_bytes()) == gzip.decompress(path.read_bytes())
    hidden = np.zeros(scan.stored.shape, bool)
    hidden[2, 3, 4] = True
    new, _ = scan.with_hu(hidden, [77.0])
    back = nibabel.load(write_scan(scan, new, tmp_path / "c.nii"))
    assert back.get_fdata()[4, 3, 2] == 77
    assert (np.asarray(back.dataobj) == volume).sum() == volume.size - 1
    with pytest.raises(InputError, match="exists already"):
        write_scan(scan, new, out)
    with pytest.raises(InputError, match=r"ends in \.nii"):
        write_scan(scan, new, tmp_path / "d.nrrd")


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.int32, np.float32, np.float64, ">i2"])
def test_number_types_are_kept(volume, tmp_path, dtype):
    kind = np.dtype(dtype)
    image = nibabel.Nifti1Image(
        (volume + 1024).astype(kind),
        np.eye(4),
        header=nibabel.Nifti1Header(endianness=">" if kind.byteorder == ">" else "<"),
    )
    image.header.set_data_dtype(kind)
    nibabel.save(image, tmp_path / "a.nii")
    scan = read_scan(tmp_path / "a.nii")
    out = write_scan(scan, scan.stored, tmp_path / "b.nii")
    assert out.read_bytes() == (tmp_path / "a.nii").read_bytes()


def test_slope_and_intercept(tmp_path):
    raw = np.arange(60, dtype=np.int16).reshape(5, 4, 3)
    path = tmp_path / "a.nii"
    image = nibabel.Nifti1Image(raw, np.eye(4))
    nibabel.save(image, path)
    content = bytearray(path.read_bytes())
    content[112:120] = np.array([2.0, -1000.0], "<f4").tobytes()
    path.write_bytes(bytes(content))
    scan = read_scan(path)
    assert np.array_equal(scan.stored, raw.T)
    assert scan.hu()[0, 0, 1] == raw[1, 0, 0] * 2.0 - 1000
    hidden = np.zeros(scan.stored.shape, bool)
    hidden[0, 0, 0] = True
    new, _ = scan.with_hu(hidden, [-900.0])
    out = write_scan(scan, new, tmp_path / "b.nii")
    assert read_scan(out).hu()[0, 0, 0] == -900
    assert nibabel.load(out).get_fdata()[0, 0, 0] == -900


def test_labels_in_another_orientation_are_turned_exactly(volume, tmp_path):
    scan = read_scan(save(tmp_path / "a.nii.gz", volume))
    mask = (volume > 500).astype(np.uint8)
    image = nibabel.Nifti1Image(mask, np.diag([-0.8, -0.7, 2.5, 1.0]))
    for code in (("R", "A", "S"), ("L", "P", "I"), ("S", "L", "A"), ("P", "I", "R")):
        turn = nibabel.orientations.ornt_transform(
            nibabel.io_orientation(image.affine), nibabel.orientations.axcodes2ornt(code)
        )
        nibabel.save(image.as_reoriented(turn), tmp_path / "m.nii.gz")
        labels, _ = read_labels(tmp_path / "m.nii.gz", scan)
        assert np.array_equal(labels, mask.transpose(2, 1, 0)), code


@pytest.mark.parametrize(
    ("affine", "shape", "says"),
    [
        (np.diag([-0.9, -0.7, 2.5, 1.0]), (9, 8, 7), "voxels are"),
        (
            np.array([[-0.8, 0, 0, -99], [0, -0.7, 0, 0], [0, 0, 2.5, 0], [0, 0, 0, 1.0]]),
            (9, 8, 6),
            "beside the scan",
        ),
        (
            np.array([[-0.8, 0, 0, 0.3], [0, -0.7, 0, 0], [0, 0, 2.5, 0], [0, 0, 0, 1.0]]),
            (4, 4, 4),
            "beside the scan",
        ),
        (
            np.array([[-0.8, 0, 0, 12], [0, -0.7, 0, 0], [0, 0, 2.5, 0], [0, 0, 0, 1.0]]),
            (9, 8, 7),
            "beside the scan",
        ),
        (
            np.array([[-0.7, 0.3, 0, 0], [0.3, -0.6, 0, 0], [0, 0, 2.5, 0], [0, 0, 0, 1.0]]),
            (9, 8, 7),
            "rotated",
        ),
    ],
)
def test_masks_that_lie_elsewhere_are_refused(volume, tmp_path, affine, shape, says):
    scan = read_scan(save(tmp_path / "a.nii.gz", volume))
    mask = save(tmp_path / "m.nii.gz", np.ones(shape, np.uint8), affine)
    with pytest.raises(InputError, match=says):
        read_labels(mask, scan)


def test_a_mask_of_a_box_of_the_scan_is_set_in_exactly(volume, tmp_path):
    scan = read_scan(save(tmp_path / "a.nii.gz", volume))
    mask = (volume > 500).astype(np.uint8)
    affine = np.diag([-0.8, -0.7, 2.5, 1.0])
    shifted = affine @ np.array([[1, 0, 0, 2], [0, 1, 0, 3], [0, 0, 1, 1], [0, 0, 0, 1.0]])
    labels, notes = read_labels(save(tmp_path / "m.nii.gz", mask[2:8, 3:7, 1:4], shifted), scan)
    wanted = np.zeros_like(mask)
    wanted[2:8, 3:7, 1:4] = mask[2:8, 3:7, 1:4]
    assert np.array_equal(labels, wanted.transpose(2, 1, 0)) and "6 x 4 x 3 voxels" in notes[0]
    # larger than the scan: what is marked beyond it is counted
    wide = affine @ np.array([[1, 0, 0, -2], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    larger = np.pad(mask, ((2, 2), (0, 0), (0, 0)), constant_values=1)
    labels, notes = read_labels(save(tmp_path / "w.nii.gz", larger, wide), scan)
    assert np.array_equal(labels, mask.transpose(2, 1, 0))
    assert any(note.startswith(f"{4 * 8 * 7} marked voxels") for note in notes)


def test_bad_files(volume, tmp_path):
    path = save(tmp_path / "a.nii.gz", volume)
    content = path.read_bytes()
    bad = tmp_path / "bad.nii.gz"
    for length in (5, 100, 400, len(content) - 20):
        bad.write_bytes(content[:length])
        with pytest.raises(InputError):
            read_scan(bad)
    bad.write_bytes(b"hello" * 100)
    with pytest.raises(InputError):
        read_scan(bad)
    with pytest.raises(InputError, match="one volume"):
        read_scan(save(tmp_path / "4d.nii", np.zeros((4, 4, 4, 3), np.int16)))
    nibabel.save(nibabel.Nifti1Pair(volume, np.eye(4)), tmp_path / "pair.hdr")
    for half in ("pair.hdr", "pair.img"):
        with pytest.raises(InputError, match="single-file"):
            read_scan(tmp_path / half)
    with pytest.raises(InputError, match="grey levels"):
        read_scan(save(tmp_path / "u8.nii", np.zeros((4, 4, 4), np.uint8)))
    with pytest.raises(InputError, match="one number per voxel"):
        read_scan(save(tmp_path / "c.nii", np.zeros((4, 4, 4), np.complex64)))


def test_a_header_that_announces_too_much_is_refused_before_reading(tmp_path):
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape((4096, 4096, 200))
    content = bytearray(header.binaryblock) + bytes(4)
    content[108:112] = np.array([352.0], "<f4").tobytes()
    content[344:348] = b"n+1\0"
    bomb = tmp_path / "bomb.nii.gz"
    bomb.write_bytes(gzip.compress(bytes(content) + bytes(2**20)))
    with pytest.raises(InputError, match="announces"):
        read_scan(bomb)
    header.set_data_shape((32000, 32000, 32000))
    content[:348] = header.binaryblock[:348]
    content[344:348] = b"n+1\0"
    bomb.write_bytes(gzip.compress(bytes(content)))
    with pytest.raises(InputError, match="announces"):
        read_scan(bomb)


def test_voxels_that_drift_apart_over_the_volume_are_refused(tmp_path):
    """A mask of 201 slices on a scan that lost one: slices 0.5 % longer, the last ones a slice away."""
    scan = read_scan(
        save(tmp_path / "a.nii", np.zeros((4, 4, 200), np.int16), np.diag([-1, -1, 2.0 * 200 / 199, 1]))
    )
    mask = save(tmp_path / "m.nii", np.ones((4, 4, 201), np.uint8), np.diag([-1, -1, 2.0, 1.0]))
    with pytest.raises(InputError, match=r"makes 1\.0 voxels"):
        read_labels(mask, scan)
    rounded = save(tmp_path / "r.nii", np.ones((4, 4, 200), np.uint8), np.diag([-1, -1, 2.01, 1.0]))
    assert read_labels(rounded, scan)[0].all()
