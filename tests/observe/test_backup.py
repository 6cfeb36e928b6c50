"""Backups: what comes back is what was there, on both databases and from one to the other."""

from __future__ import annotations

import gzip
import io
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from axiom.cli.app import app
from axiom.db import Database
from axiom.db.backup import back_up, restore
from axiom.errors import BadInputError, ConflictError, CorruptError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from axiom.pipelines.workspace import Workspace


def packed(db: Database) -> bytes:
    target = io.BytesIO()
    back_up(db, target)
    return target.getvalue()


def lines(backup: bytes) -> list[bytes]:
    return gzip.decompress(backup).splitlines()


def content(db: Database) -> list[bytes]:
    return lines(packed(db))[1:-1]  # without the head, which has the time, and the end, which has the sum


@pytest.fixture
def company(own_company: Workspace) -> Database:
    """A database with a bit of everything."""
    with own_company.db.transaction() as tx:
        tx.models.move("churn", 2, "champion", actor="Zoë", reason="naïve “quotes”\n☃")
    return own_company.db


def test_what_is_restored_is_what_was_backed_up(company: Database, database_url: str) -> None:
    backup = packed(company)
    with Database(database_url) as other:
        report = restore(other, io.BytesIO(backup))
        assert report.rows["models"] == 3
        assert report.total > 300
        assert content(other) == content(company)
        with company.reading() as tx, other.reading() as again:
            assert again.models.list() == tx.models.list()
            assert again.scores.top(5) == tx.scores.top(5)
            assert again.audit.verify() == tx.audit.verify()


def test_a_restored_database_goes_on_where_the_other_one_stopped(company: Database, database_url: str) -> None:
    with Database(database_url) as other:
        restore(other, io.BytesIO(packed(company)))
        with other.transaction() as tx:
            tx.models.move("clv", 1, "champion", actor="ann", reason="numbers of new rows must be free")
        with other.reading() as tx:
            events = tx.models.events("clv")
            assert [event.action for event in events if event.actor == "ann"] == ["promote"]
            assert len({event.id for event in events}) == len(events)
            tx.audit.verify()


def test_every_table_of_the_database_is_in_the_backup(db: Database) -> None:
    with db.reading() as tx:
        there = set(sa.inspect(tx.connection).get_table_names()) - {"alembic_version"}
    told = [json.loads(line) for line in lines(packed(db))[1:-1]]
    assert {line["table"] for line in told if isinstance(line, dict)} == there


def test_an_empty_database_is_backed_up_and_restored(db: Database, tmp_path: Path) -> None:
    with Database(f"sqlite:///{tmp_path / 'other.db'}") as other:
        assert restore(other, io.BytesIO(packed(db))).rows["models"] == 0
        assert other.schema() == db.schema()


def test_a_database_with_rows_is_left_alone(company: Database) -> None:
    before = content(company)
    with pytest.raises(ConflictError, match="holds rows already"):
        restore(company, io.BytesIO(packed(company)))
    assert content(company) == before


def cut(backup: bytes) -> bytes:
    return gzip.compress(b"\n".join(lines(backup)[:-1]) + b"\n")


