"""What a CLV backtest and training found out: frozen values, ready for JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from axiom.maths.arrays import FloatArray, IntArray
    from axiom.maths.forecast import CountRow, LevelMap, PitTest
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
        pit: `purchases`, `spend` -> tests of the randomised PIT for uniformity.
        summary: parameters and how the fit went.
        warnings: of the fit, in full sentences.
        failed: why there is no forecast; "" where there is one.
    """

    candidate: str
    as_of: str
    scores: Mapping[str, Score] = field(default_factory=dict)
    pit: Mapping[str, PitTest] = field(default_factory=dict)
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
class JudgedPart:
    """What one candidate said of the purchases or the money of m customers, next to what they did.

    Attributes:
        rows: which of the judged customers, shape (m,): all, or those whose money is known.
        actual: what happened.
        expected: the forecast's mean.
        naive: past rate x horizon.
        pinball: loss averaged over the quantile levels.
        pit: randomised PIT.
    """

    rows: IntArray
    actual: FloatArray
    expected: FloatArray
    naive: FloatArray
    pinball: FloatArray
    pit: FloatArray


@dataclass(frozen=True, eq=False)
class JudgedRows:
    """What one candidate said of n customers at one origin.

    Attributes:
        customer: number of each customer, the same at every origin, shape (n,).
        purchases: of all n.
        log_score: -ln P(Y = what happened), nats, shape (n,).
        impossible: customers whose outcome had probability 0; each is scored 708.4 nats.
        counts: customers with 0, 1, … purchases, observed and expected.
        spend: of those whose money is known; None without amounts.
    """

    customer: IntArray
    purchases: JudgedPart
    log_score: FloatArray
    impossible: int
    counts: tuple[CountRow, ...]
    spend: JudgedPart | None = None


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
        naive: the same metrics of past rate x horizon, as far as a mere number can be judged.
        champion: name of the champion.
        rule: how it was chosen, in words.
        warnings: everything that should make a reader think, in full sentences.
        judged: (candidate, origin) -> rows behind the numbers.
        levels: (candidate, origin) -> `purchases`, `spend` -> the level map that an earlier origin taught, if any did.
    """

    horizon_days: int
    as_ofs: tuple[str, ...]
    rows: Mapping[str, int]
    compared: tuple[str, ...]
    contenders: tuple[Contender, ...]
    judgements: tuple[Judgement, ...]
    naive: Mapping[str, Score]
    champion: str
    rule: str
    warnings: tuple[str, ...]
    judged: Mapping[tuple[str, str], JudgedRows] = field(repr=False)
    levels: Mapping[tuple[str, str], Mapping[str, LevelMap]] = field(repr=False)

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
            "naive": {name: asdict(score) for name, score in self.naive.items()},
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
        report: JSON-ready; `training_markdown` and `training_plots` make the rest of it.
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
