from __future__ import annotations

import base64
import dataclasses
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from axiom.access.door import FrontDoor
from axiom.access.keyring import KeyRing
from axiom.access.limits import LocalLimiter
from axiom.access.logins import Logins, create_user, set_disabled, set_password
from axiom.access.people import People, PeopleInDatabase, PeopleRing
from axiom.access.permissions import MAY
from axiom.access.tokens import AccessTokens, Claims
from axiom.errors import ForbiddenError, UnauthorizedError, UnavailableError

if TYPE_CHECKING:
    from axiom.access.passwords import Passwords
    from axiom.access.tokens import Proven
    from axiom.db import Database
    from tests.access.conftest import Keys, Time

SECRET = bytes(range(32))
GOOD = "correct horse battery staple"
ANN = Claims("id-of-ann", "session-1")


class Signer(AccessTokens):
    """Counts how often a signature was looked at."""

    looked = 0

    def prove(self, text: str | None) -> Proven:
        self.looked += 1
        return super().prove(text)


class Crowd:
    """A source of people that can be away, and counts how often it was asked."""

    def __init__(self) -> None:
        self.away = False
        self.asked = self.read = 0
        self.held = People({"id-of-ann": ("ann", "analyst")}, frozenset())

    def change(self, **fields: Any) -> None:
        self.held = dataclasses.replace(self.held, **fields)

    def revision(self) -> str:
        self.asked += 1
        if self.away:
            raise UnavailableError("database does not answer")
        return repr(self.held)

    def people(self) -> People:
        self.read += 1
        return self.held


@pytest.fixture
def time(time: Time) -> Time:
    time.now = datetime.now(UTC)  # tokens are read by the clock of the machine
    return time


@pytest.fixture
def crowd() -> Crowd:
    return Crowd()


@pytest.fixture
def tokens() -> Signer:
    return Signer(SECRET)


@pytest.fixture
def ring(crowd: Crowd, tokens: Signer, time: Time) -> PeopleRing:
    ring = PeopleRing(crowd, tokens, rate=7.0, burst=9.0, wall=time.wall, monotonic=time.monotonic)
    ring.refresh()
    return ring


def signed(secret: bytes = SECRET, algorithm: str = "HS256", **changes: Any) -> str:
    now = datetime.now(UTC)
    body = {"iss": "axiom", "aud": "axiom-platform", "sub": "id-of-ann", "sid": "session-1", "iat": now, "nbf": now}
    return jwt.encode({**body, "exp": now + timedelta(days=1), **changes}, secret, algorithm=algorithm)


def unsigned() -> str:
    head = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).rstrip(b"=").decode()
    return f"{head}.{signed().split('.')[1]}."


def refused(ring: PeopleRing, text: str, says: str) -> None:
    with pytest.raises(UnauthorizedError, match=says) as caught:
        ring.check(text, "predict")
    assert text not in str(caught.value)


def test_a_good_token_says_who_is_calling(ring: PeopleRing, tokens: Signer) -> None:
    caller = ring.check(tokens.sign(ANN), "predict")
    assert (caller.key_id, caller.name, caller.scopes) == ("user:ann", "ann", MAY["analyst"])
    assert (caller.rate, caller.burst) == (7.0, 9.0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (signed(exp=datetime.now(UTC) - timedelta(minutes=1)), "has expired"),
        (signed(bytes(reversed(SECRET))), "not valid: signature"),
        (unsigned(), "not valid"),
        (signed(SECRET * 2, "HS512"), "not valid"),
        (signed(aud="another-service"), "not valid: audience"),
        (signed(iss="somebody"), "not valid: issuer"),
        (signed()[:-5], "not valid"),
        ("eyJ" * 2000, "not valid: malformed"),
        ("eyJ\ud800", "not valid: malformed"),
        ("eyJ0.é.é", "not valid: malformed"),
    ],
    ids=["expired", "forged", "none", "algorithm", "audience", "issuer", "cut", "long", "surrogate", "letters"],
)
def test_a_token_that_is_no_good_is_refused_and_not_repeated(ring: PeopleRing, text: str, says: str) -> None:
    for _ in range(2):
        refused(ring, text, says)
    assert len(ring) == 0


def test_a_role_opens_what_its_permissions_say(ring: PeopleRing, crowd: Crowd, tokens: Signer) -> None:
    text = tokens.sign(ANN)
    for scope in ("cache", "users.write", "no-such-permission"):
        with pytest.raises(ForbiddenError, match=rf"no analyst may .*needs {scope}"):
            ring.check(text, scope)
    crowd.change(users={"id-of-ann": ("ann", "ml-engineer")})
    ring.refresh()
    assert ring.check(text, "cache")


