"""Every reading of the monitor. What cannot be measured is a reading too: it says why."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.errors import BadInputError, NotFoundError
from axiom.monitoring.data import freshness, refusals
from axiom.monitoring.features import feature_readings
from axiom.monitoring.judging import Reading
from axiom.monitoring.measures import MEASURES
from axiom.monitoring.performance import PERFORMANCE, cohort_readings, performance_readings
from axiom.monitoring.scores import SINCE_BEFORE, SINCE_TRAINING, not_measured, score_readings
from axiom.pipelines.build import data_range
from axiom.pipelines.monitor_inputs import Champion, ScoreSets, sampled
from axiom.pipelines.outcomes import churn_outcomes
from axiom.pipelines.rollout_evidence import cancel_types_of
from axiom.pipelines.subjects import common_definition, load_subjects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    import pyarrow as pa

    from axiom.db import ScoreSet
    from axiom.lake import Snapshot
    from axiom.maths.arrays import FloatArray
    from axiom.pipelines.workspace import Workspace

FEATURES = ("missing_excess", "missing_ratio", "feature_psi")
SCORED = {"churn": "p_churn", "clv": "clv_mean"}
_DAY = timedelta(days=1)
_AT_ONCE = 8  # columns in memory at a time
_COLUMNS = ["customer_id", "p_churn"]


def all_readings(ws: Workspace, at: datetime, models: Mapping[str, str]) -> Iterator[Reading]:
    """Read every measure once.

    Args:
        ws: the workspace.
        at: the moment that the readings speak about.
        models: `churn` and `clv` -> name of the model; what is missing is left out.
    """
    snapshots = {entity: found for entity, found in ws.lake.snapshots().items() if found.rows}
    yield from freshness(snapshots, at)
    yield from _refusals(ws, at)
    sets = ScoreSets(ws, at)
    for kind, name in models.items():
        yield from _or_unknown(("champion_age_days",), name, _age, ws, name, at)
        yield from _or_unknown(SINCE_BEFORE, name, _since_before, sets, kind, name)
    if "churn" in models:
        yield from _churn_readings(ws, models["churn"], sets, snapshots)
    business = [measure.name for measure in MEASURES.values() if measure.pillar == "business_impact"]
    yield from not_measured(tuple(business), "", "nothing records interventions and what came of them yet")


def _churn_readings(ws: Workspace, name: str, sets: ScoreSets, snapshots: Mapping[str, Snapshot]) -> Iterator[Reading]:
    try:
        champion = Champion(ws, load_subjects(ws, [(name, "champion")])[0])
    except NotFoundError as error:
        yield from not_measured(FEATURES, "", error.message)
        yield from not_measured((*SINCE_TRAINING, *PERFORMANCE), name, error.message)
        return
    yield from _or_unknown(FEATURES, "", _features, champion, sets)
    yield from _or_unknown(SINCE_TRAINING, name, _since_training, champion, sets)
    yield from _or_unknown(PERFORMANCE, name, _performance, champion, sets, snapshots)


def _or_unknown(
    measures: tuple[str, ...], subject: str, read: Callable[..., Iterator[Reading]], *given: Any
) -> list[Reading]:
    """What `read` yields, or the reason why that cannot be."""
    try:
        return list(read(*given))
    except (NotFoundError, BadInputError) as error:
        return list(not_measured(measures, subject, error.message))


def _refusals(ws: Workspace, at: datetime) -> Iterator[Reading]:
    """Of the day before, and of what has come in since: the ingest of a run ends after the run's logical time."""
    since = at - _DAY
    with ws.db.reading() as tx:
        until = tx.clock() if tx.clock() - at < _DAY else at
        counts = tx.batches.refused_between(since, until)
    yield from refusals(counts, since, until)


def _age(ws: Workspace, name: str, at: datetime) -> Iterator[Reading]:
    champion = ws.registry.get(name, "champion")
    days = max((at - champion.created_at) / _DAY, 0.0)
    yield Reading("champion_age_days", name, days, evidence={"model": champion.ref})


def _since_before(sets: ScoreSets, kind: str, name: str) -> Iterator[Reading]:
    then, now = sets.before(kind), sets.current
    values = [sets.values(one, SCORED[kind]) for one in (then, now)]
    yield from score_readings(SINCE_BEFORE, name, values[0], values[1], _of(now, before=then.as_of.isoformat()))


