"""What an answer looks like to a client, and to the inference log."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from axiom.errors import CorruptError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from axiom.maths.arrays import FloatArray
    from axiom.scoring.compiled_answers import ChurnAnswer, ClvAnswer
    from axiom.serve.predict.lines import Kind, Served

REASONS = 3


def reply_of(
    kind: Kind, served: Served[Any], answer: Any, customer: str | None, as_of: str, *, cached: bool
) -> dict[str, Any]:
    """One prediction, ready for JSON.

    Args:
        kind: `churn` or `clv`.
        served: who answered.
        answer: what the model said; None of a CLV model for a customer who has never bought.
        customer: id; None for posted features or history.
        as_of: cut-off of the features, ISO 8601.
        cached: whether the vector came from the replica's memory.

    Raises:
        CorruptError: the answer cannot be true, for example a probability that is NaN; it never leaves.
    """
    about = {
        "customer_id": customer,
        "horizon_days": served.horizon_days,
        "model": served.version,
        "role": served.role,
        "as_of": as_of,
        "cached": cached,
    }
    return (_churn if kind == "churn" else _clv)(answer, served) | about


def batch_reply(predictions: Sequence[dict[str, Any]], unknown: Sequence[str]) -> dict[str, Any]:
    """Several predictions in the order asked for, and the ids that nobody has."""
    return {"predictions": predictions, "not_found": unknown}


def explanation(served: Served[Any], vector: FloatArray) -> dict[str, Any]:
    """Contributions, reasons and actions; only a note where the model has no exact Shapley values."""
    if not served.explainable:
        return {"reasons": [], "actions": [], "contributions": [], "note": "the model is neither linear nor of trees"}
    why = served.bound.explain(vector, REASONS)
    return {
        "base": why.base,
        "scale": why.scale,
        "contributions": [term._asdict() for term in why.terms],
        "reasons": [
            {
                "feature": reason.feature,
                "value": reason.value,
                "contribution": reason.contribution,
                "driver": reason.driver,
                "action": reason.action,
            }
            for reason in why.reasons
        ],
        "actions": list(dict.fromkeys(reason.action for reason in why.reasons if reason.action)),
    }


def log_row(
    kind: Kind,
    served: Served[Any],
    answer: Any,
    customer: str | None,
    source: str,
    *,
    request_id: str,
    as_of: datetime | None,
    cached: bool,
    latency_ms: float,
    key_id: str,
) -> tuple[Any, ...]:
    """One row of the inference log, in the order of `axiom.scoring.inference.COLUMNS`."""
    if kind == "churn":
        numbers = (answer.p_churn, answer.p_raw, answer.p05, answer.p50, answer.p95)
    elif answer is None:
        numbers = (None, None, None, None, None)
    else:
        numbers = (answer.mean, answer.expected_purchases, answer.p05, answer.p50, answer.p95)
    now = datetime.now(UTC)
    return (
        *(request_id, now, kind, customer, source, served.version, served.role),
        *numbers,
        *(as_of, cached, latency_ms, key_id),
    )


def _churn(answer: ChurnAnswer, served: Served[Any]) -> dict[str, Any]:
    p = answer.p_churn
    if not 0.0 <= p <= 1.0:
        raise _untrue(served, "p_churn", p)
    return {
        "p_churn": p,
        "p_churn_raw": answer.p_raw,
        "interval": None if answer.p05 is None else {"p05": answer.p05, "p50": answer.p50, "p95": answer.p95},
        "threshold": served.threshold,
        "contact": p >= served.threshold,
    }


def _clv(answer: ClvAnswer | None, served: Served[Any]) -> dict[str, Any]:
    if answer is None:
        return {
            "clv": None,
            "interval": None,
            "expected_purchases": None,
            "p_alive": None,
            "note": "has not bought yet, so there is no history to forecast from",
        }
    if not 0.0 <= answer.p_alive <= 1.0:
        raise _untrue(served, "p_alive", answer.p_alive)
    if not 0.0 <= answer.expected_purchases < float("inf"):
        raise _untrue(served, "expected_purchases", answer.expected_purchases)
    return {
        "clv": answer.mean,
        "interval": None if answer.p05 is None else {"p05": answer.p05, "p50": answer.p50, "p95": answer.p95},
        "expected_purchases": answer.expected_purchases,
        "p_alive": answer.p_alive,
    }


def _untrue(served: Served[Any], name: str, value: float) -> CorruptError:
    return CorruptError(
        f"{served.version} says {name} = {value}, which cannot be true",
        hint="roll back to the version before, and look at the customer's features with `axiom explain`",
    )
