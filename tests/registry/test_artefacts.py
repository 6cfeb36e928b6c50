from __future__ import annotations

import io
import pickle
import zipfile
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axiom.errors import CorruptError, MisuseError
from axiom.registry.artefacts import arrays_to_npz, digest, npz_to_arrays, pack, unpack

FILES = {"model.txt": b"tree\n", "params.json": b"{}", "part/arrays.npz": b"\0\1"}


def zipped(files: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    blob = io.BytesIO()
    with zipfile.ZipFile(blob, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return blob.getvalue()


@settings(max_examples=30)
@given(
    st.dictionaries(st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8})?\.(json|npz|txt)", fullmatch=True), st.binary(), min_size=1)
)
def test_what_was_packed_is_unpacked(files: dict[str, bytes]) -> None:
    blob = pack(files)
    assert unpack(blob, digest(blob)) == files


def test_the_same_files_give_the_same_bytes_in_any_order() -> None:
    assert pack(FILES) == pack(dict(reversed(FILES.items())))


def test_one_altered_byte_anywhere_is_noticed() -> None:
    blob = pack(FILES)
    for position in range(len(blob)):
        tampered = bytearray(blob)
        tampered[position] ^= 1
        with pytest.raises(CorruptError, match="checksum"):
            unpack(bytes(tampered), digest(blob))


@pytest.mark.parametrize(
    "name",
    [
        "../evil.json",
        "/etc/evil.json",
        "a/../../evil.json",
        "a\\evil.json",
        "c:evil.json",
        ".",
        "a//b.json",
        "./a.json",
    ],
)
def test_names_that_lead_outside_are_refused_both_ways(name: str) -> None:
    with pytest.raises(MisuseError, match="cannot be a file"):
        pack({name: b""})
    blob = zipped({name: b"", "fine.json": b""})
    with pytest.raises(CorruptError, match="unsafe file name"):
        unpack(blob, digest(blob))


@pytest.mark.parametrize("name", ["model.pkl", "model.joblib", "model.py", "model"])
def test_files_that_could_hold_code_are_refused_both_ways(name: str) -> None:
    with pytest.raises(MisuseError, match="cannot be a file"):
        pack({name: pickle.dumps(1)})
    blob = zipped({name: b""})
    with pytest.raises(CorruptError, match="unsafe file name"):
        unpack(blob, digest(blob))


def test_a_file_without_name_is_refused() -> None:
    with pytest.raises(MisuseError, match="'' cannot be a file"):
        pack({"": b""})


def test_an_empty_artefact_is_refused() -> None:
    with pytest.raises(MisuseError, match="at least one file"):
        pack({})


def test_bytes_that_are_no_bundle_are_corrupt() -> None:
    with pytest.raises(CorruptError, match="no bundle"):
        unpack(b"hello", digest(b"hello"))


def test_a_compressed_bundle_is_refused_before_it_unfolds() -> None:
    blob = zipped({"bomb.txt": b"0" * 1_000_000}, zipfile.ZIP_DEFLATED)
    with pytest.raises(CorruptError, match="compressed file"):
        unpack(blob, digest(blob))


def test_arrays_survive_and_the_bytes_are_repeatable() -> None:
    arrays: dict[str, Any] = {
        "weights": np.linspace(0, 1, 5),
        "names": np.array(["a", "ß"]),
        "edges": np.array([[1, 2]], np.int32),
        "file": np.array(3),
    }
    blob = arrays_to_npz(arrays)
    back = npz_to_arrays(blob)
    assert arrays_to_npz(arrays) == blob
    assert back.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(back[name], array)
        assert back[name].dtype == array.dtype


def test_arrays_of_objects_are_refused() -> None:
    with pytest.raises(MisuseError, match="'mixed' holds Python objects"):
        arrays_to_npz({"mixed": np.array([{}, None])})


class Trap:
    sprung = False

    def __reduce__(self) -> tuple[object, ...]:
        return (setattr, (Trap, "sprung", True))


def test_pickled_arrays_are_never_opened() -> None:
    blob = io.BytesIO()
    np.savez(blob, weights=np.array([Trap()], dtype=object))
    with pytest.raises(CorruptError, match="cannot be read"):
        npz_to_arrays(blob.getvalue())
    with pytest.raises(CorruptError, match="cannot be read"):
        npz_to_arrays(pickle.dumps(Trap()))
    assert not Trap.sprung


@pytest.mark.parametrize("blob", [b"", b"PK", b"hello", b"\x93NUMPY\x01\x00"])
def test_bytes_that_are_no_arrays_are_corrupt(blob: bytes) -> None:
    with pytest.raises(CorruptError, match="cannot be read"):
        npz_to_arrays(blob)


def test_a_bare_npy_is_no_bundle_of_arrays() -> None:
    blob = io.BytesIO()
    np.save(blob, np.arange(3))
    with pytest.raises(CorruptError, match="cannot be read"):
        npz_to_arrays(blob.getvalue())
