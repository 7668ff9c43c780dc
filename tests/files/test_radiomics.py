"""Radiomics tables: names in every style, targets in every coding, what is no feature left out and
counted."""

from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pytest

from heedful.errors import InputError
from heedful.files.radiomics import parse_column, read_radiomics, split_table


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("original_glcm_Contrast", ("", "original", "glcm", "Contrast")),
        ("CT_original_shape_Sphericity", ("CT", "original", "shape", "Sphericity")),
        ("original_shape2D_Elongation", ("", "original", "shape2D", "Elongation")),
        ("MR_wavelet-LHH_glcm_SumSquares", ("MR", "wavelet-LHH", "glcm", "SumSquares")),
        ("wavelet.HLL_firstorder_10Percentile", ("", "wavelet-HLL", "firstorder", "10Percentile")),
        ("T1_log-sigma-1-0-mm-3D_ngtdm_Busyness", ("T1", "log-sigma-1-0-mm-3D", "ngtdm", "Busyness")),
        ("log.sigma.3.0.mm.3D_glrlm_RunEntropy", ("", "log-sigma-3-0-mm-3D", "glrlm", "RunEntropy")),
        ("squareroot_gldm_DependenceEntropy", ("", "squareroot", "gldm", "DependenceEntropy")),
        ("lbp-3D-m1_firstorder_Mean", ("", "lbp-3D-m1", "firstorder", "Mean")),
        ("gradient_glszm_ZoneEntropy_PET", ("PET", "gradient", "glszm", "ZoneEntropy")),
        ("1_original_glcm_Idm", ("1", "original", "glcm", "Idm")),
        ("late_ROI2_original_glcm_Idm", ("late_ROI2", "original", "glcm", "Idm")),
    ],
)
def test_names(name, parts):
    f = parse_column(name)
    assert (f.modality, f.filter, f.klass, f.name) == parts


@pytest.mark.parametrize(
    "name", ["age", "original", "original_glcm", "diagnostics_Versions_PyRadiomics", "x_y_z"]
)
def test_other_names(name):
    assert parse_column(name) is None


def frame(n=12):
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "PatientID": [f"p{i // 2}" for i in range(n)],
            "diagnostics_Versions": "v3",
            "original_glcm_Contrast": rng.standard_normal(n),
            "age": rng.integers(20, 80, n),
            "Image": "a.nii",
            "Target": np.arange(n) % 2,
        }
    )


@pytest.mark.parametrize(
    "codes", [(False, True), ("no", "yes"), ("benign", "malignant"), (0.0, 1.0), (1, 2), ("neg", "pos")]
)
def test_targets(codes):
    f = frame()
    f["Target"] = [codes[i] for i in f["Target"]]
    t = split_table(f)
    np.testing.assert_array_equal(t.y, np.arange(12) % 2)
    assert list(t.X) == ["original_glcm_Contrast", "age"]
    assert len(set(t.groups)) == 6
    assert "2 columns are no features" in t.notes[0]


def test_missing_outcomes_are_left_out_and_said():
    f = frame().astype({"Target": float})
    f.loc[3, "Target"] = np.nan
    t = split_table(f)
    assert len(t.y) == len(t.X) == 11
    assert "1 rows without an outcome" in t.notes[0]


@pytest.mark.parametrize("style", ["csv", "gz", "semicolon"])
def test_files(tmp_path, style):
    text = frame().to_csv(index=False)
    path = tmp_path / "t.csv"
    if style == "gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text if style == "csv" else frame().to_csv(index=False, sep=";", decimal=","))
    t = read_radiomics(path)
    assert t.X.shape == (12, 2)
    assert t.X["original_glcm_Contrast"].iloc[0] == pytest.approx(frame()["original_glcm_Contrast"].iloc[0])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f.assign(Target=range(12)), None),
        (lambda f: f[["PatientID", "Target"]], "no column holds a feature"),
        (lambda f: f.assign(original_glcm_Contrast="high"), "in a number column"),
    ],
)
def test_bad_tables(change, words):
    f = change(frame())
    if words is None:
        with pytest.raises(InputError, match="12 values"):
            split_table(f, target="Target")
    else:
        with pytest.raises(InputError, match=words):
            split_table(f)
    with pytest.raises(InputError, match="no target column 'nope'"):
        split_table(frame(), target="nope")


def test_bad_files(tmp_path):
    for text, words in (("", "is empty"), ("a,a\n1,2\n", "two columns|no column"), ("x\n", "no column")):
        path = tmp_path / "b.csv"
        path.write_text(text)
        with pytest.raises(InputError, match=words):
            read_radiomics(path)


def test_a_context_in_words_stays_text_and_more_names_of_patients():
    frame = pd.DataFrame({
        "Patient-ID": ["a", "a", "b", "c"], "kind": ["NSCLC", "SCLC", None, "NSCLC"], "y": [0, 1, 0, 1],
        "original_glcm_A": [1.0, 2, 3, 4], "age": ["50", "60", "70", None],
    })  # fmt: skip
    t = split_table(frame, keep=("kind", "age"))
    assert t.X["kind"].tolist()[:2] == ["NSCLC", "SCLC"] and t.X["age"].dtype == float
    assert t.groups.tolist() == ["a", "a", "b", "c"]
    with pytest.raises(InputError, match="in a number column"):
        split_table(frame.assign(original_glcm_A=["1", "x", "3", "4"]), keep=("kind",))
