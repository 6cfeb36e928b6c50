"""LightGBM on past origins: Poisson, Tweedie, and Poisson with the probabilistic forecast as offset."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.errors import CorruptError
from axiom.training.clv.candidate import Span
from axiom.training.clv_challengers.family import BASE, Family, Lesson, Param

if TYPE_CHECKING:
    from collections.abc import Mapping

    from axiom.maths.arrays import FloatArray

# Beyond e^±30 no customer buys; a mean must stay positive and finite.
_LOG_RANGE = 30.0


@dataclass(frozen=True, eq=False)
class LightgbmHead:
    """exp(offset + trees).

    Attributes:
        text: the trees in LightGBM's text format.
    """

    text: bytes

    def predict(self, Z: FloatArray, offset: FloatArray) -> FloatArray:
        """See `Head.predict`.

        Raises:
            CorruptError: the text is no LightGBM model.
        """
        if not len(Z):
            return np.zeros(0)
        raw = np.asarray(self._booster.predict(Z, raw_score=True), dtype=np.float64)
        return np.exp(np.clip(raw + offset, -_LOG_RANGE, _LOG_RANGE))

    @cached_property
    def _booster(self) -> Any:
        import lightgbm

        try:
            return lightgbm.Booster(model_str=self.text.decode())
        except (lightgbm.basic.LightGBMError, UnicodeDecodeError) as error:
            raise CorruptError(f"the stored LightGBM model cannot be read ({error})") from error


def fit_poisson(lesson: Lesson) -> LightgbmHead:
    """Trees on the log scale by the Poisson likelihood."""
    return _fit(lesson, {"objective": "poisson"})


def fit_tweedie(lesson: Lesson) -> LightgbmHead:
    """Trees on the log scale by the Tweedie likelihood: a mass at 0 and a continuous part, variance ~ mean^power."""
    return _fit(lesson, {"objective": "tweedie", "tweedie_variance_power": lesson.params["power"]})


def _fit(lesson: Lesson, objective: Mapping[str, Any]) -> LightgbmHead:
    import lightgbm

    params = lesson.params
    settings = {
        **objective,
        "learning_rate": params["learning_rate"],
        "num_leaves": params["num_leaves"],
        "min_data_in_leaf": params["min_rows"],
        "lambda_l2": params["l2"],
        "feature_fraction": params["columns"],
        "bagging_fraction": params["rows"],
        "bagging_freq": 1,
        "num_threads": params["threads"],
        "seed": lesson.seed,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    # With a start of its own LightGBM no longer starts from the mean, which the offset is to replace.
    start = lesson.offset if lesson.offset.any() else None
    rows = lightgbm.Dataset(lesson.Z, lesson.y, init_score=start, free_raw_data=True)
    booster = lightgbm.train(settings, rows, num_boost_round=int(params["trees"]))
    return LightgbmHead(booster.model_to_string(num_iteration=-1).encode())


THREADS = Param(1, 1, 1024)
TREES = Param(150, 1, 20_000, span=Span(50, 800, log=True, whole=True))
LEARNING_RATE = Param(0.03, 1e-4, 1.0, span=Span(0.01, 0.2, log=True))
L2 = Param(1.0, 0.0, 1e6, span=Span(1e-3, 100.0, log=True))
COLUMNS = Param(0.8, 0.01, 1.0, span=Span(0.3, 1.0))
ROWS = Param(0.8, 0.01, 1.0, span=Span(0.5, 1.0))
_PARAMS = {
    "trees": TREES,
    "learning_rate": LEARNING_RATE,
    "num_leaves": Param(15, 2, 4096, span=Span(4, 63, log=True, whole=True)),
    "min_rows": Param(30, 1, 10**6, span=Span(10, 300, log=True, whole=True)),
    "l2": L2,
    "columns": COLUMNS,
    "rows": ROWS,
    "threads": THREADS,
    "base": BASE,
}

LIGHTGBM_POISSON = Family("lightgbm_poisson", "LightGBM (Poisson)", 30, fit_poisson, _PARAMS)
LIGHTGBM_TWEEDIE = Family(
    "lightgbm_tweedie",
    "LightGBM (Tweedie)",
    31,
    fit_tweedie,
    {**_PARAMS, "power": Param(1.3, 1.01, 1.99, span=Span(1.1, 1.8))},
    learns_spend=True,
)
LIGHTGBM_OFFSET = Family(
    "lightgbm_offset",
    "LightGBM on top of the probabilistic forecast",
    32,
    fit_poisson,
    {**_PARAMS, "num_leaves": Param(7, 2, 4096, span=Span(3, 31, log=True, whole=True))},
    offset=True,
)
