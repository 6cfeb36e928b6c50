from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import jwt
import pytest
from argon2 import PasswordHasher

from axiom.access.keys import issue
from axiom.access.limits import LocalLimiter
from axiom.access.logins import SHARED_BURST, SHARED_RATE, Logins, create_user, set_disabled, set_password
from axiom.access.passwords import Passwords
from axiom.access.tokens import AccessTokens, Claims
from axiom.errors import ConflictError, ForbiddenError, MisuseError, NotFoundError, TooManyError, UnauthorizedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from axiom.access.logins import Grant
    from axiom.db import Database
    from tests.access.conftest import Time

SECRET = bytes(range(32))
GOOD = "correct horse battery staple"
NEWER = "another horse entirely"


@pytest.fixture
def logins(clocked: Database, passwords: Passwords, time: Time) -> Logins:
    """Two users, ann and the administrator root, both with the password GOOD."""
    with clocked.transaction() as tx:
        create_user(tx, passwords, "root", role="administrator", password=GOOD, actor="setup")
        create_user(tx, passwords, "Ann", role="analyst", password=GOOD, actor="root")
    return Logins(clocked, AccessTokens(SECRET), passwords, LocalLimiter(clock=time.monotonic))


def enter(logins: Logins, name: str = "ann", password: str = GOOD, address: str = "10.0.0.1") -> Grant:
    return logins.login(name, password, address=address, client="browser")


def trail(logins: Logins) -> list[tuple[str, str, str]]:
    with logins.database.reading() as tx:
        return [(e.actor, e.action, e.object) for e in reversed(tx.audit.list())]


def refused(call: Callable[[], object], says: str) -> None:
    with pytest.raises(UnauthorizedError, match=says):
        call()


def test_the_right_password_opens_a_session(logins: Logins) -> None:
    grant = enter(logins)
    who = logins.who(grant.access)
    assert (who.name, who.role, who.session_id) == ("ann", "analyst", grant.session_id)
    assert grant.expires_in == 600
    assert jwt.decode(grant.access, options={"verify_signature": False}).keys() == {
        *("iss", "aud", "sub", "sid", "iat", "nbf", "exp")
    }
    assert grant.refresh not in repr(grant)
    assert grant.access not in repr(grant)


def test_names_are_the_same_in_any_case(logins: Logins) -> None:
    assert logins.who(enter(logins, " ANN ").access).name == "ann"


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("ann", "wrong horse battery staple"),
        ("ann", ""),
        ("nobody", GOOD),
        ("", GOOD),
        ("ann'; DROP TABLE users; --", GOOD),
        ("a\0b", GOOD),
        ("x" * 1_000_000, GOOD),
        ("ann", "x" * 1_000_000),
    ],
)
def test_a_wrong_name_and_a_wrong_password_are_told_in_the_same_words(logins: Logins, name: str, password: str) -> None:
    refused(lambda: enter(logins, name, password), "^wrong name or password")


def test_after_five_failures_even_the_right_password_waits(logins: Logins, time: Time) -> None:
    for _ in range(5):
        refused(lambda: enter(logins, password="wrong"), "wrong name")
    with pytest.raises(TooManyError, match="too many attempts to log in as 'ann'") as locked:
        enter(logins)
    assert locked.value.retry_after == 900
    time.pass_by(899)
    with pytest.raises(TooManyError) as locked:
        enter(logins)
    assert locked.value.retry_after == 1
    time.pass_by(1)
    assert enter(logins)


def test_a_name_that_nobody_has_is_locked_like_any_other(logins: Logins) -> None:
    for _ in range(5):
        refused(lambda: enter(logins, "nobody"), "wrong name")
    with pytest.raises(TooManyError):
        enter(logins, "nobody")


def test_success_and_time_forget_failures(logins: Logins, time: Time) -> None:
    for _ in range(3):
        for _ in range(4):
            refused(lambda: enter(logins, password="wrong"), "wrong name")
        enter(logins)
    for _ in range(3):
        for _ in range(4):
            refused(lambda: enter(logins, password="wrong"), "wrong name")
        time.pass_by(901)
    assert enter(logins)


def test_guesses_sent_at_once_all_count(logins: Logins) -> None:
    def guess(number: int) -> str:
        try:
            enter(logins, password=f"guess {number}", address=f"10.0.1.{number}")
        except TooManyError:
            return "locked"
        except UnauthorizedError:
            return "looked at"
        return "in"

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(guess, range(24)))
    assert (outcomes.count("looked at"), outcomes.count("locked")) == (5, 19)
    assert trail(logins).count(("login", "user.lock-out", "user:ann")) == 1


