"""Passwords: argon2id (RFC 9106), and what is too weak to be one."""

from __future__ import annotations

import unicodedata
from threading import BoundedSemaphore
from typing import TYPE_CHECKING

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from axiom.errors import CorruptError, MisuseError

if TYPE_CHECKING:
    from collections.abc import Iterable

SHORTEST = 12
LONGEST = 256  # characters; more proves nothing and makes the hash a way to keep a server busy
_FEWEST_DIFFERENT = 5
_AT_ONCE = 2  # hashes that may run together: each takes 64 MiB and most of a core
_COMMON = ("password", "passwort", "qwerty", "letmein", "welcome", "changeme", "administrator", "axiom", "123456")


class Passwords:
    """Hashes and verifies passwords.

    Args:
        hasher: argon2id with the second recommended choice of RFC 9106 by default: 64 MiB, 3 passes.
    """

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._room = BoundedSemaphore(_AT_ONCE)
        self._nobody = self._hasher.hash("nobody has this password")

    def hash(self, password: str) -> str:
        """The text to store."""
        with self._room:
            return self._hasher.hash(_normal(password))

    def verify(self, stored: str | None, password: str) -> bool:
        """Whether the password is the stored one. Without a stored one: no, after just as long.

        Raises:
            CorruptError: What is stored is no argon2 hash.
        """
        with self._room:
            try:
                return (
                    self._hasher.verify(stored or self._nobody, _normal(password[: LONGEST + 1])) and stored is not None
                )
            except VerifyMismatchError:
                return False
            except InvalidHashError:
                raise CorruptError(
                    "a stored password is no argon2 hash", hint="`axiom user password` sets it"
                ) from None

    def is_dated(self, stored: str) -> bool:
        """Whether the hash was made with other costs than today's."""
        return self._hasher.check_needs_rehash(stored)


def check_password(password: str, *, names: Iterable[str] = ()) -> None:
    """Refuse what is guessed first. The password is never repeated.

    Args:
        password: as it was typed.
        names: what it must not be made of: the user's own name.

    Raises:
        MisuseError: Too short, too long, too few different characters, or made of a name or a common word.
    """
    hint = f"at least {SHORTEST} characters; several words in a row are good"
    if not SHORTEST <= len(password) <= LONGEST:
        raise MisuseError(
            f"the password has {len(password)} characters, {SHORTEST} to {LONGEST} are allowed", hint=hint
        )
    if len(set(password)) < _FEWEST_DIFFERENT:
        raise MisuseError("the password repeats too few characters", hint=hint)
    low = password.casefold()
    for word in (*_COMMON, *(name.casefold() for name in names)):
        if word and word in low and len(low) - len(word) * low.count(word) < SHORTEST // 2:
            raise MisuseError("the password is little more than a name or a common word", hint=hint)


def _normal(password: str) -> bytes:
    # The same letters typed on another keyboard may arrive as other code points (RFC 8265).
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
