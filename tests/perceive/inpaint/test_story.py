"""The demonstration, the reading, the claims and the command line."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage, stats

from heedful.errors import InputError
from heedful.perceive.inpaint import claims, holes, pictures, reading
from heedful.perceive.inpaint.model import Inpainter

NAMES = {0: "air", **holes.TISSUES}


@pytest.fixture(scope="module")
def told():
    truth, tissue = holes.phantom(seed=0)
    hidden = np.zeros(truth.shape, bool)
    for label in (1, 2):
        at = np.argwhere(tissue[0] == label)
        r, c = at[len(at) // 3]
        hidden[0, r - 4 : r + 4, c - 4 : c + 4] = True
    filling = Inpainter().predict(truth, hidden)
    return truth, tissue, hidden, filling


def test_core_asks_core_and_rim_asks_rim(told):
    _, tissue, _, filling = told
    shares = reading.shares(filling, tissue, NAMES).set_index(["hole in", "source in"])
    for tissue_name in ("core", "rim"):
        row = shares.loc[tissue_name, tissue_name]
        assert row["share of weight"] > 3 * row["share of area"]
    asked = reading.question(filling, filling.parts[0], tissue, NAMES)
    verdicts = claims.verdicts(asked)
    assert verdicts
    assert all(v.p < 0.01 and v.effect > 0.1 for v in verdicts)


def test_question_holds_the_fill_s_own_weights(told):
    _, tissue, hidden, filling = told
    part = filling.parts[0]
    asked = reading.question(filling, part, tissue, NAMES)
    P = np.asarray(asked.weights.rows(list(range(len(asked.query_at)))))
    assert np.allclose(P.sum(1), 1)
    p = np.exp(part.asked.score)
    p /= p.sum(1, keepdims=True)
    assert np.allclose(np.sort(P, 1)[:, ::-1][:, :50], np.sort(p, 1)[:, ::-1][:, :50], atol=1e-9)
    assert not hidden[0][asked.key_at[:, 0], asked.key_at[:, 1]].any()
    r = reading.read(filling, asked, part)
    assert r.certificate.startswith("checked")


def test_a_map_that_has_nothing_to_do_with_the_image_supports_nothing(told):
    """Labels drawn voxel by voxel, and in pieces: near places draw on near places, of whatever label."""
    _, tissue, _, filling = told
    found = []
    for smooth in (0, 10):
        for seed in range(5):
            noise = np.random.default_rng([smooth, seed]).normal(size=tissue.shape[1:])
            noise = ndimage.gaussian_filter(noise, smooth) if smooth else noise
            pieces = 1 + (noise > np.median(noise)).astype(int)[None]
            asked = reading.question(filling, filling.parts[0], pieces, {1: "one", 2: "two"})
            found.append(any(v.status == "supported" for v in claims.verdicts(asked)))
    assert sum(found) <= 2
    assert claims.verdicts(asked, level="none") == []


def test_the_moved_map_s_p_is_uniform_under_its_null(told):
    _, tissue, _, filling = told
    asked = reading.question(filling, filling.parts[0], tissue, NAMES)
    p = []
    for seed in range(60):
        noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=tissue.shape[1:]), 8)
        p.append(
            claims.moved(replace(asked, labels=np.digitize(noise, np.quantile(noise, (0.3, 0.6)))), draws=99)
        )
    assert stats.kstest(p, "uniform").pvalue > 0.01
    assert np.mean(np.array(p) <= 0.05) <= 0.15


def test_pictures_are_data(told):
    truth, tissue, _, filling = told
    picture = pictures.filled_slice(filling, 0, tissue=tissue, names=NAMES)
    data = picture.to_dict()
    assert data["kind"] == "slice"
    assert len(picture.sources["pixel"]) <= pictures.PIXELS
    for other in (
        pictures.before_after(truth, filling, 0),
        pictures.mixture(filling.parts[0]),
        pictures.tissue_shares(reading.shares(filling, tissue, NAMES)),
    ):
        assert other.to_dict()["title"]


def test_demo_tells_a_whole_story():
    from heedful.perceive.inpaint.demo import demo

    story = demo(seed=1)
    assert story.study == "inpaint"
    assert len(story.scores) == 2
    assert story.scores[1].ours < story.scores[1].baseline
    assert story.pictures
    assert story.verdicts
    assert story.reading is not None


def _nrrd(path, array, **header):
    nrrd = pytest.importorskip("nrrd")
    base = {
        "space": "left-posterior-superior",
        "space directions": np.diag([0.8, 0.8, 2.0]),
        "space origin": [0, 0, 0],
    }
    nrrd.write(str(path), np.ascontiguousarray(array.transpose(2, 1, 0)), base | header)
    return path


def test_command_fills_and_never_overwrites(tmp_path):
    from heedful.files.scan import read_scan
    from heedful.perceive.inpaint.command import inpaint

    truth, tissue = holes.phantom(seed=2, size=96, slices=3)
    hidden = np.zeros(truth.shape, np.uint8)
    hidden[1, 40:50, 30:40] = 1
    hidden[2, 60:66, 50:56] = 2
    scan = _nrrd(tmp_path / "scan.nrrd", truth.astype(np.int16))
    mask = _nrrd(tmp_path / "mask.nrrd", hidden)
    label = _nrrd(tmp_path / "tissue.nrrd", tissue.astype(np.uint8))
    out, table = tmp_path / "out.nrrd", tmp_path / "voxels.csv"
    story = inpaint(scan, mask=mask, out=out, table=table, tissue=label, calibrate=True)
    assert story.outputs == [out, table]
    assert len(story.scores) == 2
    before, after = read_scan(scan), read_scan(out)
    assert after.stored.dtype == np.int16
    assert (before.stored == after.stored)[hidden == 0].all()
    assert len(table.read_text().splitlines()) == 1 + (hidden > 0).sum()
    assert any("several labels" in note for note in story.notes)
    with pytest.raises(InputError, match="exists already"):
        inpaint(scan, mask=mask, out=out)
    with pytest.raises(InputError, match="--trust"):
        inpaint(scan, mask=mask, trust="very")
    empty = _nrrd(tmp_path / "empty.nrrd", hidden * 0)
    with pytest.raises(InputError, match=r"scan\.nrrd: the mask hides nothing"):
        inpaint(scan, mask=empty)
    moved = _nrrd(tmp_path / "moved.nrrd", hidden, **{"space origin": [5, 0, 0]})
    with pytest.raises(InputError, match="beside the scan"):
        inpaint(scan, mask=moved)


def test_command_learns_a_correction_and_uses_it_again(tmp_path):
    from heedful.files.scan import read_scan
    from heedful.perceive.inpaint.command import inpaint

    truth, _ = holes.phantom(seed=4, size=96, slices=2)
    hidden = np.zeros(truth.shape, np.uint8)
    hidden[1, 40:50, 30:40] = 1
    scan = _nrrd(tmp_path / "scan.nrrd", truth.astype(np.int16))
    mask = _nrrd(tmp_path / "mask.nrrd", hidden)
    weights, first, second = (tmp_path / n for n in ("c.safetensors", "a.nrrd", "b.nrrd"))
    story = inpaint(scan, mask=mask, out=first, learn=weights, in_plane=True, trust="none")
    assert story.outputs == [weights, first]
    assert any("learned on 1 slice (" in note for note in story.notes)
    inpaint(scan, mask=mask, out=second, weights=weights, in_plane=True, trust="none")
    assert np.array_equal(read_scan(first).stored, read_scan(second).stored)
    # another pixel size is told
    wide = {"space directions": np.diag([2.0, 2.0, 6.0])}
    coarse = _nrrd(tmp_path / "coarse.nrrd", truth.astype(np.int16), **wide)
    far = _nrrd(tmp_path / "far.nrrd", hidden, **wide)
    story = inpaint(coarse, mask=far, weights=weights, in_plane=True, trust="none")
    assert any("may do harm" in note for note in story.notes)
    story = inpaint(scan, mask=mask, weights=weights, trust="none")  # the other slice fills it
    assert any("was not used" in note for note in story.notes)
    with pytest.raises(InputError, match="exists already"):
        inpaint(scan, mask=mask, learn=weights)
    with pytest.raises(InputError, match="--learn makes"):
        inpaint(scan, mask=mask, learn=tmp_path / "d.safetensors", weights=weights)
    with pytest.raises(InputError, match=r"scan\.nrrd"):
        inpaint(scan, mask=mask, weights=scan)
    all_damaged = _nrrd(tmp_path / "all.nrrd", hidden[[1, 1]])
    with pytest.raises(InputError, match="every slice is damaged"):
        inpaint(scan, mask=all_damaged, learn=tmp_path / "d.safetensors")


def test_a_table_without_a_folder_is_refused_before_the_work(tmp_path):
    from heedful.perceive.inpaint.command import inpaint

    with pytest.raises(InputError, match="does not exist"):
        inpaint(tmp_path / "no.nii", tmp_path / "no.nii", table=tmp_path / "none" / "t.csv")


def test_attention_alone_is_not_called_a_part_of_the_fill(told):
    truth, tissue, hidden, filling = told
    plain = Inpainter("plain").predict(truth, hidden)
    for fill, cautioned in ((filling, True), (plain, False)):
        (first, *_) = claims.verdicts(reading.question(fill, fill.parts[0], tissue, NAMES))
        assert ("only a part of the fill" in first.sentence()) == cautioned
