"""Stage: begin roll-outs safely, and let declared evidence promote, roll back or stop them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from axiom.errors import AxiomError, MisuseError
from axiom.pipelines.exposures import COLUMNS
from axiom.pipelines.rollout_evidence import evidence_about
from axiom.pipelines.subjects import churn_model, common_definition, load_subjects
from axiom.registry import steering
from axiom.telemetry import get_logger

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from axiom.db import Stage
    from axiom.pipelines.exposures import InferenceReader
    from axiom.pipelines.subjects import Subject
    from axiom.pipelines.workspace import Workspace
    from axiom.registry.evidence import Evidence
    from axiom.registry.rollout import RollOut
    from axiom.registry.trials import Rule

JUDGE = "axiom judge"
"""Who decides, in the audit trail."""
_log = get_logger(__name__)


@dataclass(frozen=True)
class Judgement:
    """What was found out about one version, and what was done.

    Attributes:
        model: `name@version`.
        champion: `name@version` that it ran beside.
        stage: `canary` or `shadow`, before.
        rule: as it was declared.
        evidence: what is known.
        action: `promote`, `archive`, `stop`, or `none`.
    """

    model: str
    champion: str
    stage: str
    rule: str
    evidence: Evidence
    action: Literal["promote", "archive", "stop", "none"]

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return asdict(self)


def start_trial(
    ws: Workspace,
    name: str,
    version: int,
    stage: Literal["canary", "shadow"],
    *,
    actor: str,
    reason: str,
    share: float = 0.0,
    rule: Rule | None = None,
    revision: str | None = None,
) -> RollOut:
    """Make a version canary or shadow, after a look at its files: what does not load answers nobody.

    Args:
        ws: the workspace.
        name: of the model line.
        version: which.
        stage: what it becomes.
        actor: who asks.
        reason: why, for the audit trail.
        share: of the customers that a canary answers, 0 to 1.
        rule: what decides about it; None: people do.
        revision: of the roll-out that the caller has seen; another one is refused.

    Raises:
        StaleError: the roll-out was changed since `revision`.
        CorruptError: its files are gone, altered, or no model.
        NotFoundError, ConflictError, MisuseError: see `axiom.registry.steering.start`; also where churn means something
            else to it than to the champion.
    """
    champion = ws.registry.rollout(name).champion
    chosen = ws.registry.get(name, version)
    if champion is not None and champion.version != chosen.version:
        subjects = load_subjects(ws, [(name, str(found.version)) for found in (champion, chosen)])
        if chosen.kind == "churn":
            common_definition(subjects)
        _check_loads(subjects[1])
    return steering.start(
        ws.registry,
        name,
        chosen.version,
        stage,
        actor=actor,
        reason=reason,
        share=share,
        rule=rule,
        revision=revision,
    )


def judge_rollouts(
    ws: Workspace,
    names: Sequence[str] | None = None,
    *,
    now: datetime | None = None,
    read: InferenceReader | None = None,
    apply: bool = True,
) -> list[Judgement]:
    """Judge every canary and shadow that has a rule, and do what the rule says. Repeating it changes nothing more.

    Each decision is one transaction, which also checks that the roll-out is still the one that was judged: a crash
    leaves it undone, and the next call finds it again. One name that cannot be judged does not keep the others waiting:
    its error is raised at the end.

    Args:
        ws: the workspace.
        names: of model lines; default: all.
        now: what counts as now; default: the clock.
        read: the inference log; default: the one in the lake.
        apply: False: only say what would be done.

    Raises:
        ConflictError: a roll-out was changed while it was judged, or has no champion; nothing was done about it.
        MisuseError: `now` lies before a trial began, or churn means different things to the versions.
        NotFoundError: no such model.
        CorruptError: an artefact, or the log, is damaged.
    """
    moment = now or datetime.now(UTC)
    reader = read or _reader(ws)
    done: list[Judgement] = []
    failed: AxiomError | None = None
    for name in names if names is not None else sorted({version.name for version in ws.registry.list()}):
        try:
            done.extend(_judge_name(ws, name, moment, reader, apply=apply))
        except AxiomError as error:
            _log.warning("rollout_not_judged", model=name, error=str(error))
            failed = failed or error
    if failed is not None:
        raise failed
    return done


def watch_rollouts(
    ws: Workspace,
    names: Sequence[str] | None,
    *,
    every: float,
    stop: threading.Event,
    on_round: Callable[[list[Judgement]], None],
) -> None:
    """Judge again and again until `stop` is set; a round that fails is logged, and the next one comes all the same.

    Args:
        ws: the workspace.
        names: of model lines; None: all.
        every: seconds between two rounds, > 0.
        stop: ends it.
        on_round: is told of every round.

    Raises:
        MisuseError: `every` is not positive.
    """
    if not every > 0:
        raise MisuseError(f"cannot judge every {every:g} seconds", hint="give a positive number")
    while not stop.is_set():
        try:
            on_round(judge_rollouts(ws, names))
        except AxiomError as error:
            _log.warning("rollout_round_failed", error=str(error))
        stop.wait(every)


def _judge_name(ws: Workspace, name: str, now: datetime, read: InferenceReader, *, apply: bool) -> list[Judgement]:
    done = []
    for version in sorted(ws.registry.rollout(name).trials):
        # Read again each time: a promotion a moment ago leaves the next one another champion to be judged against.
        seen = ws.registry.rollout(name)
        trial = seen.trials.get(version)
        if trial is not None and trial.rule is not None:
            done.append(
                _judge(ws, seen, version, trial.rule, evidence_about(ws, seen, version, now, read), apply=apply)
            )
    return done


def _judge(ws: Workspace, seen: RollOut, version: int, rule: Rule, evidence: Evidence, *, apply: bool) -> Judgement:
    action, to = _action(rule, evidence)
    stage = "canary" if seen.canary is not None and seen.canary.version == version else "shadow"
    champion = "" if seen.champion is None else seen.champion.ref
    judged = Judgement(f"{seen.name}@{version}", champion, stage, str(rule), evidence, action)
    if apply and to is not None:
        reason = json.dumps(judged.to_dict(), allow_nan=False)
        steering.conclude(ws.registry, seen, version, to, actor=JUDGE, reason=reason)
    _log.info("rollout_judged", model=judged.model, verdict=evidence.verdict, action=action, why=evidence.why)
    return judged


def _action(rule: Rule, evidence: Evidence) -> tuple[Literal["promote", "archive", "stop", "none"], Stage | None]:
    if evidence.verdict == "passed" and rule.when_passed == "promote":
        return "promote", "champion"
    if evidence.verdict == "failed" and rule.when_failed == "archive":
        return "archive", "archived"
    if evidence.verdict == "inconclusive":
        return "stop", "candidate"
    return "none", None


def _check_loads(subject: Subject) -> None:
    if subject.version.kind == "churn":
        churn_model(subject)
    else:
        from axiom.training.clv.model import ClvModel

        ClvModel.from_files(subject.files)


def _reader(ws: Workspace) -> InferenceReader:
    from axiom.scoring.inference import read_inference

    return partial(read_inference, ws.lake.storage, columns=COLUMNS)
