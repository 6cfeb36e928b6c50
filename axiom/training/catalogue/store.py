"""Safe storage of fitted models: JSON for structure, npz without pickle for arrays, plain bytes for the rest.

A model is a tree of frozen dataclasses. Only classes that the caller names are ever built, from data only: nothing that
is stored is executed when it is read.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.errors import CorruptError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FORMAT = 1
_STRUCTURE, _ARRAYS = "model.json", "arrays.npz"


def dump(model: object) -> dict[str, bytes]:
    """A tree of dataclasses as files.

    Args:
        model: a dataclass of numbers, texts, bytes, numpy arrays, tuples, dicts with text keys, and dataclasses.

    Returns:
        File name -> content: `model.json`, `arrays.npz` and one file for each bytes field. The same model gives the
        same bytes.

    Raises:
        TypeError: a value of another kind, or an object array.
    """
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    blobs: dict[str, bytes] = {}
    tree = _encode(model, "", arrays, blobs)
    files = {_STRUCTURE: json.dumps({"format": FORMAT, "model": tree}, allow_nan=False, ensure_ascii=False).encode()}
    if arrays:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        files[_ARRAYS] = buffer.getvalue()
    return files | blobs


def load(files: Mapping[str, bytes], classes: Iterable[type]) -> Any:
    """Read back what `dump` wrote.

    Args:
        files: file name -> content.
        classes: the dataclasses that may be built.

    Raises:
        CorruptError: a file is missing or damaged, or names a class that is not allowed.
    """
    known = {kind.__name__: kind for kind in classes}
    try:
        body = json.loads(files[_STRUCTURE])
        _check_format(body["format"])
        arrays: dict[str, Any] = {}
        if _ARRAYS in files:
            with np.load(io.BytesIO(files[_ARRAYS]), allow_pickle=False) as stored:
                arrays = dict(stored)
        return _decode(body["model"], arrays, files, known)
    except CorruptError:
        raise
    except (KeyError, ValueError, TypeError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise CorruptError(
            f"the stored model cannot be read ({type(error).__name__}: {error})",
            hint="if another version of Axiom wrote it, train it again",
        ) from error


def _check_format(found: object) -> None:
    if found != FORMAT:
        raise CorruptError(f"{_STRUCTURE} has format {found!r}, not {FORMAT}", hint="upgrade Axiom")


def _encode(value: Any, path: str, arrays: dict[str, Any], blobs: dict[str, bytes]) -> Any:
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            raise TypeError(f"{path}: an object array would need pickle")
        arrays[path] = value
        return {"array": path}
    if isinstance(value, bytes):
        blobs[f"{path}.txt"] = value
        return {"file": f"{path}.txt"}
    if is_dataclass(value) and not isinstance(value, type):
        parts = {field.name: getattr(value, field.name) for field in fields(value) if field.init}
        return {"class": type(value).__name__, "fields": _encode_dict(parts, path, arrays, blobs)}
    if isinstance(value, dict):
        return {"dict": _encode_dict(value, path, arrays, blobs)}
    if isinstance(value, (list, tuple)):
        return [_encode(item, f"{path}.{i}", arrays, blobs) for i, item in enumerate(value)]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"{path}: {type(value).__name__} cannot be stored")


def _encode_dict(parts: dict[str, Any], path: str, arrays: dict[str, Any], blobs: dict[str, bytes]) -> dict[str, Any]:
    return {key: _encode(item, f"{path}.{key}" if path else key, arrays, blobs) for key, item in parts.items()}


def _decode(tree: Any, arrays: dict[str, Any], files: Mapping[str, bytes], known: dict[str, type]) -> Any:
    def go(part: Any) -> Any:
        return _decode(part, arrays, files, known)

    if isinstance(tree, list):
        return tuple(go(item) for item in tree)
    if not isinstance(tree, dict):
        return tree
    if "array" in tree:
        return arrays[tree["array"]]
    if "file" in tree:
        return files[tree["file"]]
    if "dict" in tree:
        return {key: go(item) for key, item in tree["dict"].items()}
    if tree["class"] not in known:
        raise CorruptError(f"the stored model names {tree['class']!r}, which is no part of a model")
    return known[tree["class"]](**{key: go(item) for key, item in tree["fields"].items()})
