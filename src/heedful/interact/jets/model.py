"""JetTagger: a jet's class from its particles, read through one query."""

from __future__ import annotations

import numpy as np
import torch

from ...errors import InputError
from ...files.jets import JetSample
from ...learn import Estimator, fit, seeded
from .net import ClassRead, turned
from .substructure import features as substructure
from .tokens import constituents


class JetTagger(Estimator):
    """Tell two kinds of jets apart, and say which particles and features that rests on.

    One learned query for each jet attends to its constituents and, with ``method="hybrid"``, to twenty
    substructure features as further tokens. Jets are ragged: ``Segments`` keeps them apart, nothing is
    padded (except inside the optional local layers, where at fifty particles a padded block is cheaper).

    Parameters
    ----------
    method : {"hybrid", "particles", "plain"}
        Constituents and features; constituents alone; or the plain idea: constituents alone through one
        self-attention in which each sees itself and its k nearest, then a mean.
    layers : int, optional
        Local attention layers with a bias from pair physics before the query (0 for "hybrid", 2 for
        "particles", 1 for "plain").
    mask : {"nearest", "random", "full"}
        Who may attend to whom in the local layers; "random" is the control.
    k : int
        Neighbours besides itself.
    uniform : bool
        The control: every score 0.
    most : int
        Hardest constituents used.
    epochs, batch, rate : int, int, float
        AdamW with cosine decay.
    members : int
        Networks, from different seeds, whose logits are averaged.
    augment : bool
        Rotate and reflect each jet about its axis at random while training.
    seed : int

    Attributes
    ----------
    classes_ : array of the two labels
    nets_ : list of dict of tensors

    Examples
    --------
    >>> from heedful.interact.jets import toy_jets
    >>> sample = toy_jets(seed=0, jets=200)
    >>> tagger = JetTagger(epochs=3, members=1).fit(sample, sample.label)
    >>> tagger.predict_proba(sample.take([0, 1])).shape
    (2, 2)
    """

    def __init__(
        self,
        *,
        method: str = "hybrid",
        layers: int | None = None,
        mask: str = "nearest",
        k: int = 16,
        uniform: bool = False,
        most: int = 48,
        epochs: int = 14,
        batch: int = 64,
        rate: float = 2e-3,
        members: int = 3,
        augment: bool = True,
        seed: int = 0,
    ):
        self.method = method
        self.layers = layers
        self.mask = mask
        self.k = k
        self.uniform = uniform
        self.most = most
        self.epochs = epochs
        self.batch = batch
        self.rate = rate
        self.members = members
        self.augment = augment
        self.seed = seed

    def fit(self, X: JetSample, y=None) -> JetTagger:
        """Train on labelled jets.

        Parameters
        ----------
        X : JetSample
        y : (n,), optional
            Two labels; those of the sample if not given.
        """
        y = X.label if y is None else np.asarray(y)
        if y is None:
            raise InputError("the jets have no labels", remedy="give y, or a file with a label branch")
        if len(y) != len(X):
            raise InputError(f"{len(y)} labels for {len(X)} jets")
        self.classes_ = np.unique(y)
        if len(self.classes_) != 2:
            raise InputError(
                f"{len(self.classes_)} classes ({self.classes_[:6].tolist()}); two were expected",
                remedy="keep the jets of two classes",
            )
        self._check()
        self.n_features_ = 20 if self.method == "hybrid" else 0
        raw = self._raw_features(X)
        self.scaler_ = _fit_scaler(raw)
        target = torch.tensor(y == self.classes_[1], dtype=torch.float32)
        data = Jets(X, self._features(raw), self.most, target)
        self.nets_ = []
        for member in range(self.members):
            net = self._net(self.seed * 1000 + member)
            fit(
                net,
                self._loss,
                data,
                epochs=self.epochs,
                batch_size=self.batch,
                lr=self.rate,
                weight_decay=0.05,
                schedule="cosine",
                clip=1.0,
                validation=0,
                patience=None,
                seed=self.seed * 1000 + member,
                text=f"training network {member + 1} of {self.members}",
            )
            self.nets_.append({name: value.detach().clone() for name, value in net.state_dict().items()})
        return self

    def _check(self) -> None:
        if self.method not in ("hybrid", "particles", "plain"):
            raise InputError(f"method {self.method!r}; 'hybrid', 'particles' or 'plain' was expected")
        if self.mask not in ("nearest", "random", "full"):
            raise InputError(f"mask {self.mask!r}; 'nearest', 'random' or 'full' was expected")
        if self.k < 1 or self.most < 1 or self.members < 1:
            raise InputError(f"k={self.k}, most={self.most}, members={self.members}; all must be at least 1")

    def _loss(self, net, x, p, f, offsets, y):
        if self.augment:
            x = turned(x, offsets)
        return torch.nn.functional.binary_cross_entropy_with_logits(net(x, p, f, offsets), y)

    def _net(self, seed: int) -> ClassRead:
        layers = (
            self.layers if self.layers is not None else {"hybrid": 0, "particles": 2, "plain": 1}[self.method]
        )
        with seeded(seed):
            return ClassRead(
                self.n_features_, layers=layers, mask=self.mask, k=self.k, uniform=self.uniform, seed=seed
            )

    def _raw_features(self, X: JetSample) -> np.ndarray:
        return substructure(X) if self.n_features_ else np.zeros((len(X), 0))

    def _features(self, raw: np.ndarray) -> np.ndarray:
        return to_normal(raw, self.scaler_).astype(np.float32)

    def nets(self) -> list[ClassRead]:
        """The trained networks, in evaluation mode."""
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self)
        out = []
        for member, state in enumerate(self.nets_):
            net = self._net(self.seed * 1000 + member)
            net.load_state_dict(state)
            out.append(net.eval())
        return out

    def data(self, X: JetSample) -> Jets:
        """Jets as the networks take them."""
        return Jets(X, self._features(self._raw_features(X)), self.most, torch.zeros(len(X)))

    def decision_function(self, X: JetSample, data: Jets | None = None) -> np.ndarray:
        """Mean logit of the second class, (n,)."""
        from ...learn import progress

        nets = self.nets()
        data = data if data is not None else self.data(X)
        total = np.zeros(len(X))
        with torch.no_grad():
            for net in nets:
                for part in progress(torch.arange(len(X)).split(512), "scoring jets"):
                    x, p, f, offsets, _ = data[part]
                    total[part.numpy()] += net(x, p, f, offsets).double().numpy()
        return total / len(nets)

    def predict_proba(self, X: JetSample) -> np.ndarray:
        """Probabilities of the two classes, (n, 2)."""
        p = 1.0 / (1.0 + np.exp(-self.decision_function(X)))
        return np.stack([1 - p, p], 1)

    def predict(self, X: JetSample) -> np.ndarray:
        """The likelier class of each jet."""
        return self.classes_[(self.decision_function(X) > 0).astype(int)]

    def score(self, X: JetSample, y=None) -> float:
        """AUROC of the second class."""
        from sklearn.metrics import roc_auc_score

        y = X.label if y is None else y
        return float(roc_auc_score(np.asarray(y) == self.classes_[1], self.decision_function(X)))


