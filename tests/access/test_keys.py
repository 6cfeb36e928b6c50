from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from axiom.access.keyring import KeyRing, OpenDoor
from axiom.access.keys import KeysInDatabase, issue, rotate
from axiom.access.limits import LocalLimiter
from axiom.access.limits_redis import RedisLimiter
from axiom.access.opening import open_door, open_limiter
from axiom.db import Database
from axiom.db import keys as keys_module
from axiom.errors import ConflictError, MisuseError, NotFoundError, UnauthorizedError
from axiom.settings import load_settings

if TYPE_CHECKING:
    from pathlib import Path

    from axiom.access.keys import Issued
    from axiom.db import Transaction
    from tests.access.conftest import Time


def make(tx: Transaction, name: str = "shop", **more: Any) -> Issued:
    return issue(tx, name, **{"scopes": ["predict"], "actor": "ann"} | more)


def ring_of(database: Database, time: Time) -> KeyRing:
    return KeyRing(KeysInDatabase(database), rate=7, burst=9, wall=time.wall, monotonic=time.monotonic)


def test_an_issued_key_comes_back_as_it_was_made_and_only_its_hash_is_kept(clocked: Database, time: Time) -> None:
    until = time.now + timedelta(days=1)
    with clocked.transaction() as tx:
        issued = make(tx, scopes=["explain", "predict", "explain"], rate=5, burst=10, expires_at=until)
    with clocked.reading() as tx:
        (stored,) = tx.keys.list()
    assert stored == issued.key
    assert stored.digest == hashlib.sha256(issued.text.encode()).hexdigest()
    assert (stored.scopes, stored.rate, stored.burst) == (("predict", "explain"), 5.0, 10.0)
    assert (stored.created_at, stored.created_by, stored.expires_at) == (time.now, "ann", until)
    assert issued.text[17:] not in repr(issued) + repr(stored)


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"name": ""}, "'' cannot name a key"),
        ({"name": "x" * 65}, "cannot name a key"),
        ({"name": "a\nb"}, "cannot name a key"),
        ({"scopes": []}, "at least one scope"),
        ({"scopes": ["predict", "fly"]}, "no scope 'fly'"),
        ({"rate": 0.0}, "is no budget"),
        ({"rate": float("nan")}, "is no budget"),
        ({"rate": float("inf")}, "has to be a number"),
        ({"burst": 0.5}, "is no budget"),
        ({"burst": float("inf")}, "has to be a number"),
        ({"expires_at": timedelta()}, "would have expired"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused_and_leaves_no_trace(
    clocked: Database, time: Time, wrong: dict[str, Any], line: str
) -> None:
    if "expires_at" in wrong:
        wrong = {"expires_at": time.now + wrong["expires_at"]}
    with pytest.raises(MisuseError, match=line), clocked.transaction() as tx:
        make(tx, **wrong)
    with clocked.reading() as tx:
        assert tx.keys.list() == []
        assert tx.audit.list() == []


def test_every_write_is_in_the_audit_trail_and_no_secret_is(clocked: Database) -> None:
    with clocked.transaction() as tx:
        issued = make(tx)
        again = rotate(tx, issued.key.key_id, actor="bob", overlap=timedelta(days=1))
        tx.keys.revoke(issued.key.key_id, actor="eve", reason="leaked")
    with clocked.reading() as tx:
        trail = tx.audit.list()
    assert [(e.actor, e.action, e.object) for e in reversed(trail)] == [
        (who, what, f"key:{issued.key.key_id}")
        for who, what in (("ann", "key.create"), ("bob", "key.rotate"), ("eve", "key.revoke"))
    ]
    assert trail[0].detail == {"reason": "leaked"}
    for secret in (issued.text[17:], again.text[17:], issued.key.digest, again.key.digest):
        assert secret not in repr(trail)


def test_a_ring_over_the_database_follows_create_rotate_and_revoke(clocked: Database, time: Time) -> None:
    ring = ring_of(clocked, time)
    with clocked.transaction() as tx:
        first = make(tx)
    ring.refresh()
    assert ring.check(first.text, "predict").rate == 7
    with clocked.transaction() as tx:
        second = rotate(tx, first.key.key_id, actor="ann", overlap=timedelta(seconds=60))
    ring.refresh()
    assert ring.check(first.text, "predict") == ring.check(second.text, "predict")
    with clocked.transaction() as tx:
        third = rotate(tx, first.key.key_id, actor="ann")
    ring.refresh()
    for dead in (first, second):
        with pytest.raises(UnauthorizedError):
            ring.check(dead.text, "predict")
    assert ring.check(third.text, "predict")
    with clocked.transaction() as tx:
        tx.keys.revoke(first.key.key_id, actor="ann", reason="done")
    ring.refresh()
    with pytest.raises(UnauthorizedError):
        ring.check(third.text, "predict")


def test_revoking_ends_the_overlap_of_a_rotation_too(clocked: Database, time: Time) -> None:
    with clocked.transaction() as tx:
        first = make(tx)
        rotate(tx, first.key.key_id, actor="ann", overlap=timedelta(days=1))
        key = tx.keys.revoke(first.key.key_id, actor="ann", reason="leaked")
    assert (key.previous_digest, key.previous_until, key.revoked_at) == (None, None, time.now)


def test_a_dead_key_is_neither_rotated_nor_revoked_again(clocked: Database, time: Time) -> None:
    with clocked.transaction() as tx:
        dead = make(tx).key.key_id
        old = make(tx, expires_at=time.now + timedelta(days=1)).key.key_id
        tx.keys.revoke(dead, actor="ann", reason="done")
    time.pass_by(86_400)
    with clocked.transaction() as tx:
        with pytest.raises(ConflictError, match="was revoked at 2026-01-01 12:00"):
            rotate(tx, dead, actor="ann")
        with pytest.raises(ConflictError, match="was revoked"):
            tx.keys.revoke(dead, actor="ann", reason="done")
        with pytest.raises(ConflictError, match="has expired"):
            rotate(tx, old, actor="ann")
        with pytest.raises(NotFoundError, match="no API key 'abc'"):
            tx.keys.revoke("abc", actor="ann", reason="done")
        with pytest.raises(MisuseError, match="in the past"):
            rotate(tx, old, actor="ann", overlap=timedelta(days=-1))


def test_only_live_keys_and_those_that_expired_lately_are_held(clocked: Database, time: Time) -> None:
    with clocked.transaction() as tx:
        make(tx, "for good")
        make(tx, "short", expires_at=time.now + timedelta(days=1))
        tx.keys.revoke(make(tx, "revoked").key.key_id, actor="ann", reason="done")
    time.pass_by(2 * 86_400)
    with clocked.reading() as tx:
        assert {key.name for key in tx.keys.live()} == {"for good", "short"}
    time.pass_by(30 * 86_400)
    with clocked.reading() as tx:
        assert {key.name for key in tx.keys.live()} == {"for good"}


def test_there_is_a_largest_number_of_live_keys(clocked: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys_module, "MOST", 2)
    with clocked.transaction() as tx:
        spare = make(tx)
        make(tx)
        with pytest.raises(ConflictError, match="there are 2 API keys already"):
            make(tx)
        tx.keys.revoke(spare.key.key_id, actor="ann", reason="room")
        make(tx)


def test_two_people_who_revoke_at_once_do_it_once(db: Database) -> None:
    with db.transaction() as tx:
        key_id = make(tx).key.key_id

    def revoke(who: int) -> bool:
        try:
            with db.transaction() as tx:
                tx.keys.revoke(key_id, actor=f"admin-{who}", reason="leaked")
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(revoke, range(4))) == 1
    with db.reading() as tx:
        assert [entry.action for entry in tx.audit.list()] == ["key.revoke", "key.create"]


