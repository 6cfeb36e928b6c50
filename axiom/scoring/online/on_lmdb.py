"""The online store in files of this machine: one LMDB environment a generation, and a pointer to the visible one.

    <folder>/current.json                      what is visible; replaced in one step, last
    <folder>/<generation>/data.mdb             complete before the pointer names it, never written again
    <folder>/publishing                        locked by the one process that publishes

An environment that no one writes to needs no lock table, so any number of processes map and read it. LMDB allows a
process to have an environment open once: a store opens what it reads and nothing else does, because publishing opens
only the generation under construction, and asking what is visible opens none. So no registry of open environments is
needed; a second store in one process that reads the same generation is told to share the first.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import threading
from typing import TYPE_CHECKING, Any

from axiom.errors import BadInputError, ConflictError, CorruptError, UnavailableError
from axiom.scoring.online.records import Records, id_bytes, key_of
from axiom.scoring.online.store import GoneError, StoreInfo, refuse_writing
from axiom.scoring.online.vectors import REPUBLISH

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from axiom.maths.arrays import FloatArray
    from axiom.scoring.online.store import Batch

_SMALLEST_MAP = 1 << 20
_PAGE = 4096
_FORCED = True


class LmdbStore:
    """`OnlineStore` in a folder. Threads may read at once; nothing is created or opened before it is needed."""

    def __init__(self, folder: Path, *, readonly: bool = False, map_size: int | None = None) -> None:
        """Name the folder.

        Args:
            folder: of the store; made by the first publish.
            readonly: refuse `publish` and `clear`.
            map_size: bytes that a publish reserves at first; default: from the number of customers that are announced.
        """
        self._folder = folder
        self._readonly = readonly
        self._map_size = map_size
        self._open: dict[str, tuple[Any, Records]] = {}
        self._opening = threading.Lock()
        self._seen: tuple[tuple[int, int, int], StoreInfo] | None = None

    @property
    def place(self) -> str:
        """The folder."""
        return str(self._folder)

    @property
    def _pointer(self) -> Path:
        return self._folder / "current.json"

    def info(self) -> StoreInfo | None:
        """What is visible now; the pointer is read again only when its file has changed."""
        try:
            found = self._pointer.stat()
            mark = (found.st_ino, found.st_mtime_ns, found.st_size)
            if self._seen is None or self._seen[0] != mark:
                self._seen = mark, StoreInfo.from_json(self._pointer.read_bytes(), where=str(self._pointer))
        except (FileNotFoundError, NotADirectoryError):
            self._seen = None
            return None
        except OSError as error:
            raise UnavailableError(f"the online store {self.place} cannot be read: {error.strerror}") from error
        return self._seen[1]

    def get(self, generation: str, customer_id: str) -> FloatArray | None:
        """The vector of one customer."""
        environment, records = self._environment(generation)
        customer = id_bytes(customer_id)
        try:
            with environment.begin() as view:
                record = view.get(key_of(customer))
        except _lmdb_error() as error:
            raise self._damaged(generation, error) from error
        return None if record is None else records.unpack(customer, record)

    def get_many(self, generation: str, customer_ids: Sequence[str]) -> list[FloatArray | None]:
        """The vectors of many customers, in one view."""
        environment, records = self._environment(generation)
        customers = [id_bytes(customer_id) for customer_id in customer_ids]
        try:
            with environment.begin() as view:
                found = [view.get(key_of(customer)) for customer in customers]
        except _lmdb_error() as error:
            raise self._damaged(generation, error) from error
        return [
            None if record is None else records.unpack(customer, record)
            for customer, record in zip(customers, found, strict=True)
        ]

    def ids(self, generation: str) -> Iterator[str]:
        """Every customer of a generation."""
        environment, records = self._environment(generation)
        with environment.begin() as view:
            yield from map(records.owner, view.cursor().iternext(keys=False))

    def count(self, generation: str) -> int:
        """How many vectors a generation holds."""
        return int(self._environment(generation)[0].stat()["entries"])

    def publish(self, info: StoreInfo, batches: Iterable[Batch]) -> StoreInfo:
        """Build a new environment and point to it."""
        with self._alone():
            visible = self._visible()
            self._sweep({visible.generation} if visible else set())
            begun = info.begun()
            done = begun.finished(self._build(begun, batches))
            with self._writing():
                _write(self._pointer.with_suffix(".new"), done.to_json())
                self._pointer.with_suffix(".new").replace(self._pointer)
                _flush(self._folder)
            return done

    def clear(self) -> int:
        """Remove everything. Readers that hold a generation keep their files until they look again."""
        if not self._readonly and not self._folder.exists():
            return 0
        with self._alone():
            visible = self._visible()
            with self._writing():
                self._pointer.unlink(missing_ok=True)
            self._sweep(set())
            return visible.customers if visible else 0

    def _visible(self) -> StoreInfo | None:
        """`info`, and None also where it cannot be read: writing is the way out of that."""
        try:
            return self.info()
        except CorruptError:
            return None

    def ping(self) -> None:
        """Return where the folder can be read, or is not there yet."""
        if self._folder.exists() and not os.access(self._folder, os.R_OK | os.X_OK):
            raise UnavailableError(f"the online store {self.place} may not be read by this user")

    def close(self) -> None:
        """Close the files."""
        while self._open:
            self._open.popitem()[1][0].close()

    def _environment(self, generation: str) -> tuple[Any, Records]:
        found = self._open.get(generation)
        if found is None:
            with self._opening:
                found = self._open.get(generation) or self._opened(generation)
        return found

    def _opened(self, generation: str) -> tuple[Any, Records]:
        import lmdb

        path = self._folder / generation
        told = path / "info.json"
        try:
            layout = StoreInfo.from_json(told.read_bytes(), where=str(told)).layout
            environment = lmdb.open(str(path), readonly=True, create=False, lock=False, readahead=False)
            _check_size(environment, path)
        except FileNotFoundError:
            raise GoneError(f"generation {generation} of the online store {self.place} is gone") from None
        except lmdb.Error as error:
            if "already open" in str(error):
                raise ConflictError(
                    f"{path} is open already in this process", hint="share one store between all readers of a process"
                ) from error
            raise self._damaged(generation, error) from error
        # The one before stays for readers in flight; older ones close when their last reader lets go.
        self._open = {**dict(list(self._open.items())[-1:]), generation: (environment, Records(layout))}
        return self._open[generation]

    def _damaged(self, generation: str, error: Exception) -> CorruptError:
        path = self._folder / generation
        return CorruptError(f"{path} is not a readable LMDB environment ({error})", hint=REPUBLISH)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock that one publisher has; the system lets go of it when the process dies."""
        if self._readonly:
            raise refuse_writing(self.place)
        with contextlib.ExitStack() as stack:
            with self._writing():
                self._folder.mkdir(parents=True, exist_ok=True)
                lock = stack.enter_context((self._folder / "publishing").open("ab"))
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise ConflictError(
                        f"somebody else is publishing to the online store {self.place}", hint="wait until it is done"
                    ) from None
            yield

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Say of a full or write-protected disk which store it is about."""
        import lmdb

        try:
            yield
        except (OSError, lmdb.Error) as error:
            raise UnavailableError(f"the online store {self.place} cannot be written: {error}") from error

    def _sweep(self, keep: set[str]) -> None:
        with self._writing():
            for path in self._folder.iterdir():
                if path.is_dir() and path.name not in keep:
                    shutil.rmtree(path)

    def _build(self, info: StoreInfo, batches: Iterable[Batch]) -> int:
        """Write the environment of a generation; how many customers it got."""
        import lmdb

        path = self._folder / info.generation
        records = Records(info.layout)
        # Pages are about two thirds full because customers come in no order, and ids are of any length.
        reserved = self._map_size or max(_SMALLEST_MAP, info.customers * (records.size + 64) * 2)
        with self._writing():
            # Nothing of it counts before the pointer names it: one flush at the end is as safe as one a commit.
            environment = lmdb.open(str(path), map_size=_whole_pages(reserved), lock=False, sync=False, metasync=False)
        try:
            for customer_ids, vectors in batches:
                customers = [id_bytes(customer_id) for customer_id in customer_ids]
                items = sorted(zip(map(key_of, customers), records.pack(customers, vectors), strict=True))
                with self._writing():
                    _put(environment, items)
            with self._writing():
                environment.sync(_FORCED)
                _write(path / "info.json", info.to_json())
            return int(environment.stat()["entries"])
        finally:
            environment.close()


def _lmdb_error() -> type[Exception]:
    """Looked up only once something was raised, so that reading costs no import."""
    import lmdb

    error: type[Exception] = lmdb.Error
    return error


def _put(environment: Any, items: list[tuple[bytes, bytes]]) -> None:
    """Write a batch, all or nothing, in a map that is doubled until it fits."""
    import lmdb

    while True:
        try:
            with environment.begin(write=True) as change:
                given, added = change.cursor().putmulti(items, overwrite=False)
                if given != added:
                    raise BadInputError(f"{given - added} customers came twice", hint="one vector a customer")
                return
        except lmdb.MapFullError:
            environment.set_mapsize(environment.info()["map_size"] * 2)


def _check_size(environment: Any, path: Path) -> None:
    """Refuse a cut file: reading a mapped page that is not there would kill the process."""
    needed = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
    actual = (path / "data.mdb").stat().st_size
    if actual < needed:
        environment.close()
        raise CorruptError(f"{path / 'data.mdb'} has {actual:,} bytes, not {needed:,}", hint=REPUBLISH)


def _whole_pages(size: int) -> int:
    return -(-size // _PAGE) * _PAGE


def _write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    _flush(path.parent)


def _flush(folder: Path) -> None:
    """Make names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