class Jets:
    """Ragged jets as `heedful.learn.fit` reads them: by jet numbers."""

    def __init__(self, sample: JetSample, features: np.ndarray, most: int, target: torch.Tensor):
        x, hard = constituents(sample, most)
        self.x = torch.from_numpy(x)
        self.p = torch.from_numpy(np.stack([hard.pt, hard.eta, hard.phi, hard.energy], 1))
        self.f = torch.from_numpy(np.ascontiguousarray(features))
        self.offsets = torch.from_numpy(hard.offsets)
        self.target = target
        self.sample = hard

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, rows: torch.Tensor) -> tuple[torch.Tensor, ...]:
        counts = self.offsets[rows + 1] - self.offsets[rows]
        offsets = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)])
        take = torch.arange(int(offsets[-1])) + torch.repeat_interleave(
            self.offsets[rows] - offsets[:-1], counts
        )
        return self.x[take], self.p[take], self.f[rows], offsets, self.target[rows]


def _fit_scaler(raw: np.ndarray, points: int = 200) -> np.ndarray:
    """Quantiles of every feature over the training jets, (points, F)."""
    return np.quantile(raw, np.linspace(0, 1, points), axis=0) if raw.shape[1] else np.zeros((points, 0))


def to_normal(raw: np.ndarray, quantiles: np.ndarray, clip: float = 3.0) -> np.ndarray:
    """Features through their training quantiles to a standard normal, clipped at ``clip``."""
    from scipy.stats import norm

    grid = np.linspace(0, 1, len(quantiles))
    out = np.empty(raw.shape)
    for column in range(raw.shape[1]):
        q = quantiles[:, column]
        # the mean of both directions puts repeated quantiles at their middle
        up = np.interp(raw[:, column], q, grid)
        down = 1 - np.interp(-raw[:, column], -q[::-1], grid)
        out[:, column] = np.clip(norm.ppf(np.clip((up + down) / 2, 1e-9, 1 - 1e-9)), -clip, clip)
    return out
