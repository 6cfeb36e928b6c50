"""What online scoring does, whatever the protocol: HTTP and gRPC call the same methods and get the same answers."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from axiom.errors import BadInputError, NotFoundError, TooManyError, UnavailableError
from axiom.scoring.online.store import GoneError
from axiom.serve.predict.replies import batch_reply, explanation, log_row, reply_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from axiom.access.keyring import Caller
    from axiom.maths.arrays import FloatArray
    from axiom.serve.predict.asked import Asked
    from axiom.serve.predict.lines import Kind, Line, Lines, Served
    from axiom.serve.predict.metrics import PredictMetrics
    from axiom.serve.predict.replica import Replica
    from axiom.tracing import Tracing

VECTORISE_FROM = 8
"""From so many customers on the vectorised path is quicker than one row after the other."""
SLICE = 50
"""Customers of a batch that are scored before others get a turn: some milliseconds of the slowest models."""
HISTORY_DAYS = 30
HISTORY_MOST = 1000


class Request(Protocol):
    """What a protocol tells about a call."""

    request_id: str
    started: float
    caller: Caller | None


class Service:
    """Answers predictions from one replica's models and vectors."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._prefix = secrets.token_hex(6)
        self._numbers = itertools.count(1)

    @property
    def metrics(self) -> PredictMetrics:
        """Counts of this replica."""
        return self._replica.metrics

    @property
    def tracing(self) -> Tracing:
        """Times the parts of requests, where that is wanted."""
        return self._replica.tracing

    def next_id(self) -> str:
        """An id for a request that came without one; unique over all replicas."""
        return f"{self._prefix}-{next(self._numbers):x}"

    async def admit(self, key: str | None, scope: str) -> Caller:
        """Let a caller in.

        Args:
            key: API key or access token as it was sent.
            scope: what it must be good for.

        Raises:
            TooManyError: the replica is overloaded, or the caller asked more often than agreed.
            UnauthorizedError: there is no valid credential.
            ForbiddenError: the key lacks the scope, or the role may not.
            UnavailableError: the credential cannot be checked because the database is away.
        """
        replica = self._replica
        if replica.overloaded:
            self.metrics.rejected("overload")
            raise TooManyError("the replica is overloaded", hint="try again in a second", retry_after=1.0)
        caller = replica.keys.check(key, scope)
        with replica.tracing.span("limit"):
            await self._charge(caller, 1)
        return caller

    async def predict(self, kind: Kind, asked: Asked, request: Request) -> dict[str, Any]:
        """The answer to one request, ready for JSON.

        Raises:
            NotFoundError: the one customer asked for has no features.
            BadInputError: posted features or history do not fit the model.
            UnavailableError: there is no model, or the store does not answer.
        """
        if asked.cost > 1 and request.caller is not None:
            await self._charge(request.caller, asked.cost - 1)
        if asked.source != "id":
            return await self._posted(kind, asked, self._replica.lines.line(kind), request)
        work = self._one if asked.single else self._batch
        return await self._present(lambda lines: work(kind, asked.customers, lines, request))

    async def _present(self, work: Callable[[Lines], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        """Work from the present picture; where its vectors are gone after two publishes, look again, once."""
        lines = self._replica.lines
        try:
            return await work(lines)
        except GoneError:
            await asyncio.to_thread(self._replica.refresh, gone=lines)
        try:
            return await work(self._replica.lines)
        except GoneError as error:
            raise UnavailableError(error.message, hint="features are being published; try again") from error

    async def _one(self, kind: Kind, customers: Sequence[str], lines: Lines, request: Request) -> dict[str, Any]:
        line = lines.line(kind)
        customer = customers[0]
        vector, cached = await self._replica.vectors.one(lines.held(), customer)
        if vector is None:
            raise _unknown(customer, lines)
        served = line.of(customer)
        with self.tracing.span("score") as span:
            answer = served.bound.score(vector)
            span.note("axiom.model", served.version)
        if self._replica.probe[0] is not lines.view:
            self._replica.probe = lines.view, vector
        reply = reply_of(kind, served, answer, customer, lines.as_of_text, cached=cached)
        self._record(kind, served, answer, customer, "id", request, lines.held().info.as_of, cached=cached)
        if line.shadows:
            self._replica.shadow.offer(kind, customer, vector, request.request_id, _key(request))
        return reply

    async def explain(self, customer: str, request: Request) -> dict[str, Any]:
        """Why the churn model says what it says of a customer, beside the CLV answer.

        Raises:
            NotFoundError: the customer has no features.
            UnavailableError: there is no churn model, or the store does not answer.
        """
        return await self._present(lambda lines: self._explain(customer, lines, request))

    async def _explain(self, customer: str, lines: Lines, request: Request) -> dict[str, Any]:
        line = lines.line("churn")
        vector, cached = await self._replica.vectors.one(lines.held(), customer)
        if vector is None:
            raise _unknown(customer, lines)
        served = line.of(customer)
        with self.tracing.span("score") as span:
            answer = served.bound.score(vector)
            span.note("axiom.model", served.version)
        reply = reply_of("churn", served, answer, customer, lines.as_of_text, cached=cached)
        self._record("churn", served, answer, customer, "id", request, lines.held().info.as_of, cached=cached)
        with self.tracing.span("explain"):
            reply.update(explanation(served, vector))
        if lines.clv is not None:
            value = lines.clv.of(customer)
            reply["clv"] = reply_of("clv", value, value.bound.score(vector), customer, lines.as_of_text, cached=cached)
        return reply

    async def history(self, customer: str, query: dict[str, str]) -> dict[str, Any]:
        """Recorded predictions of a customer, newest first; only a sample is recorded.

        Args:
            customer: id.
            query: `days` back (default 30) and `limit` (default 100).

        Raises:
            BadInputError: a parameter is unknown or out of range.
        """
        unknown = set(query) - {"days", "limit"}
        if unknown:
            raise BadInputError(f"unknown query parameter {min(unknown)[:100]!r}", hint="they are days and limit")
        days = _whole(query.get("days", str(HISTORY_DAYS)), "days", 366)
        limit = _whole(query.get("limit", "100"), "limit", HISTORY_MOST)
        until = datetime.now(UTC)
        found = await asyncio.to_thread(self._replica.recorded, customer, until - timedelta(days=days), until)
        rows = found.sort_by([("at", "descending")]).slice(0, limit).to_pylist()
        return {"customer_id": customer, "sampled": self._replica.log_share, "predictions": rows}

    def health(self) -> dict[str, Any]:
        """Every component and whether the replica can answer."""
        return self._replica.health()

    async def _batch(self, kind: Kind, customers: Sequence[str], lines: Lines, request: Request) -> dict[str, Any]:
        line = lines.line(kind)
        found = await self._replica.vectors.many(lines.held(), customers)
        known = [
            (customer, vector) for customer, (vector, _) in zip(customers, found, strict=True) if vector is not None
        ]
        cached = {customer: hit for customer, (_, hit) in zip(customers, found, strict=True)}
        answers: dict[str, tuple[Served[Any], Any]] = {}
        sides: dict[str, list[tuple[str, FloatArray]]] = {}
        for customer, vector in known:
            sides.setdefault(line.of(customer).version, []).append((customer, vector))
            if line.shadows:
                self._replica.shadow.offer(kind, customer, vector, request.request_id, _key(request))
        for rows in sides.values():
            served = line.of(rows[0][0])
            with self.tracing.span("score") as span:
                span.note("axiom.model", served.version)
                span.note("axiom.customers", len(rows))
                found_answers = await _scored(served, [vector for _, vector in rows])
            for (customer, _), answer in zip(rows, found_answers, strict=True):
                answers[customer] = served, answer
        predictions = []
        for customer, _ in known:
            served, answer = answers[customer]
            predictions.append(reply_of(kind, served, answer, customer, lines.as_of_text, cached=cached[customer]))
            self._record(
                kind, served, answer, customer, "id", request, lines.held().info.as_of, cached=cached[customer]
            )
        missing = [customer for customer, (vector, _) in zip(customers, found, strict=True) if vector is None]
        return batch_reply(predictions, missing)

    async def _posted(self, kind: Kind, asked: Asked, line: Line[Any], request: Request) -> dict[str, Any]:
        """Posted features or history: nobody's cohort, so the champion answers."""
        served = line.champion
        now = datetime.now(UTC)
        if asked.features is not None:
            vector, as_of = served.posted.of_features(asked.features), now
        else:
            as_of = asked.as_of or now
            with self.tracing.span("history"):
                vector = await asyncio.to_thread(served.posted.of_history, asked.history or {}, as_of)
        with self.tracing.span("score") as span:
            answer = served.posted.bound.score(vector)
            span.note("axiom.model", served.version)
        self._record(kind, served, answer, None, asked.source, request, as_of, cached=False)
        return reply_of(kind, served, answer, None, as_of.isoformat(), cached=False)

    async def _charge(self, caller: Caller, cost: int) -> None:
        limiter, asked = self._replica.limiter, (caller.key_id, caller.rate, caller.burst, cost)
        wait = limiter.decided(*asked)
        if wait is None:  # a round trip to Redis: other requests go on meanwhile
            wait = await asyncio.to_thread(limiter.allow, *asked)
        if wait > 0:
            self.metrics.rejected("limit")
            raise TooManyError(
                f"{caller.name!r} asks more often than its {caller.rate:g} requests a second",
                hint="wait as long as Retry-After says, or ask for a higher limit",
                retry_after=wait,
            )

    def _record(
        self,
        kind: Kind,
        served: Served[Any],
        answer: Any,
        customer: str | None,
        source: str,
        request: Request,
        as_of: datetime | None,
        *,
        cached: bool,
    ) -> None:
        self.metrics.predicted(kind, served.version, served.role)
        taken = (time.perf_counter() - request.started) * 1000.0
        self._replica.log.add(
            log_row(
                kind, served, answer, customer, source,
                request_id=request.request_id, as_of=as_of, cached=cached, latency_ms=taken, key_id=_key(request),
            )
        )  # fmt: skip


async def _scored(served: Served[Any], vectors: Sequence[FloatArray]) -> Sequence[Any]:
    if len(vectors) < VECTORISE_FROM:
        return [served.bound.score(vector) for vector in vectors]
    import numpy as np

    answers: list[Any] = []
    for start in range(0, len(vectors), SLICE):
        answers += served.bound.score_many(np.stack(vectors[start : start + SLICE]))
        await asyncio.sleep(0)  # single customers do not wait for a whole batch
    return answers


def _key(request: Request) -> str:
    return request.caller.key_id if request.caller is not None else ""


def _unknown(customer: str, lines: Lines) -> NotFoundError:
    held = lines.held().info
    return NotFoundError(
        f"there are no features for customer {customer[:100]!r} as of {held.as_of:%Y-%m-%d}",
        hint="check the id; a new customer can be scored by POSTing his history, or is known after the next "
        "`axiom ingest` and `axiom score`",
    )


def _whole(text: str, name: str, most: int) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= most:
        raise BadInputError(f"{name}={text[:100]!r} is not a whole number from 1 to {most}")
    return int(text)
