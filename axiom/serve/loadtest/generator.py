"""The loop that sends and receives.

It is written on `epoll` rather than asyncio: timers of asyncio and uvloop have a resolution of 1 ms, which is the size
of what is measured. `select` on the epoll descriptor waits to the microsecond.
"""

from __future__ import annotations

import errno
import gc
import select
import socket
import time
from array import array
from collections import Counter, deque
from dataclasses import dataclass, field
from itertools import cycle
from typing import TYPE_CHECKING, Any

import httptools

from axiom.errors import MisuseError, UnavailableError
from axiom.serve.loadtest.report import LoadReport, Spread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from axiom.serve.loadtest.plan import LoadPlan

_RETRY_SECONDS = 0.05
_SWEEP_SECONDS = 0.05
_CHUNK = 1 << 18
_IDLE, _BUSY, _CONNECTING, _DOWN = range(4)


@dataclass
class _Taken:
    """What was measured; only requests that were due within the measurement are counted."""

    latency: array[float] = field(default_factory=lambda: array("d"))
    service: array[float] = field(default_factory=lambda: array("d"))
    lag: array[float] = field(default_factory=lambda: array("d"))
    statuses: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    last: float = 0.0


class _Connection:
    """One keep-alive connection with at most one request on its way; callbacks are those of httptools."""

    __slots__ = ("body", "due", "keep", "out", "parser", "ready", "retry", "sent", "sock", "state", "status")

    sock: socket.socket
    parser: Any

    def __init__(self) -> None:
        self.state = _DOWN
        self.retry = 0.0
        self.due = self.sent = 0.0
        self.out: memoryview | None = None
        self.ready = self.keep = False
        self.status = 0
        self.body: list[bytes] = []

    def on_message_begin(self) -> None:
        self.body.clear()

    def on_body(self, part: bytes) -> None:
        self.body.append(part)

    def on_message_complete(self) -> None:
        self.status = self.parser.get_status_code()
        self.ready = self.status >= 200


class _Load:
    def __init__(self, plan: LoadPlan, clock: Callable[[], float]) -> None:
        self.plan, self.clock = plan, clock
        found = socket.getaddrinfo(*plan.address, type=socket.SOCK_STREAM)[0]
        self.family, self.address = found[0], found[4]
        self.poll = select.epoll()
        self.by_number: dict[int, _Connection] = {}
        self.connections = [_Connection() for _ in range(plan.connections)]
        self.idle: deque[_Connection] = deque()
        self.waiting: deque[float] = deque()  # due times of requests that no connection has taken yet
        self.texts: Iterator[bytes] = cycle(plan.requests())
        self.taken = _Taken()
        self.start = self.first = self.end = 0.0

    # --- connections

    def open(self, one: _Connection) -> None:
        try:
            one.sock = sock = socket.socket(self.family, socket.SOCK_STREAM)
        except OSError as error:
            raise MisuseError(
                f"no more than {len(self.by_number)} connections: {error}", hint="see `ulimit -n`"
            ) from None
        sock.settimeout(0)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        one.parser = httptools.HttpResponseParser(one)
        one.state, one.out, one.ready, one.retry = _CONNECTING, None, False, self.clock()
        code = sock.connect_ex(self.address)
        if code not in {0, errno.EINPROGRESS}:
            self.lost(one, errno.errorcode.get(code, str(code)))
            return
        self.by_number[sock.fileno()] = one
        self.poll.register(sock, select.EPOLLIN | select.EPOLLOUT)

    def close(self, one: _Connection) -> None:
        if one.state != _DOWN:
            self.by_number.pop(one.sock.fileno(), None)
            one.sock.close()
            one.state, one.retry = _DOWN, self.clock() + _RETRY_SECONDS

    def lost(self, one: _Connection, why: str) -> None:
        """A connection broke: the request on it has failed; one that could not be opened fails the next in line."""
        before = one.state
        self.close(one)
        now = self.clock()
        if before == _BUSY:
            self.failed(one.due, one.sent, now, why)
            one.retry = now
        elif before == _CONNECTING and (self.waiting or self.plan.rate is None):
            due = self.waiting.popleft() if self.waiting else now
            self.failed(due, None, now, f"connect: {why}")

    # --- one request

    def send(self, one: _Connection, due: float | None) -> None:
        one.state, one.sent = _BUSY, self.clock()
        one.due = one.sent if due is None else due
        text = next(self.texts)
        try:
            done = one.sock.send(text)
        except BlockingIOError:
            done = 0
        except OSError as error:
            self.lost(one, _name(error))
            return
        if done < len(text):
            one.out = memoryview(text)[done:]
            self.poll.modify(one.sock, select.EPOLLIN | select.EPOLLOUT)

    def writable(self, one: _Connection) -> None:
        if one.state == _CONNECTING:
            code = one.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                self.lost(one, errno.errorcode.get(code, str(code)))
                return
            self.poll.modify(one.sock, select.EPOLLIN)
            self.free(one)
        elif one.out is not None:
            try:
                one.out = one.out[one.sock.send(one.out) :] or None
            except BlockingIOError:
                return
            except OSError as error:
                self.lost(one, _name(error))
                return
            if one.out is None:
                self.poll.modify(one.sock, select.EPOLLIN)

    def readable(self, one: _Connection) -> None:
        try:
            data = one.sock.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            self.lost(one, _name(error))
            return
        if not data:
            self.lost(one, "closed")
            return
        try:
            one.parser.feed_data(data)
        except httptools.HttpParserError:
            self.lost(one, "malformed")
            return
        if one.ready:
            self.answered(one)

    def answered(self, one: _Connection) -> None:
        now = self.clock()
        one.ready = False
        status = str(one.status)
        if one.status >= 400 and status not in self.taken.examples:
            self.taken.examples[status] = b"".join(one.body)[:300].decode("utf-8", "replace")
        self.count(one.due, one.sent, now, status, failed=one.status >= 400)
        if one.keep:
            self.free(one)
        else:
            self.close(one)
            self.open(one)

    def free(self, one: _Connection) -> None:
        one.state = _IDLE
        if self.waiting:
            self.send(one, self.waiting.popleft())
        elif self.plan.rate is None and self.clock() < self.end:
            self.send(one, None)
        else:
            self.idle.append(one)

    def failed(self, due: float, sent: float | None, now: float, why: str) -> None:
        self.count(due, sent, now, why, failed=True)

    def count(self, due: float, sent: float | None, now: float, what: str, *, failed: bool) -> None:
        if not self.first <= due < self.end:
            return
        taken = self.taken
        taken.latency.append(now - due)
        if sent is not None:
            taken.service.append(now - sent)
        taken.statuses[what] += 1
        if failed:
            taken.errors[what] += 1
        taken.last = now

    # --- the loop

    def run(self) -> None:
        offsets = self.plan.offsets() if self.plan.rate is not None else iter(())
        self.start = self.clock()
        self.first = self.start + self.plan.warm_up
        self.end = self.first + self.plan.seconds
        for one in self.connections:
            self.open(one)
        due = self.next_due(offsets)
        sweep = self.start
        while True:
            now = self.clock()
            while due <= now:
                self.arrive(due)
                due = self.next_due(offsets)
                now = self.clock()
            if now >= sweep:
                self.sweep(now)
                sweep = now + _SWEEP_SECONDS
                if now >= self.end and not self.waiting and not any(c.state == _BUSY for c in self.connections):
                    return
            wait = min(due, sweep) - self.clock()
            if wait > 0:
                select.select((self.poll,), (), (), wait)
            for number, events in self.poll.poll(0):
                self.event(self.by_number.get(number), events)

    def event(self, one: _Connection | None, events: int) -> None:
        if one is not None and events & select.EPOLLOUT:
            self.writable(one)
        if one is not None and events & ~select.EPOLLOUT and one.state in {_BUSY, _IDLE}:
            self.readable(one)

    def next_due(self, offsets: Iterator[float]) -> float:
        due = self.start + next(offsets, float("inf"))
        return due if due < self.end else float("inf")

    def arrive(self, due: float) -> None:
        while self.idle:
            one = self.idle.popleft()
            if one.state == _IDLE:  # else it was closed meanwhile
                self.send(one, due)
                if self.first <= due:
                    self.taken.lag.append(one.sent - due)
                return
        self.waiting.append(due)

    def sweep(self, now: float) -> None:
        """Give up what takes too long; open again what is down."""
        late = now - self.plan.timeout
        while self.waiting and self.waiting[0] < late:
            self.failed(self.waiting.popleft(), None, now, "timeout")
        for one in self.connections:
            if (one.state == _BUSY and one.sent < late) or (one.state == _CONNECTING and one.retry < late):
                self.lost(one, "timeout")
            if one.state == _DOWN and one.retry <= now and (now < self.end or self.waiting):
                self.open(one)


