"""What a CLV backtest and training found out: frozen values, ready for JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from axiom.maths.arrays import FloatArray
    from axiom.maths.intervals import MetricValue, PairedTest
    from axiom.training.clv.model import ClvModel


@dataclass(frozen=True)
class Score:
    """A metric with its interval, or the reason why it is not defined here."""

    value: MetricValue | None
    why: str = ""


@dataclass(frozen=True)
class Judgement:
    """One candidate at one origin.

    Attributes:
        candidate: its name.
        as_of: the origin, ISO time.
        scores: metric -> score; empty where `failed` says why it could not be judged.
        summary: parameters and how the fit went.
        warnings: of the fit, in full sentences.
        failed: why there is no forecast; "" where there is one.
    """

    candidate: str
    as_of: str
    scores: Mapping[str, Score] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    failed: str = ""


@dataclass(frozen=True)
class Contender:
    """One candidate over all compared origins: a line of the table.

    Attributes:
        name: its key.
        title: for people.
        rank: simplicity, lower is simpler.
        scores: metric -> score over all compared origins, every customer at every origin a row.
        refused: why it cannot be champion; "" where it can.
        against_champion: metric -> paired difference (this - champion); None where it is not defined; empty for the
            champion itself.
    """

    name: str
    title: str
    rank: int
    scores: Mapping[str, Score] = field(default_factory=dict)
    refused: str = ""
    against_champion: Mapping[str, PairedTest | None] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class JudgedRows:
    """What one candidate said of n customers at one origin, next to what they did.

    Attributes:
        customer: number of each customer, the same at every origin, shape (n,).
        purchases: what happened, shape (n,).
        expected_purchases: E[Y].
        naive_purchases: past rate x horizon.
        pmf: P(Y = what happened).
        count_pmf: P(Y = 0 … k - 1), shape (n, k), for the table of counts.
        purchase_quantiles: shape (levels, n).
        purchase_pit: randomised PIT.
        spend: what happened; None without amounts; NaN where unknown. So are the rest.
        expected_spend: E[W].
        naive_spend: past spend a day x horizon.
        spend_quantiles: shape (levels, n).
        spend_pit: randomised PIT.
    """

    customer: Any
    purchases: FloatArray
    expected_purchases: FloatArray
    naive_purchases: FloatArray
    pmf: FloatArray
    count_pmf: FloatArray
    purchase_quantiles: FloatArray
    purchase_pit: FloatArray
    spend: FloatArray | None = None
    expected_spend: FloatArray | None = None
    naive_spend: FloatArray | None = None
    spend_quantiles: FloatArray | None = None
    spend_pit: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class ClvBacktest:
    """What `backtest_clv` gives back.

    Attributes:
        horizon_days: length of the label window.
        as_ofs: the origins, ISO times, oldest first.
        rows: origin -> customers judged.
        compared: origins at which every contender was judged; the table and the champion rest on these.
        contenders: the table, best first.
        judgements: every candidate at every origin.
        champion: name of the champion.
        rule: how it was chosen, in words.
        warnings: everything that should make a reader think, in full sentences.
        judged: (candidate, origin) -> rows behind the numbers.
    """

    horizon_days: int
    as_ofs: tuple[str, ...]
    rows: Mapping[str, int]
    compared: tuple[str, ...]
    contenders: tuple[Contender, ...]
    judgements: tuple[Judgement, ...]
    champion: str
    rule: str
    warnings: tuple[str, ...]
    judged: Mapping[tuple[str, str], JudgedRows] = field(repr=False)

    def contender(self, name: str) -> Contender:
        """The line of one candidate; KeyError where there is none."""
        return {contender.name: contender for contender in self.contenders}[name]

    def judgement(self, name: str, as_of: str) -> Judgement:
        """One candidate at one origin; KeyError where there is none."""
        return {(found.candidate, found.as_of): found for found in self.judgements}[name, as_of]

    def to_dict(self) -> dict[str, Any]:
        """Everything but the rows, JSON-ready."""
        return {
            "horizon_days": self.horizon_days,
            "origins": [{"as_of": as_of, "rows": self.rows[as_of]} for as_of in self.as_ofs],
            "compared": list(self.compared),
            "champion": self.champion,
            "rule": self.rule,
            "contenders": [asdict(contender) for contender in self.contenders],
            "judgements": [asdict(judgement) for judgement in self.judgements],
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True, eq=False)
class ClvResult:
    """What `train_clv` gives back.

    Attributes:
        model: the champion fitted at the latest cut-off, with the recalibrated levels it is scored with.
        backtest: the judgement behind it; None where no origin has an outcome yet.
        card: the fields of the registry's model card that training knows, JSON-ready; who registers adds `name`,
            `feature_set`, `created_at` and `code_version`.
        report: JSON-ready; `report_markdown` and `plots` make the rest of it.
        warnings: everything that should make a reader think, in full sentences.
    """

    model: ClvModel
    backtest: ClvBacktest | None
    card: dict[str, Any]
    report: dict[str, Any]
    warnings: tuple[str, ...]

    @property
    def files(self) -> dict[str, bytes]:
        """The artefact's files."""
        return self.model.to_files()
