"""The `predict` deployment: what Ray Serve starts, asks and stops."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError
from ray import serve

from axiom.errors import MisuseError
from axiom.serve.asked_inside import ask
from axiom.serve.predict.autoscaling import BusyMeter
from axiom.serve.predict.grpc import GrpcService
from axiom.serve.predict.http import create_app
from axiom.serve.predict.options import PredictArgs, PredictOptions
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
Options = TypeVar("Options", bound=BaseModel)


class Predict:
    """One replica. HTTP comes in through the application that it builds, gRPC through methods named as in the proto."""

    def __init__(self, args: dict[str, Any]) -> None:
        settings = load_settings(**checked(PredictArgs, args, "args").settings)
        configure_logging(settings)
        # Python lets a thread run for 5 ms before another gets its turn: too long for requests to wait for the log's.
        sys.setswitchinterval(SWITCH_SECONDS)
        self._replica = Replica(settings, PredictOptions()).start()
        self._answers = False
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

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Take options over: Ray calls it before the first request, and when `user_config` changed meanwhile.

        Raises:
            MisuseError: one is wrong, and this replica is new; one that answers already goes on with those before.
        """
        try:
            options = checked(PredictOptions, user_config, "user_config")
        except MisuseError as error:
            if not self._answers:
                raise
            self._replica.refuse(error)
            return
        await asyncio.to_thread(self._replica.adopt, options)

    async def check_health(self) -> None:
        """Ray asks regularly and replaces a replica that fails or does not answer."""
        self._replica.check()
        self._answers = True

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


def checked(model: type[Options], told: dict[str, Any], where: str) -> Options:
    """What the configuration says, as a model.

    Args:
        model: what it becomes.
        told: as it stands in the file.
        where: the key it stands under.

    Raises:
        MisuseError: a key is unknown or a value out of range.
    """
    try:
        return model(**told)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise MisuseError(
            f"the {where} of the predict application is wrong: {wrong}",
            hint=f"the keys are {', '.join(model.model_fields)}",
        ) from None


def application(args: dict[str, Any]) -> Application:
    """Builder named in `serve_config.yaml`; `args` are `PredictArgs`."""
    checked(PredictArgs, args, "args")
    return serve.deployment(serve.ingress()(Predict)).bind(args)
