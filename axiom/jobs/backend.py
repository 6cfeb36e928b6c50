"""What runs the driver of a job somewhere: the interface, and what a driver finds in its environment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from pydantic import SecretStr

from axiom.errors import MisuseError
from axiom.settings import PREFIX, mask_url

if TYPE_CHECKING:
    from axiom.db.jobs import Job
    from axiom.settings import Settings

BACKENDS = ("local", "ray", "kube")


@dataclass(frozen=True)
class Standing:
    """How a submission stands.

    Attributes:
        state: `missing`: it never arrived; `alive`: it waits or runs; `ended`; `unknown`: cannot be seen from here.
        detail: how it ended, for people.
    """

    state: Literal["missing", "alive", "ended", "unknown"]
    detail: str = ""


class JobBackend(Protocol):
    """Starts drivers, `python -m axiom.jobs.driver JOB ATTEMPT`, and looks after them.

    Whether an attempt may run is decided by the database when its driver starts: a submission that arrives twice does
    its work once.
    """

    @property
    def name(self) -> str:
        """`local`, `ray` or `kube`."""
        ...

    def submit(self, job: Job) -> None:
        """Start the driver of the latest attempt under its submission id.

        Raises:
            UnavailableError: nobody takes submissions.
        """
        ...

    def standing(self, job: Job) -> Standing:
        """How the latest attempt stands.

        Raises:
            UnavailableError: nobody answers.
        """
        ...

    def stop(self, job: Job) -> None:
        """End the driver and everything it started; does nothing where it ended, or cannot be reached from here."""
        ...

    def log(self, submission_id: str, offset: int, limit: int) -> bytes:
        """At most `limit` bytes of what an attempt wrote, from byte `offset` on; empty where there are no more yet."""
        ...


def open_backend(settings: Settings, name: str | None = None) -> JobBackend:
    """The back end of that name; default: `ray` where RAY_ADDRESS is set, else `local`.

    Raises:
        MisuseError: there is none of that name.
        UnavailableError: the Ray cluster does not answer.
    """
    chosen = name or ("ray" if os.environ.get("RAY_ADDRESS") else "local")
    if chosen == "local":
        from axiom.jobs.local import LocalBackend

        return LocalBackend(settings)
    if chosen == "ray":
        from axiom.jobs.on_ray import RayBackend

        return RayBackend.connect(settings)
    if chosen == "kube":
        from axiom.jobs.on_kube import KubeBackend

        return KubeBackend.connect(settings)
    raise MisuseError(f"there is no back end {chosen!r} for jobs", hint=f"use {' or '.join(BACKENDS)}")


def environment_of(settings: Settings) -> dict[str, str]:
    """The settings that differ from the defaults as environment variables, secrets included: for child processes."""
    return {PREFIX + name.upper(): _text(getattr(settings, name)) for name in _named(settings)}


def public_environment(settings: Settings) -> dict[str, str]:
    """The same without anything secret: for places where others can read it."""
    found = {name: getattr(settings, name) for name in _named(settings)}
    return {
        PREFIX + name.upper(): _text(value)
        for name, value in found.items()
        if not isinstance(value, SecretStr) and mask_url(_text(value)) == _text(value)
    }


def _named(settings: Settings) -> list[str]:
    # The home always: its default depends on the folder that a process runs in.
    wanted = {"home", *settings.model_fields_set}
    return sorted(name for name in wanted if getattr(settings, name) is not None)


def _text(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