def test_a_session_that_began_a_moment_ago_is_good_at_once(ring: PeopleRing, tokens: Signer) -> None:
    assert ring.check(tokens.sign(Claims("id-of-ann", "a session that nobody was told of")), "predict")


def test_a_session_that_ended_is_over_also_for_a_token_that_was_good_before(
    ring: PeopleRing, crowd: Crowd, tokens: Signer
) -> None:
    text, other = tokens.sign(ANN), tokens.sign(Claims("id-of-ann", "session-2"))
    assert ring.check(text, "predict")
    crowd.change(ended=frozenset({"session-1"}))
    ring.refresh()
    refused(ring, text, "the session is over")
    assert ring.check(other, "predict")


def test_a_user_who_is_gone_is_out_with_the_next_look(ring: PeopleRing, crowd: Crowd, time: Time) -> None:
    text = signed(iat=datetime.now(UTC) - timedelta(minutes=1))
    assert ring.check(text, "predict")
    crowd.change(users={"another id": ("ann", "administrator")})
    ring.refresh()
    refused(ring, text, "the session is over")


def test_a_user_who_may_be_too_new_to_be_known_is_asked_to_wait(
    ring: PeopleRing, crowd: Crowd, tokens: Signer, time: Time
) -> None:
    text = tokens.sign(Claims("id-of-bob", "session-9"))
    with pytest.raises(UnavailableError, match="not known here yet"):
        ring.check(text, "predict")
    crowd.change(users={"id-of-bob": ("bob", "analyst")})
    ring.refresh()
    assert ring.check(text, "predict").name == "bob"


def test_a_role_that_does_not_exist_shuts_out_its_user_and_nobody_else(
    ring: PeopleRing, crowd: Crowd, tokens: Signer
) -> None:
    crowd.change(users={"id-of-ann": ("ann", "analyst"), "id-of-eve": ("eve", "king")})
    ring.refresh()
    assert ring.degraded is None
    assert ring.check(tokens.sign(ANN), "predict")
    refused(ring, signed(sub="id-of-eve", iat=datetime.now(UTC) - timedelta(minutes=1)), "the session is over")


def test_a_signature_is_looked_at_once_until_its_token_expires(ring: PeopleRing, tokens: Signer, time: Time) -> None:
    text = tokens.sign(ANN)
    for _ in range(100):
        ring.check(text, "predict")
    assert tokens.looked == 1
    time.pass_by(601)
    ring.check(text, "predict")
    assert tokens.looked == 2, "its ten minutes are over, so it is read again"


def test_a_token_in_its_last_seconds_is_read_each_time(ring: PeopleRing, tokens: Signer) -> None:
    text = signed(exp=datetime.now(UTC) - timedelta(seconds=1))  # good because clocks may differ
    for _ in range(3):
        assert ring.check(text, "predict")
    assert tokens.looked == 3


def test_the_verified_tokens_are_bounded_and_strangers_push_none_out(crowd: Crowd, tokens: Signer, time: Time) -> None:
    ring = PeopleRing(crowd, tokens, rate=1, burst=1, most=10, wall=time.wall, monotonic=time.monotonic)
    ring.refresh()
    texts = [tokens.sign(Claims("id-of-ann", f"session-{number}")) for number in range(100)]
    for text in texts:
        assert ring.check(text, "predict")
        assert len(ring) <= 10
    looked = tokens.looked
    for number in range(1000):
        with pytest.raises(UnauthorizedError):
            ring.check(f"eyJ{number}", "predict")
    assert ring.check(texts[-1], "predict")
    assert tokens.looked == looked + 1000, "the last good one is still known"


def test_the_source_is_asked_what_changed_and_never_by_a_request(
    ring: PeopleRing, crowd: Crowd, tokens: Signer, time: Time
) -> None:
    text = tokens.sign(ANN)
    for _ in range(30):
        time.pass_by(1)
        ring.refresh()
        ring.check(text, "predict")
    assert (crowd.asked, crowd.read) == (31, 1)


def test_while_the_source_is_away_known_people_stay_and_unknown_ones_wait(
    ring: PeopleRing, crowd: Crowd, tokens: Signer, time: Time
) -> None:
    text, stranger = tokens.sign(ANN), signed(sub="id-of-bob", iat=datetime.now(UTC) - timedelta(hours=1))
    crowd.away = True
    time.pass_by(60)
    assert not ring.refresh()
    assert ring.check(text, "predict")
    assert ring.degraded == "users and sessions are 60 s old: database does not answer"
    with pytest.raises(UnavailableError, match="cannot be looked up"):
        ring.check(stranger, "predict")
    refused(ring, signed(bytes(reversed(SECRET))), "not valid")
    time.pass_by(900)
    ring.refresh()
    with pytest.raises(UnavailableError, match="cannot be confirmed: users and sessions are 960 s old"):
        ring.check(text, "predict")
    crowd.away = False
    ring.refresh()
    assert ring.check(text, "predict")


