"""The gRPC contract of online scoring: messages in, the service's answers out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import grpc
import orjson
from structlog.contextvars import bind_contextvars

from axiom.errors import AxiomError, BadInputError, MisuseError, TooLargeError
from axiom.serve.predict.asked import MAX_BODY, Asked, asked_of, checked_id, many_customers, one_customer
from axiom.serve.predict.http import REFUSALS, clean_id
from axiom.serve.predict.proto import axiom_predict_pb2 as pb
from axiom.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from axiom.access.keyring import Caller
    from axiom.serve.predict.lines import Kind
    from axiom.serve.predict.service import Service

_log = get_logger(__name__)


class GrpcCall:
    """One call: its id, its key, when it came."""

    __slots__ = ("caller", "headers", "key", "request_id", "started")

    def __init__(self, context: Any, service: Service) -> None:
        self.started = time.perf_counter()
        self.caller: Caller | None = None
        metadata = {str(name).lower(): value for name, value in context.invocation_metadata() or ()}
        self.headers = ((name.encode(), str(value).encode()) for name, value in metadata.items())
        self.key = str(metadata.get("x-api-key") or "") or None
        bearer = str(metadata.get("authorization") or "")
        if self.key is None and bearer[:7].lower() == "bearer ":
            self.key = bearer[7:].strip()
        self.request_id = clean_id(str(metadata.get("x-request-id") or "")) or service.next_id()


class GrpcService:
    """The methods of `axiom.predict.v1.Predict` over one service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def churn(self, request: pb.PredictRequest, context: Any) -> Any:
        """P(churn) of one customer, or of posted features or history."""
        return await self._door("churn", context, pb.ChurnReply, lambda call: self._one("churn", request, call))

    async def clv(self, request: pb.PredictRequest, context: Any) -> Any:
        """Lifetime value, likewise."""
        return await self._door("clv", context, pb.ClvReply, lambda call: self._one("clv", request, call))

    async def churn_batch(self, request: pb.BatchRequest, context: Any) -> Any:
        """P(churn) of several customers."""
        return await self._door("churn", context, pb.ChurnBatchReply, lambda call: self._many("churn", request, call))

    async def clv_batch(self, request: pb.BatchRequest, context: Any) -> Any:
        """Lifetime value of several customers."""
        return await self._door("clv", context, pb.ClvBatchReply, lambda call: self._many("clv", request, call))

    async def explain(self, request: pb.ExplainRequest, context: Any) -> Any:
        """Why a customer's P(churn) is what it is."""

        async def answer(call: GrpcCall) -> pb.ExplainReply:
            return _explained(await self._service.explain(checked_id(request.customer_id), call))

        return await self._door("explain", context, pb.ExplainReply, answer)

    async def _one(self, kind: Kind, request: pb.PredictRequest, call: GrpcCall) -> Any:
        if request.ByteSize() > MAX_BODY:
            raise TooLargeError(f"the request is larger than {MAX_BODY:,} bytes", hint="send less of the history")
        return _MESSAGE[kind](await self._service.predict(kind, asked_by(request), call))

    async def _many(self, kind: Kind, request: pb.BatchRequest, call: GrpcCall) -> Any:
        found = await self._service.predict(kind, many_customers(list(request.customer_ids)), call)
        batch = pb.ChurnBatchReply if kind == "churn" else pb.ClvBatchReply
        return batch(predictions=map(_MESSAGE[kind], found["predictions"]), not_found=found["not_found"])

    async def _door(
        self, name: str, context: Any, empty: Callable[[], Any], work: Callable[[GrpcCall], Awaitable[Any]]
    ) -> Any:
        """Admit, answer, count; whatever goes wrong becomes a status, because a raised error would be logged whole."""
        call = GrpcCall(context, self._service)
        metrics = self._service.metrics
        metrics.begin()
        context.set_trailing_metadata([("x-request-id", call.request_id)])  # a list: Ray appends to it
        bind_contextvars(request_id=call.request_id)
        with self._service.tracing.request(f"grpc_{name}", call.headers) as span:
            status, reply = await self._reply(name, call, context, empty, work)
            span.note("rpc.grpc.status_code", int(status.value[0]))
            span.note("axiom.request_id", call.request_id)
        metrics.request(f"grpc_{name}", int(status.value[0]), time.perf_counter() - call.started)
        return reply

    async def _reply(
        self,
        name: str,
        call: GrpcCall,
        context: Any,
        empty: Callable[[], Any],
        work: Callable[[GrpcCall], Awaitable[Any]],
    ) -> tuple[grpc.StatusCode, Any]:
        metrics = self._service.metrics
        status = grpc.StatusCode.OK
        try:
            call.caller = await self._service.admit(call.key, "explain" if name == "explain" else "predict")
            reply = await work(call)
        except AxiomError as error:
            if (reason := REFUSALS.get(type(error))) is not None:
                metrics.rejected(reason)
            status = grpc.StatusCode[error.grpc_status]
            reply = _refused(
                context, status, f"{error.message} (hint: {error.hint})" if error.hint else error.message, empty
            )
        except Exception as error:  # noqa: BLE001  (the one place where a bug becomes INTERNAL and the process goes on)
            status = grpc.StatusCode.INTERNAL
            _log.error("request_failed", route=f"grpc_{name}", error=repr(error), exc_info=True)
            reply = _refused(context, status, f"internal error; request id {call.request_id}", empty)
        finally:
            metrics.end()
        return status, reply


