"""When a value is a breach: beyond its limit, and by more than chance."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from axiom.errors import NotFoundError
from axiom.maths.metrics import pr_auc
from axiom.monitoring.data import freshness, refusals
from axiom.monitoring.features import feature_readings
from axiom.monitoring.judging import Reading, judge
from axiom.monitoring.measures import MEASURES, PILLARS, measure_of
from axiom.monitoring.performance import cohort_readings, performance_readings
from axiom.monitoring.scores import SINCE_BEFORE, score_readings
from axiom.monitoring.thresholds import Threshold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from axiom.monitoring.judging import Judged

THRESHOLDS = {
    name: Threshold(
        name, one.pillar, one.title, one.direction, one.limit, one.severity, one.owner, enabled=True, default=one.limit
    )
    for name, one in MEASURES.items()
}


def states(*readings: Reading, **changes: Threshold) -> dict[tuple[str, str], Judged]:
    judged = judge(readings, {**THRESHOLDS, **changes})[: len(readings)]
    return {(one.measure.name, one.subject): one for one in judged}


def table(rng: np.random.Generator, rows: int, features: int, shift: float = 0.0) -> pa.Table:
    """Half of the features are skewed numbers, a quarter counts with ties, a quarter categories; some are missing."""
    columns: dict[str, Any] = {}
    for number in range(features):
        kind = number % 4
        moved = shift if number == 0 else 0.0
        if kind < 2:
            values = pa.array(rng.gamma(2.0, size=rows) * (1 + moved))
        elif kind == 2:
            values = pa.array(rng.poisson(1.5, size=rows).astype(float))
        else:
            values = pa.array(rng.choice(["new", "established", "mature"], size=rows, p=[0.2, 0.3, 0.5]))
        gone = pa.array(rng.random(rows) < 0.03 * (number % 3))
        columns[f"f{number}"] = pa.chunked_array([pa.compute.if_else(gone, pa.scalar(None, values.type), values)])
    return pa.table(columns)


def alarms(seed: int, runs: int, rows: int, features: int) -> list[int]:
    """False alarms of each of many runs over features whose distribution never changes."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(runs):
        readings = list(feature_readings(table(rng, 2 * rows, features), table(rng, rows, features), 2 * rows))
        found.append(sum(one.state == "breached" for one in states(*readings).values()))
    return found


@pytest.mark.parametrize("rows", [60, 150, 1000])
def test_features_that_never_change_raise_an_alarm_in_hardly_any_run(rows: int) -> None:
    found = alarms(seed=rows, runs=60, rows=rows, features=40)
    assert sum(count > 0 for count in found) <= 2  # of 60 runs over 40 features with three measures each
    assert sum(found) <= 4


def test_without_the_control_the_limit_alone_would_raise_many_in_small_samples() -> None:
    rng = np.random.default_rng(2)
    readings = list(feature_readings(table(rng, 120, 40), table(rng, 60, 40), 120))
    beyond = [one for one in readings if one.value is not None and one.value > MEASURES[one.measure].limit]
    judged = states(*readings)
    assert len(beyond) > 5
    assert all(judged[one.measure, one.subject].state == "ok" for one in beyond)
    assert all("chance alone" in judged[one.measure, one.subject].reason for one in beyond)


def test_a_feature_that_moved_is_found_among_forty() -> None:
    rng = np.random.default_rng(4)
    readings = list(feature_readings(table(rng, 1000, 40), table(rng, 500, 40, shift=0.8), 1000))
    breached = [key for key, one in states(*readings).items() if one.state == "breached"]
    assert breached == [("feature_psi", "f0")]
    evidence = states(*readings)["feature_psi", "f0"].evidence
    assert {"ks", "noise", "jensen_shannon", "welch_p_value", "mean", "adjusted_p_value"} <= set(evidence)
    assert evidence["mean"] > evidence["baseline_mean"]


