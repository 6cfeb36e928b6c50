"""Stage: evaluate registered versions on the same labelled rows, none of which any of them learnt from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from axiom.errors import CorruptError, MisuseError
from axiom.pipelines.subjects import (
    build_for_subject,
    check_labelled,
    check_unseen,
    churn_model,
    common_definition,
    labelled_rows,
    latest_labelled,
    load_subjects,
)
from axiom.pipelines.tracking import tracked
from axiom.pipelines.train import clv_origins, write_report
from axiom.training.clv.options import ClvOptions
from axiom.training.splits import day

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from axiom.pipelines.subjects import AnyChurnModel, Subject
    from axiom.pipelines.workspace import Workspace
    from axiom.training.definition import ChurnDefinition
    from axiom.training.evaluate import ChurnEvaluation, Contestant, EvaluationOptions, EvaluationRows
    from axiom.training.evaluate_clv import ClvEvaluation


@dataclass(frozen=True, eq=False)
class Evaluated:
    """An evaluation and where its report lies.

    Attributes:
        kind: `churn` or `clv`.
        evaluation: what was found out.
        report_path: folder below the lake's root.
    """

    kind: str
    evaluation: ChurnEvaluation | ClvEvaluation
    report_path: str


def evaluate(
    ws: Workspace,
    models: Sequence[tuple[str, str]],
    *,
    as_ofs: Sequence[datetime] = (),
    options: EvaluationOptions | None = None,
    value_at_risk: float | None = None,
) -> Evaluated:
    """Judge registered versions of one kind on the same rows, and write table, JSON, Markdown and plots.

    Args:
        ws: the workspace.
        models: (name, number or stage or `latest`) of each; the first is what the others are compared with.
        as_ofs: cut-offs; default: the latest labelled one.
        options: how to judge.
        value_at_risk: what every customer is worth to a campaign; default: what each spent per horizon so far.

    Raises:
        NotFoundError: no such version.
        CorruptError: an artefact does not match its checksum.
        MisuseError: versions of two kinds, a version twice, other horizons or definitions of churn.
        BadInputError: a cut-off lies in what a version learnt from, its labels are not known yet, or the features are
            of another version than a model was trained on.
    """
    from axiom.training.evaluate import EvaluationOptions

    subjects = load_subjects(ws, models)
    options = options or EvaluationOptions(seed=ws.settings.seed)
    kind = subjects[0].version.kind
    if kind == "clv" and (options.costs is not None or options.threshold is not None or value_at_risk is not None):
        raise MisuseError("costs and thresholds belong to churn models", hint="leave them out for a CLV model")
    moments = tuple(sorted(set(as_ofs))) or (latest_labelled(ws, subjects[0].horizon),)
    check_unseen(subjects, moments)
    check_labelled(ws, subjects[0].horizon, moments)
    refs = "+".join(subject.ref for subject in subjects)
    params = {"models": [subject.ref for subject in subjects], "as_ofs": [moment.isoformat() for moment in moments]}
    key = f"{refs}-{','.join(params['as_ofs'])}"
    with tracked(ws.db, "evaluate", key, params) as attempt:
        if kind == "churn":
            done = _churn(ws, subjects, moments, options, value_at_risk)
        else:
            done = _clv(ws, subjects, moments, options.level)
        attempt.result.update(best=done.evaluation.best, report=done.report_path)
    return done


def _churn(
    ws: Workspace,
    subjects: Sequence[Subject],
    moments: Sequence[datetime],
    options: EvaluationOptions,
    value_at_risk: float | None,
) -> Evaluated:
    from axiom.training.evaluate import EvaluationRows
    from axiom.training.evaluate_churn import evaluate_churn
    from axiom.training.evaluate_markdown import churn_markdown
    from axiom.training.evaluate_plots import evaluation_plots

    models = {subject.ref: churn_model(subject) for subject in subjects}
    definition = common_definition(subjects)
    parts = [_rows_at(ws, subjects, models, moment, definition, value_at_risk) for moment in moments]
    rows = EvaluationRows.joined([part.rows for part in parts])
    evaluation = evaluate_churn(
        rows,
        _contestants(subjects, models, rows, options),
        horizon_days=subjects[0].horizon,
        definition=parts[0].definition,
        options=options,
        warnings=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )
    texts = {"report.json": _json(evaluation.to_dict()), "report.md": churn_markdown(evaluation).encode()}
    return Evaluated(
        "churn", evaluation, _write(ws, subjects, texts, evaluation_plots(evaluation, rows, options.costs))
    )


@dataclass(frozen=True, eq=False)
class _At:
    """One cut-off: rows, what churn means, and what there is to say."""

    rows: EvaluationRows
    definition: str
    notes: tuple[str, ...]


def _rows_at(
    ws: Workspace,
    subjects: Sequence[Subject],
    models: Mapping[str, AnyChurnModel],
    as_of: datetime,
    definition: ChurnDefinition | None,
    value_at_risk: float | None,
) -> _At:
    """One cut-off: every version's probabilities, each from the features it was trained on."""
    import numpy as np

    from axiom.training.baselines import PURCHASES
    from axiom.training.evaluate import EvaluationRows

    p, first = {}, None
    for subject in subjects:
        found = labelled_rows(ws, subject, as_of, definition)
        first = first or found
        if not np.array_equal(found.rows.table.customer_id, first.rows.table.customer_id):
            raise CorruptError(f"features {found.features_id} and {first.features_id} hold different customers")
        p[subject.ref] = models[subject.ref].predict_proba(found.rows.table.X)
    assert first is not None  # noqa: S101  (at least one version is named)
    table = first.rows.table
    if table.baseline is not None:
        p[PURCHASES] = table.baseline
    rows = EvaluationRows(
        as_of=table.as_of,
        customer_id=table.customer_id,
        churned=table.churned,
        p=p,
        lead=first.lead,
        value=table.value if value_at_risk is None else np.full(len(table), value_at_risk),
        cohort=table.cohort,
    )
    known = np.asarray(np.isfinite(np.column_stack(list(p.values()))).all(axis=1))
    left_out = {**first.rows.left_out, "a version says nothing beyond its follow-up": int((~known).sum())}
    told = [f"{count:,} rows of {day(as_of)} left out: {why}" for why, count in left_out.items() if count]
    return _At(rows.take(known), str(first.rows.definition), (*told, *first.rows.notes))