def run_load(plan: LoadPlan, *, clock: Callable[[], float] = time.perf_counter) -> LoadReport:
    """Run a load test in this thread.

    Latency is counted from the moment a request was due, so a service that stalls is charged for everybody who would
    have asked meanwhile (G. Tene, "How NOT to Measure Latency"); the time from the moment it was sent is told as well.

    Args:
        plan: what to send.
        clock: seconds.

    Raises:
        UnavailableError: the host has no address, or nobody listens there.
    """
    _probe(plan)
    load = _Load(plan, clock)
    collecting = gc.isenabled()
    gc.disable()  # a pause of the collector would be blamed on the service
    cpu, begun = time.process_time(), clock()
    try:
        load.run()
    finally:
        if collecting:
            gc.enable()
        for one in load.connections:
            load.close(one)
        load.poll.close()
    return _report(plan, load, cpu=(time.process_time() - cpu) / max(1e-9, clock() - begun))


def _report(plan: LoadPlan, load: _Load, *, cpu: float) -> LoadReport:
    taken = load.taken
    measured = max(plan.seconds, taken.last - load.first) if taken.latency else plan.seconds
    return LoadReport(
        url=plan.url,
        mode="open" if plan.rate is not None else "closed",
        offered_rate=plan.rate,
        seconds=measured,
        connections=plan.connections,
        batch=plan.batch,
        requests=len(taken.latency),
        rate=(len(taken.latency) - taken.errors.total()) / measured,
        statuses=dict(sorted(taken.statuses.items())),
        errors=taken.errors.total(),
        error_examples={what: taken.examples.get(what, "") for what in sorted(taken.errors)},
        latency_ms=Spread.of(taken.latency),
        uncorrected_ms=Spread.of(taken.service),
        generator_cpu=cpu,
        generator_lag_ms=Spread.of(taken.lag),
    )


def _probe(plan: LoadPlan) -> None:
    host, port = plan.address
    try:
        socket.create_connection((host, port), timeout=min(5.0, plan.timeout)).close()
    except OSError as error:
        raise UnavailableError(
            f"nobody answers at {host}:{port}: {error}", hint="start it with `axiom serve`"
        ) from None


def _name(error: OSError) -> Any:
    return errno.errorcode.get(error.errno or 0, type(error).__name__)