def test_values_that_go_missing_are_found_in_numbers_and_in_text() -> None:
    whole, half = [1.0, 2.0, 3.0, 4.0] * 50, [1.0, None, 3.0, None] * 50
    texts, fewer = ["a", "b"] * 100, ["a", None] * 100
    then, now = pa.table({"number": whole, "text": texts}), pa.table({"number": half, "text": fewer})
    judged = states(*feature_readings(then, now, 200))
    for name in ("number", "text"):
        assert judged["missing_excess", name].state == judged["missing_ratio", name].state == "breached"
        assert judged["missing_excess", name].value == 0.5
        assert judged["missing_ratio", name].value == 100  # of a baseline that counts as half a percent


def test_a_category_that_was_not_there_before_is_drift() -> None:
    then = pa.table({"plan": ["a", "b", "c"] * 100})
    now = pa.table({"plan": ["a", "b", "x"] * 100})
    assert states(*feature_readings(then, now, 300))["feature_psi", "plan"].state == "breached"


def test_a_feature_with_hardly_any_value_is_not_judged() -> None:
    then, now = pa.table({"x": [1.0] * 100}), pa.table({"x": pa.array([None] * 90 + [2.0] * 10, pa.float64())})
    found = states(*feature_readings(then, now, 100))["feature_psi", "x"]
    assert (found.state, found.value) == ("unknown", None)
    assert "10 known values; at least 30" in found.reason


def test_customers_at_several_cutoffs_are_not_several_customers() -> None:
    rng = np.random.default_rng(1)
    then, now = pa.table({"x": rng.normal(size=600)}), pa.table({"x": rng.normal(0.35, size=100)})
    sure = states(*feature_readings(then, now, 600))["feature_psi", "x"]
    less = states(*feature_readings(then, now, 60))["feature_psi", "x"]
    assert sure.value == less.value
    assert sure.evidence["p_value"] < less.evidence["p_value"]


def test_scores_that_jump_breach_both_distances_and_scores_that_stay_none() -> None:
    rng = np.random.default_rng(3)
    before = rng.beta(2, 5, 400)
    still = states(*score_readings(SINCE_BEFORE, "churn", before, rng.beta(2, 5, 400), {}))
    moved = states(*score_readings(SINCE_BEFORE, "churn", before, rng.beta(3, 3, 400), {}))
    assert {one.state for one in still.values()} == {"ok"}
    assert {one.state for one in moved.values()} == {"breached"}
    few = states(*score_readings(SINCE_BEFORE, "churn", before, before[:5], {}))
    assert {one.reason for one in few.values()} == {"5 scores; at least 30 are needed"}


