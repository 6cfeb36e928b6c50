from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from axiom.registry.cards import Environment, FeatureSet, Metric, ModelCard, TrainingWindow
from axiom.registry.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from axiom.db import Database


class MemoryBlobs:
    """Blobs that live in a dictionary."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}

    def read(self, path: str) -> bytes:
        return self.stored[path]

    def write(self, path: str, data: bytes) -> None:
        self.stored[path] = data

    def exists(self, path: str) -> bool:
        return path in self.stored


def complete_card(**changes: Any) -> ModelCard:
    day = [datetime(2026, month, 1, tzinfo=UTC) for month in range(1, 6)]
    fields: dict[str, Any] = {
        "name": "churn",
        "kind": "churn",
        "model_type": "lightgbm",
        "feature_set": FeatureSet("default", "3fa9"),
        "training_window": TrainingWindow(90, (day[1], day[0]), (day[2],), (day[4],)),
        "data_hash": "d1",
        "rows": {"train": 1000, "calibration": 300, "holdout": 300},
        "metrics": {"roc_auc": Metric(0.81, 0.79, 0.83), "lead_time": Metric(None)},
        "calibration": {"method": "isotonic", "slope": 1.02},
        "baselines": {"bgnbd": {"roc_auc": Metric(0.74)}},
        "environment": Environment("3.11.9", {"lightgbm": "4.7.0"}),
        "created_at": datetime(2026, 6, 1, 12, tzinfo=UTC),
        "code_version": "0.1.0",
    }
    return ModelCard(**fields | changes)


@pytest.fixture
def card() -> Callable[..., ModelCard]:
    return complete_card


@pytest.fixture
def blobs() -> MemoryBlobs:
    return MemoryBlobs()


@pytest.fixture
def registry(db: Database, blobs: MemoryBlobs) -> Registry:
    return Registry(db, blobs)
