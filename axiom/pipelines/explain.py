"""Stage: explain one customer's scores, or a whole model."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.errors import MisuseError, NotFoundError
from axiom.pipelines.customer import customer_row
from axiom.pipelines.subjects import Subject, churn_model

if TYPE_CHECKING:
    from datetime import datetime

    import pyarrow as pa

    from axiom.pipelines.customer import CustomerRow
    from axiom.pipelines.subjects import AnyChurnModel
    from axiom.pipelines.workspace import Workspace
    from axiom.training.actions import ActionMap
    from axiom.training.explain import Contributions, Reason

ACTIONS_FILE = "actions.yaml"


@dataclass(frozen=True)
class Term:
    """What one feature adds to one customer's risk, on the model's own scale; > 0 raises it."""

    feature: str
    value: float | str | None
    contribution: float


@dataclass(frozen=True)
class ChurnExplanation:
    """Why a churn model says what it says of one customer.

    Attributes:
        model: `name@version`.
        horizon_days: what the probability is about.
        p_raw: P(churn) before calibration.
        p_churn: P(churn), as scored.
        calibration: `identity`, `platt` or `isotonic`; `none` for a Cox model.
        threshold: contact from this probability on.
        contact: whether the customer lies there.
        scale: of the contributions: `log-odds`, `probability` or `log-hazard`; "" where there are none.
        base: what the model says on average; base and contributions add up to what it says before calibration.
        terms: every feature that adds something, largest effect first.
        reasons: features that raise the risk most, with what drives them and what to do.
        actions: recommended, each once, most pressing first.
        note: why there are no contributions; "" where there are.
    """

    model: str
    horizon_days: float
    p_raw: float
    p_churn: float
    calibration: str
    threshold: float
    contact: bool
    scale: str = ""
    base: float = 0.0
    terms: tuple[Term, ...] = ()
    reasons: tuple[Reason, ...] = ()
    actions: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class ClvExplanation:
    """What a CLV model expects of one customer over its horizon; None where it cannot say.

    Attributes:
        model: `name@version`.
        family: kind of model.
        horizon_days: length of the horizon.
        p_alive: probability of still being a customer.
        p_no_purchase: probability of buying nothing.
        expected_purchases: mean.
        purchases_p05: quantile; likewise `purchases_p95`.
        purchases_p95: quantile.
        clv_mean: expected spend.
        clv_p05: quantile of the spend; likewise `clv_p50`, `clv_p95`.
        clv_p50: median.
        clv_p95: quantile.
        note: why there are no numbers; "" where there are.
    """

    model: str
    family: str
    horizon_days: int
    p_alive: float | None = None
    p_no_purchase: float | None = None
    expected_purchases: float | None = None
    purchases_p05: float | None = None
    purchases_p95: float | None = None
    clv_mean: float | None = None
    clv_p05: float | None = None
    clv_p50: float | None = None
    clv_p95: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Explanation:
    """One customer.

    Attributes:
        customer: id.
        as_of: the cut-off.
        churn: None without a churn model.
        clv: None without a CLV model.
        features: every feature and its value, None where it is missing.
    """

    customer: str
    as_of: datetime
    churn: ChurnExplanation | None
    clv: ClvExplanation | None
    features: dict[str, Any] = field(default_factory=dict)


def explain_customer(
    ws: Workspace,
    customer: str,
    *,
    churn: tuple[str, str] | None = None,
    clv: tuple[str, str] | None = None,
    as_of: datetime | None = None,
    most: int = 3,
) -> Explanation:
    """Why one customer has the scores that he has, and what to do.

    Args:
        ws: the workspace.
        customer: id.
        churn: (name, number or stage or `latest`); default: the champion of `churn`, else its latest version, if any.
        clv: likewise of `clv`.
        as_of: the cut-off; default: the last day of the data.
        most: how many reasons.

    Raises:
        NotFoundError: nobody of this id was known at the cut-off; a version does not exist; no model is registered.
        CorruptError: an artefact does not match its checksum.
    """
    churn_subject, clv_subject = _chosen(ws, churn, "churn"), _chosen(ws, clv, "clv")
    if churn_subject is None and clv_subject is None:
        raise NotFoundError("no model is registered", hint="run `axiom train churn` and `axiom train clv` first")
    actions = actions_of(ws)
    explained = None
    features: dict[str, Any] = {}
    if churn_subject is not None:
        found = customer_row(ws, customer, as_of=as_of, definitions=churn_subject.feature_set)
        churn_subject.check_features(found.version)
        features = _values(found.row)
        explained = _explain_churn(churn_subject, found.row, actions, most)
    forecast = None
    if clv_subject is not None:
        found = customer_row(ws, customer, as_of=as_of, definitions=clv_subject.feature_set)
        features = {**_values(found.row), **features}
        forecast = _explain_clv(clv_subject, found)
    return Explanation(customer, found.as_of, explained, forecast, features)


def actions_of(ws: Workspace) -> ActionMap:
    """The map from drivers to actions: `actions.yaml` in AXIOM_HOME where there is one, else the one Axiom ships."""
    from axiom.training.actions import load_actions

    own = ws.settings.home / ACTIONS_FILE
    return load_actions(own if own.exists() else None)


def _chosen(ws: Workspace, model: tuple[str, str] | None, kind: str) -> Subject | None:
    if model is None:
        known = ws.registry.list(kind)
        found = next((version for version in known if version.stage == "champion"), known[0] if known else None)
    else:
        found = ws.registry.get(*model)
    if found is None:
        return None
    if found.kind != kind:
        raise MisuseError(f"{found.ref} is a {found.kind} model, not a {kind} model")
    return Subject(found, ws.registry.load_files(found))


def _explain_churn(subject: Subject, row: pa.Table, actions: ActionMap, most: int) -> ChurnExplanation:
    from axiom.training.churn_model import ChurnModel
    from axiom.training.explain import reasons

    model = churn_model(subject)
    X = row.select(list(model.features))
    p_churn = float(model.predict_proba(X)[0])
    catalogue = isinstance(model, ChurnModel)
    told = ChurnExplanation(
        model=subject.ref,
        horizon_days=model.horizon_days,
        p_raw=float(model.model.predict_proba(X)[0]) if isinstance(model, ChurnModel) else p_churn,
        p_churn=p_churn,
        calibration=model.calibrator.kind if isinstance(model, ChurnModel) else "none",
        threshold=model.threshold,
        contact=p_churn >= model.threshold,
    )
    try:
        found = _contributions(model, X)
    except MisuseError as error:
        return replace(told, note=f"{error.message}; {error.hint}" if catalogue else error.message)
    why = reasons(found, X, actions, most=most)[0]
    steps = tuple(dict.fromkeys(reason.action for reason in why if reason.action))
    return replace(told, scale=found.scale, base=found.base, terms=_terms(found, X), reasons=why, actions=steps)


def _contributions(model: AnyChurnModel, X: pa.Table) -> Contributions:
    from axiom.training.churn_model import ChurnModel
    from axiom.training.explain import contributions
    from axiom.training.explain_cox import cox_contributions

    return contributions(model.model, X) if isinstance(model, ChurnModel) else cox_contributions(model, X)


def _terms(found: Contributions, X: pa.Table) -> tuple[Term, ...]:
    values = found.values[0]
    order = [int(j) for j in np.argsort(-np.abs(values), kind="stable") if values[j] != 0.0]
    return tuple(Term(found.features[j], _plain(X[found.features[j]][0]), float(values[j])) for j in order)


def _explain_clv(subject: Subject, found: CustomerRow) -> ClvExplanation:
    from axiom.scoring.scorer import rfm_of
    from axiom.training.clv.model import ClvModel

    model = ClvModel.from_files(subject.files)
    told = ClvExplanation(subject.ref, model.family, model.horizon_days)
    if model.features:
        subject.check_features(found.version)
    rfm = rfm_of(found.row)
    if not np.isfinite(rfm.x[0]):
        return replace(told, note="has not bought yet, so there is no history to forecast from")
    X = found.row.select(list(model.features)) if model.features else None
    said, quantiles = model.predict(rfm, X), model.purchase_quantiles(rfm, X, (0.05, 0.95))
    numbers = {
        "p_alive": said.p_alive[0],
        "p_no_purchase": said.p_no_purchase[0],
        "expected_purchases": said.expected_purchases[0],
        "purchases_p05": quantiles[0, 0],
        "purchases_p95": quantiles[1, 0],
        "clv_mean": said.clv_mean[0],
        "clv_p05": said.clv_quantiles[0, 0],
        "clv_p50": said.clv_quantiles[1, 0],
        "clv_p95": said.clv_quantiles[2, 0],
    }
    known: dict[str, Any] = {name: float(value) if np.isfinite(value) else None for name, value in numbers.items()}
    return replace(told, **known)


def _values(row: pa.Table) -> dict[str, Any]:
    return {name: _plain(row[name][0]) for name in row.column_names if name not in ("customer_id", "as_of")}


def _plain(scalar: pa.Scalar) -> float | str | None:
    value: float | str | None = scalar.as_py()
    return None if isinstance(value, float) and np.isnan(value) else value
