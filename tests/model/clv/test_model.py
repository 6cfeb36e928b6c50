from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from axiom.errors import CorruptError
from axiom.maths.forecast import LevelMap
from axiom.training.clv import Origin, RfmArrays
from axiom.training.clv.model import ClvModel
from axiom.training.clv.probabilistic import PURCHASE_MODELS, Probabilistic

if TYPE_CHECKING:
    from collections.abc import Callable

LEVELS = LevelMap((0.0, 0.5, 1.0), (0.0, 0.45, 1.0))


@pytest.fixture(scope="module", params=sorted(PURCHASE_MODELS))
def model(request: pytest.FixtureRequest, origins: list[Origin]) -> ClvModel:
    fitted = Probabilistic(request.param).fit_rfm(origins[1].rfm)
    return ClvModel(request.param, fitted, 60, LEVELS, LEVELS)


def test_files_and_back_predict_the_same(model: ClvModel, origins: list[Origin]) -> None:
    again, rfm = ClvModel.from_files(model.to_files()), origins[1].rfm[np.arange(200)]
    for name, column in vars(model.predict(rfm)).items():
        np.testing.assert_array_equal(column, getattr(again.predict(rfm), name), err_msg=name)
    assert (again.purchase_levels, again.spend_levels, again.horizon_days) == (LEVELS, LEVELS, 60)
    assert again.fitted.summary == model.fitted.summary


def test_files_hold_json_only(model: ClvModel) -> None:
    assert {name for name, data in model.to_files().items() if json.loads(data)} == {
        "clv.json",
        "fit.json",
        "purchases.json",
        "spend.json",
    }


@pytest.mark.parametrize(
    "spoil",
    [
        lambda files: files.pop("purchases.json"),
        lambda files: files.update({"clv.json": b"{"}),
        lambda files: files.update({"clv.json": files["clv.json"].replace(b'"format": 1', b'"format": 2')}),
        lambda files: files.update({"clv.json": b'{"format": 1, "family": "unheard_of"}'}),
        lambda files: files.update({"purchases.json": files["spend.json"]}),
    ],
)
def test_files_that_cannot_be_read_are_corrupt(model: ClvModel, spoil: Callable[[dict[str, bytes]], object]) -> None:
    files = model.to_files()
    spoil(files)
    with pytest.raises(CorruptError, match="CLV model"):
        ClvModel.from_files(files)


def test_a_longer_horizon_means_more_of_everything(model: ClvModel, origins: list[Origin]) -> None:
    rfm = origins[1].rfm[np.arange(300)]
    short, long = model.predict(rfm), model.predict(rfm, horizon_days=180)
    assert (long.expected_purchases > short.expected_purchases).all()
    assert (long.clv_mean > short.clv_mean).all()
    assert (long.p_no_purchase < short.p_no_purchase).all()
    np.testing.assert_array_equal(long.p_alive, short.p_alive)


def test_predictions_are_in_their_range(model: ClvModel, origins: list[Origin]) -> None:
    p = model.predict(origins[1].rfm)
    for share in (p.p_alive, p.p_no_purchase):
        assert ((share >= 0) & (share <= 1)).all()
    assert (np.diff(p.clv_quantiles, axis=0) >= 0).all()
    assert (p.clv_quantiles >= 0).all()


def test_the_order_of_customers_does_not_matter(model: ClvModel, origins: list[Origin]) -> None:
    rfm = origins[1].rfm[np.arange(200)]
    order = np.random.default_rng(1).permutation(200)
    np.testing.assert_allclose(
        model.predict(rfm[order]).clv_quantiles, model.predict(rfm).clv_quantiles[:, order], rtol=1e-9
    )


def test_identical_histories_cost_once_and_count_for_all(model: ClvModel, origins: list[Origin]) -> None:
    rfm = origins[1].rfm[np.arange(20)]
    many = model.predict(rfm[np.tile(np.arange(20), 50)])
    np.testing.assert_array_equal(
        many.expected_purchases.reshape(50, 20), np.tile(model.predict(rfm).expected_purchases, (50, 1))
    )


def test_purchase_quantiles_are_whole_and_ask_for_their_own_levels(model: ClvModel, origins: list[Origin]) -> None:
    rfm = origins[1].rfm
    found = model.purchase_quantiles(rfm, levels=(0.5, 0.95))
    assert found.shape == (2, len(rfm))
    np.testing.assert_array_equal(found, np.round(found))
    plain = model.fitted.forecast(rfm, None, 60).purchase_quantiles(LEVELS.level((0.5, 0.95)).tolist())
    np.testing.assert_array_equal(found, plain)


def test_a_repeat_buyer_of_unknown_spend_is_expected_to_spend_like_the_population(model: ClvModel) -> None:
    rfm = RfmArrays(*(np.array([value]) for value in (3.0, 40.0, 60.0, np.nan)))
    prediction = model.predict(rfm)
    mean = prediction.clv_mean[0] / prediction.expected_purchases[0]
    assert mean == pytest.approx(model.fitted.spend.population_mean_)  # type: ignore[attr-defined]
