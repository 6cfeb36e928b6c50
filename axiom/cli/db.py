"""Verbs of the database: axiom db backup, restore."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from axiom.cli.console import JsonFlag, emit, settings
from axiom.errors import ConflictError, NotFoundError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from axiom.db.backup import BackupReport

db = typer.Typer(no_args_is_help=True, help="The database: back it up to one file, fill an empty one from it.")
STREAM = "-"


def register(app: typer.Typer) -> None:
    """Add the verbs of this module."""
    app.add_typer(db, name="db")


@db.command("backup", epilog="Example: axiom db backup axiom-2026-11-20.jsonl.gz")
def backup(
    file: Annotated[str, typer.Argument(help="New file; - writes to standard output.")],
    json: JsonFlag = False,
) -> None:
    """Write every row of the database to one file. The service goes on meanwhile."""
    from axiom.db import Database
    from axiom.db.backup import back_up

    with Database.open(settings()) as database, _written(file) as target:
        report = back_up(database, target)
    if file == STREAM:
        sys.stderr.write("\n".join(_lines(report, "written")) + "\n")
    else:
        emit(report, as_json=json, lines=_lines(report, f"written to {file}"))


@db.command("restore", epilog="Example: axiom db restore axiom-2026-11-20.jsonl.gz")
def restore(
    file: Annotated[str, typer.Argument(help="What `axiom db backup` wrote; - reads standard input.")],
    json: JsonFlag = False,
) -> None:
    """Fill an empty database, SQLite or PostgreSQL, from a backup of either. All rows or none."""
    from axiom.db import Database
    from axiom.db.backup import restore as run

    loaded = settings()
    if loaded.database_url is None:
        loaded.home.mkdir(parents=True, exist_ok=True)
    with Database(loaded.database_location) as database, _read(file) as source:
        report = run(database, source)
    emit(report, as_json=json, lines=_lines(report, f"restored into {database.location}"))


def _lines(report: BackupReport, done: str) -> list[str]:
    filled = ", ".join(f"{name} {rows:,}" for name, rows in report.rows.items() if rows)
    return [f"{report.total:,} rows of {report.taken_at} {done}", f"  schema {report.schema}: {filled or 'no rows'}"]


@contextmanager
def _written(file: str) -> Iterator[IO[bytes]]:
    """A file that is there only once it is whole, and that nobody else may read: it holds customers and hashes."""
    if file == STREAM:
        yield sys.stdout.buffer
        return
    target, part = Path(file), Path(f"{file}.part")
    if target.exists():
        raise ConflictError(f"{file} is there already", hint="choose another name")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
            yield stream
            os.fsync(stream.fileno())
        part.replace(target)
    except OSError as error:
        raise UnavailableError(f"cannot write {file}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _read(file: str) -> Iterator[IO[bytes]]:
    if file == STREAM:
        yield sys.stdin.buffer
        return
    if not Path(file).is_file():
        raise NotFoundError(f"there is no file {file}")
    with Path(file).open("rb") as stream:
        yield stream
