"""The one tree of errors. Each class owns its exit code, its HTTP and gRPC status and its problem type (RFC 9457)."""

from __future__ import annotations

from typing import ClassVar


class AxiomError(Exception):
    """Something a person can act on. `message` names the thing and the value, `hint` names the way out."""

    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500
    grpc_status: ClassVar[str] = "INTERNAL"
    problem_type: ClassVar[str] = "internal"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def __reduce__(self) -> tuple[object, ...]:
        # The keyword-only hint has to survive the trip from a Ray worker to the driver.
        return (_rebuild, (type(self), self.message, self.hint))


def _rebuild(kind: type[AxiomError], message: str, hint: str) -> AxiomError:
    return kind(message, hint=hint)


class MisuseError(AxiomError):
    """The call itself is wrong: an unknown option value, a contradiction, a malformed expression."""

    exit_code = 2
    http_status = 400
    grpc_status = "INVALID_ARGUMENT"
    problem_type = "misuse"


class BadInputError(AxiomError):
    """The data are wrong: a missing column, an unreadable file, nothing left after the filters."""

    http_status = 422
    grpc_status = "INVALID_ARGUMENT"
    problem_type = "bad-input"


class NotFoundError(AxiomError):
    """The named thing does not exist."""

    http_status = 404
    grpc_status = "NOT_FOUND"
    problem_type = "not-found"


class UnauthorizedError(AxiomError):
    """Who is asking is not known: no credential, or one that is malformed, forged, expired or revoked."""

    http_status = 401
    grpc_status = "UNAUTHENTICATED"
    problem_type = "unauthorized"


class ForbiddenError(AxiomError):
    """Who is asking is known, and may not do this."""

    http_status = 403
    grpc_status = "PERMISSION_DENIED"
    problem_type = "forbidden"


class TooManyError(AxiomError):
    """More than was agreed; `retry_after` is how many seconds to wait before the same would be let through."""

    http_status = 429
    grpc_status = "RESOURCE_EXHAUSTED"
    problem_type = "too-many"

    def __init__(self, message: str, *, hint: str = "", retry_after: float = 0.0) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild_too_many, (type(self), self.message, self.hint, self.retry_after))


def _rebuild_too_many(kind: type[TooManyError], message: str, hint: str, retry_after: float) -> TooManyError:
    return kind(message, hint=hint, retry_after=retry_after)


class TooLargeError(AxiomError):
    """One request asks for more than a stated limit: too many bytes, too many ids."""

    http_status = 413
    grpc_status = "RESOURCE_EXHAUSTED"
    problem_type = "too-large"


class ConflictError(AxiomError):
    """The state does not allow it: it exists already, or somebody changed it meanwhile."""

    http_status = 409
    grpc_status = "ABORTED"
    problem_type = "conflict"


class StaleError(ConflictError):
    """Somebody else changed it since the caller looked: the `If-Match` of HTTP does not hold."""

    http_status = 412
    problem_type = "stale"


class UnconditionalError(MisuseError):
    """A change that has to say which state of the thing it is about, and does not."""

    http_status = 428
    problem_type = "unconditional"


class QualityError(AxiomError):
    """A declared gate (data quality, leakage audit, completeness of a card) refused to let the work go on."""

    http_status = 422
    grpc_status = "FAILED_PRECONDITION"
    problem_type = "quality-gate"


class CorruptError(AxiomError):
    """Stored bytes do not match their checksum or their declared form."""

    problem_type = "corrupt"


class UnavailableError(AxiomError):
    """A service this needs (database, object store, cluster) does not answer."""

    http_status = 503
    grpc_status = "UNAVAILABLE"
    problem_type = "unavailable"