def cut_in_the_middle(backup: bytes) -> bytes:
    return backup[: len(backup) // 2]


def altered(backup: bytes) -> bytes:
    return gzip.compress(gzip.decompress(backup).replace(b"BG/NBD", b"BG/XXX").replace(b"bg_nbd", b"bg_xxx"))


def one_row_less(backup: bytes) -> bytes:
    kept = lines(backup)
    kept.remove(next(line for line in reversed(kept) if line.startswith(b"[")))
    return gzip.compress(b"\n".join(kept) + b"\n")


def unknown_column(backup: bytes) -> bytes:
    return gzip.compress(gzip.decompress(backup).replace(b'"canary_share"', b'"canary_shore"', 1))


def no_json(backup: bytes) -> bytes:
    found = lines(backup)
    found[3] = b"{nonsense"
    return gzip.compress(b"\n".join(found) + b"\n")


@pytest.mark.parametrize(
    "damage", [cut, cut_in_the_middle, altered, one_row_less, unknown_column, no_json], ids=lambda one: one.__name__
)
def test_a_damaged_backup_is_refused_and_restores_nothing(
    company: Database, database_url: str, damage: Callable[[bytes], bytes]
) -> None:
    with Database(database_url) as other:
        with pytest.raises(CorruptError):
            restore(other, io.BytesIO(damage(packed(company))))
        with other.reading() as tx:
            assert not tx.models.list()
            assert not tx.scores.count()
            tx.audit.verify()


@pytest.mark.parametrize(
    "wrong",
    [b"", b"SQLite format 3", *(gzip.compress(text, mtime=0) for text in (b"", b"[]\n", b'{"format": 99}\n'))],
)
def test_what_is_no_backup_is_refused_before_anything_is_made(wrong: bytes, tmp_path: Path) -> None:
    with Database(f"sqlite:///{tmp_path / 'other.db'}") as other:
        with pytest.raises(BadInputError, match="no backup"):
            restore(other, io.BytesIO(wrong))
        assert other.schema() is None


def test_a_backup_of_another_schema_is_refused_with_the_version_that_can_read_it(db: Database, tmp_path: Path) -> None:
    head, *rest = lines(packed(db))
    older = json.loads(head) | {"schema": "0001", "axiom": "0.0.9"}
    backup = gzip.compress(b"\n".join([json.dumps(older).encode(), *rest]) + b"\n")
    with Database(f"sqlite:///{tmp_path / 'other.db'}") as other, pytest.raises(ConflictError, match=r"Axiom 0\.0\.9"):
        restore(other, io.BytesIO(backup))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`run(home, "db", "backup", …)` runs a verb on that AXIOM_HOME."""

    def verb(home: Path, *words: str, **more: Any) -> Any:
        monkeypatch.setenv("AXIOM_HOME", str(home))
        return CliRunner().invoke(app, list(words), **more)

    return verb


def test_the_verbs_go_through_a_file_that_nobody_else_may_read(
    own_company: Workspace, tmp_path: Path, run: Callable[..., Any]
) -> None:
    file = tmp_path / "backup.jsonl.gz"
    done = run(own_company.settings.home, "db", "backup", str(file), "--json")
    assert json.loads(done.stdout)["rows"]["models"] == 3
    assert file.stat().st_mode & 0o777 == 0o600
    assert run(own_company.settings.home, "db", "backup", str(file)).exit_code == 1  # never over an older one
    again = run(tmp_path / "new", "db", "restore", str(file))
    assert again.exit_code == 0, again.output
    with Database(f"sqlite:///{tmp_path / 'new' / 'axiom.db'}") as other:
        assert content(other) == content(own_company.db)


def test_the_verbs_go_through_a_pipe(own_company: Workspace, tmp_path: Path, run: Callable[..., Any]) -> None:
    piped = run(own_company.settings.home, "db", "backup", "-")
    assert run(tmp_path / "new", "db", "restore", "-", input=piped.stdout_bytes).exit_code == 0
    with Database(f"sqlite:///{tmp_path / 'new' / 'axiom.db'}") as other:
        assert content(other) == content(own_company.db)


def test_a_backup_that_fails_leaves_no_file(tmp_path: Path, run: Callable[..., Any]) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "axiom.db").write_bytes(b"no database" * 1000)
    assert run(tmp_path / "home", "db", "backup", str(tmp_path / "b")).exit_code == 1
    assert not list(tmp_path.glob("b*"))
    missing = run(tmp_path / "home2", "db", "restore", str(tmp_path / "nothing"))
    assert missing.exit_code == 1
    assert not (tmp_path / "home2" / "axiom.db").exists()


def test_rows_that_come_in_meanwhile_are_in_the_next_backup(own_company: Workspace) -> None:
    first = packed(own_company.db)
    with own_company.db.transaction() as tx:
        tx.models.move("churn", 2, "champion", actor="ann", reason=f"at {datetime.now(UTC):%Y}")
    assert len(lines(packed(own_company.db))) > len(lines(first))
