from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from axiom.db import Database
    from tests.db.conftest import Clock


def test_a_reader_goes_on_after_the_last_event_it_saw(db: Database) -> None:
    with db.transaction() as tx:
        for number in range(5):
            tx.events.add("job", f"j{number % 2}", "progress", {"n": number})
    with db.reading() as tx:
        first = tx.events.events_after(0, 2)
        rest = tx.events.events_after(first[-1].id)
        assert [event.data["n"] for event in (*first, *rest)] == [0, 1, 2, 3, 4]
        assert [event.data["n"] for event in tx.events.events_after(0, subject="j1")] == [1, 3]
        assert tx.events.events_after(0, topic="pipeline") == []
        assert tx.events.last_id() == rest[-1].id
        assert tx.events.events_after(tx.events.last_id()) == []


def test_a_reader_that_follows_misses_none_of_many_writers(db: Database) -> None:
    writers, each = 4, 15

    def write(writer: int) -> None:
        for number in range(each):
            with db.transaction() as tx:
                tx.events.add("job", f"w{writer}", "progress", {"n": number})

    seen: list[tuple[str, int]] = []
    last = 0
    with ThreadPoolExecutor(writers) as pool:
        futures = [pool.submit(write, writer) for writer in range(writers)]
        while len(seen) < writers * each and not any(f.done() and f.exception() for f in futures):
            over = all(future.done() for future in futures)
            with db.reading() as tx:
                found = tx.events.events_after(last)
            seen += [(event.subject, event.data["n"]) for event in found]
            last = found[-1].id if found else last
            if over and not found:
                break
    assert sorted(seen) == [(f"w{writer}", number) for writer in range(writers) for number in range(each)]


def test_ids_are_not_used_again_after_old_events_were_forgotten(clocked: Database, clock: Clock) -> None:
    with clocked.transaction() as tx:
        tx.events.add("job", "j", "queued", {})
        last = tx.events.last_id()
    clock.advance(days=2)
    with clocked.transaction() as tx:
        assert tx.events.forget(clock.now - timedelta(days=1)) == 1
        assert tx.events.last_id() == 0
        tx.events.add("job", "j", "running", {})
        assert tx.events.last_id() > last
