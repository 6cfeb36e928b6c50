from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from axiom.errors import CorruptError, MisuseError
from axiom.registry.trials import Rule, Trial, parse_rule, rule_from

RULES = [
    Rule("outcome"),
    Rule("outcome", 1000, 0.01, "log_loss", 0.002, when_passed="keep", when_failed="keep", max_days=400),
    Rule("agreement", 50, 0.1, max_difference=0.005, min_rank=-0.25),
]


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_reads_back_as_it_prints(rule: Rule) -> None:
    assert parse_rule(str(rule)) == rule


def test_what_is_left_out_has_its_default() -> None:
    assert parse_rule("outcome; min 500; alpha 0.05") == Rule("outcome", 500, 0.05)
    assert parse_rule(" agreement ;; ") == Rule("agreement")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "'' is no kind of rule"),
        ("gut feeling; min 5", "'gut feeling' is no kind of rule"),
        ("outcome; least 5", "'least 5' says nothing in a rule"),
        ("outcome; min", "'min' says nothing in a rule"),
        ("agreement; metric brier", "'metric brier' says nothing"),
        ("outcome; min 5; min 6", "'min' stands twice"),
        ("outcome; min many", "min_sample of a rule is 'many', which is no whole number"),
        ("outcome; min 1.5", "which is no whole number"),
        ("outcome; min 1", "min_sample of a rule is 1; it must be at least 2"),
        ("outcome; alpha 0", "alpha of a rule is 0.0; it must be between 0 and 0.5"),
        ("outcome; alpha nan", "alpha of a rule is nan"),
        ("outcome; metric auc", "metric of a rule is 'auc'"),
        ("outcome; margin -1", "margin of a rule is -1.0"),
        ("outcome; days 0", "max_days of a rule is 0"),
        ("outcome; pass archive", "when_passed of a rule is 'archive'"),
        ("agreement; difference 2", "max_difference of a rule is 2.0"),
        ("agreement; rank 1", "min_rank of a rule is 1.0"),
    ],
)
def test_a_rule_that_means_nothing_is_refused(text: str, line: str) -> None:
    with pytest.raises(MisuseError, match=line):
        parse_rule(text)


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"min_sample": 5}, "a rule needs a kind"),
        ({"kind": "outcome", "minimum": 5}, "minimum says nothing in a rule"),
        ({"kind": "outcome", "alpha": True}, "alpha of a rule is True"),
        ({"kind": "outcome", "alpha": [0.1]}, r"alpha of a rule is \[0.1\]"),
    ],
)
def test_a_document_that_means_nothing_is_refused(values: dict[str, Any], line: str) -> None:
    with pytest.raises(MisuseError, match=line):
        rule_from(values)


@pytest.mark.parametrize("rule", [None, *RULES])
def test_a_trial_survives_the_database(rule: Rule | None) -> None:
    now = datetime(2026, 1, 1, 12, 0, 0, 5, tzinfo=UTC)
    trial = Trial(now, rule, ((now, 0.1), (now, 0.25)))
    assert Trial.from_dict(json.loads(json.dumps(trial.to_dict()))) == trial


@pytest.mark.parametrize("stored", [{}, {"since": "yesterday", "rule": None, "steps": []}, {"since": None}])
def test_a_damaged_trial_is_named(stored: dict[str, Any]) -> None:
    with pytest.raises(CorruptError, match="a stored trial cannot be read"):
        Trial.from_dict(stored)


def test_the_first_share_that_splits_bounds_what_a_customer_can_weigh() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert Trial(now, None, ((now, 0.0), (now, 0.9), (now, 0.3))).floor == pytest.approx(0.1)
    assert Trial(now, None, ((now, 0.0), (now, 1.0))).floor == 0.0
