from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from axiom.db.experiments import Variant
from axiom.db.observations import Observation, VariantCounts
from axiom.errors import ConflictError, NotFoundError

if TYPE_CHECKING:
    from axiom.db import Database
    from axiom.db.experiments import Experiment
    from tests.db.conftest import Clock

HALVES = (Variant("control", 1.0), Variant("offer", 1.0))


def draft(db: Database, name: str = "spring", **more: Any) -> Experiment:
    facts = {"hypothesis": "an offer keeps them", "metric": "revenue", "variants": HALVES, "salt": "s", "actor": "ann"}
    with db.transaction() as tx:
        return tx.experiments.add(name, **{**facts, **more})


def running(db: Database) -> None:
    draft(db)
    with db.transaction() as tx:
        tx.experiments.start("spring", actor="ann")


def observe(db: Database, *rows: Observation) -> int:
    with db.transaction() as tx:
        return tx.observations.add("spring", rows, actor="key:app")


def counts(db: Database) -> tuple[dict[str, VariantCounts], int]:
    with db.reading() as tx:
        return tx.observations.counts("spring")


def test_a_draft_changes_runs_and_stops_and_every_step_is_in_the_trail(clocked: Database, clock: Clock) -> None:
    made = draft(clocked)
    assert (made.status, made.revision, made.variants, made.created_at) == ("draft", 1, HALVES, clock.now)
    thirds = (*HALVES, Variant("call", 2.5))
    with clocked.transaction() as tx:
        changed = tx.experiments.change("spring", actor="bob", metric="conversion", variants=thirds)
        assert (changed.metric, changed.variants, changed.hypothesis) == ("conversion", thirds, made.hypothesis)
        started = tx.experiments.start("spring", actor="ann")
        stopped = tx.experiments.stop("spring", actor="ann", reason="enough")
        assert (changed.revision, started.revision, stopped.revision) == (2, 3, 4)
        assert (started.status, stopped.status, stopped.stopped_at) == ("running", "stopped", clock.now)
        told = [(entry.actor, entry.action, dict(entry.detail)) for entry in reversed(tx.audit.list())]
    assert told == [
        ("ann", "experiment.create", {"metric": "revenue"}),
        ("bob", "experiment.change", {"changed": ["metric", "variants"]}),
        ("ann", "experiment.start", {}),
        ("ann", "experiment.stop", {"reason": "enough"}),
    ]


def test_a_step_that_the_state_does_not_allow_is_refused(clocked: Database) -> None:
    draft(clocked)
    with pytest.raises(ConflictError, match="there is an experiment 'spring' already"):
        draft(clocked)
    with clocked.transaction() as tx:
        found = tx.experiments
        with pytest.raises(ConflictError, match="'spring' is a draft"):
            found.stop("spring", actor="ann", reason="r")
        found.start("spring", actor="ann")
        for step in (
            lambda: found.start("spring", actor="ann"),
            lambda: found.change("spring", actor="ann", hypothesis="h"),
            lambda: found.delete("spring", actor="ann"),
        ):
            with pytest.raises(ConflictError, match="'spring' is running"):
                step()
        found.stop("spring", actor="ann", reason="r")
        with pytest.raises(ConflictError, match="'spring' is stopped"):
            found.start("spring", actor="ann")
        for step in (lambda: found.get("autumn"), lambda: found.delete("autumn", actor="ann")):
            with pytest.raises(NotFoundError, match="there is no experiment 'autumn'"):
                step()


def test_a_draft_can_be_forgotten_and_its_name_used_again(clocked: Database) -> None:
    draft(clocked)
    with clocked.transaction() as tx:
        tx.experiments.delete("spring", actor="ann")
    assert draft(clocked).revision == 1


def test_a_batch_that_is_sent_again_adds_nothing_and_leaves_no_entry(clocked: Database, clock: Clock) -> None:
    running(clocked)
    rows = [Observation(f"C{number}", "exposure", clock.now, "offer") for number in range(1200)]
    assert [observe(clocked, *rows), observe(clocked, *rows), observe(clocked, *rows[:3], rows[0])] == [1200, 0, 0]
    assert observe(clocked, Observation("C0", "exposure", clock.now, "control")) == 0, "the first one counts"
    later = clock.now + timedelta(microseconds=1)
    assert observe(clocked, *[Observation("C0", "exposure", later, "offer")] * 2) == 1
    assert counts(clocked) == ({"offer": VariantCounts("offer", 1200)}, 0)
    with clocked.reading() as tx:
        told = [dict(entry.detail) for entry in tx.audit.list() if entry.action == "experiment.observe"]
    assert told == [{"rows": 1}, {"rows": 1200}]


def test_an_outcome_counts_for_what_was_seen_by_then_in_whatever_order_it_was_told(
    clocked: Database, clock: Clock
) -> None:
    running(clocked)
    start = clock.now

    def at(minutes: float) -> Any:
        return start + timedelta(minutes=minutes)

    observe(
        clocked,
        Observation("early", "outcome", at(1), None, 5.0),
        Observation("early", "outcome", at(3), None, 7.0),
        Observation("nobody", "outcome", at(3), None, 100.0),
        Observation("mixed", "outcome", at(9), None, 100.0),
    )
    observe(
        clocked,
        Observation("early", "exposure", at(2), "control"),
        Observation("early", "exposure", at(4), "control"),
        Observation("idle", "exposure", at(2), "control"),
        Observation("twice", "exposure", at(2), "offer"),
        Observation("twice", "outcome", at(2), None, 1.5),
        Observation("twice", "outcome", at(5), None, -0.5),
        Observation("mixed", "exposure", at(2), "control"),
        Observation("mixed", "exposure", at(3), "offer"),
    )
    assert counts(clocked) == (
        {"control": VariantCounts("control", 2, 1, 1, 7.0), "offer": VariantCounts("offer", 1, 1, 2, 1.0)},
        1,
    )


def test_conversions_have_no_value_and_add_up_to_none(clocked: Database, clock: Clock) -> None:
    running(clocked)
    observe(clocked, Observation("a", "exposure", clock.now, "offer"), Observation("a", "outcome", clock.now))
    assert counts(clocked) == ({"offer": VariantCounts("offer", 1, 1, 1, 0.0)}, 0)


def test_observations_of_another_experiment_do_not_count(clocked: Database, clock: Clock) -> None:
    running(clocked)
    draft(clocked, "autumn")
    with clocked.transaction() as tx:
        tx.observations.add("autumn", [Observation("a", "exposure", clock.now, "offer")], actor="ann")
        tx.observations.add("autumn", [Observation("a", "outcome", clock.now)], actor="ann")
    assert counts(clocked) == ({}, 0)


def test_nothing_is_observed_of_an_experiment_that_does_not_exist(clocked: Database, clock: Clock) -> None:
    with pytest.raises(ConflictError, match="refused a row"), clocked.transaction() as tx:
        tx.observations.add("gone", [Observation("a", "exposure", clock.now, "offer")], actor="ann")
