"""What a driver's exception means to a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy.exc

from axiom.errors import AxiomError, ConflictError, CorruptError, UnavailableError

if TYPE_CHECKING:
    from sqlalchemy import URL

_RETRY = frozenset({"40001", "40P01"})  # PostgreSQL: serialization failure, deadlock
_UNDEFINED = frozenset({"42P01", "42703"})  # PostgreSQL: no such table, no such column
_DUPLICATE = "42P07"  # PostgreSQL: the table exists already


def location(url: URL) -> str:
    """Where the database is, without user or password: `postgresql://host:5432/name` or a file path."""
    if url.get_backend_name() == "sqlite":
        return url.database or ""
    host = url.host or str(url.query.get("host", "localhost"))
    return f"postgresql://{host}:{url.port or url.query.get('port', 5432)}/{url.database or ''}"


def explain(error: Exception, url: URL) -> AxiomError:
    """Turn an exception of SQLAlchemy or of a driver into the Axiom error that says what to do."""
    original = error.orig if isinstance(error, sqlalchemy.exc.StatementError) else error
    if isinstance(original, AxiomError):
        return original
    reason = _first_line(original or error, url)
    sqlite = url.get_backend_name() == "sqlite"
    return (_explain_sqlite if sqlite else _explain_postgresql)(original or error, reason, location(url))


def _explain_sqlite(error: BaseException, reason: str, where: str) -> AxiomError:
    if "locked" in reason:
        return UnavailableError(
            f"SQLite database {where} is locked by another process",
            hint="wait until the other command ends, or use PostgreSQL through AXIOM_DATABASE_URL",
        )
    if "not a database" in reason or "malformed" in reason:
        return CorruptError(f"{where} is not a SQLite database: {reason}", hint="restore it from a backup")
    return _explain_any(
        error,
        reason,
        where,
        unavailable=UnavailableError(
            f"SQLite database {where} cannot be used: {reason}",
            hint="check that its directory exists, is writable and not full",
        ),
    )


def _explain_postgresql(error: BaseException, reason: str, where: str) -> AxiomError:
    if getattr(error, "sqlstate", None) in _RETRY:
        return ConflictError(f"somebody else changed the same rows in {where}: {reason}", hint="try again")
    return _explain_any(
        error,
        reason,
        where,
        unavailable=UnavailableError(
            f"database {where} does not answer: {reason}",
            hint="check AXIOM_DATABASE_URL and that the server is running",
        ),
    )


def _explain_any(error: BaseException, reason: str, where: str, unavailable: UnavailableError) -> AxiomError:
    # DB-API class names are the same in both drivers, and neither driver has to be imported to compare them.
    kinds = {kind.__name__ for kind in type(error).__mro__}
    sqlstate = getattr(error, "sqlstate", None)
    if sqlstate == _DUPLICATE or (reason.startswith("table ") and reason.endswith("already exists")):
        return ConflictError(f"database {where} belongs to something else: {reason}", hint="use an empty database")
    if sqlstate in _UNDEFINED or reason.startswith(("no such table", "no such column")):
        return ConflictError(f"database {where} lacks Axiom's tables: {reason}", hint="run `axiom init`")
    if "IntegrityError" in kinds:
        return ConflictError(f"database {where} refused a row: {reason}")
    if kinds & {"OperationalError", "InterfaceError", "TimeoutError"}:
        return unavailable
    return AxiomError(f"database {where} failed: {reason}")


def _first_line(error: BaseException, url: URL) -> str:
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    return line.replace(url.password, "***") if url.password else line
