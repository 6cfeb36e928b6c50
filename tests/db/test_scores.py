from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from axiom.db.score_rows import COLUMNS
from axiom.errors import BadInputError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from axiom.db import Database, ScoreSet
    from tests.db.conftest import Clock

AS_OF = datetime(2011, 12, 9, tzinfo=UTC)
SCORED = datetime(2026, 1, 1, 12, 0, 0, 5, tzinfo=UTC)
NASTY = [
    "plain",
    'quo"te',
    "it's",
    "new\nline\r\n",
    "comma,tab\t",
    "",
    " spaces ",
    "\\N",
    "NULL",
    "ünïcødé 🦊",
    "a\n\\.\nb",
]


def columns(ids: list[str], **others: Any) -> dict[str, list[Any]]:
    count = len(ids)
    base = {
        "customer_id": ids,
        "churn_model": ["churn@3"] * count,
        "p_churn": [(i + 1) / (count + 1) for i in range(count)],
        "expected_loss": [float(i) for i in range(count)],
        "scored_at": [SCORED] * count,
    }
    return base | others


def publish(database: Database, score_set_id: str, *batches: Any) -> ScoreSet:
    with database.transaction() as tx:
        return tx.scores.replace_scores(
            score_set_id, batches, as_of=AS_OF, dataset_path=f"scores/{score_set_id}", models={"churn": "churn@3"}
        )


def customers(database: Database) -> list[str]:
    with database.reading() as tx:
        return sorted(score.customer_id for score in tx.scores.top(1000))


def test_every_column_comes_back_exactly(db: Database) -> None:
    row = {
        "customer_id": "c1",
        "as_of": datetime(2011, 12, 8, 23, tzinfo=UTC),
        "churn_model": "churn@3",
        "clv_model": "value@1",
        "p_churn": 0.1 + 0.2,
        "p_alive": 1 / 3,
        "expected_purchases": 1e-300,
        "clv_mean": 123456789.987654321,
        "clv_p05": 0.0,
        "clv_p50": -0.5,
        "clv_p95": 1e17,
        "expected_loss": 5e-324,
        "scored_at": SCORED,
    }
    publish(db, "s1", {name: [value] for name, value in row.items()})
    with db.reading() as tx:
        score = tx.scores.get("c1")
    assert {name: getattr(score, name) for name in row} == row
    assert score.score_set_id == "s1"
    assert score.scored_at.tzinfo is UTC


def test_customer_ids_survive_whatever_they_hold(db: Database) -> None:
    publish(db, "s1", columns(NASTY))
    assert customers(db) == sorted(NASTY)


def test_arrow_tables_batches_and_dicts_mean_the_same(db: Database) -> None:
    as_dict = columns(["a", "b"], p_churn=[None, 0.5])
    publish(db, "s1", as_dict, pa.table(columns(["c"])), pa.RecordBatch.from_pydict(columns(["d"])), columns([]))
    with db.reading() as tx:
        assert tx.scores.count() == 4
        assert tx.scores.get("a").p_churn is None
        assert tx.scores.get("b").p_churn == 0.5
        assert tx.scores.get("c").as_of == AS_OF


def test_types_that_mean_the_same_are_converted(db: Database) -> None:
    table = pa.table(
        {
            "customer_id": pa.array([17, 18]),
            "as_of": pa.array([date(2011, 12, 9)] * 2),
            "churn_model": pa.array(["churn@3"] * 2).dictionary_encode(),
            "p_churn": pa.array([0.5, float("nan")], pa.float32()),
            "expected_purchases": pa.array([3, None]),
            "scored_at": pa.array([datetime(2026, 1, 1, 12)] * 2, pa.timestamp("ns")),  # noqa: DTZ001
        }
    )
    publish(db, "s1", table)
    with db.reading() as tx:
        score, other = tx.scores.get("17"), tx.scores.get("18")
    assert (score.as_of, score.p_churn, score.expected_purchases) == (AS_OF, 0.5, 3.0)
    assert score.scored_at == datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert (other.p_churn, other.expected_purchases) == (None, None)


def test_a_new_set_replaces_every_row_and_is_noted(clocked: Database, clock: Clock) -> None:
    publish(clocked, "s1", columns(["a", "b", "c"]))
    clock.advance(days=1)
    second = publish(clocked, "s2", columns(["b"]), columns(["d"]))
    assert customers(clocked) == ["b", "d"]
    assert (second.rows, second.as_of, second.dataset_path, second.published_at) == (2, AS_OF, "scores/s2", clock.now)
    assert second.models == {"churn": "churn@3"}
    with clocked.reading() as tx:
        assert [(published.id, published.rows) for published in tx.scores.sets()] == [("s2", 2), ("s1", 3)]


