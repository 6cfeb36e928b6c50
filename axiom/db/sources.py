"""Registered data sources. A credential is a reference, never the secret itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import sqlalchemy as sa

from axiom.contracts import ENTITIES
from axiom.db.statements import insert
from axiom.db.tables import sources
from axiom.errors import MisuseError, NotFoundError
from axiom.settings import mask_url

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

_REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:.+")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_SECRET_KEY = re.compile(r"password|passwd|secret|token|(api|access|private|secret)_?key", re.IGNORECASE)
_KINDS = ("file", "sql")


@dataclass(frozen=True)
class Source:
    """One registered source.

    Attributes:
        name: unique; letters, digits, `_`, `.` and `-`.
        kind: `file` or `sql`.
        entity: canonical entity that its rows become.
        config: where and how to read, including the column mapping.
        policies: privacy and schema policies.
        credential: `env:NAME` or `file:/path` of the secret; None when there is none.
        created_at: first registration, UTC.
        updated_at: last change, UTC.
    """

    name: str
    kind: Literal["file", "sql"]
    entity: str
    config: Mapping[str, Any]
    policies: Mapping[str, Any]
    credential: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Sources:
    """Repository of sources."""

    connection: Connection
    clock: Callable[[], datetime]

    def register(
        self,
        name: str,
        *,
        kind: str,
        entity: str,
        config: Mapping[str, Any],
        policies: Mapping[str, Any] | None = None,
        credential: str | None = None,
    ) -> Source:
        """Add a source, or replace the one of that name and keep its `created_at`.

        Raises:
            MisuseError: A name, kind, entity or credential reference is malformed, or `config` holds a secret.
        """
        _check(name, kind, entity, config, credential)
        now = self.clock()
        values = {
            "kind": kind,
            "entity": entity,
            "config": dict(config),
            "policies": dict(policies or {}),
            "credential": credential,
            "updated_at": now,
        }
        self.connection.execute(
            insert(self.connection, sources)
            .values(name=name, created_at=now, **values)
            .on_conflict_do_update(index_elements=[sources.c.name], set_=values)
        )
        return self.get(name)

    def update(self, name: str, **changes: Any) -> Source:
        """Change some of `kind`, `entity`, `config`, `policies`, `credential`.

        Raises:
            NotFoundError: No such source.
            MisuseError: As for `register`, or a field that does not exist.
        """
        old = self.get(name)
        fields: dict[str, Any] = {
            "kind": old.kind,
            "entity": old.entity,
            "config": old.config,
            "policies": old.policies,
            "credential": old.credential,
        }
        if unknown := sorted(changes.keys() - fields.keys()):
            raise MisuseError(f"a source has no field {unknown[0]!r}", hint=f"fields: {', '.join(fields)}")
        return self.register(name, **fields | changes)

    def get(self, name: str) -> Source:
        """The source called `name`.

        Raises:
            NotFoundError: No such source.
        """
        row = self.connection.execute(sa.select(sources).where(sources.c.name == name)).mappings().one_or_none()
        if row is None:
            raise NotFoundError(f"there is no source {name!r}", hint="`axiom sources list` shows them")
        return Source(**cast("dict[str, Any]", row))

    def locked(self, name: str) -> Source:
        """The source called `name`, which nobody else changes until the transaction ends.

        Raises:
            NotFoundError: No such source.
        """
        self.connection.execute(sa.select(sources.c.name).where(sources.c.name == name).with_for_update())
        return self.get(name)

    def list(self) -> Sequence[Source]:
        """All sources by name."""
        rows = self.connection.execute(sa.select(sources).order_by(sources.c.name)).mappings()
        return [Source(**cast("dict[str, Any]", row)) for row in rows]

    def delete(self, name: str) -> None:
        """Forget a source; what it brought into the lake stays.

        Raises:
            NotFoundError: No such source.
        """
        self.get(name)
        self.connection.execute(sa.delete(sources).where(sources.c.name == name))


def _check(name: str, kind: str, entity: str, config: Mapping[str, Any], credential: str | None) -> None:
    if not _NAME.fullmatch(name):
        raise MisuseError(f"{name!r} cannot name a source", hint="use letters, digits, '_', '.' and '-'")
    if kind not in _KINDS:
        raise MisuseError(f"unknown kind of source {kind!r}", hint=f"use {' or '.join(_KINDS)}")
    if entity not in ENTITIES:
        raise MisuseError(f"unknown entity {entity!r}", hint=f"use one of {', '.join(ENTITIES)}")
    # The value may be the secret itself, so no message repeats it.
    if credential is not None and not _REFERENCE.fullmatch(credential):
        raise MisuseError(f"the credential of source {name!r} is not a reference", hint="use env:NAME or file:/path")
    if any(_SECRET_KEY.fullmatch(key) for key in config) or _holds_password(config):
        raise MisuseError(
            f"the config of source {name!r} holds a secret in clear",
            hint="put it in an environment variable or file, and give credential='env:NAME' or 'file:/path'",
        )


def _holds_password(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_holds_password(item) for item in value.values())
    if isinstance(value, list | tuple):
        return any(_holds_password(item) for item in value)
    return isinstance(value, str) and mask_url(value) != value
