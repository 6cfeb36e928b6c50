"""`serve_config.yaml`, read strictly: what runs, on which ports, with how many replicas."""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from axiom.errors import MisuseError, NotFoundError
from axiom.serve.config_keys import Problem, unknown_keys
from axiom.serve.config_rules import APPLICATIONS, cannot_import, known_bad, model_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import BaseModel
    from ray.serve.schema import ServeDeploySchema

FILE = "serve_config.yaml"
SCALED = "axiom.serve.predict:application"
"""The application whose replicas the command line may set."""


@dataclass(frozen=True)
class ServeConfig:
    """A checked configuration.

    Attributes:
        source: where it was read from.
        raw: the mapping of the file, for Ray.
    """

    source: str
    raw: Mapping[str, Any]

    @property
    def host(self) -> str:
        """Address that HTTP listens on."""
        return str(self.raw.get("http_options", {}).get("host", "0.0.0.0"))  # noqa: S104  (Ray's default)

    @property
    def port(self) -> int:
        """Port of HTTP."""
        return int(self.raw.get("http_options", {}).get("port", 8000))

    @property
    def grpc_port(self) -> int | None:
        """Port of gRPC; None where no gRPC service is named."""
        options = self.raw.get("grpc_options", {})
        return int(options.get("port", 9000)) if options.get("grpc_servicer_functions") else None

    @property
    def applications(self) -> Mapping[str, str]:
        """Name -> route prefix."""
        return {one["name"]: one.get("route_prefix", "/") for one in self.raw["applications"]}

    def schema(self) -> ServeDeploySchema:
        """What Ray deploys."""
        return _schema(self.raw)

    def changed(
        self,
        *,
        host: str | None = None,
        port: int | None = None,
        grpc_port: int | None = None,
        replicas: int | None = None,
        min_replicas: int | None = None,
        max_replicas: int | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> ServeConfig:
        """The configuration with some values replaced, checked again.

        Args:
            host: of HTTP.
            port: of HTTP.
            grpc_port: of gRPC.
            replicas: fixed number of replicas of the `predict` application; switches its autoscaling off.
            min_replicas: lower bound of its autoscaling.
            max_replicas: upper bound; switches autoscaling on where the file has it off.
            settings: settings of this process that the replicas need as well; those of the file stay.

        Raises:
            MisuseError: the values contradict each other or the file.
        """
        if replicas is not None and (min_replicas is not None or max_replicas is not None):
            raise MisuseError("a fixed number of replicas and bounds for autoscaling exclude each other")
        raw = copy.deepcopy(dict(self.raw))
        for section, name, value in (
            ("http_options", "host", host),
            ("http_options", "port", port),
            ("grpc_options", "port", grpc_port),
        ):
            if value is not None:
                raw.setdefault(section, {})[name] = value
        for application in raw["applications"]:
            if application["import_path"] not in APPLICATIONS:
                continue
            if settings:
                args = application.setdefault("args", {})
                args["settings"] = {**settings, **args.get("settings", {})}
            for deployment in application.get("deployments", []) if application["import_path"] == SCALED else ():
                _scale(deployment, replicas, min_replicas, max_replicas)
        return checked(raw, self.source)


def _scale(deployment: dict[str, Any], replicas: int | None, least: int | None, most: int | None) -> None:
    if replicas is not None:
        deployment.pop("autoscaling_config", None)
        deployment["num_replicas"] = replicas
    elif least is not None or most is not None:
        fixed = deployment.pop("num_replicas", None)
        scaling = deployment.setdefault("autoscaling_config", _autoscaling())
        scaling["min_replicas"] = least or min(scaling.get("min_replicas") or fixed or 1, most or 1)
        scaling["max_replicas"] = most or max(scaling.get("max_replicas") or 1, scaling["min_replicas"])
        scaling.pop("initial_replicas", None)


def _autoscaling() -> dict[str, Any]:
    return {
        "look_back_period_s": 15,
        "upscale_delay_s": 15,
        "downscale_delay_s": 300,
        "policy": {"policy_function": "axiom.serve.predict.autoscaling:policy"},
    }


def default_path() -> Path:
    """`serve_config.yaml` of the current directory, else the one that Axiom brings along."""
    here = Path(FILE)
    if here.is_file():
        return here.absolute()
    packaged = Path(__file__).parent / FILE  # in a wheel; in a checkout the file stands at its root
    return packaged if packaged.is_file() else Path(__file__).parents[2] / FILE


def load_serve_config(path: Path | str | None = None) -> ServeConfig:
    """Read and check a configuration.

    Args:
        path: default: `default_path()`.

    Raises:
        NotFoundError: there is no such file.
        MisuseError: it is no YAML, has unknown keys, wrong values, or what is known to end badly; all of it is named.
    """
    file = default_path() if path is None else Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError):
        raise NotFoundError(f"there is no file {file}", hint="leave it out to use the default") from None
    except UnicodeDecodeError as error:
        raise MisuseError(f"{file} is no UTF-8 text: {error}") from None
    try:
        raw = yaml.load(text, _UniqueKeys)  # noqa: S506  (a SafeLoader)
    except yaml.YAMLError as error:
        raise MisuseError(f"{file} is no YAML: {' '.join(str(error).split())}") from None
    return checked(raw, str(file))


