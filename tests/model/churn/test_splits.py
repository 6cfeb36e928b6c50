"""What a model may learn from, and when."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axiom.errors import BadInputError, MisuseError
from axiom.training.splits import Fold, plan_cutoffs, temporal_split, utc

START = datetime(2023, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
NINETY = timedelta(days=90)


def every_30_days(count: int) -> list[datetime]:
    return [START + 30 * k * DAY for k in range(count)]


@settings(max_examples=150, deadline=None)
@given(
    days=st.lists(st.integers(0, 900), min_size=1, max_size=25),
    horizon=st.integers(1, 200),
    scheme=st.sampled_from(["expanding", "sliding"]),
    window=st.integers(1, 4),
    calibrate=st.booleans(),
)
def test_no_label_reaches_into_a_slice_that_comes_later(
    days: list[int], horizon: int, scheme: str, window: int, calibrate: bool
) -> None:
    cutoffs = [START + d * DAY for d in days]
    length = horizon * DAY
    try:
        split = temporal_split(cutoffs, length, scheme=scheme, window=window, calibrate=calibrate)
    except BadInputError:
        assert max(cutoffs) - min(cutoffs) < length
        return
    assert split.holdout == max(cutoffs)
    later = split.calibration or split.holdout
    assert all(cutoff + length <= later for cutoff in split.training)
    if split.calibration:
        assert split.calibration + length <= split.holdout
    for fold in split.folds:
        assert all(cutoff + length <= fold.validate for cutoff in fold.train)
        assert fold.validate in split.training
    used = {*split.training, *([split.calibration] if split.calibration else []), split.holdout}
    assert used.isdisjoint(split.unused)
    assert used | set(split.unused) == set(cutoffs)


def test_three_slices_are_a_horizon_apart() -> None:
    split = temporal_split(every_30_days(13), NINETY)
    assert split.holdout == START + 360 * DAY
    assert split.calibration == START + 270 * DAY
    assert split.training[-1] == START + 180 * DAY
    assert [fold.name for fold in split.folds] == ["2023-04-01", "2023-05-01", "2023-05-31", "2023-06-30"]
    assert split.warnings == ()


def test_a_sliding_fold_learns_from_the_last_cutoffs_only() -> None:
    split = temporal_split(every_30_days(13), NINETY, scheme="sliding", window=2)
    assert [len(fold.train) for fold in split.folds] == [1, 2, 2, 2]


def test_only_the_latest_folds_are_kept() -> None:
    split = temporal_split(every_30_days(13), NINETY, max_folds=2)
    assert [fold.name for fold in split.folds] == ["2023-05-31", "2023-06-30"]


def test_without_room_for_calibration_it_says_so_and_goes_on() -> None:
    split = temporal_split(every_30_days(4), NINETY)
    assert split.calibration is None
    assert split.training == (START,)
    assert "no room for a calibration slice" in split.warnings[0]
    assert "simplest" in split.warnings[1]
    assert split.comparisons == ()


def test_without_room_for_folds_models_are_compared_on_the_calibration_slice() -> None:
    split = temporal_split(every_30_days(8), NINETY)
    assert split.folds == ()
    assert split.calibration is not None
    assert split.comparisons == (Fold(split.training, split.calibration),)
    assert "calibration slice" in split.warnings[0]


def test_too_few_cutoffs_are_refused_with_the_arithmetic_and_the_way_out() -> None:
    with pytest.raises(BadInputError) as error:
        temporal_split(every_30_days(3), NINETY)
    assert "2023-03-02 - 90 days = 2022-12-02" in error.value.message
    assert "--back 6" in error.value.hint
    assert "at most 60 days" in error.value.hint


def test_cutoffs_without_a_complete_label_are_not_used() -> None:
    split = temporal_split(every_30_days(13), NINETY, data_end=START + 430 * DAY)
    assert split.holdout == START + 330 * DAY


def test_a_horizon_longer_than_the_data_is_refused() -> None:
    with pytest.raises(BadInputError, match=r"2023-01-01 \+ 90 days = 2023-04-01, is later than the end of the data"):
        temporal_split([START], NINETY, data_end=START + 40 * DAY)


@pytest.mark.parametrize("scheme", ["random", "shuffle", "kfold"])
def test_a_random_split_is_refused_with_the_reason(scheme: str) -> None:
    with pytest.raises(MisuseError, match="same customer stands on both sides"):
        temporal_split(every_30_days(13), NINETY, scheme=scheme)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"scheme": "weekly"}, "unknown scheme 'weekly'"),
        ({"scheme": "sliding"}, "needs a window"),
        ({"horizon": timedelta(0)}, "horizon must be positive"),
    ],
)
def test_a_wrong_call_is_refused(arguments: dict[str, object], told: str) -> None:
    with pytest.raises(MisuseError, match=told):
        temporal_split(every_30_days(13), **{"horizon": NINETY, **arguments})  # type: ignore[arg-type]


def test_no_cutoffs_at_all_are_refused() -> None:
    with pytest.raises(BadInputError, match="no cut-offs"):
        temporal_split([], NINETY)


@settings(max_examples=60, deadline=None)
@given(span=st.integers(30, 900), horizon=st.integers(5, 120), every=st.integers(5, 60))
def test_proposed_cutoffs_can_be_split(span: int, horizon: int, every: int) -> None:
    end = START + span * DAY
    try:
        plan = plan_cutoffs(START, end, horizon * DAY, every=every * DAY)
    except BadInputError:
        return
    split = temporal_split(plan.cutoffs, horizon * DAY, data_end=end)
    assert bool(split.calibration and split.folds) == (not plan.warnings)
    assert plan.cutoffs[0] >= START + 30 * DAY


def test_a_plan_with_enough_room_has_folds_calibration_and_holdout() -> None:
    plan = plan_cutoffs("2010-12-01", "2012-12-09", NINETY)
    assert len(plan.cutoffs) == 10
    assert plan.warnings == ()
    assert temporal_split(plan.cutoffs, NINETY).folds


def test_an_explicit_number_of_cutoffs_is_kept_and_its_price_is_told() -> None:
    plan = plan_cutoffs("2010-12-01", "2012-12-09", NINETY, back=5)
    assert len(plan.cutoffs) == 6
    assert "no room for a calibration slice: it needs 6 (--back 6)" in plan.warnings[0]


def test_data_too_short_for_a_plan_are_refused_with_the_arithmetic() -> None:
    with pytest.raises(BadInputError, match="need 210 days"):
        plan_cutoffs("2011-06-01", "2011-12-09", NINETY)


def test_a_plan_that_goes_nowhere_is_refused() -> None:
    with pytest.raises(MisuseError):
        plan_cutoffs("2010-12-01", "2012-12-09", NINETY, every=timedelta(0))


@pytest.mark.parametrize(
    "value",
    ["2011-09-10", "2011-09-10T00:00", date(2011, 9, 10), datetime(2011, 9, 10), np.datetime64("2011-09-10")],  # noqa: DTZ001
)
def test_a_time_can_be_given_in_any_usual_form(value: object) -> None:
    assert utc(value) == datetime(2011, 9, 10, tzinfo=UTC)  # type: ignore[arg-type]


def test_a_text_that_is_no_time_is_refused() -> None:
    with pytest.raises(MisuseError, match="'soon' is not a time"):
        utc("soon")
