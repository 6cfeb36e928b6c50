"""`axiom audit`: the leakage audit by default, and the trail of who did what."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path


def tamper(home: Path, statement: str) -> None:
    connection = sqlite3.connect(home / "axiom.db")
    with connection:
        connection.execute(statement)
    connection.close()


@pytest.fixture
def trail(axiom: Any) -> Any:
    for name in ("one", "two", "three"):
        axiom("key", "create", name)
    return axiom


def test_a_whole_trail_is_verified_and_its_head_can_be_kept(trail: Any) -> None:
    kept = trail("audit", "verify", "--json").json["head"]
    assert kept.startswith("3:")
    trail("key", "create", "four")
    outcome = trail("audit", "verify", "--anchor", kept)
    assert outcome.code == 0
    assert "4 entries" in outcome.out


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE audit SET actor = 'nobody' WHERE id = 2", "audit entry 2 was altered"),
        ("DELETE FROM audit WHERE id = 2", "audit entry 2 is missing"),
        ("DELETE FROM audit WHERE id = 3", "ends with entry 2, but its head says 3"),
    ],
)
def test_tampering_fails_the_command(trail: Any, home: Path, statement: str, says: str) -> None:
    tamper(home, statement)
    outcome = trail("audit", "verify")
    assert outcome.code == 1
    assert says in outcome.err


def test_a_trail_that_misses_its_anchor_fails_the_command(trail: Any) -> None:
    outcome = trail("audit", "verify", "--anchor", "2:" + "0" * 64)
    assert outcome.code == 1
    assert "does not go through the anchor" in outcome.err


def test_an_anchor_that_is_none_is_misuse(trail: Any) -> None:
    assert trail("audit", "verify", "--anchor", "yesterday").code == 2


def test_the_list_tells_who_did_what(trail: Any) -> None:
    entries = trail("audit", "list", "--limit", "2", "--json").json["entries"]
    assert [(e["id"], e["action"], e["detail"]["name"]) for e in entries] == [
        (3, "key.create", "three"),
        (2, "key.create", "two"),
    ]
    assert trail("audit", "list", "--actor", "nobody", "--json").json == {"entries": []}
    assert "key.create" in trail("audit", "list", "--object", entries[0]["object"]).out


def test_without_a_verb_it_is_the_leakage_audit_as_ever(axiom: Any, shop_csv: Path) -> None:
    axiom("init")
    axiom("ingest", str(shop_csv), "--entity", "transactions")
    plain, with_option, by_name = (axiom("audit", *words, "--json") for words in ([], ["--back", "0"], ["features"]))
    assert plain.code == with_option.code == by_name.code == 0
    assert plain.json == with_option.json == by_name.json


def test_help_shows_the_three_verbs(axiom: Any) -> None:
    shown = axiom("audit", "--help").out
    assert all(verb in shown for verb in ("features", "verify", "list"))
