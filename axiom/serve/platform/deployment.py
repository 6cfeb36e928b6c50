"""The `platform` deployment: it asks the `predict` application for predictions and works on the workspace itself."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from ray import serve

from axiom.errors import MisuseError, UnavailableError
from axiom.observe.workspace import WorkspaceGauges
from axiom.serve.platform.judge import Judge
from axiom.serve.platform.options import PlatformOptions
from axiom.serve.ray_push import RayPush
from axiom.settings import load_settings
from axiom.telemetry import configure_logging

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import FastAPI
    from ray.serve import Application

    from axiom.serve.asked_inside import Inside, Outcome


WORKSPACE_SECONDS = 30.0
"""How often the numbers of jobs, models and data are read for Prometheus."""


class Platform:
    """One replica."""

    def __init__(self, options: dict[str, Any]) -> None:
        believe_no_header()
        self._options = checked(options)
        self._settings = load_settings(**self._options.settings)
        configure_logging(self._settings)
        self._push = RayPush(WorkspaceGauges(self._settings), seconds=WORKSPACE_SECONDS)
        self._push.start()
        if self._options.judge_seconds:
            Judge(self._settings, self._options.judge_seconds).start()
        self._handle: Any = None

    def __serve_build_asgi_app__(self) -> FastAPI:
        from axiom.serve.platform.http import create_app
        from axiom.serve.platform.services import Services

        return create_app(Services(self._settings, self._ask, behind_proxy=behind_haproxy()))

    async def _ask(self, request: Inside) -> Outcome:
        """Let a replica of `predict` answer a request.

        Raises:
            UnavailableError: none does.
        """
        if self._handle is None:
            self._handle = serve.get_app_handle(self._options.predict)
        try:
            answered: Outcome = await self._handle.ask.remote(request)
        except Exception as error:
            raise UnavailableError(
                f"the application {self._options.predict!r} does not answer: {type(error).__name__}",
                hint="see `serve status`",
            ) from error
        return answered


def believe_no_header() -> None:
    """Keep the server that Ray starts in this process from taking over what X-Forwarded-For says.

    By default it believes whoever connects from this machine. That is HAProxy, which passes on what the client made up.
    Who is believed is said by AXIOM_TRUSTED_PROXIES.
    """
    os.environ["FORWARDED_ALLOW_IPS"] = ""


def behind_haproxy(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether Ray's HAProxy stands before this replica, so that its address is all that a connection tells."""
    return environment.get("RAY_SERVE_ENABLE_HA_PROXY") == "1"


def checked(options: dict[str, Any]) -> PlatformOptions:
    """The options of the application.

    Raises:
        MisuseError: a key is unknown or a value out of range.
    """
    try:
        return PlatformOptions(**options)
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise MisuseError(
            f"the args of the platform application are wrong: {told}",
            hint=f"they are {', '.join(PlatformOptions.model_fields)}",
        ) from None


def application(args: dict[str, Any]) -> Application:
    """Builder named in `serve_config.yaml`; `args` are `PlatformOptions`."""
    checked(args)
    return serve.deployment(serve.ingress()(Platform)).bind(args)
