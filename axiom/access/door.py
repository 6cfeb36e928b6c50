"""The one door of the hot path: API keys of applications and access tokens of people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axiom.errors import UnauthorizedError

if TYPE_CHECKING:
    from axiom.access.keyring import Caller, KeyRing
    from axiom.access.people import PeopleRing

_TOKEN = "eyJ"  # noqa: S105  (`{"` in base64: every access token begins so, and no API key does)


class FrontDoor:
    """Lets in who has a good key or a good access token.

    Args:
        keys: checks keys.
        people: checks access tokens; None where nobody can log in.
    """

    def __init__(self, keys: KeyRing, people: PeopleRing | None) -> None:
        self._keys, self._people = keys, people

    def check(self, text: str | None, scope: str) -> Caller:
        """Who sent this key or access token, if it is good for `scope`.

        Raises:
            UnauthorizedError: There is none, or it is no good.
            ForbiddenError: The key lacks the scope, or the role may not.
            UnavailableError: It cannot be checked because the database is away.
        """
        if text and text.startswith(_TOKEN):
            if self._people is None:
                raise UnauthorizedError(
                    "access tokens are no good here: AXIOM_SECRET_KEY is not set", hint="use an API key"
                )
            return self._people.check(text, scope)
        return self._keys.check(text, scope)

    @property
    def degraded(self) -> str | None:
        """Why keys or people may be out of date; None while they are not."""
        return self._keys.degraded or (self._people.degraded if self._people is not None else None)

    def refresh(self) -> bool:
        """Ask the database what changed; False when it did not answer."""
        known = self._keys.refresh()
        return known if self._people is None else self._people.refresh() and known

    def close(self) -> None:
        """Stop watching."""
        self._keys.close()
        if self._people is not None:
            self._people.close()
