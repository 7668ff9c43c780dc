"""The one scikit-learn base of every study."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from ..errors import InputError
from .storing import load_tensors, save_tensors


class Estimator(BaseEstimator):
    """A thin base: scikit-learn's contract, the checks of tables, ``save`` and ``load``.

    A study writes ``__init__`` (keyword parameters stored unchanged), ``fit`` (which sets attributes
    whose names end in an underscore, and returns self) and ``predict``; where X is a table it calls
    `_fit_table` and `_table` in them, and puts scikit-learn's ``ClassifierMixin`` or
    ``RegressorMixin`` before this base. Such an estimator passes every check of
    ``sklearn.utils.estimator_checks``.

    Where X is something else (images, events, a graph) the same base serves without them.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.base import RegressorMixin
    >>> class Mean(RegressorMixin, Estimator):
    ...     def __init__(self, *, shrink=0.0):
    ...         self.shrink = shrink
    ...     def fit(self, X, y):
    ...         X, y = self._fit_table(X, y)
    ...         self.mean_ = float(y.mean() * (1 - self.shrink))
    ...         return self
    ...     def predict(self, X):
    ...         return np.full(len(self._table(X)), self.mean_)
    >>> Mean(shrink=.5).fit([[0.], [1.]], [2., 4.]).predict([[7.]])
    array([1.5])
    """

    def _fit_table(self, X, y: Any = "no_validation", **checks):
        """In ``fit``: the table (and the target, where one is given) checked by scikit-learn, in float64.

        Sets ``n_features_in_`` and, for data frames, ``feature_names_in_``. `checks` go to
        ``sklearn.utils.validation.validate_data``.
        """
        if y is not None and not isinstance(y, str) and self.__sklearn_tags__().estimator_type == "regressor":
            checks.setdefault("y_numeric", True)
        return validate_data(self, X, y, **{"dtype": np.float64, **checks})

    def _table(self, X, **checks):
        """In ``predict``: the table, if the estimator is fitted and the features are those of ``fit``."""
        check_is_fitted(self)
        return validate_data(self, X, reset=False, **{"dtype": np.float64, **checks})

    def save(self, path: str | Path) -> Path:
        """Write parameters and fitted attributes into one safetensors file (with a JSON record).

        Parameters
        ----------
        path : str or Path

        Returns
        -------
        Path

        Raises
        ------
        InputError
            If an attribute is neither an array nor expressible as JSON, or holds NaN.
        """
        check_is_fitted(self)
        tensors: dict[str, torch.Tensor] = {}
        fitted: dict[str, Any] = {}
        for name, value in sorted(vars(self).items()):
            if name.endswith("_") and not name.startswith("_"):
                fitted[name] = _pack(value, name, tensors)
        record = {"estimator": type(self).__name__, "format": 1, "fitted": fitted,
                  "parameters": {name: _pack(value, f"parameter.{name}", tensors)
                                 for name, value in self.get_params(deep=False).items()}}
        return save_tensors(path, tensors, record)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote; the file is checked and no code in it is run.

        Parameters
        ----------
        path : str or Path

        Returns
        -------
        Estimator
            Fitted.

        Raises
        ------
        InputError
            If the file is missing, damaged, of another estimator, or holds NaN weights.
        """
        tensors, record = load_tensors(path)
        if record.get("estimator") != cls.__name__:
            other = record.get("estimator", "checkpoint")
            raise InputError(f"holds a {other}, a {cls.__name__} was expected", path=path)
        try:
            parameters = {k: _unpack(v, tensors) for k, v in record["parameters"].items()}
            fitted = {k: _unpack(v, tensors) for k, v in record["fitted"].items()}
            new = cls(**parameters)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise InputError(f"does not fit this version of {cls.__name__} ({error})", path=path,
                             remedy="fit again and save") from error
        for name, value in fitted.items():
            if not name.endswith("_") or name.startswith("_"):
                raise InputError(f"'{name}' is no fitted attribute", path=path)
            setattr(new, name, value)
        return new


def _pack(value: Any, name: str, tensors: dict[str, torch.Tensor]) -> Any:
    """A JSON value; arrays go to `tensors` under `name` and leave a reference."""
    if isinstance(value, torch.Tensor):
        tensors[name] = value
        return {"torch": name}
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        tensors[name] = torch.from_numpy(np.ascontiguousarray(value).reshape(value.shape))
        return {"array": name}
    if isinstance(value, np.ndarray) and value.dtype.kind in "UO" and all(map(_is_text, value.flat)):
        return {"strings": value.tolist(), "object": value.dtype.kind == "O"}
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Path):
        return {"path": str(value)}
    if isinstance(value, tuple):
        return {"tuple": [_pack(v, f"{name}.{i}", tensors) for i, v in enumerate(value)]}
    if isinstance(value, list):
        return [_pack(v, f"{name}.{i}", tensors) for i, v in enumerate(value)]
    if isinstance(value, dict) and all(isinstance(k, str) for k in value):
        return {"dict": {k: _pack(v, f"{name}.{k}", tensors) for k, v in value.items()}}
    raise InputError(f"'{name}' is a {type(value).__name__}, which cannot be saved as numbers or JSON")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _unpack(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, list):
        return [_unpack(v, tensors) for v in value]
    if not isinstance(value, dict):
        return value
    if "torch" in value:
        return tensors[value["torch"]]
    if "array" in value:
        return tensors[value["array"]].numpy()
    if "strings" in value:
        return np.array(value["strings"], dtype=object if value["object"] else None)
    if "path" in value:
        return Path(value["path"])
    if "tuple" in value:
        return tuple(_unpack(v, tensors) for v in value["tuple"])
    return {k: _unpack(v, tensors) for k, v in value["dict"].items()}
