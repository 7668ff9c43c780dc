"""The base passes every check of scikit-learn, saves and loads; files that lie are refused."""

import numpy as np
import pytest
import torch
from sklearn.base import ClassifierMixin, RegressorMixin, TransformerMixin
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.multiclass import check_classification_targets

from heedful.errors import InputError
from heedful.learn import Estimator, fit, lbfgs, save_tensors, seeded


class Ridge(RegressorMixin, Estimator):
    """Reference regressor on the small solver."""

    def __init__(self, *, penalty=1e-3, label="plain"):
        self.penalty = penalty
        self.label = label

    def fit(self, X, y):
        X, y = self._fit_table(X, y)
        self.centre_, self.spread_ = X.mean(0), X.std(0) + 1e-12
        self.offset_, scale = float(y.mean()), float(y.std()) or 1.0
        a = torch.from_numpy((X - self.centre_) / self.spread_)
        b = torch.from_numpy((y - self.offset_) / scale)
        found = lbfgs(lambda p: ((a @ p["w"] - b) ** 2).mean() + self.penalty * (p["w"] ** 2).sum(),
                      {"w": np.zeros(X.shape[1])})
        self.coef_ = found.params["w"] * scale
        self.n_iter_ = max(found.n_iter, 1)
        return self

    def predict(self, X):
        return (self._table(X) - self.centre_) / self.spread_ @ self.coef_ + self.offset_


class Logit(ClassifierMixin, Estimator):
    """Reference classifier on the training loop, seeds included."""

    def __init__(self, *, epochs=60, seed=0):
        self.epochs = epochs
        self.seed = seed

    def fit(self, X, y):
        X, y = self._fit_table(X, y)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise InputError("Classifier can't train when only one class is present.")
        self.centre_, self.spread_ = X.mean(0), X.std(0) + 1e-12
        with seeded(self.seed):
            net = torch.nn.Linear(X.shape[1], len(self.classes_))
        x = torch.from_numpy(((X - self.centre_) / self.spread_).astype(np.float32))
        record = fit(net, lambda m, x, y: torch.nn.functional.cross_entropy(m(x), y),
                     (x, torch.from_numpy(codes)), lr=.1, batch_size=32, epochs=self.epochs,
                     validation=0, seed=self.seed)
        self.weight_ = net.weight.detach().numpy().astype(float)
        self.bias_ = net.bias.detach().numpy().astype(float)
        self.n_iter_ = record.epochs
        return self

    def decision_function(self, X):
        z = (self._table(X) - self.centre_) / self.spread_ @ self.weight_.T + self.bias_
        return z[:, 1] - z[:, 0] if len(self.classes_) == 2 else z

    def predict(self, X):
        z = self.decision_function(X)
        return self.classes_[(z > 0).astype(int) if z.ndim == 1 else z.argmax(1)]


class Centre(TransformerMixin, Estimator):
    """Reference transformer: no target."""

    def fit(self, X, y=None):
        self.mean_ = self._fit_table(X).mean(0)
        return self

    def transform(self, X):
        return self._table(X) - self.mean_


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("estimator", [Ridge(), Logit(epochs=15), Centre()], ids=lambda e: type(e).__name__)
def test_passes_every_check_of_scikit_learn(estimator):
    results = check_estimator(estimator, on_fail=None)
    failed = [(r["check_name"], r["exception"]) for r in results if r["status"] == "failed"]
    assert not failed
    assert len(results) > 40


def test_saves_and_loads(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3))
    model = Ridge(penalty=.01).fit(X, X @ [1., 2., 3.])
    path = model.save(tmp_path / "ridge.safetensors")
    again = Ridge.load(path)
    assert again.get_params() == model.get_params()
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert [p.name for p in tmp_path.iterdir()] == ["ridge.safetensors"]
    with pytest.raises(InputError, match="holds a Ridge, a Logit was expected"):
        Logit.load(path)


def test_nan_is_refused_both_ways(tmp_path):
    X = np.eye(3)
    model = Ridge().fit(X, X[0])
    good = model.save(tmp_path / "m.safetensors").read_bytes()
    model.coef_[1] = np.nan
    with pytest.raises(InputError, match=r"'coef_'.*1 of 3 numbers are NaN"):
        model.save(tmp_path / "m.safetensors")
    assert (tmp_path / "m.safetensors").read_bytes() == good
    from safetensors.torch import save_file
    bad = {"coef_": torch.tensor([1., float("nan")])}
    save_file(bad, tmp_path / "n.safetensors", metadata={"heedful": "{}"})
    with pytest.raises(InputError, match="NaN"):
        Ridge.load(tmp_path / "n.safetensors")


@pytest.mark.parametrize("damage", ["truncate", "flip", "text", "foreign", "dunder"])
def test_damaged_files_give_one_error(tmp_path, damage):
    path = Ridge().fit(np.eye(3), [0., 1., 2.]).save(tmp_path / "m.safetensors")
    data = bytearray(path.read_bytes())
    if damage == "truncate":
        data = data[: len(data) // 2]
    elif damage == "flip":
        data[3] ^= 0x40
    elif damage == "text":
        data = b"not a safetensors file at all"
    path.write_bytes(data)
    if damage == "foreign":
        from safetensors.torch import save_file
        save_file({"a": torch.zeros(2)}, path)
    if damage == "dunder":
        save_tensors(path, {}, {"estimator": "Ridge", "parameters": {}, "fitted": {"__class__": "x"}})
    with pytest.raises(InputError, match=r"m\.safetensors"):
        Ridge.load(path)


def test_what_cannot_be_saved_is_said(tmp_path):
    model = Ridge().fit(np.eye(3), [0., 1., 2.])
    model.hook_ = lambda x: x
    with pytest.raises(InputError, match="'hook_' is a function"):
        model.save(tmp_path / "m.safetensors")
    model.hook_ = {"a": (1, [2.5, None]), "b": np.array(["x", "yy"]), "c": np.arange(3),
                   "d": torch.ones(2, 2)}
    again = Ridge.load(model.save(tmp_path / "m.safetensors"))
    assert again.hook_["a"] == (1, [2.5, None])
    assert again.hook_["b"].tolist() == ["x", "yy"]
    assert again.hook_["c"].dtype == np.int64
    assert again.hook_["d"].shape == (2, 2)
