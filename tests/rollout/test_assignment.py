from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axiom.errors import MisuseError
from axiom.maths.assignment import position
from axiom.registry.registry import ModelVersion
from axiom.registry.rollout import RollOut

if TYPE_CHECKING:
    from collections.abc import Callable

    from axiom.registry.cards import ModelCard

PLACE = 0.9701848891761444
IDS = [f"customer-{number}" for number in range(20_000)]


@pytest.fixture
def rollout(card: Callable[..., ModelCard]) -> RollOut:
    def version(number: int) -> ModelVersion:
        now = datetime(2026, 1, 1, tzinfo=UTC)
        return ModelVersion("churn", number, "churn", "canary", card(), "p", "s", now)

    return RollOut("churn", version(1), version(2), 0.1, "salt", (), "churn:1")


def canaries(rollout: RollOut) -> set[str]:
    return {customer for customer in IDS if rollout.role_of(customer) == "canary"}


def test_share_zero_is_nobody_and_share_one_everybody(rollout: RollOut) -> None:
    assert canaries(replace(rollout, canary_share=0.0)) == set()
    assert canaries(replace(rollout, canary_share=1.0)) == set(IDS)


def test_the_same_customer_is_always_on_the_same_side(rollout: RollOut) -> None:
    assert canaries(rollout) == canaries(replace(rollout, revision="churn:99"))


def test_a_share_is_met_by_the_number_of_customers(rollout: RollOut) -> None:
    for share in (0.01, 0.1, 0.5):
        expected = share * len(IDS)
        assert abs(len(canaries(replace(rollout, canary_share=share))) - expected) < 4 * (expected * (1 - share)) ** 0.5


def test_a_growing_share_only_adds_customers(rollout: RollOut) -> None:
    sizes = [canaries(replace(rollout, canary_share=share)) for share in (0.05, 0.1, 0.3, 0.9)]
    assert all(small < large for small, large in pairwise(sizes))


def test_a_new_salt_draws_other_customers_independently(rollout: RollOut) -> None:
    both = canaries(rollout) & canaries(replace(rollout, salt="pepper"))
    assert 130 < len(both) < 270  # a tenth of a tenth of 20,000, give or take five standard deviations


@settings(max_examples=200)
@given(st.text(), st.text(max_size=80), st.floats(0, 1), st.floats(0, 1))
def test_every_id_has_one_place_whatever_it_holds(customer: str, salt: str, one: float, other: float) -> None:
    place = position(customer, salt)
    assert 0 <= place < 1
    assert (place < min(one, other)) <= (place < max(one, other))


def test_an_id_that_no_utf8_can_hold_still_has_a_place() -> None:
    assert 0 <= position("\ud800", "salt") < 1


def test_the_place_of_a_customer_never_changes_between_releases() -> None:
    assert position("C0042", "salt") == pytest.approx(PLACE, abs=1e-15)


def test_without_a_canary_the_champion_answers_everybody(rollout: RollOut) -> None:
    assert canaries(replace(rollout, canary=None, canary_share=1.0)) == set()


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan"), float("inf")])
def test_a_share_that_is_none_is_refused(rollout: RollOut, share: float) -> None:
    with pytest.raises(MisuseError, match="is not between 0 and 1"):
        replace(rollout, canary_share=share)
