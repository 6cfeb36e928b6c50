"""The guide says what is true."""

from __future__ import annotations

import re
from pathlib import Path

from axiom.features.defaults import default_feature_set
from axiom.features.kinds import KINDS
from axiom.features.labels import LabelSpec, label_names
from axiom.features.plan import compile_plan
from axiom.features.reader import read_feature_set

GUIDE = (Path(__file__).parents[3] / "docs" / "features.md").read_text(encoding="utf-8")
TIME = "timestamp[us, tz=UTC]"
SCHEMA = {
    "transactions": {"customer_id": "string", "txn_ts": TIME, "amount": "double"},
    "events": {"customer_id": "string", "event_ts": TIME, "event_type": "string", "value": "double"},
    "customers": {"customer_id": "string", "valid_from": TIME, "plan": "string"},
}


def test_the_example_of_the_guide_compiles_to_the_columns_it_names() -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    plan = compile_plan(read_feature_set(text, base=default_feature_set(SCHEMA)), SCHEMA)
    names = {column.name for column in plan.columns}
    assert {"evt_video_view_count_7d", "evt_video_view_count_lifecycle", "bad_mood_90d", "basket_days"} <= names


def test_the_guide_describes_every_kind_and_method() -> None:
    (table,) = re.findall(r"### Kinds\n\n(.*?)\n\n", GUIDE, re.DOTALL)
    for kind in KINDS.values():
        assert f"`{kind.name}`" in table
        assert all(
            f"`{method}`" in table or f"`method: {method}`" in table for method in kind.methods if method != "value"
        )


def test_the_guide_names_every_label() -> None:
    for name in label_names(LabelSpec((30,))):
        assert f"`{name.replace('30d', '{h}d')}`" in GUIDE
