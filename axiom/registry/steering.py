"""Every change of a roll-out: one transaction each, with its line in the audit trail."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from axiom.errors import ConflictError, MisuseError, StaleError
from axiom.registry.registry import read_rollout, version_of
from axiom.registry.rollout import check_share
from axiom.registry.trials import Trial

if TYPE_CHECKING:
    from collections.abc import Mapping

    from axiom.db import Stage, Transaction
    from axiom.registry.registry import ModelVersion, Registry
    from axiom.registry.rollout import RollOut
    from axiom.registry.trials import Rule


def start(
    registry: Registry,
    name: str,
    version: int,
    stage: Literal["canary", "shadow"],
    *,
    actor: str,
    reason: str,
    share: float = 0.0,
    rule: Rule | None = None,
    salt: str | None = None,
    revision: str | None = None,
) -> RollOut:
    """Make a version canary or shadow beside the champion. Whether its files load is not looked at here.

    Args:
        registry: where it is registered.
        name: of the model line.
        version: which.
        stage: what it becomes.
        actor: who asks.
        reason: why, for the audit trail.
        share: of the customers that a canary answers, 0 to 1.
        rule: what decides about it; None: people do.
        salt: what draws the customers; default: a new one, so that it is not always the same customers.
        revision: of the roll-out that the caller has seen; another one is refused.

    Raises:
        StaleError: the roll-out was changed since `revision`.
        NotFoundError: no such version.
        ConflictError: there is no champion, it is the champion, it is in the stage already, or another is canary.
        MisuseError: a share out of range, a horizon other than the champion's, or a rule that can never decide.
    """
    check_share(share)
    if stage == "shadow" and share:
        raise MisuseError(f"a shadow answers nobody, so it has no share of {share:g}", hint="make it canary")
    with registry.db.transaction() as tx:
        tx.models.lock(name)
        check_revision(tx, name, revision)
        chosen, before = version_of(tx.models.get(name, version)), read_rollout(tx, name)
        _check_beside(before, chosen, stage)
        _check_rule(rule, chosen, stage)
        told = f"{reason} ({_terms(stage, share, rule)})" if reason.strip() else reason
        tx.models.move(name, version, stage, actor=actor, reason=told)
        seen, now = read_rollout(tx, name), tx.clock()
        canary = stage == "canary"
        trial = Trial(now, rule, ((now, share),) if canary else ())
        drawn = (secrets.token_hex(8) if salt is None else salt) if canary else before.salt
        _put(tx, seen, {**seen.trials, version: trial}, share if canary else seen.canary_share, drawn, actor)
        return read_rollout(tx, name)


def set_share(
    registry: Registry, name: str, share: float, *, actor: str, reason: str, revision: str | None = None
) -> RollOut:
    """Give the canary another share. A larger one keeps everybody who has the canary; its evidence goes on.

    Raises:
        NotFoundError: no such model.
        StaleError: the roll-out was changed since `revision`.
        ConflictError: there is no canary, or it has that share.
        MisuseError: a share out of range, or an empty actor or reason.
    """
    check_share(share)
    with registry.db.transaction() as tx:
        tx.models.lock(name)
        check_revision(tx, name, revision)
        seen = read_rollout(tx, name)
        canary = _require_canary(seen)
        if share == seen.canary_share:
            raise ConflictError(f"the share of {canary.ref} is {share:g} already")
        now = tx.clock()
        trial = seen.trials.get(canary.version) or Trial(now)
        told = f"{reason} (share {seen.canary_share:g} -> {share:g})" if reason.strip() else reason
        tx.models.note(name, canary.version, actor=actor, reason=told)
        stepped = replace(trial, steps=(*trial.steps, (now, share)))
        salt = seen.salt or secrets.token_hex(8)
        _put(tx, seen, {**seen.trials, canary.version: stepped}, share, salt, actor)
        return read_rollout(tx, name)


def set_rule(
    registry: Registry,
    name: str,
    version: int,
    rule: Rule | None,
    *,
    actor: str,
    reason: str,
    revision: str | None = None,
) -> RollOut:
    """Declare what decides about a canary or shadow, or (None) that people do. Evidence starts anew.

    A rule that was chosen after a look at the evidence must not be judged by that evidence.

    Raises:
        NotFoundError: no such version.
        StaleError: the roll-out was changed since `revision`.
        ConflictError: it is neither canary nor shadow.
        MisuseError: a rule that can never decide, or an empty actor or reason.
    """
    with registry.db.transaction() as tx:
        tx.models.lock(name)
        check_revision(tx, name, revision)
        chosen, seen = version_of(tx.models.get(name, version)), read_rollout(tx, name)
        stage = _require_on_trial(chosen)
        _check_rule(rule, chosen, stage)
        told = f"{reason} ({_terms(stage, seen.canary_share, rule)})" if reason.strip() else reason
        tx.models.note(name, version, actor=actor, reason=told)
        now = tx.clock()
        trial = Trial(now, rule, ((now, seen.canary_share),) if stage == "canary" else ())
        _put(tx, seen, {**seen.trials, version: trial}, seen.canary_share, seen.salt, actor)
        return read_rollout(tx, name)


def stop(
    registry: Registry,
    name: str,
    version: int | None = None,
    *,
    to: Literal["candidate", "archived"] = "candidate",
    actor: str,
    reason: str,
    revision: str | None = None,
) -> RollOut:
    """End a trial: the champion answers everybody again.

    Args:
        registry: where it is registered.
        name: of the model line.
        version: a canary or shadow; default: the canary.
        to: what becomes of it.
        actor: who asks.
        reason: why, for the audit trail.
        revision: of the roll-out that the caller has seen; another one is refused.

    Raises:
        NotFoundError: no such version.
        StaleError: the roll-out was changed since `revision`.
        ConflictError: it is neither canary nor shadow, or there is no canary.
        MisuseError: an empty actor or reason.
    """
    with registry.db.transaction() as tx:
        tx.models.lock(name)
        check_revision(tx, name, revision)
        if version is None:
            version = _require_canary(read_rollout(tx, name)).version
        _require_on_trial(version_of(tx.models.get(name, version)))
        tx.models.move(name, version, to, actor=actor, reason=reason)
        return read_rollout(tx, name)


def conclude(registry: Registry, seen: RollOut, version: int, to: Stage, *, actor: str, reason: str) -> RollOut:
    """Move a version as evidence says, if the roll-out still is the one that the evidence is about.

    Raises:
        ConflictError: somebody changed the roll-out meanwhile; nothing was done.
    """
    with registry.db.transaction() as tx:
        tx.models.lock(seen.name)
        if tx.rollouts.revision([seen.name]) != seen.revision:
            raise ConflictError(
                f"the roll-out of {seen.name!r} changed while it was judged; nothing was done", hint="judge it again"
            )
        tx.models.move(seen.name, version, to, actor=actor, reason=reason)
        return read_rollout(tx, seen.name)


def check_revision(tx: Transaction, name: str, revision: str | None) -> None:
    """Refuse to change a roll-out that is not the one the caller has seen; None: whatever it is now.

    Raises:
        StaleError: it was changed since.
    """
    if revision is not None and tx.rollouts.revision([name]) != revision:
        raise StaleError(f"the roll-out of {name!r} was changed meanwhile", hint="look at it again")


def _check_beside(seen: RollOut, chosen: ModelVersion, stage: str) -> None:
    champion = seen.champion
    if champion is None:
        raise ConflictError(
            f"model {seen.name!r} has no champion to run {chosen.ref} beside",
            hint=f'axiom models promote {chosen.ref} --to champion --reason "first"',
        )
    if champion.version == chosen.version:
        raise ConflictError(
            f"{chosen.ref} is the champion: it answers already", hint=f"name another version as {stage}"
        )
    horizons = [version.card.training_window.horizon_days for version in (chosen, champion)]
    if horizons[0] != horizons[1]:
        raise MisuseError(
            f"{chosen.ref} looks {horizons[0]} days ahead, {champion.ref} {horizons[1]}: their answers mean two things",
            hint="train a version of the champion's horizon, or another name for the other horizon",
        )


def _check_rule(rule: Rule | None, chosen: ModelVersion, stage: str) -> None:
    if rule is None:
        return
    horizon = chosen.card.training_window.horizon_days
    if rule.kind == "agreement" and stage == "canary":
        raise MisuseError(
            "agreement needs both versions to score the same request, and a canary answers instead of the champion",
            hint="make it a shadow, or use an outcome rule",
        )
    if rule.kind == "outcome" and chosen.kind != "churn":
        raise MisuseError(
            f"an outcome rule is about churn, {chosen.ref} is a {chosen.kind} model: the loss of money has no bound",
            hint="use an agreement rule on a shadow",
        )
    if rule.kind == "outcome" and rule.max_days <= horizon:
        raise MisuseError(
            f"no outcome is known within {rule.max_days} days at a horizon of {horizon}: the rule could never decide",
            hint=f"for example days {2 * horizon}",
        )


def _require_canary(seen: RollOut) -> ModelVersion:
    if seen.canary is None:
        raise ConflictError(
            f"model {seen.name!r} has no canary", hint=f"axiom rollout canary {seen.name}@N --share 0.1 --reason …"
        )
    return seen.canary


def _require_on_trial(chosen: ModelVersion) -> Literal["canary", "shadow"]:
    if chosen.stage == "canary" or chosen.stage == "shadow":
        return chosen.stage
    raise ConflictError(
        f"{chosen.ref} is {chosen.stage}, neither canary nor shadow", hint=f"axiom rollout show {chosen.name}"
    )


def _terms(stage: str, share: float, rule: Rule | None) -> str:
    decides = "decided by people" if rule is None else f"rule: {rule}"
    return f"share {share:g}; {decides}" if stage == "canary" else decides


def _put(tx: Transaction, seen: RollOut, trials: Mapping[int, Trial], share: float, salt: str, actor: str) -> None:
    kept = {str(version): trial.to_dict() for version, trial in sorted(trials.items())}
    tx.rollouts.put(seen.name, share=share, salt=salt, trials=kept, actor=actor)
