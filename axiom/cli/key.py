"""Verbs about API keys: create, list, rotate, revoke."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from axiom.cli.console import JsonFlag, database, emit, parse_days, parse_time, table
from axiom.errors import MisuseError

if TYPE_CHECKING:
    from axiom.access.keys import Issued
    from axiom.db.keys import ApiKey

keys = typer.Typer(no_args_is_help=True, help="API keys: create, list, rotate, revoke.")

KeyId = Annotated[str, typer.Argument(help="The id: the 12 characters after axk_.")]


def register(app: typer.Typer) -> None:
    """Add the verbs of this module."""
    app.add_typer(keys, name="key")


@keys.command("create", epilog="Example: axiom key create shop-backend --scope predict --expires 365d")
def create(
    name: Annotated[str, typer.Argument(help="What people call it: the application that will use it.")],
    scope: Annotated[list[str] | None, typer.Option(help="What it may do; repeatable.")] = None,
    expires: Annotated[
        str | None, typer.Option(help="When it stops working: 90d, 12w or an ISO date. Default: never.")
    ] = None,
    rate: Annotated[float | None, typer.Option(help="Requests a second. Default: AXIOM_RATE_LIMIT.")] = None,
    burst: Annotated[float | None, typer.Option(help="Requests at once. Default: AXIOM_RATE_BURST.")] = None,
    json: JsonFlag = False,
) -> None:
    """Make an API key and show it, once: only its hash is kept."""
    from axiom.access.keys import issue

    until = _moment(expires) if expires else None
    with database() as db, db.transaction() as tx:
        issued = issue(
            tx,
            name,
            scopes=scope or ["predict"],
            actor=getpass.getuser(),
            rate=rate,
            burst=burst,
            expires_at=until,
        )
    _show_once(issued, as_json=json)


@keys.command("list", epilog="Example: axiom key list")
def list_keys(json: JsonFlag = False) -> None:
    """Every key with what it may do and whether it is good; never its secret."""
    with database() as db, db.reading() as tx:
        found = [facts(key) for key in tx.keys.list()]
    rows = [
        {
            "id": key["key_id"],
            "name": key["name"],
            "state": key["state"],
            "scopes": " ".join(key["scopes"]),
            "rate": key["rate"],
            "burst": key["burst"],
            "created": f"{key['created_at']:%Y-%m-%d}",
            "expires": "never" if key["expires_at"] is None else f"{key['expires_at']:%Y-%m-%d}",
        }
        for key in found
    ]
    emit({"keys": found}, as_json=json, lines=table(rows))


@keys.command("rotate", epilog="Example: axiom key rotate 4f2k9d0xq7ab --overlap 7d")
def rotate(
    key_id: KeyId,
    overlap: Annotated[
        str | None, typer.Option(help="How long the text before stays good: 1d, 2w. Default: not at all.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Give a key another secret, and show it, once. Scopes, limits and expiry stay."""
    from axiom.access.keys import rotate as run

    span = timedelta(days=parse_days(overlap, "--overlap")) if overlap else timedelta()
    with database() as db, db.transaction() as tx:
        issued = run(tx, key_id, actor=getpass.getuser(), overlap=span)
    _show_once(issued, as_json=json)


@keys.command("revoke", epilog='Example: axiom key revoke 4f2k9d0xq7ab --reason "leaked in a log"')
def revoke(
    key_id: KeyId,
    reason: Annotated[str, typer.Option(help="Why, for the audit trail.")],
    json: JsonFlag = False,
) -> None:
    """Make a key useless, for good; services that run know it within a second or two."""
    if not reason.strip():
        raise MisuseError("--reason is empty", hint="say why, for the audit trail")
    with database() as db, db.transaction() as tx:
        key = tx.keys.revoke(key_id, actor=getpass.getuser(), reason=reason)
    emit(facts(key), as_json=json, lines=[f"key {key.key_id} ({key.name}) is revoked"])


def facts(key: ApiKey) -> dict[str, Any]:
    """What may be shown of a key: everything but its hashes."""
    hidden = ("digest", "previous_digest")
    state = "revoked" if key.revoked_at else "expired" if key.expires_at and key.expires_at <= _now() else "good"
    return {"state": state} | {name: value for name, value in vars(key).items() if name not in hidden}


def _show_once(issued: Issued, *, as_json: bool) -> None:
    key = issued.key
    until = f"until {key.expires_at:%Y-%m-%d %H:%M} UTC" if key.expires_at else "for good"
    lines = [
        issued.text,
        "",
        f"key {key.key_id} ({key.name}) may: {', '.join(key.scopes)}; {until}",
        "this is the only time it is shown; send it as  Authorization: Bearer axk_...",
    ]
    emit(facts(key) | {"key": issued.text}, as_json=as_json, lines=lines)


def _moment(text: str) -> datetime:
    if text[-1:] in ("d", "w"):
        return _now() + timedelta(days=parse_days(text, "--expires"))
    return parse_time(text, "--expires")


def _now() -> datetime:
    return datetime.now(UTC)
