"""Judge registered churn versions, and the baseline, on the same labelled rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from axiom.errors import MisuseError
from axiom.maths.intervals import delong_test, mean_interval, paired_mean
from axiom.maths.metrics import log_loss, log_losses, squared_errors
from axiom.maths.profit import expected_contact_profit, profit_curve
from axiom.training.clv.metrics import mean, paired_test
from axiom.training.evaluate import (
    Campaign,
    ChurnEvaluation,
    Contestant,
    EvaluationOptions,
    EvaluationRows,
    VersionComparison,
    VersionScore,
)
from axiom.training.evaluate_influence import LINE, linear_metrics
from axiom.training.evaluate_lead import EARLY_DAYS, lead_time
from axiom.training.evaluate_resample import Resampler
from axiom.training.guards import check_slice
from axiom.training.judge import judge, reliability_bins, worth
from axiom.training.options import ChurnOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from axiom.maths.arrays import FloatArray
    from axiom.maths.intervals import MetricValue, PairedTest
    from axiom.training.clv.metrics import Linear
    from axiom.training.evaluate import Metrics

RULE = (
    "the lower log loss on these rows, where the interval of the paired difference to the first named version excludes "
    "zero; otherwise the rows cannot tell them apart and the first named is kept"
)
ORDER = (
    *("auc", "pr_auc", "brier", "log_loss", *LINE, "ece"),
    *("precision", "recall", "f1", "precision_at_10", "lift_at_10"),
    *("profit_per_customer", "profit_by_customer", "churn_rate", "mean_prediction"),
)
_REPEATED = "customers stand at several cut-offs: intervals and tests count each customer once, not each row"
_PART_DRAWS = 200


def evaluate_churn(
    rows: EvaluationRows,
    contestants: Sequence[Contestant],
    *,
    horizon_days: float,
    definition: str,
    options: EvaluationOptions = EvaluationOptions(),  # noqa: B008 - frozen
    warnings: Sequence[str] = (),
) -> ChurnEvaluation:
    """Judge every contestant on all rows, by cohort and by cut-off, and compare each with the first.

    Args:
        rows: with the probabilities of every contestant.
        contestants: the first is what the others are compared with.
        horizon_days: length of the label window.
        definition: what churn means, in words.
        options: how to judge.
        warnings: so far.

    Raises:
        BadInputError: too few rows, or too few of a class, to judge on.
        MisuseError: costs without a value for each customer.
    """
    check_slice(
        f"the evaluation at {', '.join(time[:10] for time in rows.cutoffs)}", rows.churned, rows=20, of_a_class=2
    )
    if options.costs is not None and rows.value is None:
        raise MisuseError(
            "costs need a value for each customer, and the features hold no spend",
            hint="give one value at risk for everybody with --value-at-risk",
        )
    judging = _Judging(options, min(EARLY_DAYS, horizon_days / 2))
    comparisons = [judging.compare(rows, one, contestants[0]) for one in contestants[1:]]
    return ChurnEvaluation(
        horizon_days=horizon_days,
        definition=definition,
        as_ofs=rows.cutoffs,
        rows=len(rows),
        customers=rows.customers,
        churn_rate=float(rows.churned.mean()),
        versions=tuple(judging.score(rows, one) for one in contestants),
        comparisons=tuple(comparisons),
        best=_best(rows, contestants, comparisons),
        rule=RULE,
        warnings=(*warnings, *((_REPEATED,) if rows.repeated else ())),
        level=options.level,
    )


class _Judging:
    """The numbers of one contestant on some rows."""

    def __init__(self, options: EvaluationOptions, early_days: float) -> None:
        self.options, self.early_days = options, early_days
        self._as_in_training = ChurnOptions(
            costs=options.costs, level=options.level, draws=options.draws, seed=options.seed
        )

    def score(self, rows: EvaluationRows, one: Contestant) -> VersionScore:
        p = rows.p[one.name]
        cohorts = _parts(rows, rows.cohort.astype(str)) if rows.cohort is not None else {}
        times = np.array([np.datetime_as_string(time, "D") for time in rows.as_of])
        by_cutoff = _parts(rows, times) if len(rows.cutoffs) > 1 else {}
        # A part of the rows is looked at for a hint, not for a decision.
        parts = _Judging(replace(self.options, draws=min(self.options.draws, _PART_DRAWS)), self.early_days)
        return VersionScore(
            name=one.name,
            title=one.title,
            threshold=one.threshold,
            threshold_rule=one.threshold_rule,
            metrics=self.metrics(rows, one),
            cohorts={name: parts.metrics(part, one) for name, part in cohorts.items()},
            by_cutoff={name: parts.metrics(part, one) for name, part in by_cutoff.items()},
            rows={name: len(part) for name, part in {**cohorts, **by_cutoff}.items()},
            reliability=reliability_bins(rows.churned, p, self.options.level),
            lead=lead_time(rows, p, one.threshold, self.options.level, self.early_days),
            campaign=self._campaign(rows, one),
        )

    def metrics(self, rows: EvaluationRows, one: Contestant) -> Metrics:
        """All metrics in the order of `ORDER`; None where the rows are too few or of one class."""
        y, p = rows.churned, rows.p[one.name]
        enough = min(int(y.sum()), int((~y).sum()), rows.customers) >= 2
        found: dict[str, MetricValue | None] = {}
        if enough and rows.repeated:
            found |= self._clustered(rows, one)
        elif enough:
            found |= judge(y, p, self._as_in_training, one.threshold, rows.value)
        means = {"churn_rate": y.astype(float), "mean_prediction": p, **self._gains(rows, one)}
        if not enough:
            means |= {"brier": squared_errors(y, p), "log_loss": log_losses(y, p)}
        found |= {name: self._mean(rows, values) for name, values in means.items()}
        return {name: found.get(name) for name in ORDER if name in found or not name.startswith("profit")}

    def compare(self, rows: EvaluationRows, one: Contestant, first: Contestant) -> VersionComparison:
        """Paired tests of one contestant against the first."""
        tests = self._differences(rows, one, first)
        better = ""
        loss = tests["log_loss"]
        if loss is not None and loss.difference.high < 0:
            better = one.name
        elif loss is not None and loss.difference.low > 0:
            better = first.name
        return VersionComparison(one.name, first.name, tests, better, _verdict(one.name, first.name, better, tests))

    def _differences(self, rows: EvaluationRows, one: Contestant, first: Contestant) -> dict[str, PairedTest | None]:
        y, level = rows.churned, self.options.level
        p, q = rows.p[one.name], rows.p[first.name]
        tests: dict[str, PairedTest | None]
        if rows.repeated:
            other = self._linear(rows, first)
            tests = {
                name: paired_test(found, other[name], level)
                for name, found in self._linear(rows, one).items()
                if name in other and name not in LINE
            }
        else:
            tests = {
                "auc": delong_test(y, p, q, level),
                "brier": paired_mean(squared_errors(y, p), squared_errors(y, q), level=level),
                "log_loss": paired_mean(log_losses(y, p), log_losses(y, q), level=level),
            }
            theirs = self._gains(rows, first)
            tests |= {
                name: paired_mean(gain, theirs[name], level=level) for name, gain in self._gains(rows, one).items()
            }
        tests |= Resampler(y, rows.customer, self.options).differences((p, one.threshold), (q, first.threshold))
        return {name: tests[name] for name in ORDER if name in tests}

    def _clustered(self, rows: EvaluationRows, one: Contestant) -> dict[str, MetricValue | None]:
        resampler = Resampler(rows.churned, rows.customer, self.options)
        found = {name: metric.interval(self.options.level) for name, metric in self._linear(rows, one).items()}
        return found | resampler.intervals(rows.p[one.name], one.threshold)

    def _mean(self, rows: EvaluationRows, values: FloatArray) -> MetricValue | None:
        if rows.customers < 2:
            return None
        if rows.repeated:
            return mean(values, rows.customer).interval(self.options.level)
        return mean_interval(values, level=self.options.level)

    def _linear(self, rows: EvaluationRows, one: Contestant) -> dict[str, Linear]:
        return linear_metrics(rows.churned, rows.p[one.name], rows.customer, self._gains(rows, one))

    def _gains(self, rows: EvaluationRows, one: Contestant) -> dict[str, FloatArray]:
        """What each row would have earned: contacted from the threshold on, or where the customer's own odds pay."""
        if self.options.costs is None or rows.value is None:
            return {}
        value, p = worth(rows.value), rows.p[one.name]
        outcome = expected_contact_profit(rows.churned.astype(float), self.options.costs, value)
        pays = expected_contact_profit(p, self.options.costs, value) > 0
        return {
            "profit_per_customer": np.where(p >= one.threshold, outcome, 0.0),
            "profit_by_customer": np.where(pays, outcome, 0.0),
        }

    def _campaign(self, rows: EvaluationRows, one: Contestant) -> Campaign | None:
        if self.options.costs is None or rows.value is None:
            return None
        p, value, gains = rows.p[one.name], worth(rows.value), self._gains(rows, one)
        own = expected_contact_profit(p, self.options.costs, value)
        curve = profit_curve(rows.churned, own, self.options.costs, value)
        return Campaign(
            share=float((p >= one.threshold).mean()),
            profit=float(gains["profit_per_customer"].sum()),
            own_share=float((own > 0).mean()),
            own_profit=float(gains["profit_by_customer"].sum()),
            best_share=curve.best_share,
            best_profit=curve.best_profit,
        )


def _parts(rows: EvaluationRows, names: np.ndarray[tuple[int], np.dtype[np.str_]]) -> dict[str, EvaluationRows]:
    return {str(name): rows.take(names == name) for name in np.unique(names)}


def _verdict(one: str, first: str, better: str, tests: dict[str, PairedTest | None]) -> str:
    loss = tests["log_loss"]
    if loss is None:
        return f"{one} and {first} cannot be compared on these rows."
    gap = loss.difference
    p = f"p = {loss.p_value:.2g}" if loss.p_value >= 1e-6 else "p < 1e-6"
    told = f"log loss {one} - {first} = {gap.value:+.4f} [{gap.low:+.4f}, {gap.high:+.4f}], {p} (paired)"
    return f"{better} is better: {told}." if better else f"These rows cannot tell {one} and {first} apart: {told}."


def _best(rows: EvaluationRows, contestants: Sequence[Contestant], comparisons: Sequence[VersionComparison]) -> str:
    winners = [found.one for found in comparisons if found.better == found.one]
    return min(winners, key=lambda name: log_loss(rows.churned, rows.p[name]), default=contestants[0].name)
