"""The bytes of one customer's record: checksum, vector, id. The same in LMDB and in Redis.

    bytes 0-3   CRC-32 over the rest, starting from the layout's fingerprint
    bytes 4-7   format of the record
    then        p float64 numbers, little-endian
    then        the customer's id, UTF-8

The checksum starts from the fingerprint, so that a vector written in another layout never passes for one of this; the
id is inside, so that a record under the wrong key never passes for another customer's.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

from axiom.errors import BadInputError, CorruptError
from axiom.scoring.online.vectors import REPUBLISH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from axiom.maths.arrays import FloatArray
    from axiom.scoring.online.vectors import VectorLayout

_HEAD = 8
_CHECKSUM = struct.Struct("<I").pack
_FORMAT = struct.pack("<I", 1)
_LITTLE = np.dtype("<f8")
_LONGEST_KEY = 511


def id_bytes(customer_id: str) -> bytes:
    """An id as bytes. A lone surrogate, which no stored id has, is let through: it is merely nobody's."""
    return customer_id.encode("utf-8", "surrogatepass")


def key_of(customer: bytes) -> bytes:
    """The key of an id: itself, or where it is no key for LMDB a hash, behind a byte that UTF-8 never has."""
    return customer if 0 < len(customer) <= _LONGEST_KEY else b"\xff" + hashlib.sha256(customer).digest()


class Records:
    """Writes and reads the records of one layout."""

    def __init__(self, layout: VectorLayout) -> None:
        self.width = layout.width
        self._end = _HEAD + layout.width * 8
        self._seed = zlib.crc32(layout.fingerprint.encode())

    @property
    def size(self) -> int:
        """Bytes of a record without the id."""
        return self._end

    def pack(self, ids: Sequence[bytes], vectors: FloatArray) -> list[bytes]:
        """The records of n customers.

        Args:
            ids: n ids as bytes.
            vectors: shape (n, p).

        Raises:
            BadInputError: another number of rows, or of features than the layout has.
        """
        if vectors.shape != (len(ids), self.width):
            raise BadInputError(
                f"vectors of shape {vectors.shape} for {len(ids)} customers and a layout of {self.width} features"
            )
        data = np.ascontiguousarray(vectors, _LITTLE).tobytes()
        step, seed = self.width * 8, self._seed
        bodies = [_FORMAT + data[i * step : (i + 1) * step] + customer for i, customer in enumerate(ids)]
        return [_CHECKSUM(zlib.crc32(body, seed)) + body for body in bodies]

    def unpack(self, customer: bytes, record: bytes) -> FloatArray:
        """The read-only vector of a record, shape (p,).

        Raises:
            CorruptError: it was cut, altered, written in another layout, or belongs to somebody else.
        """
        end = self._end
        if record[end:] != customer or len(record) < end or record[:4] != _CHECKSUM(zlib.crc32(record[4:], self._seed)):
            raise self._corrupt(customer, record)
        return np.frombuffer(record, _LITTLE, self.width, _HEAD)

    def owner(self, record: bytes) -> str:
        """The id inside a record, shape and checksum unseen."""
        return record[self._end :].decode("utf-8", "replace")

    def _corrupt(self, customer: bytes, record: bytes) -> CorruptError:
        expected = self._end + len(customer)
        if len(record) != expected:
            problem = f"has {len(record)} bytes, not {expected}"
        elif record[self._end :] != customer:
            problem = "belongs to another customer"
        else:
            problem = "does not match its checksum and the layout's fingerprint"
        return CorruptError(f"the online record of customer {shown(customer)} {problem}", hint=REPUBLISH)


def shown(customer: bytes) -> str:
    """An id for a message: one line, at most 60 characters."""
    text = ascii(customer[:240].decode("utf-8", "replace"))
    return text if len(text) <= 60 else f"{text[:57]}…'"
