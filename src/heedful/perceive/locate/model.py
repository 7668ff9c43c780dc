"""`PatchClassifier`: images in, classes out, and a class query that can be asked where it looked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from ...errors import InputError
from ...learn import Estimator, seeded
from .nets import CELL, Heard, PlainViT, TiedRead
from .rivals import CHUNK, class_token
from .scenes import NONE
from .tokens import as_images
from .training import per_patch, teach_source, to_unit, train

CHANNELS = (24, 32, 64, 64, 64)


class PatchClassifier(ClassifierMixin, Estimator):
    """An image classifier whose one read over local tokens is the only path to its answer.

    ``method="tied"``: a strictly local convolutional stem (tokens of 4 px that have seen 27 px) and one
    query per class, ``e_jc = w_c . t_j + b_c``, weights ``a_jc = softmax_j(e_jc / temperature)``, logit
    ``sum_j a_jc e_jc + bias_c``: score and value are one number, so the weight sits where the evidence does
    and the logit is an exact sum of contributions. A second, local read hands each contribution on to where
    in its field of view the evidence lies (`SourceRead`), taught on leave-one-out and gradient maps of
    training images.
    ``method="plain"``: a small vision transformer with a class token, its attention read directly.

    Parameters
    ----------
    method : {"tied", "plain"}
    patch : int
        Side of the patches that readings speak of, px; a multiple of 4.
    negative : str
        The label of images that show no landmark. They are worth giving: they teach what is *not* evidence.
    drop : float
        Token dropout: the mean share of patches hidden from the read in training.
    temperature : float
        Of the class query's softmax.
    channels : tuple of 5 ints
        Widths of the stem; the last is the ViT's width too, a multiple of 4.
    views : {"overhead", "mirror", "none"}
        Augmentation: turns and mirrors (an image from above), mirrors, or neither.
    teacher : {"both", "occlusion", "gradients", "none"}
        What the source read is taught on.
    taught : int
        On how many training images at most (each costs one pass per patch).
    iterations : int
        Training steps of 64 images; the ViT takes four times as many.
    polish : int
        Further steps from a warm restart at 3/4 of the learning rate ("tied"); 0 for none. How long the first
        plateau lasts differs between seeds, and a second fall of the rate evens that out.
    lr : float
        Largest learning rate; the ViT's is 1e-3 at most (at 2e-3 one of two does not leave chance).
    seed : int

    Attributes
    ----------
    classes_ : (C,) str
        The landmark classes, ``negative`` not among them.
    weights_ : dict of str to Tensor
    bands_, size_, taught_on_ : fitted bands, (H, W), and how many images the source read was taught on
    negatives_ : int
        How many images without a landmark were trained on.
    full_scale_ : float
        What ``heedful locate train`` divided 16-bit and real-valued files by; 1 where arrays were given.

    Examples
    --------
    >>> from heedful.perceive.locate import PatchClassifier, make_scenes
    >>> scenes = make_scenes(64, kinds=("ring", "cross"), seed=0)
    >>> model = PatchClassifier(iterations=3, polish=0, taught=8, channels=(4, 4, 8, 8, 8))
    >>> model = model.fit(scenes.images, scenes.labels)
    >>> model.predict(scenes.images).shape
    (64,)

    Source: the tied read is ours; class tokens are from A. Dosovitskiy et al., ICLR 2021; local evidence from
    W. Brendel, M. Bethge, "Approximating CNNs with bag-of-local-features models", ICLR 2019.
    """

    def __init__(
        self,
        *,
        method: str = "tied",
        patch: int = 8,
        negative: str = NONE,
        drop: float = 0.2,
        temperature: float = 1.0,
        channels: tuple[int, ...] = CHANNELS,
        views: str = "overhead",
        teacher: str = "both",
        taught: int = 1000,
        iterations: int = 1000,
        polish: int = 400,
        lr: float = 2e-3,
        seed: int = 0,
    ):
        self.method, self.patch, self.negative, self.drop = method, patch, negative, drop
        self.temperature, self.channels, self.views, self.teacher = temperature, channels, views, teacher
        self.taught, self.iterations, self.polish = taught, iterations, polish
        self.lr, self.seed = lr, seed

    def fit(self, X, y, *, checkpoint=None):
        """Train.

        Parameters
        ----------
        X : array (N, H, W[, bands])
            uint8, or float in [0, 1]; sides multiples of ``patch``.
        y : array (N,) of str or int
            The class of each image; ``negative`` where it shows none.
        checkpoint : path, optional
            Where to keep the state of a long training, and to take it up again.

        Returns
        -------
        self
        """
        self.check_parameters()
        images = as_images(X, patch=self.patch)
        labels = np.asarray(y)
        if labels.shape != (len(images),):
            raise InputError(f"{len(images)} images and labels of shape {labels.shape}; one label per image")
        labels = labels.astype(str)
        classes = np.array(sorted(set(labels.tolist()) - {self.negative}))
        if len(classes) < 2 and not (len(classes) == 1 and (labels == self.negative).any()):
            raise InputError(
                f"{len(classes)} landmark class; two, or one and images labelled "
                f"{self.negative!r}, were expected"
            )
        self.classes_, self.bands_, self.size_ = classes, images.shape[3], tuple(images.shape[1:3])
        self.negatives_, self.full_scale_ = int((labels == self.negative).sum()), 1.0
        target = torch.from_numpy(
            np.where(labels == self.negative, len(classes), np.searchsorted(classes, labels))
        )
        sample = to_unit(torch.from_numpy(images[:: max(1, len(images) // 2000)]))
        self.mean_ = sample.mean((0, 2, 3)).numpy()
        self.std_ = sample.std((0, 2, 3)).clamp_min(1e-3).numpy()
        with seeded(self.seed):
            net = self._build()
        tensors = torch.from_numpy(images)
        self.losses_ = []
        for stage, (steps, lr) in enumerate(self._stages()):
            record = train(
                net,
                tensors,
                target,
                patch=self.patch,
                drop=self.drop,
                views=self.views,
                iterations=steps,
                lr=lr,
                seed=self.seed + 1000 * stage,
                checkpoint=_numbered(checkpoint, stage),
            )
            self.losses_ += [float(v) for v in record.train]
        self.taught_on_ = 0
        if self.method == "tied" and self.teacher != "none":
            shown = target < len(classes)
            self.taught_on_ = teach_source(
                net,
                tensors[shown],
                target[shown],
                patch=self.patch,
                seed=self.seed,
                teacher=self.teacher,
                taught=self.taught,
            )
        self.weights_ = {name: t.detach().clone() for name, t in net.state_dict().items()}
        self._cached = None
        return self

    def _stages(self) -> list[tuple[int, float]]:
        """Steps and learning rate of each fall of the rate."""
        if self.method == "plain":
            return [(4 * self.iterations, min(self.lr, 1e-3))]
        return [(self.iterations, self.lr), *([(self.polish, 0.75 * self.lr)] if self.polish else [])]

    def check_parameters(self) -> None:
        """InputError for a parameter that `fit` cannot use."""
        allowed = {
            "method": ("tied", "plain"),
            "views": ("overhead", "mirror", "none"),
            "teacher": ("both", "occlusion", "gradients", "none"),
        }
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                raise InputError(f"{name}={getattr(self, name)!r}; one of {', '.join(values)} was expected")
        if self.patch < CELL or self.patch % CELL:
            raise InputError(f"patch={self.patch}; a multiple of {CELL} px was expected")
        if not 0 <= self.drop <= 0.5:
            raise InputError(f"drop={self.drop}; a share in [0, 0.5] was expected")
        if (
            self.temperature <= 0
            or self.iterations < 1
            or self.taught < 1
            or len(self.channels) != len(CHANNELS)
        ):
            raise InputError("temperature, iterations and taught must be positive, channels five widths")

    def _build(self) -> torch.nn.Module:
        if self.method == "plain":
            vit = PlainViT(
                len(self.classes_),
                self.bands_,
                self.size_,
                mean=self.mean_,
                std=self.std_,
                patch=self.patch,
                channels=tuple(self.channels),
            )
            return vit.to(memory_format=torch.channels_last)
        net = TiedRead(
            len(self.classes_),
            self.bands_,
            mean=self.mean_,
            std=self.std_,
            channels=tuple(self.channels),
            temperature=self.temperature,
        )
        return net.to(memory_format=torch.channels_last)

    @property
    def net_(self) -> torch.nn.Module:
        """The trained network, in evaluation mode."""
        check_is_fitted(self)
        if getattr(self, "_cached", None) is None:
            with seeded(0):
                net = self._build()
            try:
                net.load_state_dict(self.weights_)
            except RuntimeError as error:
                raise InputError(
                    f"the weights do not fit the parameters ({str(error).splitlines()[0]})"
                ) from error
            self._cached = net.eval().requires_grad_(False)
        return self._cached

    def __getstate__(self):
        return {k: v for k, v in super().__getstate__().items() if k != "_cached"}

    def prepare(self, X) -> torch.Tensor:
        """Images checked, as the network takes them: (N, bands, H, W) in [0, 1]."""
        check_is_fitted(self)
        return to_unit(
            torch.from_numpy(
                as_images(
                    X,
                    patch=self.patch,
                    bands=self.bands_,
                    size=tuple(self.size_) if self.method == "plain" else None,
                )
            )
        )

    def decision_function(self, X) -> np.ndarray:
        """Logits (N, C), against 0 for "no landmark"."""
        x = self.prepare(X)
        with torch.no_grad():
            return torch.cat([self.net_(part) for part in x.split(CHUNK)]).numpy()

    def predict(self, X) -> np.ndarray:
        """The landmark class with the greatest logit, (N,) str; see `present` for whether there is one."""
        return self.classes_[self.decision_function(X).argmax(1)]

    def predict_proba(self, X) -> np.ndarray:
        """(N, C): probabilities of the classes, given that one of them is shown."""
        return torch.from_numpy(self.decision_function(X)).softmax(1).numpy()

    def present(self, X) -> np.ndarray:
        """(N,): probability that any landmark is shown. Meaningful where negatives were given to `fit`."""
        logits = torch.from_numpy(self.decision_function(X))
        return 1 - torch.cat([logits, logits.new_zeros(len(logits), 1)], 1).softmax(1)[:, -1].numpy()

    def hear(self, X) -> Heard:
        """One forward pass with everything that the logits are made of (``method="tied"``)."""
        if self.method != "tied":
            raise InputError("method='plain' has no exact contributions", remedy="fit with method='tied'")
        x = self.prepare(X)
        with torch.no_grad():
            parts = [self.net_.hear(part) for part in x.split(CHUNK)]
        return Heard(*(torch.cat(field) for field in zip(*parts, strict=True)))

    def maps(self, X, queries=None) -> dict[str, np.ndarray]:
        """Importance per patch (N, P), by name, from one forward pass, for the classes asked for.

        Parameters
        ----------
        X : images
        queries : (N,) str, optional
            The class asked for in each image; the predicted one by default.

        Returns
        -------
        dict
            "tied": ``contributions`` (handed on to their source: the reading), ``weights x values`` (where
            the tokens sit) and ``weights``. "plain": ``attention`` of the class token and ``rollout``.
        """
        if self.method == "plain":
            return {k: v.numpy() for k, v in class_token(self.net_, self.prepare(X)).items()}
        heard = self.hear(X)
        chosen = self.indices(queries, heard.logits)
        each = torch.arange(len(chosen))
        named = {
            "contributions": heard.landed,
            "weights x values": heard.contributions,
            "weights": heard.weights,
        }
        return {k: per_patch(v, self.patch)[each, chosen].numpy() for k, v in named.items()}

    def indices(self, queries, logits) -> torch.Tensor:
        """Class numbers (N,) of the queries; the greatest logit where there are none."""
        if queries is None:
            return torch.as_tensor(logits).argmax(1)
        asked = np.broadcast_to(np.asarray(queries).astype(str), (len(logits),))
        unknown = sorted(set(asked.tolist()) - set(self.classes_.tolist()))
        if unknown:
            raise InputError(f"no class {unknown[0]!r}; the model knows {', '.join(self.classes_)}")
        return torch.from_numpy(np.searchsorted(self.classes_, asked))


def _numbered(path, stage: int):
    """The checkpoint of a stage: the path as given for the first, ``name-2`` for the second."""
    return path if path is None or stage == 0 else Path(path).with_stem(f"{Path(path).stem}-{stage + 1}")
