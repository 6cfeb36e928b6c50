from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from axiom.errors import ConflictError, CorruptError, MisuseError
from axiom.registry.cards import ModelCard
from axiom.registry.download import download

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from axiom.registry.registry import Registry
    from tests.registry.conftest import MemoryBlobs

FILES = {"model.txt": b"tree\n", "part/arrays.npz": b"\0\1"}


def test_the_files_and_the_card_lie_in_a_new_folder(
    registry: Registry, card: Callable[..., ModelCard], tmp_path: Path
) -> None:
    version = registry.register(card(), FILES)
    folder = tmp_path / "deep" / "churn-1"
    written = download(registry, version, folder)
    assert [str(path.relative_to(folder)) for path in written] == ["card.json", "model.txt", "part/arrays.npz"]
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES
    assert ModelCard.from_json((folder / "card.json").read_text()) == version.card
    assert [path.name for path in folder.parent.iterdir()] == ["churn-1"]


def test_an_empty_folder_is_as_good_as_a_new_one(
    registry: Registry, card: Callable[..., ModelCard], tmp_path: Path
) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    assert len(download(registry, registry.register(card(), FILES), folder)) == 3


def test_nothing_is_ever_overwritten(registry: Registry, card: Callable[..., ModelCard], tmp_path: Path) -> None:
    version = registry.register(card(), FILES)
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(ConflictError, match="mine is not empty"):
        download(registry, version, folder)
    with pytest.raises(ConflictError, match=r"notes\.txt is not empty"):
        download(registry, version, folder / "notes.txt")
    assert [path.read_text() for path in folder.iterdir()] == ["mine"]


def test_a_corrupted_artefact_leaves_nothing_behind(
    registry: Registry, blobs: MemoryBlobs, card: Callable[..., ModelCard], tmp_path: Path
) -> None:
    version = registry.register(card(), FILES)
    blobs.stored[version.artefact_path] += b"!"
    with pytest.raises(CorruptError, match="checksum"):
        download(registry, version, tmp_path / "new")
    blobs.stored.clear()
    with pytest.raises(CorruptError, match="are gone"):
        download(registry, version, tmp_path / "new")
    assert list(tmp_path.glob("new*")) == []


def test_a_place_that_cannot_hold_a_folder_is_told(
    registry: Registry, card: Callable[..., ModelCard], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MisuseError, match="cannot be written"):
        download(registry, registry.register(card(), FILES), tmp_path / "file" / "new")
