from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from axiom.errors import AxiomError, ConflictError, MisuseError, NotFoundError
from axiom.registry.cards import TrainingWindow
from axiom.registry.steering import conclude, set_rule, set_share, start, stop
from axiom.registry.trials import Rule

if TYPE_CHECKING:
    from collections.abc import Callable

    from axiom.db import Database
    from axiom.registry.cards import ModelCard
    from axiom.registry.registry import Registry
    from axiom.registry.rollout import RollOut
    from tests.rollout.conftest import Clock

WHO: dict[str, Any] = {"actor": "ann", "reason": "because"}
OUTCOME = Rule("outcome", max_days=90)


def canary(registry: Registry, version: int = 2, share: float = 0.1, **more: Any) -> RollOut:
    return start(registry, "churn", version, "canary", share=share, **WHO | more)


def test_before_anything_is_rolled_out_the_champion_answers_alone(registry: Registry) -> None:
    found = registry.rollout("churn")
    assert found.champion is not None
    assert (found.champion.ref, found.canary, found.canary_share, found.shadows) == ("churn@1", None, 0.0, ())
    assert found.role_of("anybody") == "champion"


def test_a_canary_and_several_shadows_run_beside_the_champion(registry: Registry, clock: Clock) -> None:
    clock.advance(hours=1)
    canary(registry, share=0.25, rule=OUTCOME, salt="pepper")
    for version in (3, 4):
        start(registry, "churn", version, "shadow", rule=Rule("agreement"), **WHO)
    found = registry.rollout("churn")
    assert found.champion is not None
    assert found.canary is not None
    assert (found.champion.version, found.canary.version, found.canary_share) == (1, 2, 0.25)
    assert [shadow.version for shadow in found.shadows] == [4, 3]
    assert found.salt == "pepper"
    assert found.trials[2].rule == OUTCOME
    assert found.trials[2].since == clock.now
    assert found.trials[2].steps == ((clock.now, 0.25),)
    assert found.trials[4].steps == ()


def test_every_change_changes_the_revision_and_leaves_a_line_in_the_audit(registry: Registry) -> None:
    changes: list[Callable[[], object]] = [
        lambda: canary(registry),
        lambda: set_share(registry, "churn", 0.2, **WHO),
        lambda: set_rule(registry, "churn", 2, OUTCOME, **WHO),
        lambda: start(registry, "churn", 3, "shadow", **WHO),
        lambda: stop(registry, "churn", 3, **WHO),
        lambda: stop(registry, "churn", **WHO),
        lambda: canary(registry),
        lambda: registry.promote("churn", 2, "champion", **WHO),
        lambda: registry.rollback("churn", **WHO),
    ]
    seen, events = [registry.revision(["churn"])], len(registry.history("churn"))
    for change in changes:
        change()
        seen.append(registry.revision(["churn"]))
        assert registry.rollout("churn").revision == seen[-1]
        assert len(registry.history("churn")) > events
        events = len(registry.history("churn"))
    assert len(set(seen)) == len(seen)
    assert seen[-1] == registry.revision(["churn"])


def test_the_revision_covers_the_names_that_were_asked_for(registry: Registry, card: Callable[..., ModelCard]) -> None:
    before = registry.revision(["churn", "value"])
    assert before == registry.revision(["churn"])
    registry.register(card(name="value", kind="clv"), {"model.json": b"{}"})
    assert registry.revision(["churn"]) == before
    assert registry.revision(["churn", "value"]) != before
    assert registry.revision([]) == ""


def test_the_audit_tells_share_and_rule_and_reason(registry: Registry) -> None:
    canary(registry, rule=OUTCOME)
    set_share(registry, "churn", 0.5, actor="bob", reason="no complaints")
    first, last = registry.history("churn")[-2:]
    assert (first.action, first.from_stage, first.to_stage) == ("promote", "candidate", "canary")
    assert first.reason == f"because (share 0.1; rule: {OUTCOME})"
    assert (last.actor, last.action, last.to_stage) == ("bob", "rollout", "canary")
    assert last.reason == "no complaints (share 0.1 -> 0.5)"


