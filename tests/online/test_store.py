"""The contract of the online store, on LMDB and on Redis."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from axiom.errors import BadInputError, ConflictError, CorruptError, NotFoundError
from axiom.scoring.online.store import GoneError, StoreInfo, filled
from axiom.scoring.online.vectors import VectorLayout
from axiom.training.catalogue.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from axiom.scoring.online.store import OnlineStore

LONG = "x" * 100_000
STRANGE = [
    "",
    " ",
    'O\'Neil "Bob"; --',
    "naïve ☃ 顾客 🛒",
    "a\x00b",
    "\n",
    "ÿ",
    "x" * 511,
    "x" * 512,
    LONG,
    LONG[:-1] + "y",
]


def test_an_empty_store_holds_nothing_and_says_how_to_fill_it(store: OnlineStore) -> None:
    assert store.info() is None
    store.ping()
    assert store.clear() == 0
    with pytest.raises(NotFoundError, match="is empty") as refused:
        filled(store)
    assert "axiom online sync" in refused.value.hint
    with pytest.raises(GoneError, match="gone"):
        store.get("20240101T000000-00", "C1")
    with pytest.raises(GoneError):
        store.count("20240101T000000-00")
    with pytest.raises(GoneError):
        next(store.ids("20240101T000000-00"))


def test_what_was_published_is_read_back_bit_by_bit(
    store: OnlineStore, draft: StoreInfo, three: Any, bits: Any
) -> None:
    info = store.publish(draft, [three])
    assert store.info() == info
    assert (info.customers, info.features_id, info.as_of, info.layout) == (3, "v1-0001", draft.as_of, draft.layout)
    ids, vectors = three
    for customer_id, vector in zip(ids, vectors, strict=True):
        found = store.get(info.generation, customer_id)
        assert found is not None
        assert bits(found) == bits(vector)
        assert not found.flags.writeable
    many = store.get_many(info.generation, ["C3", "nobody", "C1", "C3"])
    assert [None if v is None else bits(v) for v in many] == [
        bits(vectors[2]),
        None,
        bits(vectors[0]),
        bits(vectors[2]),
    ]
    assert store.get_many(info.generation, []) == []
    assert sorted(store.ids(info.generation)) == ids
    assert store.count(info.generation) == 3


def test_a_store_opened_before_the_first_publish_sees_it(place: Any, draft: StoreInfo, three: Any) -> None:
    reader = place.open(readonly=True)
    assert reader.info() is None
    info = place.open().publish(draft, [three])
    assert reader.info() == info
    assert reader.get(info.generation, "C1") is not None


def test_a_reader_may_not_write(place: Any, draft: StoreInfo, three: Any) -> None:
    reader = place.open(readonly=True)
    with pytest.raises(ConflictError, match="read-only"):
        reader.publish(draft, [three])
    with pytest.raises(ConflictError, match="read-only"):
        reader.clear()
    assert place.generations() == set()


def test_the_generation_before_stays_for_readers_in_flight_and_the_one_before_that_does_not(
    place: Any, draft: StoreInfo, three: Any
) -> None:
    store = place.open()
    ids, vectors = three
    infos = [store.publish(draft, [(ids, vectors + k)]) for k in range(3)]
    assert len({info.generation for info in infos}) == 3
    store.close()
    fresh = place.open(readonly=True)
    assert fresh.info() == infos[2]
    assert fresh.get(infos[2].generation, "C1")[0] == 3.0
    assert fresh.get(infos[1].generation, "C1")[0] == 2.0
    with pytest.raises(GoneError):
        fresh.get(infos[0].generation, "C1")
    assert place.generations() == {infos[1].generation, infos[2].generation}


def test_another_layout_in_the_next_generation_leaves_the_one_before_readable(
    store: OnlineStore, draft: StoreInfo, three: Any
) -> None:
    first = store.publish(draft, [three])
    wider = VectorLayout(Layout(("spend", "orders", "days", "channel"), {}), "v2")
    second = store.publish(replace(draft, layout=wider), [(["C1"], np.arange(4.0)[None])])
    old, new = store.get(first.generation, "C1"), store.get(second.generation, "C1")
    assert old is not None
    assert new is not None
    assert (old.tolist(), new.tolist()) == ([1.0, 9.5, 0.0], [0.0, 1.0, 2.0, 3.0])
    assert store.info() == second


def test_ids_may_be_anything(store: OnlineStore, draft: StoreInfo) -> None:
    vectors = np.arange(3.0 * len(STRANGE)).reshape(-1, 3)
    info = store.publish(draft, [(STRANGE, vectors)])
    for customer_id, vector in zip(STRANGE, vectors, strict=True):
        found = store.get(info.generation, customer_id)
        assert found is not None
        assert found.tolist() == vector.tolist()
    assert set(store.ids(info.generation)) == set(STRANGE)
    assert store.get_many(info.generation, ["\ud800", LONG + "x", "Ÿ", "A" * 10_000_000]) == [None] * 4


def test_a_long_id_whose_hash_is_that_of_another_is_not_taken_for_it(place: Any, draft: StoreInfo) -> None:
    info = place.open().publish(draft, [([LONG], np.ones((1, 3)))])
    place.tamper(info.generation, LONG, lambda record: record[:-1] + b"y")
    with pytest.raises(CorruptError, match="belongs to another customer"):
        place.open().get(info.generation, LONG)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda record: record[:-9], "has 25 bytes, not 34"),
        (lambda _record: b"", "has 0 bytes, not 34"),
        (lambda record: record + b"1", "has 35 bytes, not 34"),
        (lambda record: record[:12] + bytes([record[12] ^ 1]) + record[13:], "checksum"),
        (lambda record: b"\x00\x00\x00\x00" + record[4:], "checksum"),
        (lambda record: record[:4] + b"\x02" + record[5:], "checksum"),
    ],
)
def test_a_damaged_record_is_never_a_vector(
    place: Any, draft: StoreInfo, three: Any, change: Any, problem: str
) -> None:
    info = place.open().publish(draft, [three])
    place.tamper(info.generation, "C2", change)
    store = place.open()
    with pytest.raises(CorruptError, match=problem) as refused:
        store.get(info.generation, "C2")
    assert "'C2'" in refused.value.message
    assert "axiom online" in refused.value.hint
    with pytest.raises(CorruptError):
        store.get_many(info.generation, ["C1", "C2"])
    assert store.get(info.generation, "C1") is not None


def test_a_record_of_another_layout_is_never_a_vector_of_this_one(place: Any, draft: StoreInfo, three: Any) -> None:
    info = place.open().publish(draft, [three])
    other = VectorLayout(Layout(("spend", "orders", "channel"), {"channel": ("shop", "web")}), "v1")
    seed = zlib.crc32(other.fingerprint.encode())
    place.tamper(info.generation, "C1", lambda record: struct.pack("<I", zlib.crc32(record[4:], seed)) + record[4:])
    with pytest.raises(CorruptError, match="fingerprint"):
        place.open().get(info.generation, "C1")


def test_a_publish_that_fails_leaves_what_was_visible_and_the_next_one_removes_its_debris(
    place: Any, draft: StoreInfo, three: Any
) -> None:
    store = place.open()
    before = store.publish(draft, [three])

    def torn() -> Iterator[Any]:
        yield ["C1"], np.full((1, 3), 7.0)
        raise OSError("the lake is away")

    with pytest.raises(OSError, match="the lake is away"):
        store.publish(draft, torn())
    assert store.info() == before
    assert len(place.generations()) == 2
    after = store.publish(draft, [three])
    assert place.generations() == {before.generation, after.generation}


@pytest.mark.parametrize(
    ("batches", "problem"),
    [
        ([], "no vector"),
        ([([], np.empty((0, 3)))], "no vector"),
        ([(["C1"], np.ones((1, 2)))], "shape"),
        ([(["C1", "C2"], np.ones((1, 3)))], "shape"),
        ([(["C1", "C1"], np.ones((2, 3)))], "1 customers came twice"),
        ([(["C1"], np.ones((1, 3))), (["C2", "C1"], np.ones((2, 3)))], "1 customers came twice"),
    ],
)
def test_vectors_that_do_not_fit_are_refused_and_nothing_becomes_visible(
    store: OnlineStore, draft: StoreInfo, batches: Any, problem: str
) -> None:
    with pytest.raises(BadInputError, match=problem):
        store.publish(draft, batches)
    assert store.info() is None


def test_one_publisher_at_a_time(place: Any, draft: StoreInfo, three: Any) -> None:
    first, second = place.open(), place.open()

    def slow() -> Iterator[Any]:
        yield three
        with pytest.raises(ConflictError, match="somebody else is publishing"):
            second.publish(draft, [three])
        with pytest.raises(ConflictError, match="somebody else is publishing"):
            second.clear()

    info = first.publish(draft, slow())
    assert first.info() == info
    assert second.publish(draft, [three]).generation != info.generation


def test_clearing_removes_everything(place: Any, draft: StoreInfo, three: Any) -> None:
    store = place.open()
    store.publish(draft, [three])
    info = store.publish(draft, [three])
    assert store.clear() == 3
    assert store.info() is None
    assert place.generations() == set()
    with pytest.raises(GoneError):
        place.open().get(info.generation, "C1")
    again = store.publish(draft, [three])
    assert store.get(again.generation, "C1") is not None


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_vectors_of_any_ids_come_back_as_they_were(
    store: OnlineStore, draft: StoreInfo, bits: Any, data: Any
) -> None:
    ids = data.draw(
        st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), min_size=1, max_size=20, unique=True)
    )
    numbers = st.floats(width=64, allow_nan=True, allow_infinity=False)
    vectors = data.draw(arrays(np.float64, (len(ids), 3), elements=numbers))
    size = data.draw(st.integers(1, len(ids)))
    info = store.publish(draft, [(ids[k : k + size], vectors[k : k + size]) for k in range(0, len(ids), size)])
    assert info.customers == len(ids)
    found = store.get_many(info.generation, ids)
    assert [bits(vector) for vector in found] == [bits(vector) for vector in vectors]
    assert [bits(store.get(info.generation, name)) for name in ids] == [bits(vector) for vector in vectors]
