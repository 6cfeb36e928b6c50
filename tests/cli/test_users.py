"""Users from the command line. The password comes from standard input, or from a terminal without an echo."""

from __future__ import annotations

import getpass
import io
import sys
from typing import TYPE_CHECKING, Any

import pytest

from axiom.access.limits import LocalLimiter
from axiom.access.logins import Logins
from axiom.access.passwords import Passwords
from axiom.access.tokens import AccessTokens
from axiom.db import Database
from axiom.errors import UnauthorizedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GOOD = "correct horse battery staple"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """`typed("…")` is what standard input holds for the next command."""
    return lambda text: monkeypatch.setattr(sys, "stdin", io.StringIO(text))


@pytest.fixture
def ann(axiom: Any, typed: Callable[[str], None]) -> Any:
    typed(f"{GOOD}\n")
    made = axiom("user", "create", "Ann", "--role", "administrator", "--json")
    assert made.code == 0
    return made.json


def login(home: Path, password: str = GOOD) -> str:
    with Database(f"sqlite:///{home / 'axiom.db'}") as database:
        logins = Logins(database, AccessTokens(bytes(range(32))), Passwords(), LocalLimiter())
        return logins.who(logins.login("ann", password, address="here").access).role


def test_the_first_administrator_can_log_in(ann: Any, home: Path) -> None:
    assert (ann["name"], ann["role"]) == ("ann", "administrator")
    assert login(home) == "administrator"


def test_nothing_that_is_shown_holds_the_password_or_its_hash(ann: Any, axiom: Any) -> None:
    shown = [axiom("user", "list"), axiom("user", "list", "--json"), axiom("audit", "list", "--json")]
    for text in (repr(ann), *(outcome.out + outcome.err for outcome in shown)):
        assert GOOD not in text
        assert "argon2" not in text


def test_there_is_no_option_for_a_password(axiom: Any) -> None:
    for words in (("create", "ann", "--role", "analyst"), ("password", "ann")):
        assert axiom("user", *words, "--password", GOOD).code == 2


def test_a_terminal_asks_twice_and_shows_nothing(axiom: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([GOOD, GOOD, GOOD, "something else entirely"])
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(getpass, "getpass", lambda _: next(answers))
    assert axiom("user", "create", "ann", "--role", "administrator").code == 0
    assert login(home) == "administrator"
    outcome = axiom("user", "password", "ann")
    assert (outcome.code, outcome.err) == (2, "axiom: the two passwords differ\n")


@pytest.mark.parametrize(
    ("words", "stdin", "code", "says"),
    [
        (("create", "bob", "--role", "king"), GOOD, 2, "no role 'king'"),
        (("create", "bob", "--role", "anonymous"), GOOD, 2, "no role 'anonymous'"),
        (("create", "bob smith", "--role", "analyst"), GOOD, 2, "cannot name a user"),
        (("create", "bob", "--role", "analyst"), "hunter2", 2, "7 characters"),
        (("create", "bob", "--role", "analyst"), "bob" * 6, 2, "too few characters"),
        (("create", "bob", "--role", "analyst"), "", 2, "no password on standard input"),
        (("create", "bob", "--role", "analyst"), "\n", 2, "no password on standard input"),
        (("create", "ann", "--role", "analyst"), GOOD, 1, "a user 'ann' already"),
        (("role", "ann", "analyst"), "", 1, "only administrator"),
        (("role", "bob", "analyst"), "", 1, "no user 'bob'"),
        (("password", "bob"), GOOD, 1, "no user 'bob'"),
        (("password", "ann"), "hunter2", 2, "7 characters"),
        (("disable", "ann"), "", 1, "only administrator"),
        (("delete", "ann"), "", 1, "only administrator"),
        (("unlock", "ann"), "", 1, "nobody failed"),
    ],
)
def test_bad_input_is_one_line_and_changes_nothing(
    ann: Any, axiom: Any, typed: Callable[[str], None], words: tuple[str, ...], stdin: str, code: int, says: str
) -> None:
    typed(stdin)
    outcome = axiom("user", *words)
    assert outcome.code == code
    assert says in outcome.err.splitlines()[0]
    assert [user | {"sessions": 0} for user in axiom("user", "list", "--json").json["users"]] == [ann | {"sessions": 0}]


def test_the_life_of_a_user(ann: Any, axiom: Any, home: Path, typed: Callable[[str], None]) -> None:
    typed(GOOD)
    axiom("user", "create", "root", "--role", "administrator")
    assert axiom("user", "role", "ann", "ml-engineer", "--json").json["role"] == "ml-engineer"
    assert login(home) == "ml-engineer"
    assert axiom("user", "list", "--json").json["users"][0]["sessions"] == 1
    assert axiom("user", "logout", "ann", "--json").json["ended"] == 1

    assert axiom("user", "disable", "ann").code == 0
    with pytest.raises(UnauthorizedError):
        login(home)
    assert axiom("user", "unlock", "ann").code == 0
    assert axiom("user", "enable", "ann").code == 0
    typed("another horse entirely")
    assert axiom("user", "password", "ann").code == 0
    assert login(home, "another horse entirely") == "ml-engineer"

    assert axiom("user", "delete", "ann").code == 0
    assert [user["name"] for user in axiom("user", "list", "--json").json["users"]] == ["root"]
    assert axiom("audit", "verify").code == 0
    actions = [entry["action"] for entry in axiom("audit", "list", "--json").json["entries"]]
    assert {"user.create", "user.change", "user.delete", "user.unlock", "session.begin", "session.end"} <= set(actions)
