"""The model card: everything needed to defend a model's numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from functools import cache
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from axiom.errors import CorruptError, QualityError

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class FeatureSet:
    """The feature set a model reads: its name, and the hash of its definitions."""

    name: str
    version: str

    __pydantic_config__ = _STRICT


@dataclass(frozen=True)
class TrainingWindow:
    """Moments that the model learnt from and was judged at, UTC.

    Attributes:
        horizon_days: days after each as-of that the label looks at, > 0.
        train_as_ofs: cut-offs it was fitted on.
        calibration_as_ofs: later cut-offs its probabilities were calibrated on; may be empty.
        holdout_as_ofs: cut-offs it never saw; may be empty when the backtest is the judge.
    """

    horizon_days: int
    train_as_ofs: tuple[datetime, ...]
    calibration_as_ofs: tuple[datetime, ...] = ()
    holdout_as_ofs: tuple[datetime, ...] = ()

    __pydantic_config__ = _STRICT

    def __post_init__(self) -> None:
        if self.horizon_days <= 0:
            raise QualityError(f"horizon_days of a training window is {self.horizon_days}; it must be positive")

    @property
    def cutoffs(self) -> list[datetime]:
        """Every as-of, oldest first, each once."""
        return sorted({*self.train_as_ofs, *self.calibration_as_ofs, *self.holdout_as_ofs})


@dataclass(frozen=True)
class Metric:
    """A measured value with its confidence interval; None where it is undefined (AUC of one class).

    The metrics of a card need the interval, those of its baselines may do without.

    Attributes:
        value: point estimate.
        low: lower end of the interval.
        high: upper end of the interval, >= `low`.
        level: coverage the interval claims, 0 to 1.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    level: float = 0.95

    __pydantic_config__ = _STRICT

    @property
    def lacks_interval(self) -> bool:
        """Whether it claims a value and does not say how sure that is."""
        return self.value is not None and None in (self.low, self.high)


@dataclass(frozen=True)
class Environment:
    """Python and package versions that made the model."""

    python: str
    packages: Mapping[str, str]

    __pydantic_config__ = _STRICT


@dataclass(frozen=True)
class ModelCard:
    """Complete, or refused when it is made.

    Attributes:
        name: of the model line.
        kind: `churn` or `clv`.
        model_type: name in the model catalogue, e.g. `lightgbm` or `bgnbd`.
        feature_set: what it reads.
        training_window: when it learnt and was judged.
        data_hash: of the training data.
        rows: per split, e.g. `{"train": 1000, "holdout": 200}`.
        metrics: on the holdout or the backtest.
        calibration: how probabilities or intervals were calibrated; `{"method": "none"}` says they were not.
        baselines: the same metrics of the models that this one had to beat.
        environment: what made it.
        created_at: UTC.
        code_version: of Axiom.
        notes: free text.

    Raises:
        QualityError: A field is empty or no number; the message lists them all.
    """

    name: str
    kind: Literal["churn", "clv"]
    model_type: str
    feature_set: FeatureSet
    training_window: TrainingWindow
    data_hash: str
    rows: Mapping[str, int]
    metrics: Mapping[str, Metric]
    calibration: Mapping[str, Any]
    baselines: Mapping[str, Mapping[str, Metric]]
    environment: Environment
    created_at: datetime
    code_version: str
    notes: str = ""

    __pydantic_config__ = _STRICT

    def __post_init__(self) -> None:
        bare = [f"metrics.{name}.interval" for name, metric in (self.metrics or {}).items() if metric.lacks_interval]
        if missing := sorted(_missing("", self) + bare):
            raise QualityError(f"model card {self.name!r} lacks {', '.join(missing)}")
        if broken := sorted(_broken("", self)):
            raise QualityError(f"model card {self.name!r} has impossible values in {', '.join(broken)}")

    def to_json(self) -> str:
        """The card as JSON; `from_json` gives an equal card back.

        Raises:
            QualityError: A value is of a type that JSON or the card's field does not know.
        """
        try:
            return _adapter().dump_json(self, indent=2, warnings="error").decode()
        except PydanticSerializationError as error:
            raise QualityError(f"model card {self.name!r} cannot be written as JSON: {error}") from None

    @staticmethod
    def from_json(text: str | bytes) -> ModelCard:
        """Read a card.

        Raises:
            QualityError: Fields are missing, unknown, or of the wrong type; the message lists them.
            CorruptError: This is not JSON.
        """
        try:
            return _adapter().validate_json(text)
        except ValidationError as error:
            problems = error.errors()
            if problems[0]["type"] == "json_invalid":
                raise CorruptError(f"a model card is not JSON: {problems[0]['msg']}") from None
            listed = "; ".join(f"{'.'.join(map(str, p['loc'])) or 'card'}: {p['msg']}" for p in problems)
            raise QualityError(f"a model card is incomplete or malformed: {listed}") from None


@cache
def _adapter() -> TypeAdapter[ModelCard]:
    return TypeAdapter(ModelCard)


# Fields that may be empty without anything being left untold.
_OPTIONAL = frozenset({"notes", "training_window.calibration_as_ofs", "training_window.holdout_as_ofs"})


def _missing(path: str, value: Any) -> list[str]:
    """Dotted names of what is empty; a Metric may be undefined, so its inside is not looked at."""
    if is_dataclass(value) and not isinstance(value, Metric | type):
        prefix = f"{path}." if path else ""
        return [name for field in fields(value) for name in _missing(prefix + field.name, getattr(value, field.name))]
    empty = value is None or (isinstance(value, str | Mapping | Sequence) and len(value) == 0)
    return [path] if empty and path not in _OPTIONAL else []


def _broken(path: str, value: Any) -> list[str]:
    """Dotted names of values that cannot be: not finite, no time zone, an interval upside down."""
    if isinstance(value, Metric) and None not in (value.low, value.high) and value.low > value.high:  # type: ignore[operator]
        return [path]
    if is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return [name for key, item in value.items() for name in _broken(f"{path}.{key}".lstrip("."), item)]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [name for item in value for name in _broken(path, item)]
    naive = isinstance(value, datetime) and value.tzinfo is None
    infinite = isinstance(value, float) and not math.isfinite(value)
    return [path] if naive or infinite else []