def _contestants(
    subjects: Sequence[Subject], models: Mapping[str, AnyChurnModel], rows: EvaluationRows, options: EvaluationOptions
) -> list[Contestant]:
    """Every version with its threshold; the baseline last, with that of the first version."""
    from axiom.training.baselines import PURCHASES, TITLES
    from axiom.training.catalogue import CATALOGUE
    from axiom.training.evaluate import Contestant

    found = []
    for subject in subjects:
        kind = subject.version.card.model_type
        title = CATALOGUE[kind].title if kind in CATALOGUE else kind.replace("_", " ")
        threshold = _threshold(models[subject.ref].threshold, rows, options)
        found.append(Contestant(subject.ref, f"{subject.ref}, {title}", *threshold))
    if PURCHASES in rows.p:
        found.append(Contestant(PURCHASES, TITLES[PURCHASES], found[0].threshold, f"that of {found[0].name}"))
    return found


def _threshold(own: float, rows: EvaluationRows, options: EvaluationOptions) -> tuple[float, str]:
    """From which probability on a customer is contacted, and why; never chosen by the outcomes that it is judged by."""
    import numpy as np

    from axiom.maths.profit import break_even_probability
    from axiom.training.judge import worth

    if options.threshold is not None:
        return options.threshold, "as asked for"
    if options.costs is None or rows.value is None:
        return own, "the version's own"
    typical = float(np.median(worth(rows.value)))
    threshold = break_even_probability(options.costs, typical)
    what = "break-even" if threshold < 1 else "no contact pays"
    return threshold, f"{what} for a customer worth {typical:,.2f}, the median"


def _clv(ws: Workspace, subjects: Sequence[Subject], moments: Sequence[datetime], level: float) -> Evaluated:
    from axiom.training.clv.model import ClvModel
    from axiom.training.evaluate_clv import ClvEntry, evaluate_clv
    from axiom.training.evaluate_clv_plots import evaluation_plots
    from axiom.training.evaluate_markdown import clv_markdown

    entries = []
    for subject in subjects:
        model = ClvModel.from_files(subject.files)
        built = [build_for_subject(ws, subject, moment) for moment in moments]
        if model.features:
            subject.check_features(built[0].version)
        origins = [origin for one in built for origin in clv_origins(ws, one, subject.horizon)]
        entries.append(ClvEntry(subject.ref, model, origins))
    evaluation = evaluate_clv(entries, ClvOptions(level=level, seed=ws.settings.seed))
    texts = {"report.json": _json(evaluation.to_dict()), "report.md": clv_markdown(evaluation).encode()}
    return Evaluated("clv", evaluation, _write(ws, subjects, texts, evaluation_plots(evaluation)))


def _write(ws: Workspace, subjects: Sequence[Subject], texts: Mapping[str, bytes], plots: Mapping[str, bytes]) -> str:
    name = "+".join(subject.ref for subject in subjects)
    return write_report(ws, f"evaluate/{name}-{datetime.now(UTC):%Y%m%dT%H%M%S%f}", texts, plots)


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False, default=str).encode()