def test_publishing_a_set_again_adds_nothing_and_reads_nothing(db: Database) -> None:
    first = publish(db, "s1", columns(["a", "b"]))

    def never() -> Iterator[dict[str, list[Any]]]:
        raise AssertionError
        yield

    with db.transaction() as tx:
        again = tx.scores.replace_scores("s1", never(), as_of=AS_OF, dataset_path="elsewhere", models={})
    assert again == first
    assert customers(db) == ["a", "b"]


def test_a_publication_that_breaks_half_way_leaves_the_old_scores(db: Database) -> None:
    publish(db, "s1", columns(["a", "b"]))

    def broken() -> Iterator[dict[str, list[Any]]]:
        yield columns(["c"])
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError), db.transaction() as tx:
        tx.scores.replace_scores("s2", broken(), as_of=AS_OF, dataset_path="x", models={})
    assert customers(db) == ["a", "b"]
    assert publish(db, "s2", columns(["c"])).rows == 1


def test_readers_see_the_old_scores_until_the_new_ones_are_complete(db: Database) -> None:
    publish(db, "s1", columns(["a", "b"]))

    def peek() -> Iterator[dict[str, list[Any]]]:
        yield columns(["c"])
        assert customers(db) == ["a", "b"]
        yield columns(["d"])

    with db.transaction() as tx:
        tx.scores.replace_scores("s2", peek(), as_of=AS_OF, dataset_path="x", models={})
    assert customers(db) == ["c", "d"]


def test_concurrent_publications_leave_one_whole_set(db: Database) -> None:
    sets = {f"s{i}": columns([f"{i}-{j}" for j in range(50)]) for i in range(4)}
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda item: publish(db, *item), [*sets.items(), *sets.items()]))
    with db.reading() as tx:
        assert sorted(published.id for published in tx.scores.sets()) == sorted(sets)
        current = tx.scores.top(1000)
    assert len(current) == 50
    assert len({score.score_set_id for score in current}) == 1


@pytest.mark.parametrize(
    ("batch", "line"),
    [
        (columns(["a", "b", "a"]), "has a customer twice"),
        (columns(["a", None]), "required value missing"),  # type: ignore[list-item]
        (columns(["a"], mood=["good"]), "scores have no column 'mood'"),
        ({"customer_id": ["a"], "p_churn": [0.5]}, "scores need the column 'scored_at'"),
        (columns(["a"], p_churn=["high"]), "column 'p_churn' of scores cannot be read as double"),
        (columns(["a"], clv_mean=[float("inf")]), "column 'clv_mean' of scores holds an infinite number"),
        (columns(["a", "b"], clv_mean=[1.0]), "columns of scores differ in length"),
        (columns(["a\0b"]), "NUL character"),
    ],
)
def test_bad_scores_are_refused_and_the_old_ones_stay(db: Database, batch: dict[str, list[Any]], line: str) -> None:
    publish(db, "s1", columns(["old"]))
    with pytest.raises(BadInputError, match=line):
        publish(db, "s2", columns(["fine"]), batch)
    assert customers(db) == ["old"]
    with db.reading() as tx, pytest.raises(NotFoundError, match="no score set 's2'"):
        tx.scores.get_set("s2")


def test_the_top_is_ranked_with_unscored_customers_last(db: Database) -> None:
    publish(db, "s1", columns(["a", "b", "c", "d"], expected_loss=[1.0, None, 3.0, 3.0], p_churn=[0.9, 0.1, 0.2, 0.3]))
    with db.reading() as tx:
        assert [score.customer_id for score in tx.scores.top(10)] == ["c", "d", "a", "b"]
        assert [score.customer_id for score in tx.scores.top(2, by="p_churn", offset=1)] == ["d", "c"]


def test_a_customer_without_score_is_named(db: Database) -> None:
    with db.reading() as tx, pytest.raises(NotFoundError, match="customer 'nobody' has no score"):
        tx.scores.get("nobody")


def test_more_rows_than_one_chunk_arrive_whole(db: Database) -> None:
    count = 120_001
    ids = pa.array([f"c{i}" for i in range(count)])
    table = pa.table({"customer_id": ids, "scored_at": pa.repeat(pa.scalar(SCORED), count)})
    assert publish(db, "s1", table).rows == count
    with db.reading() as tx:
        assert tx.scores.count() == count


def test_the_columns_are_those_the_scoring_promises() -> None:
    assert (
        *("customer_id", "as_of", "churn_model", "clv_model", "p_churn", "p_alive", "expected_purchases"),
        *("clv_mean", "clv_p05", "clv_p50", "clv_p95", "expected_loss", "scored_at", "score_set_id"),
    ) == COLUMNS
