"""The `predict` deployment: what Ray Serve starts, asks and stops."""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from ray import serve

from axiom.errors import MisuseError
from axiom.serve.asked_inside import ask
from axiom.serve.predict.autoscaling import BusyMeter
from axiom.serve.predict.grpc import GrpcService
from axiom.serve.predict.http import create_app
from axiom.serve.predict.options import PredictOptions
from axiom.serve.predict.replica import Replica
from axiom.serve.predict.service import Service
from axiom.settings import load_settings
from axiom.telemetry import configure_logging

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ray.serve import Application
    from starlette.applications import Starlette

    from axiom.serve.asked_inside import Inside, Outcome
    from axiom.serve.predict.proto import axiom_predict_pb2 as pb


SWITCH_SECONDS = 0.0005


class Predict:
    """One replica. HTTP comes in through the application that it builds, gRPC through methods named as in the proto."""

    def __init__(self, options: dict[str, Any]) -> None:
        told = checked(options)
        settings = load_settings(**told.settings)
        configure_logging(settings)
        # Python lets a thread run for 5 ms before another gets its turn: too long for requests to wait for the log's.
        sys.setswitchinterval(SWITCH_SECONDS)
        self._replica = Replica(settings, told).start()
        self._service = Service(self._replica)
        self._grpc = GrpcService(self._service)
        self._app = create_app(self._service, lifespan=self._lifespan, tell_id=False)  # Ray adds it
        self._busy = BusyMeter()
        self._replica.metrics.watch("axiom_predict_busy_ratio", self._busy.share)

    def __serve_build_asgi_app__(self) -> Starlette:
        return self._app

    async def Churn(self, request: pb.PredictRequest, grpc_context: Any) -> Any:  # noqa: D102, N802 (proto)
        return await self._grpc.churn(request, grpc_context)

    async def Clv(self, request: pb.PredictRequest, grpc_context: Any) -> Any:  # noqa: D102, N802
        return await self._grpc.clv(request, grpc_context)

    async def ChurnBatch(self, request: pb.BatchRequest, grpc_context: Any) -> Any:  # noqa: D102, N802
        return await self._grpc.churn_batch(request, grpc_context)

    async def ClvBatch(self, request: pb.BatchRequest, grpc_context: Any) -> Any:  # noqa: D102, N802
        return await self._grpc.clv_batch(request, grpc_context)

    async def Explain(self, request: pb.ExplainRequest, grpc_context: Any) -> Any:  # noqa: D102, N802
        return await self._grpc.explain(request, grpc_context)

    async def ask(self, request: Inside) -> Outcome:
        """Answer a request of another application, by the same routes."""
        return await ask(self._app, request)

    async def check_health(self) -> None:
        """Ray asks regularly and replaces a replica that fails or does not answer."""
        self._replica.check()

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """What the scaling policy looks at."""
        return {"busy": self._busy.share()}

    def __del__(self) -> None:
        """Ray's way of saying goodbye: the inference log writes what it still holds."""
        replica = getattr(self, "_replica", None)
        if replica is not None:
            replica.close()

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        self._replica.lag.start()
        yield
        self._replica.lag.close()


def checked(options: dict[str, Any]) -> PredictOptions:
    """The options of the application.

    Raises:
        MisuseError: a key is unknown or a value out of range.
    """
    try:
        return PredictOptions(**options)
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise MisuseError(
            f"the args of the predict application are wrong: {told}",
            hint=f"they are {', '.join(PredictOptions.model_fields)}",
        ) from None


def application(args: dict[str, Any]) -> Application:
    """Builder named in `serve_config.yaml`; `args` are `PredictOptions`."""
    checked(args)
    return serve.deployment(serve.ingress()(Predict)).bind(args)
