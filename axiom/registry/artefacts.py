"""Model files as one blob: plain data only, checked by checksum, never pickled."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.errors import CorruptError, MisuseError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

# JSON, numpy arrays, LightGBM's own text. Nothing here can run code when it is read.
SUFFIXES = (".json", ".npz", ".txt")
_EPOCH = (1980, 1, 1, 0, 0, 0)


def pack(files: Mapping[str, bytes]) -> bytes:
    """Bundle named files into an uncompressed zip; the same files give the same bytes.

    Raises:
        MisuseError: There are no files, or a name is unsafe or has a suffix that is not plain data.
    """
    if not files:
        raise MisuseError("an artefact needs at least one file")
    blob = io.BytesIO()
    with zipfile.ZipFile(blob, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            if not _is_safe(name):
                raise MisuseError(
                    f"{name!r} cannot be a file of an artefact", hint=f"use a relative name ending in {SUFFIXES}"
                )
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), files[name])
    return blob.getvalue()


def digest(blob: bytes) -> str:
    """SHA-256 of a blob, hexadecimal."""
    return hashlib.sha256(blob).hexdigest()


def unpack(blob: bytes, sha256: str) -> dict[str, bytes]:
    """Files of a blob that `pack` made.

    Raises:
        CorruptError: The checksum differs, it is no such bundle, or a name leads outside of it.
    """
    if (found := digest(blob)) != sha256:
        raise CorruptError(
            f"artefact has checksum {found[:12]}…, the registry says {sha256[:12]}…", hint="register the model again"
        )
    try:
        with zipfile.ZipFile(io.BytesIO(blob)) as archive:
            entries = archive.infolist()
            for entry in entries:
                if not _is_safe(entry.filename):
                    raise CorruptError(f"artefact holds the unsafe file name {entry.filename!r}")
                # Nothing that `pack` makes is compressed; a small blob must not unfold into all of the memory.
                if entry.compress_type != zipfile.ZIP_STORED:
                    raise CorruptError(f"artefact holds the compressed file {entry.filename!r}")
            return {entry.filename: archive.read(entry) for entry in entries}
    except zipfile.BadZipFile as error:
        raise CorruptError(f"artefact is no bundle of files: {error}") from error


def arrays_to_npz(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Named arrays as bytes of an uncompressed .npz.

    Raises:
        MisuseError: An array holds Python objects, which only pickling could store.
    """
    if objects := [name for name, array in arrays.items() if array.dtype.hasobject]:
        raise MisuseError(f"array {objects[0]!r} holds Python objects", hint="use numbers or fixed-width strings")
    blob = io.BytesIO()
    # np.savez takes array names as keyword arguments, so it could not store one called "file".
    with zipfile.ZipFile(blob, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _EPOCH), member.getvalue())
    return blob.getvalue()


def npz_to_arrays(blob: bytes) -> dict[str, npt.NDArray[Any]]:
    """Named arrays of an .npz, read without unpickling anything.

    Raises:
        CorruptError: It is no .npz, or holds Python objects.
    """
    try:
        with np.load(io.BytesIO(blob), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        raise CorruptError(f"arrays of an artefact cannot be read: {error}") from error


def _is_safe(name: str) -> bool:
    path = PurePosixPath(name)
    return (
        name == path.as_posix()
        and not path.is_absolute()
        and ".." not in path.parts
        and not set("\\:\0") & set(name)
        and path.suffix in SUFFIXES
    )
