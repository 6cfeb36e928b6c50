"""Who answers which customers: stages, trials, shares, rules, roll-backs."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from axiom.registry.registry import read_rollout, version_of
from axiom.serve.platform.admission import Who, With
from axiom.serve.platform.conditions import IfMatch, IfMatchOrAny, Precondition
from axiom.serve.platform.routes.models import ModelVersion, Stage, shown
from axiom.serve.platform.wire import Given, Listed, ModelName, Number, Paged, Reason, Shown, asked, equal, listed

if TYPE_CHECKING:
    from axiom.registry.rollout import RollOut as Found
    from axiom.registry.trials import Rule
    from axiom.serve.platform.services import Services

router = APIRouter(tags=["roll-outs"])
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, description="Part of the customers, 0 to 1.")]
RuleText = Annotated[
    str,
    Field(min_length=1, max_length=300, description="What decides, like `outcome; min 500; alpha 0.05`."),
]


class Trial(Shown):
    """A canary or shadow under watch."""

    version: int
    stage: Literal["canary", "shadow"]
    since: datetime | None
    rule: str | None = Field(description="What decides; null: people do.")
    steps: list[tuple[datetime, float]] = Field(description="(when, share) of a canary, oldest first.")


class RollOut(Shown):
    """How a name is rolled out at this moment. The revision is its ETag."""

    name: str
    champion: int | None
    canary: int | None
    canary_share: float
    shadows: list[int]
    trials: list[Trial]
    revision: str


class ModelEvent(Shown):
    """Who moved a version, when and why."""

    id: int
    version: int
    at: datetime
    actor: str
    action: str
    from_stage: Stage | None
    to_stage: Stage
    reason: str


class StageChange(Given):
    """Where a version goes."""

    stage: Stage
    reason: Reason


class NewTrial(Given):
    """How a version is tried on live requests."""

    stage: Literal["canary", "shadow"]
    share: Share = 0.0
    rule: RuleText | None = None
    reason: Reason


class ShareChange(Given):
    """Another share for the canary."""

    share: Share
    reason: Reason


class RuleChange(Given):
    """Another rule, or null to let people decide."""

    rule: RuleText | None
    reason: Reason


class Stop(Given):
    """How a trial ends."""

    to: Literal["candidate", "archived"] = "candidate"
    reason: Reason


class RollBack(Given):
    """Why the champion before returns."""

    reason: Reason


@router.get("/api/models/{name}/rollout")
def show(name: ModelName, known: With, response: Response) -> RollOut:
    """Who answers which share of the customers, and what decides about it."""
    with known.db.reading() as tx:
        return _shown(read_rollout(tx, name), response)


@router.get("/api/models/{name}/history")
def history(
    name: ModelName,
    known: With,
    part: Paged,
    action: Annotated[Literal["register", "promote", "displace", "rollback", "rollout"] | None, Query()] = None,
) -> Listed[ModelEvent]:
    """Who moved which version when and why, newest first."""
    with known.db.reading() as tx:
        read_rollout(tx, name)
        found = tx.pages.model_events(asked(part, None, equal("name", name), equal("action", action)))
    return Listed[ModelEvent].model_validate(listed(found))


@router.post("/api/models/{name}/versions/{version}/stage")
def move(
    name: ModelName, version: Number, body: StageChange, who: Who, known: With, seen: IfMatchOrAny
) -> ModelVersion:
    """Promote, archive, or put a version back among the candidates; a new champion archives the old one."""
    with known.db.transaction() as tx:
        tx.models.lock(name)
        seen.check(_tag(tx.rollouts.revision([name])), f"the roll-out of {name!r}")
        moved = tx.models.move(name, version, body.stage, actor=who.actor, reason=body.reason)
        return shown(version_of(moved))


@router.post("/api/models/{name}/rollback")
def roll_back(name: ModelName, body: RollBack, who: Who, known: With, seen: IfMatchOrAny) -> ModelVersion:
    """Bring the champion before the present one back; repeat to go further back."""
    with known.db.transaction() as tx:
        tx.models.lock(name)
        seen.check(_tag(tx.rollouts.revision([name])), f"the roll-out of {name!r}")
        return shown(version_of(tx.models.rollback(name, actor=who.actor, reason=body.reason)))


@router.post("/api/models/{name}/versions/{version}/trial")
def start(
    name: ModelName, version: Number, body: NewTrial, who: Who, known: With, seen: IfMatchOrAny, response: Response
) -> RollOut:
    """Make a version canary (it answers a sticky share of the customers) or shadow (it is asked beside the answer)."""
    from axiom.pipelines.rollout import start_trial

    found = start_trial(
        known.workspace,
        name,
        version,
        body.stage,
        actor=who.actor,
        reason=body.reason,
        share=body.share,
        rule=_rule(body.rule),
        revision=_revision(known, name, seen),
    )
    return _shown(found, response)


@router.put("/api/models/{name}/rollout/share")
def set_share(name: ModelName, body: ShareChange, who: Who, known: With, seen: IfMatch, response: Response) -> RollOut:
    """Give the canary another share; who has it keeps it while the share grows."""
    from axiom.registry import steering

    revision = _revision(known, name, seen)
    registry = known.workspace.registry
    found = steering.set_share(registry, name, body.share, actor=who.actor, reason=body.reason, revision=revision)
    return _shown(found, response)


@router.put("/api/models/{name}/versions/{version}/rule")
def set_rule(
    name: ModelName, version: Number, body: RuleChange, who: Who, known: With, seen: IfMatch, response: Response
) -> RollOut:
    """Declare what decides about a canary or shadow; its evidence starts anew."""
    from axiom.registry import steering

    rule, revision = _rule(body.rule), _revision(known, name, seen)
    registry = known.workspace.registry
    found = steering.set_rule(registry, name, version, rule, actor=who.actor, reason=body.reason, revision=revision)
    return _shown(found, response)


@router.post("/api/models/{name}/versions/{version}/stop")
def stop(
    name: ModelName, version: Number, body: Stop, who: Who, known: With, seen: IfMatchOrAny, response: Response
) -> RollOut:
    """End a trial: the champion answers everybody again."""
    from axiom.registry import steering

    revision = _revision(known, name, seen)
    registry = known.workspace.registry
    found = steering.stop(registry, name, version, to=body.to, actor=who.actor, reason=body.reason, revision=revision)
    return _shown(found, response)


def _revision(known: Services, name: str, seen: Precondition) -> str | None:
    """The revision that the change must meet; None where the caller does not mind."""
    if seen.tags is None or "*" in seen.tags:
        return None
    with known.db.reading() as tx:
        revision = tx.rollouts.revision([name])
    seen.check(_tag(revision), f"the roll-out of {name!r}")
    return revision


def _rule(text: str | None) -> Rule | None:
    from axiom.registry.trials import parse_rule

    return None if text is None else parse_rule(text)


def _shown(found: Found, response: Response) -> RollOut:
    response.headers["etag"] = _tag(found.revision)
    return RollOut(
        name=found.name,
        champion=found.champion.version if found.champion else None,
        canary=found.canary.version if found.canary else None,
        canary_share=found.canary_share,
        shadows=[one.version for one in found.shadows],
        trials=_trials(found),
        revision=found.revision,
    )


def _trials(found: Found) -> list[Trial]:
    on_trial = [*([found.canary] if found.canary else []), *found.shadows]
    trials = []
    for one in on_trial:
        trial = found.trials.get(one.version)
        facts: dict[str, Any] = {"since": None, "rule": None, "steps": []}
        if trial is not None:
            facts = {"since": trial.since, "rule": trial.rule and str(trial.rule), "steps": list(trial.steps)}
        trials.append(Trial.model_validate({"version": one.version, "stage": one.stage, **facts}))
    return trials


def _tag(revision: str) -> str:
    return f'"{revision}"'
