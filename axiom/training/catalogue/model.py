"""The one interface of the catalogue: an `Estimator` fits a table and gives a `FittedModel`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from axiom.errors import BadInputError
from axiom.training.catalogue.encoder import Encoder, learn_encoder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy.typing as npt
    import pyarrow as pa

    from axiom.maths.arrays import BoolArray, FloatArray, IntArray
    from axiom.training.catalogue.purchases import PurchaseColumn
    from axiom.training.table import ChurnTable

RowScorer: TypeAlias = "Callable[[FloatArray], float]"


class Scorer(ABC):
    """What a fitted model does with encoded columns. Subclasses are frozen dataclasses, so they can be stored."""

    def __getstate__(self) -> dict[str, Any]:
        # What was derived from the fields (a live booster) is derived again where the scorer arrives.
        return {part.name: getattr(self, part.name) for part in fields(self)}  # type: ignore[arg-type]

    @abstractmethod
    def probability(self, Z: FloatArray) -> FloatArray:
        """P(churn) of encoded rows, shape (n, k) -> (n,), each within [0, 1]."""

    def one_row(self) -> RowScorer:
        """A function from one encoded row, shape (k,), to P(churn); subclasses make it fast."""
        return lambda z: float(self.probability(z[None, :])[0])


@dataclass(frozen=True, eq=False)
class FittedModel:
    """A fitted entry of the catalogue: preprocessing and scorer. Only data: see `catalogue.store`.

    Attributes:
        name: entry of the catalogue.
        params: the hyper-parameters it was fitted with.
        encoder: raw features -> encoded columns.
        scorer: encoded columns -> P(churn).
        warnings: what happened while fitting (dropped columns, no convergence), in full sentences.
        shift: added to the log-odds; undoes class weights.
    """

    name: str
    params: dict[str, Any]
    encoder: Encoder
    scorer: Scorer
    warnings: tuple[str, ...] = ()
    shift: float = 0.0

    @property
    def features(self) -> tuple[str, ...]:
        """Raw features in the order of the vector."""
        return self.encoder.layout.names

    def encode(self, X: pa.Table) -> FloatArray:
        """Features as encoded columns, shape (n, k)."""
        return self.encoder.transform(self.encoder.layout.matrix(X))

    def predict_proba(self, X: pa.Table) -> FloatArray:
        """P(churn) of each row, shape (n,).

        Raises:
            BadInputError: a feature is missing or has another type than in training.
        """
        return self.predict_matrix(self.encoder.layout.matrix(X))

    def predict_matrix(self, M: FloatArray) -> FloatArray:
        """P(churn) of raw vectors, shape (n, p) in the order of `features`, shape (n,)."""
        p = self.scorer.probability(self.encoder.transform(M))
        return _shifted(p, self.shift) if self.shift else p

    def compile(self) -> RowScorer:
        """A fast function from one raw vector, shape (p,), in the order of `features`, to P(churn).

        Categories stand by their code (`Layout.vector` makes such a vector), a missing value is NaN.
        """
        transform, score, shift = self.encoder.transform, self.scorer.one_row(), self.shift
        if shift:
            return lambda vector: float(_shifted(score(transform(vector[None, :])[0]), shift))
        return lambda vector: score(transform(vector[None, :])[0])

    def to_files(self) -> dict[str, bytes]:
        """The model as files, without pickle."""
        from axiom.training.catalogue.store import dump

        return dump(self)

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> FittedModel:
        """Read a model back.

        Raises:
            CorruptError: the files are damaged or are no model.
        """
        from axiom.training.catalogue import storable
        from axiom.training.catalogue.store import load

        model = load(files, storable())
        if not isinstance(model, cls):
            from axiom.errors import CorruptError

            raise CorruptError(f"the stored {type(model).__name__} is no fitted model")
        return model


@dataclass(frozen=True, eq=False)
class FitData:
    """What an entry's fit function gets.

    Attributes:
        Z: encoded columns, shape (n, k).
        y: churned, shape (n,).
        w: row weights with mean 1, shape (n,).
        customers: customer of each row, shape (n,).
        names: names of the encoded columns, length k.
        seed: for everything random.
        notes: fit functions append warnings here.
    """

    Z: FloatArray
    y: BoolArray
    w: FloatArray
    customers: npt.NDArray[Any]
    names: tuple[str, ...]
    seed: int
    notes: list[str] = field(default_factory=list)

    @cached_property
    def groups(self) -> IntArray:
        """Customer of each row as a number, shape (n,): inner folds keep a customer on one side."""
        return np.unique(self.customers.astype(str), return_inverse=True)[1].astype(np.int64)

    def sample(self, most: int, name: str) -> FitData:
        """At most so many rows, drawn at random within each class; said in the notes."""
        if len(self.y) <= most:
            return self
        rng = np.random.default_rng(self.seed)
        classes = [np.flatnonzero(self.y), np.flatnonzero(~self.y)]
        taken = [max(1, round(most * len(rows) / len(self.y))) for rows in classes]
        kept = np.sort(np.concatenate([rng.choice(r, n, replace=False) for r, n in zip(classes, taken, strict=True)]))
        self.notes.append(f"{name}: fitted to a sample of {len(kept):,} of {len(self.y):,} rows (max_rows)")
        return replace(self, Z=self.Z[kept], y=self.y[kept], w=self.w[kept], customers=self.customers[kept])


@dataclass(frozen=True)
class Entry:
    """One entry of the catalogue.

    Attributes:
        name: as users write it.
        title: as people read it.
        rank: its place from simple (0) to complex; a near-tie goes to the simpler one.
        fit: learns a scorer from encoded columns and hyper-parameters.
        defaults: hyper-parameters and their defaults.
        space: default search space: parameter -> {"type": "float" | "int" | "choice", "low", "high", "log", "values"}.
        impute: whether missing values are filled; else the model gets NaN.
        scale: whether numbers are centred and scaled.
        extra: optional dependency that it needs, "" for none.
        ladder: hyper-parameter that a training sets by its folds unless told otherwise, and its values, the simplest
            model first; None for none.
    """

    name: str
    title: str
    rank: int
    fit: Callable[[FitData, Mapping[str, Any]], Scorer] = field(repr=False)
    defaults: Mapping[str, Any] = field(repr=False)
    space: Mapping[str, Mapping[str, Any]] = field(repr=False)
    impute: bool = True
    scale: bool = True
    extra: str = ""
    ladder: tuple[str, tuple[float, ...]] | None = None


@dataclass(frozen=True)
class Estimator:
    """An entry of the catalogue with its hyper-parameters. `catalogue.estimator(name, **params)` makes one."""

    entry: Entry
    params: Mapping[str, Any]
    seed: int = 0

    @property
    def name(self) -> str:
        """The entry's name."""
        return self.entry.name

    def fit(
        self, table: ChurnTable, weights: FloatArray | None = None, purchases: PurchaseColumn | None = None
    ) -> FittedModel:
        """Learn from labelled rows.

        Args:
            table: training rows.
            weights: row weights >= 0, shape (n,); default: all equal. See `training.weights`.
            purchases: purchase model whose word is one more column.

        Raises:
            BadInputError: a single class, no varying feature, or weights that are no weights.
        """
        y = table.churned
        if y.all() or not y.any():
            raise BadInputError(
                f"all {len(y)} training rows {'churned' if y.any() else 'stayed'}: there is nothing to tell apart",
                hint="check the churn definition and the horizon, or train on more cut-offs",
            )
        w = _normalised(weights, len(y))
        learnt = learn_encoder(table.X, impute=self.entry.impute, scale=self.entry.scale, purchases=purchases)
        data = FitData(learnt.Z, y, w, table.customer_id, learnt.encoder.names, self.seed)
        scorer = self.entry.fit(data, self.params)
        return FittedModel(self.name, dict(self.params), learnt.encoder, scorer, (*learnt.warnings, *data.notes))


def _shifted(p: Any, shift: float) -> Any:
    """Odds times exp(shift); 0 and 1 stay."""
    odds = np.exp(shift)
    return p * odds / (1.0 - p + p * odds)


def _normalised(weights: FloatArray | None, rows: int) -> FloatArray:
    if weights is None:
        return np.ones(rows)
    if weights.shape != (rows,) or not np.isfinite(weights).all() or (weights < 0).any() or not weights.any():
        raise BadInputError(f"weights must be {rows} finite numbers >= 0, not all zero")
    return np.asarray(weights / weights.mean())