def test_one_address_cannot_try_name_after_name(logins: Logins) -> None:
    for number in range(20):
        refused(lambda name=f"guess-{number}": enter(logins, name), "wrong name")  # type: ignore[misc]
    with pytest.raises(TooManyError, match="too many attempts to log in") as limited:
        enter(logins)
    assert limited.value.retry_after == pytest.approx(5)
    assert enter(logins, address="10.0.0.2")


def test_an_address_that_many_share_is_limited_to_what_keeps_nobody_out(logins: Logins) -> None:
    for number in range(60):
        with pytest.raises(UnauthorizedError):
            logins.login(f"guess-{number}", "wrong", address="proxy", shared=True)
    assert logins.login("ann", GOOD, address="proxy", shared=True)
    logins.limiter.allow("login:proxy", SHARED_RATE, SHARED_BURST, SHARED_BURST - 61)
    with pytest.raises(TooManyError, match="too many attempts to log in") as limited:
        logins.login("ann", GOOD, address="proxy", shared=True)
    assert limited.value.retry_after == pytest.approx(0.1)


def test_a_user_changes_the_password_and_keeps_this_session_alone(logins: Logins) -> None:
    mine, other = enter(logins), enter(logins)
    assert logins.change_password("ann", GOOD, NEWER, session_id=mine.session_id, address="here") == 1
    assert logins.who(mine.access)
    assert logins.refresh(mine.refresh)
    refused(lambda: logins.who(other.access), "the session is over")
    refused(lambda: enter(logins), "wrong name or password")
    assert enter(logins, password=NEWER)
    assert ("ann", "user.change", "user:ann") in trail(logins)


def test_a_password_is_changed_only_with_the_current_one_five_guesses_long(logins: Logins) -> None:
    session = enter(logins).session_id

    def change(current: str, new: str) -> int:
        return logins.change_password("ann", current, new, session_id=session, address="here")

    for _ in range(5):
        with pytest.raises(ForbiddenError, match="current password is wrong"):
            change("wrong horse", NEWER)
    with pytest.raises(TooManyError, match="too many attempts"):
        change(GOOD, NEWER)
    for weak, says in (
        (GOOD, "is the current one"),
        ("ann-password", "little more than a name"),
        ("short", "5 characters"),
    ):
        with pytest.raises(MisuseError, match=says):
            change(GOOD, weak)


def test_a_password_that_somebody_else_changed_meanwhile_stays(logins: Logins) -> None:
    session = enter(logins).session_id

    class Slow(Passwords):
        """Somebody else is quicker."""

        def hash(self, password: str) -> str:
            with logins.database.transaction() as tx:
                tx.users.change("ann", role="ml-engineer", actor="root")
            return logins.passwords.hash(password)

        def verify(self, stored: str | None, password: str) -> bool:
            return logins.passwords.verify(stored, password)

    slow = Logins(logins.database, logins.tokens, Slow(PasswordHasher(1, 8, 1)), logins.limiter)
    with pytest.raises(ConflictError, match="was changed meanwhile"):
        slow.change_password("ann", GOOD, NEWER, session_id=session, address="here")
    assert enter(logins)


def test_guessed_names_do_not_pile_up(logins: Logins, time: Time) -> None:
    from axiom.db.access_tables import login_failures

    for number in range(10):
        refused(lambda name=f"guess-{number}": enter(logins, name), "wrong name")  # type: ignore[misc]
    time.pass_by(86_401)
    refused(lambda: enter(logins, "last"), "wrong name")
    with logins.database.reading() as tx:
        assert [row.name for row in tx.connection.execute(login_failures.select())] == ["last"]


def test_a_refresh_token_is_good_once(logins: Logins) -> None:
    first = enter(logins)
    second = logins.refresh(first.refresh)
    assert second.refresh != first.refresh
    assert logins.who(second.access) == logins.who(first.access)
    assert logins.refresh(second.refresh)


def test_a_replayed_refresh_token_ends_the_session_for_thief_and_owner(logins: Logins) -> None:
    stolen = enter(logins)
    owner = logins.refresh(stolen.refresh)
    refused(lambda: logins.refresh(stolen.refresh), "was used before: the session is over")
    for call in (
        lambda: logins.refresh(owner.refresh),
        lambda: logins.who(owner.access),
        lambda: logins.refresh(stolen.refresh),
    ):
        refused(call, "the session is over")
    assert trail(logins)[-1] == ("login", "session.replay", "user:ann")
    assert enter(logins), "the user can log in again"


def test_two_uses_of_a_refresh_token_at_once_are_a_replay(logins: Logins) -> None:
    token = enter(logins).refresh

    def use(_: int) -> bool:
        try:
            logins.refresh(token)
        except UnauthorizedError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(use, range(4))) == 1


