"""Judge registered CLV versions on the same customers and cut-offs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.errors import BadInputError
from axiom.maths.forecast import decile_table, pit_histogram, pit_test
from axiom.training.clv.judging import judge, number_customers, sample_customers
from axiom.training.clv.metrics import paired_test, point_metrics
from axiom.training.clv.series import NO_AMOUNTS, PURCHASES, SPEND, Series, log_score, metric_names, scores
from axiom.training.evaluate import VersionComparison

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from axiom.maths.arrays import BoolArray, FloatArray, IntArray
    from axiom.maths.forecast import LevelMap
    from axiom.training.clv.metrics import Found
    from axiom.training.clv.model import ClvModel
    from axiom.training.clv.options import ClvOptions
    from axiom.training.clv.result import JudgedPart, JudgedRows, Score
    from axiom.training.clv.rows import Origin

RULE = (
    "the lower log score of the purchases, where the interval of the paired difference to the first named version "
    "excludes zero; otherwise the customers cannot tell them apart and the first named is kept"
)
_PIT_BINS = 20
_NAIVE = ("mae", "rmse", "smape", "mape", "r2", "bias")


@dataclass(frozen=True)
class ClvVersionScore:
    """One version: a line of the table.

    Attributes:
        name: `name@version`.
        family: what kind of model it is.
        metrics: over all rows, or why one is not defined. `coverage_…` is that of the model's own intervals,
            `recalibrated_…` that of the intervals it is registered and scored with.
        cohorts: cohort -> metrics.
        by_cutoff: cut-off -> metrics; empty where there is one.
        rows: part (cohort or cut-off) -> rows.
        latest: the latest cut-off in detail: `as_of`, `rows`, `deciles`, `counts`, `pit`.
    """

    name: str
    family: str
    metrics: Mapping[str, Score]
    cohorts: Mapping[str, Mapping[str, Score]] = field(default_factory=dict)
    by_cutoff: Mapping[str, Mapping[str, Score]] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)
    latest: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ClvEvaluation:
    """Everything the evaluation found out.

    Attributes:
        horizon_days: length of the label window.
        as_ofs: cut-offs, ISO times.
        rows: customers judged, over all cut-offs.
        versions: in the order they were named.
        naive: the same metrics of past rate x horizon, as far as a mere number can be judged.
        comparisons: every other version against the first.
        best: the version that the rule prefers.
        rule: how, in words.
        warnings: everything that should make a reader think, in full sentences.
        level: confidence level of every interval; customers count once each.
    """

    horizon_days: int
    as_ofs: tuple[str, ...]
    rows: int
    versions: tuple[ClvVersionScore, ...]
    naive: Mapping[str, Score]
    comparisons: tuple[VersionComparison, ...]
    best: str
    rule: str
    warnings: tuple[str, ...]
    level: float

    def version(self, name: str) -> ClvVersionScore:
        """One line; KeyError where there is none."""
        return {score.name: score for score in self.versions}[name]

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-ready values."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class ClvEntry:
    """A version and the customers it is asked about.

    Attributes:
        name: `name@version`.
        model: the version.
        origins: labelled cut-offs with the features it reads, oldest first; the same customers for every version.
    """

    name: str
    model: ClvModel
    origins: Sequence[Origin]


def evaluate_clv(entries: Sequence[ClvEntry], options: ClvOptions) -> ClvEvaluation:
    """Judge every version at every cut-off, and compare each with the first.

    Args:
        entries: the versions; the first is what the others are compared with.
        options: quantile levels, coverages, confidence level, sample size and seed.

    Raises:
        BadInputError: there is no customer to judge on.
    """
    origins = entries[0].origins
    if not origins or not any(len(origin) for origin in origins):
        raise BadInputError("nobody had bought before the cut-offs", hint="use a later --as-of")
    numbers = number_customers(origins)
    chosen = sample_customers(numbers, options.judge_at_most, options.seed)
    judged = [_Judged.of(entry, numbers, chosen, options) for entry in entries]
    first, others = judged[0], judged[1:]
    comparisons = tuple(one.compare(first) for one in others)
    sampled = any(len(rows) < len(origin) for rows, origin in zip(chosen, origins, strict=True))
    return ClvEvaluation(
        horizon_days=entries[0].model.horizon_days,
        as_ofs=tuple(origin.as_of.isoformat() for origin in origins),
        rows=sum(map(len, chosen)),
        versions=tuple(one.score() for one in judged),
        naive=first.naive(),
        comparisons=comparisons,
        best=_best(first.entry.name, comparisons),
        rule=RULE,
        warnings=(f"judged on a sample of about {options.judge_at_most:,} customers a cut-off",) if sampled else (),
        level=options.level,
    )


@dataclass(frozen=True, eq=False)
class _Judged:
    """What one version said, laid next to what happened; one item an origin."""

    entry: ClvEntry
    rows: tuple[JudgedRows, ...]
    cohorts: tuple[np.ndarray[tuple[int], np.dtype[np.str_]], ...]
    options: ClvOptions

    @classmethod
    def of(
        cls, entry: ClvEntry, numbers: Sequence[IntArray], chosen: Sequence[IntArray], options: ClvOptions
    ) -> _Judged:
        rows, cohorts, days = [], [], entry.model.horizon_days
        for origin, number, kept in zip(entry.origins, numbers, chosen, strict=True):
            seen = origin.rows(kept)
            forecast = entry.model.fitted.forecast(seen.rfm, seen.features, days)
            rows.append(judge(forecast, seen, number[kept], days, options))
            known = seen.features is not None and "lifecycle" in seen.features.column_names
            names = seen.features["lifecycle"].to_pylist() if seen.features is not None and known else []
            cohorts.append(np.array(names, dtype=str))
        return cls(entry, tuple(rows), tuple(cohorts), options)

    def score(self) -> ClvVersionScore:
        origins = self.entry.origins
        by_cutoff = {f"{o.as_of:%Y-%m-%d}": [rows] for o, rows in zip(origins, self.rows, strict=True)}
        cohorts = {name: self._cohort(name) for name in sorted(set(np.concatenate(self.cohorts)))}
        parts = {**cohorts, **(by_cutoff if len(origins) > 1 else {})}
        found = {name: scores(self._metrics(rows), self.options.level) for name, rows in parts.items()}
        return ClvVersionScore(
            name=self.entry.name,
            family=self.entry.model.family,
            metrics=scores(self._metrics(self.rows), self.options.level),
            cohorts={name: found[name] for name in cohorts},
            by_cutoff={name: found[name] for name in by_cutoff if name in found},
            rows={name: sum(len(one.customer) for one in rows) for name, rows in parts.items()},
            latest=self._latest(),
        )

    def compare(self, first: _Judged) -> VersionComparison:
        mine, theirs = self._metrics(self.rows), first._metrics(first.rows)
        tests = {name: paired_test(found, theirs[name], self.options.level) for name, found in mine.items()}
        one, against, loss = self.entry.name, first.entry.name, tests["log_score"]
        if loss is None:
            return VersionComparison(one, against, tests, "", f"{one} and {against} cannot be compared.")
        gap = loss.difference
        better = one if gap.high < 0 else against if gap.low > 0 else ""
        told = (
            f"log score {one} - {against} = {gap.value:+.4f} [{gap.low:+.4f}, {gap.high:+.4f}], p = {loss.p_value:.2g}"
        )
        verdict = f"{better} is better: {told}." if better else f"{one} and {against} cannot be told apart: {told}."
        return VersionComparison(one, against, tests, better, verdict)

    def naive(self) -> dict[str, Score]:
        """Past rate x horizon."""
        found: dict[str, Found] = {}
        for what in (PURCHASES, SPEND):
            series = self._series(what, self.rows)
            if series is not None:
                points = point_metrics(replace(series, expected=series.naive))
                found |= {f"{name}_{what}": points[name] for name in _NAIVE}
        return scores(found, self.options.level)

    def _metrics(self, rows: Sequence[JudgedRows]) -> dict[str, Found]:
        metrics: dict[str, Found] = dict.fromkeys(metric_names(self.options.coverages), NO_AMOUNTS)
        metrics["log_score"] = log_score(rows)
        for what in (PURCHASES, SPEND):
            series = self._series(what, rows)
            if series is not None:
                metrics |= series.metrics(what, self.options.coverages)
        return metrics

    def _series(self, what: str, rows: Sequence[JudgedRows]) -> Series | None:
        parts = [(one, part) for one in rows if (part := _part(one, what)) is not None and part.rows.size]
        if not parts:
            return None
        return Series.joined([Series.of(one, part, self.options.coverages, self._levels(what)) for one, part in parts])

    def _levels(self, what: str) -> LevelMap:
        return self.entry.model.purchase_levels if what == PURCHASES else self.entry.model.spend_levels

    def _cohort(self, name: str) -> list[JudgedRows]:
        masks = [cohort == name for cohort in self.cohorts]
        return [_subset(rows, mask) for rows, mask in zip(self.rows, masks, strict=True) if mask.any()]

    def _latest(self) -> dict[str, Any]:
        rows = self.rows[-1]
        parts = {what: part for what in (PURCHASES, SPEND) if (part := _part(rows, what)) is not None}
        return {
            "as_of": self.entry.origins[-1].as_of.isoformat(),
            "rows": len(rows.customer),
            "deciles": {what: [asdict(row) for row in decile_table(p.actual, p.expected)] for what, p in parts.items()},
            "counts": [asdict(row) for row in rows.counts],
            "pit": {what: self._pit(what, part.pit) for what, part in parts.items()},
        }

    def _pit(self, what: str, pit: FloatArray) -> dict[str, Any]:
        levels = self._levels(what)
        # The recalibrated distribution is the map's inverse of the model's own, so its PIT is too.
        return {"own": _histogram(pit), "recalibrated": _histogram(np.interp(pit, levels.adjusted, levels.nominal))}


def _part(rows: JudgedRows, what: str) -> JudgedPart | None:
    return rows.purchases if what == PURCHASES else rows.spend


def _subset(rows: JudgedRows, mask: BoolArray) -> JudgedRows:
    place = np.cumsum(mask) - 1

    def of(part: JudgedPart | None) -> JudgedPart | None:
        if part is None:
            return None
        kept = mask[part.rows]
        columns = {name: getattr(part, name)[kept] for name in ("actual", "expected", "naive", "pinball", "pit")}
        return replace(part, rows=place[part.rows[kept]], **columns)

    purchases = of(rows.purchases)
    assert purchases is not None  # noqa: S101  (purchases are always judged)
    return replace(
        rows, customer=rows.customer[mask], purchases=purchases, log_score=rows.log_score[mask], spend=of(rows.spend)
    )


def _histogram(pit: FloatArray) -> dict[str, Any]:
    return {"heights": pit_histogram(pit, _PIT_BINS).tolist(), "rows": pit.size, **asdict(pit_test(pit))}


def _best(first: str, comparisons: Sequence[VersionComparison]) -> str:
    gaps = {
        found.one: loss.difference.value
        for found in comparisons
        if found.better == found.one and (loss := found.tests["log_score"]) is not None
    }
    return min(gaps, key=gaps.__getitem__, default=first)
