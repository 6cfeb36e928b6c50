"""Reasons of one vector are those that the explanation of a table gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from axiom.errors import MisuseError
from axiom.scoring.compiled_explain import explainable
from axiom.training.actions import ActionMap, Driver, load_actions
from axiom.training.explain import contributions, reasons
from axiom.training.explain_cox import cox_contributions

SAME = 1e-10


def check(bench: Any, expected: Any) -> None:
    actions = load_actions()
    told = reasons(expected, bench.X, actions, most=2)
    for place, vector in enumerate(bench.vectors[:20]):
        found = bench.bound.explain(vector, most=2)
        assert (found.scale, found.base) == (expected.scale, pytest.approx(expected.base, abs=SAME))
        by_name = {term.feature: term for term in found.terms}
        values = dict(zip(expected.features, expected.values[place], strict=True))
        assert {name: term.contribution for name, term in by_name.items()} == pytest.approx(
            {name: values[name] for name in by_name}, abs=SAME
        )
        assert all(abs(values[name]) < SAME for name in values.keys() - by_name.keys())
        assert {name: bench.X[name][place].as_py() for name in by_name} == {n: t.value for n, t in by_name.items()}
        sizes = [abs(term.contribution) for term in found.terms]
        assert sizes == sorted(sizes, reverse=True)
        for one, other in zip(found.reasons, told[place], strict=True):
            assert (one.feature, one.value, one.driver, one.action) == (
                *(other.feature, other.value),
                *(other.driver, other.action),
            )


def test_contributions_and_reasons_are_those_of_the_table(bench: Any) -> None:
    if explainable(bench.model):
        check(bench, contributions(bench.model.model, bench.X))
    else:
        with pytest.raises(MisuseError, match="no exact Shapley values"):
            bench.bound.explain(bench.vectors[0])


def test_cox_contributions_and_reasons_are_those_of_the_table(cox_bench: Any) -> None:
    check(cox_bench, cox_contributions(cox_bench.model, cox_bench.X))


def test_the_action_map_given_at_the_binding_names_drivers(linear: Any) -> None:
    from axiom.scoring.compiled import CompiledChurn
    from axiom.scoring.online.vectors import VectorLayout
    from axiom.training.catalogue.layout import Layout

    layout = VectorLayout(Layout(linear.model.features, dict(linear.model.model.encoder.layout.levels)), "abc123")
    own = ActionMap((Driver("all of it", ("*",), "call them"),))
    bound = CompiledChurn("churn@1", linear.model).bind(layout, own)
    found = [bound.explain(row) for row in layout.layout.matrix(linear.X)]
    assert {reason.driver for one in found for reason in one.reasons} == {"all of it"}
    assert max(len(one.reasons) for one in found) == 3
    assert all(reason.contribution > 0 for one in found for reason in one.reasons)


def test_a_missing_value_is_none_and_a_category_its_name(linear: Any) -> None:
    missing = next(i for i, value in enumerate(linear.X["nps"].to_pylist()) if value is None)
    terms = {term.feature: term.value for term in linear.bound.explain(linear.vectors[missing]).terms}
    assert terms["nps"] is None
    assert terms["region"] in {"north", "south", "west", "east", None}
    assert np.isnan(linear.vectors[missing]).any()
