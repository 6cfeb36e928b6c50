from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from axiom.access.keyring import KeyRing, OpenDoor
from axiom.access.keytext import LENGTH, id_of, new_id, new_text
from axiom.errors import ForbiddenError, UnauthorizedError, UnavailableError

if TYPE_CHECKING:
    from tests.access.conftest import Keys, Time


def test_a_good_key_says_who_is_calling(ring: KeyRing, source: Keys) -> None:
    text = source.add("shop", ["predict", "explain"], rate=5.0, burst=50.0)
    ring.refresh()
    caller = ring.check(text, "explain")
    assert (caller.key_id, caller.name, caller.scopes) == (id_of(text), "shop", {"predict", "explain"})
    assert (caller.rate, caller.burst) == (5.0, 50.0)


def test_a_key_without_limits_of_its_own_has_those_of_the_installation(ring: KeyRing, source: Keys) -> None:
    text = source.add()
    ring.refresh()
    caller = ring.check(text, "predict")
    assert (caller.rate, caller.burst) == (7.0, 9.0)


@pytest.mark.parametrize("text", [None, ""])
def test_no_key_is_told_how_to_send_one(ring: KeyRing, text: str | None) -> None:
    ring.refresh()
    with pytest.raises(UnauthorizedError, match="Authorization: Bearer"):
        ring.check(text, "predict")


@pytest.mark.parametrize(
    "text",
    [
        "hunter2",
        "axk_",
        "axk_" + "a" * (LENGTH - 4),
        "axk_abcdefghijkl_" + "é" * 43,
        "AXK_abcdefghijkl_" + "x" * 43,
        "axk_abcdefghijkl_" + "x" * 44,
        "axk_" * 1_000_000,
        "\0" * LENGTH,
    ],
)
def test_what_does_not_look_like_a_key_is_refused_and_not_repeated(ring: KeyRing, text: str) -> None:
    ring.refresh()
    with pytest.raises(UnauthorizedError, match="not an API key") as refused:
        ring.check(text, "predict")
    assert text not in str(refused.value) or text == "axk_"


def test_the_right_id_with_a_wrong_secret_is_refused(ring: KeyRing, source: Keys) -> None:
    text = source.add()
    ring.refresh()
    for forged in (new_text(id_of(text)), text[:-1] + ("a" if text[-1] != "a" else "b")):
        with pytest.raises(UnauthorizedError, match="not valid") as refused:
            ring.check(forged, "predict")
        assert forged not in str(refused.value)


def test_the_secret_of_another_key_does_not_open(ring: KeyRing, source: Keys) -> None:
    mine, other = source.add(), source.add()
    ring.refresh()
    with pytest.raises(UnauthorizedError, match="not valid"):
        ring.check(mine[:17] + other[17:], "predict")


def test_a_scope_that_the_key_lacks_is_named(ring: KeyRing, source: Keys) -> None:
    text = source.add(scopes=["predict"])
    ring.refresh()
    for scope in ("explain", "predict ", "", "no-such-scope"):
        with pytest.raises(ForbiddenError, match=r"lacks the scope .*it has: predict"):
            ring.check(text, scope)


def test_a_key_stops_at_its_time(ring: KeyRing, source: Keys, time: Time) -> None:
    text = source.add(expires_at=time.now + timedelta(seconds=30))
    ring.refresh()
    time.pass_by(29)
    ring.refresh()
    assert ring.check(text, "predict")
    time.pass_by(1)
    ring.refresh()
    with pytest.raises(UnauthorizedError, match="has expired"):
        ring.check(text, "predict")


def test_a_new_and_a_revoked_key_are_known_after_a_refresh(ring: KeyRing, source: Keys) -> None:
    ring.refresh()
    text = source.add()
    with pytest.raises(UnauthorizedError, match="not valid"):
        ring.check(text, "predict")
    ring.refresh()
    assert ring.check(text, "predict")
    source.held.clear()
    ring.refresh()
    with pytest.raises(UnauthorizedError, match="not valid"):
        ring.check(text, "predict")


def test_after_a_rotation_the_text_before_is_good_until_its_time_only(ring: KeyRing, source: Keys, time: Time) -> None:
    before = source.add()
    key = source.held[id_of(before)]
    source.held[key.key_id] = dataclasses.replace(
        key, digest="00" * 32, previous_digest=key.digest, previous_until=time.now + timedelta(seconds=5)
    )
    ring.refresh()
    assert ring.check(before, "predict")
    time.pass_by(5)
    with pytest.raises(UnauthorizedError, match="not valid"):
        ring.check(before, "predict")


def test_the_source_is_asked_what_changed_and_read_only_then(ring: KeyRing, source: Keys, time: Time) -> None:
    text = source.add()
    for _ in range(30):
        ring.refresh()
        ring.check(text, "predict")
        time.pass_by(1)
    assert (source.asked, source.read) == (30, 1)


def test_the_keys_are_read_each_minute_even_if_nothing_seems_to_have_changed(
    ring: KeyRing, source: Keys, time: Time
) -> None:
    ring.refresh()
    time.pass_by(61)
    ring.refresh()
    assert source.read == 2


