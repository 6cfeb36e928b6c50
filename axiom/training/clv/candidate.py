"""The one interface of all that can forecast lifetime value: candidates are fitted, and forecast distributions.

How a challenger joins: write a `Candidate`, put its class under its name into `CHALLENGERS` of
`axiom.training.clv_challengers`, and `candidate(name, **params)`, the backtest, the tuner, the registered model and the
scorer know it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    import pyarrow as pa

    from axiom.maths.arrays import FloatArray
    from axiom.training.clv.rows import Origin, RfmArrays, Snapshot


@dataclass(frozen=True)
class Span:
    """A range that the tuner draws a hyper-parameter from; `log` draws its logarithm, `whole` whole numbers."""

    low: float
    high: float
    log: bool = False
    whole: bool = False


@dataclass(frozen=True)
class Choices:
    """Values that the tuner draws a hyper-parameter from."""

    values: tuple[Any, ...]


Space: TypeAlias = "Mapping[str, Span | Choices]"


@dataclass(frozen=True, eq=False)
class Known:
    """All that a candidate may learn from when it is to forecast from `now.as_of`.

    Attributes:
        now: the customers at the origin, without outcomes.
        past: labelled origins whose label window had ended by `now.as_of`, oldest first; may be empty.
        horizon: length of the label window.
        seed: of everything random.
    """

    now: Snapshot
    past: tuple[Origin, ...]
    horizon: timedelta
    seed: int = 0


class Forecast(Protocol):
    """Predictive distributions of n customers over one horizon: Y purchases and W money."""

    @property
    def p_alive(self) -> FloatArray:
        """P(still a customer at the cut-off), shape (n,)."""
        ...

    @property
    def expected_purchases(self) -> FloatArray:
        """E[Y], shape (n,)."""
        ...

    @property
    def expected_spend(self) -> FloatArray | None:
        """E[W], shape (n,); None where the data have no amounts."""
        ...

    def pmf(self, count: FloatArray) -> FloatArray:
        """P(Y = count), one whole number a customer, shape (n,)."""
        ...

    def tail(self, count: FloatArray) -> FloatArray:
        """P(Y >= count), shape (n,); 1 for count <= 0."""
        ...

    def purchase_quantiles(self, levels: Sequence[float]) -> FloatArray:
        """Smallest y with P(Y <= y) >= level, shape (levels, n)."""
        ...

    def spend_cdf(self, spend: FloatArray) -> FloatArray:
        """P(W <= spend), one value >= 0 a customer, shape (n,). P(W = 0) = P(Y = 0). Not called without amounts."""
        ...

    def spend_quantiles(self, levels: Sequence[float]) -> FloatArray:
        """Quantiles of W, shape (levels, n). Not called without amounts."""
        ...


class FittedCandidate(Protocol):
    """A fitted candidate. Only data: `to_files` and `Candidate.load` are each other's inverse, without pickle."""

    @property
    def features(self) -> tuple[str, ...]:
        """Columns of `Snapshot.features` it reads; empty where the RFM summary is enough."""
        ...

    @property
    def converged(self) -> bool:
        """False refuses it as champion."""
        ...

    @property
    def has_spend(self) -> bool:
        """Whether it forecasts money."""
        ...

    @property
    def summary(self) -> Mapping[str, Any]:
        """Parameters and how the fit went, JSON-ready, for the report."""
        ...

    @property
    def warnings(self) -> tuple[str, ...]:
        """What should make a reader think, in full sentences."""
        ...

    def forecast(self, rfm: RfmArrays, features: pa.Table | None, days: float) -> Forecast:
        """Forecast n customers over the next `days`.

        Raises:
            BadInputError: a feature is missing, or the candidate knows one horizon only and `days` is another.
        """
        ...

    def to_files(self) -> dict[str, bytes]:
        """The fitted candidate as named files; `clv.json` is taken."""
        ...


class Candidate(Protocol):
    """Something that can be fitted and judged."""

    @property
    def name(self) -> str:
        """Its key, e.g. `bg_nbd` or `lightgbm_offset`."""
        ...

    @property
    def title(self) -> str:
        """Its name for people."""
        ...

    @property
    def rank(self) -> int:
        """Simplicity: the lower of two equals is kept. Probabilistic models 10-19, regressions 20-29, trees from 30."""
        ...

    @property
    def params(self) -> Mapping[str, Any]:
        """The hyper-parameters it fits with, JSON-ready."""
        ...

    @property
    def space(self) -> Space:
        """Hyper-parameters worth tuning; empty where there are none."""
        ...

    def fit(self, known: Known) -> FittedCandidate:
        """Learn.

        Raises:
            ValueError: these data cannot teach it (nobody repeats, no past origin); the backtest says so in its table.
            BadInputError: likewise.
        """
        ...

    def load(self, files: Mapping[str, bytes]) -> FittedCandidate:
        """What `to_files` wrote.

        Raises:
            KeyError, ValueError, TypeError: a file is missing or unreadable.
        """
        ...
