"""What to send, how often, how long."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote, urlsplit

import orjson

from axiom.errors import MisuseError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOST_DISTINCT = 10_000
MOST_CONNECTIONS = 5_000
IN_PATH = "{id}"


@dataclass(frozen=True)
class LoadPlan:
    """One load test.

    Attributes:
        url: `http://host[:port]/path`, where every request goes; `{id}` in it, with GET, stands for the customer.
        rate: requests a second that arrive whatever the service does (open loop); None: each connection sends its next
            request when it has the last answer (closed loop).
        seconds: length of the measurement.
        warm_up: seconds before it whose requests are sent and not counted.
        connections: kept open; where all are busy, requests wait, and their waiting counts.
        arrivals: evenly spaced, or a Poisson process of the same rate.
        method: GET puts the id into the query, POST into a JSON body.
        batch: ids in one request; 1 asks for `customer_id`, more for `customer_ids`.
        ids: customers to ask for, in random order; empty: the URL as it stands.
        key: API key, sent as a bearer token.
        timeout: seconds after which a request has failed.
        seed: of arrivals and order.
    """

    url: str
    rate: float | None = None
    seconds: float = 10.0
    warm_up: float = 2.0
    connections: int = 64
    arrivals: Literal["constant", "poisson"] = "constant"
    method: Literal["GET", "POST"] = "POST"
    batch: int = 1
    ids: Sequence[str] = ()
    key: str = field(default="", repr=False)
    timeout: float = 10.0
    seed: int = 42

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            MisuseError: names it.
        """
        parts = urlsplit(self.url)
        if parts.scheme != "http" or not parts.hostname:
            raise MisuseError(
                f"{self.url!r} is not an http:// URL", hint="encrypted services are tested behind their TLS proxy"
            )
        _ = self.address  # a port that is no number
        wrong = [
            f"{name} {value:g}"
            for name, value, good in (
                ("rate", self.rate or 0.0, self.rate is None or 0 < self.rate <= 1e6),
                ("seconds", self.seconds, 0 < self.seconds <= 1e5),
                ("warm-up", self.warm_up, 0 <= self.warm_up <= 1e4),
                ("connections", self.connections, 1 <= self.connections <= MOST_CONNECTIONS),
                ("batch", self.batch, self.batch >= 1),
                ("timeout", self.timeout, 0 < self.timeout <= 1e4),
            )
            if not good
        ]
        if wrong:
            raise MisuseError(f"{', '.join(wrong)} is out of range")
        if self.batch > 1 and (self.method == "GET" or not self.ids):
            raise MisuseError("a batch needs POST and ids")
        if any(letter in self.key for letter in "\r\n"):
            raise MisuseError("the key holds a line break")

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.url)
        try:
            return parts.hostname or "", parts.port or 80
        except ValueError:
            raise MisuseError(f"{self.url!r} has no valid port") from None

    def requests(self) -> list[bytes]:
        """Whole requests in the order they are sent, again and again."""
        if not self.ids:
            return [self._request("", b"{}" if self.method == "POST" else b"")]
        order = list(self.ids)
        random.Random(self.seed).shuffle(order)  # noqa: S311  (nothing secret)
        chosen = order[: MOST_DISTINCT * self.batch]
        if self.batch > 1:
            groups = [chosen[start : start + self.batch] for start in range(0, len(chosen), self.batch)]
            full = [group for group in groups if len(group) == self.batch] or [
                [chosen[place % len(chosen)] for place in range(self.batch)]
            ]
            return [self._request("", orjson.dumps({"customer_ids": group})) for group in full]
        if self.method == "POST":
            return [self._request("", orjson.dumps({"customer_id": one})) for one in chosen]
        if IN_PATH in self.url:
            return [self._request("", b"", quote(one, safe="")) for one in chosen]
        return [self._request(f"customer_id={quote(one, safe='')}", b"") for one in chosen]

    def offsets(self) -> Iterator[float]:
        """When requests arrive, seconds from the start, without end (open loop)."""
        if self.rate is None:
            raise MisuseError("a closed loop has no arrivals")
        if self.arrivals == "constant":
            number = 0
            while True:
                yield number / self.rate
                number += 1
        dice, at = random.Random(self.seed), 0.0  # noqa: S311
        while True:
            at += dice.expovariate(self.rate)
            yield at

    def _request(self, query: str, body: bytes, customer: str = "") -> bytes:
        parts = urlsplit(self.url.replace(IN_PATH, customer))
        query = "&".join(filter(None, (parts.query, query)))
        target = (quote(parts.path, safe="/%:@!$&'()*+,;=~-._") or "/") + (f"?{query}" if query else "")
        lines = [f"{self.method} {target} HTTP/1.1", f"host: {parts.netloc.rpartition('@')[2]}"]
        if self.key:
            lines.append(f"authorization: Bearer {self.key}")
        if self.method == "POST":
            lines += ["content-type: application/json", f"content-length: {len(body)}"]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body
