"""Definitions: names, versions, and refusals that name the line and the key."""

from __future__ import annotations

import re
from typing import Any

import pytest

from axiom.errors import BadInputError, MisuseError
from axiom.features.defaults import default_feature_set
from axiom.features.definitions import Feature, FeatureSet, Filter
from axiom.features.kinds import KINDS
from axiom.features.plan import compile_plan
from axiom.features.reader import read_feature_set

GOOD = """\
name: retail
lifecycle:
  - {name: new, until: 30, window: 7, horizon: 30}
  - {name: old, window: 90d, horizon: 90}
features:
  - kind: count
    entity: transactions
    windows: [7, 30d, all, lifecycle]
  - kind: mean
    entity: events
    column: value
    where: {event_type: support_ticket, value: {lt: 0}}
    windows: 90
    name: bad_mood
  - {kind: trend, entity: transactions, windows: 7}
  - {kind: activation, entity: events, where: {event_type: [a, b]}, method: share, within: 7}
"""
SCHEMA = {
    "transactions": {"customer_id": "string", "txn_ts": "timestamp[us, tz=UTC]", "amount": "double", "shop": "string"},
    "customers": {"customer_id": "string", "plan": "string", "renewal": "timestamp[us, tz=UTC]"},
}


def test_a_good_document_is_read_with_names_that_say_what_they_are() -> None:
    feature_set = read_feature_set(GOOD)
    assert [output.name for output in feature_set.outputs] == [
        "txn_count_7d",
        "txn_count_30d",
        "txn_count_all",
        "txn_count_lifecycle",
        "bad_mood_90d",
        "txn_count_ratio_7d",
        "evt_a_b_share_first7d",
    ]
    assert feature_set.features[1].where == (
        Filter("event_type", "in", ("support_ticket",)),
        Filter("value", "lt", (0.0,)),
    )
    assert [(cohort.until, cohort.window) for cohort in feature_set.lifecycle] == [(30, 7), (None, 90)]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("windows: 90", "windows: x", r"line 13, features\[1\] \(mean\): windows: 'x' is not a number of days"),
        ("windows: 90", "windows: 0", r"line 9, features\[1\] \(mean\): windows: 0 is not a number of days"),
        ("windows: 90", "windows: [90, 90]", "names a window twice"),
        ("windows: 90", "windows: true", "windows: True is not a number of days"),
        ("kind: mean", "kind: men", r"line 9, features\[1\]: kind: 'men' \(one of count, sum"),
        ("kind: mean\n    entity: events", "entity: events", r"line 9, features\[1\]: kind: missing"),
        ("entity: events", "entity: event", "entity: 'event' has no rows in time"),
        ("column: value", "colum: value", r"line 11: features\[1\] \(mean\).colum is unknown"),
        ("    column: value\n", "", r"\(mean\): column: mean needs it"),
        ("column: value", "column: event_ts", "column: 'event_ts' is not a number"),
        ("lt: 0", "lt: yes", "True is neither a text nor a number"),
        ("lt: 0", "foo: 0", "unknown comparison 'foo'"),
        ("lt: 0", "lt: [0, 1]", "lt compares with one number"),
        ("lt: 0", "in: []", "no value given"),
        ("lt: 0", "in: [1, a]", "mixes texts and numbers"),
        ("where: {event_type: support_ticket, value: {lt: 0}}", "where: x", "is not a mapping"),
        ("name: bad_mood", "name: bad mood", "is not made of a-z, 0-9 and _"),
        ("name: bad_mood", "name: 7", "7 is not a text"),
        ("name: retail", "", "name is missing"),
        ("until: 30", "until: 0", r"until \[0\] must grow"),
        ("until: 30, ", "", "every stage but the last needs `until`"),
        ("name: old, window: 90d, ", "name: new, window: 90d, ", "two stages have the same name"),
        ("window: 90d, ", "", r"line 4: lifecycle\[1\].window is missing"),
        ("window: 90d", "window: 0", "lifecycle.old: window and horizon are days"),
        ("kind: count", "kind: count\n    kind: count", "line 7: kind is given twice"),
        ("features:", "feature:", "line 6: feature is unknown"),
        ("windows: 7}", "windows: 7, method: slope}", "two or more whole weeks"),
        ("windows: 7}", "windows: 7, of: sum}", "a trend of sum needs one"),
        ("windows: 7}", "windows: 7, method: up}", "method: 'up' is unknown for trend"),
        ("windows: 7}", "windows: 7, of: value, column: amount}", "of: value goes with method: slope"),
        ("windows: 7}", "windows: all}", "windows: 'all' is not a number of days"),
        ("within: 7", "lag: 7", "lag is unknown"),
        (", within: 7", "", "activation with method share needs number of days|needs a number"),
        ("{event_type: [a, b]}", "{value: 1}", "needs a list of event types"),
        ("  - {kind: trend", "  - 7\n  - {kind: trend", r"line 15: features\[2\] is not a mapping"),
        ("name: bad_mood", "name: txn_count", "two features make"),
    ],
)
def test_a_bad_document_is_refused_with_its_place(old: str, new: str, message: str) -> None:
    assert old in GOOD
    text = GOOD.replace(old, new)
    if message == "two features make":
        text = text.replace("windows: 90\n", "windows: 30\n")
    with pytest.raises(MisuseError, match=message) as caught:
        read_feature_set(text, source="mine.yaml")
    assert str(caught.value).startswith("mine.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("- a", "line 1: the document is not a mapping"),
        ("a: [", "is not YAML"),
        ("name: x\nfeatures: 7", "line 2: features is not a list"),
        ("name: x\nfeatures: []", "features is not a list of definitions"),
        ("name: x\nextends: default", "needs a lake to derive the defaults from"),
        ("name: x\nextends: other\nfeatures: []", "extends: 'other'"),
        ("name: &a x\nfeatures: *a", "anchors and aliases are not supported"),
        ("name: x\nlifecycle: 7\nfeatures: [{kind: tenure}]", "line 2: lifecycle is not a list"),
    ],
)
def test_a_document_of_another_shape_is_refused(text: str, message: str) -> None:
    with pytest.raises(MisuseError, match=re.escape(message)):
        read_feature_set(text)


