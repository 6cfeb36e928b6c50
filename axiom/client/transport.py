"""How requests go out: credentials, retries, and problem documents that become errors."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from urllib.parse import quote

import httpx

from axiom.errors import AxiomError, TooManyError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Form: TypeAlias = Literal["json", "bytes", "text", "nothing"]
_AGAIN = frozenset({429, 503})
_SAFE = frozenset({"GET", "PUT", "DELETE"})
_WITHOUT_SESSION = frozenset({"/api/auth/login", "/api/auth/refresh", "/api/auth/logout"})
_UNAUTHORIZED = 401
_BAD = 400


class Transport:
    """Sends requests to one service.

    Args:
        http: where to.
        key: API key, or None where somebody logs in.
        retries: how often a request that was turned away for now (429, 503) is sent again, where that is harmless.
        sleep: waits before that.
    """

    def __init__(
        self, http: httpx.Client, *, key: str | None, retries: int, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.http = http
        self._key, self._retries, self._sleep = key, retries, sleep
        self._refresh_token: str | None = None
        self.etag: str | None = None

    def hold(self, access: str | None, refresh: str | None) -> None:
        """Use these tokens from now on."""
        self._key, self._refresh_token = access, refresh

    @property
    def refresh_token(self) -> str | None:
        """The refresh token of the session; None without one."""
        return self._refresh_token

    def headers(self) -> dict[str, str]:
        """What identifies the caller."""
        return {"authorization": f"Bearer {self._key}"} if self._key else {}

    def call(
        self,
        method: str,
        path: str,
        in_path: Mapping[str, object],
        query: Mapping[str, object],
        headers: Mapping[str, object],
        body: object,
        form: str,
    ) -> Any:
        """Send one request and read its answer.

        Raises:
            AxiomError: of the class that the problem document names.
            UnavailableError: nobody answers.
        """
        url = path
        for name, value in in_path.items():
            url = url.replace(f"{{{name}}}", quote(str(value), safe=""))
        sent = {name: str(value) for name, value in headers.items() if value is not None}
        harmless = method in _SAFE or "Idempotency-Key" in sent
        if "Idempotency-Key" in headers and not harmless:
            # Chosen here, so that a request whose answer was lost can be sent again.
            sent["Idempotency-Key"], harmless = secrets.token_hex(16), True
        given = {name: _text(value) for name, value in query.items() if value is not None}
        reply = self._send(method, url, given, sent, body, tries=1 + (self._retries if harmless else 0))
        self.etag = reply.headers.get("etag")
        if form == "json":
            return reply.json()
        return {"bytes": reply.content, "text": reply.text}.get(form)

    def _send(
        self, method: str, url: str, query: dict[str, str], headers: dict[str, str], body: object, *, tries: int
    ) -> httpx.Response:
        for left in range(tries - 1, -1, -1):
            try:
                reply = self._once(method, url, query, headers, body)
            except httpx.TransportError as error:
                if not left:
                    told = f"{self.http.base_url} does not answer: {type(error).__name__}"
                    raise UnavailableError(told, hint="is the service up?") from error
                self._sleep(1.0)
                continue
            if reply.status_code < _BAD:
                return reply
            if reply.status_code not in _AGAIN or not left:
                raise problem_of(reply)
            self._sleep(_seconds(reply))
        raise AssertionError(tries)  # pragma: no cover - the loop returns or raises

    def _once(
        self, method: str, url: str, query: dict[str, str], headers: dict[str, str], body: object
    ) -> httpx.Response:
        def ask() -> httpx.Response:
            content = {} if body is None else {"json": body}
            return self.http.request(method, url, params=query, headers={**self.headers(), **headers}, **content)  # type: ignore[arg-type]

        reply = ask()
        if reply.status_code == _UNAUTHORIZED and self._refresh_token and url not in _WITHOUT_SESSION:
            self._renew()
            reply = ask()
        return reply

    def _renew(self) -> None:
        token, self._refresh_token = self._refresh_token, None  # good for one use
        reply = self.http.post("/api/auth/refresh", json={"refresh_token": token})
        if reply.status_code < _BAD:
            told = reply.json()
            self.hold(told["access_token"], told["refresh_token"])


def problem_of(reply: httpx.Response) -> AxiomError:
    """The error that a problem document names; `AxiomError` for a type that this version does not know."""
    try:
        told = reply.json()
    except ValueError:
        told = {"type": "", "detail": f"the service answers {reply.status_code}"}
    kind = str(told.get("type", "")).removeprefix("/problems/")
    found = next((one for one in _tree(AxiomError) if one.problem_type == kind), AxiomError)
    message, hint = str(told.get("detail", reply.status_code)), str(told.get("hint", ""))
    if issubclass(found, TooManyError):
        return found(message, hint=hint, retry_after=_seconds(reply))
    return found(message, hint=hint)


def _tree(kind: type[AxiomError]) -> list[type[AxiomError]]:
    return [found for one in kind.__subclasses__() for found in (one, *_tree(one))]


def _seconds(reply: httpx.Response) -> float:
    text = reply.headers.get("retry-after", "1")
    return float(text) if text.isdigit() else 1.0


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
