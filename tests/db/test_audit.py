from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from axiom.db.audit import BEFORE_THE_FIRST, Head, seal
from axiom.errors import AxiomError, BadInputError, CorruptError, MisuseError

if TYPE_CHECKING:
    from axiom.db import Database
    from tests.db.conftest import Clock


def record(database: Database, count: int = 1, actor: str = "ann") -> Head:
    with database.transaction() as tx:
        for number in range(count):
            tx.audit.record(actor, "key.create", f"key:{number}", {"rate": 0.1, "name": "Zoë \N{BEAR FACE}"})
    with database.reading() as tx:
        return tx.audit.head()


def tamper(database: Database, *statements: str, **values: Any) -> None:
    with database.transaction() as tx:
        for statement in statements:
            tx.connection.execute(sa.text(statement), values)


def verify(database: Database, anchor: Head | None = None) -> Head:
    with database.reading() as tx:
        return tx.audit.verify(anchor)


def test_an_empty_trail_is_whole(db: Database) -> None:
    assert verify(db) == Head(0, BEFORE_THE_FIRST)


def test_an_entry_comes_back_as_it_was_recorded(clocked: Database, clock: Clock) -> None:
    with clocked.transaction() as tx:
        first = tx.audit.record("ann", "key.create", "key:1", {"scopes": ("predict",), "rate": 1e-7, "until": None})
        clock.advance(seconds=1)
        second = tx.audit.record("bob", "key.revoke", "key:1")
    with clocked.reading() as tx:
        assert tx.audit.list() == [second, first]
    assert (first.id, first.prev_hash, first.detail["scopes"]) == (1, BEFORE_THE_FIRST, ["predict"])
    assert (second.id, second.prev_hash, second.at, second.detail) == (2, first.hash, clock.now, {})
    assert verify(clocked) == Head(2, second.hash)


def test_entries_are_found_by_object_by_actor_and_page_by_page(db: Database) -> None:
    record(db, 5)
    record(db, 2, actor="bob")
    with db.reading() as tx:
        assert [e.id for e in tx.audit.list(limit=3)] == [7, 6, 5]
        assert [e.id for e in tx.audit.list(limit=3, before=5)] == [4, 3, 2]
        assert [e.id for e in tx.audit.list(actor="bob")] == [7, 6]
        assert [e.id for e in tx.audit.list(thing="key:1")] == [7, 2]


def test_a_write_that_is_rolled_back_leaves_no_entry_and_no_gap(db: Database) -> None:
    record(db)

    def fail() -> None:
        with db.transaction() as tx:
            tx.audit.record("ann", "key.create", "key:x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    record(db)
    assert verify(db).entries == 2


def test_writers_at_once_make_one_chain(db: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: record(db, 3, actor=f"writer-{number}"), range(12)))
    assert verify(db).entries == 36


def test_the_same_moment_is_the_same_entry_whatever_zone_it_is_told_in(db: Database) -> None:
    record(db)
    with db.reading() as tx:
        (entry,) = tx.audit.list()
    elsewhere = entry.at.astimezone(timezone(timedelta(hours=9)))
    assert entry.at.utcoffset() == timedelta()
    assert elsewhere == entry.at
    assert seal(entry) == entry.hash


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("actor", "somebody else"),
        ("action", "key.rotate"),
        ("object", "key:9"),
        ("detail", '{"rate": 0.2}'),
        ("hash", "f" * 64),
    ],
)
def test_an_altered_entry_is_named(db: Database, column: str, value: str) -> None:
    record(db, 5)
    tamper(db, f"UPDATE audit SET {column} = :value WHERE id = 3", value=value)
    with pytest.raises(CorruptError, match="audit entry 3 was altered"):
        verify(db)


def test_an_altered_time_is_noticed(db: Database) -> None:
    record(db, 5)
    tamper(db, "UPDATE audit SET at = (SELECT at FROM audit WHERE id = 5) WHERE id = 3")
    with db.reading() as tx:
        moved = {entry.id: entry.at for entry in tx.audit.list()}
    assert moved[3] == moved[5]
    with pytest.raises(CorruptError, match="audit entry 3 was altered"):
        verify(db)


def test_an_altered_link_is_noticed(db: Database) -> None:
    record(db, 5)
    tamper(db, "UPDATE audit SET prev_hash = :value WHERE id = 3", value="f" * 64)
    with pytest.raises(CorruptError, match="audit entry 3 does not follow entry 2"):
        verify(db)


def test_an_entry_that_was_altered_and_sealed_anew_does_not_fit_the_next_one(db: Database) -> None:
    record(db, 5)
    tamper(db, "UPDATE audit SET actor = 'eve' WHERE id = 3")
    with db.reading() as tx:
        forged = seal(next(entry for entry in tx.audit.list() if entry.id == 3))
    tamper(db, "UPDATE audit SET hash = :value WHERE id = 3", value=forged)
    with pytest.raises(CorruptError, match="audit entry 4 does not follow entry 3"):
        verify(db)


@pytest.mark.parametrize("victim", [1, 3])
def test_a_removed_entry_is_named(db: Database, victim: int) -> None:
    record(db, 5)
    tamper(db, f"DELETE FROM audit WHERE id = {victim}")
    with pytest.raises(CorruptError, match=f"audit entry {victim} is missing: {victim + 1} follows"):
        verify(db)