def asked_by(request: pb.PredictRequest) -> Asked:
    """The request that a message asks for.

    Raises:
        BadInputError: none of the ways is set, or a value is malformed.
        MisuseError: the history is no JSON.
    """
    way = request.WhichOneof("way")
    if way == "customer_id":
        return one_customer(request.customer_id)
    if way == "features":
        return asked_of({"features": {name: _value(value) for name, value in request.features.values.items()}})
    if way == "history":
        try:
            history = orjson.loads(request.history.json or "null")
        except orjson.JSONDecodeError as error:
            raise MisuseError(f"the history is not JSON: {error}") from None
        return asked_of({"history": history, "as_of": request.history.as_of or None})
    raise BadInputError("none of customer_id, features and history is set", hint="set exactly one of them")


def _value(value: pb.Value) -> float | str | None:
    kind = value.WhichOneof("kind")
    return None if kind is None else getattr(value, kind)


def _told(value: float | str | None) -> pb.Value | None:
    if value is None:
        return None
    return pb.Value(text=value) if isinstance(value, str) else pb.Value(number=float(value))


def _about(reply: dict[str, Any]) -> pb.About:
    return pb.About(
        customer_id=reply["customer_id"],
        horizon_days=reply["horizon_days"],
        model=reply["model"],
        role=reply["role"],
        as_of=reply["as_of"],
        cached=reply["cached"],
    )


def _interval(reply: dict[str, Any]) -> pb.Interval | None:
    return None if reply["interval"] is None else pb.Interval(**reply["interval"])


def _churn(reply: dict[str, Any]) -> pb.ChurnReply:
    return pb.ChurnReply(
        p_churn=reply["p_churn"],
        p_churn_raw=reply["p_churn_raw"],
        interval=_interval(reply),
        threshold=reply["threshold"],
        contact=reply["contact"],
        about=_about(reply),
    )


def _clv(reply: dict[str, Any]) -> pb.ClvReply:
    return pb.ClvReply(
        clv=reply["clv"],
        interval=_interval(reply),
        expected_purchases=reply["expected_purchases"],
        p_alive=reply["p_alive"],
        note=reply.get("note", ""),
        about=_about(reply),
    )


_MESSAGE: dict[str, Callable[[dict[str, Any]], Any]] = {"churn": _churn, "clv": _clv}


def _explained(reply: dict[str, Any]) -> pb.ExplainReply:
    def term(one: dict[str, Any]) -> dict[str, Any]:
        return {**one, "value": _told(one["value"])}

    return pb.ExplainReply(
        churn=_churn(reply),
        clv=_clv(reply["clv"]) if "clv" in reply else None,
        base=reply.get("base"),
        scale=reply.get("scale", ""),
        contributions=[pb.Contribution(**term(one)) for one in reply["contributions"]],
        reasons=[pb.Reason(**term(one)) for one in reply["reasons"]],
        actions=reply["actions"],
        note=reply.get("note", ""),
    )


def _refused(context: Any, status: grpc.StatusCode, details: str, empty: Callable[[], Any]) -> Any:
    context.set_code(status)
    context.set_details(details)
    return empty()
