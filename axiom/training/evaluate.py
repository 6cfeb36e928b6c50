"""Registered churn versions judged on the same labelled rows: what goes in, and the frozen report that comes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from axiom.errors import MisuseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from axiom.maths.arrays import BoolArray, FloatArray, IntArray
    from axiom.maths.intervals import MetricValue, PairedTest
    from axiom.maths.profit import RetentionCosts
    from axiom.training.churn_report import ReliabilityBin
    from axiom.training.table import TimeArray

Metrics = Mapping[str, "MetricValue | None"]


@dataclass(frozen=True)
class EvaluationOptions:
    """How versions are judged.

    Attributes:
        costs: cost/benefit table of a campaign; with it profits are judged, and the threshold follows from it.
        threshold: contact from this probability on; None: what the costs or the model itself say.
        level: confidence level of every interval.
        draws: bootstrap resamples; fewer, but at least 200, on more than 20,000 rows.
        seed: of every resample.
    """

    costs: RetentionCosts | None = None
    threshold: float | None = None
    level: float = 0.95
    draws: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise MisuseError(f"threshold {self.threshold:g} is no probability", hint="between 0 and 1")
        if not 0 < self.level < 1 or self.draws < 100:
            raise MisuseError(
                f"level {self.level:g}, draws {self.draws}", hint="level lies between 0 and 1, draws is at least 100"
            )


@dataclass(frozen=True, eq=False)
class EvaluationRows:
    """Customers at one or more cut-offs, what they did, and what every version said of them; n rows.

    Attributes:
        as_of: cut-off, datetime64[us], shape (n,).
        customer_id: text, shape (n,).
        churned: shape (n,).
        p: name -> calibrated P(churn), shape (n,).
        lead: days from the cut-off to the moment of churn, shape (n,), NaN for those who stayed.
        value: what the customer is worth, shape (n,), or None.
        cohort: lifecycle stage, shape (n,), or None.
    """

    as_of: TimeArray
    customer_id: npt.NDArray[np.object_]
    churned: BoolArray
    p: Mapping[str, FloatArray]
    lead: FloatArray
    value: FloatArray | None = None
    cohort: npt.NDArray[np.object_] | None = None

    def __len__(self) -> int:
        return len(self.churned)

    @cached_property
    def customer(self) -> IntArray:
        """A number for each row's customer, 0 to k - 1, shape (n,)."""
        import pyarrow as pa

        codes = pa.array(self.customer_id, pa.string()).dictionary_encode().indices
        return np.asarray(codes.to_numpy(zero_copy_only=False), dtype=np.int64)

    @property
    def customers(self) -> int:
        """How many different customers there are."""
        return int(self.customer.max(initial=-1)) + 1

    @property
    def repeated(self) -> bool:
        """Whether a customer stands at several cut-offs."""
        return self.customers < len(self)

    @property
    def cutoffs(self) -> tuple[str, ...]:
        """Distinct cut-offs as ISO times, ascending."""
        return tuple(f"{np.datetime_as_string(time, 's')}+00:00" for time in np.unique(self.as_of))

    def take(self, mask: BoolArray) -> EvaluationRows:
        """The rows of a mask."""
        p = {name: values[mask] for name, values in self.p.items()}
        rest: dict[str, Any] = {n: None if part is None else part[mask] for n, part in self.columns().items()}
        return EvaluationRows(p=p, **rest)

    @classmethod
    def joined(cls, parts: Sequence[EvaluationRows]) -> EvaluationRows:
        """The rows of several cut-offs; a version or a column that one of them lacks is left out."""
        names = [name for name in parts[0].p if all(name in part.p for part in parts)]
        p = {name: np.concatenate([part.p[name] for part in parts]) for name in names}
        columns = [part.columns() for part in parts]
        rest: dict[str, Any] = {
            name: None if any(one[name] is None for one in columns) else np.concatenate([one[name] for one in columns])
            for name in columns[0]
        }
        return cls(p=p, **rest)

    def columns(self) -> dict[str, Any]:
        """Every column but the probabilities, by name."""
        return {part.name: getattr(self, part.name) for part in fields(self) if part.name != "p"}