def test_shares_are_remembered_with_their_times(registry: Registry, clock: Clock) -> None:
    canary(registry, share=0.1)
    began = clock.now
    clock.advance(days=1)
    found = set_share(registry, "churn", 0.3, **WHO)
    assert found.trials[2].steps == ((began, 0.1), (clock.now, 0.3))
    assert found.trials[2].since == began


def test_a_rule_declared_later_does_not_see_what_was_before(registry: Registry, clock: Clock) -> None:
    canary(registry, share=0.1)
    clock.advance(days=1)
    found = set_rule(registry, "churn", 2, OUTCOME, **WHO)
    assert (found.trials[2].since, found.trials[2].steps) == (clock.now, ((clock.now, 0.1),))
    assert set_rule(registry, "churn", 2, None, **WHO).trials[2].rule is None


@pytest.mark.parametrize("way", ["stop", "promote", "archive"])
def test_who_leaves_the_canary_leaves_share_and_trial_behind(registry: Registry, way: str) -> None:
    canary(registry, share=0.4, rule=OUTCOME)
    if way == "stop":
        stop(registry, "churn", **WHO)
    else:
        registry.promote("churn", 2, "champion" if way == "promote" else "archived", **WHO)
    found = registry.rollout("churn")
    assert (found.canary, found.canary_share, dict(found.trials)) == (None, 0.0, {})
    if way != "promote":
        registry.promote("churn", 2, "canary", **WHO)
        again = registry.rollout("churn")
        assert again.canary is not None
        assert (again.canary_share, dict(again.trials)) == (0.0, {})


def test_a_shadow_becomes_canary_and_its_first_trial_ends(registry: Registry, clock: Clock) -> None:
    start(registry, "churn", 2, "shadow", rule=Rule("agreement"), **WHO)
    clock.advance(days=1)
    found = canary(registry)
    assert (found.shadows, found.trials[2].rule, found.trials[2].since) == ((), None, clock.now)


def test_a_new_canary_draws_other_customers(registry: Registry) -> None:
    first = canary(registry).salt
    stop(registry, "churn", **WHO)
    assert canary(registry).salt != first


def test_bad_requests_are_refused_and_leave_no_trace(registry: Registry, card: Callable[..., ModelCard]) -> None:
    window = TrainingWindow(60, card().training_window.train_as_ofs)
    registry.register(card(training_window=window), {"model.json": b"{}"})
    registry.register(card(name="value", kind="clv"), {"model.json": b"{}"})
    registry.register(card(name="value", kind="clv"), {"model.json": b"{}"})
    registry.promote("value", 1, "champion", **WHO)
    registry.register(card(name="lonely"), {"model.json": b"{}"})
    before = registry.revision(["churn", "value", "lonely"])
    refused: list[tuple[Callable[[], object], type[AxiomError], str]] = [
        (lambda: canary(registry, share=1.5), MisuseError, "1.5 is not between 0 and 1"),
        (lambda: canary(registry, share=float("nan")), MisuseError, "nan is not between"),
        (lambda: canary(registry, version=9), NotFoundError, "no model churn@9"),
        (lambda: canary(registry, version=1), ConflictError, "churn@1 is the champion"),
        (lambda: canary(registry, version=5), MisuseError, "churn@5 looks 60 days ahead, churn@1 30"),
        (lambda: canary(registry, reason=" "), MisuseError, "needs an actor and a reason"),
        (lambda: canary(registry, rule=Rule("agreement")), MisuseError, "agreement needs both versions"),
        (lambda: canary(registry, rule=Rule("outcome", max_days=30)), MisuseError, "no outcome is known within 30"),
        (lambda: start(registry, "churn", 2, "shadow", share=0.5, **WHO), MisuseError, "a shadow answers nobody"),
        (lambda: start(registry, "lonely", 1, "canary", **WHO), ConflictError, "'lonely' has no champion"),
        (lambda: start(registry, "value", 2, "canary", rule=OUTCOME, **WHO), MisuseError, "about churn, value@2"),
        (lambda: set_share(registry, "churn", 0.5, **WHO), ConflictError, "'churn' has no canary"),
        (lambda: set_rule(registry, "churn", 2, OUTCOME, **WHO), ConflictError, "churn@2 is candidate, neither"),
        (lambda: stop(registry, "churn", **WHO), ConflictError, "'churn' has no canary"),
        (lambda: stop(registry, "churn", 1, **WHO), ConflictError, "churn@1 is champion, neither"),
        (lambda: registry.rollout("gone"), NotFoundError, "no model 'gone'"),
    ]
    for attempt, error, line in refused:
        with pytest.raises(error, match=line):
            attempt()
    assert registry.revision(["churn", "value", "lonely"]) == before