def test_a_replay_in_one_session_leaves_the_others(logins: Logins) -> None:
    one, other = enter(logins), enter(logins)
    logins.refresh(one.refresh)
    refused(lambda: logins.refresh(one.refresh), "used before")
    assert logins.refresh(other.refresh)


@pytest.mark.parametrize("token", ["", "axr_", "axr_" + "x" * 43, "\ud800", "'; DROP TABLE sessions; --"])
def test_a_refresh_token_that_nobody_was_given_is_refused_and_ends_nothing(logins: Logins, token: str) -> None:
    grant = enter(logins)
    refused(lambda: logins.refresh(token), "the session is over")
    logins.logout(token)
    assert logins.refresh(grant.refresh)


def test_logging_out_ends_access_at_once_and_twice_does_no_harm(logins: Logins) -> None:
    grant, other = enter(logins), enter(logins)
    for _ in range(2):
        logins.logout(grant.refresh)
    refused(lambda: logins.who(grant.access), "the session is over")
    refused(lambda: logins.refresh(grant.refresh), "the session is over")
    assert logins.who(other.access)
    assert trail(logins)[-1] == ("ann", "session.end", "user:ann")


def test_a_session_ends_by_itself_and_is_forgotten(logins: Logins, time: Time) -> None:
    grant = enter(logins)
    time.pass_by(14 * 86_400)
    refused(lambda: logins.refresh(grant.refresh), "the session is over")
    time.pass_by(3601)  # until then replicas may have to be told that it ended
    enter(logins)
    with logins.database.reading() as tx:
        assert tx.sessions.find(grant.session_id) is None


def test_a_client_may_call_itself_anything(logins: Logins) -> None:
    grant = logins.login("ann", GOOD, address="here", client="M\0ozilla\ud800\n" + "x" * 10_000)
    with logins.database.reading() as tx:
        (session,) = tx.sessions.list(grant.user.user_id)
    assert session.client.startswith("Mozillax")
    assert len(session.client) <= 200


def test_a_new_role_counts_at_once(logins: Logins) -> None:
    grant = enter(logins)
    with logins.database.transaction() as tx:
        tx.users.change("ann", role="product-manager", actor="root")
    assert logins.who(grant.access).role == "product-manager"


def test_a_disabled_user_is_out_at_once_and_may_come_back(logins: Logins) -> None:
    grant = enter(logins)
    with logins.database.transaction() as tx:
        set_disabled(tx, "ann", disabled=True, actor="root")
    for call in (lambda: logins.who(grant.access), lambda: logins.refresh(grant.refresh)):
        refused(call, "the session is over")
    refused(lambda: enter(logins), "wrong name or password")
    with logins.database.transaction() as tx:
        set_disabled(tx, "ann", disabled=False, actor="root")
    assert enter(logins)
    refused(lambda: logins.who(grant.access), "the session is over")


def test_a_new_password_ends_every_session_and_the_lock(logins: Logins) -> None:
    grant = enter(logins)
    for _ in range(5):
        refused(lambda: enter(logins, password="wrong"), "wrong name")
    with logins.database.transaction() as tx:
        set_password(tx, logins.passwords, "ann", "another horse entirely", actor="root")
    refused(lambda: logins.who(grant.access), "the session is over")
    refused(lambda: enter(logins), "wrong name")
    assert enter(logins, password="another horse entirely")


def test_a_token_of_a_deleted_user_is_not_good_for_another_of_the_same_name(logins: Logins) -> None:
    grant = enter(logins)
    with logins.database.transaction() as tx:
        tx.users.delete("ann", actor="root")
        create_user(tx, logins.passwords, "ann", role="administrator", password=GOOD, actor="root")
    for call in (lambda: logins.who(grant.access), lambda: logins.refresh(grant.refresh)):
        refused(call, "the session is over")


def test_a_token_that_pairs_one_user_with_the_session_of_another_is_refused(logins: Logins) -> None:
    ann, root = enter(logins), enter(logins, "root")
    forged = logins.tokens.sign(Claims(root.user.user_id, ann.session_id))
    refused(lambda: logins.who(forged), "the session is over")


