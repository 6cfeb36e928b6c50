from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from axiom.errors import UnavailableError
from axiom.pipelines.train import TrainRequest, train_churn
from axiom.registry.mlflow_log import MlflowRecorder

if TYPE_CHECKING:
    from pathlib import Path

    from axiom.pipelines.workspace import Workspace


def test_a_model_that_could_not_be_recorded_is_not_trained(
    trained_company: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    registry = replace(trained_company.registry, recorder=MlflowRecorder("sqlite:///x.db", tmp_path))
    with pytest.raises(UnavailableError, match="MLflow is not installed"):
        train_churn(replace(trained_company, registry=registry), TrainRequest(30))
    assert [version.ref for version in registry.list("churn")] == ["churn@2", "churn@1"]