def test_extending_the_defaults_puts_them_first() -> None:
    base = default_feature_set(SCHEMA)
    text = "name: x\nextends: default\nfeatures:\n  - {kind: attribute, column: plan}"
    extended = read_feature_set(text, base=base)
    assert extended.features == (*base.features, Feature("attribute", column="plan", method="value"))
    assert extended.lifecycle == base.lifecycle


def test_the_version_follows_the_name_and_every_definition_and_nothing_else() -> None:
    one = read_feature_set(GOOD)
    assert one.version == read_feature_set("# a comment\n" + GOOD).version
    assert re.fullmatch(r"[0-9a-f]{12}", one.version)
    changed = [GOOD.replace("retail", "r2"), GOOD.replace("lt: 0", "lt: 1"), GOOD.replace("until: 30", "until: 31")]
    assert len({one.version, *(read_feature_set(text).version for text in changed)}) == 4


def test_a_feature_set_survives_the_trip_through_plain_values() -> None:
    one = read_feature_set(GOOD)
    again = FeatureSet.from_dict(one.to_dict())
    assert (again, again.version) == (one, one.version)


def test_every_kind_tells_what_it_means() -> None:
    assert all(kind.meaning and kind.keys[0] == "kind" for kind in KINDS.values())


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        ("{kind: count, entity: events, windows: 7}", "needs events, and the lake holds none"),
        ("{kind: sum, entity: transactions, column: price, windows: 7}", "needs transactions.price, which the lake"),
        (
            "{kind: sum, entity: transactions, column: shop, windows: 7}",
            "needs a number, but transactions.shop is a text",
        ),
        ("{kind: breadth, entity: transactions, column: amount, windows: 7}", "needs a text"),
        ("{kind: attribute, column: renewal}", "needs a number or text, but customers.renewal is a time"),
        ("{kind: attribute, column: plan, method: days_until}", "needs a time"),
        ("{kind: count, entity: transactions, windows: 7, where: {shop: 7}}", "compares a text by in with"),
        ("{kind: count, entity: transactions, windows: 7, where: {amount: x}}", "compares a number by in with"),
        ("{kind: count, entity: transactions, windows: 7, where: {shop: {gt: 7}}}", "compares a text by gt with"),
    ],
)
def test_a_feature_that_does_not_fit_the_lake_is_refused(feature: str, message: str) -> None:
    with pytest.raises(BadInputError, match=re.escape(message)):
        compile_plan(read_feature_set(f"name: x\nfeatures:\n  - {feature}"), SCHEMA)


def test_a_plan_reads_only_the_columns_it_needs() -> None:
    plan = compile_plan(read_feature_set("name: x\nfeatures:\n  - {kind: attribute, column: plan}"), SCHEMA)
    assert plan.reads == {"transactions": ("customer_id", "txn_ts", "amount"), "customers": ("customer_id", "plan")}


@pytest.mark.parametrize("missing", [{}, {"customers": {"customer_id": "string"}}])
def test_no_defaults_without_transactions_and_events(missing: Any) -> None:
    with pytest.raises(BadInputError, match="no transactions and no events"):
        default_feature_set(missing)


def test_event_types_with_odd_names_still_make_columns_with_plain_names() -> None:
    types = ["Log-In", "log in", "日本", "404", "cancel subscription"]
    names = [output.name for output in default_feature_set({"events": {"customer_id": "string"}}, types).outputs]
    assert len(set(names)) == len(names)
    assert {"evt_404_count_30d", "evt_log_in_count_30d"} <= set(names)
    assert not any("cancel" in name for name in names)
