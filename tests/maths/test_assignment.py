from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axiom.maths.assignment import position, side_of

if TYPE_CHECKING:
    from collections.abc import Sequence

IDS = [f"customer-{number}" for number in range(20_000)]


def test_a_customer_always_falls_on_the_same_side() -> None:
    # Golden: whoever changes the hash moves every customer of every running experiment.
    for weights in ([1, 1, 2], [0.25, 0.25, 0.5]):
        assert [side_of(f"C{number}", "salt", weights) for number in range(12)] == [0, 2, 0, 0, 0, 0, 2, 0, 2, 0, 2, 1]


@pytest.mark.parametrize("weights", [[1, 1], [1, 2, 7], [0.1, 0.9], [1e-3, 1], [5], [1e9, 1e9, 1e9]])
def test_a_side_gets_its_share_of_the_customers(weights: Sequence[float]) -> None:
    found = Counter(side_of(customer, "s", weights) for customer in IDS)
    for side, weight in enumerate(weights):
        share = weight / sum(weights)
        spread = (len(IDS) * share * (1 - share)) ** 0.5
        assert abs(found[side] - len(IDS) * share) <= 4.5 * spread + 1e-9


def test_another_salt_draws_independently() -> None:
    both = sum(side_of(customer, "a", [1, 1]) == side_of(customer, "b", [1, 1]) == 1 for customer in IDS)
    assert abs(both - 5000) < 4.5 * (20_000 * 0.25 * 0.75) ** 0.5


def test_two_sides_are_the_canary_of_a_roll_out() -> None:
    for customer in IDS[:1000]:
        assert (side_of(customer, "s", [0.3, 0.7]) == 0) == (position(customer, "s") < 0.3)


@given(st.text(), st.text(), st.lists(st.floats(1e-9, 1e9), min_size=1, max_size=20))
def test_there_is_a_side_for_every_id_and_weight(customer: str, salt: str, weights: list[float]) -> None:
    assert 0 <= side_of(customer, salt, weights) < len(weights)


@pytest.mark.parametrize("weights", [[], [0, 1], [-1, 2], [float("nan"), 1], [float("inf"), 1]])
def test_weights_that_are_not_positive_are_refused(weights: Sequence[float]) -> None:
    with pytest.raises(ValueError, match="weights have to be positive"):
        side_of("C1", "s", weights)
