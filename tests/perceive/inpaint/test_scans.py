"""Scans made ready: padding, slices along the longest voxels, unequal distances, tilt, masks of fractions."""

from pathlib import Path

import numpy as np
import pytest

from heedful.errors import InputError
from heedful.files.volume import Scan
from heedful.perceive.inpaint import scans, volume
from heedful.perceive.inpaint.holes import phantom
from heedful.perceive.inpaint.model import Inpainter


def scan_of(stored, *, affine=None, padding=None, format_="NIfTI", slope=1.0, intercept=0.0, kept=None):
    each = np.ones((len(stored), 1, 1))
    return Scan(
        stored,
        slope * each,
        intercept * each,
        np.diag([0.8, 0.7, 4.0, 1.0]) if affine is None else affine,
        np.zeros(stored.shape, bool) if padding is None else padding,
        Path("a.nii"),
        format_,
        kept=kept,
    )


@pytest.fixture(scope="module")
def stack():
    hu, _ = phantom(seed=2, size=96, slices=5)
    hidden = np.zeros(hu.shape, bool)
    hidden[2, 40:52, 40:50] = True
    return hu.astype(np.int16), hidden


def test_declared_padding_is_air_whatever_its_number(stack):
    # unsigned files declare -2000 as 63536: 62512 HU, which read as it stands would be metal all around
    hu, hidden = stack
    y, x = np.mgrid[:96, :96]
    outside = np.broadcast_to(np.hypot(y - 48, x - 48) > 47, hu.shape)
    stored = np.where(outside, 63536, np.maximum(hu, -1024) + 1024).astype(np.uint16)
    found = scans.ready(scan_of(stored, padding=outside, intercept=-1024.0), hidden.astype(np.uint8))
    assert (found.hu[outside] == -1024).all() and (found.hu[~outside] == hu[~outside]).all()
    assert f"{int(outside.sum())} voxels are padding" in found.notes[0]


@pytest.mark.parametrize("padding", [-2000, -3024])
def test_masked_padding_stays_and_blanked_tissue_is_filled(stack, padding):
    hu, _ = stack
    y, x = np.mgrid[:96, :96]
    outside = np.broadcast_to(np.hypot(y - 48, x - 48) > 47, hu.shape)
    stored = np.where(outside, padding, hu).astype(np.int16)
    mask = np.zeros(hu.shape, np.uint8)
    mask[2, 40:50, :9] = 1  # reaches from the body into the padding
    mask[2, 60:66, 40:46] = 1
    stored[2, 60:66, 40:46] = padding  # blanked with the padding's own number: not of one piece with it
    scan = scan_of(stored)
    found = scans.ready(scan, mask)
    filling = Inpainter().predict(found.hu, found.hidden)
    new, notes = scans.fill_values(scan, found, filling.hu)
    assert np.array_equal(new[mask == 0], stored[mask == 0])
    kept = (mask != 0) & outside
    assert kept.any() and (new[kept] == padding).all()
    assert (new[2, 60:66, 40:46] > -300).all()
    assert notes == [f"{int(kept.sum())} masked voxels lie in the padding and keep its value"]


def test_slices_run_along_the_longest_voxels(stack):
    hu, hidden = stack
    straight = scans.ready(scan_of(hu), hidden)
    # the same volume as a sagittal file: its first axis is x, rows are z
    turned = np.ascontiguousarray(hu.transpose(2, 0, 1))
    affine = np.zeros((4, 4))
    affine[1, 0], affine[2, 1], affine[0, 2], affine[3, 3] = 0.7, 4.0, 0.8, 1.0
    scan = scan_of(turned, affine=affine)
    found = scans.ready(scan, hidden.transpose(2, 0, 1))
    assert found.axes == ("y", "z", "x") and "longest voxels (4 mm)" in found.notes[0]
    assert np.array_equal(found.hu.transpose(0, 2, 1), straight.hu)
    filling = Inpainter().predict(found.hu, found.hidden)
    assert {part.route for part in filling.parts} == {"volume"}
    new, _ = scans.fill_values(scan, found, filling.hu)
    assert np.array_equal(new[~hidden.transpose(2, 0, 1)], turned[~hidden.transpose(2, 0, 1)])
    table = filling.table(axes=found.axes)
    assert (new[table["z"], table["y"], table["x"]] == np.rint(table["HU"])).all()


