"""One `Settings` object, read from `AXIOM_*` environment variables and explicit overrides."""

from __future__ import annotations

import difflib
import os
import re
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from axiom.errors import MisuseError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic_core import ErrorDetails

PREFIX = "AXIOM_"
# Greedy on purpose: a password with an unescaped "/" or "@" is masked whole, at the price of hiding too much.
_URL_PASSWORD = re.compile(r"([a-z][a-z0-9+.-]*://[^\s:/?#]*):\S*@", re.IGNORECASE)
_QUERY_PASSWORD = re.compile(r"([?&](?:password|passwd|secret|token)=)[^&\s]*", re.IGNORECASE)
_SECRET_BYTES = 32
_SECRET_VARIETY = 8  # different characters; 32 random bytes have more in any notation
_SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def mask_url(text: str) -> str:
    """Replace the password of every URL inside `text` by `***`."""
    return _QUERY_PASSWORD.sub(r"\1***", _URL_PASSWORD.sub(r"\1:***@", text))


def _absolute(path: Path) -> Path:
    # Ray workers run in another directory, so a relative path must be settled by the process that read it.
    return path.expanduser().absolute()


def _absolute_unless_uri(location: str) -> str:
    return location if _SCHEME.match(location) else str(_absolute(Path(location)))


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _list_of_networks(text: str) -> str:
    for part in text.split(","):
        try:
            ip_network(part.strip())
        except ValueError:
            msg = f"{part.strip()!r} is no address and no network; use a list like 10.0.0.0/8, 192.0.2.7"
            raise ValueError(msg) from None
    return text


def _hard_to_guess(secret: SecretStr) -> SecretStr:
    value = secret.get_secret_value()
    if len(value.encode()) < _SECRET_BYTES or len(set(value)) < _SECRET_VARIETY:
        msg = f"at least {_SECRET_BYTES} random bytes are needed; make them with: openssl rand -hex 32"
        raise ValueError(msg)
    return secret


class SettingDoc(NamedTuple):
    """One line of the settings reference: `env` is the variable, `default` is text ("" means unset)."""

    env: str
    default: str
    description: str


