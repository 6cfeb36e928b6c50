"""What compiled models answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from axiom.training.explain import Reason


class ChurnAnswer(NamedTuple):
    """What a churn model says of one customer.

    Attributes:
        p_raw: P(churn) before calibration; `p_churn` again for a Cox model, which needs none.
        p_churn: calibrated P(churn within the horizon).
        p05: 5 % limit of the churn rate among customers with this `p_churn`; None where the model has no band.
        p50: median, likewise.
        p95: 95 % limit, likewise.
    """

    p_raw: float
    p_churn: float
    p05: float | None
    p50: float | None
    p95: float | None


class Term(NamedTuple):
    """What one feature adds to one customer's risk, on the model's own scale; > 0 raises it.

    Attributes:
        feature: its name.
        value: of this customer: a number, the name of a category, or None where it is missing.
        contribution: Shapley value.
    """

    feature: str
    value: float | str | None
    contribution: float


@dataclass(frozen=True)
class ChurnReasons:
    """Why a churn model says what it says of one customer; the same as `axiom explain` tells.

    Attributes:
        base: what the model says on average; it and all contributions add up to what it says before calibration.
        scale: of base and contributions: `log-odds`, `probability` or `log-hazard`.
        terms: every feature that adds something, largest effect first.
        reasons: features that raise the risk most, with what drives them and what to do.
    """

    base: float
    scale: str
    terms: tuple[Term, ...]
    reasons: tuple[Reason, ...]


class ClvAnswer(NamedTuple):
    """What a CLV model expects of one customer over its horizon; money is None where the data have no amounts.

    Attributes:
        p_alive: probability of still being a customer.
        expected_purchases: mean number of purchases.
        p_no_purchase: probability of buying nothing.
        mean: expected spend.
        p05: 5 % quantile of the spend, recalibrated; likewise `p50`, `p95`.
        p50: median.
        p95: 95 % quantile.
    """

    p_alive: float
    expected_purchases: float
    p_no_purchase: float
    mean: float | None
    p05: float | None
    p50: float | None
    p95: float | None