def test_unequal_distances_set_the_taps():
    heights = np.array([0.0, 5.0, 8.0, 18.0, 23.0])
    y, x = np.mgrid[:60, :60]
    stack = np.stack([0.01 * h**3 - 0.2 * h**2 + x + 0 * y for h in heights])
    hidden = np.zeros(stack.shape, bool)
    hidden[2, 20:40, 20:40] = True
    done = volume.fill_region(stack, hidden, 2, hidden[2], [-2, -1, 1, 2], heights=heights)
    assert np.abs(done.tap - stack[2][hidden[2]]).max() < 1e-9  # exact for cubics in millimetres
    equal = volume.fill_region(stack, hidden, 2, hidden[2], [-2, -1, 1, 2])
    assert np.abs(equal.tap - stack[2][hidden[2]]).max() > 1
    filling = Inpainter().predict(stack, hidden, heights=heights)
    assert np.abs(filling.hu - stack).max() < 1
    with pytest.raises(InputError, match="rising or falling"):
        Inpainter().predict(stack, hidden, heights=heights[[0, 2, 1, 3, 4]])


def test_tilt_is_said(stack):
    hu, hidden = stack
    affine = np.diag([0.8, 0.7, 4.0, 1.0])
    affine[1, 2] = 4.0 * np.tan(np.radians(12))
    found = scans.ready(scan_of(hu, affine=affine), hidden)
    assert any("obliquely (12.0 degrees" in note for note in found.notes)
    assert not scans.ready(scan_of(hu), hidden).notes


def test_masks_of_fractions_are_refused(stack):
    hu, hidden = stack
    assert scans.ready(scan_of(hu), hidden.astype(float)).hidden.sum() == hidden.sum()
    with pytest.raises(InputError, match=r"fractions such as 0\.5"):
        scans.ready(scan_of(hu), 0.5 * hidden)


def test_numbers_that_are_no_hu_are_refused_or_said(stack):
    hu, hidden = stack
    mask = hidden.astype(np.uint8)
    with pytest.raises(InputError, match="above 1500; HU are expected"):
        scans.ready(scan_of(((hu + 1024) * 3).astype(np.int16)), mask)
    raised = scans.ready(scan_of(np.maximum(hu + 1024, 0).astype(np.uint16)), mask)
    assert any("no visible voxel is below 0" in note for note in raised.notes)
    metal = hu.copy()
    metal[2, 36:38, 42:46] = 2800
    assert any("8 of " in note and "read as 1500" in note for note in scans.ready(scan_of(metal), mask).notes)
    assert not scans.ready(scan_of(hu), mask).notes


def test_slices_of_one_share_are_told_together(stack):
    hu, _ = stack
    hidden = np.zeros(hu.shape, bool)
    hidden[:, 40:46, 40:46] = True
    told = scans.shares_told(Inpainter(in_plane=True).predict(hu, hidden))
    assert len(told) == 1 and told[0].startswith("slices 0, 1, 2, 3, 4: attention makes")


def test_a_slice_has_no_other_side(stack):
    """A hole at the left edge: what lies beyond the reach of its surroundings changes nothing."""
    hu, _ = stack
    hidden = np.zeros(hu.shape, bool)
    hidden[2, 40:50, :10] = True
    plain = volume.fill_region(hu.astype(float), hidden, 2, hidden[2], [-2, -1, 1, 2]).fill
    changed = hu.astype(float)
    changed[:, :, 44] = 900.0  # the last column that is looked at: 30 px to learn from, 5 to ask
    assert np.array_equal(plain, volume.fill_region(changed, hidden, 2, hidden[2], [-2, -1, 1, 2]).fill)


def test_a_scan_given_as_the_mask_is_refused(stack):
    hu, _ = stack
    for own in (hu, (hu - hu.min()).astype(np.uint16)):
        with pytest.raises(InputError, match=r"different numbers from .* labels are expected"):
            scans.ready(scan_of(hu), own)
