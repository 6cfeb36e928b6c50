"""What each kind of job does: its parameters become one call of a stage, its answer plain values.

Every stage can be run again after a crash: what it made is found and not made twice. `origin` says on whose behalf it
runs; it is the same for all attempts at one thing, so that a model that an attempt registered before it died is found.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from axiom.errors import AxiomError, QualityError

if TYPE_CHECKING:
    from axiom.jobs import params as p
    from axiom.pipelines.train import Trained, TrainRequest
    from axiom.pipelines.workspace import Workspace
    from axiom.registry.registry import ModelVersion

Answer = dict[str, Any]


def ingest(ws: Workspace, asked: p.IngestParams, origin: str) -> Answer:  # noqa: ARG001
    """`axiom ingest --source NAME`, of one source or of all; one that fails does not hold the others up."""
    from dataclasses import replace

    from axiom.pipelines.ingest import ingest_source, request_of

    with ws.db.reading() as tx:
        sources = [tx.sources.get(asked.source)] if asked.source else list(tx.sources.list())
    done: dict[str, Any] = {}
    failed: list[AxiomError] = []
    for source in sources:
        try:
            report = ingest_source(ws, replace(request_of(source), full=asked.full), source_name=source.name)
        except AxiomError as error:
            failed.append(type(error)(f"source {source.name}: {error.message}", hint=error.hint))
        else:
            done[source.name] = {"batch": report.batch_id, "accepted": report.accepted, "already": report.already}
    if failed:
        raise failed[0]
    return {"sources": done, "accepted": sum(source["accepted"] for source in done.values())}


def quality(ws: Workspace, asked: p.QualityParams, origin: str) -> Answer:  # noqa: ARG001
    """`axiom quality`."""
    from axiom.pipelines.gate import quality as run

    report = run(ws, asked.as_of)
    report.require()
    return {"verdict": report.verdict, "warnings": [c.message for c in report.checks if c.verdict == "warn"]}


def build(ws: Workspace, asked: p.BuildParams, origin: str) -> Answer:  # noqa: ARG001
    """`axiom build`."""
    from axiom.pipelines.build import HORIZONS, BuildRequest
    from axiom.pipelines.build import build as run

    report = run(
        ws,
        BuildRequest(
            as_of=asked.as_of,
            every=asked.every,
            back=asked.back,
            horizons=asked.horizons or HORIZONS,
            cancel_types=asked.cancel,
            labels=asked.labels,
            audit=asked.audit,
        ),
    )
    return {"features": report.features_id, "labels": report.labels_id, "rows": report.rows, "already": report.already}


def build_cutoffs(ws: Workspace, asked: p.CutoffsParams, origin: str) -> Answer:
    """The cut-offs of a training; the training itself finds them built."""
    from axiom.pipelines.train import build_for

    report, notes = build_for(ws, _request(ws, asked, origin, gate=False))
    return {"features": report.features_id, "labels": report.labels_id, "rows": report.rows, "warnings": list(notes)}


def train_churn(ws: Workspace, asked: p.TrainParams, origin: str) -> Answer:
    """`axiom train churn`."""
    from axiom.pipelines.train import train_churn as run
    from axiom.training.options import ChurnOptions

    if found := _registered(ws, asked.name or "churn", origin):
        return found
    options = ChurnOptions(**_models(asked.models, "models"), seed=ws.settings.seed)
    return _trained(run(ws, _request(ws, asked, origin, asked.name, gate=asked.gate), options=options))


def train_clv(ws: Workspace, asked: p.TrainParams, origin: str) -> Answer:
    """`axiom train clv`."""
    from axiom.pipelines.train import train_clv as run
    from axiom.training.clv.options import ClvOptions

    if found := _registered(ws, asked.name or "clv", origin):
        return found
    options = ClvOptions(**_models(asked.models, "candidates"), seed=ws.settings.seed)
    return _trained(run(ws, _request(ws, asked, origin, asked.name, gate=asked.gate), options=options))


def tune_churn(ws: Workspace, asked: p.TuneChurnParams, origin: str) -> Answer:
    """`axiom tune churn`."""
    from axiom.pipelines.tune import tune_churn as run
    from axiom.training.options import ChurnOptions
    from axiom.training.tuning.search import SearchOptions

    if found := _registered(ws, asked.name or "churn", origin):
        return found
    options = ChurnOptions(models=asked.models or ("auto",), seed=ws.settings.seed)
    tuned = run(
        ws,
        _request(ws, asked, origin, asked.name, gate=asked.gate),
        search=SearchOptions(asked.trials, resume=asked.resume),
        options=options,
        fold_horizon=asked.fold_horizon,
    )
    return {"model": tuned.version.ref, "report": tuned.report_path, "warnings": list(tuned.warnings)}


def tune_clv(ws: Workspace, asked: p.TuneParams, origin: str) -> Answer:
    """`axiom tune clv`."""
    from axiom.pipelines.tune_clv import tune_clv as run
    from axiom.training.clv.candidates import candidate_names
    from axiom.training.clv.options import ClvOptions

    if found := _registered(ws, asked.name or "clv", origin):
        return found
    searched = asked.models or tuple(name for name in candidate_names() if name != "xgboost")
    tuned = run(
        ws,
        _request(ws, asked, origin, asked.name, gate=asked.gate),
        trials=asked.trials,
        resume=asked.resume,
        options=ClvOptions(candidates=searched, seed=ws.settings.seed),
    )
    return {**_trained(tuned.trained), "report": tuned.report_path}


def backtest_clv(ws: Workspace, asked: p.BacktestParams, origin: str) -> Answer:
    """`axiom backtest clv`."""
    from axiom.pipelines.train import backtest_clv as run
    from axiom.training.clv.options import ClvOptions

    options = ClvOptions(**_models(asked.models, "candidates"), seed=ws.settings.seed)
    found = run(ws, _request(ws, asked, origin, gate=asked.gate), options=options)
    return {"champion": found.backtest.champion, "report": found.report_path, "warnings": list(found.warnings)}


def evaluate(ws: Workspace, asked: p.EvaluateParams, origin: str) -> Answer:  # noqa: ARG001
    """`axiom evaluate`."""
    from axiom.pipelines.evaluate import evaluate as run

    done = run(ws, [_split(reference) for reference in asked.models], as_ofs=asked.as_of)
    verdicts = [found.verdict for found in done.evaluation.comparisons]
    return {"best": done.evaluation.best, "verdicts": verdicts, "report": done.report_path}


def compare(ws: Workspace, asked: p.CompareParams, origin: str) -> Answer:  # noqa: ARG001
    """`axiom evaluate CHAMPION CANDIDATE`, and a refusal where the rule does not like the outcome.

    Raises:
        QualityError: the candidate is not good enough, or there is nothing to compare it with.
    """
    from axiom.errors import NotFoundError
    from axiom.pipelines.evaluate import evaluate as run

    name, which = _split(asked.candidate)
    candidate = ws.registry.get(name, which)
    try:
        against = ws.registry.get(name, asked.against)
    except NotFoundError:
        raise QualityError(
            f"{name} has no {asked.against} to compare {candidate.ref} with",
            hint=f'axiom models promote {candidate.ref} --to champion --reason "first"',
        ) from None
    if against.version == candidate.version:
        raise QualityError(f"{candidate.ref} is the {asked.against} already: there is nothing to compare")
    done = run(ws, [(name, str(against.version)), (name, str(candidate.version))])
    found = next(one for one in done.evaluation.comparisons if one.one == candidate.ref)
    good = found.better == candidate.ref if asked.rule == "better" else found.better != against.ref
    if not good:
        raise QualityError(f"{candidate.ref} is not good enough by the rule {asked.rule}: {found.verdict}")
    return {"candidate": candidate.ref, "against": against.ref, "verdict": found.verdict, "report": done.report_path}


def shadow(ws: Workspace, asked: p.ShadowParams, origin: str) -> Answer:
    """`axiom rollout shadow`; a version that is shadow already stays it."""
    from axiom.pipelines.rollout import start_trial
    from axiom.registry.trials import parse_rule

    rule = parse_rule(asked.rule)
    version = ws.registry.get(*_split(asked.candidate))
    if version.stage != "shadow":
        reason = "as good as the champion on past outcomes"
        start_trial(ws, version.name, version.version, "shadow", actor=origin, reason=reason, rule=rule)
    return {"model": version.ref, "stage": "shadow", "rule": str(rule)}


def score(ws: Workspace, asked: p.ScoreParams, origin: str) -> Answer:  # noqa: ARG001
    """`axiom score`."""
    from axiom.pipelines.score import score as run

    report = run(
        ws,
        as_of=asked.as_of,
        churn=asked.churn,
        clv=asked.clv,
        which=asked.version,
        gate=asked.gate,
        publish=asked.publish,
    )
    return {
        "score_set": report.score_set,
        "rows": report.rows,
        "models": report.models,
        "already": report.already,
        "warnings": list(report.warnings),
    }


def publish(ws: Workspace, asked: p.PublishParams, origin: str) -> Answer:  # noqa: ARG001
    """Make a score set the current one."""
    from axiom.pipelines.publish import publish_scores

    report = publish_scores(ws, asked.score_set, online=asked.online)
    return {
        "score_set": report.score_set,
        "rows": report.rows,
        "published": report.published,
        "warnings": list(report.warnings),
    }


def publish_features(ws: Workspace, asked: p.FeaturesParams, origin: str) -> Answer:  # noqa: ARG001
    """`axiom online sync`."""
    from axiom.pipelines.online import publish_features as run

    report = run(ws, asked.dataset, asked.as_of)
    return {"features": report.features_id, "customers": report.customers, "already": report.already}


def export(ws: Workspace, asked: p.ExportParams, origin: str) -> Answer:  # noqa: ARG001
    """Write a score set as one file."""
    from axiom.pipelines.publish import export_scores

    report = export_scores(ws, asked.score_set, form=asked.format)
    return {"score_set": report.score_set, "path": report.path, "rows": report.rows, "bytes": report.bytes}


def monitor(ws: Workspace, asked: p.MonitorParams, origin: str) -> Answer:  # noqa: ARG001
    """`axiom monitor run`."""
    from axiom.pipelines.monitor import monitor as run

    report = run(ws, as_of=asked.as_of, churn=asked.churn, clv=asked.clv)
    return {
        "at": report.at.isoformat(),
        **report.states,
        "opened": [alert.alert_id for alert in report.opened],
        "still_open": [alert.alert_id for alert in report.seen_again],
        "resolved": [alert.alert_id for alert in report.resolved],
        "past": report.past,
    }


def judge(ws: Workspace, asked: p.JudgeParams, origin: str) -> Answer:  # noqa: ARG001
    """`axiom rollout judge`."""
    from axiom.pipelines.rollout import judge_rollouts

    done = judge_rollouts(ws, None if asked.name is None else [asked.name])
    return {"judged": [{"model": one.model, "action": one.action, "verdict": one.evidence.verdict} for one in done]}


def _request(ws: Workspace, asked: p._Cutoffs, origin: str, name: str | None = None, *, gate: bool) -> TrainRequest:
    from axiom.pipelines.train import TrainRequest

    as_of = None if asked.until is None else _latest_labelled(ws, asked.until, asked.horizon)
    return TrainRequest(asked.horizon, name, as_of, asked.every, asked.back, gate=gate, actor=origin)


def _latest_labelled(ws: Workspace, until: datetime, horizon: int) -> datetime:
    """The latest midnight whose label window is over, by the data and by the time up to which may be learnt."""
    from axiom.pipelines.build import data_range, midnight

    end = data_range({entity: found for entity, found in ws.lake.snapshots().items() if found.rows})[1]
    return midnight(min(until, end) - timedelta(days=horizon))


def _models(names: tuple[str, ...], option: str) -> dict[str, Any]:
    return {option: names} if names else {}


def _trained(trained: Trained) -> Answer:
    return {"model": trained.version.ref, "report": trained.report_path, "warnings": list(trained.warnings)}


def _registered(ws: Workspace, name: str, origin: str) -> Answer | None:
    """What an earlier attempt registered before it died; a second version of the same thing would be one too many."""
    versions: list[ModelVersion] = list(ws.registry.list(name))
    made = {event.version for event in ws.registry.history(name) if event.actor == origin} if versions else set()
    found = next((version for version in versions if version.version in made), None)
    return None if found is None else {"model": found.ref, "already": True}


def _split(reference: str) -> tuple[str, str]:
    name, _, which = reference.partition("@")
    return name, which
