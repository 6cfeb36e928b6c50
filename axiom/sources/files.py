"""Finding files: paths, directories and globs, on this machine or on S3, each named clearly when it is not there."""

from __future__ import annotations

import glob
import gzip
import hashlib
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast
from urllib.parse import urlsplit

from axiom.errors import BadInputError, NotFoundError, UnavailableError
from axiom.lake import Storage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from axiom.lake import S3Options

_GZIP = b"\x1f\x8b"
_WILD = "*?["


@dataclass(frozen=True)
class InputFile:
    """One file of a source, on this machine or on S3.

    Attributes:
        storage: where it is.
        path: below the storage's root.
        label: how people see it.
    """

    storage: Storage
    path: str
    label: str

    @property
    def local_path(self) -> Path | None:
        """Its path on this machine; None for S3."""
        return Path(self.storage.full(self.path)) if self.storage.is_local else None

    def open_raw(self) -> IO[bytes]:
        """Its bytes as they are, from the start; seekable."""
        try:
            if self.local_path is not None:
                return self.local_path.open("rb")
            return cast("IO[bytes]", self.storage.filesystem.open_input_file(self.storage.full(self.path)))
        except FileNotFoundError:
            raise NotFoundError(f"no file {self.label}") from None
        except PermissionError:
            raise BadInputError(f"no permission to read {self.label}") from None
        except OSError as error:
            raise UnavailableError(f"cannot read {self.label}: {error}") from error

    @contextmanager
    def open_plain(self) -> Iterator[IO[bytes]]:
        """Its bytes, uncompressed where it is gzipped."""
        with self.open_raw() as raw:
            packed = raw.read(2) == _GZIP
            raw.seek(0)
            if not packed:
                yield raw
                return
            with gzip.GzipFile(fileobj=raw) as unpacked:
                yield cast("IO[bytes]", unpacked)

    def starts_with(self, magic: bytes) -> bool:
        """Whether these are its first bytes."""
        with self.open_raw() as stream:
            return stream.read(len(magic)) == magic

    def sha256(self) -> str:
        """SHA-256 of its bytes."""
        with self.open_raw() as stream:
            digest = hashlib.sha256()
            for block in blocks(stream):
                digest.update(block)
        return digest.hexdigest()

    def brought_here(self, directory: Path, number: int) -> InputFile:
        """The same file on this machine; one on S3 is downloaded into `directory`."""
        if self.storage.is_local:
            return self
        target = directory / f"input-{number:05d}"
        with self.open_raw() as stream, target.open("wb") as copy:
            shutil.copyfileobj(stream, copy, 1 << 22)
        return InputFile(Storage(str(directory)), target.name, self.label)


def blocks(stream: IO[bytes], size: int = 1 << 22) -> Iterator[bytes]:
    """The stream in blocks of `size` bytes."""
    while block := stream.read(size):
        yield block


def find_files(paths: Sequence[str], s3: S3Options) -> tuple[InputFile, ...]:
    """All files that the paths name, each once, in the order of the paths and sorted inside a directory or glob.

    Raises:
        NotFoundError: a path names nothing.
        BadInputError: a file is empty.
    """
    found: dict[str, InputFile] = {}
    for path in paths:
        matches = _on_s3(path, s3) if path.startswith("s3://") else _here(path)
        if not matches:
            raise NotFoundError(
                f"no file matches {path}" if _is_pattern(path) else f"no file {path}",
                hint="check the path; a directory or a glob with nothing in it counts as missing",
            )
        found |= {match.label: match for match in matches}
    for file in found.values():
        with file.open_raw() as stream:
            if not stream.read(1):
                raise BadInputError(f"{file.label} is empty")
    return tuple(found.values())


def _is_pattern(path: str) -> bool:
    return any(sign in path for sign in _WILD)


def _here(path: str) -> list[InputFile]:
    plain = Path(path.removeprefix("file://")).expanduser()
    if plain.is_dir():
        inside = (p for p in plain.rglob("*") if p.is_file() and _is_data(p.relative_to(plain)))
        return [_local(p) for p in sorted(inside)]
    if plain.exists():
        return [_local(plain)]
    if not _is_pattern(path):
        return []
    return [_local(Path(p)) for p in sorted(glob.glob(str(plain), recursive=True)) if Path(p).is_file()]  # noqa: PTH207


def _is_data(relative: Path) -> bool:
    """Hidden files and those of other tools' bookkeeping (`_SUCCESS`, `_manifest.json`) are not data."""
    return not any(part.startswith((".", "_")) for part in relative.parts)


def _local(path: Path) -> InputFile:
    absolute = path.absolute()
    return InputFile(Storage(str(absolute.parent)), absolute.name, str(path))


def _on_s3(path: str, s3: S3Options) -> list[InputFile]:
    parts = urlsplit(path, allow_fragments=False)
    storage, key = Storage(f"s3://{parts.netloc}", s3), path.removeprefix(f"s3://{parts.netloc}").lstrip("/")
    if _is_pattern(key):
        folder = "/".join(key.split("/")[: next(i for i, p in enumerate(key.split("/")) if _is_pattern(p))])
        keys = [found for found in storage.files(folder) if fnmatch(found, key)]
    elif storage.exists(key):
        keys = [key]
    else:
        folder = key.rstrip("/")
        keys = [found for found in storage.files(folder) if _is_data(Path(found.removeprefix(folder).lstrip("/")))]
    return [InputFile(storage, found, f"s3://{parts.netloc}/{found}") for found in keys]
