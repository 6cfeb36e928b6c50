"""Traces: what a request spent its time on, sent to an OpenTelemetry collector. Off unless `AXIOM_TRACES` is set."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from axiom.errors import MisuseError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager

    from axiom.settings import Settings

_CARRIED = frozenset((b"traceparent", b"tracestate"))
_PATH = "/v1/traces"


class Span(Protocol):
    """A stretch of work that is being timed."""

    def note(self, name: str, value: str | float | bool) -> None:  # noqa: FBT001  (a value, not a switch)
        """Keep a fact about it."""
        ...


class Tracing(Protocol):
    """Times stretches of work. A stretch that begins inside another one belongs to it."""

    def request(self, name: str, headers: Iterable[tuple[bytes, bytes]]) -> AbstractContextManager[Span]:
        """Time a request; it goes on with the trace of its caller (W3C `traceparent`), where there is one.

        Args:
            name: of the span.
            headers: of the request, names in lower case.
        """
        ...

    def span(self, name: str) -> AbstractContextManager[Span]:
        """Time a part of it."""
        ...

    def close(self) -> None:
        """Send what is still held."""
        ...


class _Nothing:
    """The span of everything while traces are off: one shared object, so that asking for it costs next to nothing."""

    __slots__ = ()

    def __enter__(self) -> Span:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        pass

    def note(self, name: str, value: str | float | bool) -> None:  # noqa: FBT001
        pass


_NOTHING = _Nothing()


class _Off:
    __slots__ = ()

    def request(self, name: str, headers: Iterable[tuple[bytes, bytes]]) -> AbstractContextManager[Span]:  # noqa: ARG002
        return _NOTHING

    def span(self, name: str) -> AbstractContextManager[Span]:  # noqa: ARG002
        return _NOTHING

    def close(self) -> None:
        pass


OFF: Tracing = _Off()


def open_tracing(settings: Settings, part: str) -> Tracing:
    """The tracing that the settings ask for.

    Args:
        settings: `traces` is the address of a collector (OTLP over HTTP), `traces_share` how much is kept.
        part: of Axiom that is traced, for example `predict`.

    Raises:
        MisuseError: the packages for traces are not installed.
    """
    if settings.traces is None:
        return OFF
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError:
        raise MisuseError(
            "AXIOM_TRACES is set, but the exporter of OpenTelemetry is not installed",
            hint="pip install 'axiom[traces]'",
        ) from None
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    from axiom import __version__

    address = settings.traces.rstrip("/").removesuffix(_PATH)
    provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(settings.traces_share)),
        resource=Resource.create({"service.name": f"axiom-{part}", "service.version": __version__}),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{address}{_PATH}", timeout=5)))
    return _On(provider)


class _Noted:
    __slots__ = ("_span",)

    def __init__(self, span: Any) -> None:
        self._span = span

    def note(self, name: str, value: str | float | bool) -> None:  # noqa: FBT001
        self._span.set_attribute(name, value)


class _On:
    def __init__(self, provider: Any) -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = provider
        self._tracer = provider.get_tracer("axiom")
        self._carrier = TraceContextTextMapPropagator()

    @contextmanager
    def request(self, name: str, headers: Iterable[tuple[bytes, bytes]]) -> Iterator[Span]:
        from opentelemetry.trace import SpanKind

        carried = {key.decode(): value.decode("latin-1") for key, value in headers if key in _CARRIED}
        with self._tracer.start_as_current_span(name, self._carrier.extract(carried), kind=SpanKind.SERVER) as span:
            yield _Noted(span)

    @contextmanager
    def span(self, name: str) -> Iterator[Span]:
        with self._tracer.start_as_current_span(name) as span:
            yield _Noted(span)

    def close(self) -> None:
        self._provider.shutdown()
