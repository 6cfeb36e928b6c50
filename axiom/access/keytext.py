"""The text of an API key, `axk_<id>_<secret>`: 12 letters and digits that name it, 256 random bits that prove it."""

from __future__ import annotations

import hashlib
import secrets
import string

from axiom.errors import UnauthorizedError

PREFIX = "axk_"
_ID = 12
_SECRET = 43  # 32 bytes in URL-safe base64
_ID_END = len(PREFIX) + _ID
LENGTH = _ID_END + 1 + _SECRET
_LETTERS = string.ascii_lowercase + string.digits


def new_id() -> str:
    """A fresh key id; 62 bits, so that two keys never share one by chance."""
    return "".join(secrets.choice(_LETTERS) for _ in range(_ID))


def new_text(key_id: str) -> str:
    """The text of a key with a fresh secret. It exists only here: the database keeps its `digest`."""
    return f"{PREFIX}{key_id}_{secrets.token_urlsafe(32)}"


def id_of(text: str) -> str:
    """The id inside a key text.

    Raises:
        UnauthorizedError: It does not look like a key. The text is not repeated: it may be a password.
    """
    if len(text) != LENGTH or text[_ID_END] != "_" or not text.startswith(PREFIX) or not text.isascii():
        raise UnauthorizedError("that is not an API key", hint=f"a key is {LENGTH} characters long: axk_<id>_<secret>")
    return text[len(PREFIX) : _ID_END]


def digest(text: str) -> bytes:
    """SHA-256 of the whole text. A slow hash would protect nothing: 256 random bits cannot be guessed."""
    return hashlib.sha256(text.encode()).digest()
