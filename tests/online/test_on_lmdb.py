"""What is LMDB's own: files, processes, growth."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from axiom.errors import ConflictError, CorruptError, UnavailableError
from axiom.scoring.online.on_lmdb import LmdbStore
from axiom.scoring.online.store import open_store
from axiom.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from axiom.scoring.online.store import StoreInfo

PUBLISHER = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
import numpy as np
from axiom.scoring.online.on_lmdb import LmdbStore
from axiom.scoring.online.store import StoreInfo
from axiom.scoring.online.vectors import VectorLayout
from axiom.training.catalogue.layout import Layout

def batches():
    yield ["C1"], np.full((1, 3), 7.0)
    print("half", flush=True)
    if sys.stdin.readline() == "die\\n":
        os._exit(9)

layout = VectorLayout(Layout(("orders", "spend", "channel"), {"channel": ("shop", "web")}), "v1")
LmdbStore(Path(sys.argv[1])).publish(StoreInfo.draft(layout, datetime(2024, 3, 1, tzinfo=UTC), "other"), batches())
"""
READER = """
import sys
from pathlib import Path
from axiom.scoring.online.on_lmdb import LmdbStore

store = LmdbStore(Path(sys.argv[1]), readonly=True)
for line in sys.stdin:
    info = store.info()
    print(info and store.get(info.generation, "C1").tolist(), flush=True)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "online"


@pytest.fixture
def store(folder: Path) -> Iterator[LmdbStore]:
    made = LmdbStore(folder)
    yield made
    made.close()


class Process:
    """A script in a process of its own, asked line by line."""

    def __init__(self, script: str, folder: Path) -> None:
        self.running = subprocess.Popen(
            [sys.executable, "-c", script, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def hear(self) -> str:
        assert self.running.stdout
        return self.running.stdout.readline().strip()

    def tell(self, line: str) -> None:
        assert self.running.stdin
        self.running.stdin.write(line + "\n")
        self.running.stdin.flush()

    def end(self) -> int:
        self.running.communicate()
        return self.running.returncode


def test_opening_asking_and_closing_create_nothing(folder: Path) -> None:
    store = LmdbStore(folder, readonly=True)
    assert store.info() is None
    store.ping()
    store.close()
    assert not folder.exists()


def test_without_a_redis_the_store_is_a_folder_of_the_home(tmp_path: Path) -> None:
    store = open_store(Settings(home=tmp_path))
    assert isinstance(store, LmdbStore)
    assert store.place == str(tmp_path / "online")


def test_other_processes_read_while_one_publishes_and_see_each_generation(
    folder: Path, store: LmdbStore, draft: StoreInfo, three: Any
) -> None:
    readers = [Process(READER, folder) for _ in range(2)]
    ids, vectors = three
    for reader in readers:
        reader.tell("look")
    assert [reader.hear() for reader in readers] == ["None", "None"], "they start before the first publish"
    for k in range(3):
        store.publish(draft, [(ids, vectors + k)])
        for reader in readers:
            reader.tell("look")
        assert [reader.hear() for reader in readers] == [str([1.0 + k, 9.5 + k, 0.0 + k])] * 2
    store.clear()
    readers[0].tell("look")
    assert readers[0].hear() == "None"
    assert [reader.end() for reader in readers] == [0, 0]


def test_a_publisher_that_dies_leaves_what_was_visible_and_no_lock(
    folder: Path, store: LmdbStore, draft: StoreInfo, three: Any
) -> None:
    before = store.publish(draft, [three])
    publisher = Process(PUBLISHER, folder)
    assert publisher.hear() == "half"
    with pytest.raises(ConflictError, match="somebody else is publishing"):
        store.publish(draft, [three])
    publisher.tell("die")
    assert publisher.end() == 9

    assert store.info() == before
    found = store.get(before.generation, "C1")
    assert found is not None
    assert found[0] == 1.0
    assert len([path for path in folder.iterdir() if path.is_dir()]) == 2, "the debris of the dead one"
    after = store.publish(draft, [three])
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {before.generation, after.generation}


def test_a_map_that_is_much_too_small_grows(folder: Path, draft: StoreInfo) -> None:
    store = LmdbStore(folder, map_size=1 << 16)
    ids = [f"C{k:05}" for k in range(20_000)]
    vectors = np.arange(60_000.0).reshape(-1, 3)
    info = store.publish(draft, [(ids[:10], vectors[:10]), (ids[10:], vectors[10:])])
    assert store.count(info.generation) == 20_000
    assert store.get_many(info.generation, [ids[-1]])[0].tolist() == vectors[-1].tolist()  # type: ignore[union-attr]
    store.close()


def test_a_second_store_of_a_process_is_told_to_share_the_first(
    folder: Path, store: LmdbStore, draft: StoreInfo, three: Any
) -> None:
    info = store.publish(draft, [three])
    store.get(info.generation, "C1")
    second = LmdbStore(folder)
    with pytest.raises(ConflictError, match="open already in this process") as refused:
        second.get(info.generation, "C1")
    assert "share one store" in refused.value.hint
    store.close()
    assert second.get(info.generation, "C1") is not None
    second.close()


def test_threads_share_a_store(store: LmdbStore, draft: StoreInfo) -> None:
    ids = [f"C{k}" for k in range(500)]
    info = store.publish(draft, [(ids, np.arange(1500.0).reshape(-1, 3))])
    wrong: list[str] = []

    def read() -> None:
        for k, name in enumerate(ids):
            found = store.get(info.generation, name)
            if found is None or found[0] != 3.0 * k:
                wrong.append(name)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_cleared_and_filled_store_is_noticed_by_an_open_reader(
    folder: Path, store: LmdbStore, draft: StoreInfo, three: Any
) -> None:
    import shutil

    ids, vectors = three
    first = store.publish(draft, [three])
    store.get(first.generation, "C1")
    shutil.rmtree(folder)
    assert store.info() is None
    LmdbStore(folder).publish(draft, [(ids, vectors + 5)])
    second = store.info()
    assert second is not None
    assert second.generation != first.generation
    assert store.get(second.generation, "C1")[0] == 6.0  # type: ignore[index]


@pytest.mark.parametrize("size", [0, 4096, 10_000])
def test_a_cut_file_is_refused_before_a_missing_page_kills_the_process(
    folder: Path, store: LmdbStore, draft: StoreInfo, size: int
) -> None:
    info = store.publish(draft, [([f"C{k}" for k in range(1000)], np.ones((1000, 3)))])
    os.truncate(folder / info.generation / "data.mdb", size)
    for _ in range(2):
        with pytest.raises(CorruptError, match=info.generation):
            store.get(info.generation, "C1")


def test_pages_that_were_overwritten_are_told(folder: Path, store: LmdbStore, draft: StoreInfo, three: Any) -> None:
    info = store.publish(draft, [three])
    with (folder / info.generation / "data.mdb").open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(2 * 4096)
        file.write(bytes(size - 2 * 4096))
    for call in (lambda: store.get(info.generation, "C1"), lambda: store.get_many(info.generation, ["C1"])):
        with pytest.raises(CorruptError, match="not a readable LMDB environment"):
            call()


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"format": 1}', b'{"format": 99}', b"\xff\xfe"])
def test_a_pointer_that_cannot_be_read_is_told_and_mended_by_the_next_publish(
    folder: Path, store: LmdbStore, draft: StoreInfo, three: Any, text: bytes
) -> None:
    store.publish(draft, [three])
    (folder / "current.json").write_bytes(text)
    with pytest.raises(CorruptError, match=r"current\.json"):
        store.info()
    info = store.publish(draft, [three])
    assert store.info() == info


def test_a_layout_that_was_altered_is_refused(folder: Path, store: LmdbStore, draft: StoreInfo, three: Any) -> None:
    store.publish(draft, [three])
    text = (folder / "current.json").read_text()
    (folder / "current.json").write_text(text.replace('"orders", "spend"', '"spend", "orders"'))
    with pytest.raises(CorruptError, match="fingerprint"):
        store.info()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, draft: StoreInfo, three: Any) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UnavailableError, match="cannot be written"):
        LmdbStore(tmp_path / "file").publish(draft, [three])
    assert LmdbStore(tmp_path / "file").info() is None
