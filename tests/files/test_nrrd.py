"""NRRD in and out: header kept, space turned to LPS, bounded inflation, no other file is opened."""

import gzip

import numpy as np
import pytest

from heedful.errors import InputError
from heedful.files.scan import kind_of, read_labels, read_scan, write_scan

nrrd = pytest.importorskip("nrrd")
HEADER = {
    "space": "left-posterior-superior",
    "space directions": np.diag([0.8, 0.7, 2.5]),
    "space origin": [1.0, 2.0, 3.0],
}


@pytest.fixture
def volume():
    return np.random.default_rng(0).integers(-1000, 1500, (9, 8, 7)).astype(np.int16)


@pytest.mark.parametrize("encoding", ["raw", "gzip"])
@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.float32, np.float64, ">i2"])
def test_round_trip(volume, tmp_path, encoding, dtype):
    data = (volume + 1024).astype(dtype)
    path = tmp_path / "a.nrrd"
    nrrd.write(
        str(path),
        data,
        HEADER | {"encoding": encoding, "endian": "big" if str(dtype)[0] == ">" else "little"},
    )
    scan = read_scan(path)
    assert np.array_equal(scan.stored, data.transpose(2, 1, 0))
    assert scan.affine[:3, 3].tolist() == [1, 2, 3]
    hidden = np.zeros(scan.stored.shape, bool)
    hidden[2, 3, 4] = True
    new, _ = scan.with_hu(hidden, [77.0])
    back, header = nrrd.read(str(write_scan(scan, new, tmp_path / "b.nrrd")))
    assert back[4, 3, 2] == 77
    assert (back == data).sum() == data.size - 1
    assert back.dtype.kind == np.dtype(dtype).kind
    assert header["space origin"].tolist() == [1, 2, 3]
    with pytest.raises(InputError, match="exists already"):
        write_scan(scan, new, tmp_path / "b.nrrd")


def test_spaces_are_turned_to_lps(volume, tmp_path):
    nrrd.write(str(tmp_path / "a.nrrd"), volume, HEADER)
    scan = read_scan(tmp_path / "a.nrrd")
    mask = (volume > 0).astype(np.uint8)
    ras = np.diag([-1.0, -1.0, 1.0])
    header = {
        "space": "right-anterior-superior",
        "space directions": HEADER["space directions"] @ ras,
        "space origin": ras @ np.array(HEADER["space origin"]),
    }
    nrrd.write(str(tmp_path / "m.nrrd"), mask, header)
    labels, _ = read_labels(tmp_path / "m.nrrd", scan)
    assert np.array_equal(labels, mask.transpose(2, 1, 0))


def test_without_geometry_voxel_is_taken_for_voxel_and_said(volume, tmp_path):
    nrrd.write(str(tmp_path / "a.nrrd"), volume, HEADER)
    nrrd.write(str(tmp_path / "m.nrrd"), (volume > 0).astype(np.uint8))
    labels, notes = read_labels(tmp_path / "m.nrrd", read_scan(tmp_path / "a.nrrd"))
    assert labels.shape == (7, 8, 9)
    assert "voxel is taken for voxel" in notes[0]


def header_text(**changes):
    fields = {
        "type": "int16",
        "dimension": "3",
        "sizes": "4 5 6",
        "encoding": "gzip",
        "endian": "little",
    } | changes
    return ("NRRD0004\n" + "".join(f"{k}: {v}\n" for k, v in fields.items()) + "\n").encode()


@pytest.mark.parametrize(
    ("changes", "body", "says"),
    [
        ({}, gzip.compress(bytes(100)), "cut short: 100 of 240"),
        ({}, gzip.compress(bytes(240))[:-30] + b"\0" * 5, "cut short|damaged"),
        ({}, b"no gzip at all", "damaged gzip"),
        ({"encoding": "raw"}, bytes(239), "cut short: 239 of 240"),
        ({"sizes": "4096 4096 400"}, gzip.compress(bytes(2**20)), "announces"),
        ({"sizes": "40000 40000 40000", "encoding": "raw"}, b"", "announces"),
        ({"encoding": "bzip2"}, b"", "encoding is 'bzip2'"),
        ({"encoding": "raw", "data file": "/etc/passwd"}, b"", "another file"),
        ({"encoding": "raw", "data file": "x%03d.raw 0 5 1"}, b"", "another file"),
        ({"byte skip": "7", "encoding": "raw"}, bytes(300), "skips bytes"),
        ({"dimension": "4", "sizes": "2 3 4 5"}, b"", "4-D"),
        ({"type": "block"}, b"", "numbers are expected|no readable"),
        ({"type": "uint8"}, gzip.compress(bytes(120)), "grey levels"),
        ({"sizes": "4 5 -6"}, b"", "negative|no readable|cut short"),
    ],
)
def test_bad_files(tmp_path, changes, body, says):
    path = tmp_path / "bad.nrrd"
    path.write_bytes(header_text(**changes) + body)
    with pytest.raises(InputError, match=says):
        read_scan(path)


def test_one_layer_of_labels_is_a_volume_and_several_are_not(volume, tmp_path):
    nrrd.write(str(tmp_path / "a.nrrd"), volume, HEADER)
    scan = read_scan(tmp_path / "a.nrrd")
    mask = (volume > volume.mean()).astype(np.uint8)
    layered = HEADER | {"space directions": np.vstack([[np.nan] * 3, HEADER["space directions"]])}
    nrrd.write(str(tmp_path / "m.seg.nrrd"), mask[None], layered)
    assert np.array_equal(read_labels(tmp_path / "m.seg.nrrd", scan)[0], mask.transpose(2, 1, 0))
    nrrd.write(str(tmp_path / "n.seg.nrrd"), np.stack([mask, mask]), layered)
    with pytest.raises(InputError, match="labelmap"):
        read_labels(tmp_path / "n.seg.nrrd", scan)


def test_spacings_alone_are_the_voxel_size(volume, tmp_path):
    nrrd.write(str(tmp_path / "a.nrrd"), volume, {"spacings": [0.7, 0.8, 2.5]})
    scan = read_scan(tmp_path / "a.nrrd")
    assert scan.unsure and scan.spacing.tolist() == [0.7, 0.8, 2.5]


def test_a_bomb_is_not_inflated_beyond_what_is_announced(tmp_path):
    path = tmp_path / "bomb.nrrd"
    path.write_bytes(header_text() + gzip.compress(bytes(240) + bytes(200 * 2**20), 9))
    assert read_scan(path).stored.shape == (6, 5, 4)  # the rest is never looked at


def test_kind_is_told_by_content_where_the_name_says_nothing(volume, tmp_path):
    nrrd.write(str(tmp_path / "a.nrrd"), volume, HEADER)
    (tmp_path / "a.nrrd").rename(tmp_path / "a.bin")
    assert kind_of(tmp_path / "a.bin") == "NRRD"
    (tmp_path / "t.txt").write_text("hello")
    with pytest.raises(InputError, match="no DICOM, NIfTI or NRRD"):
        kind_of(tmp_path / "t.txt")


@pytest.mark.parametrize("short", ["RAS", "LAS", "LPS"])
def test_short_names_of_spaces_are_known(volume, tmp_path, short):
    long = {"R": "right", "L": "left", "A": "anterior", "P": "posterior", "S": "superior"}
    header = dict(HEADER)
    found = []
    for name in (short, "-".join(long[letter] for letter in short)):
        header["space"] = name
        path = tmp_path / f"{name}.nrrd"
        nrrd.write(str(path), volume, header)
        found.append(read_scan(path))
    assert not found[0].unsure and np.array_equal(found[0].affine, found[1].affine)
