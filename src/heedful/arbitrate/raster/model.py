"""SourceArbiter: whom to believe, per pixel, and what it would have been without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...errors import InputError
from ...learn import Estimator
from .answer import Arbitration
from .evidence import JOINT, Tokens, evidence, opinions
from .experts import centred
from .gate import HARDENED, NULL
from .outlook import Outlook, probes, seen_in
from .plant import KINDS
from .states import ELSEWHERE
from .tokens import Scene, cut
from .training import Fitted, Settings, fit_arbiter


class SourceArbiter(Estimator):
    """Decide per pixel which source to believe: optical, radar, both as one, or none.

    Each source has its own expert, so has all of them together; a null key holds the class prior. The
    weight of
    each is a softmax over a query made of evidence (how normal each source looks, whether they agree, how
    sure each
    expert is), the log-probability that the sources it reads are intact, and -inf where they have no
    data. The answer is exactly the weighted sum of the experts' log-odds: nothing goes around the weights.

    Parameters
    ----------
    sources : mapping or sequence of str
        Names, or names to kinds ('optical', 'radar', 'other').
    experts : 'lightgbm', scikit-learn estimator, or function (features, outputs) -> torch.nn.Module
    neighbourhood : int
        Side of the window whose mean and spread join the pixel, pixels (odd; 1 = pixel alone).
    task : 'auto', 'classes' or 'value'
        Classification or regression; auto: float labels are a quantity.
    date_reference : str, optional
        The source whose date the answer is for. From pairs alone nobody can tell which of two dates is wrong;
        without a declared reference a mismatch is reported, and no source gains by it.
    kinds : sequence of str, optional
        Kinds of damage planted in training (`plant.KINDS`); all by default.
    hardened : bool
        Also offer a joint expert trained on planted damage.
    folds, block, passes : int
        Spatial folds, side of a training block in pixels, planted draws of each block.
    rows, gate_rows, trees : int
        Pixels for each expert and for the gate; trees of each LightGBM expert.
    light : bool
        Smaller mixtures: for demonstrations and tests.
    method : 'refined' or 'plain'
        'plain' is the literal idea, one softmax over radar keys with an optical query (see `plain`).
    threads : int
    seed : int

    Examples
    --------
    >>> from heedful.arbitrate.raster.scenes import landscape
    >>> a = SourceArbiter(sources=("optical", "sar"), trees=10, rows=2000, gate_rows=2000, folds=2, passes=1,
    ...                   block=32, light=True).fit(landscape(64, seed=0))
    >>> out = a.arbitrate(landscape(64, seed=1))
    >>> bool(np.allclose(out.weights.sum(-1), 1))
    True
    """

    def __init__(
        self,
        *,
        sources: Mapping[str, str] | Sequence[str] = ("optical", "sar"),
        experts: Any = "lightgbm",
        neighbourhood: int = 3,
        task: str = "auto",
        date_reference: str | None = None,
        kinds: Sequence[str] | None = None,
        hardened: bool = True,
        folds: int = 4,
        block: int = 64,
        passes: int = 4,
        rows: int = 12000,
        gate_rows: int = 40000,
        trees: int = 100,
        light: bool = False,
        method: str = "refined",
        threads: int = 1,
        seed: int = 0,
    ):
        self.sources, self.experts, self.neighbourhood, self.task = sources, experts, neighbourhood, task
        self.date_reference, self.kinds, self.hardened = date_reference, kinds, hardened
        self.folds, self.block, self.passes, self.rows = folds, block, passes, rows
        self.gate_rows, self.trees, self.light = gate_rows, trees, light
        self.method, self.threads, self.seed = method, threads, seed

    # -- fitting
    # ------------------------------------------------------------------------------------------------
    def fit(self, scenes: Scene | Sequence[Scene], groups: np.ndarray | None = None) -> SourceArbiter:
        """Fit on labelled clean scenes.

        Parameters
        ----------
        scenes : Scene or sequence of Scene
            With labels; sources, bands and units alike.
        groups : array (n,), optional
            For a table of points: rows that must stay together (a site), never split between folds.

        Returns
        -------
        SourceArbiter
        """
        scenes = [scenes] if isinstance(scenes, Scene) else list(scenes)
        names = list(self.sources)
        self._check(scenes, names)
        if self.method == "plain":
            from .plain import fit_plain

            self.plain_, self.classes_ = fit_plain(scenes, names, self.neighbourhood, seed=self.seed)
            return self
        side = min([self.block, *(min(s.shape) for s in scenes if not s.points)])
        if side == 1 and not scenes[0].points:
            raise InputError(
                "training blocks of one pixel have no neighbourhood",
                remedy="give scenes of many rows and columns, or a table of points: sources (n, bands)",
            )
        cuts = [cut(replace(s, sources={n: s.sources[n] for n in names}), side) for s in scenes]
        blocks = {n: np.concatenate([c[0][n] for c in cuts]) for n in names}
        y = np.concatenate([c[1] for c in cuts])
        task = self.task if self.task != "auto" else ("value" if y.dtype.kind == "f" else "classes")
        known = np.isfinite(y) if task == "value" else (y >= 0)
        if not known.any():
            raise InputError("no pixel is labelled", remedy="class codes are integers from 0 upwards")
        use = known.reshape(len(known), -1).any(1)
        blocks, y, known = {n: x[use] for n, x in blocks.items()}, y[use], known[use]
        classes = None
        if task == "classes":
            classes = np.unique(y[known])
            if len(classes) < 2:
                raise InputError(
                    f"the labels hold one class only ({classes[0]})", remedy="label a second one"
                )
            y = np.searchsorted(classes, np.where(known, y, classes[0]))
        fold = self._folds(len(y), None if groups is None else np.asarray(groups)[use])
        cfg = Settings(
            task,
            0 if classes is None else len(classes),
            self.experts,
            1 if scenes[0].points else self.neighbourhood,
            tuple(self.kinds or KINDS),
            self.date_reference,
            self.hardened,
            self.folds,
            self.passes,
            self.rows,
            self.gate_rows,
            self.trees,
            self.light,
            self.threads,
            self.seed,
        )
        self.state_ = fit_arbiter(blocks, y, known, fold, cfg)
        self.classes_, self.task_ = classes, task
        return self

    def _check(self, scenes: list[Scene], names: list[str]) -> None:
        if len(names) < 2:
            raise InputError(
                f"one source only ({names[0] if names else 'none'}): there is nothing to arbitrate",
                remedy="name a second source, or use a classifier on its own",
            )
        if not scenes:
            raise InputError("no scene was given")
        if self.neighbourhood < 1 or self.neighbourhood % 2 == 0:
            raise InputError(f"neighbourhood={self.neighbourhood}; an odd number of pixels was expected")
        if self.date_reference is not None and self.date_reference not in names:
            raise InputError(f"date_reference={self.date_reference!r} is none of the sources {names}")
        for s in scenes:
            missing = [n for n in names if n not in s.sources]
            if missing:
                raise InputError(f"the scene has no source {missing[0]!r}, only {list(s.names)}")
            if s.points != scenes[0].points:
                raise InputError("some scenes are images and some are tables of points")
            if s.labels is None:
                raise InputError("the training scene has no labels", remedy="give Scene(..., labels=...)")
        for n in names:
            bands = {s.sources[n].shape[1] for s in scenes}
            if len(bands) > 1:
                raise InputError(f"source {n!r} has {sorted(bands)} bands in different scenes")
            if not any(np.isfinite(s.sources[n]).any() for s in scenes):
                raise InputError(f"every pixel of {n!r} is no-data", remedy="leave this source out")

    def _folds(self, n: int, groups: np.ndarray | None) -> np.ndarray:
        labels = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
        blocks = labels.max() + 1
        if blocks < self.folds:
            raise InputError(
                f"{blocks} training blocks, folds={self.folds} need at least as many",
                remedy="use a smaller block or fewer folds",
            )
        rng = np.random.default_rng([self.seed, 3])
        return (rng.permutation(blocks) % self.folds)[labels]

    # -- reading a scene
    # ----------------------------------------------------------------------------------------
    def arbitrate(
        self, scene: Scene, *, rate: Mapping[str, float] | Outlook | None = None, keep: bool = False
    ) -> Arbitration:
        """Weights, opinions and their exact mix for every pixel.

        Parameters
        ----------
        scene : Scene
        rate : dict of str to float, or Outlook, optional
            Share of the scene in each state ('optical elsewhere', 'sar changed', ...); estimated from the
            scene by default.
        keep : bool
            Also keep query and prior, so that the weights can be rebuilt by `heedful.Weights`.

        Returns
        -------
        Arbitration
        """
        self.check(scene)
        parts = self._evidence(scene)
        if rate is None:
            at = [(slice(None), slice(None))] if scene.points else probes(*scene.shape)
            e, every = (x.reshape(*scene.shape, *x.shape[3:]) for x in (parts[2], parts[0].all_valid()))
            rate = self.outlook(np.concatenate([seen_in(e, every, window) for window in at]))
        return self._mix(scene, parts, Outlook.given(rate), keep)

    def outlook(self, e: np.ndarray) -> Outlook:
        """A scene as a whole, from rows of evidence (n, K) of pixels with data in all sources."""
        return Outlook.of(self._state().states, e, self._state().columns)

    def check(self, scene: Scene) -> None:
        """Refuse a scene that lacks a source, or has other bands or units than the training scenes.

        Raises
        ------
        InputError
        """
        # of points nothing was pooled over a window
        points = all(c.endswith("]1") for c in self._state().columns if c.startswith("normal["))
        if scene.points != points:
            said = {True: "single points, which have no neighbourhood", False: "images, which have one"}
            raise InputError(
                f"the scene holds {said[scene.points]}; the arbiter was fitted on {said[points]}",
                remedy="fit one on scenes of this kind",
            )
        for n, scaler in self._state().scalers.items():
            if n not in scene.sources:
                raise InputError(
                    f"the scene has no source {n!r}, only {list(scene.names)}",
                    remedy="name it as in training; give every pixel NaN if it is missing",
                )
            if scene.sources[n].shape[1] != len(scaler.centre):
                raise InputError(
                    f"source {n!r} has {scene.sources[n].shape[1]} band(s), "
                    f"{len(scaler.centre)} were trained on"
                )
            scaler.check_units(n, scene.sources[n])

    def answer(self, scene: Scene, outlook: Outlook) -> Arbitration:
        """As `arbitrate`, for a part of a scene that was checked and looked at as a whole."""
        return self._mix(scene, self._evidence(scene), outlook, False)

    def _state(self) -> Fitted:
        if getattr(self, "state_", None) is None:
            raise InputError(
                "this arbiter is not fitted", remedy="call fit first (method='plain' has predict only)"
            )
        return self.state_

    def _evidence(self, scene: Scene):
        f = self._state()
        task = self.task_
        points = scene.points
        t = Tokens.of(
            {n: s(scene.sources[n]) for n, s in f.scalers.items()}, 1 if points else self.neighbourhood
        )
        z = opinions(f.bank, t, f.temper, task)
        e, _ = evidence(f.bank, f.reference, t, z, f.scale)
        if f.hardened is not None:
            x = t.joint()
            out = f.hardened.predict(x.reshape(-1, x.shape[-1]))
            out = centred(out) * f.hardened_temper if task == "classes" else out
            z[HARDENED] = out.reshape(*x.shape[:-1], -1).astype(np.float32)
        z[NULL] = np.broadcast_to(f.null, z[JOINT].shape)
        return t, z, e

    def _mix(self, scene: Scene, parts, outlook: Outlook, keep: bool) -> Arbitration:
        f, rate = self._state(), outlook.rate
        t, z, e = parts
        names, shape = list(f.scalers), scene.shape
        valid = {s: t.valid[s].reshape(-1) for s in names}
        every = t.all_valid().reshape(-1)
        share = np.array([max(rate.get(k, 0.0), 1e-6) for k in f.states.labels])
        share *= min(1.0, 0.98 / max(share.sum(), 1e-6))
        flat = e.reshape(len(every), -1)
        states = f.states.log_posterior(outlook.levelled(flat, f.columns))
        p = outlook.believed(f.states.posterior(states, np.r_[1 - share.sum(), share]))
        alone = np.zeros_like(p)
        alone[:, 0] = 1.0
        p = np.where(every[:, None], p, alone)  # with a source missing there is nobody to disagree with
        h = f.basis(flat[:, f.context])
        allowed = np.stack(
            [valid[k] if k in valid else (np.ones_like(every) if k == NULL else every) for k in f.keys], 1
        )
        weights, prior = f.gate.weights(h, p, allowed)
        opinions_ = np.stack([z[k].reshape(-1, z[k].shape[-1]) for k in f.keys], 1).astype(np.float64)
        put = lambda x: x.reshape(*shape, *x.shape[1:])  # noqa: E731
        moved = [s for s in names if any(k == ELSEWHERE and s in who for k, who in f.states.found)]
        return Arbitration(
            put(np.einsum("ne,nec->nc", weights, opinions_)),
            put(weights),
            put(opinions_),
            tuple(f.keys),
            {s: put(1 - f.states.damage(p, s)) for s in names},
            {s: put(f.states.damage(p, s, ELSEWHERE)) for s in moved},
            rate,
            {s: put(v) for s, v in valid.items()},
            self.classes_,
            put(h) if keep else None,
            put(prior) if keep else None,
        )

    # -- keeping
    # ------------------------------------------------------------------------------------------------
    def save(self, path):
        """Write the fitted arbiter into one safetensors file; LightGBM experts only."""
        from .store import pack

        twin = SourceArbiter(**self.get_params(deep=False))
        twin.state_ = pack(self._state(), 0 if self.classes_ is None else len(self.classes_))
        twin.classes_, twin.task_ = self.classes_, self.task_
        return super(SourceArbiter, twin).save(path)

    @classmethod
    def load(cls, path):
        """Read what `save` wrote."""
        from .store import unpack

        made = super().load(path)
        made.state_ = unpack(made.state_, made.threads)
        return made

    # -- predictions
    # --------------------------------------------------------------------------------------------
    def predict(self, scene: Scene) -> np.ndarray:
        """Classes (H, W), -1 where no source has data; or the quantity, NaN there."""
        if self.method == "plain":
            return self.classes_[self.plain_.predict(scene)[0].argmax(-1)]
        return self.arbitrate(scene).labels

    def predict_proba(self, scene: Scene) -> np.ndarray:
        """Class probabilities (H, W, C)."""
        if self.method == "plain":
            return self.plain_.predict(scene)[0]
        return self.arbitrate(scene).proba


__all__ = ["Arbitration", "SourceArbiter"]
