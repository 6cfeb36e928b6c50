"""The manifest: what a committed set of files is. A set of files without one does not exist for any reader."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from axiom import __version__
from axiom.errors import CorruptError

FORMAT = 1


@dataclass(frozen=True)
class FileEntry:
    """One Parquet file of a committed set.

    Attributes:
        path: below the lake's root.
        rows: number of rows.
        size: of the file, in bytes.
        sha256: of the file's bytes.
        bucket: the hash bucket of its customers, or -1 where the set is not bucketed.
        min_time: earliest event time in microseconds since 1970, or None where the set has no time.
        max_time: latest event time, likewise.
    """

    path: str
    rows: int
    size: int
    sha256: str
    bucket: int = -1
    min_time: int | None = None
    max_time: int | None = None


@dataclass(frozen=True)
class Manifest:
    """An immutable, committed set of files with where it came from.

    Attributes:
        kind: which family of sets it belongs to, for example `features`.
        id: its name inside the kind; the same id always means the same content.
        schema: column name -> Arrow type as text.
        files: every file of the set.
        inputs: ids of what it was made from (batches, snapshots, datasets, model versions).
        properties: facts about it that readers select by (as-of times, feature-set version, watermark, …).
        created_at: ISO-8601 time in UTC.
        code_version: version of Axiom that wrote it.
    """

    kind: str
    id: str
    schema: dict[str, str]
    files: tuple[FileEntry, ...]
    inputs: tuple[str, ...] = ()
    properties: dict[str, Any] = field(default_factory=dict)
    created_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="microseconds"))
    code_version: str = __version__

    @property
    def rows(self) -> int:
        """Rows over all files."""
        return sum(file.rows for file in self.files)

    @property
    def size(self) -> int:
        """Bytes over all files."""
        return sum(file.size for file in self.files)

    def to_json(self) -> bytes:
        """The manifest as JSON text."""
        body = {"format": FORMAT, "rows": self.rows, "size": self.size, **asdict(self)}
        return json.dumps(body, indent=1, ensure_ascii=False, sort_keys=True).encode()

    @classmethod
    def from_json(cls, text: bytes, *, where: str) -> Manifest:
        """Read a manifest back.

        Raises:
            CorruptError: the text is not a manifest, or one of a newer format.
        """
        try:
            body = json.loads(text)
            if body.pop("format") != FORMAT:
                raise CorruptError(f"{where}: written by a newer Axiom", hint="upgrade Axiom")
            body.pop("rows")
            body.pop("size")
            files = tuple(FileEntry(**entry) for entry in body.pop("files"))
            return cls(files=files, inputs=tuple(body.pop("inputs")), **body)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CorruptError(f"{where}: not a readable manifest ({error})") from error