def _since_training(champion: Champion, sets: ScoreSets) -> Iterator[Reading]:
    now, ref = sets.current, champion.subject.ref
    if now.models.get("churn") != ref:
        raise NotFoundError(f"{now.models.get('churn') or 'nobody'}, not {ref}, made the newest churn scores")
    rows = sampled(champion.gold, ["customer_id", *champion.model.features], champion.judged_cutoffs)
    then = champion.model.predict_proba(rows.select(list(champion.model.features)))
    evidence = _of(now, training_cutoffs=[as_of.isoformat() for as_of in champion.judged_cutoffs])
    yield from score_readings(
        SINCE_TRAINING,
        champion.subject.version.name,
        np.asarray(then[np.isfinite(then)]),
        sets.values(now, SCORED["churn"]),
        evidence,
        independent=_customers(rows) / rows.num_rows,
    )


def _features(champion: Champion, sets: ScoreSets) -> Iterator[Reading]:
    now = sets.current
    current = champion.features_of(now)
    names = list(champion.model.features)
    customers = _customers(sampled(champion.gold, ["customer_id"], champion.training_cutoffs))
    for first in range(0, len(names), _AT_ONCE):
        part = names[first : first + _AT_ONCE]
        baseline = sampled(champion.gold, part, champion.training_cutoffs)
        yield from feature_readings(baseline, sampled(current, part, [now.as_of]), customers)


def _performance(champion: Champion, sets: ScoreSets, snapshots: Mapping[str, Snapshot]) -> Iterator[Reading]:
    subject = champion.subject
    name = subject.version.name
    matured = _matured(champion, sets, snapshots)
    rows = sampled(champion.ws.lake.dataset("scores", matured.id), _COLUMNS)
    p = rows["p_churn"].to_numpy().astype(np.float64)
    churned = _outcomes(champion, rows, matured)
    known = np.flatnonzero(np.isfinite(churned) & np.isfinite(p))
    evidence = _of(matured, horizon_days=subject.horizon)
    if not known.size:
        raise NotFoundError(f"nobody in the score set of {matured.as_of:%Y-%m-%d} was at risk")
    card = {metric: found.value for metric, found in subject.version.card.metrics.items()}
    yield from performance_readings(name, churned[known] == 1.0, p[known], card, evidence)
    here = (rows.take(known), churned[known], p[known])
    yield from _or_unknown(("cohort_pr_auc",), "", _cohorts, champion, matured, *here)


def _cohorts(
    champion: Champion, matured: ScoreSet, rows: pa.Table, churned: FloatArray, p: FloatArray
) -> Iterator[Reading]:
    import pyarrow as pa
    import pyarrow.compute as pc

    features = sampled(champion.features_of(matured), ["customer_id", "lifecycle"], [matured.as_of])
    ids = [table["customer_id"].cast(pa.string()).combine_chunks() for table in (rows, features)]
    place = pc.index_in(ids[0], ids[1])
    cohort = features["lifecycle"].cast(pa.string()).take(place).fill_null("unknown").to_numpy().astype(object)
    seed = champion.ws.settings.seed
    yield from cohort_readings(churned == 1.0, p, cohort, _of(matured), seed=seed)


def _matured(champion: Champion, sets: ScoreSets, snapshots: Mapping[str, Snapshot]) -> ScoreSet:
    """The latest score set of the champion whose horizon is over, and whose outcomes it did not learn from."""
    subject, horizon = champion.subject, timedelta(days=champion.subject.horizon)
    end = min(sets.at, data_range(snapshots)[1])
    for one in sets.found:
        if one.models.get("churn") == subject.ref and subject.learnt_until <= one.as_of <= end - horizon:
            return one
    raise NotFoundError(
        f"no score set of {subject.ref} is {subject.horizon} days old yet: what became of its customers is not known"
    )


def _outcomes(champion: Champion, rows: pa.Table, matured: ScoreSet) -> FloatArray:
    subject, lake = champion.subject, champion.ws.lake
    customers = rows["customer_id"].to_pylist()
    as_of = np.full(len(customers), int(matured.as_of.timestamp()) * 1_000_000, dtype=np.int64)
    definition = common_definition([subject])
    return churn_outcomes(lake, customers, as_of, subject.horizon, definition, cancel_types_of(lake, subject))


def _customers(rows: pa.Table) -> int:
    import pyarrow.compute as pc

    return int(pc.count_distinct(rows["customer_id"]).as_py())


def _of(one: ScoreSet, **more: Any) -> dict[str, Any]:
    return {"score_set": one.id, "as_of": one.as_of.isoformat(), **more}
