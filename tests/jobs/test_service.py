"""The service over a back end that does what the test says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from axiom.errors import ConflictError, MisuseError, NotFoundError, UnavailableError
from axiom.jobs.backend import Standing
from axiom.jobs.service import job_id_of

if TYPE_CHECKING:
    from axiom.db.jobs import Job
    from axiom.jobs.service import JobService
    from tests.jobs.conftest import Clock, FakeBackend


def running(service: JobService, key: str = "k") -> Job:
    job = service.submit("score", {}, key=key)
    with service.db.transaction() as tx:
        return tx.jobs.start(job.job_id, 1, pid=1, host="there")


def test_the_same_key_and_job_are_submitted_once(service: JobService, backend: FakeBackend) -> None:
    first = service.submit("score", {"as_of": "2011-12-09"}, key="k")
    again = service.submit("score", {"as_of": "2011-12-09T00:00:00+00:00", "churn": "churn"}, key="k")
    assert again == first
    assert backend.submitted == [first.submission_id]
    with pytest.raises(ConflictError, match="used for another job"):
        service.submit("score", {"as_of": "2011-12-10"}, key="k")


def test_ids_are_the_same_wherever_they_are_made(service: JobService, backend: FakeBackend) -> None:
    job = service.submit("score", {}, key="k")
    assert job.job_id == job_id_of("score", "k") == "score-" + job.job_id.removeprefix("score-")
    assert job.submission_id.endswith(f"-{job.job_id}-1")
    assert service.submit("score", {}).job_id != service.submit("score", {}).job_id, "no key: a new job each time"


@pytest.mark.parametrize("key", ["", "  ", "k" * 201, "a\nb"])
def test_a_key_that_is_none_is_refused(service: JobService, key: str) -> None:
    with pytest.raises(MisuseError, match="no idempotency key"):
        service.submit("score", {}, key=key)


def test_nothing_is_stored_of_a_job_that_is_malformed(service: JobService, backend: FakeBackend) -> None:
    with pytest.raises(MisuseError):
        service.submit("score", {"churn": "../x"}, key="k")
    with service.db.reading() as tx:
        assert tx.jobs.list() == []
    assert backend.submitted == []


def test_a_submission_that_did_not_arrive_is_sent_again(
    service: JobService, backend: FakeBackend, clock: Clock
) -> None:
    backend.away = True
    with pytest.raises(UnavailableError):
        service.submit("score", {}, key="k")
    backend.away = False
    job = service.submit("score", {}, key="k")
    assert service.refresh(job.job_id).status == "queued"
    assert backend.submitted == [], "it may still be on its way"
    clock.advance(seconds=11)
    service.refresh(job.job_id)
    assert backend.submitted == [job.submission_id]


def test_a_job_whose_driver_died_fails_with_the_reason(service: JobService, backend: FakeBackend) -> None:
    job = running(service)
    assert service.refresh(job.job_id).status == "running"
    backend.state[job.submission_id] = Standing("ended", "process 1 was killed by SIGKILL")
    lost = service.refresh(job.job_id)
    assert (lost.status, lost.error_type) == ("failed", "lost")
    assert lost.error == "its driver died: process 1 was killed by SIGKILL"


@pytest.mark.parametrize("state", ["unknown", "missing", "alive"])
def test_a_driver_without_a_sign_of_life_is_given_up(
    service: JobService, backend: FakeBackend, clock: Clock, state: str
) -> None:
    job = running(service)
    backend.state[job.submission_id] = Standing(state)  # type: ignore[arg-type]
    clock.advance(seconds=119)
    assert service.refresh(job.job_id).status == "running"
    clock.advance(seconds=2)
    lost = service.refresh(job.job_id)
    assert (lost.status, lost.error) == ("failed", "its driver showed no life for 121 s")
    assert backend.stopped == ([job.submission_id] if state == "alive" else []), "what hangs is stopped"


def test_a_job_that_waits_in_line_is_not_given_up(service: JobService, clock: Clock) -> None:
    job = service.submit("score", {}, key="k")
    clock.advance(days=2)
    assert service.refresh(job.job_id).status == "queued"


def test_reaping_finds_the_lost_among_many_also_while_the_cluster_is_away(
    service: JobService, backend: FakeBackend, clock: Clock
) -> None:
    alive, dead = running(service, "a"), running(service, "b")
    backend.state[dead.submission_id] = Standing("ended", "gone")
    assert [job.job_id for job in service.reap()] == [dead.job_id]
    assert service.reap() == []
    backend.away = True
    assert service.reap() == [], "a silent cluster says nothing about its jobs"
    clock.advance(seconds=121)
    assert [job.job_id for job in service.reap()] == [alive.job_id]


def test_cancelling_stops_the_driver_and_what_ended_is_not_cancelled(service: JobService, backend: FakeBackend) -> None:
    job = running(service)
    cancelled = service.cancel(job.job_id, reason="wrong data")
    assert (cancelled.status, cancelled.error, backend.stopped) == ("cancelled", "wrong data", [job.submission_id])
    with pytest.raises(ConflictError, match="is cancelled already"):
        service.cancel(job.job_id)
    with pytest.raises(NotFoundError):
        service.cancel("no")


def test_a_job_is_cancelled_although_the_cluster_is_away(service: JobService, backend: FakeBackend) -> None:
    job = running(service)
    backend.away = True
    assert service.cancel(job.job_id).status == "cancelled"


def test_trying_again_is_another_submission(service: JobService, backend: FakeBackend) -> None:
    job = running(service)
    service.cancel(job.job_id)
    again = service.retry(job.job_id)
    assert (again.status, again.attempt) == ("queued", 2)
    assert backend.submitted == [job.submission_id, again.submission_id]
    with pytest.raises(ConflictError, match="is queued"):
        service.retry(job.job_id)


def test_a_log_is_read_piece_by_piece_without_cutting_a_character(service: JobService, backend: FakeBackend) -> None:
    job = running(service)
    first, second = "erste Zeile\n", "zweite: Größe\n"
    whole = (first + second).encode()
    backend.logs[job.submission_id] = whole[: len(first.encode()) + 9 + 4]  # in the middle of the ö or ß
    piece = service.log(job.job_id)
    assert (piece.text, piece.offset, piece.ended) == (first, len(first), False)
    backend.logs[job.submission_id] = whole + b"no line end"
    piece = service.log(job.job_id, piece.offset)
    assert (piece.text, piece.ended) == (second, False)
    with service.db.transaction() as tx:
        tx.jobs.finish(job.job_id, 1, {})
    piece = service.log(job.job_id, piece.offset)
    assert (piece.text, piece.offset, piece.ended) == ("no line end", len(whole) + 11, True)
    assert service.log(job.job_id, piece.offset).ended


def test_a_log_is_followed_to_its_end_from_any_offset(service: JobService, backend: FakeBackend) -> None:
    job = running(service)
    backend.logs[job.submission_id] = b"one\n"

    def sleep(_seconds: float) -> None:
        backend.logs[job.submission_id] += b"two\n"
        with service.db.transaction() as tx:
            tx.jobs.finish(job.job_id, 1, {})

    pieces = list(service.follow(job.job_id, sleep=sleep))
    assert "".join(piece.text for piece in pieces) == "one\ntwo\n"
    assert [piece.ended for piece in pieces][-1] is True
    assert "".join(piece.text for piece in service.follow(job.job_id, 4)) == "two\n"


def test_a_long_log_comes_in_several_pieces(service: JobService, backend: FakeBackend) -> None:
    job = running(service)
    backend.logs[job.submission_id] = b"x" * 100_000 + b"\n" + b"y" * 50_000 + b"\n"
    with service.db.transaction() as tx:
        tx.jobs.finish(job.job_id, 1, {})
    pieces = list(service.follow(job.job_id))
    assert len(pieces) > 2
    assert "".join(piece.text for piece in pieces).encode() == backend.logs[job.submission_id]


def test_an_offset_or_attempt_that_is_none_is_refused(service: JobService) -> None:
    job = running(service)
    with pytest.raises(MisuseError, match="no offset -1"):
        service.log(job.job_id, -1)
    with pytest.raises(NotFoundError, match="has no attempt 7"):
        service.log(job.job_id, attempt=7)


def test_the_log_of_an_earlier_attempt_stays(service: JobService, backend: FakeBackend) -> None:
    job = running(service)
    backend.logs[job.submission_id] = b"first\n"
    service.cancel(job.job_id)
    again = service.retry(job.job_id)
    backend.logs[again.submission_id] = b"second\n"
    assert service.log(job.job_id, attempt=1).text == "first\n"
    assert service.log(job.job_id).text == "second\n"