def test_removing_an_entry_and_closing_the_gap_is_noticed(db: Database) -> None:
    record(db, 5)
    tamper(
        db,
        "DELETE FROM audit WHERE id = 3",
        "UPDATE audit SET id = 3 WHERE id = 4",
        "UPDATE audit SET id = 4 WHERE id = 5",
    )
    with pytest.raises(CorruptError, match="audit entry 3 does not follow entry 2"):
        verify(db)


def test_two_entries_that_changed_places_are_noticed(db: Database) -> None:
    record(db, 5)
    swap = [
        "UPDATE audit SET id = 99 WHERE id = 2",
        "UPDATE audit SET id = 2 WHERE id = 3",
        "UPDATE audit SET id = 3 WHERE id = 99",
    ]
    tamper(db, *swap)
    with pytest.raises(CorruptError, match="audit entry 2 does not follow entry 1"):
        verify(db)


def test_an_entry_put_in_at_the_end_is_noticed(db: Database) -> None:
    record(db, 3)
    copy = "INSERT INTO audit SELECT 4, at, actor, action, object, detail, hash, hash FROM audit WHERE id = 3"
    tamper(db, copy)
    with pytest.raises(CorruptError, match="audit entry 4 was altered"):
        verify(db)


@pytest.mark.parametrize("kept", [0, 3])
def test_a_tail_that_was_cut_is_noticed(db: Database, kept: int) -> None:
    record(db, 5)
    tamper(db, f"DELETE FROM audit WHERE id > {kept}")
    with pytest.raises(CorruptError, match=f"ends with entry {kept}, but its head says 5"):
        verify(db)


def test_a_head_that_is_gone_is_noticed_by_readers_and_stops_writers(db: Database) -> None:
    record(db)
    tamper(db, "DELETE FROM audit_head")
    for attempt in (verify, record):
        with pytest.raises(CorruptError, match="head of the audit trail is gone"):
            attempt(db)


def test_only_an_anchor_kept_elsewhere_shows_that_the_whole_trail_was_written_anew(db: Database) -> None:
    anchor = record(db, 5)
    tamper(db, "DELETE FROM audit", "UPDATE audit_head SET entries = 0, hash = :value", value=BEFORE_THE_FIRST)
    record(db, 7, actor="eve")
    assert verify(db).entries == 7, "the chain alone cannot tell"
    with pytest.raises(CorruptError, match="does not go through the anchor 5:"):
        verify(db, anchor)


def test_only_an_anchor_shows_that_the_tail_was_cut_together_with_the_head(db: Database) -> None:
    earlier = record(db, 3)
    later = record(db, 2)
    tamper(
        db,
        "DELETE FROM audit WHERE id > 3",
        "UPDATE audit_head SET entries = 3, hash = (SELECT hash FROM audit WHERE id = 3)",
    )
    assert verify(db, earlier) == earlier
    with pytest.raises(CorruptError, match="does not go through the anchor 5:"):
        verify(db, later)


def test_a_trail_that_grew_still_goes_through_its_anchors(db: Database) -> None:
    anchors = [Head(0, BEFORE_THE_FIRST), record(db, 2), record(db, 3)]
    for anchor in anchors:
        assert verify(db, Head.parse(str(anchor))).entries == 5


def test_a_trail_longer_than_a_page_is_walked_to_its_end(db: Database) -> None:
    record(db, 2500)
    assert verify(db).entries == 2500
    tamper(db, "UPDATE audit SET actor = 'eve' WHERE id = 2001")
    with pytest.raises(CorruptError, match="audit entry 2001 was altered"):
        verify(db)


@pytest.mark.parametrize("text", ["", "5", "5:", "x:" + "0" * 64, "-1:" + "0" * 64, "5:abc", "²:" + "0" * 64])
def test_what_is_no_anchor_is_refused(text: str) -> None:
    with pytest.raises(MisuseError, match="is no anchor"):
        Head.parse(text)


@pytest.mark.parametrize(
    ("entry", "error", "line"),
    [
        (("", "key.create", "key:1", {}), MisuseError, "needs an actor"),
        (("ann", " ", "key:1", {}), MisuseError, "needs an actor"),
        (("ann", "key.create", "", {}), MisuseError, "needs an actor"),
        (("ann", "key.create", "key:1", {"rate": float("nan")}), BadInputError, "is not JSON"),
        (("ann", "key.create", "key:1", {"when": object()}), BadInputError, "is not JSON"),
        (("ann", "key.create", "key:1", {"reason": "\ud800"}), BadInputError, "is not JSON"),
    ],
)
def test_an_entry_that_makes_no_sense_is_refused(
    db: Database, entry: tuple[Any, ...], error: type[AxiomError], line: str
) -> None:
    with pytest.raises(error, match=line), db.transaction() as tx:
        tx.audit.record(*entry)
    assert verify(db).entries == 0


def test_the_tables_of_access_go_down_and_up_again_with_data(db: Database) -> None:
    record(db, 3)
    db.migrate("0001")
    with db.reading() as tx:
        assert not {"audit", "audit_head", "api_keys", "users"} & set(sa.inspect(tx.connection).get_table_names())
    db.migrate()
    assert verify(db).entries == 0
    assert record(db).entries == 1