def test_a_second_canary_is_refused(registry: Registry) -> None:
    canary(registry)
    for attempt in (lambda: canary(registry, 3), lambda: registry.promote("churn", 3, "canary", **WHO)):
        with pytest.raises(ConflictError, match="churn@2 is canary already"):
            attempt()
    with pytest.raises(ConflictError, match=r"share of churn@2 is 0.1 already"):
        set_share(registry, "churn", 0.1, **WHO)


def test_of_two_that_start_a_canary_at_once_one_wins(registry: Registry) -> None:
    def attempt(version: int) -> str:
        try:
            canary(registry, version)
        except ConflictError:
            return "refused"
        return "started"

    with ThreadPoolExecutor(3) as pool:
        assert sorted(pool.map(attempt, (2, 3, 4))) == ["refused", "refused", "started"]


def test_a_conclusion_about_a_roll_out_that_changed_is_refused(registry: Registry) -> None:
    seen = canary(registry)
    changed = set_share(registry, "churn", 0.2, **WHO)
    with pytest.raises(ConflictError, match="changed while it was judged; nothing was done"):
        conclude(registry, seen, 2, "champion", **WHO)
    assert registry.rollout("churn") == changed
    after = conclude(registry, changed, 2, "champion", **WHO)
    assert after.champion is not None
    assert after.champion.version == 2
    assert registry.get("churn", 1).stage == "archived"


def test_the_database_itself_allows_one_canary_and_no_share_beyond_one(registry: Registry) -> None:
    canary(registry)
    for statement in (
        "UPDATE models SET stage = 'canary' WHERE version = 3",
        "UPDATE rollouts SET canary_share = 1.5",
        "UPDATE model_events SET action = 'whim'",
    ):
        with pytest.raises(AxiomError), registry.db.transaction() as tx:
            tx.connection.execute(sa.text(statement))


def test_an_older_schema_with_two_canaries_keeps_the_newer_one(db: Database) -> None:
    db.migrate("0002")
    with db.transaction() as tx:
        tx.connection.execute(
            sa.text("INSERT INTO model_names (name, kind, last_version) VALUES ('churn', 'churn', 2)")
        )
        for version in (1, 2):
            tx.connection.execute(
                sa.text(
                    "INSERT INTO models (name, version, kind, stage, card, artefact_path, artefact_sha256, created_at) "
                    "VALUES ('churn', :version, 'churn', 'canary', :card, 'p', 's', CURRENT_TIMESTAMP)"
                ),
                {"version": version, "card": json.dumps({})},
            )
    db.migrate()
    with db.transaction() as tx:
        assert [(model.version, model.stage) for model in tx.models.list("churn")] == [(2, "canary"), (1, "candidate")]
        (event,) = tx.models.events("churn")
        assert (event.version, event.action, event.reason) == (1, "displace", "one canary at a time")
        tx.models.note("churn", 2, actor="ann", reason="looks fine")
    db.migrate("0002")
    with db.reading() as tx:
        assert [event.action for event in tx.models.events("churn")] == ["displace"]
