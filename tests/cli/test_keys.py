"""API keys from the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from axiom.access.keyring import KeyRing
from axiom.access.keys import KeysInDatabase
from axiom.db import Database
from axiom.errors import UnauthorizedError

if TYPE_CHECKING:
    from pathlib import Path


def check(home: Path, text: str) -> str:
    with Database(f"sqlite:///{home / 'axiom.db'}") as database:
        ring = KeyRing(KeysInDatabase(database), rate=1, burst=1)
        ring.refresh()
        return ring.check(text, "predict").name


def test_a_key_that_was_created_opens_until_it_is_revoked(axiom: Any, home: Path) -> None:
    made = axiom("key", "create", "shop", "--expires", "30d", "--rate", "5", "--json").json
    assert (made["scopes"], made["rate"], made["burst"], made["state"]) == (["predict"], 5.0, None, "good")
    assert check(home, made["key"]) == "shop"

    rotated = axiom("key", "rotate", made["key_id"], "--overlap", "1d", "--json").json
    assert rotated["key"] != made["key"]
    assert check(home, made["key"]) == check(home, rotated["key"]) == "shop"

    assert axiom("key", "revoke", made["key_id"], "--reason", "leaked", "--json").json["state"] == "revoked"
    for text in (made["key"], rotated["key"]):
        with pytest.raises(UnauthorizedError):
            check(home, text)


def test_the_text_is_shown_once_and_the_list_shows_no_secret(axiom: Any) -> None:
    shown = axiom("key", "create", "shop", "--scope", "predict", "--scope", "explain").out
    text = shown.splitlines()[0]
    assert shown.count(text) == 1
    for listed in (axiom("key", "list").out, axiom("key", "list", "--json").out):
        assert text.split("_")[1] in listed
        assert text[17:] not in listed
        assert "digest" not in listed


def test_states_are_told_apart(axiom: Any) -> None:
    for name in ("one", "two"):
        axiom("key", "create", name)
    key_id = axiom("key", "list", "--json").json["keys"][0]["key_id"]
    axiom("key", "revoke", key_id, "--reason", "unused")
    states = {key["name"]: key["state"] for key in axiom("key", "list", "--json").json["keys"]}
    assert states == {"one": "revoked", "two": "good"}


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("create", ""), 2, "cannot name a key"),
        (("create", "shop", "--scope", "fly"), 2, "no scope 'fly'"),
        (("create", "shop", "--expires", "soon"), 2, "--expires 'soon' is not a date"),
        (("create", "shop", "--expires", "0d"), 2, "--expires '0d'"),
        (("create", "shop", "--expires", "2001-01-01"), 2, "would have expired"),
        (("create", "shop", "--rate", "-1"), 2, "is no budget"),
        (("create", "shop", "--rate", "nan"), 2, "is no budget"),
        (("create", "shop", "--burst", "0"), 2, "is no budget"),
        (("rotate", "abc"), 1, "no API key 'abc'"),
        (("rotate", "abc", "--overlap", "x"), 2, "--overlap 'x'"),
        (("revoke", "abc", "--reason", "why"), 1, "no API key 'abc'"),
        (("revoke", "abc", "--reason", " "), 2, "--reason is empty"),
    ],
)
def test_bad_input_is_one_line_and_changes_nothing(axiom: Any, words: tuple[str, ...], code: int, says: str) -> None:
    outcome = axiom("key", *words)
    assert outcome.code == code
    assert says in outcome.err.splitlines()[0]
    assert axiom("key", "list", "--json").json == {"keys": []}