def outcomes(n: int, slope: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(8)
    p = rng.beta(2, 3, n)
    truth = 1 / (1 + np.exp(-slope * np.log(p / (1 - p))))
    return rng.random(n) < truth, p


def test_a_champion_that_got_worse_breaches_and_one_that_did_not_holds() -> None:
    churned, p = outcomes(2000, slope=1.0)
    brier = float(np.mean((churned - p) ** 2))
    good = states(*performance_readings("churn", churned, p, {"brier": brier, "auc": 0.8}, {}))
    assert good["brier_increase", "churn"].state == "ok"
    assert good["brier_increase", "churn"].value == pytest.approx(0, abs=1e-12)
    turned = states(*performance_readings("churn", churned, 1 - p, {"brier": brier, "auc": 0.8}, {}))
    assert turned["brier_increase", "churn"].state == turned["auc_drop", "churn"].state == "breached"
    low, high = turned["brier_increase", "churn"].evidence["interval"]
    assert 0.2 < low < high


def test_an_estimate_whose_interval_reaches_over_the_limit_is_no_breach() -> None:
    churned, p = outcomes(60, slope=1.0)
    brier = float(np.mean((churned - p) ** 2))
    found = states(*performance_readings("churn", churned, p, {"brier": brier / 1.25, "auc": None}, {}))
    assert found["brier_increase", "churn"].state == "ok"
    assert "its interval" in found["brier_increase", "churn"].reason
    assert found["auc_drop", "churn"].reason == "the model card has no AUC"


@pytest.mark.parametrize(("n", "told"), [(10, "the outcome of 10 customers is known"), (40, "no Brier score")])
def test_outcomes_or_a_card_that_do_not_suffice_are_told(n: int, told: str) -> None:
    churned, p = outcomes(n, slope=1.0)
    assert told in states(*performance_readings("churn", churned, p, {}, {}))["brier_increase", "churn"].reason


def test_each_cohort_is_judged_by_itself() -> None:
    churned, p = outcomes(1200, slope=1.0)
    cohort = np.array(["new", "mature", "tiny"], dtype=object)[np.where(np.arange(1200) < 5, 2, np.arange(1200) % 2)]
    noise = np.random.default_rng(0).random(1200)
    rare = churned & (noise < 0.1)
    found = states(*cohort_readings(np.where(cohort == "new", rare, churned), p, cohort, {}, seed=1))
    assert found["cohort_pr_auc", "new"].state == "breached"
    assert found["cohort_pr_auc", "mature"].state == "ok"
    assert found["cohort_pr_auc", "tiny"].state == "unknown"


def test_a_large_cohort_is_judged_by_a_part_of_it() -> None:
    churned, p = outcomes(25_000, slope=1.0)
    cohort = np.full(25_000, "mature", dtype=object)
    found = states(*cohort_readings(churned, p, cohort, {}, seed=1))["cohort_pr_auc", "mature"]
    assert found.evidence["rows"] == 25_000
    assert found.value == pytest.approx(pr_auc(churned, p), abs=0.01)


def test_a_limit_of_the_other_direction_is_breached_from_below() -> None:
    below = Reading("cohort_pr_auc", "new", 0.3, interval=(0.25, 0.35))
    partly = Reading("cohort_pr_auc", "old", 0.39, interval=(0.3, 0.45))
    found = states(below, partly, Reading("cohort_pr_auc", "mid", 0.4))
    assert [one.state for one in found.values()] == ["breached", "ok", "ok"]


def test_a_disabled_threshold_judges_nothing_and_another_limit_counts() -> None:
    reading = Reading("freshness_hours", "events", 30.0)
    off = replace(THRESHOLDS["freshness_hours"], enabled=False)
    later = replace(THRESHOLDS["freshness_hours"], limit=48.0)
    assert states(reading)["freshness_hours", "events"].state == "breached"
    assert states(reading, freshness_hours=off)["freshness_hours", "events"].state == "off"
    assert states(reading, freshness_hours=later)["freshness_hours", "events"].state == "ok"


def test_what_nobody_read_is_unknown() -> None:
    judged = judge([Reading("freshness_hours", "events", 1.0)], THRESHOLDS)
    assert {one.measure.name for one in judged} == set(MEASURES)
    assert [one.measure.name for one in judged if one.state != "unknown"] == ["freshness_hours"]


def test_nothing_ingested_and_no_batch_of_the_day_are_told() -> None:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    (fresh,) = freshness({}, at)
    assert (fresh.value, fresh.reason) == (None, "nothing was ingested: run `axiom ingest`")
    (refused,) = refusals({"events": (0, 0)}, at - timedelta(days=1), at)
    assert "no rows were ingested in the day up to 2026-01-02" in refused.reason
    (share,) = refusals({"events": (5, 50)}, at - timedelta(days=1), at)
    assert (share.subject, share.value) == ("events", 0.1)


def test_the_table_has_every_pillar_and_an_unknown_measure_names_those_that_exist() -> None:
    assert {measure.pillar for measure in MEASURES.values()} == set(PILLARS)
    with pytest.raises(NotFoundError, match="there is no measure 'colour'") as refused:
        measure_of("colour")
    assert "feature_psi" in refused.value.hint


def readings_of(*values: float) -> Sequence[Reading]:
    return [Reading("feature_psi", f"f{i}", 0.5, p_value=value) for i, value in enumerate(values)]


def test_of_many_comparisons_the_p_values_are_corrected_together() -> None:
    alone = states(*readings_of(0.005))
    among = states(*readings_of(0.005, *[0.9] * 30))
    assert alone["feature_psi", "f0"].state == "breached"
    assert among["feature_psi", "f0"].state == "ok"
    assert among["feature_psi", "f0"].evidence["adjusted_p_value"] == pytest.approx(0.155)