def test_a_hash_with_cheaper_costs_is_renewed_by_the_next_login(logins: Logins) -> None:
    dearer = Passwords(PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    today = Logins(logins.database, logins.tokens, dearer, logins.limiter)
    enter(today)
    with logins.database.reading() as tx:
        assert not dearer.is_dated(tx.users.get("ann").password_hash)
    assert enter(today)


def test_every_write_is_in_the_audit_trail_and_no_secret_is(logins: Logins) -> None:
    grant = enter(logins)
    with logins.database.transaction() as tx:
        tx.users.change("ann", role="administrator", actor="root")
        set_password(tx, logins.passwords, "ann", "another horse entirely", actor="root")
        tx.users.delete("ann", actor="root")
    assert trail(logins) == [
        ("setup", "user.create", "user:root"),
        ("root", "user.create", "user:ann"),
        ("ann", "session.begin", "user:ann"),
        ("root", "user.change", "user:ann"),
        ("root", "user.change", "user:ann"),
        ("root", "user.delete", "user:ann"),
    ]
    with logins.database.reading() as tx:
        told = repr([dict(entry.detail) for entry in tx.audit.list()])
        tx.audit.verify()
    for secret in (GOOD, "another horse", grant.refresh, grant.access, "argon2"):
        assert secret not in told


def test_two_who_change_a_user_at_once_are_told_apart(logins: Logins) -> None:
    with logins.database.transaction() as tx:
        seen = tx.users.get("ann").revision
        tx.users.change("ann", role="ml-engineer", actor="root", revision=seen)
        with pytest.raises(ConflictError, match="changed meanwhile: revision 2, not 1"):
            tx.users.change("ann", role="analyst", actor="eve", revision=seen)


def test_a_change_that_changes_nothing_leaves_no_trace(logins: Logins) -> None:
    with logins.database.transaction() as tx:
        before = tx.users.get("ann"), tx.audit.head()
        tx.users.change("ann", role="analyst", disabled=False, actor="root")
        assert (tx.users.get("ann"), tx.audit.head()) == before


def test_the_last_administrator_stays(logins: Logins) -> None:
    with logins.database.transaction() as tx:
        for attempt in (
            lambda: tx.users.change("root", role="analyst", actor="root"),
            lambda: tx.users.change("root", disabled=True, actor="root"),
            lambda: tx.users.delete("root", actor="root"),
        ):
            with pytest.raises(ConflictError, match="only administrator who may log in"):
                attempt()
        tx.users.change("ann", role="administrator", actor="root")
        tx.users.change("root", disabled=True, actor="ann")
        with pytest.raises(ConflictError, match="'ann' is the only administrator"):
            tx.users.delete("ann", actor="ann")


def test_two_administrators_who_remove_each_other_at_once_leave_one(logins: Logins) -> None:
    with logins.database.transaction() as tx:
        tx.users.change("ann", role="administrator", actor="root")

    def remove(pair: tuple[str, str]) -> bool:
        actor, victim = pair
        try:
            with logins.database.transaction() as tx:
                tx.users.delete(victim, actor=actor)
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(remove, [("ann", "root"), ("root", "ann")])) == [False, True]
    with logins.database.reading() as tx:
        assert len(tx.users.list()) == 1


@pytest.mark.parametrize("name", ["", "a b", "-ann", "a\nb", "änn", "x" * 129, "ann/../root"])
def test_a_name_that_no_user_can_have_is_refused(logins: Logins, name: str) -> None:
    with pytest.raises(MisuseError, match="cannot name a user"), logins.database.transaction() as tx:
        create_user(tx, logins.passwords, name, role="analyst", password=GOOD, actor="root")


def test_a_taken_name_a_bad_role_and_a_weak_password_are_refused(logins: Logins) -> None:
    with logins.database.transaction() as tx:
        for name, role, password, error, line in (
            ("ANN", "analyst", GOOD, ConflictError, "there is a user 'ann' already"),
            ("bob", "king", GOOD, MisuseError, "there is no role 'king'"),
            ("bob", "analyst", "hunter2", MisuseError, "7 characters"),
        ):
            with pytest.raises(error, match=line):
                create_user(tx, logins.passwords, name, role=role, password=password, actor="root")
        with pytest.raises(NotFoundError, match="there is no user 'bob'"):
            set_password(tx, logins.passwords, "bob", GOOD, actor="root")
        assert [user.name for user in tx.users.list()] == ["ann", "root"]


def test_a_user_is_shown_without_the_hash(logins: Logins) -> None:
    with logins.database.reading() as tx:
        assert repr(tx.users.get("ann")) == "User('ann', analyst)"


def test_the_tables_of_access_go_down_and_up_again_with_data(logins: Logins) -> None:
    enter(logins)
    refused(lambda: enter(logins, password="wrong"), "wrong name")
    with logins.database.transaction() as tx:
        issue(tx, "shop", scopes=["predict"], actor="root")
        tx.sources.register("crm", kind="file", entity="events", config={})
    logins.database.migrate("0001")
    logins.database.migrate()
    with logins.database.transaction() as tx:
        assert (tx.users.list(), tx.keys.list(), tx.audit.list()) == ([], [], [])
        assert [source.name for source in tx.sources.list()] == ["crm"], "what 0001 made is kept"
        create_user(tx, logins.passwords, "ann", role="administrator", password=GOOD, actor="setup")
    assert enter(logins)
