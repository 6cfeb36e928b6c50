"""The fields of the registry's model card that CLV training knows, as JSON-ready values."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.training.card import environment, metric_fields

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from axiom.maths.arrays import FloatArray
    from axiom.training.clv.model import ClvModel
    from axiom.training.clv.result import ClvBacktest, Score
    from axiom.training.clv.rows import Origin, Snapshot

_UNJUDGED = ("log_score", "mae_purchases", "rmse_purchases", "bias_purchases")


def card_fields(
    model: ClvModel,
    current: Snapshot,
    past: Sequence[Origin],
    backtest: ClvBacktest | None,
    level: float,
    warnings: Sequence[str],
) -> dict[str, Any]:
    """Windows, data hash, rows, metrics with intervals, calibration, baselines, environment.

    `train_as_ofs` is the cut-off the final model was fitted at; `holdout_as_ofs` are the origins of the backtest, at
    each of which it was fitted anew on what was known then. Without a backtest the metrics are there and undefined.
    """
    return {
        "kind": "clv",
        "model_type": model.family,
        "training_window": {
            "horizon_days": model.horizon_days,
            "train_as_ofs": [current.as_of.isoformat()],
            "calibration_as_ofs": [backtest.as_ofs[-1]] if backtest else [],
            "holdout_as_ofs": list(backtest.compared) if backtest else [],
        },
        "data_hash": data_hash(current, past, model.features),
        "rows": {
            "fit": len(current),
            **({f"origin {a[:10]}": n for a, n in backtest.rows.items()} if backtest else {}),
        },
        "metrics": _metrics(backtest.contender(model.family).scores if backtest else {}, level),
        "calibration": _calibration(model, backtest),
        "baselines": _baselines(model.family, backtest, level),
        "environment": environment(),
        "notes": "\n".join(warnings),
    }


def data_hash(current: Snapshot, past: Sequence[Origin], features: Sequence[str] = ()) -> str:
    """SHA-256 over customers, summaries, outcomes and the named features: the same data give the same text anywhere."""
    digest = hashlib.sha256()
    for part in (*(origin.snapshot for origin in past), current):
        digest.update(part.as_of.isoformat().encode())
        digest.update("\x00".join(map(str, part.customer_id)).encode())
        for column in (part.rfm.x, part.rfm.t_x, part.rfm.T, part.rfm.mean_spend):
            digest.update(_bytes(column))
        if part.features is not None:
            for name in features:
                digest.update("\x00".join([name, *map(str, part.features[name].to_pylist())]).encode())
    for origin in past:
        digest.update(_bytes(origin.purchases))
        digest.update(b"" if origin.spend is None else _bytes(origin.spend))
    return digest.hexdigest()


def _bytes(column: FloatArray) -> bytes:
    # One NaN for all NaNs: their payload is no part of the data.
    return np.where(np.isnan(column), np.nan, column).astype("<f8").tobytes()


def _metrics(scores: Mapping[str, Score], level: float) -> dict[str, dict[str, float | None]]:
    if not scores:
        return metric_fields(dict.fromkeys(_UNJUDGED), level)
    return metric_fields({name: score.value for name, score in scores.items()}, level)


def _baselines(family: str, backtest: ClvBacktest | None, level: float) -> dict[str, Any]:
    if backtest is None:
        return {"naive": metric_fields(dict.fromkeys(_UNJUDGED[1:]), level)}
    others = {line.name: line.scores for line in backtest.contenders if line.name != family and line.scores}
    return {name: _metrics(found, level) for name, found in {**others, "naive": backtest.naive}.items()}


def _calibration(model: ClvModel, backtest: ClvBacktest | None) -> dict[str, Any]:
    if backtest is None:
        return {"method": "none", "why": "no labelled origin"}
    nominal = (0.025, 0.05, 0.1, 0.5, 0.9, 0.95, 0.975)
    return {
        "method": "quantile levels of the previous origin",
        "origin": backtest.as_ofs[-1],
        "nominal": list(nominal),
        "purchases": model.purchase_levels.level(nominal).tolist(),
        "spend": model.spend_levels.level(nominal).tolist() if model.fitted.has_spend else [],
    }
