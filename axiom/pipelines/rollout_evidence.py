"""What the log and the lake prove about a version on trial, at one moment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from axiom.errors import ConflictError, MisuseError, NotFoundError
from axiom.pipelines.exposures import Watched, paired_exposures, split_exposures
from axiom.pipelines.outcomes import churn_outcomes
from axiom.pipelines.subjects import common_definition, load_subjects
from axiom.registry.evidence import PairedScores, SplitOutcomes, judge_agreement, judge_pairs, judge_split

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from axiom.lake import Lake
    from axiom.maths.arrays import BoolArray
    from axiom.pipelines.exposures import Exposures, InferenceReader
    from axiom.pipelines.subjects import Subject
    from axiom.pipelines.workspace import Workspace
    from axiom.registry.evidence import Evidence
    from axiom.registry.registry import ModelVersion
    from axiom.registry.rollout import RollOut
    from axiom.registry.trials import Rule, Trial

_MOST_WRONG = 0.01  # share of customers answered by another side than was drawn, beyond which a canary proves nothing


def evidence_about(ws: Workspace, seen: RollOut, version: int, now: datetime, read: InferenceReader) -> Evidence:
    """Evidence about a canary or shadow whose trial has a rule.

    Args:
        ws: the workspace.
        seen: the roll-out as it was read.
        version: a key of its trials, with a rule.
        now: what counts as now.
        read: the inference log.

    Raises:
        ConflictError: there is no champion to compare with.
        MisuseError: `now` lies before the trial began, or churn means different things to the versions.
        CorruptError: an artefact, or the log, is damaged.
    """
    trial, champion = seen.trials[version], seen.champion
    if champion is None:
        raise ConflictError(
            f"model {seen.name!r} has no champion to compare {seen.name}@{version} with",
            hint=f"promote one, or axiom rollout stop {seen.name}@{version}",
        )
    if now < trial.since:
        raise MisuseError(
            f"{now.isoformat()} lies before the trial of {seen.name}@{version} began, {trial.since.isoformat()}",
            hint="is the clock right?",
        )
    case = _Case(
        ws, load_subjects(ws, [(seen.name, str(number)) for number in (champion.version, version)]), trial, now
    )
    since = max(trial.since, _champion_since(ws, champion))
    watched = Watched(champion.ref, case.subjects[1].ref, champion.kind, since, now)
    if seen.canary is not None and seen.canary.version == version:
        return _about_canary(case, split_exposures(read, watched, trial, seen.salt))
    return _about_shadow(case, paired_exposures(read, watched))


@dataclass(frozen=True)
class _Case:
    """A trial at one moment: the champion and the version on trial, in this order."""

    ws: Workspace
    subjects: Sequence[Subject]
    trial: Trial
    now: datetime

    @property
    def rule(self) -> Rule:
        if self.trial.rule is None:
            raise MisuseError(f"no rule was declared for {self.subjects[1].ref}", hint="axiom rollout rule")
        return self.trial.rule

    @property
    def expired(self) -> bool:
        return self.now - self.trial.since > timedelta(days=self.rule.max_days)


def _about_canary(case: _Case, found: Exposures) -> Evidence:
    rows, churned, counts = _matured(case, found)
    outcomes = SplitOutcomes(churned, rows.p, rows.canary, rows.share, case.trial.floor)
    evidence = judge_split(case.rule, outcomes, counts, expired=case.expired)
    wrong = counts.get("wrong_side", 0)
    if evidence.verdict == "passed" and wrong > _MOST_WRONG * (wrong + len(found)):
        told = f"{wrong} customers were not answered by the side that was drawn for them: does the canary fail?"
        return replace(evidence, verdict="inconclusive" if case.expired else "waiting", why=told)
    return evidence


def _about_shadow(case: _Case, found: Exposures) -> Evidence:
    if case.rule.kind == "agreement":
        scores = PairedScores(found.p, found.other)
        kind = case.subjects[0].version.kind
        return judge_agreement(case.rule, kind, scores, found.counts, expired=case.expired)
    rows, churned, counts = _matured(case, found)
    return judge_pairs(case.rule, PairedScores(rows.p, rows.other, churned), counts, expired=case.expired)


def _matured(case: _Case, found: Exposures) -> tuple[Exposures, BoolArray, dict[str, int]]:
    """Exposures whose outcome is known and new to both versions, what became of them, and what was left out."""
    subjects, lake = case.subjects, case.ws.lake
    horizon = subjects[0].horizon
    known_from = int((case.now - timedelta(days=horizon)).timestamp() * 1e6)
    learnt = int(max(subject.learnt_until for subject in subjects).timestamp() * 1e6)
    over, new = found.at <= known_from, found.as_of >= learnt
    rows = found.take(np.flatnonzero(over & new))
    definition, cancel_types = common_definition(subjects), cancel_types_of(lake, subjects[0])
    outcome = churn_outcomes(lake, rows.customer_id, rows.as_of, horizon, definition, cancel_types)
    known = np.flatnonzero(np.isfinite(outcome))
    counts = {
        **found.counts,
        "exposed": len(found),
        "horizon_not_over": int((~over).sum()),
        "learnt_from": int((over & ~new).sum()),
        "outcome_unknown": len(rows) - len(known),
    }
    return rows.take(known), outcome[known] == 1.0, counts


def _champion_since(ws: Workspace, champion: ModelVersion) -> datetime:
    events = ws.registry.history(champion.name)
    return max(event.at for event in events if event.version == champion.version and event.to_stage == "champion")


def cancel_types_of(lake: Lake, subject: Subject) -> tuple[str, ...]:
    """What ended a contract in the labels that it learnt from; the default where those were cleaned up."""
    from axiom.pipelines.train import trained_on_in

    origin = trained_on_in(subject.files)
    try:
        labels = lake.dataset("labels", origin.labels[0]) if origin and origin.labels else None
    except NotFoundError:
        labels = None
    return tuple(labels.manifest.properties["spec"]["cancel_types"]) if labels else ("cancel",)
