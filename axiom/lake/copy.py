"""A copy of a lake in another place, for backups and moves."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from axiom.errors import ConflictError, MisuseError
from axiom.lake.storage import Storage

if TYPE_CHECKING:
    from collections.abc import Iterable

_AT_ONCE = 8
_LAKE = "_lake.json"


@dataclass(frozen=True)
class CopyReport:
    """What was done.

    Attributes:
        target: where the copy is.
        copied: files that were not there, or were another size, or may change.
        bytes: of those.
        deleted: files that the lake does not have any more.
        same: files that were there already.
    """

    target: str
    copied: int
    bytes: int
    deleted: int
    same: int


def copy_lake(source: Storage, to: str) -> CopyReport:
    """Make `to` hold exactly what the lake holds.

    Data come first, then the manifests that make them visible, then what says that there is a lake: a copy that was
    interrupted shows no dataset without its data, and is finished by the next one. Data files never change, so those
    of the same size are not copied again.

    Args:
        source: root of the lake.
        to: directory, or `s3://` URI at the same endpoint with the same keys.

    Raises:
        ConflictError: something else is there, another lake for example.
        MisuseError: the two places are one, or one inside the other.
        UnavailableError: one of them does not answer.
    """
    target = Storage(to if "://" in to else str(Path(to).expanduser().absolute()), source.s3)
    _refuse_nested(source, target)
    have, there = source.sizes(), target.sizes()
    if not _is_copy(source, target, set(have), set(there)):
        raise ConflictError(
            f"{target.location} holds something that is no copy of this lake", hint="use an empty place"
        )
    wanted = [path for path, size in have.items() if there.get(path) != size or path.endswith(".json")]
    copied = 0
    for wave in _waves(wanted):
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            copied += sum(pool.map(lambda path: source.copy(path, target), wave))
    extra = sorted(set(there) - set(have), key=lambda path: not path.endswith(".json"))  # manifests go first
    for path in extra:
        target.delete(path)
    return CopyReport(target.location, len(wanted), copied, len(extra), len(have) - len(wanted))


def _is_copy(source: Storage, target: Storage, have: set[str], there: set[str]) -> bool:
    """Whether what is there may be replaced: nothing, or something that shares files with the lake."""
    if _LAKE in there and target.read(_LAKE) != source.read(_LAKE):
        return False
    return there <= {_LAKE} or bool((have & there) - {_LAKE})


def _waves(paths: Iterable[str]) -> list[list[str]]:
    data: list[str] = []
    manifests: list[str] = []
    last: list[str] = []
    for path in sorted(paths):
        (last if path == _LAKE else manifests if path.endswith(".json") else data).append(path)
    return [data, manifests, last]


def _refuse_nested(source: Storage, target: Storage) -> None:
    if source.is_local is not target.is_local:
        return
    one, other = f"{source.root}/", f"{target.root}/"
    if one.startswith(other) or other.startswith(one):
        raise MisuseError(f"{target.location} and the lake {source.location} lie in each other", hint="copy elsewhere")
