"""XGBoost, an extra: Poisson trees on past origins."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.errors import CorruptError, MisuseError
from axiom.training.clv.candidate import Span
from axiom.training.clv_challengers.boosting import COLUMNS, L2, LEARNING_RATE, ROWS, THREADS, TREES
from axiom.training.clv_challengers.family import BASE, Family, Lesson, Param

if TYPE_CHECKING:
    from axiom.maths.arrays import FloatArray


@dataclass(frozen=True, eq=False)
class XgboostHead:
    """exp(trees).

    Attributes:
        text: the trees as XGBoost's JSON.
    """

    text: bytes

    def predict(self, Z: FloatArray, offset: FloatArray) -> FloatArray:  # noqa: ARG002 - the family has no offset
        """See `Head.predict`.

        Raises:
            MisuseError: XGBoost is not installed.
            CorruptError: the text is no XGBoost model.
        """
        if not len(Z):
            return np.zeros(0)
        return np.asarray(self._booster.predict(_library().DMatrix(Z, nthread=1)), dtype=np.float64)

    @cached_property
    def _booster(self) -> Any:
        xgboost = _library()
        try:
            return xgboost.Booster({"nthread": 1}, model_file=bytearray(self.text))
        except xgboost.core.XGBoostError as error:
            raise CorruptError("the stored XGBoost model cannot be read") from error


def fit_xgboost(lesson: Lesson) -> XgboostHead:
    """Trees on the log scale by the Poisson likelihood.

    Raises:
        MisuseError: XGBoost is not installed.
    """
    xgboost = _library()
    params = lesson.params
    settings = {
        "objective": "count:poisson",
        "tree_method": "hist",
        "eta": params["learning_rate"],
        "max_depth": params["max_depth"],
        "min_child_weight": params["min_weight"],
        "lambda": params["l2"],
        "subsample": params["rows"],
        "colsample_bytree": params["columns"],
        "base_score": float(lesson.y.mean()),
        "nthread": params["threads"],
        "seed": lesson.seed,
        "verbosity": 0,
    }
    rows = xgboost.DMatrix(lesson.Z, label=lesson.y, nthread=params["threads"])
    booster = xgboost.train(settings, rows, num_boost_round=int(params["trees"]))
    return XgboostHead(bytes(booster.save_raw("json")))


def _library() -> Any:
    try:
        import xgboost
    except ImportError:
        raise MisuseError("xgboost is not installed", hint="install Axiom with its extra: axiom[xgboost]") from None
    return xgboost


XGBOOST = Family(
    "xgboost",
    "XGBoost (Poisson)",
    33,
    fit_xgboost,
    {
        "trees": TREES,
        "learning_rate": LEARNING_RATE,
        "max_depth": Param(4, 1, 20, span=Span(2, 8, whole=True)),
        "min_weight": Param(5.0, 0.0, 1e6, span=Span(1.0, 50.0, log=True)),
        "l2": L2,
        "columns": COLUMNS,
        "rows": ROWS,
        "threads": THREADS,
        "base": BASE,
    },
)
