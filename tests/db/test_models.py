from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from axiom.errors import ConflictError, MisuseError, NotFoundError

if TYPE_CHECKING:
    from axiom.db import Database, Kind, Model, Transaction
    from tests.db.conftest import Clock


def add(tx: Transaction, name: str = "churn", kind: Kind = "churn") -> Model:
    return tx.models.add(
        name, kind=kind, card={"auc": 0.8}, artefact_path="a.zip", artefact_sha256="ff", actor="ci", reason="trained"
    )


def promote(tx: Transaction, version: int) -> Model:
    return tx.models.move("churn", version, "champion", actor="ann", reason=f"better than {version - 1}")


def champions(tx: Transaction) -> list[int]:
    return [model.version for model in tx.models.list("churn", stage="champion")]


def test_versions_count_up_by_name_and_start_as_candidates(clocked: Database, clock: Clock) -> None:
    with clocked.transaction() as tx:
        first, second, other = add(tx), add(tx), add(tx, "value", "clv")
        assert tx.models.list("churn") == [second, first]
        assert tx.models.list() == [second, first, other]
    assert [(m.name, m.version, m.stage) for m in (first, second, other)] == [
        ("churn", 1, "candidate"),
        ("churn", 2, "candidate"),
        ("value", 1, "candidate"),
    ]
    assert (first.card, first.artefact_path, first.artefact_sha256) == ({"auc": 0.8}, "a.zip", "ff")
    assert first.created_at == clock.now


def test_concurrent_registrations_get_different_versions(db: Database) -> None:
    def register() -> int:
        with db.transaction() as tx:
            return add(tx).version

    with ThreadPoolExecutor(4) as pool:
        versions = [future.result() for future in [pool.submit(register) for _ in range(12)]]
    assert sorted(versions) == list(range(1, 13))


def test_a_name_keeps_its_kind(db: Database) -> None:
    with db.transaction() as tx:
        add(tx)
    with pytest.raises(ConflictError, match="'churn' is of kind churn, not clv"), db.transaction() as tx:
        add(tx, kind="clv")
    with db.transaction() as tx:
        assert add(tx).version == 2


def test_a_new_champion_sends_the_old_one_to_the_archive(clocked: Database, clock: Clock) -> None:
    with clocked.transaction() as tx:
        add(tx), add(tx)
        promote(tx, 1)
        clock.advance(days=1)
        promote(tx, 2)
        assert [(m.version, m.stage) for m in tx.models.list("churn")] == [(2, "champion"), (1, "archived")]
        trail = [(e.version, e.action, e.from_stage, e.to_stage, e.actor) for e in tx.models.events("churn")]
        last = tx.models.events("churn")[-1]
    assert trail == [
        (1, "register", None, "candidate", "ci"),
        (2, "register", None, "candidate", "ci"),
        (1, "promote", "candidate", "champion", "ann"),
        (1, "displace", "champion", "archived", "ann"),
        (2, "promote", "candidate", "champion", "ann"),
    ]
    assert (last.at, last.reason) == (clock.now, "better than 1")


def test_the_database_itself_refuses_a_second_champion(db: Database) -> None:
    with db.transaction() as tx:
        add(tx), add(tx), add(tx, "other")
        promote(tx, 1)
        tx.models.move("other", 1, "champion", actor="ann", reason="another name")
    with pytest.raises(ConflictError, match="refused a row"), db.transaction() as tx:
        tx.connection.execute(sa.text("UPDATE models SET stage = 'champion' WHERE version = 2"))


def test_concurrent_promotions_leave_one_champion(db: Database) -> None:
    with db.transaction() as tx:
        versions = [add(tx).version for _ in range(6)]

    def crown(version: int) -> None:
        with db.transaction() as tx:
            promote(tx, version)

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(crown, version) for version in versions]:
            future.result()
    with db.reading() as tx:
        assert len(champions(tx)) == 1
        assert sum(event.action == "displace" for event in tx.models.events("churn")) == 5


def test_rollback_walks_back_through_the_champions(db: Database) -> None:
    with db.transaction() as tx:
        for version in (1, 2, 3):
            add(tx)
            promote(tx, version)
        for expected in (2, 1):
            back = tx.models.rollback("churn", actor="bob", reason="complaints")
            assert (back.version, champions(tx)) == (expected, [expected])
        with pytest.raises(ConflictError, match="no champion before"):
            tx.models.rollback("churn", actor="bob", reason="more complaints")
        promote(tx, 3)
        assert tx.models.rollback("churn", actor="bob", reason="again").version == 1
        assert tx.models.events("churn")[-1].action == "rollback"


def test_rollback_needs_a_champion(db: Database) -> None:
    with db.transaction() as tx:
        add(tx), add(tx)
        promote(tx, 1)
        promote(tx, 2)
        tx.models.move("churn", 2, "archived", actor="ann", reason="retired")
        with pytest.raises(ConflictError, match="has no champion"):
            tx.models.rollback("churn", actor="bob", reason="complaints")


def test_bad_moves_are_refused_and_leave_no_trace(db: Database) -> None:
    with db.transaction() as tx:
        add(tx)
        before = tx.models.events("churn")
    for version, stage, actor, error, line in [
        (1, "candidate", "ann", ConflictError, "churn@1 is candidate already"),
        (2, "champion", "ann", NotFoundError, "no model churn@2"),
        (1, "emperor", "ann", MisuseError, "unknown stage 'emperor'"),
        (1, "champion", " ", MisuseError, "needs an actor and a reason"),
    ]:
        with pytest.raises(error, match=line), db.transaction() as tx:  # type: ignore[call-overload]
            tx.models.move("churn", version, stage, actor=actor, reason="because")  # type: ignore[arg-type]
    with db.reading() as tx:
        assert tx.models.events("churn") == before
        assert tx.models.get("churn", 1).stage == "candidate"
