"""`axiom audit`: the leakage audit of features by default; verify and list read the audit trail."""

from __future__ import annotations

import json as jsons
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from axiom.cli.console import JsonFlag, database, emit, table


class _FeaturesByDefault(TyperGroup):
    """`axiom audit --as-of …` means `axiom audit features --as-of …`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        asks_for_help = bool(args) and args[0] in ctx.help_option_names
        if not args or (args[0].startswith("-") and not asks_for_help):
            args = ["features", *args]
        return super().parse_args(ctx, args)


audits = typer.Typer(
    cls=_FeaturesByDefault,
    help="Audit features for leakage (also without a verb), or the trail of who did what: verify, list.",
)


def register(app: typer.Typer) -> None:
    """Add the verbs of this module; `axiom.cli.build` adds `features` to them."""
    app.add_typer(audits, name="audit")


@audits.command("verify", epilog="Example: axiom audit verify")
def verify(
    anchor: Annotated[
        str | None, typer.Option(help="A head that an earlier verify printed, kept elsewhere: <entries>:<hash>.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Prove that no entry of the audit trail was altered, removed, moved or put in between. Exit code 1 when one was.

    Who can write to the database can also write the whole trail anew: keep the printed head somewhere else, and give it
    as --anchor.
    """
    from axiom.db.audit import Head

    expected = Head.parse(anchor) if anchor is not None else None
    with database() as db, db.reading() as tx:
        head = tx.audit.verify(expected)
    lines = [f"{head.entries:,} entries, each in its place and as it was written", f"head  {head}"]
    emit({"entries": head.entries, "head": str(head), "anchor": anchor}, as_json=json, lines=lines)


@audits.command("list", epilog="Example: axiom audit list --object key:4f2k9d0xq7ab")
def list_entries(
    thing: Annotated[str | None, typer.Option("--object", help="Only about this: key:<id>, user:<name>.")] = None,
    actor: Annotated[str | None, typer.Option(help="Only by this person, key or service.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first.")] = 50,
    before: Annotated[int | None, typer.Option(min=1, help="Only entries with a smaller number.")] = None,
    json: JsonFlag = False,
) -> None:
    """Who did what to which thing, newest first."""
    with database() as db, db.reading() as tx:
        found = tx.audit.list(thing=thing, actor=actor, limit=limit, before=before)
    rows = [
        {
            "id": entry.id,
            "when": f"{entry.at:%Y-%m-%d %H:%M:%S}",
            "who": entry.actor,
            "what": entry.action,
            "object": entry.object,
            "detail": jsons.dumps(entry.detail, ensure_ascii=False),
        }
        for entry in found
    ]
    emit({"entries": found}, as_json=json, lines=table(rows))
