from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from axiom.errors import ConflictError, NotFoundError, QualityError

if TYPE_CHECKING:
    from axiom.db import Database
    from tests.db.conftest import Clock

COUNTS = {"rows_in": 3_000_000_000, "accepted": 2_999_999_985, "duplicates": 7, "dropped": 5, "refused": 3}


def test_a_batch_runs_and_ends_with_its_counts(clocked: Database, clock: Clock) -> None:
    with clocked.transaction() as tx:
        begun = tx.batches.begin("b1", source="crm", entity="events")
        clock.advance(seconds=5)
        ended = tx.batches.finish("b1", **COUNTS, detail={"reasons": {"bad date": 3}})
    assert (begun.status, begun.finished_at, begun.rows_in) == ("running", None, 0)
    assert (ended.status, ended.finished_at, ended.rows_in) == ("succeeded", clock.now, 3_000_000_000)
    assert ended.detail == {"reasons": {"bad date": 3}}


def test_a_batch_that_succeeded_is_not_begun_again(clocked: Database, clock: Clock) -> None:
    with clocked.transaction() as tx:
        tx.batches.begin("b1", source="crm", entity="events")
        ended = tx.batches.finish("b1", **COUNTS)
        clock.advance(days=1)
        assert tx.batches.begin("b1", source="crm", entity="events") == ended


def test_a_batch_that_failed_or_crashed_starts_afresh(clocked: Database, clock: Clock) -> None:
    with clocked.transaction() as tx:
        tx.batches.begin("failed", source="crm", entity="events")
        assert tx.batches.fail("failed", "disk full").detail == {"error": "disk full"}
        tx.batches.begin("crashed", source="crm", entity="events")
        clock.advance(days=1)
        for batch_id in ("failed", "crashed"):
            again = tx.batches.begin(batch_id, source="crm", entity="events")
            assert (again.status, again.started_at, again.finished_at, again.detail) == ("running", clock.now, None, {})


@pytest.mark.parametrize("wrong", [{"rows_in": 1}, {"accepted": 0}, {"refused": -1, "rows_in": 2_999_999_996}])
def test_a_batch_that_lost_rows_cannot_succeed(db: Database, wrong: dict[str, int]) -> None:
    with db.transaction() as tx:
        tx.batches.begin("b1", source="crm", entity="events")
        with pytest.raises(QualityError, match="batch 'b1' does not add up"):
            tx.batches.finish("b1", **COUNTS | wrong)
        assert tx.batches.get("b1").status == "running"


def test_a_batch_ends_only_once(db: Database) -> None:
    with db.transaction() as tx:
        tx.batches.begin("b1", source="crm", entity="events")
        tx.batches.finish("b1", **COUNTS)
        with pytest.raises(ConflictError, match="'b1' is succeeded, not running"):
            tx.batches.fail("b1", "too late")


def test_batches_are_listed_newest_first_by_source(clocked: Database, clock: Clock) -> None:
    with clocked.transaction() as tx:
        for number, source in enumerate(["crm", "shop", "crm"]):
            tx.batches.begin(f"b{number}", source=source, entity="events")
            clock.advance(seconds=1)
        assert [batch.batch_id for batch in tx.batches.list()] == ["b2", "b1", "b0"]
        assert [batch.batch_id for batch in tx.batches.list(source="crm", limit=1)] == ["b2"]


def test_a_batch_that_does_not_exist_is_named(db: Database) -> None:
    with db.transaction() as tx, pytest.raises(NotFoundError, match="no ingest batch 'gone'"):
        tx.batches.finish("gone", **COUNTS)
