from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from axiom.errors import CorruptError, QualityError
from axiom.registry.cards import Environment, FeatureSet, Metric, ModelCard, TrainingWindow

if TYPE_CHECKING:
    from collections.abc import Callable

DAY = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_card_survives_json(card: Callable[..., ModelCard]) -> None:
    made = card(notes="Zweite Prüfung")
    again = ModelCard.from_json(made.to_json())
    assert again == made
    assert again.to_json() == made.to_json()


def test_a_card_is_frozen(card: Callable[..., ModelCard]) -> None:
    with pytest.raises(FrozenInstanceError):
        card().name = "other"  # type: ignore[misc]


def test_cutoffs_are_all_moments_in_order(card: Callable[..., ModelCard]) -> None:
    assert [moment.month for moment in card().training_window.cutoffs] == [1, 2, 3, 5]


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"data_hash": ""}, ["data_hash"]),
        ({"metrics": {}, "rows": {}}, ["metrics", "rows"]),
        ({"metrics": None}, ["metrics"]),
        ({"metrics": {"roc_auc": Metric(0.8)}}, ["metrics.roc_auc.interval"]),
        ({"baselines": {}}, ["baselines"]),
        ({"calibration": {}}, ["calibration"]),
        ({"feature_set": FeatureSet("default", "")}, ["feature_set.version"]),
        ({"training_window": TrainingWindow(90, ())}, ["training_window.train_as_ofs"]),
        ({"environment": Environment("", {})}, ["environment.packages", "environment.python"]),
        ({"created_at": None, "code_version": None}, ["code_version", "created_at"]),
    ],
)
def test_an_incomplete_card_is_refused_and_says_all_it_lacks(
    card: Callable[..., ModelCard], changes: dict[str, Any], missing: list[str]
) -> None:
    with pytest.raises(QualityError) as refused:
        card(**changes)
    assert refused.value.message == f"model card 'churn' lacks {', '.join(missing)}"


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"metrics": {"roc_auc": Metric(float("nan"), 0.1, 0.2)}}, "metrics.roc_auc.value"),
        ({"metrics": {"roc_auc": Metric(0.8, 0.9, 0.7)}}, "metrics.roc_auc"),
        ({"calibration": {"slopes": [1.0, float("inf")]}}, "calibration.slopes"),
        ({"created_at": datetime(2026, 1, 1)}, "created_at"),  # noqa: DTZ001
    ],
)
def test_a_card_with_impossible_values_is_refused(
    card: Callable[..., ModelCard], changes: dict[str, Any], where: str
) -> None:
    with pytest.raises(QualityError) as refused:
        card(**changes)
    assert refused.value.message == f"model card 'churn' has impossible values in {where}"


def test_a_horizon_must_be_positive() -> None:
    with pytest.raises(QualityError, match="horizon_days of a training window is 0"):
        TrainingWindow(0, (DAY,))


def test_a_value_that_json_does_not_know_is_refused(card: Callable[..., ModelCard]) -> None:
    with pytest.raises(QualityError, match="cannot be written as JSON"):
        card(calibration={"curve": np.arange(3)}).to_json()


def test_numpy_numbers_are_written_as_numbers(card: Callable[..., ModelCard]) -> None:
    made = card(metrics={"roc_auc": Metric(np.float64(0.5), np.float64(0.25), np.float64(0.75))})
    assert ModelCard.from_json(made.to_json()).metrics["roc_auc"] == Metric(0.5, 0.25, 0.75)


def test_every_field_left_out_of_the_json_is_listed(card: Callable[..., ModelCard]) -> None:
    raw = json.loads(card().to_json())
    del raw["metrics"], raw["feature_set"]["version"], raw["training_window"]["horizon_days"]
    with pytest.raises(QualityError) as refused:
        ModelCard.from_json(json.dumps(raw))
    for field in ("metrics", "feature_set.version", "training_window.horizon_days"):
        assert f"{field}: Field required" in refused.value.message


def test_required_fields_are_required_one_by_one(card: Callable[..., ModelCard]) -> None:
    raw = json.loads(card().to_json())
    for field in set(asdict(card())) - {"notes"}:
        with pytest.raises(QualityError, match=f"{field}: Field required"):
            ModelCard.from_json(json.dumps({name: value for name, value in raw.items() if name != field}))


@pytest.mark.parametrize(
    ("field", "value"), [("kind", "tarot"), ("rows", {"train": "many"}), ("mood", "good"), ("created_at", "yesterday")]
)
def test_unknown_or_mistyped_fields_are_refused(card: Callable[..., ModelCard], field: str, value: object) -> None:
    raw = json.loads(card().to_json()) | {field: value}
    with pytest.raises(QualityError, match=field):
        ModelCard.from_json(json.dumps(raw))


def test_text_that_is_no_json_is_corrupt() -> None:
    with pytest.raises(CorruptError, match="is not JSON"):
        ModelCard.from_json("{")
