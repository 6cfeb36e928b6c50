from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from axiom.errors import MisuseError
from axiom.settings import Settings, load_settings, mask_url

if TYPE_CHECKING:
    from pathlib import Path


def test_defaults_need_no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load_settings()
    assert settings.home == tmp_path / ".axiom"
    assert settings.lake_location == str(tmp_path / ".axiom" / "lake")
    assert settings.database_location == f"sqlite:///{tmp_path / '.axiom' / 'axiom.db'}"
    assert (settings.buckets, settings.engine, settings.currency, settings.seed) == (16, "ray", "USD", 42)


def test_overrides_beat_variables_and_variables_beat_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AXIOM_BUCKETS", "32")
    monkeypatch.setenv("AXIOM_CURRENCY", "eur")
    settings = load_settings(buckets=64)
    assert (settings.buckets, settings.currency) == (64, "EUR")


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AXIOM_DATABASE_URL", "")
    assert load_settings().database_url is None


def test_a_relative_lake_becomes_absolute_and_a_uri_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings(lake_uri="data/lake").lake_location == str(tmp_path / "data" / "lake")
    assert load_settings(lake_uri="s3://bucket/lake").lake_location == "s3://bucket/lake"


def test_settings_are_frozen_and_survive_the_trip_to_a_worker() -> None:
    settings = load_settings(s3_access_key="id", s3_secret_key="hidden")
    with pytest.raises(ValidationError):
        settings.seed = 1  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(settings)) == settings


@pytest.mark.parametrize(
    ("name", "value", "meant"),
    [
        ("AXIOM_LAKE_URL", "x", "AXIOM_LAKE_URI"),
        ("AXIOM_BUCKET", "4", "AXIOM_BUCKETS"),
        ("AXIOM_HOEM", "/x", "AXIOM_HOME"),
        ("axiom_databse_url", "x", "AXIOM_DATABASE_URL"),
    ],
)
def test_a_misspelt_variable_is_refused_and_the_nearest_setting_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, meant: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(MisuseError) as refused:
        load_settings()
    assert refused.value.message == f"{name} is not a setting"
    assert refused.value.hint == f"did you mean {meant}?"


def test_variables_that_kubernetes_sets_by_itself_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AXIOM_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("AXIOM_PORT_8000_TCP", "tcp://10.0.0.1:8000")
    assert load_settings().buckets == 16


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        ({"buckets": 0}, "AXIOM_BUCKETS=0: input should be greater than or equal to 1"),
        ({"buckets": 4097}, "AXIOM_BUCKETS=4097: input should be less than or equal to 4096"),
        ({"engine": "spark"}, "AXIOM_ENGINE='spark': input should be 'ray' or 'inline'"),
        ({"currency": "euro"}, "AXIOM_CURRENCY='EURO': string should match pattern '^[A-Z]{3}$'"),
        ({"num_cpus": 0}, "AXIOM_NUM_CPUS=0: input should be greater than or equal to 1"),
        ({"bucket": 4}, "bucket is not a setting (did you mean buckets?)"),
        ({"s3_access_key": "id"}, "AXIOM_S3_ACCESS_KEY and AXIOM_S3_SECRET_KEY must be set together"),
    ],
)
def test_a_bad_value_gives_one_line_that_names_the_variable(overrides: dict[str, object], line: str) -> None:
    with pytest.raises(MisuseError) as refused:
        load_settings(**overrides)
    assert str(refused.value) == line


def test_secrets_never_show(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings(
        database_url="postgresql+psycopg://bob:hunter2@db/axiom",
        redis_url="redis://:hunter2@cache:6379/0",
        s3_access_key="hunter2",
        s3_secret_key="hunter2",
    )
    assert "hunter2" not in repr(settings) + str(settings)
    with pytest.raises(MisuseError) as refused:
        load_settings(s3_access_key=["hunter2"], database_url=["x://bob:hunter2@db"])
    assert "hunter2" not in str(refused.value)
    assert refused.value.__suppress_context__


@pytest.mark.parametrize(
    "url",
    ["x://bob:hunter2@h/d", "x://:hunter2@h", "x://bob:hun/ter2@hunter2@h", "x://h/d?user=bob&password=hunter2"],
)
def test_a_url_is_masked_wherever_its_password_stands(url: str) -> None:
    masked = mask_url(f"cannot open {url} today")
    assert "ter2" not in masked
    assert masked.endswith("today")


def test_a_url_without_password_is_left_as_it_is() -> None:
    assert mask_url("see https://host:80/path") == "see https://host:80/path"


def test_every_setting_is_described() -> None:
    docs = {doc.env: doc for doc in Settings.describe()}
    assert docs["AXIOM_BUCKETS"].default == "16"
    assert docs["AXIOM_LAKE_URI"].default == ""
    assert docs["AXIOM_HOME"].default == ".axiom"
    assert len(docs) == len(Settings.model_fields)
    assert all(doc.description.endswith(".") for doc in docs.values())
