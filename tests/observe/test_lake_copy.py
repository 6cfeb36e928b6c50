"""Copies of a lake: a directory, a bucket, and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from axiom.cli.app import app
from axiom.contracts import ENTITIES
from axiom.errors import ConflictError, MisuseError
from axiom.lake import Dataset, Lake, S3Options, Storage
from axiom.lake.copy import copy_lake

if TYPE_CHECKING:
    from pathlib import Path

    from axiom.pipelines.workspace import Workspace


def content(storage: Storage) -> dict[str, bytes]:
    return {path: storage.read(path) for path in storage.files("")}


@pytest.fixture(params=["directory", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, S3Options]:
    """Where the copy goes: a directory, or an S3-compatible store."""
    if request.param == "directory":
        return str(tmp_path / "copy"), S3Options()
    location = request.getfixturevalue("s3_location")
    return location, S3Options(request.getfixturevalue("s3_endpoint"), "us-east-1", "key", "secret")


def test_a_copy_is_a_lake_with_the_same_files(own_company: Workspace, place: tuple[str, S3Options]) -> None:
    source = Storage(own_company.lake.storage.location, place[1])
    report = copy_lake(source, place[0])
    target = Storage(*place)
    assert content(target) == content(source)
    assert report.copied == len(content(source))
    lake = Lake.open(target)
    for entity in ENTITIES:
        assert lake.snapshot(entity).rows == own_company.lake.snapshot(entity).rows
    for manifest in lake.datasets("scores"):
        Dataset(target, manifest).verify()


def test_a_second_copy_takes_only_what_is_new_and_removes_what_is_gone(
    own_company: Workspace, place: tuple[str, S3Options]
) -> None:
    source = Storage(own_company.lake.storage.location, place[1])
    copy_lake(source, place[0])
    gone = source.files("bronze", ".parquet")[0]
    source.delete(gone)
    source.write("gold/new/part.parquet", b"new")
    report = copy_lake(source, place[0])
    manifests = len(source.files("", ".json"))
    assert (report.copied, report.deleted) == (manifests + 1, 1)
    assert report.same == len(source.files("")) - report.copied
    assert content(Storage(*place)) == content(source)


def test_a_copy_that_was_interrupted_is_no_lake_and_is_finished_by_the_next(
    own_company: Workspace, tmp_path: Path
) -> None:
    source, target = own_company.lake.storage, Storage(str(tmp_path / "copy"))
    for path in source.files("")[: len(source.files("")) // 2]:
        if not path.endswith(".json"):
            source.copy(path, target)
    with pytest.raises(Exception, match="lake"):
        Lake.open(target)
    copy_lake(source, target.location)
    assert content(target) == content(source)


def test_a_place_with_something_else_in_it_is_left_alone(own_company: Workspace, tmp_path: Path) -> None:
    other = tmp_path / "photos"
    other.mkdir()
    (other / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(ConflictError, match="no copy of this lake"):
        copy_lake(own_company.lake.storage, str(other))
    assert [path.name for path in other.iterdir()] == ["holiday.jpg"]


@pytest.mark.parametrize("currency", ["USD", "EUR"])
def test_another_lake_is_left_alone(own_company: Workspace, tmp_path: Path, currency: str) -> None:
    mine = own_company.lake
    other = Lake.create(Storage(str(tmp_path / "other")), buckets=mine.buckets, currency=currency)
    other.storage.write("bronze/transactions/another/part.parquet", b"somebody else's")
    before = content(other.storage)
    with pytest.raises(ConflictError, match="no copy of this lake"):
        copy_lake(mine.storage, other.storage.location)
    assert content(other.storage) == before


@pytest.mark.parametrize("place", [".", "gold", ".."])
def test_a_copy_into_itself_is_refused(own_company: Workspace, place: str) -> None:
    import os

    root = own_company.lake.storage.root
    with pytest.raises(MisuseError, match="in each other"):
        copy_lake(own_company.lake.storage, os.path.normpath(f"{root}/{place}"))


def test_the_verb_copies_and_says_what_it_did(
    own_company: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AXIOM_HOME", str(own_company.settings.home))
    done: Any = CliRunner().invoke(app, ["lake", "copy", "--to", str(tmp_path / "copy"), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["copied"] == len(content(Storage(str(tmp_path / "copy"))))
