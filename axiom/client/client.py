"""The client: every operation of the service as a method, sessions, whole lists, live events."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import httpx

from axiom.client.operations import Operations
from axiom.client.transport import Transport, problem_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PAGE = 200
_BAD = 400


@dataclass(frozen=True)
class Event:
    """Something happened to a job or a pipeline run.

    Attributes:
        id: give it as `after` to go on behind it.
        name: what happened.
        subject: id of the job or run.
        data: facts.
    """

    id: int
    name: str
    subject: str
    data: dict[str, Any]


class Client(Operations):
    """A client of one service. Close it, or use it with `with`.

    Args:
        url: of the service, for example `http://localhost:8000`.
        key: API key; None where `login` follows.
        timeout: seconds to wait for an answer.
        retries: how often a request that was turned away for now is sent again, where that is harmless.
        http: an HTTP client of one's own, for other transports; closed with this one.
        sleep: waits between two tries.
    """

    def __init__(
        self,
        url: str = "http://localhost:8000",
        *,
        key: str | None = None,
        timeout: float = 30.0,
        retries: int = 2,
        http: httpx.Client | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._http = http or httpx.Client(base_url=url, timeout=timeout)
        self._transport = Transport(self._http, key=key, retries=retries, sleep=sleep)
        self._sleep = sleep
        super().__init__(self._transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. A session that was begun goes on until `logout`."""
        self._http.close()

    @property
    def etag(self) -> str | None:
        """The ETag of the last answer: what was seen, for `if_match` of a change."""
        return self._transport.etag

    def login(self, name: str, password: str) -> Self:
        """Begin a session; it is renewed by itself when the access token runs out.

        Raises:
            UnauthorizedError: wrong name or password.
            TooManyError: too many attempts.
        """
        told = self.auth.login({"name": name, "password": password})
        self._transport.hold(told["access_token"], told["refresh_token"])
        return self

    def logout(self) -> None:
        """End the session, where there is one."""
        token = self._transport.refresh_token
        self._transport.hold(None, None)
        if token:
            self.auth.logout({"refresh_token": token})

    def every(self, listed: Callable[..., Any], **filters: Any) -> Iterator[Any]:
        """All rows of a list, page by page: `client.every(client.scores.list, min_p_churn=0.5)`."""
        offset = 0
        while True:
            page = listed(limit=_PAGE, offset=offset, **filters)
            yield from page["items"]
            offset += len(page["items"])
            if not page["items"] or offset >= page["total"]:
                return

    def follow(
        self,
        topic: Literal["jobs", "pipelines", "alerts", "throughput"],
        *,
        subject: str | None = None,
        after: int | None = None,
    ) -> Iterator[Event]:
        """Live events, for as long as the caller likes; a connection that breaks is taken up where it was.

        Args:
            topic: of what.
            subject: id of one job, pipeline run or alert.
            after: id of the last event that was seen; 0: all that are kept; None: what comes from now on.

        Raises:
            AxiomError: the service refuses.
        """
        last = after
        while True:
            query = {"subject": subject, "after": last}
            given = {name: str(value) for name, value in query.items() if value is not None}
            try:
                for event in self._stream(f"/api/events/{topic}", given):
                    last = event.id
                    yield event
            except httpx.TransportError:
                self._sleep(2.0)

    def _stream(self, path: str, query: dict[str, str]) -> Iterator[Event]:
        headers = {**self._transport.headers(), "accept": "text/event-stream"}
        # Silence is broken by comments every 15 seconds.
        with self._http.stream("GET", path, params=query, headers=headers, timeout=httpx.Timeout(10, read=60)) as reply:
            if reply.status_code >= _BAD:
                reply.read()
                raise problem_of(reply)
            for line in reply.iter_lines():
                if line.startswith("data: "):
                    told = json.loads(line[6:])
                    yield Event(told["id"], told["name"], told["subject"], told["data"])