class Settings(BaseSettings):
    """Everything that differs between two installations. Immutable; build it with `load_settings`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", validate_default=True, env_ignore_empty=True
    )

    home: Annotated[Path, AfterValidator(_absolute)] = Field(
        Path(".axiom"), description="Directory of everything local: database, lake, caches."
    )
    lake_uri: Annotated[str, AfterValidator(_absolute_unless_uri)] | None = Field(
        None, description="Lake as a directory or an s3:// URI. Unset: <home>/lake."
    )
    database_url: str | None = Field(
        None, description="SQL database: sqlite:///... or postgresql+psycopg://... Unset: <home>/axiom.db (SQLite)."
    )
    redis_url: str | None = Field(None, description="Redis for online features. Unset: embedded store under <home>.")
    buckets: int = Field(16, ge=1, le=4096, description="Hash buckets per entity; fixed when the lake is created.")
    engine: Literal["ray", "inline"] = Field(
        "ray", description="What spreads the work: `ray`, or `inline` for one process without Ray."
    )
    num_cpus: int | None = Field(None, ge=1, description="CPUs that a local Ray may use. Unset: all.")
    currency: Annotated[str, BeforeValidator(_upper)] = Field(
        "USD", pattern=r"^[A-Z]{3}$", description="ISO 4217 code that money is shown in."
    )
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(_upper)] = Field(
        "INFO", description="Least severe log line that is shown: DEBUG, INFO, WARNING or ERROR."
    )
    log_format: Literal["console", "json"] = Field("console", description="Log lines for people or as JSON objects.")
    auth: Literal["required", "off"] = Field(
        "required", description="Whether callers need an API key: `required`, or `off` for a machine of your own."
    )
    secret_key: Annotated[SecretStr, AfterValidator(_hard_to_guess)] | None = Field(
        None, description="Signs the access tokens of people; 32 bytes or more. No default: nobody else may know it."
    )
    rate_limit: float = Field(
        100.0, gt=0, allow_inf_nan=False, description="Requests a second of an API key that has no rate of its own."
    )
    rate_burst: float = Field(
        200.0, ge=1, allow_inf_nan=False, description="Requests at once of an API key that has no burst of its own."
    )
    trusted_proxies: Annotated[str, AfterValidator(_list_of_networks)] | None = Field(
        None,
        description="Networks of the proxies in front, like `10.0.0.0/8, 192.0.2.7`: who asks is read from their "
        "X-Forwarded-For, to limit log-ins by address. Unset: nobody's is believed.",
    )
    source_folders: str | None = Field(
        None,
        description="Folders, separated by `:`, whose files may be read by sources that are registered over HTTP. "
        "Unset: <home>/incoming.",
    )
    s3_endpoint: str | None = Field(None, description="URL of an S3-compatible store. Unset: AWS.")
    s3_region: str | None = Field(None, description="Region of the bucket.")
    s3_access_key: SecretStr | None = Field(None, description="Access key id. Unset: the usual AWS credential chain.")
    s3_secret_key: SecretStr | None = Field(None, description="Secret key; needed together with the access key.")
    mlflow_tracking_uri: str | None = Field(
        None,
        description="MLflow store that registered models are logged to: http(s)://... or sqlite:///... Unset: none.",
    )
    traces: str | None = Field(
        None,
        pattern=r"^https?://",
        description="Where traces go: an OTLP/HTTP address like http://host:4318. Unset: off.",
    )
    traces_share: float = Field(
        0.1, ge=0, le=1, description="Share of the requests that are traced, where their caller does not say so itself."
    )
    kube_job: Path | None = Field(
        None, description="RayJob that jobs with `--backend kube` are made from. Unset: no jobs on Kubernetes."
    )
    seed: int = Field(42, ge=0, le=2**32 - 1, description="Seed of every random choice, so that runs repeat exactly.")

    @model_validator(mode="after")
    def _keys_come_in_pairs(self) -> Settings:
        if (self.s3_access_key is None) != (self.s3_secret_key is None):
            msg = "AXIOM_S3_ACCESS_KEY and AXIOM_S3_SECRET_KEY must be set together"
            raise ValueError(msg)
        return self

    @property
    def lake_location(self) -> str:
        """Directory or URI of the lake."""
        return self.lake_uri or str(self.home / "lake")

    @property
    def database_location(self) -> str:
        """SQLAlchemy URL of the database."""
        return self.database_url or f"sqlite:///{self.home / 'axiom.db'}"

    @property
    def source_roots(self) -> tuple[Path, ...]:
        """Folders whose files may be read by sources that are registered over HTTP."""
        named = [part for part in (self.source_folders or "").split(os.pathsep) if part]
        return tuple(_absolute(Path(part)) for part in named) or (self.home / "incoming",)

    @classmethod
    def describe(cls) -> list[SettingDoc]:
        """List every setting with its environment variable, default and meaning."""
        return [
            SettingDoc(_env(name), "" if field.default is None else str(field.default), field.description or "")
            for name, field in cls.model_fields.items()
        ]

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            yield name, mask_url(value) if isinstance(value, str) else value


def load_settings(**overrides: Any) -> Settings:
    """Read the settings: explicit `overrides` first, then `AXIOM_*` variables, then defaults.

    Raises:
        MisuseError: A value is out of range, an override is unknown, or an unknown `AXIOM_*` variable looks
            like a misspelt setting.
    """
    _refuse_misspelt(os.environ)
    try:
        return Settings(**overrides)
    except ValidationError as error:
        # `from None`: the chained pydantic error would print the raw input, which may hold a password.
        raise MisuseError("; ".join(_explain(e) for e in error.errors()), hint=_way_out(error)) from None


def _env(field: str) -> str:
    return PREFIX + field.upper()


def _refuse_misspelt(names: Iterable[str]) -> None:
    known = [field.upper() for field in Settings.model_fields]
    for name in sorted(names):
        stem = name.upper().removeprefix(PREFIX)
        if not name.upper().startswith(PREFIX) or stem in known:
            continue
        # Variables that resemble nothing are left alone: Kubernetes sets AXIOM_SERVICE_HOST and the like by itself.
        if close := difflib.get_close_matches(stem, known, n=1, cutoff=0.75):
            raise MisuseError(f"{name} is not a setting", hint=f"did you mean {PREFIX}{close[0]}?")


def _explain(error: ErrorDetails) -> str:
    problem = error["msg"].removeprefix("Value error, ")
    if not error["loc"]:
        return problem
    field = str(error["loc"][0])
    if error["type"] == "extra_forbidden":
        return f"{field} is not a setting"
    shown = "***" if isinstance(error["input"], SecretStr) or "key" in field else mask_url(repr(error["input"]))
    return f"{_env(field)}={shown}: {problem[:1].lower()}{problem[1:]}"


def _way_out(error: ValidationError) -> str:
    unknown = [str(e["loc"][0]) for e in error.errors() if e["type"] == "extra_forbidden"]
    close = difflib.get_close_matches(unknown[0], Settings.model_fields, n=1) if unknown else []
    return f"did you mean {close[0]}?" if close else ""
