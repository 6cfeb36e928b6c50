"""Stage: explain a whole churn model on rows that it never saw."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from axiom.errors import MisuseError
from axiom.pipelines.subjects import (
    check_labelled,
    check_unseen,
    churn_model,
    common_definition,
    labelled_rows,
    latest_labelled,
    load_subjects,
)
from axiom.pipelines.tracking import tracked
from axiom.pipelines.train import write_report

if TYPE_CHECKING:
    from axiom.pipelines.workspace import Workspace
    from axiom.training.explain import Importance, PartialDependence
    from axiom.training.table import ChurnTable


@dataclass(frozen=True)
class GlobalExplanation:
    """What a churn model rests on.

    Attributes:
        model: `name@version`.
        as_of: cut-off of the rows.
        rows: how many there are.
        importance: increase of the log loss when a feature is shuffled, largest first.
        mean_contribution: mean absolute exact contribution of each feature, largest first; empty for models that are
            neither linear nor made of trees.
        scale: of the contributions.
        dependence: mean prediction as the most important features take other values.
        report_path: folder of the report below the lake's root.
    """

    model: str
    as_of: datetime
    rows: int
    importance: tuple[Importance, ...]
    mean_contribution: dict[str, float]
    scale: str
    dependence: tuple[PartialDependence, ...]
    report_path: str = ""


def explain_model(
    ws: Workspace, model: tuple[str, str], *, as_of: datetime | None = None, most: int = 6, repeats: int = 5
) -> GlobalExplanation:
    """Permutation importance with intervals and partial dependence of the most important features, with a report.

    Args:
        ws: the workspace.
        model: (name, number or stage or `latest`) of a churn version.
        as_of: cut-off of the labelled rows; default: the latest one.
        most: how many features get a partial dependence plot.
        repeats: shuffles of each feature.

    Raises:
        NotFoundError: no such version.
        CorruptError: the artefact does not match its checksum.
        MisuseError: it is no model of the churn catalogue.
        BadInputError: it learnt from these rows, or their outcomes are not known yet.
    """
    from axiom.training.churn_model import ChurnModel
    from axiom.training.explain import contributions, partial_dependence, permutation_importance

    (subject,) = load_subjects(ws, [model])
    if subject.version.kind != "churn":
        raise MisuseError(f"{subject.ref} is a CLV model", hint="`axiom models show` gives its parameters and metrics")
    fitted = churn_model(subject)
    if not isinstance(fitted, ChurnModel):
        raise MisuseError(
            f"{subject.ref} is a Cox model: its hazard ratios say what each covariate does",
            hint=f"they stand with their intervals in the report of its training, reports/train/{subject.ref}",
        )
    moment = as_of or latest_labelled(ws, subject.horizon)
    check_unseen([subject], [moment])
    check_labelled(ws, subject.horizon, [moment])
    key, params = f"{subject.ref}-{moment.isoformat()}", {"model": subject.ref, "as_of": moment.isoformat()}
    with tracked(ws.db, "explain", key, params) as attempt:
        table = labelled_rows(ws, subject, moment, common_definition([subject])).rows.table
        importance = tuple(permutation_importance(fitted, table, repeats=repeats, seed=ws.settings.seed))
        shown = [one.feature for one in importance if _varies(table, one.feature)][:most]
        dependence = tuple(partial_dependence(fitted, table.X, name, seed=ws.settings.seed) for name in shown)
        try:
            exact = contributions(fitted.model, table.X)
            mean, scale = exact.importance(), exact.scale
        except MisuseError:
            mean, scale = {}, ""
        found = GlobalExplanation(subject.ref, moment, len(table), importance, mean, scale, dependence)
        found = replace(found, report_path=_report(ws, found))
        attempt.result["report"] = found.report_path
    return found


def _varies(table: ChurnTable, feature: str) -> bool:
    """Whether any row knows the feature."""
    return bool(table.X[feature].null_count < len(table))


def _report(ws: Workspace, found: GlobalExplanation) -> str:
    from axiom.training.explain_plots import dependence_plot, importance_plot

    told = f"{found.model} at {found.as_of:%Y-%m-%d}, {found.rows:,} rows"
    plots = {"importance": importance_plot(found.importance, f"Permutation importance: {told}")}
    if found.dependence:
        plots["partial_dependence"] = dependence_plot(found.dependence, f"Partial dependence: {told}")
    body = json.dumps(to_dict(found), indent=1, ensure_ascii=False).encode()
    name = f"explain/{found.model}-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
    return write_report(ws, name, {"report.json": body, "report.md": _markdown(found).encode()}, plots)


def to_dict(found: GlobalExplanation) -> dict[str, Any]:
    """JSON-ready values."""
    dependence = [
        {
            "feature": one.feature,
            "values": list(one.values),
            **{name: getattr(one, name).tolist() for name in ("mean", "low", "high")},
        }
        for one in found.dependence
    ]
    return {
        "model": found.model,
        "as_of": found.as_of.isoformat(),
        "rows": found.rows,
        "importance": [asdict(one) for one in found.importance],
        "mean_contribution": found.mean_contribution,
        "scale": found.scale,
        "dependence": dependence,
        "report_path": found.report_path,
    }


def _markdown(found: GlobalExplanation) -> str:
    exact = f"mean absolute contribution ({found.scale})" if found.scale else "mean absolute contribution"
    lines = [
        f"# What {found.model} rests on",
        "",
        f"{found.rows:,} rows at {found.as_of:%Y-%m-%d} that it never saw.",
        "Importance: increase of the log loss when the feature's values are shuffled, with a 95 % interval.",
        "Contributions are exact Shapley values, before calibration.",
        "",
        f"| feature | importance | {exact} |",
        "| --- | --- | --- |",
    ]
    for one in found.importance:
        gain, mean = one.increase, found.mean_contribution.get(one.feature)
        told = "–" if mean is None else f"{mean:.4f}"
        lines.append(f"| {one.feature} | {gain.value:.4f} [{gain.low:.4f}, {gain.high:.4f}] | {told} |")
    return "\n".join(lines) + "\n"
