"""A registered version as plain files in a folder."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from axiom.errors import ConflictError, MisuseError

if TYPE_CHECKING:
    from axiom.registry.registry import ModelVersion, Registry

CARD = "card.json"


def download(registry: Registry, version: ModelVersion, folder: Path) -> list[Path]:
    """Write the files of a version and its card; nothing is there until everything is.

    Args:
        registry: where it is registered.
        version: which.
        folder: new, or empty.

    Returns:
        The written paths, sorted.

    Raises:
        ConflictError: the folder holds something, or is a file; nothing is overwritten.
        CorruptError: the artefact is gone or does not match its checksum; nothing is written.
        MisuseError: the folder cannot be written to.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConflictError(f"{folder} is not empty", hint="nothing is overwritten: name a new folder")
    files = {**registry.load_files(version), CARD: version.card.to_json().encode()}
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as place:
            whole = Path(place) / "whole"
            for name, content in files.items():
                path = whole / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            whole.replace(folder)
    except OSError as error:
        raise MisuseError(f"{folder} cannot be written: {error.strerror or error}") from error
    return sorted(folder / name for name in files)
