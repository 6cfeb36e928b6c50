from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

from axiom.engine import InlineEngine
from axiom.training.clv import Origin, RfmArrays
from axiom.training.clv.distributed import RfmOfFeatures, fit_distributed
from axiom.training.clv.probabilistic import PURCHASE_MODELS, FittedProbabilistic, Probabilistic

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from axiom.engine import Engine

BUCKETS = range(5)
MERGED, ROUNDS = 10_000, 10


@dataclass(frozen=True, eq=False)
class InMemory:
    """Customers dealt out over buckets; the last bucket is empty."""

    rfm: RfmArrays

    def __call__(self, bucket: int) -> RfmArrays:
        return self.rfm[np.arange(len(self.rfm)) % 4 == bucket]


@pytest.fixture(scope="module")
def rfm(origins: list[Origin]) -> RfmArrays:
    """Whole days, so that histories repeat."""
    x, t_x, age, mean = (getattr(origins[1].rfm, name) for name in ("x", "t_x", "T", "mean_spend"))
    t_x, age = np.ceil(t_x), np.ceil(age)
    return RfmArrays(x, np.minimum(t_x, age), age, mean)


def assert_same(one: FittedProbabilistic, other: FittedProbabilistic) -> None:
    assert one.spend is not None
    assert other.spend is not None
    for mine, theirs in ((one.purchases, other.purchases), (one.spend, other.spend)):
        assert list(mine.params_.values()) == pytest.approx(list(theirs.params_.values()), rel=1e-9)
        assert mine.log_likelihood_ == pytest.approx(theirs.log_likelihood_, rel=1e-9)
        np.testing.assert_allclose(mine.covariance_, theirs.covariance_, rtol=1e-6)
        assert (mine.converged_, mine.customers_) == (True, theirs.customers_)
    assert one.correlation == pytest.approx(other.correlation, rel=1e-9)


@pytest.mark.parametrize("most_rows", [MERGED, ROUNDS], ids=["merged", "rounds"])
@pytest.mark.parametrize("name", sorted(PURCHASE_MODELS))
def test_the_fit_over_buckets_is_the_fit_of_one_process(name: str, most_rows: int, rfm: RfmArrays) -> None:
    candidate = Probabilistic(name)
    found = fit_distributed(candidate, InMemory(rfm), BUCKETS, InlineEngine(), most_rows=most_rows)
    assert_same(found, candidate.fit_rfm(rfm))


@pytest.mark.ray
def test_ray_finds_the_same(rfm: RfmArrays, ray_engine: Engine) -> None:
    candidate = Probabilistic("bg_nbd")
    merged = fit_distributed(candidate, InMemory(rfm), BUCKETS, ray_engine)
    assert_same(merged, candidate.fit_rfm(rfm))


@pytest.mark.ray
def test_ray_sums_over_rounds(rfm: RfmArrays, ray_engine: Engine) -> None:
    candidate = Probabilistic("mbg_nbd")
    start = candidate.fit_rfm(rfm)
    rounds = fit_distributed(candidate, InMemory(rfm), BUCKETS, ray_engine, most_rows=ROUNDS, start=start)
    assert_same(rounds, start)


def test_a_warm_start_ends_where_a_cold_one_does_in_fewer_steps(rfm: RfmArrays) -> None:
    candidate = Probabilistic("bg_nbd")
    cold = fit_distributed(candidate, InMemory(rfm), BUCKETS, InlineEngine())
    warm = fit_distributed(candidate, InMemory(rfm), BUCKETS, InlineEngine(), start=cold)
    assert_same(warm, cold)
    assert warm.purchases.n_iter_ < cold.purchases.n_iter_


def test_without_amounts_only_purchases_are_fitted(rfm: RfmArrays) -> None:
    poor = RfmArrays(rfm.x, rfm.t_x, rfm.T, np.full(len(rfm), np.nan))
    found = fit_distributed(Probabilistic("bg_nbd"), InMemory(poor), BUCKETS, InlineEngine())
    assert (found.spend, found.warnings) == (None, ())


def test_unknown_spend_is_told_as_in_one_process(rfm: RfmArrays) -> None:
    buyers = np.flatnonzero(rfm.x > 0)
    mean = rfm.mean_spend.copy()
    mean[buyers[:7]] = np.nan
    some, candidate = RfmArrays(rfm.x, rfm.t_x, rfm.T, mean), Probabilistic("bg_nbd")
    found = fit_distributed(candidate, InMemory(some), BUCKETS, InlineEngine())
    assert found.warnings == candidate.fit_rfm(some).warnings
    assert "7 repeat buyers" in found.warnings[0]


def test_one_buyer_of_known_spend_is_too_few_for_money(rfm: RfmArrays) -> None:
    mean = np.full(len(rfm), np.nan)
    mean[np.flatnonzero(rfm.x > 0)[0]] = 9.0
    some, candidate = RfmArrays(rfm.x, rfm.t_x, rfm.T, mean), Probabilistic("bg_nbd")
    found = fit_distributed(candidate, InMemory(some), BUCKETS, InlineEngine())
    assert found.spend is None
    assert found.warnings == candidate.fit_rfm(some).warnings != ()


def test_nobody_at_all_is_refused(rfm: RfmArrays) -> None:
    with pytest.raises(ValueError, match="every bucket is empty"):
        fit_distributed(Probabilistic("bg_nbd"), InMemory(rfm[:0]), BUCKETS, InlineEngine())


def test_nobody_repeating_is_refused(rfm: RfmArrays) -> None:
    with pytest.raises(ValueError, match="nobody repeats"):
        fit_distributed(Probabilistic("bg_nbd"), InMemory(rfm[rfm.x == 0]), BUCKETS, InlineEngine())


def test_an_impossible_history_is_refused(rfm: RfmArrays) -> None:
    wrong = RfmArrays(rfm.x, rfm.T + 1, rfm.T, rfm.mean_spend)
    with pytest.raises(ValueError, match="t_x"):
        fit_distributed(Probabilistic("bg_nbd"), InMemory(wrong), BUCKETS, InlineEngine())


def test_the_rfm_columns_of_a_features_dataset_are_read_at_one_cut_off(
    rfm: RfmArrays, origins: list[Origin], features_of: Callable[..., RfmOfFeatures], tmp_path: Path
) -> None:
    tables = {bucket: _features(InMemory(rfm)(bucket), origins[1], bucket) for bucket in (0, 1, 2, 3)}
    read = features_of(tmp_path, tables, origins[1].as_of)
    assert sum(len(read(bucket)) for bucket in BUCKETS) == len(rfm)
    candidate = Probabilistic("bg_nbd")
    assert_same(fit_distributed(candidate, read, BUCKETS, InlineEngine()), candidate.fit_rfm(rfm))


def _features(rfm: RfmArrays, origin: Origin, bucket: int) -> pa.Table:
    """The customers at the cut-off, one who has not bought, and everybody at another cut-off with other numbers."""
    x = np.append(rfm.x, np.nan)
    now = pa.table(
        {
            "as_of": pa.array([origin.as_of] * len(x), pa.timestamp("us", "UTC")),
            "customer_id": [f"{bucket}-{row}" for row in range(len(x))],
            "x": pa.array(x, from_pandas=True),
            **{name: np.append(getattr(rfm, name), np.nan) for name in ("t_x", "T", "mean_spend")},
        }
    )
    earlier = pa.array([origin.as_of - timedelta(days=30)] * len(x), pa.timestamp("us", "UTC"))
    return pa.concat_tables([now, now.set_column(0, "as_of", earlier)])