def test_ten_thousand_bad_keys_ask_nobody_and_are_not_remembered(ring: KeyRing, source: Keys) -> None:
    good = source.add()
    ring.refresh()
    before = (source.asked, source.read, len(ring), len(vars(ring)))
    for number in range(10_000):
        with pytest.raises(UnauthorizedError):
            ring.check(new_text(new_id() if number % 2 else id_of(good)), "predict")
    assert (source.asked, source.read, len(ring), len(vars(ring))) == before
    assert ring.check(good, "predict")


def test_while_the_source_is_away_known_keys_stay_good_and_unknown_ones_wait(
    ring: KeyRing, source: Keys, time: Time
) -> None:
    text = source.add()
    ring.refresh()
    assert ring.degraded is None
    source.away = True
    time.pass_by(60)
    assert not ring.refresh()
    assert ring.check(text, "predict")
    assert ring.degraded == "keys are 60 s old: database does not answer"
    for stranger in (new_text(new_id()), new_text(id_of(text))):
        with pytest.raises(UnavailableError, match="cannot be looked up"):
            ring.check(stranger, "predict")


def test_what_is_no_key_is_refused_even_while_the_source_is_away(ring: KeyRing, source: Keys) -> None:
    source.away = True
    ring.refresh()
    with pytest.raises(UnauthorizedError, match="not an API key"):
        ring.check("hunter2", "predict")


def test_a_known_key_that_was_not_confirmed_for_too_long_is_refused(ring: KeyRing, source: Keys, time: Time) -> None:
    text = source.add()
    ring.refresh()
    source.away = True
    for _ in range(16):
        time.pass_by(60)
        ring.refresh()
    with pytest.raises(UnavailableError, match="cannot be confirmed: keys are 960 s old"):
        ring.check(text, "predict")
    source.away = False
    ring.refresh()
    assert ring.check(text, "predict")
    assert ring.degraded is None


def test_an_expired_key_stays_expired_while_the_source_is_away(ring: KeyRing, source: Keys, time: Time) -> None:
    text = source.add(expires_at=time.now + timedelta(seconds=30))
    ring.refresh()
    source.away = True
    time.pass_by(31)
    with pytest.raises(UnauthorizedError, match="has expired"):
        ring.check(text, "predict")


def test_a_source_that_hangs_instead_of_failing_is_noticed(ring: KeyRing, source: Keys, time: Time) -> None:
    ring.refresh()
    time.pass_by(11)  # the refresh that should have happened is still waiting
    assert ring.degraded == "keys are 11 s old: the database does not answer"


def test_a_ring_that_starts_without_its_source_says_so_and_recovers(ring: KeyRing, source: Keys) -> None:
    text = source.add()
    assert ring.degraded == "keys are never read: the keys were not read yet"
    source.away = True
    ring.refresh()
    with pytest.raises(UnavailableError, match="cannot be looked up"):
        ring.check(text, "predict")
    source.away = False
    ring.refresh()
    assert ring.check(text, "predict")


@pytest.mark.parametrize("jump", [timedelta(days=-400), timedelta(days=400)])
def test_a_wall_clock_that_jumps_neither_opens_nor_closes_between_two_reads(
    ring: KeyRing, source: Keys, time: Time, jump: timedelta
) -> None:
    good = source.add(expires_at=time.now + timedelta(seconds=30))
    dead = source.add(expires_at=time.now - timedelta(seconds=30))
    ring.refresh()
    time.now += jump
    ring.refresh()
    assert ring.check(good, "predict")
    assert ring.degraded is None
    with pytest.raises(UnauthorizedError, match="has expired"):
        ring.check(dead, "predict")


def test_the_thread_refreshes_until_it_is_closed(source: Keys) -> None:
    ring = KeyRing(source, rate=1, burst=1, refresh_seconds=0.001).start()
    assert source.were_read.acquire(timeout=30)
    text = source.add()
    assert source.were_read.acquire(timeout=30)
    ring.close()
    asked = source.asked
    assert ring.check(text, "predict")
    assert ring._thread is not None
    assert not ring._thread.is_alive()
    assert source.asked == asked


def test_two_texts_are_never_alike_and_show_nothing_but_the_id() -> None:
    texts = {new_text("abcdefghijkl") for _ in range(100)}
    assert len(texts) == 100
    assert {len(text) for text in texts} == {LENGTH}
    assert {id_of(text) for text in texts} == {"abcdefghijkl"}


def test_an_open_door_lets_anybody_in_without_a_limit() -> None:
    door = OpenDoor(frozenset({"predict"}))
    for text in (None, "whatever"):
        assert door.check(text, "predict").rate == float("inf")
    assert door.degraded is None


def test_an_open_door_opens_no_more_than_it_was_told_to() -> None:
    with pytest.raises(ForbiddenError, match=r"does not open 'users\.write'"):
        OpenDoor(frozenset({"predict"})).check(None, "users.write")
