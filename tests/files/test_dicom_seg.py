"""DICOM segmentations on the scan they were drawn on: places, missing frames, refusals."""

import numpy as np
import pytest

from heedful.errors import InputError
from heedful.files.dicom_seg import is_segmentation
from heedful.files.scan import read_labels, read_scan

pydicom = pytest.importorskip("pydicom")
from pydicom.dataset import Dataset  # noqa: E402
from pydicom.uid import ExplicitVRLittleEndian, generate_uid  # noqa: E402

SEG = "1.2.840.10008.5.1.4.1.1.66.4"
SPACING, CORNER = (0.7, 0.8), (-10.0, -20.0)


def item(**values):
    ds = Dataset()
    for name, value in values.items():
        setattr(ds, name, value)
    return ds


@pytest.fixture
def scan(tmp_path):
    folder, series = tmp_path / "scan", generate_uid()
    folder.mkdir()
    for z in range(4):
        ds = item(Modality="CT", Rows=12, Columns=16, BitsAllocated=16, BitsStored=16, HighBit=15)
        ds.file_meta = pydicom.dataset.FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        ds.PixelRepresentation, ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, 1, "MONOCHROME2"
        ds.SeriesInstanceUID, ds.RescaleSlope, ds.RescaleIntercept = series, 1, 0
        ds.PixelSpacing, ds.ImageOrientationPatient = list(SPACING), [1, 0, 0, 0, 1, 0]
        ds.ImagePositionPatient = [*CORNER, 2.5 * z]
        ds.PixelData = np.full((12, 16), z, np.int16).tobytes()
        ds.save_as(folder / f"{z}.dcm", enforce_file_format=True)
    return read_scan(folder)


def segmentation(path, frames, places, segments, *, kind="BINARY", turned=False, shared=True):
    """One frame for each (place, segment); ``turned``: rows and columns run backwards."""
    ds = item(Modality="SEG", SegmentationType=kind, BitsAllocated=1, BitsStored=1, HighBit=0)
    ds.file_meta = pydicom.dataset.FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = SEG
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.PixelRepresentation, ds.SamplesPerPixel, ds.PhotometricInterpretation = 0, 1, "MONOCHROME2"
    ds.NumberOfFrames, (ds.Rows, ds.Columns) = len(frames), frames[0].shape
    facing = [-1, 0, 0, 0, -1, 0] if turned else [1, 0, 0, 0, 1, 0]
    common = {
        "PlaneOrientationSequence": [item(ImageOrientationPatient=facing)],
        "PixelMeasuresSequence": [item(PixelSpacing=list(SPACING), SliceThickness=2.5)],
    }
    if shared:
        ds.SharedFunctionalGroupsSequence = [item(**common)]
    ds.PerFrameFunctionalGroupsSequence = [
        item(
            PlanePositionSequence=[item(ImagePositionPatient=list(place))],
            SegmentIdentificationSequence=[item(ReferencedSegmentNumber=segment)],
            **({} if shared else common),
        )
        for place, segment in zip(places, segments, strict=True)
    ]
    bits = np.concatenate([f.ravel() for f in frames]).astype(np.uint8)
    packed = np.packbits(bits, bitorder="little").tobytes()
    ds.PixelData = packed + b"\0" * (len(packed) % 2)
    ds.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("shared", [False, True])
def test_frames_land_where_they_say(scan, tmp_path, turned, shared):
    rng = np.random.default_rng(0)
    wanted = np.zeros((4, 12, 16), int)
    wanted[3] = 2 * (rng.random((12, 16)) > 0.6)  # frames of slices 0 and 2 are left out, order is free
    wanted[1] = rng.random((12, 16)) > 0.6
    frames = [wanted[3] > 0, wanted[1] > 0]
    corner = np.array(CORNER)
    if turned:
        frames = [f[::-1, ::-1] for f in frames]
        corner = corner + np.array([15 * SPACING[1], 11 * SPACING[0]])
    places = [(*corner, 7.5), (*corner, 2.5)]
    path = segmentation(tmp_path / "seg.dcm", frames, places, [2, 1], turned=turned, shared=shared)
    labels, notes = read_labels(path, scan)
    assert np.array_equal(labels, wanted)
    assert is_segmentation(path) and "2 frames" in notes[0]


def test_a_single_frame_is_no_slice_of_its_own(scan, tmp_path):
    frame = np.zeros((12, 16), bool)
    frame[3:6, 4:9] = True
    labels, _ = read_labels(segmentation(tmp_path / "s.dcm", [frame], [(*CORNER, 5.0)], [1]), scan)
    assert labels[2].sum() == 15 and labels.sum() == 15


@pytest.mark.parametrize(
    ("changes", "places", "says"),
    [
        ({}, [(CORNER[0] + 0.4, CORNER[1], 0.0)], "beside the scan"),
        ({}, [(*CORNER, 1.2)], "beside the scan"),
        ({}, [(*CORNER, 250.0)], "beside the scan"),
        ({"kind": "FRACTIONAL"}, [(*CORNER, 0.0)], "fractions"),
    ],
)
def test_what_does_not_lie_on_the_scan_is_refused(scan, tmp_path, changes, places, says):
    path = segmentation(tmp_path / "s.dcm", [np.ones((12, 16), bool)], places, [1], **changes)
    with pytest.raises(InputError, match=says):
        read_labels(path, scan)


def test_a_damaged_one_is_an_input_error(scan, tmp_path):
    path = segmentation(tmp_path / "s.dcm", [np.ones((12, 16), bool)], [(*CORNER, 0.0)], [1])
    content = path.read_bytes()
    for cut in (400, 600, 800, len(content) - 10):
        (tmp_path / "cut.dcm").write_bytes(content[:cut])
        with pytest.raises(InputError):
            read_labels(tmp_path / "cut.dcm", scan)
