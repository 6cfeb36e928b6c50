"""`users` and `lifecycle`: stated sizes and rates, contracts that end, signs that precede the end."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from axiom.errors import MisuseError
from axiom.sources.synthetic import SyntheticCompany, generate


def events_with_fate(company: SyntheticCompany) -> pd.DataFrame:
    events = company.tables["events"].select(["customer_id", "event_ts", "event_type", "value"]).to_pandas()
    truth = company.truth["customers"].to_pandas().set_index("customer_id")
    events["churn_ts"] = events.customer_id.map(truth.churn_ts)
    events["abrupt"] = events.customer_id.map(truth.abrupt)
    return events


@pytest.fixture(scope="module")
def history(users: SyntheticCompany) -> pd.DataFrame:
    return events_with_fate(users)


def test_a_thousand_users_make_one_point_four_million_events(users: SyntheticCompany) -> None:
    assert len(users.tables["customers"]) == 1_000
    assert abs(len(users.tables["events"]) / 1_400_000 - 1) < 4 / np.sqrt(1_400_000)


def test_exactly_one_user_in_ten_cancels_and_each_of_them_once(users: SyntheticCompany, history: pd.DataFrame) -> None:
    truth = users.truth["customers"].to_pandas()
    assert truth.churned.sum() == 100
    cancels = history[history.event_type == "cancel"]
    assert sorted(cancels.customer_id) == sorted(truth.customer_id[truth.churned])
    assert (cancels.event_ts == cancels.churn_ts).all()


@pytest.mark.parametrize("name", ["users", "lifecycle"])
def test_nothing_happens_after_a_cancellation(name: str, request: pytest.FixtureRequest) -> None:
    company = request.getfixturevalue(name)
    events = events_with_fate(company)
    gone = events[events.churn_ts.notna()]
    assert len(gone) > 1_000
    assert (gone.event_ts <= gone.churn_ts).all()
    last = gone.groupby("customer_id").tail(1)
    assert (last.event_type == "cancel").all()
    paid = company.tables["transactions"].to_pandas()
    left = events[events.event_type == "cancel"].set_index("customer_id").event_ts
    paid = paid[paid.customer_id.isin(left.index)]
    assert (paid.txn_ts < left[paid.customer_id].to_numpy()).all()


def test_usage_falls_and_mood_sours_before_a_gradual_leave_and_not_before_an_abrupt_one(history: pd.DataFrame) -> None:
    gone = history[history.churn_ts.notna()]
    lead = (gone.churn_ts - gone.event_ts).dt.total_seconds() / 86_400
    late, early = gone[lead < 14], gone[(lead >= 90) & (lead < 104)]
    assert (~late.abrupt).sum() < 0.6 * (~early.abrupt).sum()
    assert late.abrupt.sum() > 0.6 * early.abrupt.sum()
    mood = history[history.event_type == "support_ticket"]
    near_end = (mood.churn_ts - mood.event_ts).dt.days < 14
    assert mood[near_end & ~mood.abrupt.astype(bool)].value.mean() < mood[mood.churn_ts.isna()].value.mean() - 0.3


def test_weekends_are_quieter_than_weekdays(history: pd.DataFrame) -> None:
    by_day = history[history.event_type == "login"].event_ts.dt.dayofweek.value_counts()
    assert by_day[[5, 6]].max() < 0.75 * by_day[[0, 1, 2, 3]].min()


def test_values_mean_what_their_event_type_says(users: SyntheticCompany, history: pd.DataFrame) -> None:
    value = history.groupby("event_type", observed=True).value
    assert value.count()[["login", "page_view", "signup", "cancel"]].eq(0).all()
    assert value.min()["support_ticket"] >= -1
    assert value.max()["support_ticket"] <= 1
    assert set(history[history.event_type == "escalation"].value) == {1.0, 2.0, 3.0}
    steps = history[history.event_type == "onboarding_step"].groupby("customer_id").value
    assert steps.apply(lambda column: list(column) == list(range(1, len(column) + 1))).all()
    assert steps.max().max() == 5
    paid = history[history.event_type == "payment"]
    assert paid.value.to_list() == users.tables["transactions"]["amount"].to_pylist()


def test_lifecycle_has_fifty_thousand_customers_in_three_cohorts_with_their_rates(lifecycle: SyntheticCompany) -> None:
    truth = lifecycle.truth["customers"].to_pandas()
    assert len(truth) == 50_000
    cohorts = truth.groupby("cohort", observed=True).churned
    assert cohorts.size().to_dict() == {"new": 15_000, "established": 20_000, "mature": 15_000}
    rate = cohorts.mean()
    assert rate["new"] > rate["established"] > rate["mature"]
    # Rounding may cost one customer per block and cohort.
    assert rate.to_dict() == pytest.approx({"new": 0.25, "established": 0.12, "mature": 0.05}, abs=0.001)
    assert abs(len(lifecycle.tables["events"]) / 3_000_000 - 1) < 4 / np.sqrt(3_000_000)


def test_lifecycle_stage_agrees_with_tenure_when_the_window_opens(lifecycle: SyntheticCompany) -> None:
    people = lifecycle.tables["customers"].to_pandas()
    start = pd.Timestamp("2023-01-01", tz="UTC")
    tenure = (start - people.signup_ts).dt.total_seconds() / 86_400
    by_stage = tenure.groupby(people.lifecycle.astype(str))
    assert by_stage.max()["new"] <= 0 < by_stage.min()["established"]
    assert by_stage.max()["established"] <= 365 <= by_stage.min()["mature"]
    assert (people.valid_from >= start).all()


@pytest.mark.parametrize(("rate", "leavers"), [(0.0, 0), (1.0, 50)])
def test_nobody_or_everybody_may_leave(rate: float, leavers: int) -> None:
    company = generate("users", users=50, events_per_user=50, churn_rate=rate)
    assert sum(company.truth["customers"]["churned"].to_pylist()) == leavers
    assert company.tables["events"]["event_type"].to_pylist().count("cancel") == leavers


@pytest.mark.parametrize("days", [28, 365, 3_660])
def test_a_single_user_and_any_length_of_window_work(days: int) -> None:
    company = generate("users", users=1, events_per_user=1_000, days=days, churn_rate=1.0)
    assert 800 < len(company.tables["events"]) < 1_200


def test_too_few_events_for_bills_and_milestones_are_refused() -> None:
    with pytest.raises(MisuseError, match="do not fill 365 days"):
        generate("users", events_per_user=5)


def test_cohort_shares_above_one_are_refused() -> None:
    with pytest.raises(MisuseError, match="exceed 1"):
        generate("lifecycle", share_new=0.7, share_established=0.5)
