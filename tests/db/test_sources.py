from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from axiom.errors import MisuseError, NotFoundError

if TYPE_CHECKING:
    from axiom.db import Database
    from tests.db.conftest import Clock

CONFIG: dict[str, Any] = {"path": "data/*.csv", "mapping": {"customer_id": "Kunde Nr. 'ä'", "amount": "qty * price"}}


def test_a_registered_source_comes_back_as_it_was_given(clocked: Database, clock: Clock) -> None:
    with clocked.transaction() as tx:
        stored = tx.sources.register(
            "crm",
            kind="sql",
            entity="transactions",
            config=CONFIG,
            policies={"email": "tokenise"},
            credential="env:CRM_PASSWORD",
        )
    with clocked.reading() as tx:
        assert tx.sources.get("crm") == stored
    assert stored.config == CONFIG
    assert stored.policies == {"email": "tokenise"}
    assert stored.credential == "env:CRM_PASSWORD"
    assert stored.created_at == stored.updated_at == clock.now


def test_registering_again_replaces_the_source_and_keeps_its_birthday(clocked: Database, clock: Clock) -> None:
    born = clock.now
    with clocked.transaction() as tx:
        tx.sources.register("crm", kind="file", entity="events", config=CONFIG)
        clock.advance(days=1)
        replaced = tx.sources.register("crm", kind="sql", entity="customers", config={})
        assert tx.sources.list() == [replaced]
    assert (replaced.kind, replaced.entity, replaced.config) == ("sql", "customers", {})
    assert (replaced.created_at, replaced.updated_at) == (born, clock.now)


def test_an_update_changes_only_what_it_names(clocked: Database) -> None:
    with clocked.transaction() as tx:
        tx.sources.register("crm", kind="file", entity="events", config=CONFIG, credential="file:/run/secrets/crm")
        changed = tx.sources.update("crm", entity="customers")
    assert (changed.entity, changed.config, changed.credential) == ("customers", CONFIG, "file:/run/secrets/crm")


def test_sources_are_listed_by_name_and_a_deleted_one_is_gone(db: Database) -> None:
    with db.transaction() as tx:
        for name in ("shop", "crm", "app"):
            tx.sources.register(name, kind="file", entity="events", config={})
        tx.sources.delete("crm")
        assert [source.name for source in tx.sources.list()] == ["app", "shop"]


def test_a_source_that_does_not_exist_is_named(db: Database) -> None:
    with db.transaction() as tx:
        for call in (tx.sources.get, tx.sources.delete, tx.sources.update):
            with pytest.raises(NotFoundError, match="there is no source 'gone'"):
                call("gone")


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"name": "../crm"}, "'../crm' cannot name a source"),
        ({"name": ""}, "'' cannot name a source"),
        ({"kind": "fax"}, "unknown kind of source 'fax'"),
        ({"entity": "invoices"}, "unknown entity 'invoices'"),
        ({"credential": "hunter2"}, "is not a reference"),
        ({"config": {"password": "hunter2"}}, "holds a secret in clear"),
        ({"config": {"url": "postgresql://bob:hunter2@db/crm"}}, "holds a secret in clear"),
        ({"config": {"nested": [{"url": "mysql://db/crm?password=hunter2"}]}}, "holds a secret in clear"),
    ],
)
def test_a_bad_source_is_refused_and_its_secret_not_repeated(db: Database, changes: dict[str, Any], line: str) -> None:
    good: dict[str, Any] = {"name": "crm", "kind": "file", "entity": "events", "config": {}}
    with pytest.raises(MisuseError, match=line) as refused, db.transaction() as tx:
        tx.sources.register(**good | changes)
    assert "hunter2" not in str(refused.value)
    with db.reading() as tx:
        assert tx.sources.list() == []


def test_an_update_of_an_unknown_field_is_refused(db: Database) -> None:
    with db.transaction() as tx:
        tx.sources.register("crm", kind="file", entity="events", config={})
        with pytest.raises(MisuseError, match="no field 'colour'"):
            tx.sources.update("crm", colour="red")