def checked(raw: object, source: str) -> ServeConfig:
    """The configuration in a mapping, if nothing is wrong with it.

    Raises:
        MisuseError: every problem is named.
    """
    problems = list(problems_of(raw))
    if problems:
        told = "; ".join(map(str, problems))
        raise MisuseError(f"{source}: {told}", hint="`axiom serve check` checks a file without starting anything")
    assert isinstance(raw, dict)  # noqa: S101  (otherwise there were problems)
    return ServeConfig(source, raw)


def problems_of(raw: object) -> Iterator[Problem]:
    """Unknown keys, then wrong values, then what is known to end badly; the later only where the earlier are fine."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray defines its schemas in a way that newer pydantic warns about
        from ray.serve.schema import ServeDeploySchema
    if not isinstance(raw, dict) or not raw.get("applications"):
        yield Problem("applications", "there are none", "see docs/serving-config.md")
        return
    found = [*unknown_keys(raw, ServeDeploySchema, overrides=_bare_dictionaries()), *_options(raw)]
    if not found:
        found = list(_wrong_values(raw))
    if not found:
        found = list(known_bad(_schema(raw)))
    yield from found


def _bare_dictionaries() -> Mapping[tuple[type[BaseModel], str], type[BaseModel]]:
    from ray.serve.config import AutoscalingPolicy
    from ray.serve.schema import ServeApplicationSchema

    return {(ServeApplicationSchema, "autoscaling_policy"): AutoscalingPolicy}


def _options(raw: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with `args` and `user_config` of our own applications."""
    applications = raw["applications"] if isinstance(raw["applications"], list) else []
    for position, one in enumerate(applications):
        ours = APPLICATIONS.get(str(one.get("import_path"))) if isinstance(one, dict) else None
        if ours is None:
            continue
        where = f"applications[{one.get('name', position)}]"
        lasting = model_at(ours.user_config) if ours.user_config else None
        args, deployments = one.get("args", {}), one.get("deployments", [])
        moved = [key for key in args if key in lasting.model_fields] if lasting and isinstance(args, dict) else []
        for key in moved:
            yield Problem(f"{where}.args.{key}", "may change while replicas run", f"{_LASTING}.{key} is its place")
        if not moved:
            yield from _against(model_at(ours.args), args, f"{where}.args")
        for deployment in deployments if isinstance(deployments, list) else []:
            told = deployment.get("user_config") if isinstance(deployment, dict) else None
            at = f"{where}.deployments[{deployment.get('name')}].user_config" if told is not None else ""
            if told is not None and lasting is None:
                yield Problem(at, "this deployment has none", "its options stand under args")
            elif told is not None and lasting is not None:
                yield from _against(lasting, told, at)


_LASTING = "deployments[].user_config"


def _against(model: type[BaseModel], told: Any, where: str) -> Iterator[Problem]:
    from pydantic import ValidationError

    from axiom.settings import Settings

    unknown = list(unknown_keys(told, model, where, overrides={(model, "settings"): Settings}))
    yield from unknown
    if not unknown:
        try:
            model.model_validate(told)
        except ValidationError as error:
            yield from _told(error, where)


def _wrong_values(raw: Mapping[str, Any]) -> Iterator[Problem]:
    from pydantic import ValidationError
    from ray.serve.config import AutoscalingConfig

    # First of all: Ray's own message for a policy that is not there is a bare traceback.
    policies = list(_policies(raw))
    yield from policies
    if policies:
        return
    try:
        _schema(raw)
    except ValidationError as error:
        yield from _told(error)
        return
    for application in raw["applications"]:
        for one in application.get("deployments", []):
            # Declared as "a dictionary or a model", so the schema lets every dictionary pass.
            where = f"applications[{application['name']}].deployments[{one['name']}].autoscaling_config"
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # what is deprecated is refused by a rule of our own
                    AutoscalingConfig(**(one.get("autoscaling_config") or {}))
            except ValidationError as error:
                yield from _told(error, where)


def _policies(raw: Mapping[str, Any]) -> Iterator[Problem]:
    """Autoscaling policies that cannot be imported."""
    for path, value in _walk(raw, ""):
        if path.endswith("policy.policy_function") and (told := cannot_import(str(value))):
            yield Problem(path, told)


def _walk(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every leaf of nested mappings and lists with its path."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _walk(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            named = inner.get("name", position) if isinstance(inner, dict) else position
            yield from _walk(inner, f"{path}[{named}]")
    else:
        yield path, value


def _schema(raw: Mapping[str, Any]) -> ServeDeploySchema:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as above
        from ray.serve.schema import ServeDeploySchema

        found: ServeDeploySchema = ServeDeploySchema.model_validate(dict(raw))
    return found


def _told(error: Any, where: str = "") -> Iterator[Problem]:
    for one in error.errors():
        path = ".".join(str(part) for part in (where, *one["loc"]) if part != "")
        given = "" if isinstance(one["input"], dict | list) else f", not {one['input']!r}"
        message = one["msg"].removeprefix("Value error, ").replace("Input should be", "should be")
        yield Problem(path or FILE, f"{message[:1].lower()}{message[1:]}{given}")


class _UniqueKeys(yaml.SafeLoader):
    """YAML takes the last of two equal keys in silence; here that is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        """See yaml."""
        seen = set()
        for key, _ in node.value:
            name = self.construct_object(key, deep=deep)
            if name in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {name!r} stands twice", key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)
