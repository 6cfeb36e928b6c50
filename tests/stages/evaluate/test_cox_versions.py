"""A registered Cox model is evaluated and explained like any churn model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from axiom.errors import MisuseError
from axiom.pipelines.customer import customer_row
from axiom.pipelines.evaluate import evaluate
from axiom.pipelines.explain import explain_customer
from axiom.pipelines.explain_global import explain_model
from axiom.pipelines.subjects import churn_model, load_subjects
from axiom.pipelines.survival import train_survival
from axiom.pipelines.train import TrainRequest
from axiom.training.evaluate import EvaluationOptions
from axiom.training.survival_model import SurvivalModel

if TYPE_CHECKING:
    from axiom.pipelines.workspace import Workspace

COX = ("survival", "1")


def test_a_cox_version_is_evaluated_and_explained(own_company: Workspace) -> None:
    train_survival(own_company, TrainRequest(30))
    found = evaluate(own_company, [("churn", "1"), COX], options=EvaluationOptions(draws=200)).evaluation
    assert [version.name for version in found.versions] == ["churn@1", "survival@1", "bg_nbd"]
    explained = explain_customer(own_company, "C0000042", churn=COX).churn
    assert explained is not None
    assert (explained.calibration, explained.scale, explained.p_raw) == ("none", "log-hazard", explained.p_churn)
    (subject,) = load_subjects(own_company, [COX])
    model = churn_model(subject)
    assert isinstance(model, SurvivalModel)
    row = customer_row(own_company, "C0000042", definitions=subject.feature_set).row
    sign = -1 if model.outcome == "return" else 1
    hazard = np.log(model.relative_hazard(row.select(list(model.features))))[0]
    assert sign * sum(term.contribution for term in explained.terms) == pytest.approx(hazard)
    with pytest.raises(MisuseError, match="survival@1 is a Cox model") as refused:
        explain_model(own_company, COX)
    assert "reports/train/survival@1" in refused.value.hint
