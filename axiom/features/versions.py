"""Versions of one fact: rows that share a key, of which the one known last counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa

    from axiom.maths.arrays import IntArray

_NEVER = np.iinfo(np.int64).max


def superseded_at(
    customer: npt.NDArray[np.int32], key: pa.ChunkedArray, known_at: IntArray, ts: IntArray
) -> IntArray | None:
    """From when each row is replaced by a later version of its fact.

    Rows of one customer with the same key, not null, are versions of one fact, ordered by knowledge time, then event
    time, then place. A version counts until the next one is known; of versions known at the same time only the last
    ever counts.

    Args:
        customer: n places.
        key: n keys, text.
        known_at: n knowledge times in microseconds.
        ts: n event times in microseconds.

    Returns:
        n times in microseconds, the largest int64 for rows that nothing replaces; None where no key has versions.
    """
    codes = _key_codes(key)
    repeated = np.bincount(codes[codes >= 0], minlength=1) > 1
    places = np.flatnonzero((codes >= 0) & repeated[codes])
    if not len(places):
        return None
    order = places[np.lexsort((places, ts[places], known_at[places], codes[places], customer[places]))]
    same = (codes[order][1:] == codes[order][:-1]) & (customer[order][1:] == customer[order][:-1])
    if not same.any():
        return None
    gone_at = np.full(len(ts), _NEVER, dtype=np.int64)
    gone_at[order[:-1][same]] = known_at[order[1:][same]]
    return gone_at


def _key_codes(key: pa.ChunkedArray) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    encoded = key if pa.types.is_dictionary(key.type) else key.dictionary_encode()
    chunks = encoded.unify_dictionaries().chunks
    if not chunks:
        return np.empty(0, np.int64)
    return pc.fill_null(pa.concat_arrays(chunks).indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
