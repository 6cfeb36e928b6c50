from __future__ import annotations

import numpy as np
import pytest

from axiom.features.measures import _weekly_slope


@pytest.mark.parametrize("others", [11, 13, 22, 25, 49, 333])
def test_the_slope_of_a_customer_has_the_same_bits_whoever_else_is_in_the_bucket(others: int) -> None:
    weeks = [np.floor(np.random.default_rng(week).gamma(1.0, 2.0, (7, 400))) for week in range(4)]
    alone = _weekly_slope([week[:, :others] for week in weeks])
    assert alone.tobytes() == np.ascontiguousarray(_weekly_slope(weeks)[:, :others]).tobytes()
