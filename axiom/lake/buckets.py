"""Which hash bucket a customer lives in: the same answer in every process, for ever."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from axiom.maths.arrays import IntArray


def bucket_of(customer_id: str, buckets: int) -> int:
    """The bucket of one customer: CRC-32 of the id's UTF-8 bytes, modulo the bucket count."""
    return zlib.crc32(customer_id.encode()) % buckets


def buckets_of(customer_ids: Sequence[str], buckets: int) -> IntArray:
    """The buckets of many customers.

    Args:
        customer_ids: n ids.
        buckets: bucket count of the lake.

    Returns:
        n bucket numbers in [0, buckets).
    """
    crc32 = zlib.crc32
    return np.fromiter((crc32(c.encode()) % buckets for c in customer_ids), dtype=np.int64, count=len(customer_ids))


def buckets_of_column(column: pa.ChunkedArray | pa.Array, buckets: int) -> IntArray:
    """The buckets of an Arrow column of ids; each distinct id is hashed once."""
    import pyarrow as pa

    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if isinstance(column, pa.ChunkedArray):  # combine_chunks of a dictionary column may stay chunked
        column = pa.concat_arrays(column.unify_dictionaries().chunks)
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    per_id = buckets_of(encoded.dictionary.to_pylist(), buckets)
    picked: IntArray = per_id[encoded.indices.to_numpy(zero_copy_only=False)]
    return picked
