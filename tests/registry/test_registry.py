from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from axiom.errors import ConflictError, CorruptError, MisuseError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable

    from axiom.registry.cards import ModelCard
    from axiom.registry.registry import Registry
    from tests.registry.conftest import MemoryBlobs

FILES = {"model.txt": b"tree\n", "params.json": b"{}"}


def test_a_registered_model_comes_back_with_card_and_files(registry: Registry, card: Callable[..., ModelCard]) -> None:
    made = registry.register(card(), FILES)
    assert (made.ref, made.stage, made.kind, made.card) == ("churn@1", "candidate", "churn", card())
    assert registry.get("churn") == made
    assert registry.load_files(made) == FILES


def test_a_version_is_found_by_number_stage_and_latest(registry: Registry, card: Callable[..., ModelCard]) -> None:
    for _ in range(3):
        registry.register(card(), FILES)
    registry.promote("churn", 2, "champion", actor="ann", reason="best")
    found = [registry.get("churn", which).version for which in (1, "1", "latest", "champion", "candidate")]
    assert found == [1, 1, 3, 2, 3]


def test_versions_are_listed_newest_first(registry: Registry, card: Callable[..., ModelCard]) -> None:
    registry.register(card(), FILES)
    registry.register(card(), FILES)
    registry.register(card(name="value", kind="clv"), FILES)
    assert [model.ref for model in registry.list()] == ["churn@2", "churn@1", "value@1"]
    assert [model.ref for model in registry.list("value")] == ["value@1"]


@pytest.mark.parametrize(
    ("name", "which", "error", "line"),
    [
        ("churn", 7, NotFoundError, "no model churn@7"),
        ("churn", "champion", NotFoundError, r"'churn' has no champion version \(versions: 1 \(candidate\)\)"),
        ("gone", "latest", NotFoundError, r"'gone' has no latest version \(versions: none\)"),
        ("churn", "emperor", MisuseError, "'emperor' names no version of 'churn'"),
    ],
)
def test_a_version_that_does_not_exist_is_named(
    registry: Registry, card: Callable[..., ModelCard], name: str, which: int | str, error: type[Exception], line: str
) -> None:
    registry.register(card(), FILES)
    with pytest.raises(error, match=line):
        registry.get(name, which)


def test_a_tampered_artefact_is_never_loaded(
    registry: Registry, blobs: MemoryBlobs, card: Callable[..., ModelCard]
) -> None:
    made = registry.register(card(), FILES)
    blob = bytearray(blobs.stored[made.artefact_path])
    blob[len(blob) // 2] ^= 1
    blobs.stored[made.artefact_path] = bytes(blob)
    with pytest.raises(CorruptError, match="checksum"):
        registry.load_files(made)


def test_a_lost_artefact_is_named(registry: Registry, blobs: MemoryBlobs, card: Callable[..., ModelCard]) -> None:
    made = registry.register(card(), FILES)
    blobs.stored.clear()
    with pytest.raises(CorruptError, match=f"the files of churn@1 are gone from {made.artefact_path}"):
        registry.load_files(made)


@pytest.mark.parametrize("name", ["../churn", "churn@1", "a/b", " churn"])
def test_a_name_that_is_no_path_part_is_refused(
    registry: Registry, blobs: MemoryBlobs, card: Callable[..., ModelCard], name: str
) -> None:
    with pytest.raises(MisuseError, match="cannot name a model"):
        registry.register(card(name=name), FILES)
    assert blobs.stored == {}


def test_bad_files_leave_no_version(registry: Registry, blobs: MemoryBlobs, card: Callable[..., ModelCard]) -> None:
    with pytest.raises(MisuseError, match=r"'model\.pkl' cannot be a file"):
        registry.register(card(), {"model.pkl": b""})
    assert registry.list() == []
    assert blobs.stored == {}


def test_concurrent_registrations_of_one_model_all_succeed(registry: Registry, card: Callable[..., ModelCard]) -> None:
    def register(number: int) -> tuple[int, dict[str, bytes]]:
        made = registry.register(card(), {"params.json": str(number).encode()})
        return made.version, registry.load_files(made)

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(register, range(8)))
    assert sorted(version for version, _ in made) == list(range(1, 9))
    assert sorted(files["params.json"] for _, files in made) == [str(number).encode() for number in range(8)]


def test_a_name_keeps_its_kind(registry: Registry, card: Callable[..., ModelCard]) -> None:
    registry.register(card(), FILES)
    with pytest.raises(ConflictError, match="of kind churn, not clv"):
        registry.register(card(kind="clv"), FILES)


def test_promotion_and_rollback_are_in_the_history(registry: Registry, card: Callable[..., ModelCard]) -> None:
    for version in (1, 2):
        registry.register(card(), FILES, actor="ci", reason="nightly")
        registry.promote("churn", version, "champion", actor="ann", reason="better")
    back = registry.rollback("churn", actor="bob", reason="complaints")
    assert (back.ref, back.stage) == ("churn@1", "champion")
    assert registry.get("churn", 2).stage == "archived"
    last = registry.history("churn")[-1]
    assert (last.version, last.actor, last.action, last.reason) == (1, "bob", "rollback", "complaints")
    with pytest.raises(ConflictError, match="no champion before"):
        registry.rollback("churn", actor="bob", reason="more complaints")