def test_the_door_is_locked_unless_the_settings_say_otherwise(db: Database, tmp_path: Path) -> None:
    with db.transaction() as tx:
        issued = make(tx)
    door = open_door(load_settings(home=tmp_path), db)
    assert door.degraded is None
    assert door.check(issued.text, "predict").rate == 100.0
    with pytest.raises(UnauthorizedError):
        door.check(None, "predict")
    door.close()
    assert isinstance(open_door(load_settings(home=tmp_path, auth="off"), db), OpenDoor)


def test_a_door_opens_even_while_the_database_is_away(tmp_path: Path) -> None:
    away = Database(f"sqlite:///{tmp_path / 'missing' / 'axiom.db'}")
    door = open_door(load_settings(home=tmp_path), away)
    assert door.degraded is not None
    assert "cannot be used" in door.degraded
    door.close()


def test_limits_are_shared_where_there_is_a_redis(tmp_path: Path, redis_server: str) -> None:
    assert isinstance(open_limiter(load_settings(home=tmp_path)), LocalLimiter)
    shared = open_limiter(load_settings(home=tmp_path, redis_url=redis_server))
    assert isinstance(shared, RedisLimiter)
    shared.close()


@pytest.mark.parametrize("setting", [{"auth": "maybe"}, {"rate_limit": 0}, {"rate_burst": 0.5}, {"rate_limit": "inf"}])
def test_a_setting_that_makes_no_sense_is_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(MisuseError, match="AXIOM_"):
        load_settings(**setting)