@pytest.fixture
def logins(clocked: Database, passwords: Passwords, time: Time) -> Logins:
    """Ann, an analyst with the password GOOD."""
    with clocked.transaction() as tx:
        create_user(tx, passwords, "ann", role="analyst", password=GOOD, actor="root")
    return Logins(clocked, AccessTokens(SECRET), passwords, LocalLimiter(clock=time.monotonic))


def over(logins: Logins, time: Time) -> PeopleRing:
    source = PeopleInDatabase(logins.database)
    ring = PeopleRing(source, logins.tokens, rate=1, burst=1, wall=time.wall, monotonic=time.monotonic)
    ring.refresh()
    return ring


@pytest.mark.parametrize("how", ["logged out", "all ended", "replayed", "disabled", "deleted", "password", "own"])
def test_every_way_to_end_a_session_is_known_after_one_look(logins: Logins, time: Time, how: str) -> None:
    ring = over(logins, time)
    grant = logins.login("ann", GOOD, address="here")
    kept = logins.login("ann", GOOD, address="here")
    assert ring.check(grant.access, "predict")
    with logins.database.transaction() as tx:
        user = tx.users.get("ann")
        if how == "all ended":
            tx.sessions.end_all(user.user_id, "logout")
            tx.audit.record("root", "session.end", "user:ann")
        if how == "disabled":
            set_disabled(tx, "ann", disabled=True, actor="root")
        if how == "deleted":
            tx.users.delete("ann", actor="root")
        if how == "password":
            set_password(tx, logins.passwords, "ann", "another horse entirely", actor="root")
    if how == "logged out":
        logins.logout(grant.refresh)
    if how == "replayed":
        logins.refresh(grant.refresh)
        with pytest.raises(UnauthorizedError):
            logins.refresh(grant.refresh)
    if how == "own":
        logins.change_password("ann", GOOD, "another horse entirely", session_id=kept.session_id, address="here")
        assert ring.check(kept.access, "predict")
    time.pass_by(10)
    ring.refresh()
    refused(ring, grant.access, "the session is over")


def test_a_session_that_was_ended_just_before_its_last_day_was_over_stays_ended(logins: Logins, time: Time) -> None:
    grant = logins.login("ann", GOOD, address="here")
    time.pass_by(14 * 86_400 - 1)
    logins.logout(grant.refresh)
    time.pass_by(5)
    logins.login("ann", GOOD, address="here")  # forgets sessions that are long over
    refused(over(logins, time), grant.access, "the session is over")


def test_one_door_takes_keys_and_access_tokens(source: Keys, ring: PeopleRing, time: Time, tokens: Signer) -> None:
    keys = KeyRing(source, rate=1, burst=1, wall=time.wall, monotonic=time.monotonic)
    door = FrontDoor(keys, ring)
    key = source.add("shop")
    assert door.degraded == "keys are never read: the keys were not read yet"
    assert door.refresh()
    assert door.degraded is None
    assert [door.check(text, "predict").name for text in (key, tokens.sign(ANN))] == ["shop", "ann"]
    for text, says in (
        (None, "API key is needed"),
        ("hunter2", "not an API key"),
        ("eyJ", "access token is not valid"),
    ):
        with pytest.raises(UnauthorizedError, match=says):
            door.check(text, "predict")


def test_a_door_says_when_either_half_is_old(
    source: Keys, ring: PeopleRing, crowd: Crowd, time: Time, tokens: Signer
) -> None:
    door = FrontDoor(KeyRing(source, rate=1, burst=1, wall=time.wall, monotonic=time.monotonic), ring)
    assert door.refresh()
    crowd.away = True
    assert not door.refresh()
    assert door.degraded == "users and sessions are 0 s old: database does not answer"


def test_without_a_secret_a_door_takes_keys_alone(source: Keys, time: Time, tokens: Signer) -> None:
    door = FrontDoor(KeyRing(source, rate=1, burst=1, wall=time.wall, monotonic=time.monotonic), None)
    key = source.add()
    assert door.refresh()
    assert door.check(key, "predict")
    with pytest.raises(UnauthorizedError, match="AXIOM_SECRET_KEY is not set"):
        door.check(tokens.sign(ANN), "predict")
