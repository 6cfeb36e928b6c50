"""The report: verdict first, every number with its interval, pictures that are pictures."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from axiom.maths.profit import RetentionCosts
from axiom.training.churn import train_churn
from axiom.training.options import ChurnOptions
from axiom.training.plots import plot_report
from axiom.training.report import to_json, to_markdown
from axiom.training.static import train_static

if TYPE_CHECKING:
    from datetime import timedelta

    from axiom.training.churn_report import ChurnResult
    from axiom.training.table import ChurnTable

FAST = ChurnOptions(params={"lightgbm": {"trees": 20}}, draws=100)
COSTS = RetentionCosts(contact_cost=1.0, offer_cost=5.0, save_rate=0.3)


@pytest.fixture(scope="module")
def result(table: ChurnTable, horizon: timedelta) -> ChurnResult:
    return train_churn(table, horizon, FAST)


def test_the_json_is_the_whole_report(result: ChurnResult) -> None:
    body = json.loads(to_json(result.report))
    assert body["champion"] == result.report.champion
    assert body["models"][0]["metrics"]["auc"]["low"] < body["models"][0]["metrics"]["auc"]["high"]
    assert len(body["reliability"]) == 10
    assert body["models"][3]["metrics"]["calibration_slope"] is None


def test_the_markdown_says_the_verdict_the_table_and_the_slices(result: ChurnResult) -> None:
    text = to_markdown(result.report)
    lines = text.splitlines()
    assert lines[2] == f"**{result.report.verdict}**"
    assert any(line.startswith("| **logistic regression** |") for line in lines)
    assert any(line.startswith("| BG/NBD (no training) |") for line in lines)
    assert "| holdout | 2024-07-01 | 300 |" in text
    assert "### Cohorts" in text
    assert "## Warnings" not in text
    assert "None" not in text


def test_warnings_stand_before_the_numbers(result: ChurnResult) -> None:
    text = to_markdown(replace(result.report, warnings=("mind the gap",)))
    assert text.index("- mind the gap") < text.index("## Models on the holdout")


def test_tables_have_as_many_cells_as_columns(result: ChurnResult) -> None:
    blocks = [block.splitlines() for block in to_markdown(result.report).split("\n\n") if block.startswith("|")]
    assert len(blocks) == 6
    for block in blocks:
        assert len({line.count(" | ") for line in block}) == 1


def test_a_static_report_has_no_slices_of_time(table: ChurnTable) -> None:
    import numpy as np

    static = replace(table, as_of=np.full(len(table), "NaT", dtype="datetime64[us]"), x=None)
    text = to_markdown(train_static(static, replace(FAST, models=("logistic",), params={})).report)
    assert "## Rows" in text
    assert "no times" in text


def test_every_picture_is_a_png_and_profit_needs_costs(result: ChurnResult) -> None:
    pictures = plot_report(result, COSTS)
    assert set(pictures) == {"roc", "precision_recall", "reliability", "gains", "lift", "profit"}
    assert all(png.startswith(b"\x89PNG\r\n\x1a\n") and len(png) > 10_000 for png in pictures.values())
    assert "profit" not in plot_report(result)