@dataclass(frozen=True)
class Contestant:
    """A version, or a baseline, that is judged.

    Attributes:
        name: `name@version`, or the name of a baseline.
        title: for people.
        threshold: contact from this probability on.
        threshold_rule: why, in words.
    """

    name: str
    title: str
    threshold: float
    threshold_rule: str


@dataclass(frozen=True)
class LeadTime:
    """How early a version warns of the churns that were still ahead at a cut-off.

    The moment of a churn is the cancellation, or the day on which the silence has lasted for the horizon. A churn is
    warned of from the earliest evaluated cut-off before it at which the customer's probability reached the threshold.

    Attributes:
        churns: churns that were ahead.
        late: churners who had been silent for longer than the horizon at the cut-off: no warning is early there.
        warned: share of the churns that were warned of.
        days: median days between warning and churn, over those warned of; None where there are none.
        early: share of all churns that were warned of at least `early_days` before.
        early_days: what counts as early.
    """

    churns: int
    late: int
    warned: MetricValue
    days: MetricValue | None
    early: MetricValue
    early_days: float


@dataclass(frozen=True)
class Campaign:
    """What a campaign would have earned on these rows, in the currency of the data.

    Attributes:
        share: of the customers contacted from the threshold on.
        profit: of that.
        own_share: of the customers contacted because their own expected profit is positive.
        own_profit: of that.
        best_share: of the customers contacted, those of largest expected profit first, with the largest profit.
        best_profit: that profit; it is known in hindsight alone.
    """

    share: float
    profit: float
    own_share: float
    own_profit: float
    best_share: float
    best_profit: float


@dataclass(frozen=True)
class VersionScore:
    """One version: a line of the table.

    Attributes:
        name: `name@version`, or the name of a baseline.
        title: for people.
        threshold: contact from this probability on.
        threshold_rule: why.
        metrics: over all rows; None where one is undefined.
        cohorts: cohort -> metrics.
        by_cutoff: cut-off -> metrics; empty where there is one.
        rows: part (cohort or cut-off) -> rows.
        reliability: the curve with its band.
        lead: how early it warns; None where nobody's churn was ahead.
        campaign: None without costs.
    """

    name: str
    title: str
    threshold: float
    threshold_rule: str
    metrics: Metrics
    cohorts: Mapping[str, Metrics] = field(default_factory=dict)
    by_cutoff: Mapping[str, Metrics] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)
    reliability: tuple[ReliabilityBin, ...] = ()
    lead: LeadTime | None = None
    campaign: Campaign | None = None


@dataclass(frozen=True)
class VersionComparison:
    """Two versions on the same rows, paired.

    Attributes:
        one: the other version.
        against: the first named.
        tests: metric -> difference (one - against) with p-value; None where it is undefined.
        better: the one that these rows show to be better by the declared rule; "" where they show nothing.
        verdict: in words.
    """

    one: str
    against: str
    tests: Mapping[str, PairedTest | None]
    better: str
    verdict: str


@dataclass(frozen=True)
class ChurnEvaluation:
    """Everything the evaluation found out.

    Attributes:
        horizon_days: length of the label window.
        definition: what churn means here, in words.
        as_ofs: cut-offs, ISO times.
        rows: labelled rows; `customers` distinct ones.
        customers: distinct customers.
        churn_rate: share of the rows that churned.
        versions: in the order they were named, baselines last.
        comparisons: every other version against the first.
        best: the version that the rule prefers.
        rule: how, in words.
        warnings: everything that should make a reader think, in full sentences.
        level: confidence level of every interval.
    """

    horizon_days: float
    definition: str
    as_ofs: tuple[str, ...]
    rows: int
    customers: int
    churn_rate: float
    versions: tuple[VersionScore, ...]
    comparisons: tuple[VersionComparison, ...]
    best: str
    rule: str
    warnings: tuple[str, ...]
    level: float

    def version(self, name: str) -> VersionScore:
        """One line; KeyError where there is none."""
        return {score.name: score for score in self.versions}[name]

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-ready values."""
        return asdict(self)
